import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import OrderCore
import Synchronization

/// The shop's side of the orders of several lines, on a thread of its own: places each when it is due, whether outcomes
/// come or not, reads `order.outcomes`, and pays or cancels what was granted.
final class DemoOrders: Sendable {
    struct Counts: Sendable {
        var placed = 0
        /// Orders that have an outcome, and those that have their final one.
        var answered = 0
        var ended = 0
        /// Outcomes that were told.
        var told = 0
    }

    private struct State {
        var counts = Counts()
        /// When the first order is due, on the monotonic clock; nil before the sale.
        var start: UInt64?
        /// When each order that has an outcome should have been placed, and how long after that its first one was read.
        var latencies: [(due: UInt64, milliseconds: Double)] = []
        var failure: String?
    }

    private let plan: DemoOrderPlan
    private let settings: KafkaSettings
    private let events: ClientEvents
    private let state = Mutex(State())
    private let isStopping = Atomic<Bool>(false)
    private let hasStopped = Atomic<Bool>(false)

    init(plan: DemoOrderPlan, settings: KafkaSettings, events: ClientEvents) {
        self.plan = plan
        self.settings = settings
        self.events = events
    }

    var counts: Counts { state.withLock { $0.counts } }
    var failure: String? { state.withLock { $0.failure } }
    var hasEnded: Bool { counts.ended == plan.count }

    /// Of all orders, and of those that were due more than 200 ms before the kill.
    func latencies(kill: UInt64) -> (all: Percentiles, beforeKill: Percentiles) {
        let all = state.withLock { $0.latencies }
        let early = all.filter { $0.due + 200_000_000 < kill }
        return (Percentiles(all.map(\.milliseconds)), Percentiles(early.map(\.milliseconds)))
    }

    /// - Parameter starts: where each partition of `order.outcomes` is begun.
    func follow(from starts: [Int32: Int64]) {
        Service.startThread("orders") { [self] in
            do throws(KafkaError) {
                try work(starts)
            } catch {
                state.withLock { $0.failure = error.description }
            }
            hasStopped.store(true, ordering: .releasing)
        }
    }

    /// Begins to place orders.
    /// - Parameter start: when the first is due, on the monotonic clock.
    func place(at start: UInt64) { state.withLock { $0.start = start } }

    /// Stops following, and waits for that.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        let deadline = Deadline(milliseconds: 5_000)
        while !hasStopped.load(ordering: .acquiring), !deadline.isPast { usleep(5_000) }
    }

    private func due(_ number: Int, _ start: UInt64) -> UInt64 {
        start + UInt64(Double(number) * 1e9 / Double(plan.rate))
    }

    private func work(_ starts: [Int32: Int64]) throws(KafkaError) {
        let consumer = try Consumer(configuration: settings.reader(isolation: .committed), events: events)
        try consumer.assign(
            starts.map { TopicPartitionOffset(settings.name(.orderOutcomes), $0.key, offset: $0.value) })
        let publisher = try DemoPublisher(settings: settings, events: events)
        var reader = RecordReader()
        var failure: KafkaError?
        while !isStopping.load(ordering: .acquiring), failure == nil {
            consumer.consumeBatch(maxMessages: 1_000, timeoutMilliseconds: 2) { message in
                if case .failure(let error) = message.kind, error.recovery != .retry { failure = error }
                guard message.isRecord, failure == nil, let value = message.value,
                    let outcome = try? reader.orderOutcome(value),
                    let number = plan.number(of: outcome.orderID)
                else { return }
                do throws(KafkaError) {
                    try saw(outcome, number, publisher)
                } catch {
                    failure = error
                }
            }
            try placeDue(publisher)
            publisher.poll()
        }
        if let failure { throw failure }
        try publisher.finish()
    }

    private func placeDue(_ publisher: DemoPublisher) throws(KafkaError) {
        while true {
            let (start, placed) = state.withLock { ($0.start, $0.counts.placed) }
            guard let start, placed < plan.count, due(placed, start) <= MonotonicTime.now() else { return }
            try publisher.publishSoon(event: plan.placed(placed))
            state.withLock { $0.counts.placed += 1 }
        }
    }

    private func saw(
        _ outcome: OrderOutcome, _ number: Int, _ publisher: DemoPublisher
    ) throws(KafkaError) {
        let now = MonotonicTime.now()
        state.withLock { state in
            state.counts.told += 1
            if outcome.isFinal { state.counts.ended += 1 }
            guard outcome.version == 1, let start = state.start else { return }
            state.counts.answered += 1
            let due = due(number, start)
            state.latencies.append((due, Double(now - min(now, due)) / 1e6))
        }
        guard outcome.version == 1, !outcome.isFinal, let followUp = plan.followUp(number) else { return }
        try publisher.publishSoon(event: followUp)
    }
}
