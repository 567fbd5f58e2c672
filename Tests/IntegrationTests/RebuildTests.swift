import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Testing

@Suite(
    "Rebuilds from the ledger, on a genuine broker", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct RebuildTests {
    private static let topics: [Topic] = [.levels, .reservations, .transfers]
    private static let inPlace = ["rebuild", "--from-ledger", "--in-place"]

    private func newest(_ stage: Stage, prefix: String? = nil) throws -> [Topic: [String: [UInt8]]] {
        var newest: [Topic: [String: [UInt8]]] = [:]
        for topic in Self.topics { newest[topic] = try stage.newest(topic, prefix: prefix) }
        return newest
    }

    @Test(
        "A rebuild gives the bytes of live processing, in new topics and in place, and processors go on from it",
        .timeLimit(.minutes(4)))
    func sameBytes() throws {
        let seed = UInt64.random(in: 0..<1_000_000)
        print("rebuild test: seed \(seed)")
        var day = DomainTests.Day(random: SplitMix(state: seed))
        let stage = try Stage()
        defer { stage.endAll() }
        let processor = try stage.start("process")
        try stage.start("relay")
        try stage.publish(warehouse: WarehouseRecord(warehouse: Warehouse(id: "MUC", priority: 3)))
        try stage.publish(settings: Settings(defaultTTL: 700, longestTTL: 2_000, dedupeCount: 500))
        for _ in 0..<1_500 { try stage.publishSoon(day.next()) }
        // What no later command of the day touches: it must live in the end.
        try stage.publish([
            Command(id: "in", sku: "LAST", body: .receive(warehouse: "BER", quantity: 9, reference: nil)),
            Command(
                id: "move", sku: "LAST",
                body: .transferDispatch(
                    Command.TransferDispatch(transferID: "t", from: "BER", to: "HAM", quantity: 2))),
            Command(
                id: "claim", sku: "LAST",
                body: .reserve(
                    Command.Reserve(
                        reservationID: "r-last", orderID: "o", quantity: 1,
                        expiry: .after(milliseconds: 1_900)))),
        ])
        try stage.awaitAnswers()

        let refused = try stage.run(Self.inPlace)
        #expect(refused.code == 1 && refused.output.contains("stop all processors"), "\(refused.output)")
        #expect(processor.process.stop(milliseconds: 5_000) == 0)
        let live = try newest(stage)
        #expect(live.values.allSatisfy { !$0.isEmpty })

        let nothing = try stage.run(Self.inPlace + ["--dry-run"])
        #expect(nothing.code == 0 && !nothing.output.contains("to write"), "\(nothing.output)")
        let other = stage.prefix + "copy."
        let copied = try stage.run(["rebuild", "--from-ledger", "--into", other])
        #expect(copied.code == 0, "\(copied.output)")
        #expect(try newest(stage, prefix: other) == live)
        #expect(try stage.run(["rebuild", "--from-ledger", "--into", other]).code == 2)

        try damage(stage)
        #expect(try newest(stage) != live)
        #expect(try stage.run(Self.inPlace + ["--dry-run"]).code == 1)
        #expect(try newest(stage) != live)
        let mended = try stage.run(Self.inPlace + ["--json"])
        #expect(mended.code == 0, "\(mended.output)")
        #expect(mended.output.contains("\"written\":4"), "\(mended.output)")
        #expect(try newest(stage) == live)

        try stage.start("process")
        for _ in 0..<200 { try stage.publishSoon(day.next()) }
        try stage.flush()
        try stage.awaitAnswers()
        try stage.checkBooks()
    }

    /// A level with other units, a level and a reservation that should not be there, a reservation that is gone.
    private func damage(_ stage: Stage) throws {
        let level = try #require(try stage.read(.levels).last { $0.keyText == "LAST" })
        let wrong = level.text.replacingOccurrences(of: "\"on_hand\":7", with: "\"on_hand\":8")
        try #require(wrong != level.text)
        try stage.publish(to: .levels, key: "LAST", value: Array(wrong.utf8))
        try stage.publish(
            to: .levels, key: "GHOST",
            value: Array(level.text.replacingOccurrences(of: "LAST", with: "GHOST").utf8))
        let claim = try #require(try stage.read(.reservations).last { $0.keyText == #"["LAST","r-last"]"# })
        // The partition of its SKU, not of its own key.
        try stage.publish(
            to: .reservations, key: #"["LAST","r-last"]"#, value: nil,
            partition: .number(stage.place(of: "LAST")))
        try stage.publish(
            to: .reservations, key: #"["LAST","r-ghost"]"#,
            value: Array(claim.text.replacingOccurrences(of: "r-last", with: "r-ghost").utf8),
            partition: .number(stage.place(of: "LAST")))
    }

    @Test(
        "Reservations and transfers under keys of an earlier version are named by all who read them, and a rebuild gives them their keys",
        .timeLimit(.minutes(3)))
    func earlierKeys() throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        let first = try stage.start("process")
        try stage.publish(
            ["A", "B"].flatMap { sku in
                [
                    Command(
                        id: "in-\(sku)", sku: "\(sku)",
                        body: .receive(warehouse: "BER", quantity: 5, reference: nil)),
                    Command(
                        id: "claim-\(sku)", sku: "\(sku)",
                        body: .reserve(
                            Command.Reserve(
                                reservationID: "r-\(sku)", orderID: "o", quantity: 1,
                                expiry: .after(milliseconds: 600_000)))),
                    Command(
                        id: "move-\(sku)", sku: "\(sku)",
                        body: .transferDispatch(
                            Command.TransferDispatch(
                                transferID: "t-\(sku)", from: "BER", to: "HAM", quantity: 1))),
                ]
            })
        try stage.awaitAnswers()
        #expect(first.process.stop(milliseconds: 5_000) == 0)
        let live = try newest(stage)
        // As an earlier version left them.
        for (topic, letter) in [(Topic.reservations, "r"), (.transfers, "t")] {
            for record in try stage.read(topic) {
                try stage.publish(
                    to: topic, key: record.keyText.contains("\"A\"") ? "\(letter)-A" : "\(letter)-B",
                    value: record.value, partition: .number(0))
                try stage.publish(to: topic, key: record.keyText, value: nil, partition: .number(0))
            }
        }
        let verified = try stage.run(["verify", "--without-database"])
        #expect(verified.code == 1 && verified.output.contains("under the key r-A"), "\(verified.output)")
        #expect(verified.output.contains("holdfast rebuild --from-ledger --in-place"))
        let grown = try stage.run([
            "topics", "grow", "--to-prefix", stage.prefix + "v2.", "--partitions", "2",
        ])
        #expect(grown.code == 1 && grown.output.contains("an earlier version wrote them"), "\(grown.output)")
        let delay = try stage.start("delay")
        let second = try stage.start("process", awaitReady: false)
        for (role, topic) in [(second, "stock.reservations"), (delay, "stock.transfers")] {
            try eventually("the records are named") {
                let log = role.process.logTail(lines: 1_000)
                return log.contains("\(topic) has 2 records under keys that do not name")
                    && log.contains("`holdfast rebuild --from-ledger --in-place`")
            }
        }
        for role in [second, delay] { #expect(role.process.stop(milliseconds: 5_000) == 0) }

        let mended = try stage.run(Self.inPlace + ["--json"])
        #expect(mended.code == 0 && mended.output.contains("\"written\":8"), "\(mended.output)")
        #expect(try newest(stage) == live)
        let right = try stage.run(["verify", "--without-database"])
        #expect(right.code == 0, "\(right.output)")
        try stage.start("process")
        try stage.publish([
            Command(id: "pay", sku: "A", body: .confirm(reservationID: "r-A", quantity: nil)),
            Command(
                id: "there", sku: "B", body: .transferReceive(transferID: "t-B", quantity: 1, damaged: 0)),
        ])
        #expect(try stage.outcome(of: "pay").kind == .confirmed)
        #expect(try stage.outcome(of: "there").kind == .transferReceived)
        try stage.checkBooks()
    }

    @Test("A rebuild names what is wrong with the ledger and with its own flags", .timeLimit(.minutes(2)))
    func faults() throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        let processor = try stage.start("process")
        try stage.publish([
            Command(id: "c1", sku: "A", body: .receive(warehouse: "BER", quantity: 5, reference: nil)),
            Command(id: "c2", sku: "A", body: .damage(warehouse: "BER", quantity: 1, reference: nil)),
        ])
        try stage.awaitAnswers()
        #expect(processor.process.stop(milliseconds: 5_000) == 0)
        let before = try newest(stage)
        // The last entry once more.
        try stage.publish(to: .ledger, key: "A", value: try #require(try stage.read(.ledger).last?.value))
        let broken = try stage.run(Self.inPlace)
        #expect(broken.code == 1 && broken.output.contains("SKU A: "), "\(broken.output)")
        #expect(broken.output.contains("has sequence 2 after 2"))
        #expect(try newest(stage) == before)

        #expect(try stage.run(["rebuild", "--in-place"]).code == 2)
        #expect(try stage.run(["rebuild", "--from-ledger"]).code == 2)
        #expect(try stage.run(Self.inPlace + ["--into", "x."]).code == 2)
        #expect(try stage.run(["rebuild", "--from-ledger", "--into", stage.prefix]).code == 2)
    }
}
