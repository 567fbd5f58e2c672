import Foundation
import Operations
import PostgresClient
import Testing

/// A PgBouncer of a test's own, before a database.
final class OwnPgBouncer {
    static let program = "/usr/sbin/pgbouncer"
    static let reason = "\(program) is missing"
    static let isThere = FileManager.default.isExecutableFile(atPath: program)

    /// Where the database is reached through it.
    let url: String
    private let process: ChildProcess
    private let folder = RealServers.root + "/.local/test-pgbouncer-\(UInt32.random(in: 0...UInt32.max))"

    /// - Parameters:
    ///   - mode: its `pool_mode`.
    ///   - database: the URL of the database.
    /// - Throws: `Timeout` when it does not start.
    init(mode: String, before database: String) throws {
        let parameters = try ConnectionParameters(database)
        let port = try freeLoopbackPort()
        let name = try #require(parameters["dbname"])
        let target = ["host", "port", "dbname", "user", "password"].compactMap { key in
            parameters[key].map { "\(key)=\($0)" }
        }
        url = "postgresql://anyone@127.0.0.1:\(port)/\(name)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try """
        [databases]
        \(name) = \(target.joined(separator: " "))
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = \(port)
        unix_socket_dir =
        auth_type = any
        pool_mode = \(mode)
        default_pool_size = 8
        max_prepared_statements = 200
        """.write(toFile: folder + "/pgbouncer.ini", atomically: true, encoding: .utf8)
        // It refuses to run as root.
        let words =
            geteuid() == 0
            ? ["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", Self.program]
            : [Self.program]
        process = try ChildProcess(
            name: "pgbouncer", executable: words[0],
            arguments: words.dropFirst() + [folder + "/pgbouncer.ini"], environment: [:],
            logPath: folder + "/log")
        do {
            try eventually("PgBouncer listens; \(process.logTail())", seconds: 20) {
                process.logTail().contains("process up")
            }
        } catch {
            process.stop(milliseconds: 1_000)
            try? FileManager.default.removeItem(atPath: folder)
            throw error
        }
    }

    /// What psql prints of a query, through it.
    func psql(_ query: String) throws -> String {
        let psql = try ChildProcess(
            name: "psql", executable: "/usr/bin/psql", arguments: ["-X", "-At", "-d", url, "-c", query],
            environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? ""],
            logPath: folder + "/psql-\(UInt32.random(in: 0...UInt32.max)).log")
        guard psql.waitForEnd(milliseconds: 20_000) == 0 else { throw Timeout(what: psql.logTail()) }
        return psql.logTail()
    }

    func end() {
        process.stop(milliseconds: 5_000)
        try? FileManager.default.removeItem(atPath: folder)
    }
}
