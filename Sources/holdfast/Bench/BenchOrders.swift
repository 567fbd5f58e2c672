import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import OrderCore

/// Orders, all of which are there before anyone works on them: from `orders` to their first outcome, of one line and of
/// three; and, to compare, the same number of reservations as orders of one line that take the short way, from
/// `stock.commands` to `stock.results`.
struct BenchOrders {
    enum Way: String, CaseIterable {
        case short = "one line, the short way"
        case oneLine = "one line, by the coordinator"
        case threeLines = "three lines, by the coordinator"

        var lines: Int { self == .threeLines ? 3 : 1 }
        var topic: InventoryWire.Topic { self == .short ? .results : .orderOutcomes }
    }

    /// Over so many SKUs, each with stock for all.
    private static let skus = 20_000

    private let stage: BenchStage
    private let count: Int

    /// - Parameter stage: with topics that nobody else uses, for one way and one round.
    init(_ stage: BenchStage) {
        self.stage = stage
        count = stage.service.configuration.integer("order_count")
    }

    func run(_ way: Way, round: Int) throws -> BenchFigure {
        let load = BenchLoad(.even, skus: Self.skus, partitions: stage.partitions)
        // So much is there before the first order: the stock, and for the short way what says so.
        let before = way == .short ? load.skuCount : 0
        try stage.decide(load, commands: 0)
        try publish(way, load)
        let reader = BenchReader(
            stage.settings.name(way.topic), settings: stage.settings, isolation: .committed,
            partitions: stage.partitions)
        reader.start()
        defer { _ = reader.stop() }
        var roles: [BenchRole] = []
        defer { roles.forEach(stage.end) }
        roles.append(try stage.startProcessor())
        if way != .short {
            // It has nothing to do before the coordinator has.
            try stage.waitUntilReady(roles[0])
            roles.append(try stage.startCoordinator())
        }
        try stage.waitUntilReady(roles.last!)
        let start = MonotonicTime.now()
        try stage.wait(for: "outcomes of \(count) orders", moving: reader.count) {
            if let fault = reader.fault { throw RoleFailure(.internalFault, "the reader failed: \(fault)") }
            return reader.count >= before + count
        }
        let used = roles.compactMap { ProcessorTime.seconds(process: $0.identifier) }.reduce(0, +)
        let times = reader.stop().flatMap { $0 }
        guard times.count == before + count, let last = times.max(), last > start else {
            throw RoleFailure(.differenceFound, "\(times.count) outcomes instead of \(before + count)")
        }
        let seconds = Double(last - start) / 1e9
        return BenchFigure(
            kind: .orders, contestant: BenchContestant.holdfast.rawValue, load: way.rawValue, round: round,
            commands: count, seconds: seconds, perSecond: Double(count) / seconds,
            partitions: Int(stage.partitions), cpuMicroseconds: used * 1e6 / Double(count))
    }

    private func publish(_ way: Way, _ load: BenchLoad) throws(KafkaError) {
        let publisher = try DemoPublisher(settings: stage.settings, events: .ignored)
        for number in 0..<count {
            if way == .short {
                try publisher.publish(load.command(number))
            } else {
                try publisher.publishSoon(event: order(number, way.lines, load))
            }
        }
        try publisher.finish()
    }

    /// Of neighbouring SKUs, which are in any of the partitions.
    private func order(_ number: Int, _ lines: Int, _ load: BenchLoad) -> OrderEvent {
        OrderEvent(
            id: "placed-\(number)", orderID: "order-\(number)", at: Timestamp(milliseconds: 0),
            body: .placed(
                OrderEvent.Placed(
                    lines: (0..<lines).map { line in
                        OrderEvent.Line(sku: load.command(number &+ line &* 7_919).sku, quantity: 1)
                    },
                    expiry: .after(milliseconds: 86_400_000))))
    }
}
