import Foundation
import InventoryWire
import Operations

/// `holdfast bench`: Holdfast and its peers under the same loads, one after another, on the same broker; deploy/local
/// bench builds the peers and runs it.
final class Bench {
    private let service: Service
    private let report: BenchReport
    private let folder: String
    private let parts: [BenchPart]
    private let contestants: [BenchContestant]
    private let loads: [BenchLoad.Kind]
    private let rates: [Int]
    private var samples: [BenchLoad.Kind: BenchSample] = [:]
    /// Whose topics the copies take their records from; they stay to the end.
    private var kept: [BenchRun] = []
    private var runs = 0
    private let name = String(UInt64(Date().timeIntervalSince1970), radix: 36)

    init(service: Service) throws {
        self.service = service
        let configuration = service.configuration
        folder = configuration.optionalString("folder") ?? NSTemporaryDirectory() + "holdfast-bench-\(name)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        report = try BenchReport(path: configuration.optionalString("report") ?? "\(folder)/figures.jsonl")
        parts = try Self.chosen(configuration, "parts", BenchPart.allCases)
        contestants = try Self.chosen(configuration, "contestants", BenchContestant.allCases).filter(
            \.isThere)
        loads = try Self.chosen(configuration, "loads", BenchLoad.Kind.usual)
        rates = try (configuration.optionalString("rates") ?? "").split(separator: ",").map {
            guard let rate = Int($0), rate > 0 else {
                throw RoleFailure(.usage, "--rates: \($0) is not a number of commands a second")
            }
            return rate
        }
    }

    private static func chosen<Item: RawRepresentable<String> & CaseIterable>(
        _ configuration: Configuration, _ key: String, _ usual: [Item]
    ) throws -> [Item] {
        guard let text = configuration.optionalString(key) else { return usual }
        return try text.split(separator: ",").map { name in
            guard let item = Item(rawValue: String(name)) else {
                throw RoleFailure(
                    .usage,
                    "--\(key): there is no \(name); there are "
                        + Item.allCases.map(\.rawValue).joined(separator: ", "))
            }
            return item
        }
    }

    func run() throws -> ExitCode {
        let rounds = service.configuration.integer("rounds")
        defer { for run in kept { try? run.removeTopics() } }
        let machine = BenchMachine.this(
            others: ProcessInfo.processInfo.environment["HOLDFAST_BENCH_VERSIONS"] ?? "")
        try report.add(machine)
        print(machine.text)
        fflush(nil)
        let first = 1 - (parts.contains(.throughput) ? service.configuration.integer("warm_up_rounds") : 0)
        for round in first...rounds {
            for load in loads where parts.contains(.throughput) {
                for contestant in contestants { try throughput(contestant, load, round) }
            }
            guard round > 0 else { continue }
            for rate in rates where parts.contains(.latency) {
                for isolation in [KafkaSettings.Isolation.committed, .uncommitted] {
                    for contestant in contestants { try latency(contestant, rate, isolation, round) }
                }
            }
        }
        if parts.contains(.sink) { try sink(rounds) }
        if parts.contains(.restore) { try restore(rounds) }
        if parts.contains(.expiry) {
            for round in 1...rounds { try expiry(round) }
        }
        if parts.contains(.orders) {
            for round in 1...rounds {
                for way in BenchOrders.Way.allCases { try orders(way, round) }
            }
        }
        print("\nFigures: \(report.path)")
        return .success
    }

    private func load(_ kind: BenchLoad.Kind) -> BenchLoad {
        BenchLoad(
            kind, skus: service.configuration.integer("skus"),
            partitions: Int32(service.configuration.integer("partitions")))
    }

    private func make(_ contestant: BenchContestant, _ load: BenchLoad) throws -> BenchRun {
        runs += 1
        return try BenchRun(service, contestant, load, prefix: "bench-\(name)-\(runs).", folder: folder)
    }

    private func throughput(_ contestant: BenchContestant, _ kind: BenchLoad.Kind, _ round: Int) throws {
        if contestant == .copy, samples[kind] == nil { return }
        let count = service.configuration.integer("commands")
        let run = try make(contestant, load(kind))
        let figure = try run.throughput(count, round: round, sample: samples[kind])
        if round > 0 { try tell(figure) } else { show("to warm up: \(BenchReport.text(figure))") }
        if contestant == .holdfast, samples[kind] == nil {
            samples[kind] = try run.sample(commands: count)
            kept.append(run)
        } else {
            try run.removeTopics()
        }
    }

    private func latency(
        _ contestant: BenchContestant, _ rate: Int, _ isolation: KafkaSettings.Isolation, _ round: Int
    ) throws {
        let kind = loads.first ?? .hot
        if contestant == .copy, samples[kind] == nil { return }
        let run = try make(contestant, load(kind))
        let configuration = service.configuration
        try tell(
            try run.latency(
                rate: rate, seconds: configuration.integer("seconds"),
                warmUp: configuration.integer("warm_up"),
                isolation: isolation, round: round, sample: samples[kind]))
        try run.removeTopics()
    }

    private func sink(_ rounds: Int) throws {
        let configuration = service.configuration
        if configuration.source("database_url") == .standard {
            // Who asks for it by name is told why it cannot be.
            guard configuration.optionalString("parts") == nil else {
                throw RoleFailure(.usage, "the part sink needs PostgreSQL: --database-url or DATABASE_URL")
            }
            return print("sink: left out, for DATABASE_URL names no PostgreSQL")
        }
        try onStage { stage in
            try BenchSink(stage, name: name, folder: folder).run(rounds: rounds, tell: tell)
        }
    }

    private func restore(_ rounds: Int) throws {
        try onStage(partitions: 1) { try BenchRestore($0).run(rounds: rounds, tell: tell) }
    }

    private func expiry(_ round: Int) throws {
        try onStage { try tell(try BenchStorm($0).run(round: round)) }
    }

    private func orders(_ way: BenchOrders.Way, _ round: Int) throws {
        try onStage { try tell(try BenchOrders($0).run(way, round: round)) }
    }

    /// On topics that go afterwards.
    private func onStage(partitions: Int? = nil, _ body: (BenchStage) throws -> Void) throws {
        runs += 1
        let stage = try BenchStage(
            service, prefix: "bench-\(name)-\(runs).", partitions: partitions, folder: folder)
        defer { stage.end() }
        try body(stage)
    }

    private func tell(_ figure: BenchFigure) throws {
        try report.add(figure)
        show(BenchReport.text(figure))
    }

    private func show(_ text: String) {
        print(text)
        // A long run shows where it is, also into a file.
        fflush(nil)
    }
}
