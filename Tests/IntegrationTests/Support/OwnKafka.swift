import Foundation

/// A broker of a test's own, that it may kill or stop. Its address stays the same.
final class OwnKafka {
    private let folder = RealServers.root + "/.local/test-kafka-\(UInt32.random(in: 0...UInt32.max))"
    private let environment: [String: String]
    private(set) var bootstrap = ""

    /// - Parameter environment: for the script, such as HOLDFAST_KAFKA_SECURED.
    /// - Throws: `Timeout` when it does not start.
    init(environment: [String: String] = [:]) throws {
        self.environment = environment
        bootstrap = try run("start")
    }

    func start() throws { _ = try run("start") }
    /// In order (SIGTERM).
    func stop() throws { _ = try run("stop") }
    /// It keeps its connections and answers nothing (SIGSTOP).
    func hang() throws { try send(SIGSTOP) }
    func goOn() throws { try send(SIGCONT) }

    func end() {
        _ = try? run("kill")
        _ = try? run("wipe")
        try? FileManager.default.removeItem(atPath: folder + ".log")
    }

    private func send(_ signal: Int32) throws {
        let text = try String(contentsOfFile: folder + "/pid", encoding: .utf8)
        guard let pid = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)), pid > 1 else {
            throw Timeout(what: "the broker's process id")
        }
        Foundation.kill(pid, signal)
    }

    /// Through `system(3)`: Foundation's Process waits for the server, too, which outlives the script.
    private func run(_ what: String) throws -> String {
        let script = RealServers.root + "/deploy/lib/kafka-server.sh"
        let variables = environment.map { "\($0.key)='\($0.value)'" }.joined(separator: " ")
        let code = system(
            "\(variables) timeout 90 bash '\(script)' \(what) '\(folder)' 0 >'\(folder).log' 2>&1")
        let output = try String(contentsOfFile: folder + ".log", encoding: .utf8)
        guard code == 0 else { throw Timeout(what: "kafka-server.sh \(what): \(output)") }
        return output.split(separator: "\n").last.map(String.init) ?? ""
    }
}
