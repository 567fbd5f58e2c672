import Foundation
import PostgresClient

/// A PostgreSQL of a test's own, that it may kill.
final class OwnPostgres {
    private let folder = RealServers.root + "/.local/test-postgres-\(UInt32.random(in: 0...UInt32.max))"
    private(set) var url = ""
    /// Of a standby, that of its primary.
    private let port: Int
    private let environment: [String: String]

    /// - Parameter environment: for the script, such as HOLDFAST_POSTGRES_SECURED.
    /// - Throws: `Timeout` when it does not start.
    init(port: Int, environment: [String: String] = [:]) throws {
        self.port = port
        self.environment = environment
        url = try run("start")
    }

    /// A standby of another, which must outlive it.
    init(following primary: OwnPostgres) throws {
        environment = [:]
        port = try ConnectionParameters(primary.url)["port"].flatMap { Int($0) } ?? 5432
        url = try run("standby")
    }

    /// The same address as before.
    func start() throws { url = try run("start") }
    /// SIGKILL to all of it.
    func kill() throws { _ = try run("kill") }
    func end() {
        _ = try? run("kill")
        _ = try? run("wipe")
        try? FileManager.default.removeItem(atPath: folder + ".log")
    }

    /// Through `system(3)`: Foundation's Process waits for the server, too, which outlives the script.
    private func run(_ what: String) throws -> String {
        let script = RealServers.root + "/deploy/lib/postgres-server.sh"
        let variables = environment.map { "\($0.key)='\($0.value)'" }.joined(separator: " ")
        let code = system(
            "\(variables) timeout 60 bash '\(script)' \(what) '\(folder)' \(port) >'\(folder).log' 2>&1")
        let output = try String(contentsOfFile: folder + ".log", encoding: .utf8)
        guard code == 0 else { throw Timeout(what: "postgres-server.sh \(what): \(output)") }
        return output.split(separator: "\n").last.map(String.init) ?? ""
    }
}
