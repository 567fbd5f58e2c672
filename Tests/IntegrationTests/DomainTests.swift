import Foundation
import InventoryCore
import InventoryWire
import Operations
import PostgresClient
import Testing

@Suite(
    "The whole domain on a genuine broker", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct DomainTests {
    /// Commands of every kind over a few SKUs, with few units and short TTLs.
    struct Day {
        var random: SplitMix
        var number = 0

        private mutating func one<Value>(_ values: [Value]) -> Value { values.randomElement(using: &random)! }
        private mutating func chance(_ of: Int) -> Bool { Int.random(in: 0..<of, using: &random) == 0 }
        private mutating func units(_ most: Int64 = 5) -> Int64 { .random(in: 1...most, using: &random) }
        private mutating func warehouse() -> ID { one(["BER", "HAM", "MUC"]) }

        mutating func next() -> Command {
            number += 1
            let group = Int.random(in: 0..<12, using: &random)
            let newest = number / 2
            let reservation = "r\(group)-\(Int.random(in: max(0, newest - 40)...newest, using: &random))"
            let transfer = "t\(group)-\(number / 300)"
            let body: Command.Body
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<18: body = .receive(warehouse: warehouse(), quantity: units(9), reference: nil)
            case 18..<52: body = reserve("r\(group)-\(newest)")
            case 52..<62: body = .confirm(reservationID: ID(reservation), quantity: chance(3) ? 1 : nil)
            case 62..<68: body = .release(reservationID: ID(reservation), quantity: chance(3) ? 1 : nil)
            case 68..<71: body = .extend(reservationID: ID(reservation), expiry: .after(milliseconds: 900))
            case 71..<74: body = .expire(reservationID: ID(reservation))
            case 74..<77:
                body = .return(
                    Command.Return(
                        warehouse: warehouse(), quantity: units(), condition: one(Condition.allCases)))
            case 77..<81: body = .damage(warehouse: warehouse(), quantity: units(3), reference: nil)
            case 81..<85:
                body = .adjust(
                    Command.Adjust(
                        warehouse: warehouse(), change: .count(units(8), expected: nil),
                        reasonCode: .other, note: "cycle \"7\""))
            case 85..<88:
                body = .transferDispatch(
                    Command.TransferDispatch(
                        transferID: ID(transfer), from: "BER", to: "HAM", quantity: units(3),
                        expectedAt: Timestamp(milliseconds: WallClock.milliseconds() + 500)))
            case 88..<91:
                body = .transferReceive(transferID: ID(transfer), quantity: 1, damaged: chance(2) ? 1 : 0)
            case 91..<93: body = .transferCancel(transferID: ID(transfer))
            case 93..<95:
                body = .reallocate(
                    reservationID: ID(reservation), allocations: [Allocation(warehouse: "MUC", quantity: 1)])
            case 95..<97:
                body = .setPolicy(
                    warehouse: nil,
                    Policy(
                        safetyStock: 1, reorderPoint: 4, rearmPoint: 6, reorderUpTo: 20,
                        backorderLimit: units(9), strategy: one(Strategy.allCases)))
            case 97..<99:
                body = .setPolicy(
                    warehouse: "HAM",
                    Policy(reorderPoint: 2, channels: [ChannelShare(channel: "web", quantity: units())]))
            default: body = .retire
            }
            return Command(id: "c\(chance(20) ? number / 2 : number)", sku: "SKU-\(group)", body: body)
        }

        private mutating func reserve(_ id: ID) -> Command.Body {
            .reserve(
                Command.Reserve(
                    reservationID: id, orderID: "o\(number)", quantity: units(4),
                    warehouse: chance(4) ? warehouse() : nil,
                    expiry: .after(milliseconds: .random(in: 200...3_000, using: &random)),
                    allowPartial: chance(4), allowSplit: !chance(4), channel: chance(3) ? "web" : nil,
                    shipTo: chance(2) ? Point(latitude: 53_080_000, longitude: 8_800_000) : nil))
        }
    }

    private static let berlin = WarehouseRecord(
        warehouse: Warehouse(
            id: "BER", location: Point(latitude: 52_520_000, longitude: 13_400_000), priority: 1),
        name: "Berlin", timezone: "Europe/Berlin")

    @Test(
        "Commands of every kind keep the books right, in the topics and in PostgreSQL, though processors are killed",
        .enabled(if: RealServers.database != nil, Comment(rawValue: RealServers.bothReason)),
        .timeLimit(.minutes(5)))
    func everything() throws {
        let seed = UInt64.random(in: 0..<1_000_000)
        print("domain test: seed \(seed)")
        var day = Day(random: SplitMix(state: seed))
        let database = try TestDatabase()
        let stage = try Stage()
        defer { stage.endAll() }
        var processor = try stage.start("process")
        try stage.start("relay")
        try stage.start("delay")
        let sink = try stage.start("sink", ["--migrate"], environment: ["DATABASE_URL": database.url])
        try stage.publish(warehouse: Self.berlin)
        for kill in 0..<4 {
            for _ in 0..<1_000 { try stage.publishSoon(day.next()) }
            if kill == 1 {
                try stage.publish(
                    warehouse: WarehouseRecord(warehouse: Warehouse(id: "MUC", isActive: false)))
                try stage.publish(settings: Settings(defaultTTL: 700, longestTTL: 2_000, dedupeCount: 500))
            }
            try eventually("some are decided after kill \(kill)") {
                processor.metric("holdfast_commands_total") > 50
            }
            processor.process.send(SIGKILL)
            processor = try stage.start("process")
        }
        try stage.flush()
        try stage.awaitAnswers()
        try eventually("what is due has expired") {
            try stage.liveReservations().values.allSatisfy {
                $0.expiresAt.milliseconds > WallClock.milliseconds()
            }
        }
        try stage.awaitAnswers()
        #expect(processor.process.stop(milliseconds: 5_000) == 0)
        try stage.checkBooks()
        let entries = try stage.ledger()
        let sure: Set<Movement> = [
            .receive, .return, .damaged, .adjust, .transferOut, .inTransit, .transferIn, .reserve, .backorder,
            .fill, .ship, .release, .expire, .lose, .reallocate, .setPolicy, .setWarehouse, .setSettings,
            .rejection,
        ]
        #expect(sure.subtracting(entries.map(\.movement)) == [])
        try comparePostgres(stage, database.url, entries, sink)
    }

    private func comparePostgres(
        _ stage: Stage, _ url: String, _ entries: [LedgerEntry], _ sink: Stage.Role
    ) throws {
        let connection = try Connection(url: url, applicationName: "holdfast tests")
        func rows(_ sql: String) throws -> [[String]] {
            let result = try connection.query(sql)
            return try (0..<result.rowCount).map { row in
                try (0..<result.columnCount).map { try result.text(row, $0) ?? "" }
            }
        }
        try eventually("the ledger's rows are there; \(sink.process.logTail(lines: 5))") {
            try rows("SELECT count(*)::text FROM holdfast.inventory_transactions") == [["\(entries.count)"]]
        }
        let problems = try rows("SELECT sku, sequence::text, problem FROM holdfast.check_ledger() LIMIT 3")
        #expect(problems.isEmpty, "\(problems)")
        #expect(try rows("SELECT sku FROM holdfast.inventory_differences").isEmpty)
        #expect(try rows("SELECT sku FROM holdfast.check_chain()").isEmpty)
        let live = try stage.liveReservations().values.sorted { $0.id < $1.id }
        #expect(
            try rows(
                "SELECT id, remaining::text FROM holdfast.reservations WHERE status = 'reserved' ORDER BY id COLLATE \"C\""
            ) == live.map { [$0.id.text, "\($0.quantity)"] })
        let underWay = try stage.liveTransfers().values.sorted { $0.id < $1.id }
        #expect(
            try rows(
                "SELECT id, remaining::text FROM holdfast.transfers WHERE ended_at IS NULL ORDER BY id COLLATE \"C\""
            )
                == underWay.map { [$0.id.text, "\($0.remaining)"] })
        for snapshot in try stage.levels().values {
            for level in snapshot.levels {
                #expect(
                    try rows(
                        """
                        SELECT quantity_on_hand::text, quantity_reserved::text, quantity_in_transit::text,
                            quantity_damaged::text, safety_stock::text, quantity_available::text
                        FROM holdfast.inventory
                        WHERE sku = '\(snapshot.sku)' AND warehouse_id = '\(level.warehouse)'
                        """) == [
                            [
                                level.onHand, level.reserved, level.inTransit, level.damaged,
                                level.safetyStock, level.available,
                            ].map { "\($0)" }
                        ], "\(snapshot.sku) in \(level.warehouse)")
            }
        }
        #expect(
            try rows("SELECT id, timezone, is_active::text FROM holdfast.warehouses ORDER BY id")
                == [["BER", "Europe/Berlin", "true"], ["MUC", "", "false"]])
    }

    @Test(
        "A command repeated before a kill and after it gets the first outcome, byte for byte but for the repeat's mark",
        .timeLimit(.minutes(3)))
    func repeats() throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        let first = try stage.start("process")
        let commands = [
            receive("c1", 3, "A"), receive("c2", 3, "A", in: "HAM"), reserve("r1", 5, "A"),
            Command(id: "c3", sku: "A", body: .confirm(reservationID: "r1", quantity: 2)),
            Command(
                id: "c4", sku: "A",
                body: .adjust(
                    Command.Adjust(
                        warehouse: "HAM", change: .count(1, expected: nil), reasonCode: .cycleCount))),
            reserve("r2", 9, "A"), reserve("r3", 1, "A", ttl: 1),
            Command(
                id: "c5", sku: "A",
                body: .transferDispatch(
                    Command.TransferDispatch(transferID: "t1", from: "BER", to: "HAM", quantity: 1))),
            Command(id: "c6", sku: "A", body: .setPolicy(warehouse: nil, Policy(backorderLimit: 5))),
            reserve("r4", 3, "A"),
        ]
        try stage.publish(commands)
        try stage.awaitResults()
        try stage.publish(commands)
        try stage.awaitResults()
        first.process.send(SIGKILL)
        try stage.start("process")
        try stage.publish(commands)
        try stage.awaitResults()
        let told = try stage.results().map { result in
            String(decoding: result.bytes, as: UTF8.self)
                .replacing(/"source":\{"partition":\d+,"offset":\d+\}/, with: "")
        }
        #expect(told.count == 3 * commands.count)
        for (number, command) in commands.enumerated() {
            let (original, before, after) = (
                told[number], told[number + commands.count], told[number + 2 * commands.count]
            )
            #expect(before.contains(#""duplicate":true,"#), "\(command)")
            #expect(before.replacing(#""duplicate":true,"#, with: "") == original)
            #expect(before == after)
        }
        try stage.checkBooks()
    }

    @Test(
        "The relay carries each change into every partition once and in order, though it is killed",
        .timeLimit(.minutes(3)))
    func relay() throws {
        let stage = try Stage(partitions: 3)
        defer { stage.endAll() }
        try stage.start("process")
        var relay = try stage.start("relay")
        for round in 0..<3 {
            for number in 0..<40 {
                try stage.publish(
                    warehouse: WarehouseRecord(
                        warehouse: Warehouse(id: "W\(number)", priority: Int64(1 + round * 40 + number))))
            }
            try eventually("some are carried in round \(round); \(relay.process.logTail(lines: 5))") {
                try stage.read(.commands).count > round * 120
            }
            relay.process.send(SIGKILL)
            relay = try stage.start("relay")
        }
        try stage.publish(to: .warehouses, key: "W0", value: nil)
        try stage.publish(to: .warehouses, key: "W1", value: Array("{broken".utf8))
        try stage.publish(settings: Settings(defaultTTL: 60_000, strategy: .nearest))
        try stage.publish(
            product: ProductRecord(
                sku: "A", name: "Tea", policy: Policy(reorderPoint: 5, backorderLimit: 7),
                warehousePolicies: [.init(warehouse: "W2", policy: Policy(safetyStock: 3))]))
        let wanted = 3 * (3 * 40 + 2) + 1
        try eventually("all is carried; \(relay.process.logTail(lines: 5))") {
            try stage.read(.commands).count >= wanted
        }
        try stage.awaitAnswers()
        #expect(try stage.read(.commands).count == wanted, "once each")
        let letters = try stage.deadLetters()
        #expect(letters.map(\.topic) == ["warehouses"] && letters.first?.reason == .invalidJSON)
        let levels = try stage.levels()
        for partition in 0..<3 as Range<Int32> {
            let book = try #require(levels[PartitionBook.sku(partition)]?.book)
            #expect(book.settings == Settings(defaultTTL: 60_000, strategy: .nearest))
            #expect(book.warehouses.count == 40)
            for warehouse in book.warehouses {
                let number = Int64(warehouse.id.text.dropFirst())!
                #expect(warehouse.isActive == (number != 0))
                if number > 0 { #expect(warehouse.priority == 81 + number, "the newest counts") }
            }
        }
        #expect(levels["A"]?.policy?.backorderLimit == 7)
        #expect(levels["A"]?.levels.map(\.safetyStock) == [3])
        try stage.checkBooks()
    }

    @Test("A second relay ends the first, and says why", .timeLimit(.minutes(2)))
    func secondRelay() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        let first = try stage.start("relay")
        try stage.publish(warehouse: Self.berlin)
        try eventually("it is carried") { try !stage.read(.commands).isEmpty }
        let second = try stage.start("relay")
        try stage.publish(warehouse: WarehouseRecord(warehouse: Warehouse(id: "HAM")))
        try eventually("the first has ended") { first.process.exitCode != nil }
        #expect(first.process.exitCode != 0 && first.process.logTail().contains("another relay"))
        #expect(second.process.exitCode == nil)
        #expect(second.process.stop(milliseconds: 5_000) == 0)
        let ids = try stage.read(.commands).map { $0.text }
        #expect(ids.count == 4 && Set(ids).count == 4)
    }

    @Test(
        "An overdue transfer and a low level are told once, also when the processor and the delay service restart",
        .timeLimit(.minutes(3)))
    func alertsOnce() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        let processor = try stage.start("process")
        let delay = try stage.start("delay")
        try stage.publish([
            receive("c1", 5, "A"),
            Command(id: "c2", sku: "A", body: .setPolicy(warehouse: "BER", Policy(reorderPoint: 2))),
            reserve("r1", 3, "A"),
            Command(
                id: "c3", sku: "A",
                body: .transferDispatch(
                    Command.TransferDispatch(
                        transferID: "t1", from: "BER", to: "HAM", quantity: 1,
                        expectedAt: Timestamp(milliseconds: WallClock.milliseconds() + 300)))),
        ])
        try eventually("both are told; \(delay.process.logTail(lines: 5))") {
            Set(try stage.alerts().map(\.kind)) == [.low, .transferOverdue]
        }
        processor.process.send(SIGKILL)
        delay.process.send(SIGKILL)
        try stage.start("process")
        try stage.start("delay")
        try stage.publish([reserve("r2", 1, "A"), receive("c4", 1, "B")])
        try stage.awaitAnswers()
        let alerts = try stage.alerts()
        #expect(alerts.map(\.kind).sorted { $0.rawValue < $1.rawValue } == [.low, .out, .transferOverdue])
        #expect(try stage.liveTransfers().first { $0.key.id == "t1" }?.value.isOverdue == true)
        try stage.checkBooks()
    }
}
