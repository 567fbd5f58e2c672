import InventoryCore
import PostgresClient

/// The ledger in PostgreSQL, over one connection. Drop it after an error, and open another.
package final class LedgerStore {
    private let connection: Connection
    private let topic: String
    private let sourceTopic: String

    /// Prepares a connection: takes on the application's role, and makes the staging table.
    ///
    /// - Parameters:
    ///   - topic: The name of the ledger's topic on its cluster, by which its offsets are stored.
    ///   - sourceTopic: The name of the commands' topic, for `source_topic`.
    /// - Throws: `SinkFault` when the schema is not there, else `PostgresError`.
    package init(
        connection: Connection, role: String, topic: String, sourceTopic: String
    ) throws {
        self.connection = connection
        self.topic = topic
        self.sourceTopic = sourceTopic
        let isThere = try connection.query("SELECT to_regclass('holdfast.sink_offsets') IS NOT NULL")
        guard try isThere.bool(0, 0) == true else { throw SinkFault.schemaMissing }
        try connection.execute("SET ROLE \(connection.quoted(identifier: role))")
        try connection.execute(
            """
            CREATE TEMPORARY TABLE IF NOT EXISTS ledger_staging
            (LIKE holdfast.inventory_transactions) ON COMMIT DELETE ROWS
            """)
    }

    /// The next offset of each partition; 0 for one that was never read.
    package func offsets(of partitions: Range<Int32>) throws -> [Int32: Int64] {
        try connection.query(
            """
            INSERT INTO holdfast.sink_offsets (topic, partition, next_offset)
            SELECT $1, unnest($2), 0 ON CONFLICT DO NOTHING
            """, [.text(topic), .int32Array(Array(partitions))])
        let result = try connection.query(
            "SELECT partition, next_offset FROM holdfast.sink_offsets WHERE topic = $1", [.text(topic)])
        var offsets: [Int32: Int64] = [:]
        for row in 0..<result.rowCount {
            guard let partition = try result.int32(row, 0), partitions.contains(partition) else { continue }
            offsets[partition] = try result.int64(row, 1)
        }
        return offsets
    }

    /// Stores a batch in one transaction: the ledger's rows, the projections, and the offsets.
    ///
    /// Rows that are there already must be the same, and then change nothing.
    /// - Returns: How many rows were new.
    /// - Throws: `SinkFault` when another sink is at work or a row differs; else `PostgresError`.
    @discardableResult
    package func store(_ batch: LedgerBatch) throws -> Int {
        try connection.transaction { _ in
            try moveOffsets(batch)
            guard !batch.isEmpty else { return 0 }
            try stage(batch.rows)
            let new = try connection.execute(
                """
                INSERT INTO holdfast.inventory_transactions SELECT * FROM ledger_staging
                ON CONFLICT (sku, sequence) DO NOTHING
                """
            ).affectedRows
            if new < batch.rows.count { try compare() }
            try connection.execute(Self.projectInventory)
            try connection.execute(Self.projectReservations)
            try connection.execute(Self.endReservations)
            return new
        }
    }

    /// First, because it takes the lock that a second sink waits for.
    private func moveOffsets(_ batch: LedgerBatch) throws {
        let moved = batch.spans.filter { $0.value.next != $0.value.expected || !batch.isEmpty }
            .sorted { $0.key < $1.key }
        let touched = try connection.query(
            """
            UPDATE holdfast.sink_offsets s SET next_offset = v.next
            FROM unnest($2, $3, $4) AS v (partition, expected, next)
            WHERE s.topic = $1 AND s.partition = v.partition AND s.next_offset = v.expected
            """,
            [
                .text(topic), .int32Array(moved.map(\.key)), .int64Array(moved.map(\.value.expected)),
                .int64Array(moved.map(\.value.next)),
            ]
        ).affectedRows
        guard touched == moved.count else { throw SinkFault.otherSink(topic, moved.map(\.key)) }
    }

    private func stage(_ rows: [LedgerRow]) throws {
        let copy = "COPY ledger_staging FROM STDIN (FORMAT binary)"
        try connection.copyIn(copy) { writer throws(PostgresError) in
            for row in rows { try write(row, &writer) }
        }
    }

    /// One field a column, in the order of `deploy/sql/002_ledger.sql`.
    private func write(_ row: LedgerRow, _ writer: inout BinaryCopyWriter) throws(PostgresError) {
        let entry = row.entry
        try writer.beginRow(fields: 22)
        try writer.append(entry.sku)
        try writer.append(entry.sequence)
        try writer.append(entry.movement.rawValue)
        try writer.append(entry.warehouse)
        try writer.append(entry.quantity)
        try writer.append(entry.onHandDelta)
        try writer.append(entry.reservedDelta)
        try writer.append(entry.onHand)
        try writer.append(entry.reserved)
        try writer.append(microsecondsSince2000: Self.microseconds(entry.at))
        try writer.append(entry.command.rawValue)
        try writer.append(entry.commandID)
        try writer.append(entry.reservationID)
        try writer.append(entry.orderID)
        try writer.append(entry.expiresAt.map(Self.microseconds))
        try writer.append(entry.reason?.rawValue)
        try writer.append(entry.reference)
        try writer.append(sourceTopic)
        try writer.append(entry.source.partition)
        try writer.append(entry.source.offset)
        try writer.append(row.partition)
        try writer.append(row.offset)
    }

    private static func microseconds(_ moment: Timestamp) -> Int64 {
        PostgresTime.microseconds(since1970: moment.milliseconds)
    }

    /// Throws if a row that was there already differs from the one that was to be stored.
    private func compare() throws {
        let result = try connection.query(
            """
            SELECT s.sku, s.sequence FROM ledger_staging s
            JOIN holdfast.inventory_transactions t USING (sku, sequence)
            WHERE NOT EXISTS (SELECT s.* INTERSECT SELECT t.*)
            ORDER BY s.sku, s.sequence LIMIT 1
            """)
        guard result.rowCount > 0, let sku = try result.text(0, 0), let sequence = try result.int64(0, 1)
        else { return }
        throw SinkFault.differentRow(sku: sku, sequence: sequence)
    }

    private static let projectInventory = """
        INSERT INTO holdfast.inventory AS i
            (sku, warehouse_id, quantity_on_hand, quantity_reserved, ledger_sequence)
        SELECT DISTINCT ON (sku, warehouse_id) sku, warehouse_id, on_hand, reserved, sequence
        FROM ledger_staging WHERE movement <> 'rejection'
        ORDER BY sku, warehouse_id, sequence DESC
        ON CONFLICT (sku, warehouse_id) DO UPDATE SET
            quantity_on_hand = excluded.quantity_on_hand,
            quantity_reserved = excluded.quantity_reserved,
            ledger_sequence = excluded.ledger_sequence
        WHERE i.ledger_sequence < excluded.ledger_sequence
        """

    private static let projectReservations = """
        INSERT INTO holdfast.reservations
            (id, order_id, sku, warehouse_id, quantity, status, expires_at, reserved_at, reserved_sequence)
        SELECT reservation_id, order_id, sku, warehouse_id, quantity, 'reserved', expires_at, at, sequence
        FROM ledger_staging WHERE movement = 'reserve'
        ON CONFLICT (sku, reserved_sequence) DO NOTHING
        """

    /// An ending belongs to the newest reservation of that id before it.
    private static let endReservations = """
        UPDATE holdfast.reservations r SET
            status = CASE e.movement WHEN 'ship' THEN 'confirmed' WHEN 'release' THEN 'released'
                ELSE 'expired' END,
            ended_at = e.at, ended_sequence = e.sequence
        FROM (
            SELECT s.sku, s.sequence, s.movement, s.at, (
                SELECT max(q.reserved_sequence) FROM holdfast.reservations q
                WHERE q.id = s.reservation_id AND q.sku = s.sku AND q.reserved_sequence < s.sequence
            ) AS began
            FROM ledger_staging s WHERE s.movement IN ('ship', 'release', 'expire')
        ) e
        WHERE r.sku = e.sku AND r.reserved_sequence = e.began AND r.ended_sequence IS NULL
        """
}
