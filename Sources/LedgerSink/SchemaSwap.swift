import PostgresClient

/// Makes the schema a second time beside the live one, and puts it in its place in one transaction, while readers
/// go on: each of their statements sees the old tables or the new ones.
///
/// It works on a connection of its own, as the owner of the schema, and holds a lock for as long as that lives, so
/// that one rebuild is at work. The rows come from a `LedgerStore` of the schema `fresh`.
package final class SchemaSwap {
    package static let fresh = "holdfast_rebuild"
    /// What the old schema is called afterwards.
    package static let before = "holdfast_before"
    private static let live = SchemaMigrator.schema

    private let connection: Connection
    private let files: [SchemaMigrator.File]

    /// - Throws: `SinkFault` if another rebuild is at work, and is so for two seconds.
    package init(connection: Connection, files: [SchemaMigrator.File]) throws {
        self.connection = connection
        self.files = files.sorted { $0.name < $1.name }
        // The server keeps the lock of a connection that has just ended for a moment.
        for _ in 0..<20 {
            let isOurs = try connection.query("SELECT pg_try_advisory_lock(hashtext('holdfast.rebuild'))")
            if try isOurs.bool(0, 0) == true { return }
            try connection.query("SELECT pg_sleep(0.1)")
        }
        throw SinkFault("another rebuild of this database is at work: wait for its end")
    }

    /// Makes the fresh schema, without rows; what an earlier run left of one goes.
    /// - Throws: `SinkFault` for what would be lost by the swap.
    package func prepare(dropsOld: Bool) throws {
        try refuseDependents()
        if try isThere(Self.before) {
            guard dropsOld else {
                throw SinkFault(
                    "the schema \(Self.before) of an earlier rebuild is still there: look at it and drop it "
                        + "(DROP SCHEMA \(Self.before) CASCADE), or give --drop-old")
            }
            if let obstacle = try dropOld() {
                throw SinkFault(
                    "the schema \(Self.before) of an earlier rebuild cannot be dropped: \(obstacle); wait for its end, or "
                        + "end it")
            }
        }
        try connection.execute("DROP SCHEMA IF EXISTS \(Self.fresh) CASCADE")
        try SchemaMigrator(files: files, schema: Self.fresh).run(on: connection)
        let strays = try names(
            """
            SELECT c.relname::text FROM pg_class c
            WHERE c.relnamespace = to_regnamespace('\(Self.live)') AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
                AND NOT EXISTS (SELECT FROM pg_class n
                    WHERE n.relnamespace = to_regnamespace('\(Self.fresh)') AND n.relname = c.relname)
            ORDER BY 1
            """)
        guard strays.isEmpty else {
            throw SinkFault(
                "the schema \(Self.live) holds what is not Holdfast's: \(strays.joined(separator: ", ")); move it to "
                    + "another schema first, or it would go with the old one")
        }
    }

    /// A view knows the tables that it was made of and not their names: it would go on to show the old ones.
    private func refuseDependents() throws {
        let views = try names(
            """
            SELECT DISTINCT format('%I.%I', n.nspname, v.relname) FROM pg_depend d
            JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
            JOIN pg_class v ON v.oid = r.ev_class
            JOIN pg_namespace n ON n.oid = v.relnamespace
            JOIN pg_class t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid
            WHERE t.relnamespace = to_regnamespace('\(Self.live)') AND v.relnamespace <> t.relnamespace
                AND n.nspname NOT IN ('\(Self.before)', '\(Self.fresh)')
            ORDER BY 1
            """)
        guard views.isEmpty else {
            throw SinkFault(
                "views outside of the schema \(Self.live) read its tables: \(views.joined(separator: ", ")); drop them "
                    + "first, and make them again after the rebuild")
        }
    }

    private func isThere(_ schema: String) throws -> Bool {
        try connection.query("SELECT to_regnamespace($1) IS NOT NULL", [.text(schema)]).bool(0, 0) == true
    }

    /// Whether the live schema has the table.
    private func isThere(table: String) throws -> Bool {
        try connection.query("SELECT to_regclass($1) IS NOT NULL", [.text("\(Self.live).\(table)")]).bool(
            0, 0)
            == true
    }

    private func names(_ sql: String) throws -> [String] {
        let result = try connection.query(sql)
        return try (0..<result.rowCount).map { try result.text($0, 0) ?? "" }
    }

    /// Begins the transaction of the swap, in which no other sink can store anything.
    package func begin() throws {
        try connection.begin()
        try connection.execute("SET LOCAL lock_timeout = '30s'")
        for lock in ["holdfast.migrations", "holdfast.swap"] {
            try connection.query("SELECT pg_advisory_xact_lock(hashtext($1))", [.text(lock)])
        }
    }

    /// How far the live schema is with a topic, by partition: in the transaction of the swap the fresh one must be as
    /// far, so that readers see nothing go back.
    package func offsets(topic: String) throws -> [Int32: Int64] {
        guard try isThere(table: "sink_offsets") else { return [:] }
        let result = try connection.query(
            "SELECT partition, next_offset FROM \(Self.live).sink_offsets WHERE topic = $1", [.text(topic)])
        var offsets: [Int32: Int64] = [:]
        for row in 0..<result.rowCount {
            guard let partition = try result.int32(row, 0) else { continue }
            offsets[partition] = try result.int64(row, 1)
        }
        return offsets
    }

    /// Puts the fresh schema in the place of the live one, which is kept as `before`, and commits.
    ///
    /// - Returns: whether there was a live one.
    package func finish() throws -> Bool {
        let hadOld = try isThere(Self.live)
        if hadOld {
            for grant in try grants() { try connection.execute(grant) }
            if try isThere(table: "orders") { try connection.execute(Self.carryOrders) }
            try connection.execute("ALTER SCHEMA \(Self.live) RENAME TO \(Self.before)")
        }
        try connection.execute("ALTER SCHEMA \(Self.fresh) RENAME TO \(Self.live)")
        // The bodies of functions hold the schema's name as text.
        for file in files { try connection.execute(file.sql) }
        try connection.commit()
        return hadOld
    }

    /// SQLSTATE `lock_not_available`.
    private static let lockTimeout = "55P03"

    /// Drops the old schema, which nobody finds any more by the name `holdfast`. Who has begun to read it keeps it.
    ///
    /// - Returns: who still reads it after the longest wait for a lock; then it is still there.
    package func dropOld() throws -> String? {
        do throws(PostgresError) {
            try connection.execute("DROP SCHEMA IF EXISTS \(Self.before) CASCADE")
            return nil
        } catch {
            guard error.sqlState == Self.lockTimeout else { throw error }
            let readers = try names(
                """
                SELECT DISTINCT format('process %s of the user %s', l.pid, coalesce(a.usename, 'unknown'))
                FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
                LEFT JOIN pg_stat_activity a ON a.pid = l.pid
                WHERE l.granted AND l.pid <> pg_backend_pid()
                    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                    AND c.relnamespace = to_regnamespace('\(Self.before)')
                ORDER BY 1
                """)
            return (readers.isEmpty ? "somebody" : readers.joined(separator: ", ")) + " still reads it"
        }
    }

    /// `order.outcomes` is not kept for ever: orders that it does not tell of any more go on as they are.
    private static let carryOrders = """
        UPDATE \(fresh).orders f SET is_final = true FROM \(live).orders l
        WHERE l.order_id = f.order_id AND l.is_final AND l.version <= f.version AND NOT f.is_final;
        INSERT INTO \(fresh).order_lines SELECT l.* FROM \(live).order_lines l
        WHERE NOT EXISTS (SELECT FROM \(fresh).orders f WHERE f.order_id = l.order_id);
        INSERT INTO \(fresh).shipments_planned SELECT s.* FROM \(live).shipments_planned s
        WHERE NOT EXISTS (SELECT FROM \(fresh).orders f WHERE f.order_id = s.order_id);
        INSERT INTO \(fresh).orders SELECT o.* FROM \(live).orders o
        WHERE NOT EXISTS (SELECT FROM \(fresh).orders f WHERE f.order_id = o.order_id)
        """

    /// What others may do with the live schema and its tables and views, they may do with the fresh ones.
    private func grants() throws -> [String] {
        try names(
            """
            SELECT format('GRANT %s ON %s TO %s%s', a.privilege_type, o.what,
                CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
            FROM (
                SELECT n.nspowner AS owner, n.nspacl AS acl, 'SCHEMA \(Self.fresh)' AS what
                FROM pg_namespace n WHERE n.nspname = '\(Self.live)'
                UNION ALL
                SELECT c.relowner, c.relacl, format('\(Self.fresh).%I', c.relname)
                FROM pg_class c
                WHERE c.relnamespace = to_regnamespace('\(Self.live)') AND c.relkind IN ('r', 'p', 'v', 'm')
                    AND to_regclass(format('\(Self.fresh).%I', c.relname)) IS NOT NULL
            ) o, aclexplode(o.acl) a
            WHERE a.grantee <> o.owner
            """)
    }
}
