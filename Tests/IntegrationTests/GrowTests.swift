import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import PostgresClient
import Testing

@Suite(
    "More partitions, on a genuine broker and a genuine PostgreSQL", .serialized,
    .enabled(
        if: RealServers.kafka != nil && RealServers.database != nil,
        Comment(rawValue: RealServers.bothReason)))
struct GrowTests {
    private static let states: [Topic] = [.levels, .reservations, .transfers]

    private func growing(_ prefix: String, _ partitions: Int) -> [String] {
        ["topics", "grow", "--to-prefix", prefix, "--partitions", "\(partitions)"]
    }

    /// Commands on SKUs that nothing else touches, spread over the partitions.
    private func kept(_ number: Int) -> [Command] {
        let sku = "KEEP-\(number)"
        return [
            receive("k-in-\(number)", 9, ID(sku)),
            Command(
                id: "k-policy-\(number)", sku: ID(sku),
                body: .setPolicy(warehouse: nil, Policy(reorderPoint: 8, backorderLimit: 20))),
            reserve("k-\(number)", 2, ID(sku)),
            reserve("k-late-\(number)", 12, ID(sku)),
            Command(
                id: "k-move-\(number)", sku: ID(sku),
                body: .transferDispatch(
                    Command.TransferDispatch(
                        transferID: "k-t-\(number)", from: "BER", to: "HAM", quantity: 1))),
            Command(
                id: "k-count-\(number)", sku: ID(sku),
                body: .adjust(
                    Command.Adjust(
                        warehouse: "HAM", change: .count(1, expected: nil), reasonCode: .cycleCount))),
            confirm("none-\(number)", ID(sku)),
        ]
    }

    /// The results of commands by their id, the newest of each, without what differs at a repeat.
    private func told(_ stage: Stage) throws -> [ID: String] {
        var told: [ID: String] = [:]
        for result in try stage.results() {
            told[result.outcome.commandID] = String(decoding: result.bytes, as: UTF8.self)
                .replacing(/"source":\{"partition":\d+,"offset":\d+\}/, with: "")
        }
        return told
    }

    /// The bytes of each key, but for the partitions' own books.
    private func state(_ stage: Stage) throws -> [Topic: [String: [UInt8]]] {
        var state: [Topic: [String: [UInt8]]] = [:]
        for topic in Self.states {
            for record in try stage.read(topic) where !record.keyID.text.hasPrefix(PartitionBook.prefix) {
                state[topic, default: [:]][record.keyID.text] = record.value
            }
        }
        return state
    }

    private func ledgerBySKU(_ stage: Stage) throws -> [String: [[UInt8]]] {
        var entries: [String: [[UInt8]]] = [:]
        for record in try stage.read(.ledger) where !record.keyID.text.hasPrefix(PartitionBook.prefix) {
            entries[record.keyID.text, default: []].append(record.value!)
        }
        return entries
    }

    private func stop(_ roles: [Stage.Role]) {
        for role in roles { #expect(role.process.stop(milliseconds: 10_000) == 0) }
    }

    @Test(
        "A drained system grows from 2 partitions to 5 and 8, though it is killed in the midst, and goes on as if nothing had been",
        .timeLimit(.minutes(9)))
    func grows() throws {
        let seed = UInt64.random(in: 0..<1_000_000)
        print("grow test: seed \(seed)")
        var day = DomainTests.Day(random: SplitMix(state: seed))
        let database = try TestDatabase()
        let stage = try Stage()
        defer { stage.endAll() }
        var processor = try stage.start("process")
        var relay = try stage.start("relay")
        let delay = try stage.start("delay")
        let sink = try stage.start("sink", ["--migrate"], environment: ["DATABASE_URL": database.url])
        try stage.publish(
            warehouse: WarehouseRecord(
                warehouse: Warehouse(id: "BER", location: Point(latitude: 52_520_000, longitude: 13_400_000)))
        )
        try stage.publish(warehouse: WarehouseRecord(warehouse: Warehouse(id: "MUC", isActive: false)))
        try stage.publish(settings: Settings(defaultTTL: 900, dedupeCount: 20_000))
        try stage.publish(
            product: ProductRecord(
                sku: "KEEP-0", name: "Tea", policy: Policy(reorderPoint: 3, backorderLimit: 30)))
        for _ in 0..<1_000 { try stage.publishSoon(day.next()) }
        for number in 0..<8 { try stage.publish(kept(number)) }
        try stage.flush()
        try stage.awaitAnswers()
        let other = stage.prefix + "v2."

        let running = try stage.run(growing(other, 5))
        #expect(running.code == 1 && running.output.contains("stop all"), "\(running.output)")
        stop([delay, relay, processor])
        // It is due while nobody tells it, and no command of its SKU comes.
        try stage.publish([receive("soon-in", 4, "SOON"), reserve("soon", 3, "SOON", ttl: 1_000)])
        let undecided = try stage.run(growing(other, 5))
        #expect(undecided.code == 1 && undecided.output.contains("not decided yet"), "\(undecided.output)")
        try stage.publish(warehouse: WarehouseRecord(warehouse: Warehouse(id: "HAM", priority: 5)))
        processor = try stage.start("process")
        try stage.awaitAnswers()
        stop([processor])
        let uncarried = try stage.run(growing(other, 5))
        #expect(uncarried.code == 1 && uncarried.output.contains("not carried yet"), "\(uncarried.output)")
        processor = try stage.start("process")
        relay = try stage.start("relay")
        try eventually("the warehouse is carried") {
            try stage.results().count { $0.outcome.kind == .warehouseSet } >= 6
        }
        try stage.awaitAnswers()
        stop([relay, processor, sink])
        let (ledger, before) = (try ledgerBySKU(stage), try state(stage))
        #expect(before.values.allSatisfy { !$0.isEmpty })
        let answers = try told(stage)

        let trial = try stage.run(growing(other, 5) + ["--dry-run", "--json"])
        #expect(trial.code == 0, "\(trial.output)")
        #expect(
            trial.output.contains("\"dry_run\":true,\"entries\":\(ledger.values.joined().count),"),
            "\(trial.output)")
        var random = SplitMix(state: seed)
        for _ in 0..<6 {
            let run = try stage.begin(growing(other, 5))
            usleep(UInt32.random(in: 100_000...3_000_000, using: &random))
            run.send(SIGKILL)
            _ = run.waitForEnd(milliseconds: 10_000)
        }
        let grown = try stage.run(growing(other, 5), seconds: 180)
        #expect(grown.code == 0, "\(grown.output)")
        let again = try stage.run(growing(other, 5), seconds: 180)
        #expect(again.code == 0, "\(again.output)")
        #expect(try ledgerBySKU(stage) == ledger)
        #expect(try state(stage) == before)

        let five = try Stage(grownFrom: stage, prefix: other, partitions: 5)
        defer { five.endAll() }
        #expect(try ledgerBySKU(five) == ledger)
        for topic in [Topic.reservations, .transfers] { #expect(try state(five)[topic] == before[topic]) }
        for (sku, levels) in try five.levels() where !PartitionBook.isBook(sku) {
            let old = try #require(before[.levels]?[sku.text])
            var reader = RecordReader()
            let same = try old.withUnsafeBytes { try reader.levels($0) }
            #expect(levels.sequence == same.sequence && levels.chainHash == same.chainHash, "\(sku)")
        }
        let verified = try five.run(["verify", "--without-database"])
        #expect(verified.code == 0, "\(verified.output)")

        let roles = [try five.start("process"), try five.start("delay"), try five.start("relay")]
        try eventually("the reservation that was due has expired") {
            try five.liveReservations()[OwnedID(sku: "SOON", id: "soon")] == nil
        }
        for number in 0..<8 { try five.publish(kept(number)) }
        try five.awaitAnswers()
        let repeated = try told(five)
        for command in (0..<8).flatMap(kept) {
            let first = try #require(answers[command.id])
            let second = try #require(repeated[command.id])
            #expect(second.contains(#""duplicate":true,"#), "\(command.id): \(second)")
            #expect(second.replacing(#""duplicate":true,"#, with: "") == first)
        }
        try five.publish((0..<8).map { confirm("k-\($0)", "KEEP-\($0)") })
        for number in 0..<8 {
            #expect(try five.outcome(of: "p-k-\(number)").kind == .confirmed)
        }
        for _ in 0..<500 { try five.publishSoon(day.next()) }
        try five.publish(warehouse: WarehouseRecord(warehouse: Warehouse(id: "MUC")))
        try five.flush()
        try eventually("the warehouse is carried") {
            try five.results().count {
                $0.outcome.kind == .warehouseSet && $0.outcome.commandID.text.hasPrefix("relay/")
            } == 5
        }
        try five.awaitAnswers()
        let late = try five.run(growing(stage.prefix + "v3.", 8))
        #expect(late.code == 1 && late.output.contains("stop all"), "\(late.output)")
        stop(roles)
        let used = try stage.run(growing(other, 5))
        #expect(used.code == 1 && used.output.contains("at work already"), "\(used.output)")
        try five.checkBooks()
        let replayed = try five.run(["replay"])
        #expect(replayed.code == 0, "\(replayed.output)")
        let shown = try five.run(["show", "sku", "KEEP-3", "--at", "\(five.place(of: "KEEP-3"))/0"])
        #expect(shown.code == 0 && shown.output.contains("k-in-3"), "\(shown.output)")

        let rebuilt = try five.run(
            ["sink", "--rebuild"], environment: ["DATABASE_URL": database.url], seconds: 120)
        #expect(rebuilt.code == 0, "\(rebuilt.output)")
        try five.start("sink", environment: ["DATABASE_URL": database.url])
        let whole = try five.run(["verify"], environment: ["DATABASE_URL": database.url], seconds: 120)
        #expect(whole.code == 0, "\(whole.output)")

        let eight = try Stage(grownFrom: stage, prefix: stage.prefix + "v3.", partitions: 8)
        defer { eight.endAll() }
        let twice = try five.run(growing(eight.prefix, 8), seconds: 180)
        #expect(twice.code == 0, "\(twice.output)")
        #expect(try ledgerBySKU(eight) == ledgerBySKU(five))
        try eight.start("process")
        try eight.publish((0..<8).map { confirm("k-\($0)", "KEEP-\($0)") })
        for number in 0..<8 {
            let outcome = try eight.outcome(of: "p-k-\(number)")
            #expect(outcome.kind == .confirmed && outcome.isDuplicate)
        }
        try eight.awaitAnswers()
        try eight.checkBooks()
    }

    @Test("It names what cannot be grown, and does nothing", .timeLimit(.minutes(4)))
    func refusals() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        let other = stage.prefix + "v2."
        for wrong in [
            ["topics", "grow"], ["topics", "grow", "--partitions", "4"], growing(other, 2), growing(other, 1),
            growing(stage.prefix, 4),
        ] {
            #expect(try stage.run(wrong).code == 2, "\(wrong)")
        }
        // SKUs of both partitions, which have one partition of three in common.
        var skus: [Int32: String] = [:]
        for number in 0..<200 {
            let sku = "S-\(number)"
            let place = Array(sku.utf8).withUnsafeBytes { murmur2Partition(key: $0, partitionCount: 3) }
            if place == 1 { skus[stage.place(of: sku)] = sku }
        }
        let (first, second) = (try #require(skus[0]), try #require(skus[1]))
        let processor = try stage.start("process")
        // An order's number for all that it does to each of them.
        try stage.publish([
            receive("in-1", 5, ID(first)), receive("in-2", 5, ID(second)),
            Command(
                id: "claim", sku: ID(first),
                body: .reserve(
                    Command.Reserve(
                        reservationID: "same", orderID: "o1", quantity: 1,
                        expiry: .after(milliseconds: 600_000)))),
            Command(
                id: "claim", sku: ID(second),
                body: .reserve(
                    Command.Reserve(
                        reservationID: "same", orderID: "o2", quantity: 1,
                        expiry: .after(milliseconds: 600_000)))),
        ])
        try stage.awaitAnswers()
        stop([processor])
        let mixed = try stage.run(growing(other, 3))
        #expect(mixed.code == 0, "\(mixed.output)")
        let three = try Stage(grownFrom: stage, prefix: other, partitions: 3)
        defer { three.endAll() }
        let together = try three.liveReservations()
        #expect(together.keys.sorted() == [first, second].sorted().map { OwnedID(sku: ID($0), id: "same") })
        let verified = try three.run(["verify", "--without-database"])
        #expect(verified.code == 0, "\(verified.output)")
        let shown = try three.run(["show", "reservation", "same"])
        #expect(shown.code == 0 && shown.output.contains("reservation same, of 2 SKUs"), "\(shown.output)")
        let one = try three.run(["show", "command", "claim", "--sku", first])
        #expect(one.code == 0 && one.output.contains("all 1 ledger entries"), "\(one.output)")
        try three.start("process")
        try three.publish([
            Command(id: "pay-1", sku: ID(first), body: .confirm(reservationID: "same", quantity: nil)),
            Command(id: "pay-2", sku: ID(second), body: .release(reservationID: "same", quantity: nil)),
        ])
        #expect(try three.outcome(of: "pay-1").kind == .confirmed)
        #expect(try three.outcome(of: "pay-2").kind == .released)
        let multiple = stage.prefix + "v3."
        #expect(try stage.run(growing(multiple, 4)).code == 0)

        // A partition that has other commands than it would have got.
        let foreign = try Stage(partitions: 4)
        defer { foreign.endAll() }
        try foreign.publish([receive("x", 1, "A")])
        let strange = try stage.run(growing(foreign.prefix, 4))
        #expect(strange.code == 1 && strange.output.contains("holds other commands"), "\(strange.output)")
        let narrow = try stage.run(growing(foreign.prefix, 5))
        #expect(narrow.code == 2 && narrow.output.contains("would have 5"), "\(narrow.output)")
    }
}
