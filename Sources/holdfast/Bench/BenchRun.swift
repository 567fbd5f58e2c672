import Foundation
import InventoryWire
import KafkaClient
import Operations

/// One contestant under one load, on topics of its own.
final class BenchRun {
    /// How long a contestant gets to be ready, and a run to end, in milliseconds.
    private static let readyLimit = 60_000
    private static let runLimit = 300_000
    /// The share of the commands that is done before the time counts: code is compiled, queues are filled.
    static let warmUpShare = 0.2

    let contestant: BenchContestant
    let prefix: String
    private let service: Service
    private let settings: KafkaSettings
    private let load: BenchLoad
    private let partitions: Int32
    private let log: String
    private var process: ChildProcess?

    init(
        _ base: Service, _ contestant: BenchContestant, _ load: BenchLoad, prefix: String, folder: String
    ) throws {
        service = Service(base, configuration: base.configuration.with("topic_prefix", prefix))
        self.contestant = contestant
        self.load = load
        self.prefix = prefix
        partitions = Int32(service.configuration.integer("partitions"))
        settings = KafkaSettings(service.configuration)
        log = "\(folder)/\(prefix)\(contestant.rawValue).log"
        guard try TopicsApply(service: service, print: { _ in }).run() == .success else {
            throw RoleFailure(.internalFault, "the topics of \(prefix) cannot be made")
        }
    }

    // MARK: Throughput

    /// The commands are there before the contestant is.
    func throughput(_ count: Int, round: Int, sample: BenchSample?) throws -> BenchFigure {
        let feeder = BenchFeeder(load, settings: settings, partitions: partitions)
        try feeder.publish(0..<count)
        let reader = BenchReader(
            settings.name(.results), settings: settings, isolation: .committed, partitions: partitions)
        reader.start()
        defer { end() }
        try start(sample)
        let all = load.skuCount + count
        try wait("all results", reader) { reader.count >= all }
        let cpu = cpuSeconds()
        let times = reader.stop().flatMap { $0 }.sorted()
        let first = load.skuCount + Int(Double(count) * Self.warmUpShare)
        let seconds = Double(times[all - 1] - times[first]) / 1e9
        return BenchFigure(
            kind: .throughput, contestant: contestant.rawValue, load: load.kind.rawValue, round: round,
            commands: all - first, seconds: seconds, perSecond: Double(all - 1 - first) / seconds,
            partitions: Int(partitions), cpuMicroseconds: cpu.map { $0 * 1e6 / Double(all) })
    }

    // MARK: Latency

    /// Commands come at a fixed rate; the time counts from when each should have been sent to when its result is read.
    func latency(
        rate: Int, seconds: Int, warmUp: Int, isolation: KafkaSettings.Isolation, round: Int,
        sample: BenchSample?
    ) throws -> BenchFigure {
        let feeder = BenchFeeder(load, settings: settings, partitions: partitions)
        try feeder.publish(0..<0)
        let reader = BenchReader(
            settings.name(.results), settings: settings, isolation: isolation, partitions: partitions)
        reader.start()
        defer { end() }
        try start(sample)
        try wait("the receipts", reader) { reader.count >= load.skuCount }
        let count = rate * (warmUp + seconds)
        let pace = BenchFeeder.Pace(rate: rate, count: count, start: MonotonicTime.now() + 200_000_000)
        feeder.begin(pace)
        try wait("all results", reader) {
            if let fault = feeder.fault { throw RoleFailure(.internalFault, "the feeder failed: \(fault)") }
            return feeder.isDone && reader.count >= load.skuCount + count
        }
        let arrivals = reader.stop()
        let figure = Percentiles(
            milliseconds(arrivals, feeder, pace, from: pace.due(rate * warmUp)))
        return BenchFigure(
            kind: .latency, contestant: contestant.rawValue, load: load.kind.rawValue, round: round,
            commands: figure.count, seconds: Double(seconds),
            perSecond: Double(figure.count) / Double(seconds),
            rate: rate, isolation: isolation.rawValue, partitions: Int(partitions), p50: figure.value(50),
            p90: figure.value(90), p99: figure.value(99), p999: figure.value(99.9), most: figure.largest,
            sentLate: Double(feeder.lateness) / 1e6)
    }

    private func milliseconds(
        _ arrivals: [[UInt64]], _ feeder: BenchFeeder, _ pace: BenchFeeder.Pace, from: UInt64
    ) -> [Double] {
        let receipts = feeder.receiptCounts()
        var found: [Double] = []
        for (partition, due) in feeder.dueTimes(pace).enumerated() {
            for (place, time) in due.enumerated() where time >= from {
                // The client may have taken a record a moment before it was due.
                let arrival = arrivals[partition][receipts[partition] + place]
                found.append((Double(arrival) - Double(time)) / 1e6)
            }
        }
        return found
    }

    // MARK: What was written

    /// How many records of each topic Holdfast has written for a command of the load.
    func sample(commands: Int) throws -> BenchSample {
        let outputs: [InventoryWire.Topic] = [.results, .ledger, .levels, .reservations]
        let scan = TopicScan(settings: settings, events: .ignored)
        var records: [(topic: InventoryWire.Topic, perCommand: Double)] = []
        for topic in outputs {
            var count = 0
            try scan.read(topic, from: scan.extents(of: topic).mapValues(\.lowerBound)) { _ in count += 1 }
            // Stock takes no reservation.
            let own = topic == .reservations ? count : count - load.skuCount
            let share = Double(max(own, 0)) / Double(commands)
            if share > 0 { records.append((topic, share)) }
        }
        return BenchSample(prefix: prefix, records: records)
    }

    /// The topics are not needed any more.
    func removeTopics() throws { try BenchStage.removeTopics(settings) }

    // MARK: The process

    private func start(_ sample: BenchSample?) throws {
        let configuration = service.configuration
        let port = try freeLoopbackPort()
        let words = try contestant.words(
            BenchContestant.Run(
                bootstrap: configuration.string("bootstrap_servers"), prefix: prefix, partitions: partitions,
                commitInterval: configuration.integer("commit_interval_ms"),
                commandLimit: configuration.integer("transaction_max_commands"), sample: sample,
                extra: configuration.kafka.sorted { $0.key < $1.key }.flatMap {
                    ["--kafka.\($0.key)", $0.value]
                }),
            port: port)
        let process = try ChildProcess(
            name: contestant.rawValue, executable: words[0], arguments: Array(words.dropFirst()), logPath: log
        )
        self.process = process
        let deadline = Deadline(milliseconds: Self.readyLimit)
        while !isReady(process, port) {
            try check(process)
            guard !deadline.isPast else {
                throw RoleFailure(
                    .temporaryFailure,
                    "\(contestant.rawValue) is not ready; its log ends:\n\(process.logTail())")
            }
            _ = service.shutdown.wait(timeoutMilliseconds: 10)
        }
    }

    private func isReady(_ process: ChildProcess, _ port: Int) -> Bool {
        contestant == .holdfast
            ? HTTPProbe.status(port: port, path: "/readyz") == 200
            : process.logTail(lines: 50).contains("ready")
    }

    private func check(_ process: ChildProcess) throws {
        if service.shutdown.isRequested { throw RoleFailure(.interrupted, "interrupted") }
        guard let code = process.exitCode else { return }
        throw RoleFailure(
            .internalFault, "\(contestant.rawValue) ended with \(code); its log ends:\n\(process.logTail())")
    }

    private func wait(_ what: String, _ reader: BenchReader, _ isDone: () throws -> Bool) throws {
        let deadline = Deadline(milliseconds: Self.runLimit)
        while try !isDone() {
            if let process { try check(process) }
            if let fault = reader.fault { throw RoleFailure(.internalFault, "the reader failed: \(fault)") }
            guard !deadline.isPast else {
                throw RoleFailure(
                    .temporaryFailure,
                    "\(contestant.rawValue), \(load.kind.rawValue): \(what) did not come in "
                        + "\(Self.runLimit / 1000) s (\(reader.count) results)")
            }
            _ = service.shutdown.wait(timeoutMilliseconds: 20)
        }
    }

    private func end() {
        process?.stop(milliseconds: 15_000)
        process = nil
    }

    /// What the process has used of the processors.
    private func cpuSeconds() -> Double? {
        process.flatMap { ProcessorTime.seconds(process: $0.identifier) }
    }
}
