import InventoryCore
import InventoryWire

/// How the shell learns what a worker does. All calls come from the worker's thread.
package protocol WorkerObserver: AnyObject {
    func worker(_ partition: Int32, restored progress: Restorer.Progress, milliseconds: Int64, from: Int64)
    func worker(_ partition: Int32, committed counts: CommandCounts, _ transaction: TransactionFigures)
    func worker(_ partition: Int32, failed failure: LogFailure, inARow: Int)
    func worker(_ partition: Int32, finished halted: String?)
    /// The worker promises to call again within the time: a watchdog holds it to that.
    func worker(_ partition: Int32, isBackWithin milliseconds: Int64)
}

package struct TransactionFigures: Sendable {
    /// From its first command to the commit's return, in seconds.
    package var seconds: Double
    package var nextOffset: Int64
    package var liveReservations: Int
}

/// What the shell says to a worker, asked before each action.
package enum WorkerOrder: Sendable {
    case work
    /// Finish the transaction, then stop.
    case stop
    /// The partition is another's already: stop without a commit.
    case abandon
}

/// Runs the lifecycle of one partition on the calling thread, until it finishes.
package struct PartitionWorker {
    private let log: any PartitionLog
    private let observer: any WorkerObserver
    private let settings: WorkerLifecycle.Settings
    private let order: () -> WorkerOrder
    private let ownsKey: (UnsafeRawBufferPointer) -> Bool
    /// A monotonic clock in nanoseconds.
    private let clock: () -> Int64
    /// Waits so many milliseconds, less when an order other than `work` comes.
    private let pause: (Int64) -> Void
    /// How long any one action may take before the worker is thought blocked, in milliseconds.
    private let actionLimit: Int64

    package init(
        log: any PartitionLog, observer: any WorkerObserver, settings: WorkerLifecycle.Settings,
        actionLimit: Int64, order: @escaping () -> WorkerOrder,
        ownsKey: @escaping (UnsafeRawBufferPointer) -> Bool, clock: @escaping () -> Int64,
        pause: @escaping (Int64) -> Void
    ) {
        self.log = log
        self.observer = observer
        self.settings = settings
        self.actionLimit = actionLimit
        self.order = order
        self.ownsKey = ownsKey
        self.clock = clock
        self.pause = pause
    }

    package func run() {
        var lifecycle = WorkerLifecycle(settings: settings)
        var session: Session?
        var action = lifecycle.start()
        while true {
            switch order() {
            case .work: break
            case .stop: action = lifecycle.stop(insteadOf: action)
            case .abandon: action = .finish(halted: nil)
            }
            if case .finish(let halted) = action {
                log.close()
                return observer.worker(log.partition, finished: halted)
            }
            observer.worker(log.partition, isBackWithin: actionLimit)
            do throws(LogFailure) {
                action = try perform(action, &lifecycle, &session)
            } catch {
                action = lifecycle.failed(error)
                if error.consequence != .stopped {
                    observer.worker(log.partition, failed: error, inARow: lifecycle.failuresInARow)
                }
            }
        }
    }

    /// What lives from a restore to the next failure, and is dropped whole.
    private final class Session {
        var processor: CommandProcessor
        var nextOffset: Int64 = 0
        var transactionStart: Int64 = 0

        init(processor: consuming CommandProcessor) { self.processor = processor }
    }

    private func perform(
        _ action: WorkerLifecycle.Action, _ lifecycle: inout WorkerLifecycle, _ session: inout Session?
    ) throws(LogFailure) -> WorkerLifecycle.Action {
        switch action {
        case .open:
            try log.open()
            return lifecycle.opened()
        case .locate:
            return lifecycle.located(committed: try log.committedOffset())
        case .restore:
            return try restore(&lifecycle, &session)
        case .read(let offset):
            try log.startReading(at: offset)
            session!.nextOffset = offset
            return lifecycle.placed()
        case .poll(let limit, let timeout):
            return try poll(limit, timeout, &lifecycle, session!)
        case .commit:
            try commit(session!)
            return lifecycle.committed()
        case .drop:
            log.close()
            session = nil
            return lifecycle.dropped()
        case .wait(let milliseconds):
            pause(milliseconds)
            return lifecycle.waited()
        case .finish:
            preconditionFailure("finish is done by the loop")
        }
    }

    private func restore(
        _ lifecycle: inout WorkerLifecycle, _ session: inout Session?
    ) throws(LogFailure) -> WorkerLifecycle.Action {
        let start = clock()
        let (stock, newestSource, progress) = try Restorer(log: log).restore()
        session = Session(
            processor: CommandProcessor(stock: stock, partition: log.partition, ownsKey: ownsKey))
        let next = lifecycle.restored(
            newestSource: newestSource, inputOffsets: try log.offsets(of: .commands))
        if case .read(let offset) = next {
            observer.worker(
                log.partition, restored: progress, milliseconds: (clock() - start) / 1_000_000, from: offset)
        }
        return next
    }

    private func poll(
        _ limit: Int, _ timeout: Int, _ lifecycle: inout WorkerLifecycle, _ session: Session
    ) throws(LogFailure) -> WorkerLifecycle.Action {
        let count = try log.poll(limit: limit, timeoutMilliseconds: timeout) { record throws(LogFailure) in
            precondition(record.offset >= session.nextOffset, "offset \(record.offset) came again")
            if !lifecycle.isTransactionOpen {
                try log.begin()
                session.transactionStart = clock()
                lifecycle.began(at: session.transactionStart / 1_000_000)
            }
            try session.processor.process(record) { topic, key, value throws(LogFailure) in
                try log.produce(topic, key: key, value: value)
            }
            session.nextOffset = record.offset + 1
        }
        return lifecycle.polled(commands: count, at: clock() / 1_000_000)
    }

    private func commit(_ session: Session) throws(LogFailure) {
        try session.processor.writeChangedLevels { topic, key, value throws(LogFailure) in
            try log.produce(topic, key: key, value: value)
        }
        try log.commit(nextOffset: session.nextOffset)
        observer.worker(
            log.partition, committed: session.processor.takeCounts(),
            TransactionFigures(
                seconds: Double(clock() - session.transactionStart) / 1e9, nextOffset: session.nextOffset,
                liveReservations: session.processor.stock.liveReservations))
    }
}
