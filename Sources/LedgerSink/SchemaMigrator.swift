import PostgresClient

/// Makes the schema from its numbered files, or brings it up to date.
package struct SchemaMigrator: Sendable {
    /// A file's name, which orders it, and its SQL, which can be run again without harm.
    package typealias File = (name: String, sql: String)

    /// What the files call the schema.
    package static let schema = "holdfast"

    private let files: [File]

    /// - Parameter schema: another name for the schema; lower-case letters, digits and `_`.
    package init(files: [File], schema: String = Self.schema) {
        self.files = files.sorted { $0.name < $1.name }.map { ($0.name, Self.sql($0.sql, in: schema)) }
    }

    /// The SQL with another schema in the place of `holdfast`: wherever that stands before a dot, or behind the
    /// word SCHEMA.
    package static func sql(_ sql: String, in schema: String) -> String {
        if schema == Self.schema { return sql }
        return sql.replacing("\(Self.schema).", with: "\(schema).")
            .replacing("SCHEMA \(Self.schema) ", with: "SCHEMA \(schema) ")
            .replacing("SCHEMA IF NOT EXISTS \(Self.schema);", with: "SCHEMA IF NOT EXISTS \(schema);")
    }

    /// Runs all files in one transaction; two at once wait for one another.
    ///
    /// - Returns: The names of the files, in the order in which they ran.
    /// - Throws: `PostgresError`.
    @discardableResult
    package func run(on connection: Connection) throws -> [String] {
        try connection.transaction { connection in
            try connection.execute("SELECT pg_advisory_xact_lock(hashtext('holdfast.migrations'))")
            for file in files { try connection.execute(file.sql) }
        }
        return files.map(\.name)
    }
}
