import InventoryCore
import InventoryWire
import StreamRuntime
import Testing

@Suite("Records of the commands that nobody can read")
struct SkipTests {
    private let worker = PartitionWorkerTests()

    private func receive(_ id: ID) -> Command {
        Command(id: id, sku: "A", body: .receive(warehouse: "BER", quantity: 5, reference: nil))
    }

    private func entries(_ topics: MemoryTopics) throws -> [LedgerEntry] {
        var reader = RecordReader()
        return try topics.committed(.ledger).map { record in
            try record.value!.withUnsafeBytes { try reader.ledgerEntry($0) }
        }
    }

    private func published() -> MemoryTopics {
        let topics = MemoryTopics()
        topics.publish(receive("c1"), at: 100)
        topics.publishUnreadable(3)
        topics.publish(receive("c2"), at: 200)
        return topics
    }

    @Test("They are stepped over, noted in the partition's ledger with offsets and reason, and a dead letter")
    func noted() throws {
        let topics = published()
        _ = worker.run(MemoryLog(topics))
        #expect(topics.committedOffset == 5)
        let skips = try entries(topics).filter { $0.movement == .skip }
        #expect(skips.count == 1)
        let skip = try #require(skips.first)
        #expect(skip.sku == PartitionBook.sku(0) && skip.isNote && skip.skipped == 1..<4)
        #expect(skip.note == "compression" && skip.commandID == "@holdfast/note/skip/1")
        #expect(skip.at == Timestamp(milliseconds: 100), "the time of the newest decision before it")
        var reader = RecordReader()
        let letters = try topics.committed(.deadLetters).map { record in
            try record.value!.withUnsafeBytes { try reader.deadLetter($0) }
        }
        #expect(letters.map(\.reason) == [.unreadable] && letters.map(\.offset) == [1])
        #expect(letters.first?.value == nil && letters.first?.key == nil)
        #expect(topics.committed(.results).count == 2)
        #expect(try entries(topics).last.map(\.commandID) == "c2")
    }

    @Test("A worker that begins again after any commit that failed notes the same, once")
    func again() throws {
        let calm = published()
        _ = worker.run(MemoryLog(calm))
        for operation in ["commit", "poll", "begin", "produce"] {
            for occurrence in 1...3 {
                let topics = published()
                var seen = 0
                let log = MemoryLog(topics) { name in
                    guard name.hasPrefix(operation) else { return .none }
                    seen += 1
                    return seen == occurrence ? .before(.restart) : .none
                }
                _ = worker.run(log)
                for topic in [Topic.ledger, .results, .deadLetters] {
                    #expect(
                        topics.committed(topic).map(\.value) == calm.committed(topic).map(\.value),
                        "\(operation) \(occurrence): \(topic.rawValue)")
                }
            }
        }
    }

    @Test("The restored state is the live one, and goes on behind them")
    func restored() throws {
        let topics = published()
        topics.records[.commands]!.removeLast()
        _ = worker.run(MemoryLog(topics))
        #expect(topics.committedOffset == 4)
        topics.publish(receive("c2"), at: 200)
        #expect(worker.run(MemoryLog(topics)).halted == nil)
        #expect(topics.committedOffset == 5)
        #expect(try entries(topics).filter { $0.movement == .skip }.count == 1)
    }

    @Test("Where the group has lost its offsets, the offset to set lies behind them")
    func lostOffsets() throws {
        let topics = published()
        topics.records[.commands]!.removeLast()
        _ = worker.run(MemoryLog(topics))
        topics.committedOffset = nil
        topics.publish(receive("c2"), at: 200)
        let halted = try #require(worker.run(MemoryLog(topics), stopAfterSteps: 2_000).halted)
        #expect(halted.contains("set its offset to 4"), "\(halted)")
    }

    @Test("A ledger's skip that says no number, or no reason, is a fault", arguments: [0, 3] as [Int64])
    func faults(_ quantity: Int64) {
        var entry = LedgerEntry(
            sku: PartitionBook.sku(0), sequence: 1, movement: .skip, at: Timestamp(milliseconds: 1),
            source: Source(partition: 0, offset: 7), command: .skip,
            commandID: PartitionBook.skipNote(from: 7), quantity: quantity)
        #expect(Stock().fault(in: entry)?.kind == .incomplete)
        entry.note = "damaged"
        #expect((Stock().fault(in: entry) == nil) == (quantity > 0))
        entry.sku = "A"
        #expect(Stock().fault(in: entry)?.kind == .incomplete)
    }
}
