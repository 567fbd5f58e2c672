import InventoryCore
import InventoryWire
import PostgresClient

/// The ledger in PostgreSQL, over one connection. Drop it after an error, and open another.
package final class LedgerStore: SinkStore {
    private let session: SinkSession
    private let sourceTopic: String
    private var recordWriter = RecordWriter()

    var connection: Connection { session.connection }

    /// Prepares a connection: takes on the application's role, and makes the staging table.
    ///
    /// - Parameters:
    ///   - topic: The name of the ledger's topic on its cluster, by which its offsets are stored.
    ///   - sourceTopic: The name of the commands' topic, for `source_topic`.
    ///   - schema: Another one than `holdfast`, that is being made beside it.
    /// - Throws: `DatabaseRefusal` when the schema is not there or a right is missing, else `PostgresError`.
    package init(
        connection: Connection, role: String, topic: String, sourceTopic: String,
        schema: String = SchemaMigrator.schema
    ) throws {
        self.sourceTopic = sourceTopic
        session = try SinkSession(
            connection: connection, role: role, topic: topic, schema: schema, tables: Self.tables)
        try connection.execute(Self.makeStaging)
    }

    private static let tables: [DatabaseNeeds.Table] = {
        let kept = ["SELECT", "INSERT", "UPDATE"]
        let published = kept + ["DELETE"]
        return [
            .init(name: "inventory_transactions", rights: ["SELECT", "INSERT"]),
            .init(name: "inventory", rights: kept, column: "is_closed"),
            .init(name: "policies", rights: kept),
            .init(name: "reservations", rights: kept), .init(name: "transfers", rights: kept),
            .init(name: "sink_offsets", rights: kept), .init(name: "warehouse_states", rights: kept),
            .init(name: "products", rights: published), .init(name: "warehouses", rights: published),
        ]
    }()

    func sql(_ text: String) -> String { session.sql(text) }

    func transaction<Value>(_ body: () throws -> Value) throws -> Value { try session.transaction(body) }

    package func offsets(of partitions: Range<Int32>) throws -> [Int32: Int64] {
        try session.offsets(of: partitions)
    }

    /// Stores a batch in one transaction: the ledger's rows, the projections, and the offsets.
    ///
    /// Rows that are there already must be the same, and then change nothing. As rows and offsets are stored together,
    /// there are some only where somebody else put them there; so they are looked for when a COPY finds one.
    /// - Returns: How many rows were new.
    /// - Throws: `SinkFault` when another sink is at work or a row differs; else `PostgresError`.
    @discardableResult
    package func store(_ batch: LedgerBatch) throws -> Int {
        do {
            return try store(batch, areNew: true) { rows in
                try copy(rows, into: sql("holdfast.inventory_transactions"))
                return rows.count
            }
        } catch let error as PostgresError where error.sqlState == Self.uniqueViolation {
            return try store(batch, areNew: false, rows: storeMissing)
        }
    }

    /// SQLSTATE `unique_violation`.
    private static let uniqueViolation = "23505"

    private func store(
        _ batch: LedgerBatch, areNew: Bool, rows storeRows: ([LedgerRow]) throws -> Int
    ) throws -> Int {
        try transaction {
            try session.moveOffsets(batch)
            guard !batch.rows.isEmpty else { return 0 }
            let new = try storeRows(batch.rows)
            try project(batch.rows.filter(\.entry.isProjected), areNew: areNew)
            return new
        }
    }

    /// Stores those that are not there yet.
    /// - Throws: `SinkFault` for one that is there and differs.
    private func storeMissing(_ rows: [LedgerRow]) throws -> Int {
        try connection.execute(
            """
            CREATE TEMPORARY TABLE IF NOT EXISTS ledger_rows
            (LIKE \(session.schema).inventory_transactions) ON COMMIT DELETE ROWS
            """)
        try copy(rows, into: "ledger_rows")
        let new = try connection.execute(
            sql(
                """
                INSERT INTO holdfast.inventory_transactions SELECT * FROM ledger_rows
                ON CONFLICT (sku, sequence) DO NOTHING
                """)
        ).affectedRows
        if new < rows.count { try compare() }
        return new
    }

    /// - Parameter areNew: whether none of the entries was there before, so that what begins with them is not there
    ///   either.
    private func project(_ rows: [LedgerRow], areNew: Bool) throws {
        guard !rows.isEmpty else { return }
        let entries = rows.map(\.entry)
        let reservations = NewReservations(areNew ? entries : [])
        let staged = StagedEntries(rows, without: reservations)
        try stage(staged)
        let hasWarehouses = entries.contains { $0.movement == .setWarehouse }
        if hasWarehouses { try connection.execute(sql(Self.projectWarehouses)) }
        try connection.execute(sql(Self.projectInventory))
        if hasWarehouses { try connection.execute(sql(Self.closeInventory)) }
        if entries.contains(where: { $0.movement == .setPolicy || $0.movement == .retire }) {
            try connection.execute(sql(Self.projectPolicies))
            try connection.execute(sql(Self.clearPolicies))
        }
        if entries.contains(where: { $0.movement == .retire }) {
            try connection.execute(sql(Self.clearSetApart))
        }
        try connection.execute(sql(Self.projectSafetyStock))
        try copy(reservations)
        if staged.beginsReservations { try connection.execute(sql(Self.projectReservations)) }
        if staged.changesReservations { try connection.execute(sql(Self.changeReservations)) }
        if entries.contains(where: { $0.transferID != nil }) {
            try connection.execute(sql(Self.projectTransfers))
            try connection.execute(sql(Self.changeTransfers))
        }
    }

    private func copy(_ rows: [LedgerRow], into table: String) throws {
        try connection.copyIn("COPY \(table) FROM STDIN (FORMAT binary)") { writer throws(PostgresError) in
            for row in rows { try write(row, &writer) }
        }
    }

    /// What the projections need of the entries of a batch.
    private static let makeStaging = """
        CREATE TEMPORARY TABLE IF NOT EXISTS ledger_staging (
            sku text, sequence bigint, movement text, warehouse_id text, counterpart_id text, quantity bigint,
            remaining bigint, on_hand bigint, reserved bigint, in_transit bigint, damaged bigint, set_apart bigint,
            at timestamptz, reservation_id text, order_id text, transfer_id text, origin bigint, channel text,
            expires_at timestamptz, expected_at timestamptz, details text, ledger_partition integer
        ) ON COMMIT DELETE ROWS
        """

    private func copy(_ reservations: NewReservations) throws {
        guard !reservations.rows.isEmpty else { return }
        try connection.copyIn(
            sql(
                """
                COPY holdfast.reservations
                    (id, order_id, sku, warehouse_id, quantity, remaining, channel, status, expires_at,
                     reserved_at, ended_at, reserved_sequence, ended_sequence, ledger_sequence)
                FROM STDIN (FORMAT binary)
                """)
        ) { writer throws(PostgresError) in
            for row in reservations.rows { try write(row, &writer) }
        }
    }

    private func write(
        _ row: NewReservations.Row, _ writer: inout BinaryCopyWriter
    ) throws(PostgresError) {
        try writer.beginRow(fields: 14)
        try writer.append(row.made.reservationID)
        try writer.append(row.made.orderID)
        try writer.append(row.made.sku)
        try writer.append(row.warehouse)
        try writer.append(row.made.remaining)
        try writer.append(row.remaining)
        try writer.append(row.made.channel)
        try writer.append(row.status)
        try writer.append(microsecondsSince2000: Self.microseconds(row.expiresAt))
        try writer.append(microsecondsSince2000: Self.microseconds(row.made.at))
        try writer.append(row.ended.map { Self.microseconds($0.at) })
        try writer.append(row.origin)
        try writer.append(row.ended?.sequence)
        try writer.append(row.sequence)
    }

    private func stage(_ staged: StagedEntries) throws {
        guard !staged.elements.isEmpty else { return }
        try connection.copyIn("COPY ledger_staging FROM STDIN (FORMAT binary)") {
            writer throws(PostgresError) in
            for element in staged.elements { try stage(element, &writer) }
        }
    }

    /// One field a column of the staging table.
    private func stage(
        _ element: StagedEntries.Element, _ writer: inout BinaryCopyWriter
    ) throws(PostgresError) {
        let entry = element.entry
        if element.isLevelOnly {
            // Without a movement and a reservation, so that no other statement takes it.
            return try stage(levelOf: entry, element.partition, &writer)
        }
        let balances = entry.hasBalances ? entry.balances : nil
        try writer.beginRow(fields: 22)
        try writer.append(entry.sku)
        try writer.append(entry.sequence)
        try writer.append(entry.movement.rawValue)
        try writer.append(entry.warehouse)
        try writer.append(entry.counterpart)
        try writer.append(entry.quantity)
        try writer.append(entry.remaining)
        try writer.append(balances?.onHand)
        try writer.append(balances?.reserved)
        try writer.append(balances?.inTransit)
        try writer.append(balances?.damaged)
        try writer.append(balances == nil ? nil : entry.setApart)
        try writer.append(microsecondsSince2000: Self.microseconds(entry.at))
        try writer.append(entry.reservationID)
        try writer.append(entry.orderID)
        try writer.append(entry.transferID)
        try writer.append(entry.origin)
        try writer.append(entry.channel)
        try writer.append(entry.expiresAt.map(Self.microseconds))
        try writer.append(entry.expectedAt.map(Self.microseconds))
        let laysDown = entry.movement == .setPolicy || entry.movement == .setWarehouse
        try writer.append(laysDown ? recordWriter.details(of: entry) : nil)
        try writer.append(element.partition)
    }

    private func stage(
        levelOf entry: LedgerEntry, _ partition: Int32, _ writer: inout BinaryCopyWriter
    ) throws(PostgresError) {
        try writer.beginRow(fields: 22)
        try writer.append(entry.sku)
        try writer.append(entry.sequence)
        try writer.appendNull()
        try writer.append(entry.warehouse)
        for _ in 0..<3 { try writer.appendNull() }
        try writer.append(entry.balances.onHand)
        try writer.append(entry.balances.reserved)
        try writer.append(entry.balances.inTransit)
        try writer.append(entry.balances.damaged)
        try writer.append(entry.setApart)
        for _ in 0..<9 { try writer.appendNull() }
        try writer.append(partition)
    }

    /// One field a column, in the order of `deploy/sql/002_ledger.sql`.
    private func write(_ row: LedgerRow, _ writer: inout BinaryCopyWriter) throws(PostgresError) {
        let entry = row.entry
        try writer.beginRow(fields: 46)
        try writer.append(entry.sku)
        try writer.append(entry.sequence)
        try writer.append(entry.generation)
        try writer.append(entry.more)
        try writer.append(entry.movement.rawValue)
        try writer.append(entry.warehouse)
        try writer.append(entry.counterpart)
        try writer.append(entry.quantity)
        try writer.append(entry.requested)
        try writer.append(entry.remaining)
        try writer.append(entry.deltas.onHand)
        try writer.append(entry.deltas.reserved)
        try writer.append(entry.deltas.inTransit)
        try writer.append(entry.deltas.damaged)
        try writer.append(entry.deltas.backordered)
        try writeBalances(entry, &writer)
        try writer.append(microsecondsSince2000: Self.microseconds(entry.at))
        try writer.append(entry.command.rawValue)
        try writer.append(entry.commandID)
        try writer.append(Self.hexadecimal(entry.commandHash))
        try writer.append(entry.reservationID)
        try writer.append(entry.orderID)
        try writer.append(entry.transferID)
        try writer.append(entry.origin)
        try writer.append(entry.channel)
        try writer.append(entry.expiresAt.map(Self.microseconds))
        try writer.append(entry.expectedAt.map(Self.microseconds))
        try writer.append(entry.reason?.rawValue)
        try writer.append(entry.condition?.rawValue)
        try writer.append(entry.reasonCode?.rawValue)
        try writer.append(entry.note)
        try writer.append(entry.reference)
        try writer.append(recordWriter.details(of: entry))
        try writer.append(entry.isNamed)
        try writer.append(entry.allowSplit)
        try writer.append(entry.chainHash.hexadecimal)
        try writer.append(sourceTopic)
        try writer.append(entry.source.partition)
        try writer.append(entry.source.offset)
        try writer.append(row.partition)
        try writer.append(row.offset)
    }

    private func writeBalances(
        _ entry: LedgerEntry, _ writer: inout BinaryCopyWriter
    ) throws(PostgresError) {
        let balances = entry.hasBalances ? entry.balances : nil
        try writer.append(balances?.onHand)
        try writer.append(balances?.reserved)
        try writer.append(balances?.inTransit)
        try writer.append(balances?.damaged)
        try writer.append(balances == nil ? nil : entry.setApart)
        try writer.append(entry.deltas.backordered == 0 ? nil : entry.balances.backordered)
    }

    private static func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func microseconds(_ moment: Timestamp) -> Int64 {
        PostgresTime.microseconds(since1970: moment.milliseconds)
    }

    /// Throws if a row that was there already differs from the one that was to be stored.
    private func compare() throws {
        let result = try connection.query(
            sql(
                """
                SELECT s.sku, s.sequence FROM ledger_rows s
                JOIN holdfast.inventory_transactions t USING (sku, sequence)
                WHERE NOT EXISTS (SELECT s.* INTERSECT SELECT t.*)
                ORDER BY s.sku COLLATE "C", s.sequence LIMIT 1
                """))
        guard result.rowCount > 0, let sku = try result.text(0, 0), let sequence = try result.int64(0, 1)
        else { return }
        throw SinkFault.differentRow(sku: ID(sku), sequence: sequence)
    }

    private static let projectInventory = """
        INSERT INTO holdfast.inventory AS i
            (sku, warehouse_id, quantity_on_hand, quantity_reserved, quantity_in_transit, quantity_damaged,
             quantity_set_apart, ledger_sequence, ledger_partition, is_closed)
        SELECT DISTINCT ON (e.sku, e.warehouse_id)
            e.sku, e.warehouse_id, e.on_hand, e.reserved, e.in_transit, e.damaged, e.set_apart, e.sequence,
            e.ledger_partition, coalesce(NOT s.is_active, false)
        FROM ledger_staging e
        LEFT JOIN holdfast.warehouse_states s USING (ledger_partition, warehouse_id)
        WHERE e.on_hand IS NOT NULL
        ORDER BY e.sku, e.warehouse_id, e.sequence DESC
        ON CONFLICT (sku, warehouse_id) DO UPDATE SET
            quantity_on_hand = excluded.quantity_on_hand,
            quantity_reserved = excluded.quantity_reserved,
            quantity_in_transit = excluded.quantity_in_transit,
            quantity_damaged = excluded.quantity_damaged,
            quantity_set_apart = excluded.quantity_set_apart,
            ledger_sequence = excluded.ledger_sequence,
            ledger_partition = excluded.ledger_partition,
            is_closed = excluded.is_closed
        WHERE i.ledger_sequence < excluded.ledger_sequence
        """

    /// Which warehouses are open, by partition.
    private static let projectWarehouses = """
        INSERT INTO holdfast.warehouse_states AS w (ledger_partition, warehouse_id, is_active, ledger_sequence)
        SELECT DISTINCT ON (ledger_partition, warehouse_id)
            ledger_partition, warehouse_id, (details::jsonb ->> 'active')::boolean, sequence
        FROM ledger_staging WHERE movement = 'set_warehouse'
        ORDER BY ledger_partition, warehouse_id, sequence DESC
        ON CONFLICT (ledger_partition, warehouse_id) DO UPDATE SET
            is_active = excluded.is_active, ledger_sequence = excluded.ledger_sequence
        WHERE w.ledger_sequence < excluded.ledger_sequence
        """

    /// The levels in warehouses that were opened or closed in the batch.
    private static let closeInventory = """
        UPDATE holdfast.inventory i SET is_closed = NOT s.is_active
        FROM holdfast.warehouse_states s
        WHERE (s.ledger_partition, s.warehouse_id) IN (
                SELECT ledger_partition, warehouse_id FROM ledger_staging WHERE movement = 'set_warehouse')
            AND i.ledger_partition = s.ledger_partition AND i.warehouse_id = s.warehouse_id
            AND i.is_closed = s.is_active
        """

    /// What is laid down for all warehouses stands under an empty warehouse, which no warehouse can be called.
    private static let projectPolicies = """
        INSERT INTO holdfast.policies AS p (sku, warehouse_id, safety_stock, policy, ledger_sequence)
        SELECT DISTINCT ON (sku, warehouse_id) sku, coalesce(warehouse_id, ''),
            (details::jsonb ->> 'safety_stock')::bigint, details::jsonb, sequence
        FROM ledger_staging WHERE movement = 'set_policy'
        ORDER BY sku, warehouse_id, sequence DESC
        ON CONFLICT (sku, warehouse_id) DO UPDATE SET
            safety_stock = excluded.safety_stock, policy = excluded.policy,
            ledger_sequence = excluded.ledger_sequence
        WHERE p.ledger_sequence < excluded.ledger_sequence
        """

    private static let clearPolicies = """
        UPDATE holdfast.policies p SET safety_stock = NULL, policy = NULL, ledger_sequence = e.sequence
        FROM ledger_staging e
        WHERE e.movement = 'retire' AND p.sku = e.sku AND p.ledger_sequence < e.sequence
        """

    /// A SKU that is retired has no units, and what was laid down for its channels is no more. The row still stands
    /// for the last entry that had a balance.
    private static let clearSetApart = """
        UPDATE holdfast.inventory i SET quantity_set_apart = 0
        FROM ledger_staging e
        WHERE e.movement = 'retire' AND i.sku = e.sku AND i.ledger_sequence < e.sequence
            AND i.quantity_set_apart <> 0
        """

    /// For the SKUs of the batch: a level may be new, or a policy.
    private static let projectSafetyStock = """
        UPDATE holdfast.inventory i SET safety_stock = v.safety_stock
        FROM (
            SELECT l.sku, l.warehouse_id, coalesce(
                max(p.safety_stock) FILTER (WHERE p.warehouse_id = l.warehouse_id),
                max(p.safety_stock) FILTER (WHERE p.warehouse_id = ''), 0) AS safety_stock
            FROM (SELECT DISTINCT sku FROM ledger_staging) s
            JOIN holdfast.policies p ON p.sku = s.sku
            JOIN holdfast.inventory l ON l.sku = s.sku
            GROUP BY l.sku, l.warehouse_id
        ) v
        WHERE i.sku = v.sku AND i.warehouse_id = v.warehouse_id AND i.safety_stock <> v.safety_stock
        """

    /// A reservation over several warehouses has a row for each; the last of them has all its units.
    private static let projectReservations = """
        INSERT INTO holdfast.reservations AS r
            (id, order_id, sku, warehouse_id, quantity, remaining, channel, status, expires_at, reserved_at,
             reserved_sequence, ledger_sequence)
        SELECT DISTINCT ON (sku, origin) reservation_id, order_id, sku,
            first_value(warehouse_id) OVER (PARTITION BY sku, origin ORDER BY sequence),
            remaining, remaining, channel, 'reserved', expires_at, at, origin, sequence
        FROM ledger_staging WHERE movement IN ('reserve', 'backorder', 'reacquire')
        ORDER BY sku, origin, sequence DESC
        ON CONFLICT (sku, reserved_sequence) DO UPDATE SET
            quantity = excluded.quantity, remaining = excluded.remaining,
            ledger_sequence = excluded.ledger_sequence
        WHERE r.ledger_sequence < excluded.ledger_sequence
        """

    private static let changeReservations = """
        UPDATE holdfast.reservations r SET
            remaining = e.remaining,
            warehouse_id = coalesce(r.warehouse_id, e.warehouse_id),
            expires_at = coalesce(e.until, r.expires_at),
            status = CASE WHEN e.remaining > 0 THEN 'reserved'
                WHEN e.movement = 'ship' THEN 'confirmed' WHEN e.movement = 'release' THEN 'released'
                WHEN e.movement = 'expire' THEN 'expired' ELSE 'lost' END,
            ended_at = CASE WHEN e.remaining = 0 THEN e.at END,
            ended_sequence = CASE WHEN e.remaining = 0 THEN e.sequence END,
            ledger_sequence = e.sequence
        FROM (
            SELECT DISTINCT ON (sku, origin) sku, origin, sequence, movement, remaining, at,
                first_value(warehouse_id) OVER (
                    PARTITION BY sku, origin ORDER BY (warehouse_id IS NULL)::int, sequence) AS warehouse_id,
                first_value(expires_at) OVER (
                    PARTITION BY sku, origin ORDER BY (movement = 'extend')::int DESC, sequence DESC) AS until
            FROM ledger_staging
            WHERE reservation_id IS NOT NULL AND origin IS NOT NULL
                AND movement NOT IN ('reserve', 'backorder', 'reacquire')
            ORDER BY sku, origin, sequence DESC
        ) e
        WHERE r.sku = e.sku AND r.reserved_sequence = e.origin AND r.ledger_sequence < e.sequence
        """

    private static let projectTransfers = """
        INSERT INTO holdfast.transfers
            (id, sku, from_warehouse_id, to_warehouse_id, quantity, remaining, status, dispatched_at,
             expected_at, dispatched_sequence, ledger_sequence)
        SELECT transfer_id, sku, warehouse_id, counterpart_id, quantity, quantity, 'in_transit', at,
            expected_at, sequence, sequence
        FROM ledger_staging WHERE movement = 'transfer_out'
        ON CONFLICT (sku, dispatched_sequence) DO NOTHING
        """

    private static let changeTransfers = """
        UPDATE holdfast.transfers t SET
            remaining = e.remaining,
            status = CASE WHEN e.movement IN ('transfer_cancel', 'transfer_back') THEN 'cancelled'
                WHEN e.remaining = 0 THEN 'received'
                WHEN e.is_overdue OR t.status = 'overdue' THEN 'overdue' ELSE 'in_transit' END,
            ended_at = CASE WHEN e.remaining = 0 THEN e.at END,
            ledger_sequence = e.sequence
        FROM (
            SELECT DISTINCT ON (sku, origin) sku, origin, sequence, movement, remaining, at,
                bool_or(movement = 'transfer_overdue') OVER (PARTITION BY sku, origin) AS is_overdue
            FROM ledger_staging
            WHERE transfer_id IS NOT NULL AND origin IS NOT NULL AND movement <> 'transfer_out'
            ORDER BY sku, origin, sequence DESC
        ) e
        WHERE t.sku = e.sku AND t.dispatched_sequence = e.origin AND t.ledger_sequence < e.sequence
        """
}

extension LedgerEntry {
    /// Whether it shows in any projection: it changes a level, or a reservation, a transfer or what is laid down.
    fileprivate var isProjected: Bool {
        hasBalances || origin != nil || movement == .setPolicy || movement == .setWarehouse
            || movement == .retire
    }
}
