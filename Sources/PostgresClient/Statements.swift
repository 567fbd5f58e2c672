import CLibpq

/// Whether results come as PostgreSQL's text or its binary form.
package enum ResultFormat: Int32, Sendable {
    case text = 0
    case binary = 1
}

extension Connection {
    /// Runs SQL that may hold several statements and has no parameters; wraps `PQsendQuery`.
    ///
    /// - Returns: The result of the last statement, in the text format.
    /// - Throws: `PostgresError`.
    @discardableResult
    package func execute(_ sql: String) throws(PostgresError) -> QueryResult {
        try wire.exchange(sql) { PQsendQuery($0, sql) }
    }

    /// Runs one statement with parameters; wraps `PQsendQueryParams`.
    ///
    /// - Parameters:
    ///   - parameters: The values of `$1`, `$2`...; nil is NULL.
    ///   - format: How the result's values come.
    /// - Throws: `PostgresError`.
    @discardableResult
    package func query(
        _ sql: String, _ parameters: [Parameter?] = [], format: ResultFormat = .binary
    ) throws(PostgresError) -> QueryResult {
        var bytes: [UInt8] = []
        var ranges: [Range<Int>?] = []
        for parameter in parameters {
            let start = bytes.count
            parameter?.encode(into: &bytes)
            ranges.append(parameter.map { _ in start..<bytes.count })
        }
        // One byte more, so that a parameter of no bytes at the end has an address, too.
        bytes.append(0)
        let types = parameters.map { $0?.type ?? 0 }
        let lengths = ranges.map { Int32($0?.count ?? 0) }
        let formats = [Int32](repeating: 1, count: parameters.count)
        return try wire.exchange(sql) { raw in
            bytes.withUnsafeBytes { bytes in
                let base = bytes.baseAddress!.assumingMemoryBound(to: CChar.self)
                let values = ranges.map { $0.map { UnsafePointer(base + $0.lowerBound) } }
                return PQsendQueryParams(
                    raw, sql, Int32(values.count), types, values, lengths, formats, format.rawValue)
            }
        }
    }

    /// Starts a transaction.
    package func begin() throws(PostgresError) { try execute("BEGIN") }

    /// Commits the transaction.
    ///
    /// - Throws: `PostgresError`; with `unknownCommit` when the connection went away before the answer came.
    package func commit() throws(PostgresError) {
        let command: String
        do throws(PostgresError) {
            command = try execute("COMMIT").command
        } catch {
            var unknown = error
            unknown.recovery = .ofCommit(sqlState: error.sqlState, isConnectionGone: !isUsable)
            throw unknown
        }
        // The server answers COMMIT with ROLLBACK where a statement failed and nobody looked.
        guard command == "COMMIT" else {
            throw PostgresError(
                message: "the transaction had failed before, and the server rolled it back",
                operation: "COMMIT", recovery: .stop)
        }
    }

    /// Gives the transaction up.
    package func rollback() throws(PostgresError) { try execute("ROLLBACK") }

    /// Runs `body` in a transaction: committed when it returns, rolled back when it throws.
    ///
    /// - Throws: What `body` throws, or the `PostgresError` of BEGIN or COMMIT.
    package func transaction<Value>(_ body: (Connection) throws -> Value) throws -> Value {
        try begin()
        let value: Value
        do {
            value = try body(self)
        } catch {
            // The first error tells the cause. Where the rollback fails, too, the connection is gone, and
            // the server rolls back by itself.
            if isUsable { _ = try? rollback() }
            throw error
        }
        try commit()
        return value
    }
}
