/// What went wrong in the talk with PostgreSQL, and what to do about it.
package struct PostgresError: Error, Equatable, Sendable {
    /// The five characters of the server's SQLSTATE; nil when the error arose on this side of the wire.
    package var sqlState: String?
    /// The server's or libpq's sentence. Never holds a password.
    package var message: String
    /// The server's DETAIL and HINT, if it gave any.
    package var detail: String?
    /// What was being done: `connect`, or the beginning of the SQL.
    package var operation: String
    package var recovery: Recovery

    package init(
        sqlState: String? = nil, message: String, detail: String? = nil, operation: String, recovery: Recovery
    ) {
        self.sqlState = sqlState
        self.message = message
        self.detail = detail
        self.operation = operation
        self.recovery = recovery
    }
}

extension PostgresError: CustomStringConvertible {
    /// One sentence a part: what, why, what to do next.
    package var description: String {
        var text = "PostgreSQL, \(operation): \(message)"
        if let sqlState { text += " (SQLSTATE \(sqlState))" }
        if let detail { text += "; \(detail)" }
        return text + ". " + recovery.advice
    }
}

extension PostgresError {
    /// The longest piece of SQL that an error shows, in characters.
    private static let longestOperation = 80

    /// The beginning of `sql` on one line, as the name of an operation.
    static func operation(of sql: String) -> String {
        let words = sql.prefix(4 * longestOperation)
            .split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return words.count > longestOperation ? words.prefix(longestOperation) + "..." : words
    }

    /// The error for a value that came in another type than the caller reads it as: the schema is not the
    /// one that this program was written for.
    static func mistyped(_ problem: String) -> PostgresError {
        PostgresError(message: problem, operation: "read a result", recovery: .stop)
    }
}
