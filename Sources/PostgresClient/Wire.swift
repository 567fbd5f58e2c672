import CLibpq

/// The talk with one server process: sends, waits with a limit, takes results.
final class Wire {
    private let handle: ConnectionHandle
    private let giveUp: @Sendable () -> Bool
    private let statementMilliseconds: Int
    /// Whether the talk broke off in the middle, so that what would come next is no answer to what is asked.
    private(set) var isOutOfStep = false

    init(
        _ handle: consuming ConnectionHandle, statementMilliseconds: Int,
        giveUp: @escaping @Sendable () -> Bool
    ) {
        self.handle = handle
        self.statementMilliseconds = statementMilliseconds
        self.giveUp = giveUp
    }

    var raw: OpaquePointer { handle.raw }

    /// How much longer this side waits than the server lets a statement run, in milliseconds.
    private static let grace = 2000

    /// Until when a statement that starts now must be answered.
    func deadline() -> Deadline { Deadline(milliseconds: statementMilliseconds + Self.grace, giveUp: giveUp) }

    /// Sends what `send` sends, and takes all results.
    func exchange(
        _ sql: String, _ send: (OpaquePointer) -> Int32
    ) throws(PostgresError) -> QueryResult {
        guard !isOutOfStep else {
            throw PostgresError(
                message: "the connection broke off before", operation: PostgresError.operation(of: sql),
                recovery: .retry)
        }
        guard send(raw) == 1 else { throw lost(sql) }
        let deadline = self.deadline()
        try flush(sql, deadline)
        return try results(sql, deadline)
    }

    /// Takes results to the end; the first error counts, else the last result.
    func results(_ sql: String, _ deadline: Deadline) throws(PostgresError) -> QueryResult {
        var last: QueryResult?
        var failure: PostgresError?
        while let result = try next(sql, deadline, after: failure) {
            switch PQresultStatus(result) {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: last = QueryResult(raw: result)
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                PQclear(result)
                isOutOfStep = true
                throw PostgresError(
                    message: "COPY goes through copyIn only", operation: PostgresError.operation(of: sql),
                    recovery: .stop)
            default:
                failure = failure ?? error(of: result, sql)
                PQclear(result)
            }
        }
        if let failure { throw failure }
        guard let last else { throw lost(sql) }
        return last
    }

    /// The next result. Where the connection goes away, what the server said before is the cause.
    private func next(
        _ sql: String, _ deadline: Deadline, after failure: PostgresError?
    ) throws(PostgresError) -> OpaquePointer? {
        do throws(PostgresError) {
            return try nextResult(sql, deadline)
        } catch {
            throw failure ?? error
        }
    }

    /// Waits for the next result; nil at the end of a statement's results. Wraps `PQisBusy`,
    /// `PQconsumeInput` and `PQgetResult`.
    func nextResult(_ sql: String, _ deadline: Deadline) throws(PostgresError) -> OpaquePointer? {
        while PQisBusy(raw) == 1 {
            guard deadline.wait(for: PQsocket(raw), reading: true, writing: false) else { throw silent(sql) }
            guard PQconsumeInput(raw) == 1 else {
                // What the server said before it hung up stands in the next result.
                if PQisBusy(raw) == 1 { throw lost(sql) }
                break
            }
        }
        return PQgetResult(raw)
    }

    /// Waits until all that is queued has been sent; wraps `PQflush`.
    func flush(_ sql: String, _ deadline: Deadline) throws(PostgresError) {
        while true {
            switch PQflush(raw) {
            case 0: return
            case 1:
                // Reading as well: a server that is itself waiting to be read would never take more.
                guard deadline.wait(for: PQsocket(raw), reading: true, writing: true) else {
                    throw silent(sql)
                }
                guard PQconsumeInput(raw) == 1 else { throw lost(sql) }
            default: throw lost(sql)
            }
        }
    }

    /// Sends a piece of a COPY; wraps `PQputCopyData`.
    func put(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ sql: String) throws(PostgresError) {
        let deadline = self.deadline()
        while true {
            let sent = bytes.withMemoryRebound(to: CChar.self, capacity: count) {
                PQputCopyData(raw, $0, Int32(count))
            }
            guard sent >= 0 else { throw lost(sql) }
            try flush(sql, deadline)
            if sent == 1 { return }
        }
    }

    /// The error for a connection that went away; wraps `PQerrorMessage`.
    func lost(_ sql: String) -> PostgresError {
        isOutOfStep = true
        let message = Connecting.tidy(String(cString: PQerrorMessage(raw)), without: nil)
        return PostgresError(
            message: message.isEmpty ? "the connection is gone" : message,
            operation: PostgresError.operation(of: sql), recovery: .retry)
    }

    /// The error for a server that does not answer.
    private func silent(_ sql: String) -> PostgresError {
        isOutOfStep = true
        return PostgresError(
            message: "the server did not answer in time", operation: PostgresError.operation(of: sql),
            recovery: .retry)
    }

    /// The error that a result holds.
    func error(of result: OpaquePointer, _ sql: String) -> PostgresError {
        let severity = errorField(result, .severity)
        if severity == "FATAL" || severity == "PANIC" { isOutOfStep = true }
        let sqlState = errorField(result, .sqlState)
        // Without SQLSTATE the error is libpq's own, and then the connection is gone.
        if sqlState == nil { isOutOfStep = true }
        let details = [errorField(result, .detail), errorField(result, .hint)].compactMap { $0 }
        return PostgresError(
            sqlState: sqlState,
            message: errorField(result, .message)
                ?? Connecting.tidy(String(cString: PQresultErrorMessage(result)), without: nil),
            detail: details.isEmpty ? nil : details.joined(separator: "; "),
            operation: PostgresError.operation(of: sql),
            recovery: sqlState.map(Recovery.of(sqlState:)) ?? .retry)
    }
}

/// The two ends of a COPY.
extension Wire {
    func beginCopy(_ sql: String) throws(PostgresError) {
        let deadline = self.deadline()
        guard PQsendQuery(raw, sql) == 1 else { throw lost(sql) }
        try flush(sql, deadline)
        guard let result = try nextResult(sql, deadline) else { throw lost(sql) }
        defer { PQclear(result) }
        guard PQresultStatus(result) != PGRES_COPY_IN else { return }
        let failure = error(of: result, sql)
        while let more = try nextResult(sql, deadline) { PQclear(more) }
        throw failure
    }

    /// Ends a COPY; with a `complaint`, the server drops its rows, and its error is not thrown, because the
    /// caller has the cause. Returns how many rows the server took.
    @discardableResult
    func endCopy(_ sql: String, complaint: String?) throws(PostgresError) -> Int {
        let deadline = self.deadline()
        guard PQputCopyEnd(raw, complaint) == 1 else { throw lost(sql) }
        try flush(sql, deadline)
        guard complaint != nil else { return try results(sql, deadline).affectedRows }
        while let result = try nextResult(sql, deadline) { PQclear(result) }
        return 0
    }
}
