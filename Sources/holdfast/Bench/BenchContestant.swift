import Foundation
import InventoryWire
import KafkaClient
import Operations

/// Who does the job: a process that reads `stock.commands` and writes `stock.results`.
enum BenchContestant: String, CaseIterable {
    case holdfast
    /// deploy/bench/copy: as many and as large records, and nothing decided.
    case copy
    /// deploy/bench/streams: the same job in Kafka Streams.
    case streams

    /// What a run of it is told.
    struct Run {
        let bootstrap: String
        let prefix: String
        let partitions: Int32
        let commitInterval: Int
        let commandLimit: Int
        /// What Holdfast wrote under this load; nil before it has run.
        let sample: BenchSample?
        /// What Holdfast's process takes besides.
        let extra: [String]
    }

    /// The executable and its arguments.
    /// - Parameter port: where Holdfast says whether it is ready.
    /// - Throws: `RoleFailure` for one that cannot run here.
    func words(_ run: Run, port: Int) throws -> [String] {
        switch self {
        case .holdfast:
            return [
                ShareDirectory.executable, "process", "--bootstrap-servers", run.bootstrap, "--topic-prefix",
                run.prefix, "--commit-interval-ms", String(run.commitInterval),
                "--transaction-max-commands", String(run.commandLimit), "--http-port", String(port),
                "--log-format", "json",
            ] + run.extra
        case .copy:
            guard let sample = run.sample else {
                throw RoleFailure(.usage, "the copy copies what holdfast wrote: let holdfast run first")
            }
            return try Self.program("HOLDFAST_BENCH_COPY") + [
                "--bootstrap", run.bootstrap, "--input", run.prefix + Topic.commands.rawValue, "--group",
                run.prefix + "copy", "--transactional-id", run.prefix + "copy", "--partitions",
                String(run.partitions), "--commit-interval-ms", String(run.commitInterval), "--max-records",
                String(run.commandLimit),
            ]
                + sample.records.flatMap { topic, records in
                    [
                        "--output",
                        "\(run.prefix)\(topic.rawValue)=\(sample.prefix)\(topic.rawValue)=\(records)",
                    ]
                }
        case .streams:
            return try Self.program("HOLDFAST_BENCH_STREAMS") + [
                "--bootstrap", run.bootstrap, "--prefix", run.prefix, "--application-id",
                run.prefix + "streams",
                "--threads", String(run.partitions),
            ]
        }
    }

    /// Whether it can be started: who is not named in the environment is left out.
    var isThere: Bool { (try? Self.program(variable)) != nil || self == .holdfast }

    private var variable: String {
        switch self {
        case .holdfast: ""
        case .copy: "HOLDFAST_BENCH_COPY"
        case .streams: "HOLDFAST_BENCH_STREAMS"
        }
    }

    /// A program and its first words, from the environment.
    private static func program(_ variable: String) throws -> [String] {
        guard let text = ProcessInfo.processInfo.environment[variable], !text.isEmpty else {
            throw RoleFailure(.usage, "\(variable) does not name a program; deploy/local bench builds it")
        }
        return ["/usr/bin/env"] + text.split(separator: " ").map(String.init)
    }
}

/// What Holdfast wrote for a load: records of each topic for one command, and where to find some.
struct BenchSample {
    let prefix: String
    let records: [(topic: Topic, perCommand: Double)]
}
