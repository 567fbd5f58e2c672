import InventoryCore
import InventoryWire
import StreamRuntime
import Testing

@Suite("A partition that was grown")
struct GrownPartitionTests {
    private typealias Record = MemoryTopics.Record

    private func entries(_ topics: MemoryTopics) throws -> [LedgerMerge.Record] {
        var reader = RecordReader()
        // The books stay behind.
        return try topics.committed(.ledger).filter { !$0.key!.starts(with: PartitionBook.prefix.utf8) }.map {
            record in
            LedgerMerge.Record(
                key: record.key!, value: record.value!,
                entry: try record.value!.withUnsafeBytes { try reader.ledgerEntry($0) })
        }
    }

    private func merged(_ ledgers: [[LedgerMerge.Record]]) throws -> [LedgerMerge.Record] {
        var merge = try LedgerMerge(
            ledgers.map { ledger in
                var rest = ledger[...]
                return { rest.popFirst() }
            })
        var row: [LedgerMerge.Record] = []
        while let record = try merge.next() { row.append(record) }
        return row
    }

    private func entry(_ sku: ID, _ sequence: Int64, at: Int64, more: Bool = false) -> LedgerMerge.Record {
        LedgerMerge.Record(
            key: sku.bytes, value: [],
            entry: LedgerEntry(
                sku: sku, sequence: sequence, more: more, movement: .receive,
                at: Timestamp(milliseconds: at), source: Source(partition: 0, offset: 0), command: .receive,
                commandID: "c", quantity: 1))
    }

    @Test("Ledgers are merged by time, the entries of a command together, and each ledger keeps its order")
    func merge() throws {
        let first = [
            entry("A", 1, at: 1), entry("A", 2, at: 5, more: true), entry("A", 3, at: 5),
            entry("B", 1, at: 4),
        ]
        let second = [entry("C", 1, at: 2), entry("C", 2, at: 5), entry("D", 1, at: 5)]
        let row = try merged([first, second, []]).map { "\($0.entry.sku)\($0.entry.sequence)" }
        // B1 is behind A3 in its own ledger, whatever its time.
        #expect(row == ["A1", "C1", "A2", "A3", "B1", "C2", "D1"])
        // A ledger that ends within a command ends all the same.
        let cut = try merged([[entry("A", 1, at: 1, more: true)], second]).map(\.entry.sku)
        #expect(cut == ["A", "C", "C", "D"])
    }

    /// What `holdfast topics grow` makes of two partitions' topics for a single new one.
    private func grown(_ olds: [MemoryTopics], settings: Settings) throws -> MemoryTopics {
        let book = LevelsSnapshot.Book(
            settings: settings, rememberedFrom: 0, warehouses: [Warehouse(id: "BER", priority: 7)])
        let begin = GrownPartition(0, book: book, of: 1)
        let topics = MemoryTopics()
        for command in begin.opening + [begin.closing] { topics.publish(command, at: 900_000) }
        var processor = CommandProcessor(stock: Stock(), partition: 0, ownsKey: { _ in true })
        func append(_ topic: Topic, _ key: [UInt8]?, _ value: [UInt8]?) {
            topics.records[topic, default: []].append(
                Record(key: key, value: value, timestamp: 900_000, isCommitted: true))
        }
        func decide(_ offset: Int, _ processor: inout CommandProcessor) throws {
            let record = topics.records[.commands]![offset]
            try record.key!.withUnsafeBytes { key in
                try record.value!.withUnsafeBytes { value in
                    try processor.process(
                        LogRecord(key: key, value: value, offset: Int64(offset), timestamp: record.timestamp)
                    ) { append($0, $1.map { Array($0) }, $2.map { Array($0) }) }
                }
            }
        }
        for offset in begin.opening.indices { try decide(offset, &processor) }
        for record in try merged(olds.map(entries)) {
            append(.ledger, record.key, record.value)
            try processor.fold(record.entry)
        }
        try decide(begin.opening.count, &processor)
        var rebuild = LedgerRebuild(continuing: processor.takeStock())
        for topic in LedgerRebuild.topics {
            rebuild.forEachRecord(of: topic) { append(topic, $0, Array($1)) }
        }
        topics.committedOffset = Int64(begin.opening.count + 1)
        return topics
    }

    private func old(_ seed: UInt64, _ name: String) -> MemoryTopics {
        let topics = MemoryTopics()
        for number in 0..<60 {
            let at = Int64(1_000 + number * 7) + Int64(seed)
            topics.publish(
                Command(
                    id: "c\(name)\(number)", sku: "\("ABC".randomElement()!)\(name)",
                    body: .receive(warehouse: "BER", quantity: 3, reference: nil)), at: at)
            topics.publish(
                Command(
                    id: "r\(name)\(number)", sku: "A\(name)",
                    body: .reserve(
                        Command.Reserve(
                            reservationID: "r\(name)\(number)", orderID: "o\(number)", quantity: 1,
                            expiry: .after(milliseconds: number % 3 == 0 ? 50 : 9_000_000)))), at: at)
        }
        _ = PartitionWorkerTests().run(MemoryLog(topics))
        return topics
    }

    @Test(
        "A worker goes on from it, whatever offsets the earlier commands had, and gives their repeats their outcomes"
    )
    func goesOn() throws {
        let olds = [old(1, "x"), old(2, "y")]
        let topics = try grown(olds, settings: Settings(dedupeCount: 400))
        let lastEarlier = try entries(olds[1]).last!.entry.source.offset
        #expect(lastEarlier > topics.committedOffset!)
        for number in 0..<60 {
            topics.publish(
                Command(
                    id: "ry\(number)", sku: "Ay",
                    body: .reserve(
                        Command.Reserve(
                            reservationID: "ry\(number)", orderID: "o\(number)", quantity: 1,
                            expiry: .after(milliseconds: number % 3 == 0 ? 50 : 9_000_000)))), at: 900_100)
        }
        let observer = PartitionWorkerTests().run(MemoryLog(topics))
        #expect(observer.halted == nil && observer.failures.isEmpty, "\(observer.halted ?? "")")
        #expect(topics.committedOffset == Int64(topics.records[.commands]!.count))
        var reader = RecordReader()
        func outcomes(_ topics: MemoryTopics) throws -> [String: Outcome] {
            var outcomes: [String: Outcome] = [:]
            for record in topics.committed(.results) {
                try record.value!.withUnsafeBytes {
                    guard try reader.notice($0) == nil else { return }
                    let outcome = try reader.outcome($0).outcome
                    outcomes[outcome.commandID.text] = outcome
                }
            }
            return outcomes
        }
        let (before, after) = (try outcomes(olds[1]), try outcomes(topics))
        for number in 0..<60 {
            let id = "ry\(number)"
            #expect(after[id]?.isDuplicate == true, "\(id)")
            #expect(
                after[id]?.sequence == before[id]?.sequence && after[id]?.kind == before[id]?.kind, "\(id)")
        }
    }

    @Test("SKUs of two partitions that have reservations and transfers of one id come together with both")
    func sharedIDs() throws {
        let olds = ["X", "Y"].enumerated().map { number, sku in
            let topics = MemoryTopics()
            for (id, body) in [
                ("in", .receive(warehouse: "BER", quantity: 5, reference: nil)),
                (
                    "o1",
                    .reserve(
                        Command.Reserve(
                            reservationID: "o1", orderID: "o1", quantity: Int64(number + 1),
                            expiry: .after(milliseconds: 9_000_000)))
                ),
                (
                    "move",
                    .transferDispatch(
                        Command.TransferDispatch(transferID: "o1", from: "BER", to: "HAM", quantity: 1))
                ),
            ] as [(String, Command.Body)] {
                topics.publish(Command(id: "\(id)", sku: "\(sku)", body: body), at: 1_000)
            }
            _ = PartitionWorkerTests().run(MemoryLog(topics))
            return topics
        }
        let topics = try grown(olds, settings: Settings())
        let stock = try Restorer(log: MemoryLog(topics)).restore().stock
        #expect(stock.liveReservations == 2 && stock.liveTransfers == 2)
        for (sku, units) in [("X", 1), ("Y", 2)] as [(String, Int64)] {
            let name = OwnedID(sku: "\(sku)", id: "o1")
            #expect(stock.reservation(name)?.quantity == units)
            #expect(stock.transfer(name)?.remaining == 1)
        }
        topics.publish(
            Command(id: "o1", sku: "X", body: .confirm(reservationID: "o1", quantity: nil)), at: 900_100)
        topics.publish(
            Command(id: "pay", sku: "Y", body: .confirm(reservationID: "o1", quantity: nil)), at: 900_100)
        _ = PartitionWorkerTests().run(MemoryLog(topics))
        let kinds = try topics.committed(.results).suffix(2).map { record in
            var reader = RecordReader()
            return try record.value!.withUnsafeBytes { try reader.outcome($0).outcome.kind }
        }
        // X has used o1 as a command's id before, for its reserve.
        #expect(kinds == [.rejected, .confirmed])
    }

    @Test("A partition that is only half grown decides nothing, and says what to run")
    func halfGrown() throws {
        let topics = try grown([old(1, "x")], settings: Settings())
        // As it is before its last step: without the levels that were written then, and without an offset.
        topics.records[.levels] = [try #require(levelsOfOpening())]
        topics.records[.reservations] = []
        topics.committedOffset = nil
        let observer = PartitionWorkerTests().run(MemoryLog(topics), stopAfterSteps: 2_000)
        #expect(observer.halted?.contains("holdfast topics grow") == true, "\(observer.halted ?? "none")")
    }

    private func levelsOfOpening() -> Record? {
        let begin = GrownPartition(
            0, book: LevelsSnapshot.Book(settings: Settings(), rememberedFrom: 0, warehouses: []), of: 1)
        let topics = MemoryTopics()
        for command in begin.opening { topics.publish(command, at: 900_000) }
        _ = PartitionWorkerTests().run(MemoryLog(topics))
        return topics.committed(.levels).last
    }

    @Test("Only the first command of a log can say that an earlier log follows")
    func strayOpening() throws {
        let topics = MemoryTopics()
        let begin = GrownPartition(
            0, book: LevelsSnapshot.Book(settings: Settings(), rememberedFrom: 0, warehouses: []), of: 1)
        topics.publish(
            Command(id: "c1", sku: "A", body: .receive(warehouse: "BER", quantity: 5, reference: nil)), at: 1)
        topics.publish(begin.opening[0], at: 2)
        _ = PartitionWorkerTests().run(MemoryLog(topics))
        #expect(topics.committed(.ledger).count == 2, "a note and the receipt")
        #expect(topics.committed(.deadLetters).count == 1)
    }

    @Test("Relay and delay service name their commands by the prefix, so that no place is taken twice")
    func ids() throws {
        func relayed(_ prefix: String) throws -> [ID] {
            var writer = RecordWriter()
            writer.write(settings: Settings())
            var relay = Relay(partitionCount: 2, idPrefix: prefix) { _ in 0 }
            return try Array(RecordReader.settingsKey.utf8).withUnsafeBytes { key in
                try writer.withBytes { value in
                    try relay.deliveries(
                        of: LogRecord(key: key, value: value, offset: 3, timestamp: 1), from: .settings,
                        partition: 0)
                }
            }.map(\.command.id)
        }
        #expect(try relayed("") == ["relay/settings/0/3", "relay/settings/0/3"])
        #expect(try relayed("v2.") == ["relay/v2.settings/0/3", "relay/v2.settings/0/3"])
        var queue = DelayQueue(.transfers, idPrefix: "v2.")
        queue.assigned(3)
        queue.saw(
            TransferSnapshot(
                id: "t", sku: "A", from: "BER", to: "HAM", quantity: 1, remaining: 1,
                dispatchedAt: Timestamp(milliseconds: 1), expectedAt: Timestamp(milliseconds: 5),
                isOverdue: false, dispatchedSequence: 1, sequence: 1, commandHash: 0), partition: 3, offset: 9
        )
        queue.reachedEnd(of: 3)
        #expect(queue.takeDue(at: 10, limit: 5).map(\.command.id) == ["transfer_due/v2.3/9/1"])
    }
}
