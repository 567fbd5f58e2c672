import Foundation
import InventoryCore
import KafkaClient
import Operations
import Sizing

/// The sale itself: stock, reservations at a fixed rate with orders beside them, the kills, and what is left over.
final class DemoSale {
    let plan: DemoPlan
    let orderPlan: DemoOrderPlan
    let recorder = DemoRecorder()
    let orders: DemoOrders
    private let settings: KafkaSettings
    private let events: ClientEvents
    private let cast: DemoCast
    private let waiting: DemoWaiting
    private let watcher: DemoWatcher
    /// When it was killed, on the monotonic clock.
    private var coordinatorKill: UInt64 = 0
    /// How long it took to publish the reservations.
    private var publishSeconds = 0.0

    init(
        _ plan: DemoPlan, orders orderPlan: DemoOrderPlan, settings: KafkaSettings, events: ClientEvents,
        cast: DemoCast, waiting: DemoWaiting
    ) {
        self.plan = plan
        self.orderPlan = orderPlan
        self.settings = settings
        self.events = events
        self.cast = cast
        self.waiting = waiting
        orders = DemoOrders(plan: orderPlan, settings: settings, events: events)
        watcher = DemoWatcher(script: plan, settings: settings, recorder: recorder, events: events)
    }

    private var progress: DemoProgress { waiting.progress }

    /// Receives the opening stock, and waits until all of it is decided.
    /// - Parameter starts: where the topics end now.
    func begin(from starts: [Topic: [Int32: Int64]]) throws {
        watcher.start(from: [.results: starts[.results]!, .reservations: starts[.reservations]!])
        orders.follow(from: starts[.orderOutcomes]!)
        waiting.watch("the watcher") { [watcher] in watcher.failure }
        waiting.watch("the shop") { [orders] in orders.failure }
        waiting.recorder = recorder
        recorder.time(plan.sale)
        let receipts = plan.receipts + orderPlan.receipts
        progress.phase("receiving \(receipts.count) deliveries for the sale")
        try publish(receipts)
        try waiting.wait("the receipts to be decided") { self.recorder.counts.answered >= receipts.count }
        recorder.forgetSilences()
    }

    /// Stops following.
    func end() {
        watcher.stop()
        orders.stop()
    }

    private func publish(_ commands: [Command]) throws {
        let publisher = try DemoPublisher(settings: settings, events: events)
        for command in commands {
            recorder.sentUntimed()
            try publisher.publish(command)
        }
        try publisher.finish()
    }

    /// Reservations and orders at their rates, and the kills in the middle.
    func sell() throws {
        progress.phase(
            """
            selling for \(plan.seconds) s: \(plan.rate) reservations a second over \(plan.skus) SKUs, \
            \(plan.hotReservations) of them for \(plan.hotUnits) units of one SKU; \(orderPlan.rate) orders \
            a second of two to five lines
            """)
        let start = MonotonicTime.now() + 200_000_000
        let sellers = DemoSeller.sell(
            plan.sale, rate: Double(plan.reservations) / Double(plan.seconds), of: plan, recorder: recorder,
            at: start, settings: settings, events: events)
        orders.place(at: start)
        let length = UInt64(plan.seconds) * 1_000_000_000
        // The coordinator first, so that each is killed while the other works.
        var kills = [("coordinator", start + length / 4), ("processor-1", start + length / 2)]
        while !sellers.areDone {
            if let (name, at) = kills.first, MonotonicTime.now() >= at {
                kills.removeFirst()
                progress.note("SIGKILL to \(name), and a new one in its place")
                if name == "coordinator" {
                    coordinatorKill = MonotonicTime.now()
                } else {
                    recorder.markKill()
                }
                try cast.killAndRestart(name)
            }
            try waiting.look()
        }
        recorder.markEnd()
        try sellers.check()
        publishSeconds = MonotonicTime.seconds(since: start)
    }

    /// Waits until all is answered, and what nobody confirmed or released has expired.
    func settle() throws {
        progress.phase("waiting for answers, and for the rest to expire")
        try awaitAnswers()
        let unpaid = watcher.unpaid
        progress.note("\(unpaid.count) reservations of the hot SKU were not paid: releasing them")
        try publish(unpaid.map { plan.release($0, sku: plan.hotSKU) })
        try awaitAnswers()
        try waiting.wait("the last reservation to end") { self.watcher.liveCount == 0 }
        try waiting.wait("every order to have its final outcome") { self.orders.hasEnded }
    }

    private func awaitAnswers() throws {
        try waiting.wait("all answers") { self.recorder.counts.unanswered <= 0 }
    }

    /// What came of it, in lines.
    /// - Parameters:
    ///   - found: how the rate was found; nil where it was given.
    ///   - practised: commands that were sent before the sale.
    func figures(found: RateSearch?, practised: Int) -> String {
        let counts = recorder.counts
        let latencies = recorder.latencies()
        let orderLatencies = orders.latencies(kill: coordinatorKill)
        let rate =
            found.map { search in
                search.carried.map { "half of the \($0) a second that this machine carries" }
                    ?? "this machine carries less than \(RateSearch.lowest) a second"
            } ?? "as --rate says"
        return """

            Figures
              published   \(practised + counts.sent) commands; the sale \(plan.reservations) reservations in \
            \(String(format: "%.1f", publishSeconds)) s, \
            \(Int(Double(plan.reservations) / publishSeconds)) a second: \(rate)
              outcomes    \(counts.reserved) reserved, \(counts.rejected) rejected, \(counts.confirmed) confirmed, \
            \(counts.released) released, \(counts.expired) told as expired
              latency     from intended send to result read by read_committed, in ms:
                          before the kill  p50 \(latencies.beforeKill.text(50))  p99 \(latencies.beforeKill.text(99))  \
            (\(latencies.beforeKill.count) reservations)
                          with the kill    p50 \(latencies.all.text(50))  p99 \(latencies.all.text(99))  \
            max \(latencies.all.text(100))  (\(latencies.all.count))
              orders      \(orderPlan.count) of two to five lines; from intended placing to the first outcome, in ms:
                          before the kills p50 \(orderLatencies.beforeKill.text(50))  p99 \
            \(orderLatencies.beforeKill.text(99))  (\(orderLatencies.beforeKill.count)); \
            with them  p50 \(orderLatencies.all.text(50))  p99 \(orderLatencies.all.text(99))
              SIGKILL     \(String(format: "%.2f", recorder.longestSilence())) s until the slowest of its partitions \
            had a result again
            """
    }
}
