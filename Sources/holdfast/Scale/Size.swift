import Foundation
import Operations
import Sizing

/// `holdfast size`: what a system for so many reservations a second needs, and what it does, by simulation with times
/// that were measured.
struct Size {
    private let configuration: Configuration
    private let times: ServiceTimes
    private let rates: [Double]
    private let partitions: [Int]
    private let isJSON: Bool

    init(service: Service) throws {
        configuration = service.configuration
        isJSON = configuration.boolean("json")
        times = try Self.read(configuration)
        rates = try Self.numbers(configuration, "rates", 1...10_000_000).map(Double.init)
        partitions = try Self.numbers(configuration, "partition_counts", 1...10_000)
    }

    private static func read(_ configuration: Configuration) throws -> ServiceTimes {
        let path: String
        if let own = configuration.optionalString("times") {
            path = own
        } else {
            let share = try ShareDirectory.locate(
                configured: configuration.optionalString("share_directory"),
                executable: ShareDirectory.executable,
                workingDirectory: FileManager.default.currentDirectoryPath)
            path = share + "/deploy/bench/scale.json"
        }
        guard let data = FileManager.default.contents(atPath: path),
            let times = try? JSONDecoder().decode(ServiceTimes.self, from: data)
        else {
            throw RoleFailure(
                .usage,
                "--times: \(path) holds no service times; holdfast scale --times FILE writes such a file")
        }
        return times
    }

    private static func numbers(
        _ configuration: Configuration, _ key: String, _ range: ClosedRange<Int>
    ) throws -> [Int] {
        try configuration.string(key).split(separator: ",").map {
            guard let number = Int($0), range.contains(number) else {
                throw RoleFailure(
                    .usage,
                    "--\(key.replacing("_", with: "-")): \($0) is not a whole number from \(range.lowerBound) to "
                        + "\(range.upperBound)")
            }
            return number
        }
    }

    func run() throws -> ExitCode {
        switch configuration.optionalString("part") {
        case "partitions": byPartitions()
        case "rates": byRate()
        case "hot": hot()
        case "leases": leases()
        default:
            byRate()
            byPartitions()
            hot()
            leases()
        }
        return .success
    }

    // MARK: The plan

    private var plan: SizingPlan {
        SizingPlan(
            times: times, cores: configuration.integer("cores"), replicas: 3,
            commitInterval: Double(configuration.integer("commit_interval_ms")),
            commandLimit: configuration.integer("transaction_max_commands"),
            skus: configuration.integer("skus"), life: Double(configuration.integer("life")),
            segmentSeconds: Double(configuration.integer("segment_seconds")),
            decidesAhead: configuration.boolean("decides_ahead"))
    }

    private var seed: UInt64 { UInt64(configuration.optionalInteger("seed") ?? 1) }

    /// A table for each rate: what it needs.
    private func byRate() {
        title(
            "By reservations a second: machines of \(configuration.integer("cores")) cores, three replicas, no core "
                + "busier than \(Int(SizingPlan.utilisation * 100)) % by plan",
            [
                "a second", "partitions", "processes", "brokers", "commands in a transaction",
                "transactions a second",
                "busy: worker, processes, brokers", "p50, p99 ms", "memory of a process GiB",
                "restore of a partition s", "a process is lost: all work again after s, caught up after s",
                "first at its limit",
            ])
        for rate in rates {
            let sized = plan.sized(rate: rate)
            row(plan.tried(sized, rate: rate, seed: seed))
        }
    }

    /// The same load and the same machines, with more and more partitions.
    private func byPartitions() {
        let rate = Double(configuration.integer("rate"))
        let least = partitions.min() ?? 16
        var fleet = plan.sized(rate: rate)
        fleet.partitions = max(least, 1)
        title(
            "By partitions: \(Int(rate)) a second on \(fleet.processes) processes and \(fleet.brokers) brokers of "
                + "\(configuration.integer("cores")) cores, as planned for that rate",
            [
                "partitions", "at most a second", "commands in a transaction", "transactions a second",
                "busy: worker, processes, brokers", "p50, p99 ms", "restore of a partition s",
                "a process is lost: all work again after s, caught up after s", "first at its limit",
            ])
        for count in partitions {
            var sized = fleet
            sized.partitions = count
            row(plan.tried(sized, rate: rate, seed: seed), withMost: true)
        }
    }

    private func row(_ seen: SizingPlan.Tried, withMost: Bool = false) {
        var cells: [String]
        let busy = String(
            format: "%.0f, %.0f, %.0f %%", seen.workerBusy * 100, seen.processesBusy * 100,
            seen.brokersBusy * 100)
        let figures = seen.figures
        let latency =
            seen.keepsUp ? String(format: "%.0f, %.0f", figures.p50, figures.p99) : "what waits grows"
        let loss =
            seen.loss.restoredAfter.map { restored in
                String(format: "%.1f, ", restored)
                    + (seen.loss.drainedAfter.map { String(format: "%.1f", $0) }
                        ?? "not in \(Int(seen.watched))")
            } ?? "not in \(Int(seen.watched))"
        let transaction = String(format: "%.0f", figures.commandsInTransaction)
        let transactions = String(format: "%.0f", figures.transactionsPerSecond)
        let restore = String(format: "%.1f", seen.restore)
        if withMost {
            cells = [
                "\(seen.sized.partitions)", String(format: "%.0f", seen.most), transaction, transactions,
                busy,
                latency, restore, loss, seen.first,
            ]
        } else {
            cells = [
                String(format: "%.0f", seen.rate), "\(seen.sized.partitions)", "\(seen.sized.processes)",
                "\(seen.sized.brokers)", transaction, transactions, busy, latency,
                String(format: "%.1f", seen.memory / 1_073_741_824), restore, loss, seen.first,
            ]
        }
        print(cells)
    }

    // MARK: A hot SKU

    /// What one SKU does alone, and split over partitions, with more and more cores.
    private func hot() {
        title(
            "One hot SKU on one machine: commands a second, split into virtual SKUs on as many partitions",
            ["cores", "1", "2", "4", "8"])
        for cores in [2, 4, 8, 16, 32] {
            let cells = [1, 2, 4, 8].map { buckets in
                var layout = Layout.shared(
                    cores: cores, processes: 1, partitions: buckets, commitInterval: plan.commitInterval,
                    commandLimit: plan.commandLimit)
                layout.decidesAhead = plan.decidesAhead
                return String(
                    format: "%.0f", ScaleModel.run(layout, .backlog(1_000_000), times, seed: seed).perSecond)
            }
            print(["\(cores)"] + cells)
        }
    }

    /// The end of a sale of one SKU that is lent to buckets.
    private func leases() {
        let rate = Double(configuration.integer("rate"))
        let answer = Double(configuration.integer("answer_ms"))
        title(
            "The end of a sale: \(Int(rate)) reservations a second of a SKU that is lent to buckets, three times as "
                + "many as there are units; an answer takes \(Int(answer)) ms; the mean of 20 seeds",
            [
                "units", "buckets", "rule", "free when the first was refused",
                "granted after one was refused",
                "for ms", "commands besides, for each unit", "longest answer ms",
            ])
        for units in [100, 1_000, 10_000, 100_000] {
            for (buckets, rule) in [
                (1, LeaseSale.Rule.split), (2, .split), (4, .split), (4, .lend), (2, .recall), (4, .recall),
            ] {
                let seen = (1...20).map {
                    LeaseSale.run(
                        rule, buckets: buckets, units: units, demand: 3 * units, rate: rate, answer: answer,
                        seed: seed + $0)
                }
                func mean(_ path: (LeaseSale.Outcome) -> Double) -> Double {
                    seen.map(path).reduce(0, +) / Double(seen.count)
                }
                print([
                    "\(units)", "\(buckets)", buckets == 1 ? "one SKU" : rule.rawValue,
                    String(format: "%.1f", mean { Double($0.strandedAtFirstRefusal) }),
                    String(format: "%.1f", mean { Double($0.grantedAfterRefused) }),
                    String(format: "%.1f", mean(\.unfairFor)),
                    String(format: "%.3f", mean { Double($0.extraCommands) / Double(units) }),
                    String(format: "%.0f", mean(\.longest)),
                ])
            }
        }
    }

    // MARK: Telling

    private func title(_ text: String, _ columns: [String]) {
        if isJSON { return titles(text, columns) }
        Swift.print("\n\(text)\n")
        print(columns)
        print(columns.map { _ in "---" })
    }

    private func titles(_ text: String, _ columns: [String]) { write(["table": text, "columns": columns]) }

    private func print(_ cells: [String]) {
        if isJSON { return write(["row": cells]) }
        Swift.print("| " + cells.joined(separator: " | ") + " |")
        fflush(nil)
    }

    private func write(_ object: [String: Any]) {
        guard let data = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys]) else {
            return
        }
        Swift.print(String(decoding: data, as: UTF8.self))
        fflush(nil)
    }
}
