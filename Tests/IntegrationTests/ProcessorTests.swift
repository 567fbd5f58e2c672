import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Testing

@Suite(
    "The stock processor on a genuine broker", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct ProcessorTests {
    @Test(
        "A command gives its result, ledger entry, level and reservation, in the partition of its key",
        .timeLimit(.minutes(3)))
    func slice() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        try stage.publish([
            receive("c1", 5, "A"), reserve("r1", 2, "A"), confirm("r1", "A"), reserve("r2", 9, "A"),
        ])
        try stage.awaitResults()
        #expect(try stage.results().map(\.outcome.kind) == [.received, .reserved, .confirmed, .rejected])
        #expect(try stage.levels()["A"]?.levels == [Level(warehouse: "BER", onHand: 3, reserved: 0)])
        let place = stage.place(of: "A")
        for topic in [Topic.results, .ledger, .levels, .reservations] {
            #expect(try stage.read(topic).allSatisfy { $0.partition == place }, "\(topic.rawValue)")
        }
        try stage.checkBooks()
    }

    @Test(
        "SIGTERM finishes the transaction, leaves the group and ends with 0 within 5 s",
        .timeLimit(.minutes(3)))
    func terminate() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        let processor = try stage.start("process")
        try stage.publish([receive("c1", 1_000_000, "A")])
        for number in 0..<5_000 { try stage.publishSoon(reserve("r\(number)", 1, "A")) }
        processor.process.send(SIGTERM)
        #expect(processor.process.waitForEnd(milliseconds: 5_000) == 0, "\(processor.process.logTail())")
        let next = try stage.start("process")
        try stage.awaitResults()
        try stage.checkBooks()
        #expect(next.process.isRunning)
    }

    @Test(
        "Each command is answered exactly once though the processor is killed again and again",
        .timeLimit(.minutes(10)))
    func kills() throws {
        let stage = try Stage(partitions: 2)
        defer { stage.endAll() }
        let skus = (0..<40).map { "SKU-\($0)" }
        try stage.publish(skus.enumerated().map { receive("i\($0.offset)", 300, ID($0.element)) })
        var random = SystemRandomNumberGenerator()
        var number = 0
        // A static member, so that the new process has the partitions at once.
        let arguments = ["--instance-id", "one", "--commit-interval-ms", "20"]
        for kill in 0..<12 {
            let processor = try stage.start("process", arguments, awaitReady: false)
            let committed = try stage.read(.results).count
            // Commands flow all the time, so that the kill comes in the middle of a transaction.
            try eventually("results after kill \(kill)") {
                for _ in 0..<200 {
                    let sku = skus.randomElement(using: &random)!
                    number += 1
                    try stage.publishSoon(reserve("r\(number)", 1, ID(sku), ttl: 5_000))
                    if number % 3 == 0 { try stage.publishSoon(confirm("r\(number - 1)", ID(sku))) }
                    if number % 5 == 0 { try stage.publishSoon(release("r\(number - 2)", ID(sku))) }
                    if number % 50 == 0 { try stage.publish(key: Array(sku.utf8), value: Array("{".utf8)) }
                }
                if processor.metric("holdfast_transaction_seconds_count") > 2 { return true }
                return try stage.read(.results).count > committed
            }
            processor.process.send(SIGKILL)
            _ = processor.process.waitForEnd(milliseconds: 5_000)
        }
        try stage.flush()
        try stage.start("process", arguments)
        try stage.awaitResults()
        try stage.checkBooks()
        let granted = try stage.results().filter { $0.outcome.kind == .reserved }.count
        #expect(granted > 0)
    }

    @Test(
        "After a restart the state, the reservations and the answers to repeats are as before",
        .timeLimit(.minutes(3)))
    func restart() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        let first = try stage.start("process")
        try stage.publish([
            receive("c1", 5, "A"), reserve("r1", 2, "A"), reserve("r2", 2, "A"), confirm("r1", "A"),
        ])
        try stage.awaitResults()
        let before = try stage.results()
        #expect(first.process.stop(milliseconds: 5_000) == 0)

        try stage.start("process")
        try stage.publish([
            receive("c1", 5, "A"), reserve("r1", 2, "A"), confirm("r1", "A"), confirm("r1", "A", as: "again"),
            reserve("r2", 2, "A"), reserve("r3", 2, "A"), release("r2", "A"),
        ])
        try stage.awaitResults()
        let after = try stage.results().dropFirst(before.count).map(\.outcome)
        #expect(
            after.map(\.kind) == [
                .received, .reserved, .confirmed, .confirmed, .reserved, .rejected, .released,
            ])
        #expect(after.map(\.isDuplicate) == [true, true, true, true, true, false, false])
        for (outcome, original) in zip(after.prefix(3), [before[0], before[1], before[3]]) {
            var expected = original.outcome
            expected.isDuplicate = true
            #expect(outcome == expected)
        }
        try stage.checkBooks()
    }

    @Test(
        "A second process takes partitions over and gives them back when it is killed",
        .timeLimit(.minutes(5)))
    func rebalance() throws {
        let stage = try Stage(partitions: 4)
        defer { stage.endAll() }
        try stage.start("process")
        let skus = (0..<16).map { "SKU-\($0)" }
        try stage.publish(skus.enumerated().map { receive("i\($0.offset)", 100, ID($0.element)) })
        try stage.awaitResults()
        let second = try stage.start("process")
        try eventually("the second process owns partitions") {
            try stage.publish([reserve("m\(stage.published)", 1, ID(skus[stage.published % 16]))])
            return second.metric("holdfast_commands_total") > 0
        }
        try stage.publish((0..<800).map { reserve("a\($0)", 1, ID(skus[$0 % 16])) })
        second.process.send(SIGKILL)
        try stage.publish((0..<800).map { reserve("b\($0)", 1, ID(skus[$0 % 16])) })
        try stage.awaitResults()
        try stage.checkBooks()
    }

    @Test(
        "A zombie that wakes up after its partitions went to another writes nothing that is seen",
        .timeLimit(.minutes(5)))
    func zombie() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        let zombie = try stage.start("process")
        try stage.publish([receive("c1", 1_000, "A"), receive("c2", 1_000, "B")])
        try stage.awaitResults()
        // Many commands, so that it stops in the middle of its work.
        try stage.publish((0..<2_000).map { reserve("z\($0)", 1, $0 % 2 == 0 ? "A" : "B") })
        zombie.process.send(SIGSTOP)
        let heir = try stage.start("process", awaitReady: false)
        try heir.awaitReady()
        try stage.publish((0..<200).map { reserve("h\($0)", 1, $0 % 2 == 0 ? "A" : "B") })
        try stage.awaitResults()
        zombie.process.send(SIGCONT)
        // It comes back as a member like any other; nothing it had in hand may show.
        try stage.publish((0..<200).map { reserve("k\($0)", 1, $0 % 2 == 0 ? "A" : "B") })
        try stage.awaitResults()
        try eventually("the zombie is a member again, or has ended") {
            zombie.process.exitCode != nil || HTTPProbe.status(port: zombie.port, path: "/readyz") == 200
        }
        try stage.checkBooks()
    }

    @Test(
        "Poison among good commands goes to dead.letters with its origin, and changes no outcome",
        .timeLimit(.minutes(3)))
    func poison() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        try stage.publish([receive("c1", 10, "A")])
        let poison: [(key: [UInt8]?, value: [UInt8]?, reason: DecodingFailure.Reason)] = [
            (Array("A".utf8), Array("{".utf8), .invalidJSON),
            (Array("A".utf8), nil, .emptyValue),
            (Array("A".utf8), [0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D], .invalidUTF8),
            (Array("A".utf8), Array(#"{"command_id":"x","type":"steal","sku":"A"}"#.utf8), .unknownType),
            (
                Array("B".utf8),
                Array(#"{"command_id":"x","type":"expire","sku":"A","reservation_id":"r"}"#.utf8),
                .keyMismatch
            ),
            (
                nil, Array(#"{"command_id":"x","type":"expire","sku":"A","reservation_id":"r"}"#.utf8),
                .keyMismatch
            ),
            (Array("A".utf8), Array(repeating: 0x20, count: 900_000), .invalidJSON),
        ]
        for letter in poison { try stage.publish(key: letter.key, value: letter.value) }
        try stage.publish([reserve("r1", 3, "A")])
        try stage.awaitResults()
        #expect(try stage.outcome(of: "c-r1").kind == .reserved)
        var reader = RecordReader()
        let letters = try stage.read(.deadLetters).map { record in
            try record.value!.withUnsafeBytes { try reader.deadLetter($0) }
        }
        #expect(letters.count == poison.count)
        for letter in poison {
            let found = letters.first { (found: DeadLetter) -> Bool in
                guard found.reason == letter.reason, found.key == letter.key else { return false }
                return found.value == letter.value
            }
            #expect(found != nil, "\(letter.reason)")
            #expect(found?.topic == "stock.commands")
            #expect(found?.timestamp != nil)
        }
        try stage.checkBooks()
    }

    @Test(
        "A command that its publisher placed in another partition than murmur2 would is not decided",
        .timeLimit(.minutes(3)))
    func wrongPartition() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        let right = stage.place(of: "A")
        let value = Array(
            #"{"command_id":"c","type":"receive","sku":"A","warehouse":"BER","quantity":1}"#.utf8)
        try stage.publish(key: Array("A".utf8), value: value, partition: .number(1 - right))
        try stage.publish([receive("c1", 10, "A")])
        try stage.awaitResults()
        #expect(try stage.read(.deadLetters).map(\.text).first?.contains("wrong_partition") == true)
        #expect(try stage.levels()["A"]?.levels.first?.onHand == 10)
    }

    @Test(
        "A partition whose group lost its offsets stops, says which offset to set, and decides nothing twice",
        .timeLimit(.minutes(3)))
    func lostOffsets() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        let first = try stage.start("process")
        try stage.publish([receive("c1", 5, "A")])
        try stage.awaitResults()
        #expect(first.process.stop(milliseconds: 5_000) == 0)
        // Another group has no offsets here; the transactional ids are the same.
        let other = try stage.start("process", ["--group-id", stage.prefix + "other"], awaitReady: false)
        try eventually("the partition is stopped; the log: \(other.process.logTail(lines: 12))") {
            other.process.logTail(lines: 100).contains("set its offset to 1")
        }
        #expect(HTTPProbe.status(port: other.port, path: "/readyz") == 503)
        #expect(try stage.results().count == 1)
    }
}
