import CLibpq

/// Poolers between this client and the server. One that gives a connection another session for each transaction
/// (PgBouncer with `pool_mode` `transaction` or `statement`) loses what this client sets for its session, and lends it
/// to others. Such a connection is refused before anything is set.
enum Pooling {
    /// How often another connection is given the chance to get this one's session; somebody else may get it first.
    private static let attempts = 10
    /// How long a pooler may take to find a session, in milliseconds.
    private static let patience = 10_000

    /// - Parameters:
    ///   - wire: a connection in whose session nothing was set yet.
    ///   - giveUp: ends a wait.
    ///   - openOther: another connection of the same kind.
    /// - Throws: `PostgresError`; a refusal where sessions belong to transactions.
    static func refuseLending(
        _ wire: Wire, giveUp: @escaping @Sendable () -> Bool,
        openOther: () throws(PostgresError) -> ConnectionHandle
    ) throws(PostgresError) {
        let session = try process(of: wire)
        // While connecting a server names the process of the session; a pooler names one of its own.
        guard session != PQbackendPID(wire.raw) else { return }
        let other = Wire(try openOther(), statementMilliseconds: patience, giveUp: giveUp)
        for _ in 0..<attempts {
            let taken = try otherProcess(other)
            guard taken != session, try process(of: wire) == session else { throw lending }
            try run("ROLLBACK", other)
        }
    }

    private static func process(of wire: Wire) throws(PostgresError) -> Int32 {
        try run("SELECT pg_backend_pid()", wire).int32(0, 0) ?? 0
    }

    /// Begins a transaction, which keeps its session.
    private static func otherProcess(_ other: Wire) throws(PostgresError) -> Int32 {
        do throws(PostgresError) {
            return try run("BEGIN; SELECT pg_backend_pid()", other).int32(0, 0) ?? 0
        } catch {
            // PgBouncer's word where `pool_mode` is `statement`.
            if error.sqlState == "08P01" { throw lending }
            guard error.sqlState == nil else { throw error }
            throw PostgresError(
                message:
                    "the pooler has no second session for this user within \(patience / 1000) s; give it a larger "
                    + "pool (PgBouncer: default_pool_size)",
                operation: "connect", recovery: .retry)
        }
    }

    @discardableResult
    private static func run(_ sql: String, _ wire: Wire) throws(PostgresError) -> QueryResult {
        try wire.exchange(sql) { PQsendQuery($0, sql) }
    }

    private static var lending: PostgresError {
        PostgresError(
            message:
                "a pooler gives each transaction another session of the server, and Holdfast needs one of its own",
            detail:
                "In PgBouncer set pool_mode=session for this user ([users]) or this database ([databases]), or name the "
                + "server itself in the URL",
            operation: "connect", recovery: .stop)
    }
}
