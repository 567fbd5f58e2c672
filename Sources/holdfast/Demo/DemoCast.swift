import Foundation
import Operations

/// The processes of a demo or of a fault, each our own executable.
final class DemoCast {
    /// How long a process gets to become ready, and to end when it is asked to, in milliseconds.
    private static let readyLimit = 60_000
    private static let endLimit = 5_000
    /// Commands that only read.
    private static let audits = ["verify", "replay"]
    /// More restarts by a supervisor than this are a process that cannot run.
    private static let restartLimit = 20

    struct Part {
        let name: String
        /// What it was started with, without the settings that all have.
        let words: [String]
        let arguments: [String]
        /// Where it says whether it is ready.
        let port: Int
        let surroundings: Surroundings
        var process: ChildProcess
    }

    /// What is other for one process than for the rest.
    struct Surroundings {
        /// Variables that go over all others.
        var environment: [String: String] = [:]
        /// The words before the executable, such as `nsenter` and its flags.
        var launcher: [String] = []
        /// The address at which it can be asked how it is.
        var address = "127.0.0.1"
    }

    /// How a process ended, and after how many milliseconds.
    typealias End = (name: String, code: Int32, milliseconds: Int)

    private let service: Service
    let logDirectory: String
    private(set) var parts: [Part] = []
    private(set) var kills = 0
    /// How often a process that had ended by itself was started again.
    private(set) var restarts = 0

    /// - Parameter logDirectory: where the logs go; nil for a folder among the temporary files.
    init(service: Service, logDirectory folder: String? = nil) throws {
        self.service = service
        // A process's id alone would name the folder of an earlier demo in another container.
        let time = String(UInt64(Date().timeIntervalSince1970), radix: 36)
        logDirectory =
            folder ?? NSTemporaryDirectory()
            + "holdfast-demo-\(time)-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(atPath: logDirectory, withIntermediateDirectories: true)
    }

    /// Starts a process with the demo's own settings and `arguments`.
    func start(
        _ name: String, _ arguments: [String], in surroundings: Surroundings = Surroundings()
    ) throws {
        let port = try freeLoopbackPort()
        let all =
            arguments + common(arguments[0]) + [
                "--http-address", surroundings.address, "--http-port", String(port), "--log-format", "json",
            ]
        let process = try spawn(name, all, surroundings)
        parts.append(
            Part(
                name: name, words: arguments, arguments: all, port: port, surroundings: surroundings,
                process: process))
    }

    /// Starts a command that ends by itself, with the settings of the rest; its words go to its log.
    func run(_ arguments: [String]) throws -> ChildProcess {
        try spawn(arguments[0], arguments + common(arguments[0]) + ["--log-format", "text"], Surroundings())
    }

    private func spawn(
        _ name: String, _ arguments: [String], _ surroundings: Surroundings
    ) throws -> ChildProcess {
        // All is said by flags, so that the environment cannot mean one thing here and another there.
        let environment = ProcessInfo.processInfo.environment.filter {
            !$0.key.hasPrefix("HOLDFAST_") && $0.key != "KAFKA_BOOTSTRAP" && $0.key != "DATABASE_URL"
        }
        let words = surroundings.launcher + [ShareDirectory.executable] + arguments
        return try ChildProcess(
            name: name, executable: words[0], arguments: Array(words.dropFirst()),
            environment: environment.merging(secrets) { $1 }.merging(surroundings.environment) { $1 },
            logPath: "\(logDirectory)/\(name).log")
    }

    /// The database's URL may hold a password, which does not belong on a command line.
    private var secrets: [String: String] { ["DATABASE_URL": service.configuration.string("database_url")] }

    /// The demo's settings as flags for a role.
    private func common(_ role: String) -> [String] {
        let configuration = service.configuration
        var names = ["bootstrap_servers", "topic_prefix", "group_id", "log_level"]
        if !Self.audits.contains(role) { names.append("watchdog_timeout_ms") }
        if !Self.audits.contains(role), role != "relay" { names.append("session_timeout_ms") }
        switch role {
        case _ where Self.audits.contains(role): break
        case "relay": names += ["transactional_id_prefix", "commit_interval_ms", "transaction_timeout_ms"]
        case "process", "coordinate":
            names += [
                "transactional_id_prefix", "commit_interval_ms", "transaction_max_commands",
                "transaction_timeout_ms", "restore_timeout_ms",
            ]
        case "delay": names += ["restore_timeout_ms"]
        default: names += ["database_role", "sink_batch_rows", "sink_interval_ms"]
        }
        var flags: [String] = []
        for name in names {
            flags += ["--" + name.replacingOccurrences(of: "_", with: "-"), configuration.string(name)]
        }
        for (name, value) in configuration.kafka.sorted(by: { $0.key < $1.key }) {
            flags += ["--kafka.\(name)", value]
        }
        return flags
    }

    /// Waits until every process says that it is ready.
    func awaitReady() throws {
        for part in parts {
            let deadline = Deadline(milliseconds: Self.readyLimit)
            while !isReady(part) {
                try check(part)
                if service.shutdown.isRequested { throw RoleFailure(.interrupted, "interrupted") }
                guard !deadline.isPast else {
                    throw RoleFailure(
                        .temporaryFailure,
                        "\(part.name) is not ready after \(Self.readyLimit / 1000) s; its log "
                            + "(\(part.process.logPath)) ends:\n\(part.process.logTail())")
                }
                _ = service.shutdown.wait(timeoutMilliseconds: 50)
            }
        }
    }

    /// Whether the process says that it is ready.
    func isReady(_ name: String) -> Bool { parts.first { $0.name == name }.map(isReady) ?? false }

    private func isReady(_ part: Part) -> Bool {
        HTTPProbe.status(port: part.port, path: "/readyz", address: part.surroundings.address) == 200
    }

    /// The sum of a process's metric over its labels; nil while it does not answer.
    func metric(_ metric: String, of name: String) -> Int? {
        parts.first { $0.name == name }.flatMap {
            HTTPProbe.metric(metric, port: $0.port, address: $0.surroundings.address)
        }.map { Int($0) }
    }

    /// A process that ended by itself is a failure of the demo.
    func check() throws { for part in parts { try check(part) } }

    /// What a supervisor does: starts again what ended by itself because of a fault inside or of a server that was away.
    /// - Throws: `RoleFailure` if a process ended otherwise, or if it had to be done too often.
    func supervise() throws {
        for index in parts.indices {
            guard let code = parts[index].process.exitCode else { continue }
            guard [ExitCode.internalFault, .temporaryFailure].contains(where: { $0.rawValue == code }),
                restarts < Self.restartLimit
            else { return try check(parts[index]) }
            restarts += 1
            let part = parts[index]
            parts[index].process = try spawn(part.name, part.arguments, part.surroundings)
        }
    }

    private func check(_ part: Part) throws {
        guard let code = part.process.exitCode else { return }
        throw RoleFailure(
            .internalFault,
            "\(part.name) ended with \(code); its log (\(part.process.logPath)) ends:\n\(part.process.logTail())"
        )
    }

    /// The last lines of a process's log.
    func logTail(_ name: String, lines: Int) -> String {
        parts.first { $0.name == name }?.process.logTail(lines: lines) ?? ""
    }

    func send(_ signal: Int32, to name: String) {
        parts.first { $0.name == name }?.process.send(signal)
    }

    /// SIGKILL to a process in the middle of its work, and a new one in its place.
    func killAndRestart(_ name: String) throws {
        guard let index = parts.firstIndex(where: { $0.name == name }) else { return }
        kill(at: index)
        let part = parts[index]
        parts[index].process = try spawn(name, part.arguments, part.surroundings)
    }

    /// SIGKILL to a process, and none in its place.
    func kill(_ name: String) {
        guard let index = parts.firstIndex(where: { $0.name == name }) else { return }
        kill(at: index)
        parts.remove(at: index)
    }

    private func kill(at index: Int) {
        parts[index].process.send(SIGKILL)
        _ = parts[index].process.waitForEnd(milliseconds: Self.endLimit)
        kills += 1
    }

    /// SIGKILL to several at once, and new ones in their place.
    func killAndRestart(all names: [String]) throws {
        for part in parts where names.contains(part.name) { part.process.send(SIGKILL) }
        for name in names { try killAndRestart(name) }
    }

    /// Asks one to end.
    /// - Returns: nil if there is none of that name.
    @discardableResult
    func stop(_ name: String) -> End? {
        guard let index = parts.firstIndex(where: { $0.name == name }) else { return nil }
        return stop(parts.remove(at: index))
    }

    /// Asks all to end.
    func stopAll() -> [End] {
        let ends = parts.map(stop)
        parts = []
        return ends
    }

    private func stop(_ part: Part) -> End {
        let start = MonotonicTime.now()
        let code = part.process.stop(milliseconds: Self.endLimit)
        return (part.name, code, Int(MonotonicTime.seconds(since: start) * 1000))
    }
}
