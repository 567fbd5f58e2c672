import InventoryCore
import InventoryWire

/// How the shell learns what a worker does. All calls come from the worker's thread.
package protocol WorkerObserver: AnyObject {
    func worker(_ partition: Int32, restoring reading: Restorer.Reading)
    func worker(_ partition: Int32, restored progress: Restorer.Progress, _ start: StartFigures, from: Int64)
    func worker(_ partition: Int32, committed counts: CommandCounts, _ transaction: TransactionFigures)
    func worker(_ partition: Int32, failed failure: LogFailure, inARow: Int)
    func worker(_ partition: Int32, finished halted: String?)
    /// The worker promises to call again within the time: a watchdog holds it to that.
    func worker(_ partition: Int32, isBackWithin milliseconds: Int64)
}

/// How long a worker took to begin, in milliseconds, step by step.
package struct StartFigures: Equatable, Sendable {
    /// To open the producer, which fences the owner before us.
    package var fencing: Int64 = 0
    /// To learn the committed offset.
    package var locating: Int64 = 0
    /// To make the state.
    package var restoring: Int64 = 0
    /// The state was read before by a standby, but for its newest records.
    package var isWarm = false
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

/// Runs the lifecycle of one partition on the calling thread: all of it, or one action at a time.
package struct PartitionWorker {
    private let log: any PartitionLog
    private let observer: any WorkerObserver
    private let order: () -> WorkerOrder
    private let ownsKey: (UnsafeRawBufferPointer) -> Bool
    /// A monotonic clock in nanoseconds.
    private let clock: () -> Int64
    /// Waits so many milliseconds, less when an order other than `work` comes.
    private let pause: (Int64) -> Void
    /// Gives what a standby has read of the partition, once.
    private let takeImage: () -> PartitionImage?
    /// How long any one action may take before the worker is thought blocked, in milliseconds.
    private let actionLimit: Int64
    private var lifecycle: WorkerLifecycle
    private var action: WorkerLifecycle.Action
    private var session: Session?
    private var start = StartFigures()

    package init(
        log: any PartitionLog, observer: any WorkerObserver, settings: WorkerLifecycle.Settings,
        actionLimit: Int64, order: @escaping () -> WorkerOrder,
        ownsKey: @escaping (UnsafeRawBufferPointer) -> Bool, clock: @escaping () -> Int64,
        pause: @escaping (Int64) -> Void, takeImage: @escaping () -> PartitionImage? = { nil }
    ) {
        self.log = log
        self.observer = observer
        self.actionLimit = actionLimit
        self.order = order
        self.ownsKey = ownsKey
        self.clock = clock
        self.pause = pause
        self.takeImage = takeImage
        lifecycle = WorkerLifecycle(settings: settings)
        action = lifecycle.start()
    }

    /// The live state; nil before a restore and after a failure.
    package var stock: Stock? { session?.processor.stock }

    package consuming func run() {
        var worker = self
        while worker.step() {}
    }

    /// Does what is to be done next.
    /// - Returns: false when the worker has finished; then it must not be called again.
    package mutating func step() -> Bool {
        switch order() {
        case .work: break
        case .stop: action = lifecycle.stop(insteadOf: action)
        case .abandon: action = lifecycle.abandon()
        }
        if case .finish(let halted) = action {
            log.close()
            observer.worker(log.partition, finished: halted)
            return false
        }
        // A commit is held to the promise that was made at its beginning, whatever is done meanwhile.
        if !lifecycle.isCommitUnderWay { observer.worker(log.partition, isBackWithin: actionLimit) }
        do throws(LogFailure) {
            action = try perform(action)
        } catch {
            // What the end of a commit is waited for was told when it happened.
            let isTold = lifecycle.isEnding
            action =
                if case .settle = action { lifecycle.commitFailed(error) } else { lifecycle.failed(error) }
            if error.consequence != .stopped, !isTold {
                observer.worker(log.partition, failed: error, inARow: lifecycle.failuresInARow)
            }
        }
        return true
    }

    /// What lives from a restore to the next failure, and is dropped whole.
    private final class Session {
        var processor: CommandProcessor
        /// The command after the last one that was decided.
        var nextOffset: Int64 = 0
        /// When the first command of the transaction came, and of what is decided ahead.
        var transactionStart: Int64 = 0
        var aheadStart: Int64 = 0
        let ahead: Ahead
        /// What is being committed.
        var underWay = Transaction()

        init(processor: consuming CommandProcessor, ahead: Ahead) {
            self.processor = processor
            self.ahead = ahead
        }
    }

    /// What is decided while a commit is under way.
    private final class Ahead {
        let records = OutputBuffer()
        /// What is decided now goes there.
        var isDeciding = false
    }

    /// What is to be told of a transaction when it has committed.
    private struct Transaction {
        var counts = CommandCounts()
        var start: Int64 = 0
        var nextOffset: Int64 = 0
        var liveReservations = 0
    }

    private mutating func perform(
        _ action: WorkerLifecycle.Action
    ) throws(LogFailure) -> WorkerLifecycle.Action {
        switch action {
        case .open:
            let began = clock()
            try log.open()
            start.fencing = milliseconds(since: began)
            return lifecycle.opened()
        case .locate:
            let began = clock()
            let committed = try log.committedOffset()
            start.locating = milliseconds(since: began)
            return lifecycle.located(committed: committed)
        case .restore:
            return try restore()
        case .read(let offset):
            try log.startReading(at: offset)
            session!.nextOffset = offset
            return lifecycle.placed()
        case .poll(let limit, let timeout):
            return try poll(limit, timeout, session!)
        case .commit:
            try startCommit(session!)
            return lifecycle.commitBegan()
        case .decideAhead(let limit, let timeout):
            return try decideAhead(limit, timeout, session!)
        case .settle(let timeout):
            guard try log.isCommitted(timeoutMilliseconds: timeout) else {
                return lifecycle.stillCommitting()
            }
            tell(session!.underWay)
            return lifecycle.committed()
        case .handOver:
            try handOver(session!)
            return lifecycle.handedOver(at: clock() / 1_000_000)
        case .drop:
            log.close()
            session = nil
            return lifecycle.dropped()
        case .wait(let milliseconds):
            pause(milliseconds)
            return lifecycle.waited()
        case .finish:
            preconditionFailure("a step does finish itself")
        }
    }

    private mutating func restore() throws(LogFailure) -> WorkerLifecycle.Action {
        let began = clock()
        try log.requireSettled(Topic.ofProcessor)
        let image = takeImage()
        start.isWarm = image != nil
        let partition = log.partition
        let restorer = Restorer(log: log) { [observer] in observer.worker(partition, restoring: $0) }
        let (stock, newestSource, progress) = try restorer.restore(from: image ?? PartitionImage())
        let ahead = Ahead()
        session = Session(
            processor: CommandProcessor(
                stock: stock, partition: log.partition, ownsKey: ownsKey,
                reply: { [log] partition, key, value throws(LogFailure) in
                    if ahead.isDeciding {
                        ahead.records.append(.orderReplies, key: key, value: value, partition: partition)
                    } else {
                        try log.reply(partition, key: key, value: value)
                    }
                }),
            ahead: ahead)
        if let doubt = lifecycle.doubt(newestSource: newestSource) { throw doubt }
        let next = lifecycle.restored(
            newestSource: newestSource, inputOffsets: try log.offsets(of: .commands))
        if case .read(let offset) = next {
            start.restoring = milliseconds(since: began)
            observer.worker(partition, restored: progress, start, from: offset)
        }
        return next
    }

    private func milliseconds(since began: Int64) -> Int64 { (clock() - began) / 1_000_000 }

    private mutating func poll(
        _ limit: Int, _ timeout: Int, _ session: Session
    ) throws(LogFailure) -> WorkerLifecycle.Action {
        let count = try log.poll(limit: limit, timeoutMilliseconds: timeout) { record throws(LogFailure) in
            precondition(record.offset >= session.nextOffset, "offset \(record.offset) came again")
            if !lifecycle.isTransactionOpen { try begin(session) }
            try session.processor.process(record) { topic, key, value throws(LogFailure) in
                try log.produce(topic, key: key, value: value)
            }
            session.nextOffset = record.offset + 1
        }
        let now = clock() / 1_000_000
        if lifecycle.keepsPlace(at: now), try log.readOffset() > session.nextOffset { try begin(session) }
        return lifecycle.polled(commands: count, at: now)
    }

    private mutating func begin(_ session: Session) throws(LogFailure) {
        try log.begin()
        session.transactionStart = clock()
        lifecycle.began()
    }

    private func startCommit(_ session: Session) throws(LogFailure) {
        try session.processor.writeChangedLevels { topic, key, value throws(LogFailure) in
            try log.produce(topic, key: key, value: value)
        }
        session.nextOffset = max(session.nextOffset, try log.readOffset())
        session.underWay = Transaction(
            counts: session.processor.takeCounts(), start: session.transactionStart,
            nextOffset: session.nextOffset, liveReservations: session.processor.stock.liveReservations)
        try log.startCommit(nextOffset: session.nextOffset)
    }

    /// Decides commands of the next transaction. Nobody sees anything of it before that has begun.
    private mutating func decideAhead(
        _ limit: Int, _ timeout: Int, _ session: Session
    ) throws(LogFailure) -> WorkerLifecycle.Action {
        session.ahead.isDeciding = true
        defer { session.ahead.isDeciding = false }
        let ahead = session.ahead.records
        let count = try log.poll(limit: limit, timeoutMilliseconds: timeout) { record throws(LogFailure) in
            precondition(record.offset >= session.nextOffset, "offset \(record.offset) came again")
            if ahead.isEmpty { session.aheadStart = clock() }
            try session.processor.process(record) { topic, key, value throws(LogFailure) in
                ahead.append(topic, key: key, value: value)
            }
            session.nextOffset = record.offset + 1
        }
        return lifecycle.decidedAhead(commands: count, bytes: ahead.byteCount)
    }

    private func handOver(_ session: Session) throws(LogFailure) {
        try log.begin()
        session.transactionStart = session.aheadStart
        try session.ahead.records.take { topic, partition, key, value throws(LogFailure) in
            if let partition, let key, let value {
                try log.reply(partition, key: key, value: value)
            } else {
                try log.produce(topic, key: key, value: value)
            }
        }
    }

    private func tell(_ transaction: Transaction) {
        observer.worker(
            log.partition, committed: transaction.counts,
            TransactionFigures(
                seconds: Double(clock() - transaction.start) / 1e9, nextOffset: transaction.nextOffset,
                liveReservations: transaction.liveReservations))
    }
}
