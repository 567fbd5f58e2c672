import Audit
import Foundation
import InventoryCore
import InventoryWire
import LedgerSink
import Operations
import PostgresClient

/// PostgreSQL as an audit reads it: one snapshot of all, the rows by a cursor.
final class DatabaseAudit {
    private static let pageRows = 4_000
    private static let pageSKUs = 500

    /// Up to where the sink has stored each partition of the ledger.
    private(set) var ends: [Int32: Int64] = [:]
    /// The same of `order.outcomes`.
    private(set) var orderEnds: [Int32: Int64] = [:]
    /// Whether it has tables for orders.
    let hasOrders: Bool
    let snapshot: DatabaseSnapshot
    private let settings: KafkaSettings
    private var starts: [Int32: Int64] = [:]

    init(service: Service) throws {
        snapshot = try DatabaseSnapshot(service: service, name: "holdfast verify")
        settings = KafkaSettings(service.configuration)
        hasOrders =
            try snapshot.connection.query("SELECT to_regclass('holdfast.orders') IS NOT NULL").bool(0, 0)
            == true
    }

    var connection: Connection { snapshot.connection }

    func readEnds() throws {
        ends = try ends(of: .ledger)
        orderEnds = try ends(of: .orderOutcomes)
    }

    private func ends(of topic: Topic) throws -> [Int32: Int64] {
        let result = try connection.query(
            "SELECT partition, next_offset FROM holdfast.sink_offsets WHERE topic = $1",
            [.text(settings.name(topic))])
        var ends: [Int32: Int64] = [:]
        for row in 0..<result.rowCount {
            if let partition = try result.int32(row, 0) { ends[partition] = try result.int64(row, 1) }
        }
        return ends
    }

    /// Takes the snapshot.
    /// - Parameter starts: of each partition that is looked at, where its rows are read from.
    func open(_ starts: [Int32: Int64]) throws {
        self.starts = starts
        try snapshot.begin()
        try readEnds()
    }

    /// The rows of a partition, from its start on, in the order of the topic. One partition is read at a time.
    func rows(of partition: Int32) throws -> any LedgerRows {
        try Rows(connection, "ledger_partition = \(partition) AND ledger_offset >= \(starts[partition] ?? 0)")
    }

    /// Rows that name partitions which the topic does not have.
    func strangers(partitions count: Int32) throws -> Differences {
        let rows = try Rows(connection, "ledger_partition < 0 OR ledger_partition >= \(count)")
        var strangers = Differences(limit: 100)
        while let row = try rows.nextRow() {
            strangers.add(
                Difference(
                    .row, place: "holdfast.inventory_transactions", partition: row.partition,
                    offset: row.offset, sku: row.entry?.sku, sequence: row.entry?.sequence,
                    found: "a row of partition \(row.partition)",
                    expected: "no row: the topic has no such partition",
                    next: "SELECT * FROM holdfast.inventory_transactions WHERE ledger_partition = "
                        + "\(row.partition) AND ledger_offset = \(row.offset)"))
        }
        return strangers
    }

    /// Rows of the ledger's table, read by a cursor; the index `inventory_transactions_place` gives them in their order.
    private final class Rows: LedgerRows {
        private let connection: Connection
        private var columns = LedgerColumns()
        private var page: [(partition: Int32, offset: Int64, entry: LedgerEntry?)] = []
        private var index = 0
        private var isAtEnd = false

        init(_ connection: Connection, _ which: String) throws {
            self.connection = connection
            try connection.execute("CLOSE ALL")
            try connection.execute(
                """
                DECLARE ledger_rows NO SCROLL CURSOR FOR
                SELECT \(LedgerColumns.names), ledger_partition, ledger_offset
                FROM holdfast.inventory_transactions WHERE \(which)
                ORDER BY ledger_partition, ledger_offset, sequence
                """)
        }

        func next() throws -> (offset: Int64, entry: LedgerEntry?)? {
            try nextRow().map { ($0.offset, $0.entry) }
        }

        func nextRow() throws -> (partition: Int32, offset: Int64, entry: LedgerEntry?)? {
            if index == page.count, !isAtEnd { try fetch() }
            guard index < page.count else { return nil }
            index += 1
            return page[index - 1]
        }

        private func fetch() throws {
            let result = try connection.query("FETCH \(DatabaseAudit.pageRows) FROM ledger_rows")
            page.removeAll(keepingCapacity: true)
            index = 0
            isAtEnd = result.rowCount < DatabaseAudit.pageRows
            for row in 0..<result.rowCount {
                // What is no entry is told by the comparison.
                let entry = (try? columns.entry(result, row)) ?? nil
                page.append(
                    (
                        try result.int32(row, LedgerColumns.count) ?? -1,
                        try result.int64(row, LedgerColumns.count + 1) ?? -1, entry
                    ))
            }
        }
    }

    // MARK: Projections

    /// The rows of a partition's SKUs in the tables that are kept beside the ledger.
    /// - Parameter isSkipped: SKUs that the ledger was not followed of, or that moved on in the database.
    /// - Returns: how many rows were compared.
    func projections(
        _ stock: Stock, _ partition: Int32, isSkipped: (ID) -> Bool, _ differences: inout Differences
    ) throws -> Int {
        let transfers = Dictionary(grouping: stock.allTransfers, by: \.sku)
        let skus = stock.skus.filter { !isSkipped($0) }.sorted()
        var compared = 0
        for start in stride(from: 0, to: skus.count, by: Self.pageSKUs) {
            let some = Array(skus[start..<min(start + Self.pageSKUs, skus.count)])
            compared += try inventory(stock, some, partition, isSkipped: isSkipped, &differences)
            compared += try reservations(stock, some, partition, &differences)
            compared += try self.transfers(transfers, some, partition, &differences)
        }
        return compared
    }

    private func inventory(
        _ stock: Stock, _ skus: [ID], _ partition: Int32, isSkipped: (ID) -> Bool,
        _ differences: inout Differences
    ) throws -> Int {
        let result = try connection.query(
            """
            SELECT sku, warehouse_id, quantity_on_hand, quantity_reserved, quantity_in_transit,
                quantity_damaged, quantity_set_apart, safety_stock, is_closed
            FROM holdfast.inventory WHERE sku = ANY($1) ORDER BY sku COLLATE "C", warehouse_id COLLATE "C"
            """, [.ids(skus)])
        // Warehouses that were opened or closed since show in rows of SKUs that have not moved on.
        let knowsWarehouses = !isSkipped(PartitionBook.sku(partition))
        var found: [ID: [ID: [Int64]]] = [:]
        for row in 0..<result.rowCount {
            guard let sku = try result.id(row, 0), let warehouse = try result.id(row, 1) else { continue }
            var units = try (2..<8).map { try result.int64(row, $0) ?? -1 }
            if knowsWarehouses { units.append(try result.bool(row, 8) == true ? 1 : 0) }
            found[sku, default: [:]][warehouse] = units
        }
        for sku in skus {
            var rows = found[sku] ?? [:]
            for level in stock.levels(of: sku)?.levels ?? [] {
                var wanted = [
                    level.onHand, level.reserved, level.inTransit, level.damaged, level.unusedSetApart,
                    level.safetyStock,
                ]
                if knowsWarehouses { wanted.append(level.isClosed ? 1 : 0) }
                let has = rows.removeValue(forKey: level.warehouse)
                if has == wanted { continue }
                add(
                    "inventory", sku, partition, stock, &differences,
                    has.map { "in \(level.warehouse) \(Self.text($0))" } ?? "no row of \(level.warehouse)",
                    Self.text(wanted))
            }
            // A SKU that was retired has no levels, and its rows have no units.
            for (warehouse, has) in rows.sorted(by: { $0.key < $1.key })
            where has.prefix(6).contains(where: { $0 != 0 }) {
                add(
                    "inventory", sku, partition, stock, &differences, "in \(warehouse) \(Self.text(has))",
                    "no units: the SKU has no level there")
            }
        }
        return result.rowCount
    }

    private static func text(_ units: [Int64]) -> String {
        let names = ["on hand", "reserved", "in transit", "damaged", "set apart", "safety stock", "closed"]
        var parts: [String] = []
        for (place, value) in units.enumerated() where value != 0 || place < 2 {
            parts.append("\(names[place]) \(value)")
        }
        return parts.joined(separator: ", ")
    }

    private func reservations(
        _ stock: Stock, _ skus: [ID], _ partition: Int32, _ differences: inout Differences
    ) throws -> Int {
        let result = try connection.query(
            """
            SELECT sku, id, order_id, remaining, reserved_sequence, ledger_sequence, expires_at, channel
            FROM holdfast.reservations WHERE sku = ANY($1) AND status = 'reserved'
            """, [.ids(skus)])
        var found: [ID: [ID: String]] = [:]
        for row in 0..<result.rowCount {
            guard let sku = try result.id(row, 0), let id = try result.id(row, 1) else { continue }
            found[sku, default: [:]][id] = Self.text(
                order: try result.id(row, 2) ?? "", remaining: try result.int64(row, 3) ?? -1,
                begun: try result.int64(row, 4) ?? -1, changed: try result.int64(row, 5) ?? -1,
                expires: try result.timestampMilliseconds(row, 6) ?? -1, channel: try result.id(row, 7))
        }
        for sku in skus {
            let wanted = stock.liveReservations(of: sku).map { live in
                (
                    live.id,
                    Self.text(
                        order: live.orderID, remaining: live.quantity, begun: live.reservedSequence,
                        changed: live.sequence, expires: live.expiresAt.milliseconds, channel: live.channel)
                )
            }
            compare("reservations", sku, partition, stock, found[sku] ?? [:], wanted, &differences)
        }
        return result.rowCount
    }

    /// The live rows of a SKU, in words by their id, against what lives by the ledger.
    private func compare(
        _ table: String, _ sku: ID, _ partition: Int32, _ stock: Stock?, _ found: [ID: String],
        _ wanted: [(ID, String)], _ differences: inout Differences
    ) {
        var rows = found
        for (id, text) in wanted {
            let has = rows.removeValue(forKey: id)
            if let has, ID(has) == ID(text) { continue }
            add(
                table, sku, partition, stock, &differences, has.map { "\(id) \($0)" } ?? "no live \(id)", text
            )
        }
        for id in rows.keys.sorted() {
            add(
                table, sku, partition, stock, &differences, "\(id) lives", "it has ended, or never was")
        }
    }

    private static func text(
        order: ID, remaining: Int64, begun: Int64, changed: Int64, expires: Int64, channel: ID?
    ) -> String {
        "of order \(order), remaining \(remaining), sequences \(begun) and \(changed), until \(expires) ms"
            + (channel.map { ", channel \($0)" } ?? "")
    }

    private func transfers(
        _ live: [ID: [TransferSnapshot]], _ skus: [ID], _ partition: Int32,
        _ differences: inout Differences
    ) throws -> Int {
        let result = try connection.query(
            """
            SELECT sku, id, from_warehouse_id, to_warehouse_id, quantity, remaining, status
            FROM holdfast.transfers WHERE sku = ANY($1) AND status IN ('in_transit', 'overdue')
            """, [.ids(skus)])
        func text(_ from: ID, _ to: ID, _ units: [Int64], _ isOverdue: Bool) -> String {
            "from \(from) to \(to), \(units[1]) of \(units[0]) \(isOverdue ? "overdue" : "in_transit")"
        }
        var found: [ID: [ID: String]] = [:]
        for row in 0..<result.rowCount {
            guard let sku = try result.id(row, 0), let id = try result.id(row, 1) else { continue }
            found[sku, default: [:]][id] = text(
                try result.id(row, 2) ?? "", try result.id(row, 3) ?? "",
                [try result.int64(row, 4) ?? -1, try result.int64(row, 5) ?? -1],
                try result.text(row, 6) == "overdue")
        }
        for sku in skus {
            let wanted = (live[sku] ?? []).map {
                ($0.id, text($0.from, $0.to, [$0.quantity, $0.remaining], $0.isOverdue))
            }
            compare("transfers", sku, partition, nil, found[sku] ?? [:], wanted, &differences)
        }
        return result.rowCount
    }

    private func add(
        _ table: String, _ sku: ID, _ partition: Int32, _ stock: Stock?,
        _ differences: inout Differences, _ found: String, _ expected: String
    ) {
        differences.add(
            Difference(
                .projection, place: "holdfast.\(table)", partition: partition, sku: sku,
                sequence: stock?.sequence(of: sku), found: found, expected: expected,
                next: "holdfast show sku \(sku)"))
    }

    /// Rows of SKUs that the ledger's table does not know.
    func orphans(_ differences: inout Differences) throws {
        for table in ["inventory", "reservations", "transfers"] {
            let result = try connection.query(
                """
                SELECT DISTINCT p.sku FROM holdfast.\(table) p WHERE NOT EXISTS
                    (SELECT FROM holdfast.inventory_transactions t WHERE t.sku = p.sku)
                """)
            for row in 0..<result.rowCount {
                let sku = try result.id(row, 0) ?? ""
                add(table, sku, -1, nil, &differences, "a row", "no row: the ledger has no such SKU")
            }
        }
    }
}
