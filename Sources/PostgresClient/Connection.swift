import CLibpq

/// A connection to PostgreSQL, for one blocking thread.
///
/// Every call has a time limit and throws when it is over. After an error that leaves the connection
/// unusable (`isUsable` is false), drop it and open another.
package final class Connection {
    let wire: Wire
    private let notices: NoticeRouter
    let copyBuffer: UnsafeMutablePointer<UInt8>

    /// Connects; wraps `PQconnectStartParams` and `PQconnectPoll`. Refuses a pooler that gives each transaction another
    /// session (`Pooling`).
    ///
    /// - Parameters:
    ///   - url: A connection URL, or libpq's `key=value` form.
    ///   - applicationName: The name in `pg_stat_activity`, unless the URL gives one.
    ///   - connectTimeoutSeconds: The limit of all of connecting, unless the URL has `connect_timeout`.
    ///   - statementTimeoutSeconds: The server's limit of one statement. This side waits 2 s longer and then
    ///     takes the connection for lost.
    ///   - giveUp: Asked at least every 100 ms of waiting; true ends the wait as if its time were over.
    ///   - onNotice: Gets the server's notices and warnings, on the thread that uses the connection.
    /// - Throws: `PostgresError`.
    package init(
        url: String, applicationName: String, connectTimeoutSeconds: Int = 5,
        statementTimeoutSeconds: Int = 30, giveUp: @escaping @Sendable () -> Bool = { false },
        onNotice: @escaping @Sendable (Notice) -> Void = { _ in }
    ) throws(PostgresError) {
        let parameters = try ConnectionParameters(url)
        let seconds = parameters["connect_timeout"].flatMap { Int($0) } ?? connectTimeoutSeconds
        let open = { () throws(PostgresError) -> ConnectionHandle in
            try Connecting.open(
                parameters, url: url, applicationName: applicationName,
                Deadline(milliseconds: max(1, seconds) * 1000, giveUp: giveUp))
        }
        wire = Wire(try open(), statementMilliseconds: statementTimeoutSeconds * 1000, giveUp: giveUp)
        notices = NoticeRouter(onNotice)
        copyBuffer = .allocate(capacity: BinaryCopyWriter.capacity)
        notices.install(on: wire.raw)
        try Pooling.refuseLending(wire, giveUp: giveUp, openOther: open)
        try Self.limitSession(wire, statementSeconds: statementTimeoutSeconds)
    }

    deinit { copyBuffer.deallocate() }

    /// The longest wait for a lock, and the longest pause inside a transaction, in seconds: when the other
    /// side of a cut line holds a lock, it must let go by itself.
    private static let lockSeconds = 10
    private static let idleInTransactionSeconds = 30

    private static func limitSession(_ wire: Wire, statementSeconds: Int) throws(PostgresError) {
        let settings = """
            SET statement_timeout = \(statementSeconds * 1000);
            SET lock_timeout = \(lockSeconds * 1000);
            SET idle_in_transaction_session_timeout = \(idleInTransactionSeconds * 1000);
            """
        _ = try wire.exchange(settings) { PQsendQuery($0, settings) }
    }

    /// Whether further statements can be sent; wraps `PQstatus`.
    package var isUsable: Bool { !wire.isOutOfStep && PQstatus(wire.raw) == CONNECTION_OK }

    /// The server's process, as `pg_stat_activity` and `pg_terminate_backend` name it; wraps `PQbackendPID`.
    package var backendProcess: Int32 { PQbackendPID(wire.raw) }

    /// A parameter that the server told of itself, such as `server_encoding`; wraps `PQparameterStatus`.
    package func serverParameter(_ name: String) -> String? {
        PQparameterStatus(wire.raw, name).map { String(cString: $0) }
    }

    /// `name` as an identifier in SQL; wraps `PQescapeIdentifier`.
    package func quoted(identifier name: String) throws(PostgresError) -> String {
        guard let quoted = PQescapeIdentifier(wire.raw, name, name.utf8.count) else {
            throw PostgresError(
                message: "\(name) is no identifier", operation: "quote an identifier", recovery: .stop)
        }
        defer { PQfreemem(quoted) }
        return String(cString: quoted)
    }
}
