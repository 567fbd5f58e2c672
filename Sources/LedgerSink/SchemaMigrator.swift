import PostgresClient

/// Makes the schema from its numbered files, or brings it up to date.
package struct SchemaMigrator: Sendable {
    /// A file's name, which orders it, and its SQL, which can be run again without harm.
    package typealias File = (name: String, sql: String)

    private let files: [File]

    package init(files: [File]) { self.files = files.sorted { $0.name < $1.name } }

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
