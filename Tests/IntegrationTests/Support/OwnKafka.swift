import Foundation
import Testing

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

    /// Its `log.dirs`.
    var logs: String { folder + "/data" }

    /// Where it listens under that name, `HOST:PORT`.
    func address(of listener: String) throws -> String {
        let settings = try String(contentsOfFile: folder + "/server.properties", encoding: .utf8)
        let listeners = settings.split(separator: "\n").last { $0.hasPrefix("advertised.listeners=") }
        let own = listeners?.dropFirst("advertised.listeners=".count).split(separator: ",")
            .first { $0.hasPrefix(listener + "://") }
        guard let own else { throw Timeout(what: "a listener \(listener)") }
        return String(own.dropFirst(listener.count + 3))
    }

    func end() {
        _ = try? run("kill")
        _ = try? run("wipe")
        try? FileManager.default.removeItem(atPath: folder + ".log")
    }

    /// The lines of the broker's log that have both words.
    func lines(with words: String, and others: String) throws -> [Substring] {
        try String(contentsOfFile: folder + "/server.log", encoding: .utf8).split(separator: "\n")
            .filter { $0.contains(words) && $0.contains(others) }
    }

    /// When the broker first logged a line with both words, in milliseconds since 1970.
    /// - Parameter earliest: what was logged before does not count.
    func time(of words: String, and others: String, after earliest: Int64) throws -> Int64 {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        // It is the broker's local time (deploy/kafka/log4j2.xml).
        format.dateFormat = "yyyy-MM-dd'T'HH:mm:ss,SSS"
        var found: Int64?
        try eventually("the broker logs \(words)") {
            found = try lines(with: words, and: others).compactMap { line in
                format.date(from: String(line.prefix(23))).map { Int64($0.timeIntervalSince1970 * 1000) }
            }.first { $0 >= earliest }
            return found != nil
        }
        return found!
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
