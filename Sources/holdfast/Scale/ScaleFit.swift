import Foundation
import Operations
import Sizing

/// Service times from the runs of `holdfast scale`, and what the model makes of the same runs with them.
struct ScaleFit {
    private let figures: [ScaleFigure]
    private let idle: ScaleIdle
    private let cores: ScaleCores
    private let commitInterval: Double
    private let commands: Int

    init(
        _ figures: [ScaleFigure], _ idle: ScaleIdle, cores: ScaleCores, commitInterval: Double, commands: Int
    ) {
        self.figures = Self.medians(figures)
        self.idle = idle
        self.cores = cores
        self.commitInterval = commitInterval
        self.commands = commands
    }

    /// Of the rounds of a run the median of each figure.
    static func medians(_ figures: [ScaleFigure]) -> [ScaleFigure] {
        var found: [ScaleFigure] = []
        for figure in figures where !found.contains(where: { isSame($0, figure) }) {
            let rounds = figures.filter { isSame($0, figure) }
            func median(_ path: (ScaleFigure) -> Double) -> Double {
                Percentiles(rounds.map(path)).value(50)!
            }
            var middle = figure
            middle.round = 0
            middle.perSecond = median(\.perSecond)
            middle.commandsInTransaction = median(\.commandsInTransaction)
            middle.broker = figure.broker == nil ? nil : median { $0.broker ?? 0 }
            middle.worker = median(\.worker)
            middle.client = median(\.client)
            middle.reader = median(\.reader)
            middle.publishBroker = figure.publishBroker == nil ? nil : median { $0.publishBroker ?? 0 }
            middle.publisher = median(\.publisher)
            found.append(middle)
        }
        return found
    }

    private static func isSame(_ one: ScaleFigure, _ other: ScaleFigure) -> Bool {
        one.placement == other.placement && one.processes == other.processes
            && one.partitions == other.partitions && one.limit == other.limit
    }

    /// The runs of one process on all cores.
    private var single: [ScaleFigure] { figures.filter { $0.placement == .shared && $0.processes == 1 } }

    func times() -> ServiceTimes {
        func cost(_ path: (ScaleFigure) -> Double) -> ServiceTimes.Cost {
            CostFit.cost(
                single.map {
                    CostFit.Point(commandsInTransaction: $0.commandsInTransaction, microseconds: path($0))
                })
        }
        func median(_ path: (ScaleFigure) -> Double) -> Double {
            Percentiles(single.map(path)).value(50) ?? 0
        }
        var times = ServiceTimes(
            worker: cost(\.worker), client: cost(\.client), broker: cost { $0.broker ?? 0 },
            reader: median(\.reader), publishBroker: median { $0.publishBroker ?? 0 },
            publisher: median(\.publisher), commitShare: 0.5, commitWait: 0,
            outside: max(0, idle.p50 - idle.transaction))
        let working = times.worker.each(in: 1) + times.client.each(in: 1) + times.broker.each(in: 1)
        times.commitWait = max(0, idle.transaction - working / 1_000)
        calibrate(&times)
        return times
    }

    /// The share of the broker's work for which a commit waits cannot be measured from outside. It is the one with
    /// which the model does as much on one partition as was measured. If even none is too slow, the wait is shorter under
    /// load than it is at rest, and is found in the same way. All other runs then judge the model.
    private func calibrate(_ times: inout ServiceTimes) {
        guard let measured = single.first(where: { $0.partitions == 1 }) else { return }
        times.commitShare = 0
        if simulate(measured, times).perSecond >= measured.perSecond {
            bisect(&times, \.commitShare, 1, measured)
        } else {
            bisect(&times, \.commitWait, times.commitWait, measured)
        }
    }

    private func bisect(
        _ times: inout ServiceTimes, _ path: WritableKeyPath<ServiceTimes, Double>, _ most: Double,
        _ measured: ScaleFigure
    ) {
        var (low, high) = (0.0, most)
        for _ in 0..<12 {
            times[keyPath: path] = (low + high) / 2
            if simulate(measured, times).perSecond > measured.perSecond {
                low = times[keyPath: path]
            } else {
                high = times[keyPath: path]
            }
        }
    }

    private func simulate(_ figure: ScaleFigure, _ times: ServiceTimes) -> ScaleFigures {
        let layout: Layout
        switch figure.placement {
        case .shared:
            layout = .shared(
                cores: cores.all.count, processes: figure.processes, partitions: figure.partitions,
                commitInterval: commitInterval, commandLimit: figure.limit)
        case .pinned:
            layout = .pinned(
                brokerCores: cores.broker.count, otherCores: cores.others.count, processes: figure.processes,
                partitions: figure.partitions, commitInterval: commitInterval, commandLimit: figure.limit)
        }
        return ScaleModel.run(layout, .backlog(commands / (figure.limit <= 400 ? 4 : 1)), times)
    }

    /// The runs' medians, with what the model says of each.
    func compared(_ times: ServiceTimes) -> [ScaleFigure] {
        figures.map { figure in
            var figure = figure
            figure.kind = "compared"
            figure.disk = nil
            figure.simulated = simulate(figure, times).perSecond
            return figure
        }
    }

    /// By how much the broker is the bound, and what two machines would give.
    func shares(_ times: ServiceTimes) -> String {
        let wanted = figures.filter { $0.limit > 400 && $0.partitions > 1 && $0.processes == 1 }
        guard let figure = wanted.first(where: { $0.placement == .pinned }) ?? wanted.first,
            let broker = figure.broker
        else { return "" }
        let cores = Double(self.cores.all.count)
        let one = cores * 1e6 / (broker + figure.processor + figure.reader)
        let two = min(cores * 1e6 / broker, cores * 1e6 / figure.processor)
        let busy = figure.perSecond * broker / 1e6 / Double(self.cores.broker.count)
        let others =
            figure.perSecond * (figure.processor + figure.reader) / 1e6 / Double(self.cores.others.count)
        var lines = [
            "",
            String(
                format: "Service times, us of a core for a command + for a transaction: worker %.2f + %.0f, "
                    + "client %.2f + %.0f, broker %.2f + %.0f; reader %.2f; publishing: broker %.2f, publisher %.2f",
                times.worker.command, times.worker.transaction, times.client.command,
                times.client.transaction,
                times.broker.command, times.broker.transaction, times.reader, times.publishBroker,
                times.publisher),
            String(
                format:
                    "A commit waits %.2f ms without a core, and for %.2f of the broker's work for a command",
                times.commitWait, times.commitShare),
        ]
        if figure.placement == .pinned {
            lines.append(
                String(
                    format: "Pinned, one process: the broker's cores were %.0f %% busy, the others %.0f %%",
                    busy * 100, others * 100))
        }
        lines += [
            String(
                format:
                    "A command takes %.2f us of the broker and %.2f of the processors: the broker's share is "
                    + "%.2f of the two", broker, figure.processor, broker / (broker + figure.processor)),
            String(
                format:
                    "One machine of %.0f cores for all: %.0f commands a second at most. Two such machines, one "
                    + "for the broker and one for processors: %.0f, bound by the ", cores, one, two)
                + (broker >= figure.processor ? "broker" : "processors") + " (arithmetic)",
        ]
        return lines.joined(separator: "\n")
    }
}
