import StreamRuntime

/// A worker's thread in a process that is a member of a group: it is given a partition, and taken it from.
protocol GroupWorker: Actor {
    var partition: Int32 { get }
    var order: WorkerOrder { get set }
    var isFinished: Bool { get }
    /// It takes no further turns.
    var isGone: Bool { get }
}

/// A process that is a member of a group, with a worker for each partition that it is given.
class MemberHost: Host, Actor {
    private(set) var member: ModelGroup.Member?
    private(set) var workers: [any GroupWorker] = []
    private(set) var wakesAt: Int64 = 0
    private var restartsAt: Int64 = 0
    let assigner: GroupAssigner

    init(_ name: String, _ assigner: GroupAssigner, _ world: World) {
        self.assigner = assigner
        super.init(name, world)
    }

    var isReady: Bool { !isPaused }

    /// What the thread of its consumer does: it hears from the group, and gives and takes workers accordingly.
    func act() {
        if isDead { return restartIfDue() }
        wakesAt = world.now + Int64(world.random.within(1...15))
        guard let known = member, assigner.group.members.contains(known.id) else { return join() }
        member!.generation = assigner.group.generation
        for worker in workers where worker.isGone { hasEnded(worker) }
        workers.removeAll { $0.isGone }
        for partition in 0..<world.partitionCount {
            let worker = anyWorker(of: partition)
            switch assigner.wish(for: partition, member: known.id) {
            case .have: if worker == nil { start(partition) }
            case .giveBack:
                if let worker, !worker.isFinished {
                    worker.order = .stop
                } else {
                    assigner.gaveBack(partition, member: known.id)
                }
            case .none: worker?.order = .abandon
            }
        }
    }

    /// Those of a member that the group has dropped are another's by now.
    private func join() {
        if member != nil { world.figures[.lost] += workers.count }
        for worker in workers { worker.order = .abandon }
        member = assigner.join()
        world.trace("\(name) joins the \(assigner.name) as member \(member!.id)")
    }

    func anyWorker(of partition: Int32) -> (any GroupWorker)? {
        workers.first { $0.partition == partition && !$0.isGone && $0.order != .abandon }
    }

    private func start(_ partition: Int32) {
        let worker = makeWorker(partition)
        workers.append(worker)
        world.add(worker)
    }

    override func die() {
        super.die()
        restartsAt = world.now + Int64(world.random.within(20...700))
        wakesAt = restartsAt
    }

    /// The one that comes after it is another process: it has another member id, and nothing of the first one's
    /// memory.
    private func restartIfDue() {
        guard world.now >= restartsAt else { return }
        world.replace(self, by: makeSuccessor())
    }

    // MARK: What each role has of its own

    func makeWorker(_ partition: Int32) -> any GroupWorker {
        preconditionFailure("a member that does nothing")
    }
    func makeSuccessor() -> MemberHost { preconditionFailure("a member that does nothing") }
    func hasEnded(_ worker: any GroupWorker) {}
}

/// The group's leader: who gets which partition.
final class GroupAssigner: Actor {
    enum Wish { case have, giveBack, none }

    /// As traces call it.
    let name: String
    private let path: ReferenceWritableKeyPath<ModelBroker, ModelGroup>
    private unowned let world: World
    private var owners: [Int?]
    private var leaving: [Bool]
    private(set) var wakesAt: Int64 = 0
    let isReady = true

    init(_ name: String, _ path: ReferenceWritableKeyPath<ModelBroker, ModelGroup>, _ world: World) {
        self.name = name
        self.path = path
        self.world = world
        owners = Array(repeating: nil, count: Int(world.partitionCount))
        leaving = Array(repeating: false, count: Int(world.partitionCount))
    }

    private(set) var group: ModelGroup {
        get { world.broker[keyPath: path] }
        set { world.broker[keyPath: path] = newValue }
    }

    func join() -> ModelGroup.Member { group.join() }

    func owner(of partition: Int32) -> Int? { owners[Int(partition)] }

    func wish(for partition: Int32, member: Int) -> Wish {
        guard owners[Int(partition)] == member else { return .none }
        return leaving[Int(partition)] ? .giveBack : .have
    }

    func gaveBack(_ partition: Int32, member: Int) {
        guard owners[Int(partition)] == member, leaving[Int(partition)] else { return }
        release(Int(partition))
        group.rebalanced()
    }

    private func release(_ partition: Int) {
        owners[partition] = nil
        leaving[partition] = false
    }

    func act() {
        wakesAt = world.now + 4
        dropSilentMembers()
        let members = group.members
        guard !members.isEmpty else { return }
        for partition in owners.indices where owners[partition] == nil {
            let next = members.min { load($0) < load($1) }!
            owners[partition] = next
            group.rebalanced()
            world.trace("the \(name) gives partition \(partition) to member \(next)")
        }
        balance(members)
    }

    /// A member that was not heard of for a session's time is none any more.
    private func dropSilentMembers() {
        for id in group.members {
            let silentSince = world.silentSince(member: id, of: self)
            guard let silentSince, world.now - silentSince > World.sessionTimeout else { continue }
            world.trace("the \(name) drops member \(id)")
            group.remove(id)
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
        world.trace("the \(name) asks member \(rich) for partition \(partition)")
    }
}
