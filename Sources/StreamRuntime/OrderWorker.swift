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
    /// A monotonic clock in nanoseconds, and one in milliseconds since 1970 that may be wrong and does not jump.
    private let clock: () -> Int64
    private let wallClock: () -> Int64
    /// Waits so many milliseconds, less when an order other than `work` comes.
    private let pause: (Int64) -> Void
    private let actionLimit: Int64
    private var lifecycle: WorkerLifecycle
    private var action: WorkerLifecycle.Action
    private var session: Session?
    /// Where the group stands.
    private var committed: (orders: Int64?, replies: Int64?) = (nil, nil)

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
        var next = OrderPlace(order: 0, reply: 0)
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
            committed = try log.committedOffsets()
            return lifecycle.located(committed: committed.orders)
        case .restore:
            return try restore()
        case .read:
            try log.startReading(at: session!.next)
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
        try log.requireSettled(Topic.ofCoordinator)
        let start = try log.offsets(of: .orderState).lowerBound
        try log.read(.orderState, from: start) { record throws(LogFailure) in
            try session.desk.restore(record)
        }
        session.desk.restored()
        let place = session.desk.place
        session.next = OrderPlace(
            order: try startOffset(.orders, place?.order, committed.orders, session),
            reply: try startOffset(.orderReplies, place?.reply, committed.replies, session))
        self.session = session
        observer.orderWorker(
            log.partition, restored: session.desk.liveOrders,
            milliseconds: (clock() - began) / 1_000_000)
        return lifecycle.restored(startingAt: session.next.order)
    }

    private func startOffset(
        _ input: Topic, _ kept: Int64?, _ committed: Int64?, _ session: Session
    ) throws(LogFailure) -> Int64 {
        // A group that knows one input has not lost its offsets: the broker forgets that of `order.replies` alone, as its
        // members do not subscribe to it.
        let hasLost = session.desk.hasState && self.committed.orders == nil
        switch WorkerLifecycle.startOffset(
            of: input.rawValue, kept: kept, hasState: hasLost, committed: committed,
            inputOffsets: try log.offsets(of: input))
        {
        case .success(let offset): return offset
        case .failure(let refusal):
            throw LogFailure(.halt, operation: "place in \(input.rawValue)", message: refusal.reason)
        }
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
            try session.desk.process(record, from: topic, at: wallClock(), output)
            if topic == .orders {
                session.next.order = record.offset + 1
            } else {
                session.next.reply = record.offset + 1
            }
        }
        let moment = clock() / 1_000_000
        if lifecycle.keepsPlace(at: moment) {
            let isPassed = try OrderPlace.max(log.readOffsets(), session.next) != session.next
            if isPassed || isPlaceMissing(session) { try beginIfNeeded(session) }
        }
        return lifecycle.polled(commands: count, at: moment)
    }

    /// A state of a version that kept no place gets one before the group can lose its own; and a group that has lost its
    /// offsets gets them again, for those who watch them.
    private func isPlaceMissing(_ session: Session) -> Bool {
        session.desk.hasState
            && (session.desk.place == nil || committed.orders == nil || committed.replies == nil)
    }

    private var output: OrderDesk.Output {
        { [log] topic, partition, key, value throws(LogFailure) in
            try log.produce(topic, partition, key: key, value: value)
        }
    }

    private mutating func commit(_ session: Session) throws(LogFailure) {
        session.next = try .max(session.next, log.readOffsets())
        try session.desk.writeChanged(output)
        try session.desk.write(session.next, output)
        try log.commit(next: session.next)
        committed = (session.next.order, session.next.reply)
        observer.orderWorker(
            log.partition, committed: session.desk.takeCounts(),
            OrderFigures(
                seconds: Double(clock() - session.transactionStart) / 1e9, nextOrder: session.next.order,
                liveOrders: session.desk.liveOrders, stuckOrders: session.desk.stuckOrders))
    }
}
