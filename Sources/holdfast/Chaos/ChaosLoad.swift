import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Synchronization

/// Publishes the plan's commands at a fixed rate, whether answers come or not, until it is told to stop. With every few of
/// them comes an event of an order, and now and then a product with a policy, which the relay carries.
final class ChaosLoad: Sendable {
    /// It ends by itself after so many commands: far more than any fault needs.
    static let limit = 3_000_000
    private static let productInterval: UInt64 = 1_000_000_000

    private struct State {
        var plan: ChaosPlan
        var orders: ChaosOrderPlan
        var products = 0
        var repeated = 0
        var failure: String?
    }

    private let run: String
    /// Commands a second.
    private let rate: Int
    private let state: Mutex<State>
    private let isStopping = Atomic<Bool>(false)
    private let hasStopped = Atomic<Bool>(false)

    init(run: String, rate: Int, random: ChaosRandom, forOrders: ChaosRandom) {
        self.run = run
        self.rate = rate
        state = Mutex(
            State(
                plan: ChaosPlan(run: run, random: random),
                orders: ChaosOrderPlan(run: run, random: forOrders)))
    }

    /// How many commands were given to the producer; also the number of the next one.
    var sent: Int { state.withLock { $0.plan.count } }
    /// How many orders were placed.
    var orders: Int { state.withLock { $0.orders.placed } }
    /// How many products were published.
    var products: Int { state.withLock { $0.products } }
    /// How many records the broker did not take at first, and were published again.
    var repeated: Int { state.withLock { $0.repeated } }
    var failure: String? { state.withLock { $0.failure } }

    /// The opening stock, to the end of which the broker has it.
    func publishOpeningStock(_ settings: KafkaSettings) throws(KafkaError) {
        let publisher = try DemoPublisher(settings: settings, events: .ignored)
        for command in state.withLock({ $0.plan.openingStock() }) { try publisher.publish(command) }
        try publisher.finish()
    }

    /// A reservation that only the delay service can see to be due, to the end of which the broker has it.
    /// - Parameter expect: is given its id before it is published.
    func publishLonely(
        _ settings: KafkaSettings, timeToLive: Int64, expect: (String) -> Void
    ) throws(KafkaError) {
        let lonely = state.withLock { $0.plan.lonely(timeToLive: timeToLive) }
        expect(lonely.reservation.text)
        let publisher = try DemoPublisher(settings: settings, events: .ignored)
        for command in lonely.commands { try publisher.publish(command) }
        try publisher.finish()
    }

    func begin(_ settings: KafkaSettings) {
        Service.startThread("load") { [self] in
            do throws(KafkaError) {
                try flow(DemoPublisher(settings: settings, events: .ignored, repeats: true))
            } catch {
                state.withLock { $0.failure = error.description }
            }
            hasStopped.store(true, ordering: .releasing)
        }
    }

    /// Tells it to stop; it has when `isDone` says so.
    func stop() { isStopping.store(true, ordering: .releasing) }

    /// The broker has all that was published.
    var isDone: Bool { hasStopped.load(ordering: .acquiring) }

    private func flow(_ publisher: DemoPublisher) throws(KafkaError) {
        let interval = 1_000_000_000 / UInt64(rate)
        var due = MonotonicTime.now()
        var productDue = due
        while !isStopping.load(ordering: .acquiring), sent < Self.limit {
            publisher.poll()
            try publisher.publishAgain()
            let repeated = publisher.repeated
            state.withLock { $0.repeated = repeated }
            let now = MonotonicTime.now()
            guard now >= due else {
                usleep(1_000)
                continue
            }
            try publisher.publish(state.withLock { $0.plan.next() })
            if sent % ChaosOrderPlan.interval == 0 {
                try publisher.publishSoon(event: state.withLock { $0.orders.next() })
            }
            due += interval
            // Who could not send for a while does not send all of it at once afterwards.
            if now > due + 1_000_000_000 { due = now }
            if now >= productDue {
                productDue = now + Self.productInterval
                try publishProduct(publisher)
            }
        }
        try publisher.finish()
    }

    private func publishProduct(_ publisher: DemoPublisher) throws(KafkaError) {
        let number = state.withLock { state in
            state.products += 1
            return state.products
        }
        try publisher.publishSoon(
            product: ProductRecord(
                sku: "\(run)-product-\(number)", name: "Product \(number)",
                policy: Policy(reorderPoint: Int64(number))))
    }
}
