import Audit
import Foundation
import InventoryCore
import InventoryWire
import LedgerSink
import Operations
import OrderCore
import PostgresClient

/// The tables of orders in PostgreSQL against `order.outcomes`: the newest outcome of each order has its row, and each
/// row says what the outcome at its place says. Orders whose outcomes the topic has no more are not looked at. What is
/// kept at once is a page of outcomes, however many orders there are.
final class OrderAudit {
    struct Report: Encodable {
        var partition: Int32
        /// All outcomes before this offset were looked at: as far as PostgreSQL has them.
        var to: Int64
        var outcomes = 0
        /// Rows of orders that were compared.
        var rows = 0
        /// Outcomes that were told again under the version that they had: a coordinator whose state was set back.
        var repeated = 0
        var differences = 0
    }

    private static let pageOutcomes = 500
    /// Rows that name a wrong place, of a partition; more are not told.
    private static let mostStrays = 10_000

    private let connection: Connection
    private let cursor: TopicCursor
    private let topic: String
    private(set) var reports: [Report] = []
    private(set) var differences: Differences

    /// - Parameter connection: in the snapshot that is looked at.
    init(_ connection: Connection, _ scan: TopicScan, limit: Int) throws {
        self.connection = connection
        cursor = try TopicCursor(scan, .orderOutcomes)
        topic = Topic.orderOutcomes.rawValue
        differences = Differences(limit: limit)
    }

    /// Looks at the outcomes of a partition, and at the rows that name them.
    /// - Parameter first: where the partition begins now.
    func audit(
        _ partition: Int32, _ offsets: Range<Int64>, first: () throws -> Int64, progress: (Report) -> Void
    ) throws {
        let before = differences.count
        var report = Report(partition: partition, to: offsets.upperBound)
        var reader = RecordReader()
        var page: [OutcomeRow] = []
        let claims = try Claims(connection, partition, offsets)
        var strays: [(offset: Int64, order: ID)] = []
        func stray(_ offset: Int64, _ order: ID) {
            if strays.count < Self.mostStrays { strays.append((offset, order)) }
        }
        func finishPage() throws {
            try compare(page, offsets, &report)
            page.removeAll(keepingCapacity: true)
        }
        try cursor.move(to: partition, offsets)
        while let record = try cursor.next() {
            let outcome: OutcomeRow?
            do {
                outcome = try record.value?.withUnsafeBytes {
                    try OutcomeRow($0, partition: partition, offset: record.offset, &reader)
                }
            } catch let failure as DecodingFailure {
                outcome = nil
                add(.unreadable, topic, partition, record.offset, failure.detail, "an order's outcome", nil)
            }
            report.outcomes += 1
            try claims.pass(before: record.offset, stray)
            try claims.pass(at: record.offset, outcome?.outcome.orderID, stray)
            if let outcome { page.append(outcome) }
            if page.count == Self.pageOutcomes {
                try finishPage()
                progress(report)
            }
        }
        try finishPage()
        try claims.pass(before: offsets.upperBound, stray)
        if !strays.isEmpty {
            // Retention may have taken outcomes away before they were read.
            let first = try first()
            for stray in strays where stray.offset >= first { surplus(stray.offset, stray.order) }
        }
        report.differences = differences.count - before
        reports.append(report)
    }

    /// Lines and shipments of orders that are not there.
    func orphans() throws {
        for table in ["order_lines", "shipments_planned"] {
            let result = try connection.query(
                """
                SELECT DISTINCT p.order_id FROM holdfast.\(table) p
                WHERE NOT EXISTS (SELECT FROM holdfast.orders o WHERE o.order_id = p.order_id)
                """)
            for row in 0..<result.rowCount {
                let order = try result.id(row, 0) ?? ""
                add(
                    .projection, "holdfast.\(table)", -1, nil, "a row of order \(order)",
                    "no row: holdfast.orders has no such order", order)
            }
        }
    }

    // MARK: From the rows to the topic

    /// The places that rows name, in their order.
    private final class Claims {
        private static let page = 4_000
        private let connection: Connection
        private var rows: [(offset: Int64, order: ID)] = []
        private var index = 0
        private var isAtEnd = false

        init(_ connection: Connection, _ partition: Int32, _ offsets: Range<Int64>) throws {
            self.connection = connection
            try connection.execute("CLOSE ALL")
            try connection.execute(
                """
                DECLARE order_rows NO SCROLL CURSOR FOR SELECT outcome_offset, order_id FROM holdfast.orders
                WHERE outcome_partition = \(partition) AND outcome_offset >= \(offsets.lowerBound)
                    AND outcome_offset < \(offsets.upperBound)
                ORDER BY outcome_offset, order_id COLLATE "C"
                """)
        }

        private func peek() throws -> (offset: Int64, order: ID)? {
            if index == rows.count, !isAtEnd {
                let result = try connection.query("FETCH \(Self.page) FROM order_rows")
                rows = try (0..<result.rowCount).map {
                    (try result.int64($0, 0) ?? -1, try result.id($0, 1) ?? "")
                }
                index = 0
                isAtEnd = rows.count < Self.page
            }
            return index < rows.count ? rows[index] : nil
        }

        /// Rows whose places hold no outcome.
        func pass(before offset: Int64, _ surplus: (Int64, ID) -> Void) throws {
            while let row = try peek(), row.offset < offset {
                index += 1
                surplus(row.offset, row.order)
            }
        }

        /// Rows of this place; all but that of the order are too many.
        func pass(at offset: Int64, _ order: ID?, _ surplus: (Int64, ID) -> Void) throws {
            while let row = try peek(), row.offset == offset {
                index += 1
                if row.order != order { surplus(row.offset, row.order) }
            }
        }
    }

    private func surplus(_ offset: Int64, _ order: ID) {
        add(
            .projection, "holdfast.orders", -1, nil,
            "order \(order) as offset \(offset) of \(topic) tells it",
            "another place: the outcome there is not of this order", order)
    }

    // MARK: From the topic to the rows

    private func compare(
        _ page: [OutcomeRow], _ offsets: Range<Int64>, _ report: inout Report
    ) throws {
        guard !page.isEmpty else { return }
        let found = try rows(Array(Set(page.map(\.outcome.orderID))))
        for var told in page {
            let (outcome, offset) = (told.outcome, told.offset)
            let place = "\(told.partition)/\(offset)"
            func differ(_ found: String, _ expected: String) {
                add(
                    .projection, "holdfast.orders", told.partition, offset, found, expected, outcome.orderID)
            }
            guard let row = found[outcome.orderID] else {
                differ(
                    "no row of order \(outcome.orderID)", "version \(outcome.version) or newer, of \(place)")
                continue
            }
            if row.version > outcome.version {
                // It is compared at its own place, if that is one that is looked at.
                if row.partition != told.partition || row.offset <= told.offset
                    || row.offset >= offsets.upperBound
                {
                    differ(
                        "version \(row.version) of \(row.partition)/\(row.offset)",
                        "version \(outcome.version) of \(place): no newer one is stored")
                }
                continue
            }
            guard row.version == outcome.version else {
                differ("version \(row.version)", "version \(outcome.version) or newer, of \(place)")
                continue
            }
            if row.partition == told.partition, row.offset < told.offset {
                // The sink keeps what was told first.
                report.repeated += 1
                (told.offset, told.outcome.at) = (row.offset, row.at)
            } else {
                report.rows += 1
            }
            let wanted = Self.parts(told, isFinal: Self.isFinal(row, outcome))
            let names = Set(row.parts.keys).union(wanted.keys).filter { row.parts[$0] != wanted[$0] }.sorted()
            guard !names.isEmpty else { continue }
            func text(_ parts: [ID: ID]) -> String {
                names.map { "\($0): \(parts[$0]?.text ?? "none")" }.joined(separator: "; ")
            }
            differ(text(row.parts), text(wanted))
        }
    }

    /// An order that has ended stays so, though a payment of it must go back.
    private static func isFinal(_ row: Row, _ outcome: OrderOutcome) -> Bool {
        outcome.isFinal || (outcome.kind == .refundRequired && row.isFinal)
    }

    private struct Row {
        var version: Int64
        var isFinal: Bool
        var partition: Int32
        var offset: Int64
        var at: Timestamp
        /// What is compared, in words by what it is of. Both have ids in them, and compare by bytes as these do.
        var parts: [ID: ID]
    }

    private func rows(_ orders: [ID]) throws -> [ID: Row] {
        var rows: [ID: Row] = [:]
        var result = try connection.query(
            """
            SELECT order_id, version, outcome, is_final, mode, allow_split, (ship_to_latitude * 1000000)::bigint,
                (ship_to_longitude * 1000000)::bigint, deliver_within_hours, deadline, told_at,
                outcome_partition, outcome_offset
            FROM holdfast.orders WHERE order_id = ANY($1)
            """, [.ids(orders)])
        for row in 0..<result.rowCount {
            let isFinal = try result.bool(row, 3) ?? false
            let partition = try result.int32(row, 11) ?? -1
            let offset = try result.int64(row, 12) ?? -1
            let at = try result.timestampMilliseconds(row, 10) ?? -1
            var point: Point?
            if let latitude = try result.int64(row, 6), let longitude = try result.int64(row, 7) {
                point = Point(latitude: latitude, longitude: longitude)
            }
            rows[try result.id(row, 0) ?? ""] = Row(
                version: try result.int64(row, 1) ?? -1, isFinal: isFinal, partition: partition,
                offset: offset, at: Timestamp(milliseconds: at),
                parts: [
                    "order": Self.text(
                        outcome: try result.text(row, 2) ?? "", isFinal: isFinal,
                        mode: try result.text(row, 4) ?? "", allowSplit: try result.bool(row, 5) ?? false,
                        shipTo: point, hours: try result.int64(row, 8),
                        deadline: try result.timestampMilliseconds(row, 9) ?? -1,
                        at: at, place: (partition, offset))
                ])
        }
        result = try connection.query(
            """
            SELECT order_id, sku, warehouse_id, reason, position, quantity, reserved, backordered, paid, shipped,
                refund
            FROM holdfast.order_lines WHERE order_id = ANY($1)
            """, [.ids(orders)])
        for row in 0..<result.rowCount {
            let units = try (4..<11).map { try result.int64(row, $0) ?? -1 }
            rows[try result.id(row, 0) ?? ""]?.parts["line \(try result.text(row, 1) ?? "")"] = Self.text(
                units, warehouse: try result.id(row, 2), reason: try result.text(row, 3))
        }
        result = try connection.query(
            """
            SELECT order_id, sku, warehouse_id, state, quantity
            FROM holdfast.shipments_planned WHERE order_id = ANY($1)
            """, [.ids(orders)])
        for row in 0..<result.rowCount {
            let name = try (1..<4).map { try result.text(row, $0) ?? "" }.joined(separator: " ")
            rows[try result.id(row, 0) ?? ""]?.parts["shipment \(name)"] =
                "\(try result.int64(row, 4) ?? -1)"
        }
        return rows
    }

    // MARK: In words

    private static func parts(_ told: OutcomeRow, isFinal: Bool) -> [ID: ID] {
        let outcome = told.outcome
        var parts: [ID: ID] = [
            "order": text(
                outcome: outcome.kind.rawValue, isFinal: isFinal, mode: outcome.mode.rawValue,
                allowSplit: outcome.allowSplit, shipTo: outcome.shipTo, hours: outcome.deliverWithinHours,
                deadline: outcome.deadline.milliseconds, at: outcome.at.milliseconds,
                place: (told.partition, told.offset))
        ]
        for (place, line) in outcome.lines.enumerated() {
            parts["line \(line.sku)"] = text(
                [
                    Int64(place + 1), line.quantity, line.reserved, line.backordered, line.paid, line.shipped,
                    line.refund,
                ], warehouse: line.warehouse, reason: line.reason?.rawValue)
            for (state, allocations) in [("planned", line.allocations), ("shipped", line.shipments)] {
                var units: [ID: Int64] = [:]
                for part in allocations { units[part.warehouse, default: 0] += part.quantity }
                for (warehouse, count) in units {
                    parts["shipment \(line.sku) \(warehouse) \(state)"] = "\(count)"
                }
            }
        }
        return parts
    }

    private static func text(
        outcome: String, isFinal: Bool, mode: String, allowSplit: Bool, shipTo: Point?, hours: Int64?,
        deadline: Int64, at: Int64, place: (Int32, Int64)
    ) -> ID {
        ID(
            "\(outcome)\(isFinal ? ", final" : ""), \(mode)\(allowSplit ? "" : ", not split")"
                + (shipTo.map { ", to \($0.latitude) \($0.longitude) millionths of a degree" } ?? "")
                + (hours.map { ", within \($0) h" } ?? "")
                + ", until \(deadline) ms, told at \(at) ms, place \(place.0)/\(place.1)")
    }

    private static func text(_ units: [Int64], warehouse: ID?, reason: String?) -> ID {
        let names = ["position", "quantity", "reserved", "backordered", "paid", "shipped", "refund"]
        return ID(
            zip(names, units).map { "\($0) \($1)" }.joined(separator: ", ")
                + (warehouse.map { ", from \($0)" } ?? "") + (reason.map { ", \($0)" } ?? ""))
    }

    private func add(
        _ kind: Difference.Kind, _ place: String, _ partition: Int32, _ offset: Int64?, _ found: String,
        _ expected: String, _ order: ID?
    ) {
        differences.add(
            Difference(
                kind, place: place, partition: partition, offset: offset, found: found, expected: expected,
                next: order.map { "holdfast orders show \($0)" }
                    ?? "kcat -C -t \(place) -p \(partition) -o \(offset ?? 0) -c 1"))
    }
}
