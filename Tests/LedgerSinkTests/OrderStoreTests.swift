import InventoryCore
import InventoryWire
import LedgerSink
import OrderCore
import PostgresClient
import Testing

/// Outcomes for tests.
enum Outcomes {
    /// Reserved, changed, confirmed and, after that, a payment that must go back.
    static let story = [
        outcome(
            "o1", 1, .reserved,
            [
                OrderOutcome.Line(
                    sku: "TEA", quantity: 3, reserved: 3,
                    allocations: [
                        Allocation(warehouse: "BER", quantity: 2), Allocation(warehouse: "HAM", quantity: 1),
                    ]),
                OrderOutcome.Line(
                    sku: "MUG", warehouse: "MUC", quantity: 1, reserved: 1,
                    allocations: [Allocation(warehouse: "MUC", quantity: 1)]),
            ]),
        outcome(
            "o1", 2, .confirmed,
            [
                OrderOutcome.Line(
                    sku: "TEA", quantity: 3, reserved: 1,
                    allocations: [Allocation(warehouse: "HAM", quantity: 1)], paid: 3, shipped: 2,
                    shipments: [Allocation(warehouse: "BER", quantity: 2)]),
                OrderOutcome.Line(sku: "MUG", quantity: 1, reason: .insufficientStock),
            ]),
        outcome(
            "o1", 3, .confirmed, isFinal: true,
            [
                OrderOutcome.Line(
                    sku: "TEA", quantity: 3, paid: 3, shipped: 3,
                    shipments: [
                        Allocation(warehouse: "BER", quantity: 2), Allocation(warehouse: "HAM", quantity: 1),
                    ])
            ]),
        outcome(
            "o1", 4, .refundRequired,
            [OrderOutcome.Line(sku: "TEA", quantity: 3, paid: 4, shipped: 3, refund: 1)]),
    ]

    static func outcome(
        _ id: ID, _ version: Int64, _ kind: OrderOutcomeKind, isFinal: Bool = false,
        _ lines: [OrderOutcome.Line]
    ) -> OrderOutcome {
        OrderOutcome(
            orderID: id, version: version, kind: kind, isFinal: isFinal, mode: .partial, allowSplit: false,
            shipTo: Point(latitude: 52_520_000, longitude: -13_405_001), deliverWithinHours: 48, lines: lines,
            deadline: Timestamp(milliseconds: Ledger.start), at: Timestamp(milliseconds: Ledger.start + 17))
    }

    /// These outcomes in partition 0, from `offset` on.
    static func batch(_ outcomes: [OrderOutcome], from offset: Int64 = 0) -> OutcomeBatch {
        var batch = OutcomeBatch(from: [0: offset])
        for (number, outcome) in outcomes.enumerated() {
            batch.add(OutcomeRow(partition: 0, offset: offset + Int64(number), outcome: outcome))
        }
        return batch
    }
}

extension Database {
    func orderStore(schema: String = "holdfast") throws -> OrderStore {
        let store = try OrderStore(
            connection: connect(), role: "holdfast_application", topic: "order.outcomes", schema: schema)
        _ = try store.offsets(of: 0..<1)
        return store
    }
}

@Suite("A batch of outcomes")
struct OutcomeBatchTests {
    @Test("Of each order the newest counts, wherever it stands")
    func newest() {
        let other = Outcomes.outcome("o2", 1, .rejected, isFinal: true, [])
        let batch = Outcomes.batch([Outcomes.story[1], other, Outcomes.story[0], Outcomes.story[1]])
        #expect(batch.newest.map(\.outcome) == [Outcomes.story[1], other])
        #expect(batch.newest.map(\.offset) == [0, 1])
        let ended = Outcomes.batch(Outcomes.story).newest
        #expect(ended.map(\.outcome.version) == [4] && ended.allSatisfy(\.outcome.isFinal))
    }

    @Test("An outcome that names a SKU twice is none")
    func twice() {
        var outcome = Outcomes.story[3]
        outcome.lines.append(outcome.lines[0])
        var writer = RecordWriter()
        writer.write(orderOutcome: outcome)
        var loop = TopicLoop<OutcomeRow>(topic: "order.outcomes")
        loop.connected(offsets: [0: 0], ends: [0: 0...9])
        writer.withBytes { loop.read($0, partition: 0, offset: 0) }
        do throws(SinkFault) {
            try loop.gathered()
            Issue.record("it was taken")
        } catch {
            #expect(error.description.contains("is no order's outcome (conflicting_fields"))
        }
    }

    @Test(
        "The topic is not kept for ever: it may begin behind where PostgreSQL is, and never end before that")
    func lost() throws {
        let loop = TopicLoop<OutcomeRow>(topic: "order.outcomes")
        try loop.check(offsets: [0: 2], ends: [0: 3...9])
        #expect(throws: SinkFault.self) { try loop.check(offsets: [0: 10], ends: [0: 3...9]) }
    }
}

@Suite("Orders in a genuine PostgreSQL", .enabled(if: Database.url != nil, Database.reason))
struct OrderStoreTests {
    private static let orders = """
        SELECT order_id, version, outcome, is_final, mode, allow_split, ship_to_latitude, ship_to_longitude,
            deliver_within_hours, outcome_partition, outcome_offset
        FROM holdfast.orders ORDER BY order_id
        """
    private static let lines = """
        SELECT sku, position, warehouse_id, quantity, reserved, backordered, paid, shipped, refund, reason
        FROM holdfast.order_lines ORDER BY order_id, position
        """
    private static let shipments = """
        SELECT sku, warehouse_id, state, quantity
        FROM holdfast.shipments_planned ORDER BY order_id, sku, warehouse_id, state
        """

    private func tables(_ database: Database) throws -> [[[String?]]] {
        let connection = try database.connect()
        return try [Self.orders, Self.lines, Self.shipments].map { try connection.rows($0) }
    }

    @Test("An order, its lines and its shipments are what its newest outcome says, with the next offset")
    func newest() throws {
        let database = try Database()
        let store = try database.orderStore()
        #expect(try store.store(Outcomes.batch([Outcomes.story[0]])) == 1)
        #expect(
            try tables(database) == [
                [
                    [
                        "o1", "1", "reserved", "f", "partial", "f", "52.520000", "-13.405001", "48", "0", "0",
                    ]
                ],
                [
                    ["TEA", "1", nil, "3", "3", "0", "0", "0", "0", nil],
                    ["MUG", "2", "MUC", "1", "1", "0", "0", "0", "0", nil],
                ],
                [
                    ["MUG", "MUC", "planned", "1"], ["TEA", "BER", "planned", "2"],
                    ["TEA", "HAM", "planned", "1"],
                ],
            ])
        #expect(try store.store(Outcomes.batch([Outcomes.story[1]], from: 1)) == 1)
        #expect(
            try tables(database).dropFirst() == [
                [
                    ["TEA", "1", nil, "3", "1", "0", "3", "2", "0", nil],
                    ["MUG", "2", nil, "1", "0", "0", "0", "0", "0", "insufficient_stock"],
                ],
                [["TEA", "BER", "shipped", "2"], ["TEA", "HAM", "planned", "1"]],
            ])
        #expect(try store.offsets(of: 0..<1) == [0: 2])
        let connection = try database.connect()
        #expect(
            try connection.rows(
                "SELECT deadline = '2026-09-21 14:13:20+00', told_at - deadline FROM holdfast.orders")
                == [["t", "00:00:00.017"]])
    }

    @Test("An outcome that is older than what is there, or the same, changes nothing but the offset")
    func older() throws {
        let database = try Database()
        let store = try database.orderStore()
        try store.store(Outcomes.batch(Outcomes.story))
        let before = try tables(database)
        #expect(try store.store(Outcomes.batch(Outcomes.story, from: 4)) == 0)
        #expect(try tables(database) == before)
        #expect(try store.offsets(of: 0..<1) == [0: 8])
    }

    @Test("One batch and a batch for each outcome give the same tables; an order that has ended stays so")
    func batches() throws {
        let (together, apart) = (try Database(), try Database())
        let outcomes =
            Outcomes.story + [Outcomes.outcome("o2", 1, .rejected, isFinal: true, Outcomes.story[0].lines)]
        try together.orderStore().store(Outcomes.batch(outcomes))
        let store = try apart.orderStore()
        for (number, outcome) in outcomes.enumerated() {
            #expect(try store.store(Outcomes.batch([outcome], from: Int64(number))) == 1)
        }
        let final = "SELECT is_final FROM holdfast.orders ORDER BY order_id"
        #expect(try apart.connect().rows(final) == [["t"], ["t"]])
        #expect(try tables(together) == tables(apart))
    }

    @Test("What a warehouse has to pick is what is planned there and paid")
    func pickList() throws {
        let database = try Database()
        let store = try database.orderStore()
        let list =
            "SELECT warehouse_id, sku, quantity, order_id, deliver_within_hours FROM holdfast.pick_list"
        try store.store(Outcomes.batch([Outcomes.story[0]]))
        #expect(try database.connect().rows(list).isEmpty)
        try store.store(Outcomes.batch([Outcomes.story[1]], from: 1))
        #expect(try database.connect().rows(list) == [["HAM", "TEA", "1", "o1", "48"]])
        try store.store(Outcomes.batch([Outcomes.story[2]], from: 2))
        #expect(try database.connect().rows(list).isEmpty)
    }

    @Test("A second sink, whose offsets are not the stored ones, stops and stores nothing")
    func secondSink() throws {
        let database = try Database()
        let (first, second) = (try database.orderStore(), try database.orderStore())
        try first.store(Outcomes.batch([Outcomes.story[0]]))
        #expect(throws: SinkFault.self) { try second.store(Outcomes.batch(Outcomes.story)) }
        #expect(try tables(database)[0].map { $0[1] } == ["1"])
    }

    @Test("Without the tables the sink stops, and says how to make them")
    func missing() throws {
        let database = try Database()
        try database.connect().execute("DROP TABLE holdfast.orders CASCADE")
        do {
            _ = try database.orderStore()
            Issue.record("it was taken")
        } catch let refusal as DatabaseRefusal {
            #expect(refusal.description.contains("--migrate"))
        }
    }

    @Test("A swap carries over the orders that the topic does not tell of any more, and no others")
    func swapped() throws {
        let database = try Database()
        let old = Outcomes.outcome("old", 7, .confirmed, isFinal: true, Outcomes.story[1].lines)
        try database.orderStore().store(Outcomes.batch([old] + Outcomes.story))
        try database.connect().execute("UPDATE holdfast.order_lines SET quantity = 99 WHERE order_id = 'o1'")
        let swap = try SchemaSwap(connection: database.connect(), files: Database.files)
        try swap.prepare(dropsOld: false)
        // The topic has lost all but the last outcome.
        let fresh = try database.orderStore(schema: SchemaSwap.fresh)
        try fresh.store(Outcomes.batch([Outcomes.story[3]]))
        try swap.begin()
        #expect(try swap.offsets(topic: "order.outcomes") == [0: 5])
        #expect(try swap.finish())
        let connection = try database.connect()
        #expect(
            try connection.rows("SELECT order_id, version, is_final FROM holdfast.orders ORDER BY order_id")
                == [["o1", "4", "t"], ["old", "7", "t"]])
        #expect(
            try connection.rows(
                "SELECT order_id, sku, quantity FROM holdfast.order_lines ORDER BY order_id, sku")
                == [["o1", "TEA", "3"], ["old", "MUG", "1"], ["old", "TEA", "3"]])
        #expect(
            try connection.rows("SELECT order_id, state FROM holdfast.shipments_planned ORDER BY state")
                == [["old", "planned"], ["old", "shipped"]])
    }
}
