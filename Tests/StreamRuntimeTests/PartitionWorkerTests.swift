import InventoryCore
import InventoryWire
import OrderCore
import StreamRuntime
import Testing

/// A generator whose whole future follows from its seed (SplitMix64, Steele, Lea and Flood 2014).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

@Suite("A partition's worker on a log in memory")
struct PartitionWorkerTests {
    /// Runs a worker until all commands are committed, it finishes, or a limit of steps says that it never will.
    func run(_ log: MemoryLog, stopAfterSteps limit: Int = 200_000) -> RecordingObserver {
        let observer = RecordingObserver()
        var now: Int64 = 0
        var steps = 0
        let topics = log.topics
        let worker = PartitionWorker(
            log: log, observer: observer, settings: .init(commitInterval: 10, commandLimit: 8),
            actionLimit: 1000,
            order: {
                steps += 1
                let isDone = topics.committedOffset == Int64(topics.records[.commands]?.count ?? 0)
                return isDone || steps > limit ? .stop : .work
            },
            ownsKey: { !$0.starts(with: "elsewhere".utf8) },
            clock: {
                now += 1_000_000
                return now
            },
            pause: { now += $0 * 1_000_000 })
        worker.run()
        return observer
    }

    func publishMix(_ count: Int, to topics: MemoryTopics, seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for number in 0..<count {
            let sku = ["A", "B", "C"].randomElement(using: &random)!
            let reservation = "r\(Int.random(in: max(0, number - 20)...number, using: &random))"
            let body: Command.Body =
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<2: .receive(warehouse: "BER", quantity: 3, reference: nil)
                case 2..<6:
                    .reserve(
                        Command.Reserve(
                            reservationID: "r\(number)", orderID: "o\(number)", quantity: 1,
                            expiry: .after(milliseconds: 100)))
                case 6: .confirm(reservationID: ID(reservation), quantity: nil)
                case 7: .release(reservationID: ID(reservation), quantity: nil)
                default: .expire(reservationID: ID(reservation))
                }
            let id = Int.random(in: 0..<15, using: &random) == 0 ? "c\(number / 2)" : "c\(number)"
            topics.publish(Command(id: ID(id), sku: ID(sku), body: body), at: Int64(1000 + number * 5))
            if Int.random(in: 0..<20, using: &random) == 0 {
                topics.publish(
                    key: Array("A".utf8), value: Array("{broken".utf8), at: Int64(1000 + number * 5))
            }
        }
    }

    @Test("Markers behind the last command are committed as passed, with it or when nothing more comes")
    func markers() {
        for comeLate in [false, true] {
            let topics = MemoryTopics()
            topics.publish(
                Command(id: "c1", sku: "A", body: .receive(warehouse: "BER", quantity: 5, reference: nil)),
                at: 1)
            let log = MemoryLog(topics)
            log.markers = comeLate ? 0 : 2
            let observer = RecordingObserver()
            var (now, steps): (Int64, Int) = (0, 0)
            PartitionWorker(
                log: log, observer: observer, settings: .init(commitInterval: 10, commandLimit: 8),
                actionLimit: 1000,
                order: {
                    steps += 1
                    if topics.committedOffset == 1 { log.markers = 2 }
                    return topics.committedOffset == 3 || steps > 5_000 ? .stop : .work
                },
                ownsKey: { _ in true },
                clock: {
                    now += 1_000_000
                    return now
                },
                pause: { now += $0 * 1_000_000 }
            ).run()
            #expect(topics.committedOffset == 3)
            #expect(log.transactions.map(\.nextOffset) == (comeLate ? [1, 3] : [3]))
            #expect(observer.failures.isEmpty && observer.halted == nil)
        }
    }

    @Test("Nothing is restored while what an earlier owner wrote is hidden by a transaction that has not ended")
    func unsettled() {
        for topic in Topic.ofProcessor {
            let topics = MemoryTopics()
            topics.publish(
                Command(id: "c1", sku: "A", body: .receive(warehouse: "BER", quantity: 5, reference: nil)),
                at: 1)
            let log = MemoryLog(topics) { operation in
                // It would have read by then.
                operation == "startReading" ? .before(.halt) : .none
            }
            log.openRecords[topic] = 1
            let observer = run(log, stopAfterSteps: 100)
            #expect(observer.halted == nil && observer.failures.count > 5)
            #expect(observer.failures.allSatisfy { $0.consequence == .restart })
            #expect(observer.failures.first?.message.contains("\(topic.rawValue) can be read up to offset 0 of 1") == true)
            #expect(!log.operations.contains { $0.hasPrefix("read ") })
        }
    }

    @Test("One command gives its result, its ledger entry, its level and its reservation, in one transaction")
    func oneCommand() {
        let topics = MemoryTopics()
        topics.publish(
            Command(id: "c1", sku: "A", body: .receive(warehouse: "BER", quantity: 5, reference: nil)), at: 1)
        topics.publish(
            Command(
                id: "c2", sku: "A",
                body: .reserve(
                    Command.Reserve(
                        reservationID: "r1", orderID: "o1", quantity: 2, expiry: .after(milliseconds: 50)))),
            at: 2)
        let log = MemoryLog(topics)
        let observer = run(log)
        #expect(observer.committedCommands == 2)
        #expect(topics.committedOffset == 2)
        #expect(topics.committed(.results).count == 2)
        #expect(topics.committed(.ledger).count == 2)
        #expect(topics.committed(.levels).count == 1, "the level is written once a transaction")
        #expect(
            topics.committed(.reservations).map { String(decoding: $0.key!, as: UTF8.self) } == [
                #"["A","r1"]"#
            ])
        #expect(
            log.operations.prefix(10) == [
                "open", "committedOffset", "read stock.levels", "read stock.reservations",
                "read stock.transfers", "read stock.ledger", "startReading", "poll", "begin", "produce",
            ])
    }

    @Test("An order's number names the reservation of each of its lines, and a command of each SKU")
    func sharedIDs() throws {
        let topics = MemoryTopics()
        for (number, sku) in ["A", "B", "E"].enumerated() {
            func publish(_ id: String, _ body: Command.Body) {
                topics.publish(Command(id: "\(id)", sku: "\(sku)", body: body), at: Int64(10 + number))
            }
            publish("in", .receive(warehouse: "BER", quantity: 5, reference: nil))
            publish("in2", .receive(warehouse: "HAM", quantity: 5, reference: nil))
            publish(
                "o1",
                .reserve(
                    Command.Reserve(
                        reservationID: "o1", orderID: "o1", quantity: Int64(number + 1),
                        expiry: .after(milliseconds: 900_000))))
            publish(
                "move",
                .transferDispatch(
                    Command.TransferDispatch(
                        transferID: "o1", from: "BER", to: "HAM", quantity: 1,
                        expectedAt: Timestamp(milliseconds: 900_000))))
        }
        topics.publish(
            Command(id: "out", sku: "B", body: .release(reservationID: "o1", quantity: nil)), at: 20)
        _ = run(MemoryLog(topics))
        var reader = RecordReader()
        let kinds = try topics.committed(.results).map {
            try $0.value!.withUnsafeBytes { try reader.outcome($0).outcome.kind }
        }
        #expect(kinds.filter { $0 == .reserved }.count == 3 && !kinds.contains(.rejected), "\(kinds)")
        var newest: [String: Bool] = [:]
        for record in topics.committed(.reservations) + topics.committed(.transfers) {
            newest[String(decoding: record.key!, as: UTF8.self), default: true] = record.value != nil
        }
        #expect(newest == [#"["A","o1"]"#: true, #"["B","o1"]"#: true, #"["E","o1"]"#: true])
        let reservations = topics.committed(.reservations).map { String(decoding: $0.key!, as: UTF8.self) }
        #expect(reservations == [#"["A","o1"]"#, #"["B","o1"]"#, #"["E","o1"]"#, #"["B","o1"]"#])
        #expect(topics.committed(.reservations).last?.value == nil)
        let restored = try Restorer(log: MemoryLog(topics)).restore().stock
        #expect(restored.liveReservations == 2 && restored.liveTransfers == 3)
        #expect(restored.reservation(OwnedID(sku: "A", id: "o1"))?.quantity == 1)
        #expect(restored.reservation(OwnedID(sku: "B", id: "o1")) == nil)
        #expect(restored.reservation(OwnedID(sku: "E", id: "o1"))?.quantity == 3)
    }

    @Test("Input that is no command goes to dead.letters with its reason, and the next command is processed")
    func poison() throws {
        let topics = MemoryTopics()
        topics.publish(key: Array("A".utf8), value: Array("{".utf8), at: 1)
        topics.publish(key: Array("A".utf8), value: nil, at: 1)
        topics.publish(
            Command(
                id: "c1", sku: "elsewhere", body: .receive(warehouse: "BER", quantity: 5, reference: nil)),
            at: 2)
        topics.publish(
            Command(id: "c2", sku: "A", body: .receive(warehouse: "BER", quantity: 5, reference: nil)), at: 3)
        _ = run(MemoryLog(topics))
        let letters = topics.committed(.deadLetters).map { String(decoding: $0.value!, as: UTF8.self) }
        #expect(letters.count == 3)
        for (letter, reason) in zip(letters, ["invalid_json", "empty_value", "wrong_partition"]) {
            #expect(letter.contains("\"reason\":\"\(reason)\""), "\(letter)")
        }
        #expect(topics.committed(.results).count == 1)
    }

    @Test(
        "However often the log fails, each command has one result, and all is as in a run without failures",
        arguments: [1, 2, 3, 4, 5] as [UInt64])
    func faults(seed: UInt64) {
        let calm = MemoryTopics()
        publishMix(400, to: calm, seed: seed)
        #expect(run(MemoryLog(calm)).failures.isEmpty)

        let stormy = MemoryTopics()
        publishMix(400, to: stormy, seed: seed)
        var random = SeededGenerator(seed: seed &+ 77)
        let log = MemoryLog(stormy) { operation in
            switch (operation, Int.random(in: 0..<400, using: &random)) {
            case ("commit", 0..<60), (_, 0): .before(.restart)
            case ("commit", 60..<120): .after
            case ("commit", 120..<140): .before(.fenced)
            default: .none
            }
        }
        let observer = run(log)
        #expect(observer.failures.count >= 10)
        #expect(stormy.committedOffset == calm.committedOffset)
        // Levels depend on where transactions end; only the newest of each SKU is the state.
        for topic in [Topic.results, .ledger, .reservations, .deadLetters] {
            #expect(stormy.committed(topic) == calm.committed(topic), "\(topic.rawValue)")
        }
    }

    @Test("No two results of a command differ, in committed and in aborted records alike")
    func abortedResults() throws {
        let topics = MemoryTopics()
        publishMix(400, to: topics, seed: 9)
        var random = SeededGenerator(seed: 10)
        let log = MemoryLog(topics) { operation in
            operation == "commit" && Int.random(in: 0..<3, using: &random) == 0 ? .before(.restart) : .none
        }
        _ = run(log)
        var reader = RecordReader()
        var results: [Int64: [UInt8]] = [:]
        var repeats = 0
        for record in topics.records[.results]! {
            let source = try record.value!.withUnsafeBytes { try reader.outcome($0) }.source
            if let before = results.updateValue(record.value!, forKey: source.offset) {
                repeats += 1
                #expect(before == record.value!)
            }
        }
        #expect(repeats > 0)
    }

    @Test("What is decided while a commit is under way is in the next transaction, and so is its offset")
    func ahead() throws {
        let topics = MemoryTopics()
        publishMix(400, to: topics, seed: 11)
        let log = MemoryLog(topics)
        #expect(run(log).failures.isEmpty)
        let polls = log.operations.split(separator: "commit", omittingEmptySubsequences: false).dropLast()
            .filter { part in part.last == "poll" }
        #expect(polls.count > 20, "each commit is preceded by the poll that goes ahead of the next")
        var reader = RecordReader()
        var first: Int64 = 0
        for transaction in log.transactions {
            let offsets = try transaction.records.filter { $0.topic == .results }.compactMap {
                try topics.records[.results]![$0.index].value!.withUnsafeBytes { try reader.outcome($0) }
                    .source.offset
            }
            #expect(offsets.allSatisfy { first..<transaction.nextOffset ~= $0 })
            let skus = transaction.records.filter { $0.topic == .levels }.map {
                topics.records[.levels]![$0.index].key
            }
            #expect(Set(skus).count == skus.count, "levels are written once a SKU and transaction")
            first = transaction.nextOffset
        }
        #expect(first == Int64(topics.records[.commands]!.count))
    }

    @Test("A reply to an order stands in the transaction of its result, also where both were decided ahead")
    func repliesAhead() throws {
        let topics = MemoryTopics()
        for number in 0..<100 {
            let address = OrderAddress(partition: 3, orderID: "o-\(number)", line: 1, attempt: 1)
            topics.publish(
                Command(
                    id: "c-\(number)", sku: "A",
                    body: .reserve(
                        Command.Reserve(
                            reservationID: address.reservationID, orderID: "o-\(number)", quantity: 1,
                            expiry: .after(milliseconds: 1_000)))), at: Int64(number))
        }
        let log = MemoryLog(topics)
        #expect(run(log).failures.isEmpty)
        #expect(log.transactions.count > 5)
        for transaction in log.transactions {
            func records(_ topic: Topic) -> [[UInt8]?] {
                transaction.records.filter { $0.topic == topic }.map {
                    topics.records[topic]![$0.index].value
                }
            }
            #expect(records(.orderReplies) == records(.results))
        }
        #expect(topics.committed(.orderReplies).count == 100)
    }

    @Test("Nothing that was decided ahead is produced when the commit did not say yes")
    func aheadOfFailure() {
        let topics = MemoryTopics()
        publishMix(100, to: topics, seed: 12)
        var commits = 0
        let log = MemoryLog(topics) { operation in
            if operation == "commit" { commits += 1 }
            return operation == "commit" && commits == 3 ? .before(.restart) : .none
        }
        let observer = run(log)
        #expect(observer.failures.count == 1)
        let operations = log.operations
        let failed = operations.indices.filter { operations[$0] == "commit" }[2]
        #expect(operations[failed - 1] == "poll", "commands were decided ahead")
        #expect(Array(operations[(failed + 1)...].prefix(2)) == ["close", "open"])
    }

    @Test("A worker whose id another took is fenced, and writes nothing more")
    func zombie() {
        let topics = MemoryTopics()
        publishMix(50, to: topics, seed: 3)
        var produced = 0
        let log = MemoryLog(topics) { operation in
            if operation == "produce" {
                produced += 1
                // The next owner opens while our first transaction is under way.
                if produced == 5 { topics.epoch += 1 }
            }
            return .none
        }
        let observer = run(log)
        #expect(observer.failures.first?.consequence == .fenced)
        #expect(topics.committed(.results).count == 50)
    }

    @Test("When the topics disagree the partition stops, and names the SKU")
    func disagreement() {
        let topics = MemoryTopics()
        publishMix(100, to: topics, seed: 4)
        _ = run(MemoryLog(topics))
        topics.records[.reservations] = []
        topics.publish(
            Command(id: "x", sku: "A", body: .receive(warehouse: "BER", quantity: 5, reference: nil)),
            at: 9999)
        let observer = run(MemoryLog(topics))
        #expect(observer.halted?.contains("SKU ") == true, "\(observer.halted ?? "it went on")")
    }
}
