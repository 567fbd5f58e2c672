import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import OrderCore
import PostgresClient
import Testing

@Suite(
    "Orders in PostgreSQL, on a genuine broker", .serialized,
    .enabled(
        if: RealServers.kafka != nil && RealServers.database != nil,
        Comment(rawValue: RealServers.bothReason)))
struct OrderSinkTests {
    private func connect(_ database: TestDatabase) throws -> Connection {
        try Connection(url: database.url, applicationName: "holdfast tests")
    }

    private func number(_ database: TestDatabase, _ sql: String) throws -> Int64 {
        try connect(database).query(sql).int64(0, 0) ?? -1
    }

    /// What the tables say of each order.
    private func stored(_ database: TestDatabase) throws -> [String: String] {
        let rows = try connect(database).query(
            """
            SELECT o.order_id, concat_ws(' ', o.version, o.outcome, o.outcome_partition, o.outcome_offset,
                o.told_at AT TIME ZONE 'UTC', (SELECT string_agg(concat_ws(',', sku, quantity, reserved,
                    backordered, paid, shipped, refund), ' ' ORDER BY position)
                FROM holdfast.order_lines l WHERE l.order_id = o.order_id),
                (SELECT string_agg(concat_ws(',', sku, warehouse_id, state, quantity), ' '
                    ORDER BY sku COLLATE "C", warehouse_id, state)
                FROM holdfast.shipments_planned s WHERE s.order_id = o.order_id))
            FROM holdfast.orders o
            """)
        var stored: [String: String] = [:]
        for row in 0..<rows.rowCount { stored[try rows.text(row, 0) ?? ""] = try rows.text(row, 1) }
        return stored
    }

    /// The same of each order's newest outcome.
    private func told(_ stage: Stage) throws -> [String: String] {
        var reader = RecordReader()
        var told: [String: String] = [:]
        for record in try stage.read(.orderOutcomes) {
            guard let outcome = try record.value!.withUnsafeBytes({ try reader.orderOutcome($0) }) else {
                continue
            }
            let lines = outcome.lines.map { line in
                [line.quantity, line.reserved, line.backordered, line.paid, line.shipped, line.refund]
                    .reduce(line.sku.text) { "\($0),\($1)" }
            }
            let shipments = outcome.lines.sorted { $0.sku < $1.sku }.flatMap { line in
                (line.allocations.map { "\(line.sku),\($0.warehouse),planned,\($0.quantity)" }
                    + line.shipments.map { "\(line.sku),\($0.warehouse),shipped,\($0.quantity)" }).sorted()
            }
            var at = RFC3339.text(outcome.at).replacing("T", with: " ").replacing("Z", with: "")
            while at.hasSuffix("0") { at.removeLast() }
            if at.hasSuffix(".") { at.removeLast() }
            let words: [String] =
                ["\(outcome.version)", outcome.kind.rawValue, "\(record.partition)", "\(record.offset)", at]
                + lines + shipments
            told[outcome.orderID.text] = words.joined(separator: " ")
        }
        return told
    }

    private func place(_ id: ID, _ skus: [ID], ttl: Int64 = 600_000) -> OrderEvent {
        OrderEvent(
            id: "placed-\(id)", orderID: id, at: Timestamp(milliseconds: 0),
            body: .placed(
                OrderEvent.Placed(
                    mode: .partial, lines: skus.map { OrderEvent.Line(sku: $0, quantity: 1) },
                    expiry: .after(milliseconds: ttl))))
    }

    private func paid(_ id: ID) -> OrderEvent {
        OrderEvent(id: "paid-\(id)", orderID: id, at: Timestamp(milliseconds: 0), body: .paid([]))
    }

    @Test(
        "The sink is killed eight times while outcomes flow: every row is the newest outcome of its order",
        .timeLimit(.minutes(5)))
    func kills() throws {
        let database = try TestDatabase()
        let stage = try Stage(partitions: 2)
        defer { stage.endAll() }
        let arguments = ["--sink-batch-rows", "20", "--sink-interval-ms", "10"]
        let environment = ["DATABASE_URL": database.url]
        try stage.start("process")
        try stage.start("coordinate")
        try stage.publish((0..<4).map { receive("i\($0)", 200, "S\($0)") })
        var sink = try stage.start("sink", ["--migrate"] + arguments, environment: environment)
        var random = SplitMix(state: 11)
        var count = 0
        for _ in 0..<8 {
            let before = sink.metric("holdfast_sink_orders_total")
            try eventually("orders are stored; \(sink.process.logTail(lines: 5))") {
                var events: [OrderEvent] = []
                for _ in 0..<5 {
                    let skus: [ID] = ["S0", "S1", "S2", "S3"].shuffled(using: &random)
                    events.append(place("o\(count)", Array(skus.prefix(1 + count % 4))))
                    events.append(paid("o\(Int.random(in: 0...count, using: &random))"))
                    count += 1
                }
                try stage.publish(events)
                return sink.metric("holdfast_sink_orders_total") > before + 10
            }
            sink.process.send(SIGKILL)
            _ = sink.process.waitForEnd(milliseconds: 5_000)
            sink = try stage.start("sink", arguments, environment: environment, awaitReady: false)
        }
        try eventually("every order has an outcome", seconds: 60) {
            try Set(stage.orderOutcomes().map(\.orderID)).count == count
        }
        try eventually("all is stored; \(sink.process.logTail(lines: 5))", seconds: 60) {
            try stored(database) == told(stage)
        }
        let (rows, outcomes) = (try stored(database), try stage.orderOutcomes().count)
        #expect(rows.count == count && outcomes > count)
        #expect(try rows == told(stage))
        #expect(try number(database, "SELECT count(*) FROM holdfast.inventory_differences") == 0)
        print("orders in PostgreSQL: \(count) orders, \(outcomes) outcomes, 8 kills")
    }

    @Test(
        "Without the topics of orders the ledger is kept, which is said once; when they are made, orders are kept",
        .timeLimit(.minutes(3)))
    func withoutTopics() throws {
        let database = try TestDatabase()
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        let admin = try Admin(configuration: ["bootstrap.servers": stage.bootstrap])
        try eventually("the topics are gone") {
            _ = try? admin.deleteTopics(
                Topic.ofOrders.map { stage.name($0) }, timeoutMilliseconds: 10_000)
            return try admin.describeTopics(
                Topic.ofOrders.map { stage.name($0) }, timeoutMilliseconds: 10_000
            ).isEmpty
        }
        try stage.start("process")
        let sink = try stage.start("sink", ["--migrate"], environment: ["DATABASE_URL": database.url])
        try stage.publish([receive("c1", 5, "A")])
        try eventually("the ledger is stored") {
            try number(database, "SELECT count(*) FROM holdfast.inventory_transactions") == 1
        }
        #expect(try stage.run(["topics", "apply", "--partitions", "1"]).code == 0)
        try stage.start("coordinate")
        try stage.publish([place("o1", ["A"])])
        try eventually("the order is stored; \(sink.process.logTail(lines: 5))") {
            try number(database, "SELECT count(*) FROM holdfast.orders") == 1
        }
        let log = sink.process.logTail(lines: 1000)
        #expect(log.split(separator: "\n").filter { $0.contains("no topic for orders") }.count == 1, "\(log)")
        #expect(sink.process.stop(milliseconds: 5_000) == 0)
    }

    @Test(
        "A sink that was down for longer than order.outcomes is kept says what it never saw, and goes on",
        .timeLimit(.minutes(3)))
    func lost() throws {
        let database = try TestDatabase()
        let environment = ["DATABASE_URL": database.url]
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        try stage.start("process")
        try stage.start("coordinate")
        try stage.publish([receive("c1", 50, "A")])
        let sink = try stage.start("sink", ["--migrate"], environment: environment)
        try stage.publish([place("o1", ["A"])])
        try eventually("the order is stored") {
            try number(database, "SELECT count(*) FROM holdfast.orders") == 1
        }
        #expect(sink.process.stop(milliseconds: 5_000) == 0)
        try stage.publish([place("o2", ["A"])])
        try stage.awaitStory("o2", ["reserved"])
        let end = try #require(stage.read(.orderOutcomes).map(\.offset).max()) + 1
        try Admin(configuration: ["bootstrap.servers": stage.bootstrap]).deleteRecords(
            before: [TopicPartitionOffset(stage.name(.orderOutcomes), 0, offset: end)],
            timeoutMilliseconds: 20_000)
        let next = try stage.start("sink", environment: environment)
        #expect(
            next.process.logTail(lines: 1000).contains("never read are gone"), "\(next.process.logTail())")
        try stage.publish([place("o3", ["A"])])
        try eventually("the next order is stored; \(next.process.logTail(lines: 5))") {
            try stored(database).keys.sorted() == ["o1", "o3"]
        }
        // What retention has taken is not looked at.
        let verified = try verify(stage, database)
        #expect(verified.right && verified.rows == 1, "\(verified.first)")
    }

    @Test(
        "A rebuild makes orders anew from the topic, and carries over those that it does not have any more",
        .timeLimit(.minutes(3)))
    func rebuild() throws {
        let database = try TestDatabase()
        let environment = ["DATABASE_URL": database.url]
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        try stage.start("process")
        try stage.start("coordinate")
        try stage.publish([receive("c1", 50, "A"), receive("c2", 50, "B")])
        let sink = try stage.start("sink", ["--migrate"], environment: environment)
        try stage.publish((0..<10).map { place("old\($0)", ["A"]) })
        try eventually("ten orders; \(sink.process.logTail(lines: 5))") {
            try number(database, "SELECT count(*) FROM holdfast.orders") == 10
        }
        let end = try #require(stage.read(.orderOutcomes).map(\.offset).max()) + 1
        try Admin(configuration: ["bootstrap.servers": stage.bootstrap]).deleteRecords(
            before: [TopicPartitionOffset(stage.name(.orderOutcomes), 0, offset: end)],
            timeoutMilliseconds: 20_000)
        try stage.publish((0..<10).map { place("new\($0)", ["A", "B"]) })
        try eventually("twenty orders") {
            try number(database, "SELECT count(*) FROM holdfast.orders") == 20
        }
        #expect(sink.process.stop(milliseconds: 5_000) == 0)
        let before = try stored(database)
        try connect(database).execute(
            """
            UPDATE holdfast.order_lines SET reserved = 7 WHERE order_id LIKE 'new%';
            DELETE FROM holdfast.shipments_planned WHERE order_id = 'new3';
            DELETE FROM holdfast.orders WHERE order_id = 'new4'
            """)
        let rebuilt = try stage.run(["sink", "--rebuild", "--drop-old"], environment: environment)
        #expect(rebuilt.code == 0, "\(rebuilt.output)")
        #expect(try stored(database) == before)
        let again = try stage.start("sink", environment: environment)
        try stage.publish([paid("new1"), paid("old1")])
        try eventually("they go on; \(again.process.logTail(lines: 5))") {
            try number(database, "SELECT count(*) FROM holdfast.orders WHERE outcome = 'confirmed'") == 2
        }
    }

    /// What verify tells of the tables of orders.
    private struct Verified: Decodable {
        struct Orders: Decodable {
            let outcomes: Int
            let rows: Int
        }
        struct Difference: Decodable {
            let kind: String
            let place: String
            let found: String
            let expected: String
            let next: String
        }
        let right: Bool
        let orders: [Orders]
        let first: [Difference]

        var outcomes: Int { orders.map(\.outcomes).reduce(0, +) }
        var rows: Int { orders.map(\.rows).reduce(0, +) }
    }

    private func verify(_ stage: Stage, _ database: TestDatabase, _ arguments: [String] = []) throws
        -> Verified
    {
        let (code, output) = try stage.run(
            ["verify", "--json", "--log-level", "warning", "--differences", "1000"]
                + ["--database-url", database.url] + arguments)
        let json = output[(output.firstIndex(of: "{") ?? output.startIndex)...]
        let report = try JSONDecoder().decode(Verified.self, from: Data(json.utf8))
        #expect(code == (report.right ? 0 : 1), "\(output)")
        return report
    }

    @Test(
        "verify holds the tables of orders against the newest outcomes, goes on where it stopped, and names each kind of damage",
        .timeLimit(.minutes(3)))
    func verified() throws {
        let database = try TestDatabase()
        let stage = try Stage(partitions: 2)
        defer { stage.endAll() }
        let state = stage.folder + "/state"
        try stage.start("process")
        try stage.start("coordinate")
        try stage.publish([receive("c1", 50, "A"), receive("c2", 50, "B")])
        let sink = try stage.start("sink", ["--migrate"], environment: ["DATABASE_URL": database.url])
        let ids: [ID] = (0..<8).map { "o\($0)" }
        try stage.publish(ids.map { place($0, ["A", "B"]) })
        for id in ids { try stage.awaitStory(id, ["reserved"]) }
        let first = try verify(stage, database, ["--state", state])
        #expect(first.right && first.outcomes == 8 && first.rows == 8, "\(first.first)")
        try stage.publish(ids.prefix(4).map { paid($0) })
        for id in ids.prefix(4) { try stage.awaitStory(id, ["reserved", "confirmed!"]) }
        let second = try verify(stage, database, ["--state", state])
        #expect(second.right && second.outcomes == 4 && second.rows == 4, "\(second.first)")
        let whole = try verify(stage, database)
        #expect(whole.right && whole.outcomes == 12 && whole.rows == 8, "\(whole.first)")
        #expect(sink.process.stop(milliseconds: 5_000) == 0)

        // Each on an order of its own, and what is told of it.
        let damages: [(order: ID, sql: String, table: String, found: String)] = [
            ("o0", "UPDATE holdfast.orders SET version = 1", "orders", "version 1"),
            ("o1", "UPDATE holdfast.orders SET is_final = false", "orders", "order: confirmed, partial"),
            ("o2", "UPDATE holdfast.orders SET version = 9", "orders", "version 9 of"),
            ("o3", "UPDATE holdfast.order_lines SET paid = 0, shipped = 0", "orders", "line A: position 1"),
            ("o4", "DELETE FROM holdfast.orders", "orders", "no row of order o4"),
            ("o4", "", "order_lines", "a row of order o4"),
            ("o4", "", "shipments_planned", "a row of order o4"),
            (
                "o5", "UPDATE holdfast.shipments_planned SET quantity = 2", "orders",
                "shipment A BER planned: 2"
            ),
            ("o6", "DELETE FROM holdfast.order_lines", "orders", "line A: none"),
            (
                "o7",
                "UPDATE holdfast.orders SET (outcome_partition, outcome_offset) = (SELECT outcome_partition, "
                    + "outcome_offset FROM holdfast.orders WHERE order_id = 'o6')",
                "orders", "order o7 as offset"
            ),
        ]
        let connection = try connect(database)
        for damage in damages where !damage.sql.isEmpty {
            let changed = try connection.execute("\(damage.sql) WHERE order_id = '\(damage.order)'")
            #expect(changed.affectedRows > 0, "\(damage.sql)")
        }
        try connection.execute(
            """
            INSERT INTO holdfast.orders SELECT (jsonb_populate_record(o, '{"order_id": "stranger"}')).*
            FROM holdfast.orders o WHERE order_id = 'o5'
            """)
        let found = try verify(stage, database)
        #expect(!found.right)
        for damage in damages + [("stranger", "", "orders", "order stranger as offset")] {
            #expect(
                found.first.contains {
                    $0.kind == "projection" && $0.place == "holdfast.\(damage.table)"
                        && $0.found.contains(damage.found)
                        && $0.next == "holdfast orders show \(damage.order)"
                }, "\(damage): \(found.first)")
        }
        // What it was told already is not looked at again.
        let later = try verify(stage, database, ["--state", state])
        #expect(later.outcomes == 0)
    }
}
