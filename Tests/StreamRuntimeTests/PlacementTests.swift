import InventoryCore
import InventoryWire
import OrderCore
import StreamRuntime
import Testing

@Suite("The number of partitions by which keys were placed")
struct PlacementTests {
    private let worker = PartitionWorkerTests()

    private func receive(_ id: ID, _ sku: ID = "A") -> Command {
        Command(id: id, sku: sku, body: .receive(warehouse: "BER", quantity: 5, reference: nil))
    }

    private func entries(_ topics: MemoryTopics) throws -> [LedgerEntry] {
        var reader = RecordReader()
        return try topics.committed(.ledger).map { record in
            try record.value!.withUnsafeBytes { try reader.ledgerEntry($0) }
        }
    }

    private func noted(_ entry: LedgerEntry) -> Int64? {
        if case .settings(let settings) = entry.details { settings.partitions } else { nil }
    }

    @Test("The first command's transaction notes it in the partition's own ledger, once and without a result")
    func once() throws {
        let topics = MemoryTopics()
        for number in 1...3 { topics.publish(receive("c\(number)"), at: Int64(number)) }
        _ = worker.run(MemoryLog(topics))
        topics.publish(receive("c4"), at: 4)
        _ = worker.run(MemoryLog(topics))
        let entries = try entries(topics)
        #expect(entries.filter(\.isNote).count == 1)
        let note = try #require(entries.first)
        #expect(note.sku == PartitionBook.sku(0) && note.isNote && noted(note) == 1)
        #expect(note.source.offset == 0 && note.at == Timestamp(milliseconds: 1) && !note.more)
        #expect(topics.committed(.results).count == 4)
    }

    @Test("A ledger of an earlier version gets the present number with its next command")
    func earlierVersion() throws {
        let topics = MemoryTopics()
        topics.publish(receive("c1"), at: 1)
        _ = worker.run(MemoryLog(topics))
        // As it was written before there were notes.
        for topic in [Topic.ledger, .levels] {
            topics.records[topic]!.removeAll { $0.key == PartitionBook.sku(0).bytes }
        }
        topics.publish(receive("c2"), at: 2)
        let log = MemoryLog(topics)
        log.partitionCount = 7
        log.placedByOthers = 3
        #expect(worker.run(log).halted == nil)
        #expect(try entries(topics).filter(\.isNote).compactMap(noted) == [7])
    }

    @Test("With another number of partitions the worker halts, decides nothing, and says what to run")
    func altered() throws {
        let topics = MemoryTopics()
        topics.publish(receive("c1"), at: 1)
        _ = worker.run(MemoryLog(topics))
        topics.publish(receive("c2"), at: 2)
        let log = MemoryLog(topics)
        log.partitionCount = 12
        let halted = try #require(worker.run(log, stopAfterSteps: 2_000).halted)
        #expect(halted.contains("stock.commands has 12 partitions, but its keys were placed by 1"))
        #expect(halted.contains("holdfast topics grow --to-prefix PREFIX --partitions 12"))
        #expect(topics.committed(.results).count == 1)
    }

    @Test("A partition in which nothing was decided asks the others, and one that has decided does not")
    func askingOthers() throws {
        let topics = MemoryTopics()
        topics.publish(receive("c1"), at: 1)
        var log = MemoryLog(topics)
        (log.partitionCount, log.placedByOthers) = (12, 6)
        let halted = try #require(worker.run(log, stopAfterSteps: 2_000).halted)
        #expect(halted.contains("12 partitions, but its keys were placed by 6"))
        #expect(topics.committed(.ledger).isEmpty)
        log = MemoryLog(topics)
        (log.partitionCount, log.placedByOthers) = (6, 6)
        #expect(worker.run(log).halted == nil)
        log = MemoryLog(topics)
        (log.partitionCount, log.placedByOthers) = (6, 12)
        topics.publish(receive("c2"), at: 2)
        #expect(worker.run(log).halted == nil)
    }

    @Test("A record without a time is a dead letter, and the note comes with the next one")
    func withoutTime() throws {
        let topics = MemoryTopics()
        topics.publish(receive("c1"), at: -1)
        topics.publish(receive("c2"), at: 2)
        _ = worker.run(MemoryLog(topics))
        #expect(topics.committed(.deadLetters).count == 1)
        #expect(try entries(topics).map(\.source.offset) == [1, 1])
    }

    @Test("Settings that come later leave it as it is, also after a restore")
    func settings() throws {
        let topics = MemoryTopics()
        topics.publish(receive("c1"), at: 1)
        topics.publish(
            Command(id: "s1", sku: PartitionBook.sku(0), body: .setSettings(Settings(defaultTTL: 5_000))),
            at: 2)
        _ = worker.run(MemoryLog(topics))
        topics.publish(receive("c2"), at: 3)
        _ = worker.run(MemoryLog(topics))
        #expect(try entries(topics).compactMap(noted) == [1, 1])
        #expect(try entries(topics).filter(\.isNote).count == 1)
    }

    @Test("No publisher can say it, or take the name of a note")
    func forged() throws {
        let topics = MemoryTopics()
        topics.publish(receive("c1"), at: 1)
        topics.publish(
            Command(
                id: "s1", sku: PartitionBook.sku(0), body: .setSettings(Settings(partitions: 99))), at: 2)
        topics.publish(
            Command(
                id: PartitionBook.partitionsNote, sku: PartitionBook.sku(0), body: .setSettings(Settings())),
            at: 3)
        _ = worker.run(MemoryLog(topics))
        #expect(topics.committed(.deadLetters).count == 2)
        #expect(try entries(topics).compactMap(noted) == [1])
    }

    @Test("A grown partition begins with its number, and notes nothing more")
    func grown() throws {
        let begin = GrownPartition(
            0, book: LevelsSnapshot.Book(settings: Settings(), rememberedFrom: 0, warehouses: []), of: 1)
        let topics = MemoryTopics()
        for command in begin.opening + [begin.closing] { topics.publish(command, at: 900_000) }
        topics.publish(receive("c1"), at: 900_001)
        var processor = CommandProcessor(stock: Stock(), partition: 0, ownsKey: { _ in true })
        var ledger: [LedgerEntry] = []
        var reader = RecordReader()
        for (offset, record) in topics.records[.commands]!.enumerated() {
            try record.key!.withUnsafeBytes { key in
                try record.value!.withUnsafeBytes { value in
                    try processor.process(
                        LogRecord(
                            key: key, value: value, offset: Int64(offset), timestamp: record.timestamp)
                    ) { topic, _, value throws(LogFailure) in
                        guard topic == .ledger, let value,
                            let entry = try? reader.ledgerEntry(value)
                        else { return }
                        ledger.append(entry)
                    }
                }
            }
        }
        #expect(ledger.map(\.isNote) == [false, false, false])
        #expect(processor.stock.settings.partitions == 1)
    }
}
