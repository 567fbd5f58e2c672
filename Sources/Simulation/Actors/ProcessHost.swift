import InventoryCore
import InventoryWire
import StreamRuntime

/// A process of `holdfast process`.
final class ProcessHost: MemberHost {
    private let number: Int
    private(set) var standby: Standby?

    init(_ number: Int, _ world: World) {
        self.number = number
        super.init("process \(number)", world.assigner, world)
        if world.hasStandbys {
            standby = Standby(self)
            world.add(standby!)
        }
    }

    func worker(of partition: Int32) -> ProcessWorker? { anyWorker(of: partition) as? ProcessWorker }

    override func makeWorker(_ partition: Int32) -> any GroupWorker { ProcessWorker(partition, self) }
    override func makeSuccessor() -> MemberHost { ProcessHost(number, world) }
    override func hasEnded(_ worker: any GroupWorker) { standby?.forget(worker.partition) }

    override func die() {
        if !isDead {
            for case let worker as ProcessWorker in workers { world.figures[.aheadLost] += worker.ahead }
        }
        super.die()
    }
}

/// A worker's thread: production's `PartitionWorker`, a step at a time.
final class ProcessWorker: GroupWorker {
    let partition: Int32
    unowned let host: ProcessHost
    private unowned let world: World
    private let log: ModelLog
    private let witness: WorkerWitness
    private(set) var worker: PartitionWorker!
    var order = WorkerOrder.work
    private(set) var isFinished = false
    private var isActing = false
    private var pausedUntil: Int64 = 0

    init(_ partition: Int32, _ host: ProcessHost) {
        self.partition = partition
        self.host = host
        world = host.world
        log = world.mutant?.makeLog(partition, host) ?? ModelLog(partition: partition, host: host)
        witness = WorkerWitness(host, log)
        var settings = WorkerLifecycle.Settings(commitInterval: 10, commandLimit: 8)
        settings.aheadStep = 3
        settings.aheadBytes = 4_000
        settings.fencedBackoff = 250
        settings.longestBackoff = 800
        settings.placeInterval = 60
        // What the worker keeps must not keep the world: a run is dropped whole.
        worker = PartitionWorker(
            log: log, observer: witness, settings: settings, actionLimit: 10_000,
            order: { [unowned self] in order },
            ownsKey: { [unowned world] in world.partition(ofKey: $0) == partition },
            clock: { [unowned world] in world.now * 1_000_000 },
            pause: { [unowned self] in pausedUntil = world.now + $0 },
            takeImage: { [unowned host] in host.standby?.take(partition) })
    }

    /// Commands that it has decided while a commit is under way.
    var ahead: Int { log.ahead }
    var wakesAt: Int64 { order == .work ? max(pausedUntil, log.wakesAt) : 0 }
    var isReady: Bool { !isActing && !isFinished && !host.isDead && !host.isPaused }
    var isGone: Bool { !isActing && (isFinished || host.isDead) }

    func act() {
        isActing = true
        let goesOn = worker.step()
        isActing = false
        isFinished = !goesOn || host.isDead
        if let offset = witness.takeRestored() { keepRestored(offset) }
    }

    /// Keeps the state that a restore has made, to be compared with what it should be. One whose producer has been
    /// fenced meanwhile may have read anything: it can never commit.
    private func keepRestored(_ offset: Int64) {
        guard let identity = log.identity, let stock = worker.stock else { return }
        world.figures[.restores] += 1
        guard world.broker.isCurrent(identity) else {
            world.figures[.overtaken] += 1
            return
        }
        world.restores.append(
            RestoredState(partition: partition, offset: offset, bytes: StateBytes.of(stock)))
    }
}

/// Sees what a worker does, and tells it.
private final class WorkerWitness: WorkerObserver {
    private unowned let host: ProcessHost
    private unowned let world: World
    private let log: ModelLog
    private var restoredFrom: Int64?

    init(_ host: ProcessHost, _ log: ModelLog) {
        self.host = host
        self.log = log
        world = host.world
    }

    /// Where the worker goes on after a restore, once.
    func takeRestored() -> Int64? {
        defer { restoredFrom = nil }
        return restoredFrom
    }

    func worker(_ partition: Int32, restoring reading: Restorer.Reading) {}

    func worker(_ partition: Int32, restored progress: Restorer.Progress, _ start: StartFigures, from: Int64)
    {
        restoredFrom = from
        if start.isWarm { world.figures[.warm] += 1 }
        world.trace(
            "\(host.name), partition \(partition): restored\(start.isWarm ? " from the standby's image" : ""), goes on "
                + "at \(from)")
    }

    func worker(_ partition: Int32, committed counts: CommandCounts, _ transaction: TransactionFigures) {
        world.trace(
            "\(host.name), partition \(partition): committed up to \(transaction.nextOffset)")
    }

    func worker(_ partition: Int32, failed failure: LogFailure, inARow: Int) {
        world.trace(
            "\(host.name), partition \(partition): \(failure.consequence) after \(failure.operation): "
                + failure.message)
    }

    func worker(_ partition: Int32, finished halted: String?) {
        guard let halted else { return }
        // One that has been overtaken in the midst of its restore may find things that do not agree.
        guard let identity = log.lastIdentity, world.broker.isCurrent(identity) else { return }
        world.violate("partition \(partition) halted: \(halted)")
    }

    func worker(_ partition: Int32, isBackWithin milliseconds: Int64) {}
}
