import InventoryCore
import InventoryWire
import StreamRuntime
import Testing

@Suite("What a standby has read")
struct RestorerTests {
    /// Lets others write before each topic is read, so that the topics are read as of different moments.
    private final class BusyReader: PartitionReader {
        let log: MemoryLog
        let write: () -> Void

        init(_ topics: MemoryTopics, write: @escaping () -> Void) {
            log = MemoryLog(topics)
            self.write = write
        }

        var partition: Int32 { log.partition }
        func offsets(of topic: Topic) throws(LogFailure) -> Range<Int64> { try log.offsets(of: topic) }
        func read(
            _ topic: Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
        ) throws(LogFailure) {
            write()
            try log.read(topic, from: offset, body)
        }
    }

    @Test(
        "With the rest it gives the state that a restore from nothing gives, whenever which topic was read",
        arguments: [UInt64](1...5))
    func sameState(seed: UInt64) throws {
        let worker = PartitionWorkerTests()
        let topics = MemoryTopics()
        var chunks: UInt64 = 0
        func write() {
            chunks += 1
            worker.publishMix(40, to: topics, seed: seed &* 1000 &+ chunks)
            _ = worker.run(MemoryLog(topics))
        }
        var image = PartitionImage()
        for _ in 0..<6 { try Restorer(log: BusyReader(topics, write: write)).update(&image) }
        write()
        // Now nobody writes any more, as after a fence.
        let warm = try Restorer(log: MemoryLog(topics)).restore(from: image)
        let cold = try Restorer(log: MemoryLog(topics)).restore()
        #expect(chunks == 25 && warm.newestSource == cold.newestSource)
        #expect(warm.stock.allLevels == cold.stock.allLevels)
        #expect(warm.stock.allReservations == cold.stock.allReservations)
        #expect(warm.stock.allTransfers == cold.stock.allTransfers)
        #expect(warm.stock.rememberedEntries == cold.stock.rememberedEntries)
        #expect(!cold.stock.allLevels.isEmpty && cold.stock.rememberedEntries.count > 500)
    }

    @Test(
        "It remembers what the partition remembers, though the window is made longer or shorter while it reads",
        arguments: [UInt64](1...5))
    func otherWindow(seed: UInt64) throws {
        let worker = PartitionWorkerTests()
        let topics = MemoryTopics()
        let counts = [8, 120, 5, 400, 30]
        var chunks = 0
        func write() {
            chunks += 1
            worker.publishMix(20, to: topics, seed: seed &* 1000 &+ UInt64(chunks))
            topics.publish(
                Command(
                    id: "settings-\(chunks)", sku: "@holdfast/partition/0",
                    body: .setSettings(Settings(dedupeCount: counts[chunks % counts.count]))),
                at: topics.records[.commands]!.last!.timestamp)
            worker.publishMix(40, to: topics, seed: seed &* 2000 &+ UInt64(chunks))
            _ = worker.run(MemoryLog(topics))
        }
        var image = PartitionImage()
        for _ in 0..<6 {
            try Restorer(log: BusyReader(topics, write: write)).update(&image)
            let warm = try Restorer(log: MemoryLog(topics)).restore(from: image)
            let cold = try Restorer(log: MemoryLog(topics)).restore()
            #expect(warm.stock.rememberedEntries == cold.stock.rememberedEntries)
            #expect(!cold.stock.rememberedEntries.isEmpty)
        }
    }

    /// Counts how often the ledger is read, and refuses to read it for ever.
    private final class CountingReader: PartitionReader {
        let log: MemoryLog
        var ledgerReads = 0

        init(_ topics: MemoryTopics) { log = MemoryLog(topics) }

        var partition: Int32 { log.partition }
        func offsets(of topic: Topic) throws(LogFailure) -> Range<Int64> { try log.offsets(of: topic) }
        func read(
            _ topic: Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
        ) throws(LogFailure) {
            if topic == .ledger { ledgerReads += 1 }
            if ledgerReads > 20 {
                throw LogFailure(.halt, operation: "read", message: "the tail is read again and again")
            }
            try log.read(topic, from: offset, body)
        }
    }

    @Test(
        "The ledger's tail is found in a few readings, however far apart its commands lie",
        arguments: [(1, 0), (9, 1), (5, 4), (1, 1), (4, 5), (1, 3), (1, 20)])
    func tail(entries: Int, gaps: Int) throws {
        let (count, window) = (3_000, 1_024)
        let topics = MemoryTopics()
        for number in 0..<count {
            topics.publish(
                Command(
                    id: "c\(number)", sku: "A", body: .receive(warehouse: "BER", quantity: 1, reference: nil)),
                at: Int64(number))
        }
        _ = PartitionWorkerTests().run(MemoryLog(topics))
        // Offsets of markers and of transactions that were aborted lie between them.
        let ledger = topics.records[.ledger]!
        try #require(ledger.count == count)
        topics.records[.ledger] = ledger.indices.flatMap { number in
            var aborted = ledger[number]
            aborted.isCommitted = false
            let isLast = number % entries == entries - 1
            return [ledger[number]] + Array(repeating: aborted, count: isLast ? gaps : 0)
        }
        let reader = CountingReader(topics)
        let restored = try Restorer(log: reader).restore(
            from: PartitionImage(settings: Settings(dedupeCount: window)))
        #expect(
            restored.stock.rememberedEntries.map(\.sequence) == (count - window + 1...count).map { Int64($0) }
        )
        #expect(restored.stock.hasForgotten)
        #expect(reader.ledgerReads <= 6)
    }

    /// The same topics as an earlier version wrote them, with the bare id as the key; and the keys.
    private func written(earlier topics: MemoryTopics) -> (topics: MemoryTopics, keys: [Topic: [[UInt8]]]) {
        let old = MemoryTopics()
        old.records = topics.records
        old.committedOffset = topics.committedOffset
        var reader = RecordReader()
        var keys: [Topic: [[UInt8]]] = [:]
        for topic in [Topic.reservations, .transfers] {
            for (place, record) in (topics.records[topic] ?? []).enumerated() {
                let name = record.key!.withUnsafeBytes { reader.ownedID(key: $0) }!
                old.records[topic]![place].key = Array("\(name.id)".utf8)
                keys[topic, default: []].append(Array("\(name.id)".utf8))
            }
        }
        return (old, keys)
    }

    @Test(
        "Records under keys of an earlier version stop the partition, which names what to run; a rebuild mends it"
    )
    func strangeKeys() throws {
        let worker = PartitionWorkerTests()
        let topics = MemoryTopics()
        worker.publishMix(60, to: topics, seed: 5)
        for (number, sku) in ["A", "B"].enumerated() {
            topics.publish(
                Command(
                    id: "last-\(number)", sku: "\(sku)",
                    body: .receive(warehouse: "BER", quantity: 9, reference: nil)),
                at: 2_000)
            topics.publish(
                Command(
                    id: "kept-\(number)", sku: "\(sku)",
                    body: .reserve(
                        Command.Reserve(
                            reservationID: "kept-\(number)", orderID: "o", quantity: 1,
                            expiry: .after(milliseconds: 900_000)))), at: 2_000)
        }
        _ = worker.run(MemoryLog(topics))
        let (old, keys) = written(earlier: topics)
        old.publish(
            Command(id: "next", sku: "A", body: .receive(warehouse: "BER", quantity: 1, reference: nil)),
            at: 2_001)
        let halted = worker.run(MemoryLog(old)).halted
        #expect(halted?.contains("stock.reservations has ") == true, "\(halted ?? "it went on")")
        #expect(halted?.contains("such as ") == true)
        #expect(halted?.contains("`holdfast rebuild --from-ledger --in-place`") == true)

        // What the rebuild writes: each live record under its key, tombstones of the keys that should not be there.
        var rebuild = LedgerRebuild()
        for (offset, record) in old.committed(.ledger).enumerated() {
            try record.key!.withUnsafeBytes { key in
                try record.value!.withUnsafeBytes {
                    try rebuild.add(LogRecord(key: key, value: $0, offset: Int64(offset), timestamp: 0))
                }
            }
        }
        for topic in [Topic.reservations, .transfers] {
            var view = CompactedView()
            for record in old.committed(topic) {
                record.key!.withUnsafeBytes { key in
                    (record.value ?? []).withUnsafeBytes {
                        view.add(
                            LogRecord(
                                key: key, value: record.value == nil ? nil : $0, offset: 0, timestamp: 0))
                    }
                }
            }
            func write(_ key: [UInt8], _ value: [UInt8]?) {
                old.records[topic, default: []].append(
                    MemoryTopics.Record(key: key, value: value, timestamp: 0, isCommitted: true))
            }
            rebuild.forEachRecord(of: topic) { key, value in
                let isThere = view.take(key, value)
                #expect(!isThere)
                write(key, Array(value))
            }
            #expect(Set(view.rest).isSubset(of: keys[topic] ?? []))
            for key in view.rest { write(key, nil) }
        }
        #expect(worker.run(MemoryLog(old)).halted == nil)
        topics.records[.commands] = old.records[.commands]
        _ = worker.run(MemoryLog(topics))
        let (mended, right) = (
            try Restorer(log: MemoryLog(old)).restore(), try Restorer(log: MemoryLog(topics)).restore()
        )
        #expect(mended.stock.allReservations == right.stock.allReservations)
        #expect(mended.stock.liveReservations >= 2)
    }

    @Test(
        "A record under a key of an earlier version that looks like one of today counts until the key's own comes"
    )
    func strangeKeyAlike() throws {
        let worker = PartitionWorkerTests()
        let topics = MemoryTopics()
        for (number, reservation) in ["other", "own"].enumerated() {
            topics.publish(
                Command(
                    id: "in-\(number)", sku: "A",
                    body: .receive(warehouse: "BER", quantity: 1, reference: nil)),
                at: 1)
            topics.publish(
                Command(
                    id: "c-\(number)", sku: "A",
                    body: .reserve(
                        Command.Reserve(reservationID: ID(reservation), orderID: "o", quantity: 1))), at: 1)
        }
        _ = worker.run(MemoryLog(topics))
        let right = try Restorer(log: MemoryLog(topics)).restore()
        let records = topics.records[.reservations]!
        try #require(records.count == 2)
        // Under the key of "own" stood another, and a rebuild has put that one under its key.
        topics.records[.reservations] = [
            MemoryTopics.Record(
                key: records[1].key, value: records[0].value, timestamp: 0, isCommitted: true)
        ]
        #expect(throws: LogFailure.self) { try Restorer(log: MemoryLog(topics)).restore() }
        topics.records[.reservations]! += records
        let restored = try Restorer(log: MemoryLog(topics)).restore()
        #expect(restored.stock.allReservations == right.stock.allReservations)
    }

    @Test("It reads on from where it was, and nothing twice")
    func readsOn() throws {
        let worker = PartitionWorkerTests()
        let topics = MemoryTopics()
        worker.publishMix(50, to: topics, seed: 3)
        _ = worker.run(MemoryLog(topics))
        var image = PartitionImage()
        try Restorer(log: MemoryLog(topics)).update(&image)
        final class Counting: PartitionReader {
            let log: MemoryLog
            var records = 0
            init(_ log: MemoryLog) { self.log = log }
            var partition: Int32 { log.partition }
            func offsets(of topic: Topic) throws(LogFailure) -> Range<Int64> { try log.offsets(of: topic) }
            func read(
                _ topic: Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
            ) throws(LogFailure) {
                try log.read(topic, from: offset) { record throws(LogFailure) in
                    records += 1
                    try body(record)
                }
            }
        }
        let again = Counting(MemoryLog(topics))
        try Restorer(log: again).update(&image)
        #expect(again.records == 0)
        let cold = Counting(MemoryLog(topics))
        _ = try Restorer(log: cold).restore()
        #expect(cold.records > 50)
    }
}
