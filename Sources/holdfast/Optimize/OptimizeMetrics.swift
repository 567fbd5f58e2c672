import Operations
import Optimizer

/// The metrics of the optimizer.
struct OptimizeMetrics: Sendable {
    enum Skip: String {
        case superseded
        case tooLate = "too_late"
        case dropped, unreadable, undelivered
    }

    let orders: Counter
    let proposals: Counter
    let savedShipments: Counter
    let savedKilometres: Gauge
    let savedLate: Gauge
    let cutShort: Counter
    let seconds: Histogram
    let waiting: Gauge
    let skus: Gauge
    private let skipped: MetricFamily<Counter>

    init(_ registry: MetricsRegistry) {
        orders = registry.counter("holdfast_optimizer_orders_total", help: "Orders that were looked at.")
        proposals = registry.counter(
            "holdfast_optimizer_proposals_total", help: "Proposals that the broker has acknowledged.")
        savedShipments = registry.counter(
            "holdfast_optimizer_saved_shipments_total",
            help: "Shipments fewer, if all proposals were taken; none for those that need more.")
        savedKilometres = registry.gauge(
            "holdfast_optimizer_saved_kilometres", help: "Kilometres fewer, if all proposals were taken.")
        savedLate = registry.gauge(
            "holdfast_optimizer_saved_late_lines", help: "Late lines fewer, if all proposals were taken.")
        cutShort = registry.counter(
            "holdfast_optimizer_cut_short_total", help: "Searches that order_time_ms ended.")
        seconds = registry.histogram("holdfast_optimizer_seconds", help: "The search for one order.")
        waiting = registry.gauge(
            "holdfast_optimizer_waiting_orders", help: "Orders that wait until they have settled.")
        skus = registry.gauge("holdfast_optimizer_skus", help: "SKUs of which something is available.")
        skipped = registry.counters(
            "holdfast_optimizer_skipped_total", help: "Orders that were not looked at, or not proposed.",
            labels: ["reason"])
    }

    func skip(_ why: Skip, _ count: Int = 1) { skipped.with(why.rawValue).add(count) }

    func reviewed(_ review: Review, seconds: Double) {
        orders.add()
        self.seconds.observe(seconds)
        if !review.isExact { cutShort.add() }
        if review.moves.isEmpty { return }
        savedShipments.add(Int(max(0, review.before.shipments - review.after.shipments)))
        savedKilometres.add(Double(review.before.kilometres - review.after.kilometres))
        savedLate.add(Double(review.before.late - review.after.late))
    }
}
