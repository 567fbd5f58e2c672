import Foundation
import InventoryWire
import KafkaClient
import Operations

/// One run: some processors on topics of their own, with commands that all become visible at one moment, when every
/// processor has its partitions.
final class ScaleRun {
    private let service: Service
    private let load: BenchLoad
    private let stage: BenchStage
    private let prefix: String
    private let broker: Int32?
    private var roles: [BenchRole] = []

    /// - Parameter broker: its process, where it is one of this machine that can be seen.
    init(
        _ service: Service, partitions: Int, skus: Int, prefix: String, folder: String, broker: Int32?
    ) throws {
        self.service = service
        self.prefix = prefix
        self.broker = broker
        stage = try BenchStage(service, prefix: prefix, partitions: partitions, folder: folder)
        load = BenchLoad(.even, skus: skus, partitions: stage.partitions)
    }

    func end() { stage.end() }

    // MARK: As many as there are

    func measure(
        _ placement: ScaleFigure.Placement, processes: Int, limit: Int, commands: Int, round: Int,
        cores: String?
    ) throws -> ScaleFigure {
        try start(processes, limit: limit, cores: cores)
        let before = (broker: brokerSeconds, own: ownSeconds)
        let publisher = try publish(commands)
        let published = (broker: brokerSeconds, own: ownSeconds)
        let reader = BenchReader(
            settings.name(.results), settings: settings, isolation: .committed, partitions: stage.partitions)
        reader.start()
        try publisher.commit()
        let all = load.skuCount + commands
        let first = all / 5
        try wait("the first results", reader) { reader.count >= first }
        let opened = usage(reader.count)
        try wait("all results", reader) { reader.count >= all }
        let closed = usage(reader.count)
        let times = reader.stop().flatMap { $0 }.sorted()
        let counted = Double(closed.results - opened.results)
        let seconds = Double(times[all - 1] - times[first]) / 1e9
        func each(_ from: Double, _ to: Double) -> Double { (to - from) * 1e6 / counted }
        func publishing(_ seconds: Double) -> Double { seconds * 1e6 / Double(all) }
        return ScaleFigure(
            placement: placement, processes: processes, partitions: Int(stage.partitions), limit: limit,
            round: round, commands: all - first, seconds: seconds,
            perSecond: Double(all - 1 - first) / seconds,
            commandsInTransaction: counted / max(1, closed.transactions - opened.transactions),
            broker: broker.map { _ in each(opened.broker, closed.broker) },
            worker: each(opened.worker, closed.worker), client: each(opened.client, closed.client),
            reader: each(opened.own, closed.own),
            publishBroker: broker.map { _ in publishing(published.broker - before.broker) },
            publisher: publishing(published.own - before.own), memory: memory(), disk: disk(all))
    }

    /// Starts processors, and waits until each has its share of the partitions.
    private func start(_ processes: Int, limit: Int, cores: String?) throws {
        for _ in 0..<processes { roles.append(try stage.startProcessor(limit: limit, cores: cores)) }
        for role in roles { try stage.waitUntilReady(role) }
        let share = Int(stage.partitions) / processes
        func shares() -> [Int] { roles.map { $0.partitions(with: "holdfast_restore_seconds") } }
        try stage.wait(for: "an even assignment", moving: shares().reduce(0, +)) {
            let own = shares()
            return own.allSatisfy { $0 >= share } && own.reduce(0, +) == Int(stage.partitions)
        }
    }

    private func publish(_ commands: Int) throws -> DemoPublisher {
        let publisher = try DemoPublisher(
            settings: settings, events: .ignored, transactionalID: prefix + "publisher")
        for sku in 0..<load.skuCount { try publisher.publish(load.receipt(sku)) }
        for number in 0..<commands { try publisher.publish(load.command(number)) }
        try publisher.finish()
        return publisher
    }

    // MARK: One at a time

    /// What a command takes when nothing else is under way; with one partition.
    func idle(rate: Int, seconds: Int) throws -> ScaleIdle {
        let role = try stage.startProcessor()
        roles = [role]
        try stage.waitUntilReady(role)
        let feeder = BenchFeeder(load, settings: settings, partitions: stage.partitions)
        let reader = BenchReader(
            settings.name(.results), settings: settings, isolation: .committed, partitions: stage.partitions)
        reader.start()
        try feeder.publish(0..<0)
        try wait("the receipts", reader) { reader.count >= load.skuCount }
        let before = transactions(role)
        let count = rate * seconds
        let pace = BenchFeeder.Pace(rate: rate, count: count, start: MonotonicTime.now() + 200_000_000)
        feeder.begin(pace)
        try wait("all results", reader) {
            if let fault = feeder.fault { throw RoleFailure(.internalFault, "the feeder failed: \(fault)") }
            return feeder.isDone && reader.count >= load.skuCount + count
        }
        let after = transactions(role)
        let arrivals = reader.stop()[0]
        let latencies = (0..<count).map {
            (Double(arrivals[load.skuCount + $0]) - Double(pace.due($0))) / 1e6
        }
        return ScaleIdle(
            transaction: (after.seconds - before.seconds) * 1_000 / max(1, after.count - before.count),
            p50: Percentiles(latencies).value(50) ?? 0, rate: rate)
    }

    private func transactions(_ role: BenchRole) -> (count: Double, seconds: Double) {
        (role.metric("holdfast_transaction_seconds_count"), role.metric("holdfast_transaction_seconds_sum"))
    }

    // MARK: What was used

    private struct Usage {
        var results: Int
        var broker: Double
        var worker: Double
        var client: Double
        var own: Double
        var transactions: Double
    }

    private func usage(_ results: Int) -> Usage {
        var usage = Usage(
            results: results, broker: brokerSeconds, worker: 0, client: 0, own: ownSeconds, transactions: 0)
        for role in roles {
            let all = ProcessorTime.seconds(process: role.identifier) ?? 0
            let client = ProcessorTime.seconds(process: role.identifier, threadsNamed: "rdk:")
            usage.worker += all - client
            usage.client += client
            usage.transactions += role.metric("holdfast_transaction_seconds_count")
        }
        return usage
    }

    private var brokerSeconds: Double { broker.flatMap { ProcessorTime.seconds(process: $0) } ?? 0 }
    private var ownSeconds: Double { ProcessorTime.seconds(process: getpid()) ?? 0 }
    private var settings: KafkaSettings { stage.settings }

    private func memory() -> Double {
        roles.reduce(0) { sum, role in
            let text = (try? String(contentsOfFile: "/proc/\(role.identifier)/statm", encoding: .utf8)) ?? ""
            let pages = text.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0
            return sum + pages * Double(sysconf(Int32(_SC_PAGESIZE))) / 1_048_576
        }
    }

    /// Bytes of the segments of each topic, by command.
    private func disk(_ commands: Int) -> [String: Double]? {
        guard let folder = ProcessInfo.processInfo.environment["HOLDFAST_BENCH_BROKER_DATA"], !folder.isEmpty,
            let names = try? FileManager.default.contentsOfDirectory(atPath: folder)
        else { return nil }
        var bytes: [String: Double] = [:]
        for name in names where name.hasPrefix(prefix) {
            guard let dash = name.lastIndex(of: "-") else { continue }
            let topic = String(name[..<dash].dropFirst(prefix.count))
            let files = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(name)")) ?? []
            for file in files where file.hasSuffix(".log") {
                let attributes = try? FileManager.default.attributesOfItem(
                    atPath: "\(folder)/\(name)/\(file)")
                bytes[topic, default: 0] += (attributes?[.size] as? NSNumber)?.doubleValue ?? 0
            }
        }
        return bytes.filter { $0.value > 0 }.mapValues { $0 / Double(commands) }
    }

    private func wait(_ what: String, _ reader: BenchReader, _ isDone: () throws -> Bool) throws {
        try stage.wait(for: what, moving: reader.count) {
            if let fault = reader.fault { throw RoleFailure(.internalFault, "the reader failed: \(fault)") }
            return try isDone()
        }
    }
}
