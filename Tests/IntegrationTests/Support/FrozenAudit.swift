import Foundation
import Operations
import PostgresClient
import Testing

/// `verify` or `reconcile`, stopped in the middle (SIGSTOP) while its transaction of PostgreSQL is open and idle.
final class FrozenAudit {
    let process: ChildProcess
    private let name: String
    private let connection: Connection

    /// - Parameter url: of the database.
    init(_ arguments: [String], on stage: Stage, url: String) throws {
        name = "holdfast \(arguments[0])"
        let connection = try Connection(url: url, applicationName: "holdfast tests")
        self.connection = connection
        let process = try stage.begin(arguments, environment: ["DATABASE_URL": url])
        self.process = process
        try eventually("\(name) reads topics beside its transaction; \(process.logTail())", seconds: 30) {
            guard process.isRunning else { throw Timeout(what: process.logTail()) }
            guard try idleSeconds() != nil else { return false }
            process.send(SIGSTOP)
            return true
        }
        // A statement that it had just sent comes to its end.
        try eventually("\(name) stands still within its transaction", seconds: 10) {
            try idleSeconds() != nil
        }
    }

    /// For how long the server has waited for its next statement; nil if the server has ended its session.
    func idleSeconds() throws -> Int64? {
        let found = try connection.query(
            """
            SELECT extract(epoch FROM clock_timestamp() - state_change)::bigint FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = $1 AND state = 'idle in transaction'
            """, [.text(name)])
        return found.rowCount > 0 ? try found.int64(0, 0) : nil
    }

    /// Lets it go on to its end.
    func goOn() throws -> (code: Int32, output: String) {
        process.send(SIGCONT)
        guard let code = process.waitForEnd(milliseconds: 60_000) else {
            throw Timeout(what: process.logTail())
        }
        return (code, process.logTail(lines: 1000))
    }
}
