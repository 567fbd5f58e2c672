import Foundation
import InventoryWire
import KafkaClient
import Operations

/// Topics of one measurement's own, and the roles that work on them.
final class BenchStage {
    /// How long a role gets to be ready, in milliseconds.
    private static let readyLimit = 600_000
    /// How long nothing may move, in milliseconds.
    private static let patience = 60_000

    let service: Service
    let settings: KafkaSettings
    let partitions: Int32
    private let prefix: String
    private let folder: String
    private var roles: [BenchRole] = []

    /// - Parameter partitions: others than the benchmark's.
    init(_ base: Service, prefix: String, partitions: Int? = nil, folder: String) throws {
        var configuration = base.configuration.with("topic_prefix", prefix)
        if let partitions { configuration = configuration.with("partitions", String(partitions)) }
        service = Service(base, configuration: configuration)
        settings = KafkaSettings(configuration)
        self.partitions = Int32(configuration.integer("partitions"))
        self.prefix = prefix
        self.folder = folder
        guard try TopicsApply(service: service, print: { _ in }).run() == .success else {
            throw RoleFailure(.internalFault, "the topics of \(prefix) cannot be made")
        }
    }

    // MARK: Roles

    /// Starts a role of Holdfast.
    /// - Parameters:
    ///   - variables: what its environment has besides ours.
    ///   - cores: those that it is bound to, as taskset(1) takes them; nil: all.
    func start(
        _ name: String, _ arguments: [String] = [], variables: [String: String] = [:], cores: String? = nil
    ) throws -> BenchRole {
        let configuration = service.configuration
        let common =
            [
                name, "--bootstrap-servers", configuration.string("bootstrap_servers"), "--topic-prefix",
                prefix, "--log-format", "json",
            ]
            + configuration.kafka.sorted { $0.key < $1.key }.flatMap { ["--kafka.\($0.key)", $0.value] }
        let role = try BenchRole(
            name, common + arguments, variables: variables, cores: cores,
            log: "\(folder)/\(prefix)\(name)-\(roles.count + 1).log")
        roles.append(role)
        return role
    }

    /// A stock processor with the benchmark's settings.
    /// - Parameter limit: commands in a transaction at most, other than the benchmark's.
    func startProcessor(limit: Int? = nil, cores: String? = nil) throws -> BenchRole {
        let configuration = service.configuration
        return try start(
            "process",
            [
                "--commit-interval-ms", String(configuration.integer("commit_interval_ms")),
                "--transaction-max-commands",
                String(limit ?? configuration.integer("transaction_max_commands")),
            ], cores: cores)
    }

    /// A coordinator of orders with the benchmark's settings.
    func startCoordinator() throws -> BenchRole {
        let configuration = service.configuration
        return try start(
            "coordinate",
            [
                "--commit-interval-ms", String(configuration.integer("commit_interval_ms")),
                "--transaction-max-commands", String(configuration.integer("transaction_max_commands")),
            ])
    }

    func waitUntilReady(_ role: BenchRole) throws {
        let deadline = Deadline(milliseconds: Self.readyLimit)
        while !role.isReady {
            try check()
            guard !deadline.isPast else {
                throw RoleFailure(
                    .temporaryFailure, "\(role.name) is not ready; its log ends:\n\(role.logTail())")
            }
            pause()
        }
    }

    func end(_ role: BenchRole) {
        role.end()
        roles.removeAll { $0 === role }
    }

    // MARK: Waiting

    /// Waits, as long as something moves.
    func wait(
        for what: String, moving progress: @autoclosure () -> Int, until isDone: () throws -> Bool
    ) throws {
        var last = progress()
        var deadline = Deadline(milliseconds: Self.patience)
        while try !isDone() {
            try check()
            let now = progress()
            if now != last {
                last = now
                deadline = Deadline(milliseconds: Self.patience)
            }
            guard !deadline.isPast else {
                throw RoleFailure(
                    .temporaryFailure,
                    "\(what): nothing came for \(Self.patience / 1000) s (after \(last))")
            }
            pause()
        }
    }

    /// Waits for a role that ends by itself.
    /// - Returns: how many seconds it took.
    func waitForEnd(of role: BenchRole, within seconds: Int) throws -> Double {
        let deadline = Deadline(milliseconds: seconds * 1000)
        while role.exitCode == nil {
            if service.shutdown.isRequested { throw RoleFailure(.interrupted, "interrupted") }
            guard !deadline.isPast else {
                throw RoleFailure(
                    .temporaryFailure, "\(role.name) does not end; its log ends:\n\(role.logTail())")
            }
            pause()
        }
        let took = MonotonicTime.seconds(since: role.began)
        if role.exitCode != 0 { try role.check() }
        return took
    }

    /// Lets time pass until the monotonic clock is there.
    func wait(until moment: UInt64) throws {
        while MonotonicTime.now() < moment {
            try check()
            pause()
        }
    }

    private func pause() { _ = service.shutdown.wait(timeoutMilliseconds: 10) }

    private func check() throws {
        if service.shutdown.isRequested { throw RoleFailure(.interrupted, "interrupted") }
        for role in roles { try role.check() }
    }

    // MARK: The load

    /// Lets a processor decide a load that is there before it is, and ends it.
    func decide(_ load: BenchLoad, commands: Int) throws {
        try BenchFeeder(load, settings: settings, partitions: partitions).publish(0..<commands)
        let reader = BenchReader(
            settings.name(.results), settings: settings, isolation: .committed, partitions: partitions)
        reader.start()
        defer { _ = reader.stop() }
        let processor = try startProcessor()
        defer { end(processor) }
        let all = load.skuCount + commands
        try wait(for: "results of \(all) commands", moving: reader.count) {
            if let fault = reader.fault { throw RoleFailure(.internalFault, "the reader failed: \(fault)") }
            return reader.count >= all
        }
    }

    // MARK: The end

    /// Ends all roles, and removes the topics.
    func end() {
        for role in roles { role.end() }
        roles = []
        try? Self.removeTopics(settings)
    }

    /// Removes all topics of a prefix.
    static func removeTopics(_ settings: KafkaSettings) throws {
        let admin = try Admin(configuration: settings.common())
        let names = try admin.listTopics(timeoutMilliseconds: 20_000).map(\.name).filter {
            $0.hasPrefix(settings.prefix)
        }
        _ = try admin.deleteTopics(names, timeoutMilliseconds: 20_000)
    }
}

/// A role of Holdfast at work, in a process of its own.
final class BenchRole {
    let name: String
    /// When its process was started, on the monotonic clock.
    let began: UInt64
    private let process: ChildProcess
    private let port: Int

    init(
        _ name: String, _ arguments: [String], variables: [String: String], cores: String?, log: String
    ) throws {
        self.name = name
        port = try freeLoopbackPort()
        let environment = ProcessInfo.processInfo.environment.merging(variables) { $1 }
        began = MonotonicTime.now()
        // taskset becomes the program: its id is the program's.
        let words = (cores.map { ["/usr/bin/taskset", "-c", $0] } ?? []) + [ShareDirectory.executable]
        process = try ChildProcess(
            name: name, executable: words[0],
            arguments: words.dropFirst() + arguments + ["--http-port", String(port)],
            environment: environment, logPath: log)
    }

    var identifier: Int32 { process.identifier }
    /// How it ended; nil while it runs.
    var exitCode: Int32? { process.exitCode }

    var isReady: Bool { HTTPProbe.status(port: port, path: "/readyz") == 200 }

    func check() throws {
        guard let code = process.exitCode else { return }
        throw RoleFailure(.internalFault, "\(name) ended with \(code); its log ends:\n\(logTail())")
    }

    func logTail() -> String { process.logTail() }

    /// The sum of a metric over its labels; 0 while nobody answers.
    func metric(_ name: String) -> Double {
        HTTPProbe.metric(name, port: port) ?? 0
    }

    /// Of how many partitions it says something by this metric.
    func partitions(with name: String) -> Int {
        guard let answer = HTTPProbe.get(port: port, path: "/metrics") else { return 0 }
        return answer.split(separator: "\n").count { $0.hasPrefix(name + "{") }
    }

    /// The fields of the newest line of its log with that message.
    func told(_ message: String) -> [String: Any]? {
        process.logTail(lines: 400).split(separator: "\n").reversed().lazy.compactMap {
            (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any]
        }.first { $0["message"] as? String == message }
    }

    func end() { process.stop(milliseconds: 15_000) }
}
