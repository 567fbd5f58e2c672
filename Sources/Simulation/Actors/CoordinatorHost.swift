import InventoryCore
import InventoryWire
import OrderCore
import StreamRuntime

/// A process of `holdfast coordinate`.
final class CoordinatorHost: MemberHost {
    private let number: Int
    unowned let side: OrderSide

    init(_ number: Int, _ side: OrderSide, _ world: World) {
        self.number = number
        self.side = side
        super.init("coordinator \(number)", side.assigner, world)
    }

    func worker(of partition: Int32) -> CoordinatorWorker? {
        anyWorker(of: partition) as? CoordinatorWorker
    }

    override func makeWorker(_ partition: Int32) -> any GroupWorker { CoordinatorWorker(partition, self) }
    override func makeSuccessor() -> MemberHost { CoordinatorHost(number, side, world) }
}

/// A worker's thread: production's `OrderWorker`, a step at a time.
final class CoordinatorWorker: GroupWorker {
    let partition: Int32
    private unowned let host: CoordinatorHost
    private let log: ModelOrderLog
    private let witness: OrderWitness
    private var worker: OrderWorker!
    var order = WorkerOrder.work
    private(set) var isFinished = false
    private var isActing = false
    private var pausedUntil: Int64 = 0

    init(_ partition: Int32, _ host: CoordinatorHost) {
        self.partition = partition
        self.host = host
        let (world, side) = (host.world, host.side)
        log = world.mutant?.makeOrderLog(partition, host) ?? ModelOrderLog(partition: partition, host: host)
        witness = OrderWitness(host, log)
        var settings = WorkerLifecycle.Settings(commitInterval: 10, commandLimit: 24)
        settings.fencedBackoff = 250
        settings.longestBackoff = 800
        settings.placeInterval = 60
        worker = OrderWorker(
            log: log, observer: witness, settings: settings, actionLimit: 10_000,
            order: { [unowned self] in order }, clock: { [unowned world] in world.now * 1_000_000 },
            wallClock: { [unowned world, unowned side] in world.now + side.clockOffset },
            pause: { [unowned self, unowned world] in pausedUntil = world.now + $0 },
            makeDesk: { [unowned side] in side.makeDesk(partition) })
    }

    var wakesAt: Int64 { order == .work ? max(pausedUntil, log.wakesAt) : 0 }
    var isReady: Bool { !isActing && !isFinished && !host.isDead && !host.isPaused }
    var isGone: Bool { !isActing && (isFinished || host.isDead) }
    /// It has the state of its orders.
    var isRestored: Bool { witness.isRestored }

    /// An order as it stands; not to be asked in the midst of a step.
    func found(_ id: ID) -> Order? { worker.found(id) }

    func act() {
        isActing = true
        let goesOn = worker.step()
        isActing = false
        isFinished = !goesOn || host.isDead
    }
}

/// Sees what a worker does, and tells it.
private final class OrderWitness: OrderWorkerObserver {
    private unowned let host: CoordinatorHost
    private unowned let world: World
    private let log: ModelOrderLog
    private(set) var isRestored = false

    init(_ host: CoordinatorHost, _ log: ModelOrderLog) {
        self.host = host
        self.log = log
        world = host.world
    }

    func orderWorker(_ partition: Int32, restored orders: Int, milliseconds: Int64) {
        isRestored = true
        world.figures[.orderRestores] += 1
        world.trace("\(host.name), partition \(partition): restored \(orders) orders that live")
    }

    func orderWorker(_ partition: Int32, committed counts: OrderCounts, _ figures: OrderFigures) {
        world.figures[.strays] += counts.strays
        world.trace(
            "\(host.name), partition \(partition): committed up to \(figures.nextOrder), \(counts.commands) commands, "
                + "\(counts.outcomes.values.reduce(0, +)) outcomes")
    }

    func orderWorker(_ partition: Int32, failed failure: LogFailure, inARow: Int) {
        isRestored = false
        world.trace(
            "\(host.name), partition \(partition): \(failure.consequence) after \(failure.operation): "
                + failure.message)
    }

    func orderWorker(_ partition: Int32, finished halted: String?) {
        isRestored = false
        guard let halted else { return }
        // One that has been overtaken in the midst of its restore may find things that do not agree.
        guard let identity = log.lastIdentity, world.broker.isCurrent(identity) else { return }
        world.violate("partition \(partition) of orders halted: \(halted)")
    }

    func orderWorker(_ partition: Int32, isBackWithin milliseconds: Int64) {}
}
