import InventoryCore
import OrderCore
import PostgresClient

/// Orders in PostgreSQL as `order.outcomes` tells them, over one connection: what each has come to, its lines, and what
/// is to be picked for it where. Drop it after an error, and open another.
package final class OrderStore: SinkStore {
    private let session: SinkSession

    /// Prepares a connection: takes on the application's role, and makes the staging tables.
    ///
    /// - Parameters:
    ///   - topic: The name of `order.outcomes` on its cluster, by which its offsets are stored.
    ///   - schema: Another one than `holdfast`, that is being made beside it.
    /// - Throws: `DatabaseRefusal` when the tables are not there or a right is missing, else `PostgresError`.
    package init(
        connection: Connection, role: String, topic: String, schema: String = SchemaMigrator.schema
    ) throws {
        session = try SinkSession(
            connection: connection, role: role, topic: topic, schema: schema, tables: Self.tables)
        try connection.execute(Self.makeStaging)
    }

    private static let tables =
        [DatabaseNeeds.Table(name: "sink_offsets", rights: ["SELECT", "INSERT", "UPDATE"])]
        + ["orders", "order_lines", "shipments_planned"].map {
            DatabaseNeeds.Table(name: $0, rights: ["SELECT", "INSERT", "UPDATE", "DELETE"])
        }

    package func offsets(of partitions: Range<Int32>) throws -> [Int32: Int64] {
        try session.offsets(of: partitions)
    }

    /// Stores a batch in one transaction: the orders as their newest outcomes tell them, and the offsets.
    ///
    /// An outcome that is not newer than what is there changes nothing: a topic can be read again.
    /// - Returns: How many orders were new or changed.
    @discardableResult
    package func store(_ batch: OutcomeBatch) throws -> Int {
        let rows = batch.newest
        return try session.transaction {
            try session.moveOffsets(batch)
            guard !rows.isEmpty else { return 0 }
            try stage(rows)
            let older = try session.connection.execute(session.sql(Self.dropOlder)).affectedRows
            if older < rows.count { try session.connection.execute(session.sql(Self.replace)) }
            return rows.count - older
        }
    }

    // MARK: Staging

    private static let makeStaging = """
        CREATE TEMPORARY TABLE IF NOT EXISTS order_staging (
            order_id text, version bigint, outcome text, is_final boolean, mode text, allow_split boolean,
            latitude bigint, longitude bigint, deliver_within_hours bigint, deadline timestamptz,
            told_at timestamptz, outcome_partition integer, outcome_offset bigint
        ) ON COMMIT DELETE ROWS;
        CREATE TEMPORARY TABLE IF NOT EXISTS order_line_staging (
            order_id text, sku text, position bigint, warehouse_id text, quantity bigint, reserved bigint,
            backordered bigint, paid bigint, shipped bigint, refund bigint, reason text
        ) ON COMMIT DELETE ROWS;
        CREATE TEMPORARY TABLE IF NOT EXISTS shipment_staging (
            order_id text, sku text, warehouse_id text, state text, quantity bigint
        ) ON COMMIT DELETE ROWS
        """

    private func stage(_ rows: [OutcomeRow]) throws {
        let connection = session.connection
        try connection.copyIn("COPY order_staging FROM STDIN (FORMAT binary)") {
            writer throws(PostgresError) in
            for row in rows { try Self.write(row, &writer) }
        }
        try connection.copyIn("COPY order_line_staging FROM STDIN (FORMAT binary)") {
            writer throws(PostgresError) in
            for row in rows {
                for (place, line) in row.outcome.lines.enumerated() {
                    try Self.write(line, place + 1, row.outcome.orderID, &writer)
                }
            }
        }
        try connection.copyIn("COPY shipment_staging FROM STDIN (FORMAT binary)") {
            writer throws(PostgresError) in
            for row in rows {
                for line in row.outcome.lines {
                    try Self.write(line.allocations, "planned", line, row.outcome.orderID, &writer)
                    try Self.write(line.shipments, "shipped", line, row.outcome.orderID, &writer)
                }
            }
        }
    }

    private static func write(
        _ row: OutcomeRow, _ writer: inout BinaryCopyWriter
    ) throws(PostgresError) {
        let outcome = row.outcome
        try writer.beginRow(fields: 13)
        try writer.append(outcome.orderID)
        try writer.append(outcome.version)
        try writer.append(outcome.kind.rawValue)
        try writer.append(outcome.isFinal)
        try writer.append(outcome.mode.rawValue)
        try writer.append(outcome.allowSplit)
        try writer.append(outcome.shipTo?.latitude)
        try writer.append(outcome.shipTo?.longitude)
        try writer.append(outcome.deliverWithinHours)
        try writer.append(microsecondsSince2000: microseconds(outcome.deadline))
        try writer.append(microsecondsSince2000: microseconds(outcome.at))
        try writer.append(row.partition)
        try writer.append(row.offset)
    }

    private static func write(
        _ line: OrderOutcome.Line, _ position: Int, _ order: ID, _ writer: inout BinaryCopyWriter
    ) throws(PostgresError) {
        try writer.beginRow(fields: 11)
        try writer.append(order)
        try writer.append(line.sku)
        try writer.append(Int64(position))
        try writer.append(line.warehouse)
        try writer.append(line.quantity)
        try writer.append(line.reserved)
        try writer.append(line.backordered)
        try writer.append(line.paid)
        try writer.append(line.shipped)
        try writer.append(line.refund)
        try writer.append(line.reason?.rawValue)
    }

    private static func write(
        _ parts: [Allocation], _ state: String, _ line: OrderOutcome.Line, _ order: ID,
        _ writer: inout BinaryCopyWriter
    ) throws(PostgresError) {
        for part in parts {
            try writer.beginRow(fields: 5)
            try writer.append(order)
            try writer.append(line.sku)
            try writer.append(part.warehouse)
            try writer.append(state)
            try writer.append(part.quantity)
        }
    }

    private static func microseconds(_ moment: Timestamp) -> Int64 {
        PostgresTime.microseconds(since1970: moment.milliseconds)
    }

    // MARK: Projecting

    /// What is left is news. Nobody else changes orders meanwhile: the offsets are locked.
    private static let dropOlder = """
        DELETE FROM order_staging s USING holdfast.orders o
        WHERE o.order_id = s.order_id AND o.version >= s.version
        """

    private static let replace = """
        DELETE FROM holdfast.order_lines l USING order_staging s WHERE l.order_id = s.order_id;
        DELETE FROM holdfast.shipments_planned p USING order_staging s WHERE p.order_id = s.order_id;
        INSERT INTO holdfast.orders AS o
            (order_id, version, outcome, is_final, mode, allow_split, ship_to_latitude, ship_to_longitude,
             deliver_within_hours, deadline, told_at, outcome_partition, outcome_offset)
        SELECT order_id, version, outcome, is_final, mode, allow_split, latitude / 1000000.0,
            longitude / 1000000.0, deliver_within_hours, deadline, told_at, outcome_partition, outcome_offset
        FROM order_staging
        ON CONFLICT (order_id) DO UPDATE SET
            version = excluded.version, outcome = excluded.outcome, is_final = o.is_final OR excluded.is_final,
            mode = excluded.mode, allow_split = excluded.allow_split,
            ship_to_latitude = excluded.ship_to_latitude, ship_to_longitude = excluded.ship_to_longitude,
            deliver_within_hours = excluded.deliver_within_hours, deadline = excluded.deadline,
            told_at = excluded.told_at, outcome_partition = excluded.outcome_partition,
            outcome_offset = excluded.outcome_offset;
        INSERT INTO holdfast.order_lines
            (order_id, sku, position, warehouse_id, quantity, reserved, backordered, paid, shipped, refund, reason)
        SELECT l.order_id, l.sku, l.position, l.warehouse_id, l.quantity, l.reserved, l.backordered, l.paid,
            l.shipped, l.refund, l.reason
        FROM order_line_staging l JOIN order_staging s ON s.order_id = l.order_id;
        INSERT INTO holdfast.shipments_planned (order_id, sku, warehouse_id, state, quantity)
        SELECT p.order_id, p.sku, p.warehouse_id, p.state, sum(p.quantity)
        FROM shipment_staging p JOIN order_staging s ON s.order_id = p.order_id
        GROUP BY p.order_id, p.sku, p.warehouse_id, p.state
        """
}
