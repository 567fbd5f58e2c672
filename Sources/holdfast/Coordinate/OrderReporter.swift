import InventoryWire
import Operations
import OrderCore
import StreamRuntime

/// Tells the log, the metrics and the watchdog what a worker of orders does.
final class OrderReporter: OrderWorkerObserver {
    private let logger: Logger
    private let metrics: OrderMetrics
    private let watched: WatchedWorker
    private let board: WorkerBoard
    private let partition: String
    private var reportedFailure = false

    init(
        partition: Int32, logger: Logger, metrics: OrderMetrics, watched: WatchedWorker, board: WorkerBoard
    ) {
        self.logger = logger
        self.metrics = metrics
        self.watched = watched
        self.board = board
        self.partition = String(partition)
    }

    func orderWorker(_ partition: Int32, restored orders: Int, milliseconds: Int64) {
        logger.info("restored", ["orders": orders, "restoring_ms": milliseconds])
        reportedFailure = false
        board.set(partition, .ready)
    }

    func orderWorker(_ partition: Int32, committed counts: OrderCounts, _ figures: OrderFigures) {
        metrics.events.add(counts.events)
        metrics.replies.add(counts.replies)
        metrics.commands.add(counts.commands)
        for (kind, count) in counts.outcomes { metrics.outcomes.with(kind.rawValue).add(count) }
        for (reason, count) in counts.answers { metrics.refusals.with(reason.rawValue).add(count) }
        metrics.repeats.add(counts.repeats)
        metrics.ignored.add(counts.ignored)
        for (result, count) in counts.proposals { metrics.proposals.with(result.rawValue).add(count) }
        metrics.deadLetters.add(counts.deadLetters)
        metrics.strays.add(counts.strays)
        metrics.transactionSeconds.observe(figures.seconds)
        metrics.liveOrders.with(self.partition).set(figures.liveOrders)
        metrics.stuckOrders.with(self.partition).set(figures.stuckOrders)
        board.setNextOffset(partition, figures.nextOrder)
    }

    func orderWorker(_ partition: Int32, failed failure: LogFailure, inARow: Int) {
        board.set(partition, .starting)
        metrics.restarts.with(self.partition).add()
        if failure.isRefusal { board.refuse(failure.message) }
        guard !reportedFailure, failure.consequence != .halt else { return }
        reportedFailure = true
        logger.warning(
            failure.consequence == .fenced
                ? "the partition was taken by another owner; waiting for the group's word"
                : "dropping producer and state, and starting again",
            ["operation": failure.operation, "reason": failure.message])
    }

    func orderWorker(_ partition: Int32, finished halted: String?) {
        if let halted {
            logger.error("the partition stops here until a person has looked at it", ["reason": halted])
            board.set(partition, .halted(halted))
        } else {
            logger.info("stopped")
            board.remove(partition)
        }
        metrics.forget(self.partition)
        watched.rest()
    }

    func orderWorker(_ partition: Int32, isBackWithin milliseconds: Int64) {
        watched.beat(limitMilliseconds: Int(milliseconds))
    }
}

/// The metrics of the coordinator.
struct OrderMetrics: Sendable {
    let events: Counter
    let replies: Counter
    let commands: Counter
    let outcomes: MetricFamily<Counter>
    let refusals: MetricFamily<Counter>
    let repeats: Counter
    let ignored: Counter
    let proposals: MetricFamily<Counter>
    let deadLetters: Counter
    let strays: Counter
    let transactionSeconds: Histogram
    let liveOrders: MetricFamily<Gauge>
    let stuckOrders: MetricFamily<Gauge>
    let lag: MetricFamily<Gauge>
    let restarts: MetricFamily<Counter>

    init(_ registry: MetricsRegistry) {
        events = registry.counter("holdfast_order_events_total", help: "Records of orders that were heeded.")
        replies = registry.counter("holdfast_order_replies_total", help: "Records of order.replies.")
        commands = registry.counter("holdfast_order_commands_total", help: "Commands sent for orders' lines.")
        outcomes = registry.counters(
            "holdfast_order_outcomes_total", help: "Outcomes of orders.", labels: ["outcome"])
        refusals = registry.counters(
            "holdfast_order_refusals_total", help: "Answers to events that did nothing.", labels: ["reason"])
        repeats = registry.counter("holdfast_order_repeats_total", help: "Events that came before.")
        ignored = registry.counter(
            "holdfast_order_ignored_total", help: "Events that had no effect on the order as it was.")
        proposals = registry.counters(
            "holdfast_order_proposals_total",
            help: "Proposals of the optimizer: taken, refused in a line and undone, or ignored.",
            labels: ["result"])
        deadLetters = registry.counter(
            "holdfast_order_dead_letters_total", help: "Events that could not be read or heeded.")
        strays = registry.counter(
            "holdfast_order_strays_total", help: "Replies about orders that are not known.")
        transactionSeconds = registry.histogram(
            "holdfast_order_transaction_seconds", help: "From a transaction's first record to its commit.")
        liveOrders = registry.gauges(
            "holdfast_live_orders", help: "Orders that have not ended.", labels: ["partition"])
        stuckOrders = registry.gauges(
            "holdfast_stuck_orders", help: "Orders whose commands were sent again and again without a reply.",
            labels: ["partition"])
        lag = registry.gauges(
            "holdfast_order_lag",
            help: "Offsets of orders that are not heeded yet, transaction markers included.",
            labels: ["partition"])
        restarts = registry.counters(
            "holdfast_order_restarts_total", help: "Workers that dropped their state and started again.",
            labels: ["partition"])
    }

    /// A partition that went to another process must not be told by this one any more.
    func forget(_ partition: String) {
        for family in [liveOrders, stuckOrders, lag] { family.remove(partition) }
    }
}
