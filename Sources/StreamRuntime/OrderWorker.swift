import InventoryCore
import InventoryWire
import OrderCore

/// How the shell learns what a coordinator's worker does. All calls come from the worker's thread.
package protocol OrderWorkerObserver: AnyObject {
    func orderWorker(_ partition: Int32, restored orders: Int, milliseconds: Int64)
    func orderWorker(_ partition: Int32, committed counts: OrderCounts, _ figures: OrderFigures)
    func orderWorker(_ partition: Int32, failed failure: LogFailure, inARow: Int)
    func orderWorker(_ partition: Int32, finished halted: String?)
    /// The worker promises to call again within the time: a watchdog holds it to that.
    func orderWorker(_ partition: Int32, isBackWithin milliseconds: Int64)
}

/// How things stand after a commit.
package struct OrderFigures: Sendable {
    /// From the transaction's first record to the commit's return, in seconds.
    package var seconds: Double
    package var nextOrder: Int64
    package var liveOrders: Int
    package var stuckOrders: Int
}

/// Runs the lifecycle of one partition of orders on the calling thread. It is that of a partition of stock: open,
/// locate, restore, read, then poll and commit in turn; only what is done at each step differs.
package struct OrderWorker {
    private let log: any OrderLog
    private let observer: any OrderWorkerObserver
    private let order: () -> WorkerOrder
    private let makeDesk: () -> OrderDesk
    /// A monotonic clock in nanoseconds, and the wall clock in milliseconds since 1970.
    private let clock: () -> Int64
    private let wallClock: () -> Int64
    /// Waits so many milliseconds, less when an order other than `work` comes.
    private let pause: (Int64) -> Void
    private let actionLimit: Int64
    private var lifecycle: WorkerLifecycle
    private var action: WorkerLifecycle.Action
    private var session: Session?
    /// Where the group stands in `order.replies`.
    private var committedReply: Int64?

    package init(
        log: any OrderLog, observer: any OrderWorkerObserver, settings: WorkerLifecycle.Settings,
        actionLimit: Int64, order: @escaping () -> WorkerOrder, clock: @escaping () -> Int64,
        wallClock: @escaping () -> Int64, pause: @escaping (Int64) -> Void,
        makeDesk: @escaping () -> OrderDesk
    ) {
        self.log = log
        self.observer = observer
        self.order = order
        self.makeDesk = makeDesk
        self.clock = clock
        self.wallClock = wallClock
        self.pause = pause
        self.actionLimit = actionLimit
        // Orders come slowly enough for a commit to be waited for.
        var settings = settings
        settings.decidesAhead = false
        lifecycle = WorkerLifecycle(settings: settings)
        action = lifecycle.start()
    }

    package consuming func run() {
        var worker = self
        while worker.step() {}
    }

    /// What lives from a restore to the next failure, and is dropped whole.
    private final class Session {
        var desk: OrderDesk
        var nextOrder: Int64 = 0
        var nextReply: Int64 = 0
        var transactionStart: Int64 = 0

        init(desk: consuming OrderDesk) { self.desk = desk }
    }

    /// An order as it stands; nil before a restore and after a failure.
    package func found(_ id: ID) -> Order? { session?.desk.order(id) }

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
            observer.orderWorker(log.partition, finished: halted)
            return false
        }
        observer.orderWorker(log.partition, isBackWithin: actionLimit)
        do throws(LogFailure) {
            action = try perform(action)
        } catch {
            action = lifecycle.failed(error)
            if error.consequence != .stopped {
                observer.orderWorker(log.partition, failed: error, inARow: lifecycle.failuresInARow)
            }
        }
        return true
    }

    private mutating func perform(
        _ action: WorkerLifecycle.Action
    ) throws(LogFailure) -> WorkerLifecycle.Action {
        switch action {
        case .open:
            try log.open()
            return lifecycle.opened()
        case .locate:
            let committed = try log.committedOffsets()
            committedReply = committed.replies
            return lifecycle.located(committed: committed.orders)
        case .restore:
            return try restore()
        case .read(let offset):
            session!.nextOrder = offset
            try log.startReading(orders: offset, replies: session!.nextReply)
            return lifecycle.placed()
        case .poll(let limit, let timeout):
            return try poll(limit, timeout, session!)
        case .commit:
            try commit(session!)
            return lifecycle.committed()
        case .decideAhead, .settle, .handOver:
            preconditionFailure("\(action) of a worker that does not decide ahead")
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
        let session = Session(desk: makeDesk())
        let start = try log.offsets(of: .orderState).lowerBound
        try log.read(.orderState, from: start) { record throws(LogFailure) in
            try session.desk.restore(record)
        }
        try session.desk.restored()
        if session.desk.isNew, let placed = try log.partitionsOfOthers(), placed != log.partitionCount {
            throw .placedOtherwise(.orders, by: Int64(placed), now: log.partitionCount)
        }
        let replies = try log.offsets(of: .orderReplies)
        switch WorkerLifecycle.startOffset(
            committed: committedReply, newestSource: nil, inputOffsets: replies)
        {
        case .success(let offset): session.nextReply = offset
        case .failure(let refusal):
            throw LogFailure(.halt, operation: "place in order.replies", message: refusal.reason)
        }
        self.session = session
        let next = lifecycle.restored(newestSource: nil, inputOffsets: try log.offsets(of: .orders))
        if case .read = next {
            observer.orderWorker(
                log.partition, restored: session.desk.liveOrders,
                milliseconds: (clock() - began) / 1_000_000)
        }
        return next
    }

    private mutating func beginIfNeeded(_ session: Session) throws(LogFailure) {
        if lifecycle.isTransactionOpen { return }
        try log.begin()
        session.transactionStart = clock()
        lifecycle.began()
    }

    private mutating func poll(
        _ limit: Int, _ timeout: Int, _ session: Session
    ) throws(LogFailure) -> WorkerLifecycle.Action {
        var count = 0
        let now = wallClock()
        if session.desk.isDue(at: now) {
            try beginIfNeeded(session)
            count = try session.desk.tellDue(at: now, limit: limit, output)
        }
        count += try log.poll(limit: limit, timeoutMilliseconds: count > 0 ? 0 : timeout) {
            topic, record throws(LogFailure) in
            try beginIfNeeded(session)
            try session.desk.process(record, from: topic, output)
            if topic == .orders {
                session.nextOrder = record.next
            } else {
                session.nextReply = record.next
            }
        }
        return lifecycle.polled(commands: count, at: clock() / 1_000_000)
    }

    private var output: OrderDesk.Output {
        { [log] topic, partition, key, value throws(LogFailure) in
            try log.produce(topic, partition, key: key, value: value)
        }
    }

    private func commit(_ session: Session) throws(LogFailure) {
        try session.desk.writeChanged(output)
        try log.commit(nextOrder: session.nextOrder, nextReply: session.nextReply)
        observer.orderWorker(
            log.partition, committed: session.desk.takeCounts(),
            OrderFigures(
                seconds: Double(clock() - session.transactionStart) / 1e9, nextOrder: session.nextOrder,
                liveOrders: session.desk.liveOrders, stuckOrders: session.desk.stuckOrders))
    }
}
