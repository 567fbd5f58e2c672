import PostgresClient

/// Why a database cannot be the sink's, and the statement that cures it. Nothing was made or stored in it.
package struct DatabaseRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

/// What the sink depends on in its database.
package struct DatabaseNeeds {
    /// A table of the schema, what the application's role must be allowed to do there, and a column of the newest
    /// version of the schema.
    struct Table {
        let name: String
        let rights: [String]
        var column: String?
    }

    /// The oldest server that `deploy/sql` runs on, as `server_version_num` counts.
    package static let oldestServer: Int64 = 170_000
    /// The role that the files of `deploy/sql` make and give rights to.
    private static let application = "holdfast_application"

    private let connection: Connection
    private let role: String
    private let schema: String
    /// As SQL names them.
    private let quotedRole: String
    private let user: String
    private let database: String

    /// - Parameters:
    ///   - connection: of the sink's user, who has not taken on another role.
    ///   - role: the one that the sink takes on.
    ///   - oldestServer: as `server_version_num` counts.
    /// - Throws: `DatabaseRefusal` for a server or an encoding that nothing can be made in; else `PostgresError`.
    package init(
        _ connection: Connection, role: String, schema: String = SchemaMigrator.schema,
        oldestServer: Int64 = Self.oldestServer
    ) throws {
        self.connection = connection
        self.role = role
        self.schema = schema
        let facts = try connection.query(
            """
            SELECT current_setting('server_version_num')::bigint, current_setting('server_version'),
                current_setting('server_encoding'), quote_ident(current_database()), quote_ident(current_user),
                quote_ident($1)
            """, [.text(role)])
        database = try facts.text(0, 3) ?? ""
        user = try facts.text(0, 4) ?? ""
        quotedRole = try facts.text(0, 5) ?? ""
        let (number, version) = (try facts.int64(0, 0) ?? 0, try facts.text(0, 1) ?? "")
        guard number >= oldestServer else {
            throw DatabaseRefusal(
                "PostgreSQL \(version) is too old: Holdfast needs \(oldestServer / 10_000) or later. Upgrade the server, "
                    + "or name another")
        }
        let encoding = try facts.text(0, 2) ?? ""
        guard encoding == "UTF8" else {
            throw DatabaseRefusal(
                "the database \(database) has the encoding \(encoding), which cannot hold every SKU and name. An "
                    + "encoding stays as it is, so make another database and give its URL; the sink fills it from the topics: "
                    + "CREATE DATABASE NAME ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0")
        }
    }

    // MARK: Before the schema is made

    /// Whether this user can make the schema and then act as the sink.
    /// - Throws: `DatabaseRefusal` if not; else `PostgresError`.
    package func checkMigration() throws {
        let facts = try connection.query(
            """
            SELECT n.oid IS NOT NULL, coalesce(pg_has_role(n.nspowner, 'USAGE'), false),
                quote_ident(pg_get_userbyid(n.nspowner)),
                has_database_privilege(current_database(), 'CREATE'),
                (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user),
                EXISTS (SELECT FROM pg_roles WHERE rolname = $2)
            FROM (SELECT) AS one LEFT JOIN pg_namespace n ON n.nspname = $1
            """, [.text(SchemaMigrator.schema), .text(Self.application)])
        let owner = try facts.text(0, 2) ?? ""
        let (isThere, isOwner) = (try facts.bool(0, 0) == true, try facts.bool(0, 1) == true)
        let (mayCreate, mayMakeRoles) = (try facts.bool(0, 3) == true, try facts.bool(0, 4) == true)
        if isThere, !isOwner {
            throw DatabaseRefusal(
                "the schema \(SchemaMigrator.schema) belongs to \(owner), and \(user) cannot change it: migrate as its "
                    + "owner; or run, as a superuser: GRANT \(owner) TO \(user)")
        }
        guard isThere || mayCreate else {
            throw refusal(
                "\(user) may make no schema in the database \(database)",
                "GRANT CREATE ON DATABASE \(database) TO \(user)")
        }
        if try facts.bool(0, 5) != true {
            guard mayMakeRoles else {
                throw refusal(
                    "there is no role \(Self.application), and \(user) may make none",
                    "CREATE ROLE \(Self.application); GRANT \(Self.application) TO \(user)")
            }
            // Who makes it is given it, and its rights with the tables.
            if role == Self.application { return }
        }
        try checkRole()
        try checkTemporary()
    }

    // MARK: Before anything is stored

    /// Whether the tables are there, and the role has what the sink needs.
    /// - Throws: `DatabaseRefusal` if not; else `PostgresError`.
    func checkStorage(_ tables: [Table]) throws {
        try checkRole()
        try checkTables(tables)
        try checkTemporary()
        try checkRights(tables)
    }

    private func checkRole() throws {
        // Without a row there is no such role.
        let found = try connection.query(
            "SELECT pg_has_role(oid, 'SET') FROM pg_roles WHERE rolname = $1", [.text(role)])
        guard found.rowCount > 0 else {
            throw refusal(
                "there is no role \(quotedRole)",
                "CREATE ROLE \(quotedRole); GRANT \(quotedRole) TO \(user)",
                then: role == Self.application
                    ? "start the sink once with --migrate, which gives it its rights" : nil)
        }
        guard try found.bool(0, 0) == true else {
            throw refusal(
                "\(user) is no member of the role \(quotedRole), which belongs to all databases of the server",
                "GRANT \(quotedRole) TO \(user)")
        }
    }

    private func checkTemporary() throws {
        let found = try connection.query(
            "SELECT has_database_privilege($1, current_database(), 'TEMPORARY')", [.text(role)])
        guard try found.bool(0, 0) == true else {
            throw refusal(
                "\(quotedRole) may make no temporary tables in the database \(database), which each batch is copied into",
                "GRANT TEMPORARY ON DATABASE \(database) TO \(quotedRole)")
        }
    }

    private func checkTables(_ tables: [Table]) throws {
        // From the catalogs, which everybody may read: to_regclass() needs a right on the schema.
        let missing = try connection.query(
            """
            SELECT t.name FROM unnest($2, $3) AS t (name, attribute) WHERE NOT EXISTS (
                SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = $1 AND c.relname = t.name AND (t.attribute = '' OR EXISTS (
                    SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = t.attribute)))
            """,
            [
                .text(schema), .textArray(tables.map(\.name)), .textArray(tables.map { $0.column ?? "" }),
            ])
        guard missing.rowCount > 0 else { return }
        let name = try missing.text(0, 0) ?? ""
        throw DatabaseRefusal(
            "the database \(database) has no schema \(schema), or one of an earlier version (\(schema).\(name)): start the "
                + "sink once with --migrate, as the schema's owner, or run the files of deploy/sql in order")
    }

    private func checkRights(_ tables: [Table]) throws {
        var grants: [String] = []
        let usage = try connection.query(
            "SELECT has_schema_privilege($1, $2, 'USAGE')", [.text(role), .text(schema)])
        if try usage.bool(0, 0) != true { grants.append("GRANT USAGE ON SCHEMA \(schema) TO \(quotedRole)") }
        for table in tables {
            // By number, so that the schema needs no right.
            let found = try connection.query(
                """
                SELECT r.name FROM unnest($4) AS r (name) WHERE NOT has_table_privilege($1, (
                    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = $2 AND c.relname = $3), r.name)
                """, [.text(role), .text(schema), .text(table.name), .textArray(table.rights)])
            guard found.rowCount > 0 else { continue }
            let missing = try (0..<found.rowCount).compactMap { try found.text($0, 0) }
            grants.append(
                "GRANT \(missing.joined(separator: ", ")) ON \(schema).\(table.name) TO \(quotedRole)")
        }
        guard grants.isEmpty else {
            throw refusal(
                "\(quotedRole) lacks rights on the schema \(schema)", grants.joined(separator: "; "),
                by: "as the schema's owner")
        }
    }

    private func refusal(
        _ cause: String, _ statement: String, by whom: String = "as a superuser", then: String? = nil
    ) -> DatabaseRefusal {
        DatabaseRefusal("\(cause). Run, \(whom): \(statement)" + (then.map { "; then \($0)" } ?? ""))
    }
}
