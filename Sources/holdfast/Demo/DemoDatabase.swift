import Foundation
import InventoryCore
import LedgerSink
import Operations
import OrderCore
import PostgresClient

/// What PostgreSQL holds of a run, read as an auditor would.
final class DemoDatabase {
    private static let pageRows = 20_000
    /// A check reads all of the ledger, on a machine that may have much else to do.
    private static let statementSeconds = 300

    private let connection: Connection
    private let prefix: String
    private var counted: (rows: Int, until: Deadline)?

    init(service: Service, run: String) throws {
        connection = try Connection(
            url: service.configuration.string("database_url"), applicationName: "holdfast demo",
            statementTimeoutSeconds: Self.statementSeconds)
        prefix = run + "-"
    }

    /// How many ledger rows of the run are stored; counted at most twice a second.
    func ledgerCount() throws -> Int {
        if let counted, !counted.until.isPast { return counted.rows }
        let rows = try number(
            "SELECT count(*) FROM holdfast.inventory_transactions WHERE starts_with(sku, $1)")
        counted = (rows, Deadline(milliseconds: 500))
        return rows
    }

    /// How many outcomes of orders the stored ones stand for: versions count up from 1.
    func outcomeCount() throws -> Int {
        try number(
            "SELECT coalesce(sum(version), 0)::bigint FROM holdfast.orders WHERE starts_with(order_id, $1)")
    }

    /// Whether each order, its lines and what ships from where are as its newest outcome tells them.
    func orderCheck(against newest: [String: OrderOutcome]) throws -> Check {
        let orders = try rows(
            """
            SELECT order_id, version::text, outcome FROM holdfast.orders WHERE starts_with(order_id, $1)
            """, columns: 3)
        let lines = try rows(
            """
            SELECT order_id, sku, quantity::text, reserved::text, paid::text, shipped::text FROM holdfast.order_lines
            WHERE starts_with(order_id, $1)
            """, columns: 6)
        let parts = try rows(
            """
            SELECT order_id, sku, warehouse_id, state, quantity::text FROM holdfast.shipments_planned
            WHERE starts_with(order_id, $1)
            """, columns: 5)
        var (wantedLines, wantedParts): (Set<String>, Set<String>) = ([], [])
        for outcome in newest.values {
            for line in outcome.lines {
                let place = "\(outcome.orderID) \(line.sku)"
                wantedLines.insert(
                    "\(place) \(line.quantity) \(line.reserved) \(line.paid) \(line.shipped)")
                for part in line.allocations {
                    wantedParts.insert("\(place) \(part.warehouse) planned \(part.quantity)")
                }
                for part in line.shipments {
                    wantedParts.insert("\(place) \(part.warehouse) shipped \(part.quantity)")
                }
            }
        }
        let wantedOrders = Set(newest.values.map { "\($0.orderID) \($0.version) \($0.kind.rawValue)" })
        let different =
            Set(orders).symmetricDifference(wantedOrders).count
            + Set(lines).symmetricDifference(wantedLines).count
            + Set(parts).symmetricDifference(wantedParts).count
        return Check(
            "PostgreSQL's orders are their newest outcomes", different == 0,
            "\(orders.count) orders, \(lines.count) lines, \(parts.count) shipments; \(different) differ")
    }

    /// What PostgreSQL must hold, given what the topics hold.
    func checks(against books: DemoBooks) throws -> [Check] {
        let (rows, wrong) = try compareLedger(books.entries)
        let (levels, different) = try compareLevels(books.levels)
        return [
            Check(
                "PostgreSQL's rows are the committed ledger's", wrong == 0 && rows == books.entries.count,
                "\(rows) rows, \(books.entries.count) entries; \(wrong) differ"),
            Check(
                "PostgreSQL's inventory is the levels", different == 0,
                "\(levels) levels; \(different) differ"),
        ] + (try ownChecks())
    }

    /// What PostgreSQL proves by itself, in SQL.
    func ownChecks() throws -> [Check] {
        let derived = try number(
            "SELECT count(*) FROM holdfast.inventory_differences WHERE starts_with(sku, $1)")
        let problems = try number("SELECT count(*) FROM holdfast.check_ledger() WHERE starts_with(sku, $1)")
        let broken = try number("SELECT count(*) FROM holdfast.check_chain() WHERE starts_with(sku, $1)")
        let reservations = try number(
            "SELECT count(*) FROM holdfast.reservations WHERE starts_with(sku, $1)")
        let live = try number(
            "SELECT count(*) FROM holdfast.reservations WHERE starts_with(sku, $1) AND status = 'reserved'")
        return [
            Check(
                "PostgreSQL's inventory is the sum of the movements", derived == 0 && problems == 0,
                "inventory_differences: \(derived) rows; check_ledger(): \(problems) rows"),
            Check(
                "the hash chain of PostgreSQL's rows is unbroken", broken == 0,
                "check_chain(): \(broken) rows"),
            Check(
                "PostgreSQL has no live reservation left", live == 0,
                "\(live) of \(reservations) reservations"),
        ]
    }

    /// The rows of a query over what belongs to the run (`$1` is its prefix), columns with a space between.
    func rows(_ sql: String, columns: Int32) throws -> [String] {
        let result = try connection.query(sql, [.text(prefix)])
        return try (0..<result.rowCount).map { row in
            try (0..<columns).map { try result.text(row, Int($0)) ?? "-" }.joined(separator: " ")
        }
    }

    private func number(_ sql: String) throws -> Int {
        Int(try connection.query(sql, [.text(prefix)]).int64(0, 0) ?? 0)
    }

    private struct RowKey: Hashable {
        let sku: ID
        let sequence: Int64
    }

    private func compareLedger(_ entries: [LedgerEntry]) throws -> (rows: Int, wrong: Int) {
        let expected = Dictionary(
            entries.map { (RowKey(sku: $0.sku, sequence: $0.sequence), $0) }, uniquingKeysWith: { $1 })
        var last = RowKey(sku: "", sequence: 0)
        var columns = LedgerColumns()
        var rows = 0
        var wrong = 0
        while true {
            let page = try connection.query(
                """
                SELECT \(LedgerColumns.names)
                FROM holdfast.inventory_transactions
                WHERE starts_with(sku, $1) AND (sku, sequence) > ($2, $3)
                ORDER BY sku, sequence LIMIT $4
                """,
                [.text(prefix), .text(last.sku.text), .int64(last.sequence), .int64(Int64(Self.pageRows))])
            for row in 0..<page.rowCount {
                let entry = try columns.entry(page, row)
                last = RowKey(sku: entry?.sku ?? last.sku, sequence: entry?.sequence ?? last.sequence)
                if entry == nil || expected[last] != entry { wrong += 1 }
            }
            rows += page.rowCount
            if page.rowCount < Self.pageRows { return (rows, wrong) }
        }
    }

    private func compareLevels(
        _ snapshots: [String: LevelsSnapshot]
    ) throws -> (levels: Int, different: Int) {
        let result = try connection.query(
            """
            SELECT sku, warehouse_id, quantity_on_hand, quantity_reserved, quantity_available
            FROM holdfast.inventory WHERE starts_with(sku, $1)
            """, [.text(prefix)])
        var unseen = snapshots.mapValues(\.levels)
        var different = 0
        for row in 0..<result.rowCount {
            let sku = try result.text(row, 0) ?? ""
            let warehouse = try result.text(row, 1) ?? ""
            guard let index = unseen[sku]?.firstIndex(where: { $0.warehouse.text == warehouse }),
                let level = unseen[sku]?.remove(at: index), level.onHand == (try result.int64(row, 2)),
                level.reserved == (try result.int64(row, 3)), level.available == (try result.int64(row, 4))
            else {
                different += 1
                continue
            }
        }
        return (result.rowCount, different + unseen.values.map(\.count).reduce(0, +))
    }
}
