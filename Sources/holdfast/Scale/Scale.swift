import Foundation
import KafkaClient
import Operations
import Sizing

/// `holdfast scale`: what more processors do on this machine, what a command and a transaction cost the broker and the
/// processors, and whether the model of `Sizing` says the same. It ends by itself.
final class Scale {
    /// What a run with small transactions has at most in each: it tells what a transaction costs.
    private static let limits = [100, 400]
    private static let idleRate = 40

    private let service: Service
    private let configuration: Configuration
    private let folder: String
    private let cores = ScaleCores()
    private let broker: Int32?
    private let isJSON: Bool
    private let name = "scale-" + String(UInt64(Date().timeIntervalSince1970), radix: 36)
    private var report: FileHandle?
    private var runs = 0
    private var figures: [ScaleFigure] = []

    init(service: Service) throws {
        self.service = service
        configuration = service.configuration
        isJSON = configuration.boolean("json")
        folder = configuration.optionalString("folder") ?? NSTemporaryDirectory() + "holdfast-\(name)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        broker = ProcessInfo.processInfo.environment["HOLDFAST_BENCH_BROKER_PID"].flatMap { Int32($0) }
        if let path = configuration.optionalString("report") {
            guard FileManager.default.createFile(atPath: path, contents: nil) else {
                throw RoleFailure(.usage, "--report: \(path) cannot be written")
            }
            report = try FileHandle(forWritingTo: URL(filePath: path))
        }
    }

    func run() throws -> ExitCode {
        let machine = BenchMachine.this(
            others: ProcessInfo.processInfo.environment["HOLDFAST_BENCH_VERSIONS"] ?? "")
        try put(try machine.line(), machine.text)
        tell(placements())
        let rounds = configuration.integer("rounds")
        // A broker that has just started is slow until its code is compiled, that of small transactions too.
        for round in (1 - configuration.integer("warm_up_rounds"))...rounds {
            for limit in Self.limits { try keep(try figure(.shared, 1, limit: limit, round: round)) }
            try keep(try figure(.shared, 1, partitions: 1, round: round))
            for processes in counts { try keep(try figure(.shared, processes, round: round)) }
            guard cores.canPin, let broker else { continue }
            try ScaleCores.bind(broker, to: cores.broker)
            try ScaleCores.bind(getpid(), to: cores.others)
            defer {
                try? ScaleCores.bind(broker, to: cores.all)
                try? ScaleCores.bind(getpid(), to: cores.all)
            }
            for processes in counts { try keep(try figure(.pinned, processes, round: round)) }
        }
        return try conclude(try idle())
    }

    /// Numbers of processes that have a partition each.
    private var counts: [Int] { [1, 2, 4].filter { $0 <= configuration.integer("partitions") } }

    private func placements() -> String {
        guard cores.canPin else { return "One core: nothing can be pinned." }
        guard let broker else {
            return "The broker is none of this run, so its share is not known, and nothing is pinned."
        }
        return "Cores \(ScaleCores.list(cores.all)). Shared: all for everyone. Pinned: the broker (process "
            + "\(broker)) has \(ScaleCores.list(cores.broker)); processors, and this program, which reads the "
            + "results, have \(ScaleCores.list(cores.others))."
    }

    // MARK: Runs

    private func make(partitions: Int) throws -> ScaleRun {
        runs += 1
        return try ScaleRun(
            service, partitions: partitions, skus: configuration.integer("skus"), prefix: "\(name)-\(runs).",
            folder: folder, broker: broker)
    }

    private func figure(
        _ placement: ScaleFigure.Placement, _ processes: Int, partitions: Int? = nil, limit: Int? = nil,
        round: Int
    ) throws -> ScaleFigure {
        let run = try make(partitions: partitions ?? configuration.integer("partitions"))
        defer { run.end() }
        let limit = limit ?? configuration.integer("transaction_max_commands")
        // Small transactions are slow, and do not need to be as many.
        let commands = configuration.integer("commands") / (limit <= 400 ? 4 : 1)
        return try run.measure(
            placement, processes: processes, limit: limit, commands: commands, round: round,
            cores: placement == .pinned ? ScaleCores.list(cores.others) : nil)
    }

    private func idle() throws -> ScaleIdle {
        let run = try make(partitions: 1)
        defer { run.end() }
        let idle = try run.idle(rate: Self.idleRate, seconds: 5)
        try put(
            try Self.line(idle),
            String(
                format:
                    "at rest: a transaction of one command takes %.2f ms, from sending to the result %.2f ms",
                idle.transaction, idle.p50))
        return idle
    }

    private func keep(_ figure: ScaleFigure) throws {
        guard figure.round > 0 else { return tell("to warm up: \(figure.text)") }
        figures.append(figure)
        try put(try Self.line(figure), figure.text)
    }

    // MARK: What follows

    private func conclude(_ idle: ScaleIdle) throws -> ExitCode {
        guard broker != nil else {
            tell("Without the broker's share there are no service times and nothing to simulate.")
            return .success
        }
        let fit = ScaleFit(
            figures, idle, cores: cores, commitInterval: Double(configuration.integer("commit_interval_ms")),
            commands: configuration.integer("commands"))
        let times = fit.times()
        if let path = configuration.optionalString("times") {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            try (encoder.encode(times) + Data("\n".utf8)).write(to: URL(filePath: path))
        }
        for line in fit.compared(times) { try put(try Self.line(line), line.text) }
        tell(fit.shares(times))
        return .success
    }

    private static func line(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value) + Data("\n".utf8)
    }

    /// A line of JSON for the report, and either it or its text for who watches.
    private func put(_ line: Data, _ text: String) throws {
        try report?.write(contentsOf: line)
        guard isJSON else { return tell(text) }
        print(String(decoding: line, as: UTF8.self), terminator: "")
        fflush(nil)
    }

    private func tell(_ text: String) {
        guard !isJSON else { return }
        print(text)
        fflush(nil)
    }
}
