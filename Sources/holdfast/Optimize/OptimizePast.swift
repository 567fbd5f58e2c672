import Audit
import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Optimizer
import OrderCore

/// `holdfast optimize --dry-run`: what would have been proposed in a time that is past. The outcomes of that time are
/// gone through in their order; beside them the ledger is folded from its start, so that each order is looked at with the
/// stock as it was then. What a proposal would have taken is not there for later ones, as long as its order has not gone
/// back. Nothing is published.
final class OptimizePast {
    /// What each reader may hold ready, in kilobytes: there is one for each partition.
    private static let readerKilobytes = 4_096

    private let service: Service
    private let scan: TopicScan
    private let optimizer: Optimizer
    private let times: Range<Timestamp>
    private var waiting: WaitingOrders
    private var ledgers: [LedgerPast] = []
    private var network = Network()
    private var tally = ReviewTally()
    private var due = Deadline(milliseconds: 2_000)
    /// What proposals took, by order, and in sum.
    private var takenBy: [ID: [(sku: ID, warehouse: ID, quantity: Int64)]] = [:]
    private var taken: [ID: [ID: Int64]] = [:]

    init(service: Service) throws {
        self.service = service
        let configuration = service.configuration
        let shutdown = service.shutdown
        scan = TopicScan(
            settings: KafkaSettings(configuration), events: service.kafkaEvents(),
            isCancelled: { shutdown.isRequested })
        optimizer = Optimizer(Optimize.weights(configuration))
        waiting = WaitingOrders(
            settleTime: Int64(configuration.integer("settle_ms")),
            limit: configuration.integer("waiting_orders"))
        let (from, to) = (try Self.time("from", configuration), try Self.time("to", configuration))
        guard from < to else { throw RoleFailure(.usage, "--to must be later than --from") }
        times = from..<to
    }

    private static func time(_ key: String, _ configuration: Configuration) throws -> Timestamp {
        guard let text = configuration.optionalString(key) else {
            throw RoleFailure(.usage, "--dry-run needs --\(key), an RFC 3339 time")
        }
        guard let time = Timestamp(rfc3339: text) else {
            throw RoleFailure(
                .usage, "--\(key) \(text): it must be an RFC 3339 time such as 2026-11-24T09:15:00Z")
        }
        return time
    }

    func run() throws -> ExitCode {
        try KafkaFailures.translated {
            let extents = try scan.settledExtents([.ledger, .orderOutcomes])
            try open(extents[.ledger] ?? [:])
            let outcomes = try outcomes(extents[.orderOutcomes] ?? [:])
            while let (outcome, partition) = try outcomes.next() {
                try look(until: outcome.at)
                take(outcome, partition)
            }
            try look(until: Timestamp(milliseconds: Limits.latestTime))
        }
        try tell()
        return .success
    }

    private func open(_ extents: [Int32: Range<Int64>]) throws {
        guard !extents.isEmpty else {
            throw RoleFailure(.usage, "there is no topic \(scan.settings.name(.ledger))")
        }
        for (partition, extent) in extents.sorted(by: { $0.key < $1.key }) {
            guard extent.lowerBound == 0 else {
                throw RoleFailure(
                    .usage,
                    "stock.ledger of partition \(partition) begins at offset \(extent.lowerBound): it must be kept "
                        + "for ever, and without its beginning no state can be made of it")
            }
            let cursor = try TopicCursor(scan, .ledger, kilobytes: Self.readerKilobytes)
            try cursor.move(to: partition, extent)
            ledgers.append(try LedgerPast(partition, cursor))
        }
    }

    /// The outcomes from the beginning of the time until what was told last in it has settled.
    private func outcomes(_ extents: [Int32: Range<Int64>]) throws -> OutcomesByTime {
        guard !extents.isEmpty else {
            throw RoleFailure(.usage, "there is no topic \(scan.settings.name(.orderOutcomes))")
        }
        let starts = try scan.offsets(
            of: .orderOutcomes, Array(extents.keys), at: times.lowerBound.milliseconds)
        let last = times.upperBound.milliseconds + Int64(service.configuration.integer("settle_ms"))
        var cursors: [(Int32, TopicCursor)] = []
        for (partition, extent) in extents.sorted(by: { $0.key < $1.key }) {
            let cursor = try TopicCursor(scan, .orderOutcomes, kilobytes: Self.readerKilobytes)
            let start = starts[partition] ?? extent.upperBound
            try cursor.move(
                to: partition, min(max(start, extent.lowerBound), extent.upperBound)..<extent.upperBound)
            cursors.append((partition, cursor))
        }
        return try OutcomesByTime(cursors, last: Timestamp(milliseconds: min(last, Limits.latestTime)))
    }

    private func take(_ outcome: OrderOutcome, _ partition: Int32) {
        if outcome.kind != .confirmed { giveBack(outcome.orderID) }
        if times.contains(outcome.at), let order = WaitingOrders.Order(outcome) {
            waiting.saw(order, partition: partition, at: outcome.at.milliseconds)
        } else {
            waiting.sawEnd(of: outcome.orderID)
        }
    }

    /// Looks at the orders that had settled by then.
    private func look(until time: Timestamp) throws {
        while let due = waiting.nextDue(), let order = waiting.takeSettled(at: time.milliseconds) {
            let at = Timestamp(milliseconds: min(due, Limits.latestTime))
            guard at < order.deadline else { continue }
            for ledger in ledgers { try ledger.advance(to: at) }
            for line in order.served.lines {
                ledger(of: line.sku).tell(line.sku, &network)
                for (warehouse, quantity) in taken[line.sku] ?? [:] {
                    network.claim(quantity, of: line.sku, in: warehouse)
                }
            }
            let limit = service.configuration.integer("order_time_ms")
            let review = optimizer.review(
                order.served, in: network, isSpent: Optimize.timer(milliseconds: limit))
            tally.add(review)
            keep(review, order)
            progress()
        }
    }

    private func ledger(of sku: ID) -> LedgerPast {
        let place = sku.bytes.withUnsafeBytes {
            murmur2Partition(key: $0, partitionCount: Int32(ledgers.count))
        }
        return ledgers[Int(place)]
    }

    private func keep(_ review: Review, _ order: WaitingOrders.Order) {
        let gains = review.gains(over: order.served)
        if gains.isEmpty { return }
        takenBy[order.id] = gains
        for gain in gains {
            taken[gain.sku, default: [:]][gain.warehouse, default: 0] += gain.quantity
        }
    }

    private func giveBack(_ id: ID) {
        for gain in takenBy.removeValue(forKey: id) ?? [] {
            taken[gain.sku]![gain.warehouse]! -= gain.quantity
            if taken[gain.sku]![gain.warehouse] == 0 {
                taken[gain.sku]![gain.warehouse] = nil
            }
        }
    }

    private func progress() {
        guard due.isPast else { return }
        due = Deadline(milliseconds: 2_000)
        service.logger.info(
            "looking back",
            ["orders": tally.orders, "entries": ledgers.reduce(0) { $0 + $1.entries }])
    }

    // MARK: Telling

    private struct Report: Encodable {
        var from: String
        var to: String
        var orders: Int
        var proposals: Int
        var before: Figures
        var after: Figures
        var cutShort: Int
        var dropped: Int
    }

    private struct Figures: Encodable {
        var shipments: Int64
        var kilometres: Int64
        var late: Int64
    }

    private func tell() throws {
        let before = Figures(
            shipments: tally.shipmentsBefore, kilometres: tally.kilometresBefore, late: tally.lateBefore)
        let after = Figures(
            shipments: tally.shipmentsAfter, kilometres: tally.kilometresAfter, late: tally.lateAfter)
        if service.configuration.boolean("json") {
            print(
                try AuditText.json(
                    Report(
                        from: service.configuration.string("from"), to: service.configuration.string("to"),
                        orders: tally.orders, proposals: tally.proposals, before: before, after: after,
                        cutShort: tally.cutShort,
                        dropped: waiting.dropped)))
            return
        }
        func row(_ name: String, _ path: KeyPath<Figures, Int64>) -> [String] {
            [
                name, "\(before[keyPath: path])", "\(after[keyPath: path])",
                "\(before[keyPath: path] - after[keyPath: path])",
            ]
        }
        var lines = AuditText.table([
            ["", "as it was", "as proposed", "saved"], row("shipments", \.shipments),
            row("kilometres", \.kilometres), row("late lines", \.late),
        ])
        lines += [
            "",
            "\(tally.orders) orders looked at, \(tally.proposals) of them with a proposal; nothing was published.",
            "The stock is that of the time, and what a proposal took is not there for later ones. Whether the stock "
                + "would have taken each, nobody knows: it would have decided a moment later.",
        ]
        if tally.cutShort > 0 { lines.append("\(tally.cutShort) searches were ended by order_time_ms.") }
        if waiting.dropped > 0 { lines.append("\(waiting.dropped) orders were left out (waiting_orders).") }
        print(lines.joined(separator: "\n"))
    }
}

/// Outcomes of all partitions, in the order of their times.
private final class OutcomesByTime {
    private var heads: [(partition: Int32, cursor: TopicCursor, outcome: OrderOutcome?)] = []
    private let last: Timestamp
    private var reader = RecordReader()
    /// Times never go back: of two inputs of a coordinator the records may be read in another order.
    private var time = Timestamp(milliseconds: 0)

    init(_ cursors: [(Int32, TopicCursor)], last: Timestamp) throws {
        self.last = last
        for (partition, cursor) in cursors { heads.append((partition, cursor, nil)) }
        for index in heads.indices { heads[index].outcome = try read(index) }
    }

    func next() throws -> (OrderOutcome, Int32)? {
        let first = heads.indices.filter { heads[$0].outcome != nil }.min {
            (heads[$0].outcome!.at, $0) < (heads[$1].outcome!.at, $1)
        }
        guard let first, var outcome = heads[first].outcome, outcome.at < last else { return nil }
        heads[first].outcome = try read(first)
        outcome.at = max(time, outcome.at)
        time = outcome.at
        return (outcome, heads[first].partition)
    }

    private func read(_ index: Int) throws -> OrderOutcome? {
        while let record = try heads[index].cursor.next() {
            guard let value = record.value else { continue }
            do {
                if let outcome = try value.withUnsafeBytes({ try reader.orderOutcome($0) }) { return outcome }
            } catch let failure as DecodingFailure {
                throw RoleFailure(
                    .differenceFound,
                    "order.outcomes \(heads[index].partition)/\(record.offset) cannot be read: \(failure.detail)"
                )
            }
        }
        return nil
    }
}
