import InventoryCore
import InventoryWire
import StreamRuntime

/// A process of `holdfast process`: a member of the group, with a worker for each partition that it is given.
final class ProcessHost: Host, Actor {
    private(set) var member: ModelGroup.Member?
    private var workers: [ProcessWorker] = []
    private(set) var wakesAt: Int64 = 0
    private var restartsAt: Int64 = 0
    private let number: Int
    private(set) var standby: Standby?

    init(_ number: Int, _ world: World) {
        self.number = number
        super.init("process \(number)", world)
        if world.hasStandbys {
            standby = Standby(self)
            world.add(standby!)
        }
    }

    var isReady: Bool { !isPaused }

    /// What the thread of its consumer does: it hears from the group, and gives and takes workers accordingly.
    func act() {
        if isDead { return restartIfDue() }
        wakesAt = world.now + Int64(world.random.within(1...15))
        guard let known = member, world.broker.group.members.contains(known.id) else { return join() }
        member!.generation = world.broker.group.generation
        for worker in workers where worker.isGone { standby?.forget(worker.partition) }
        workers.removeAll { $0.isGone }
        for partition in 0..<world.partitionCount {
            let worker = worker(of: partition)
            switch world.assigner.wish(for: partition, member: known.id) {
            case .have: if worker == nil { start(partition) }
            case .giveBack:
                if let worker, !worker.isFinished {
                    worker.order = .stop
                } else {
                    world.assigner.gaveBack(partition, member: known.id)
                }
            case .none: worker?.order = .abandon
            }
        }
    }

    /// Those of a member that the group has dropped are another's by now.
    private func join() {
        if member != nil { world.figures[.lost] += workers.count }
        for worker in workers { worker.order = .abandon }
        member = world.broker.group.join()
        world.trace("\(name) joins the group as member \(member!.id)")
    }

    func worker(of partition: Int32) -> ProcessWorker? {
        workers.first { $0.partition == partition && !$0.isGone && $0.order != .abandon }
    }

    private func start(_ partition: Int32) {
        let worker = ProcessWorker(partition, self)
        workers.append(worker)
        world.add(worker)
    }

    override func die() {
        if !isDead { for worker in workers { world.figures[.aheadLost] += worker.ahead } }
        super.die()
        restartsAt = world.now + Int64(world.random.within(20...700))
        wakesAt = restartsAt
    }

    /// The one that comes after it is another process: it has another member id, and nothing of the first one's
    /// memory.
    private func restartIfDue() {
        guard world.now >= restartsAt else { return }
        world.replace(self, by: ProcessHost(number, world))
    }
}

/// A worker's thread: production's `PartitionWorker`, a step at a time.
final class ProcessWorker: Actor {
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

/// The group's leader: who gets which partition.
final class GroupAssigner: Actor {
    enum Wish { case have, giveBack, none }

    private unowned let world: World
    private var owners: [Int?]
    private var leaving: [Bool]
    private(set) var wakesAt: Int64 = 0
    let isReady = true

    init(_ world: World) {
        self.world = world
        owners = Array(repeating: nil, count: Int(world.partitionCount))
        leaving = Array(repeating: false, count: Int(world.partitionCount))
    }

    func owner(of partition: Int32) -> Int? { owners[Int(partition)] }

    func wish(for partition: Int32, member: Int) -> Wish {
        guard owners[Int(partition)] == member else { return .none }
        return leaving[Int(partition)] ? .giveBack : .have
    }

    func gaveBack(_ partition: Int32, member: Int) {
        guard owners[Int(partition)] == member, leaving[Int(partition)] else { return }
        release(Int(partition))
        world.broker.group.rebalanced()
    }

    private func release(_ partition: Int) {
        owners[partition] = nil
        leaving[partition] = false
    }

    func act() {
        wakesAt = world.now + 4
        dropSilentMembers()
        let members = world.broker.group.members
        guard !members.isEmpty else { return }
        for partition in owners.indices where owners[partition] == nil {
            let next = members.min { load($0) < load($1) }!
            owners[partition] = next
            world.broker.group.rebalanced()
            world.trace("the group gives partition \(partition) to member \(next)")
        }
        balance(members)
    }

    /// A member that was not heard of for a session's time is none any more.
    private func dropSilentMembers() {
        for id in world.broker.group.members {
            let silentSince = world.silentSince(member: id)
            guard let silentSince, world.now - silentSince > World.sessionTimeout else { continue }
            world.trace("the group drops member \(id)")
            world.broker.group.remove(id)
            for partition in owners.indices where owners[partition] == id { release(partition) }
        }
    }

    private func load(_ member: Int) -> Int { owners.reduce(0) { $0 + ($1 == member ? 1 : 0) } }

    /// One at a time is asked back from who has two more than another.
    private func balance(_ members: [Int]) {
        guard !leaving.contains(true),
            let least = members.map(load).min(), let rich = members.first(where: { load($0) > least + 1 }),
            let partition = owners.firstIndex(of: rich)
        else { return }
        leaving[partition] = true
        world.trace("the group asks member \(rich) for partition \(partition)")
    }
}
