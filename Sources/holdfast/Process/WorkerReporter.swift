import InventoryCore
import InventoryWire
import Operations
import StreamRuntime
import Synchronization

/// Tells the log, the metrics and the watchdog what a worker does.
final class WorkerReporter: WorkerObserver {
    private let logger: Logger
    private let metrics: ProcessorMetrics
    private let watched: WatchedWorker
    private let board: WorkerBoard
    private let partition: String
    private var reportedFailure = false
    private var progressDue = Deadline(milliseconds: WorkerReporter.progressInterval)
    /// So often a long restore says how far it is, in milliseconds.
    private static let progressInterval = 2_000

    init(
        partition: Int32, logger: Logger, metrics: ProcessorMetrics, watched: WatchedWorker,
        board: WorkerBoard
    ) {
        self.logger = logger
        self.metrics = metrics
        self.watched = watched
        self.board = board
        self.partition = String(partition)
    }

    func worker(_ partition: Int32, restoring reading: Restorer.Reading) {
        metrics.restoredRecords.with(self.partition, reading.topic.rawValue).set(reading.records)
        guard progressDue.isPast else { return }
        progressDue = Deadline(milliseconds: Self.progressInterval)
        logger.info(
            "restoring",
            [
                "topic": reading.topic.rawValue, "records": reading.records,
                "percent": Int(reading.share * 100),
            ])
    }

    func worker(_ partition: Int32, restored progress: Restorer.Progress, _ start: StartFigures, from: Int64)
    {
        logger.info(
            "restored",
            [
                "skus": progress.skus, "reservations": progress.reservations,
                "transfers": progress.transfers,
                "ledger_entries": progress.ledgerEntries, "records_read": progress.recordsRead,
                "standby": start.isWarm,
                "fencing_ms": start.fencing, "locating_ms": start.locating, "restoring_ms": start.restoring,
                "from_offset": from,
            ])
        reportedFailure = false
        board.set(partition, .ready)
        metrics.restoreSeconds.with(self.partition).set(Double(start.restoring) / 1000)
    }

    func worker(
        _ partition: Int32, committed counts: CommandCounts, _ transaction: TransactionFigures
    ) {
        for (kind, count) in counts.byOutcome {
            metrics.commands.with(kind.command.rawValue, kind.outcome.rawValue).add(count)
        }
        if counts.notices > 0 { metrics.notices.add(counts.notices) }
        if counts.alerts > 0 { metrics.alerts.add(counts.alerts) }
        if counts.duplicates > 0 { metrics.duplicates.add(counts.duplicates) }
        if counts.deadLetters > 0 { metrics.deadLetters.add(counts.deadLetters) }
        metrics.transactionSeconds.observe(transaction.seconds)
        metrics.liveReservations.with(self.partition).set(transaction.liveReservations)
        metrics.nextOffset.with(self.partition).set(Double(transaction.nextOffset))
        board.setNextOffset(partition, transaction.nextOffset)
    }

    func worker(_ partition: Int32, failed failure: LogFailure, inARow: Int) {
        board.set(partition, .starting)
        metrics.restarts.with(self.partition).add()
        if failure.isRefusal { board.refuse(failure.message) }
        // Once an outage, not once an attempt; and that it stops is told when it does.
        guard !reportedFailure, failure.consequence != .halt else { return }
        reportedFailure = true
        let message =
            failure.consequence == .fenced
            ? "the partition was taken by another owner; waiting for the group's word"
            : "dropping producer and state, and starting again"
        logger.warning(message, ["operation": failure.operation, "reason": failure.message])
    }

    func worker(_ partition: Int32, finished halted: String?) {
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

    func worker(_ partition: Int32, isBackWithin milliseconds: Int64) {
        watched.beat(limitMilliseconds: Int(milliseconds))
    }
}

/// The metrics of the stock processor.
struct ProcessorMetrics: Sendable {
    let commands: MetricFamily<Counter>
    let duplicates: Counter
    let deadLetters: Counter
    let notices: Counter
    let alerts: Counter
    let unplacedReplies: Counter
    let transactionSeconds: Histogram
    let liveReservations: MetricFamily<Gauge>
    let nextOffset: MetricFamily<Gauge>
    let lag: MetricFamily<Gauge>
    let restoreSeconds: MetricFamily<Gauge>
    let restoredRecords: MetricFamily<Gauge>
    let restarts: MetricFamily<Counter>

    init(_ registry: MetricsRegistry) {
        commands = registry.counters(
            "holdfast_commands_total", help: "Commands whose outcome was committed.",
            labels: ["command", "outcome"])
        duplicates = registry.counter(
            "holdfast_duplicate_commands_total", help: "Commands that repeated an earlier one.")
        notices = registry.counter(
            "holdfast_notices_total",
            help: "Notices to orders: reservations lost or moved, backorders filled.")
        alerts = registry.counter(
            "holdfast_alerts_total", help: "Alerts: low, out, recovered, transfer_overdue.")
        unplacedReplies = registry.counter(
            "holdfast_unplaced_replies_total",
            help: "Replies to orders for which order.replies has no partition.")
        deadLetters = registry.counter(
            "holdfast_dead_letters_total", help: "Records that were no commands and went to dead.letters.")
        transactionSeconds = registry.histogram(
            "holdfast_transaction_seconds", help: "From a transaction's first command to its commit.")
        liveReservations = registry.gauges(
            "holdfast_live_reservations", help: "Reservations that live.", labels: ["partition"])
        nextOffset = registry.gauges(
            "holdfast_next_offset", help: "The next command to be decided.", labels: ["partition"])
        lag = registry.gauges(
            "holdfast_lag",
            help: "Offsets of commands that are not decided yet, transaction markers included.",
            labels: ["partition"])
        restoreSeconds = registry.gauges(
            "holdfast_restore_seconds", help: "How long the last restore took.", labels: ["partition"])
        restoredRecords = registry.gauges(
            "holdfast_restored_records",
            help: "Records that the restore under way, or the last one, has read.",
            labels: ["partition", "topic"])
        restarts = registry.counters(
            "holdfast_worker_restarts_total", help: "Workers that dropped their state and started again.",
            labels: ["partition"])
    }

    /// A partition that went to another process must not be told by this one any more.
    func forget(_ partition: String) {
        for family in [liveReservations, nextOffset, lag, restoreSeconds] { family.remove(partition) }
        for topic in Topic.allCases { restoredRecords.remove(partition, topic.rawValue) }
    }
}

/// What each worker of this process is doing, for readiness and for lag.
final class WorkerBoard: Sendable {
    enum Condition: Equatable {
        case starting, ready
        case halted(String)
    }

    private struct State {
        var isAssigned = false
        var conditions: [Int32: Condition] = [:]
        var nextOffsets: [Int32: Int64] = [:]
        var refusal: String?
    }

    private let state = Mutex(State())

    func setAssigned() { state.withLock { $0.isAssigned = true } }
    func setUnassigned() { state.withLock { $0.isAssigned = false } }

    func set(_ partition: Int32, _ condition: Condition) {
        state.withLock { $0.conditions[partition] = condition }
    }

    func setNextOffset(_ partition: Int32, _ offset: Int64) {
        state.withLock { $0.nextOffsets[partition] = offset }
    }

    func remove(_ partition: Int32) {
        state.withLock {
            $0.conditions[partition] = nil
            $0.nextOffsets[partition] = nil
        }
    }

    /// What the broker does not let a worker do. It would let none here, and who may do it is to have the partitions.
    var refusal: String? { state.withLock { $0.refusal } }

    func refuse(_ reason: String) { state.withLock { $0.refusal = $0.refusal ?? reason } }

    var nextOffsets: [Int32: Int64] { state.withLock { $0.nextOffsets } }

    var health: Health {
        state.withLock { state in
            guard state.isAssigned else { return .unwell("the group has not assigned partitions yet") }
            for (partition, condition) in state.conditions.sorted(by: { $0.key < $1.key }) {
                switch condition {
                case .ready: continue
                case .starting: return .unwell("partition \(partition) is being restored")
                case .halted(let reason): return .unwell("partition \(partition) is stopped: \(reason)")
                }
            }
            return .well
        }
    }
}
