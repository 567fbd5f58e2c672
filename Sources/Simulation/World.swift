import InventoryCore
import InventoryWire

/// Something that acts, one step at a time.
protocol Actor: AnyObject {
    /// It has nothing to do before, in milliseconds.
    var wakesAt: Int64 { get }
    /// It can act: it lives, does not stand still, and is not in the midst of a step.
    var isReady: Bool { get }
    func act()
}

/// A process that can die and stand still: what a request to Kafka or PostgreSQL is made by.
class Host {
    let name: String
    unowned let world: World
    private(set) var isDead = false
    private(set) var isPaused = false
    /// Since when it has not been heard of.
    private(set) var silentSince: Int64?
    private var pausedUntil: Int64 = 0

    init(_ name: String, _ world: World) {
        self.name = name
        self.world = world
    }

    func die() {
        guard !isDead else { return }
        world.trace("\(name) crashes")
        world.figures[.crashes] += 1
        isDead = true
        if silentSince == nil { silentSince = world.now }
    }

    func pause(until: Int64) {
        guard !isDead, !isPaused else { return }
        world.trace("\(name) stands still until \(until)")
        isPaused = true
        pausedUntil = until
        silentSince = world.now
    }

    func wake() {
        guard !isDead, isPaused else { return }
        world.trace("\(name) goes on")
        isPaused = false
        silentSince = nil
    }

    func wakeIfDue() {
        if isPaused, world.now >= pausedUntil { wake() }
    }
}

/// One run: the model of Kafka and PostgreSQL, the roles of the system upon it, what is published, what goes wrong.
///
/// All is on one thread, and who acts next is drawn from the seed. Where production code waits for an answer,
/// others can act in between (`interlude`): so a role can be overtaken in the midst of any call.
package final class World {
    static let sessionTimeout: Int64 = 400
    static let transactionTimeout: Int64 = 600
    /// How long a tombstone is kept: longer than anyone stands still.
    static let tombstoneRetention: Int64 = 6_000

    let plan: Plan
    let mutant: Mutant?
    let partitionCount: Int32
    let hasStandbys: Bool
    let broker: ModelBroker
    let database = ModelDatabase()
    var random: SeededGenerator
    private(set) var now: Int64 = 1_000_000
    private(set) var step = 0
    /// What was found wrong while it ran.
    private(set) var violations: [String] = []
    private let tell: ((String) -> Void)?

    private var actors: [any Actor] = []
    private var runnable: [any Actor] = []
    private(set) var processes: [ProcessHost] = []
    private var graveyard: [ProcessHost] = []
    private(set) var assigner: GroupAssigner!
    private(set) var delay: DelayService!
    private(set) var relay: RelayService!
    private(set) var sinks: [SinkService] = []
    private(set) var traffic: Traffic!
    private var depth = 0
    private var calls: [Fault.Point: Int] = [:]
    private var callFaults: [Fault.Point: [Int: Fault]] = [:]
    private var events: [(step: Int, fault: Fault)] = []
    /// Requests on their way whose senders have given up.
    private var late: [(at: Int64, what: () -> Void)] = []
    private(set) var isHealed = false
    /// States as restores made them.
    var restores: [RestoredState] = []
    var figures = Figures()

    /// - Parameter tell: gets a line for all that happens, as it happens.
    package init(plan: Plan, mutant: Mutant? = nil, tell: ((String) -> Void)? = nil) {
        self.plan = plan
        self.mutant = mutant
        self.tell = tell
        random = SeededGenerator(seed: plan.seed, purpose: 2)
        partitionCount = Int32(random.within(1...2))
        hasStandbys = random.oneIn(2)
        broker = ModelBroker(
            partitionCount: Topic.allCases.count * Int(partitionCount),
            transactionTimeout: Self.transactionTimeout)
        broker.now = now
        for fault in plan.faults {
            switch fault.place {
            case .call(let point, let occurrence, _): callFaults[point, default: [:]][occurrence] = fault
            case .event(_, let step): events.append((step, fault))
            }
        }
        events.sort { $0.step < $1.step }
        populate()
    }

    private func populate() {
        traffic = Traffic(self)
        assigner = GroupAssigner(self)
        delay = DelayService(self)
        relay = RelayService(self)
        actors = [traffic, assigner, BrokerHousekeeping(self), delay, relay]
        for number in 0..<2 {
            processes.append(ProcessHost(number, self))
            add(processes[number])
        }
        startSink()
    }

    // MARK: Running

    /// The most steps that the system may need after the last fault; three times what was seen in 10,000 seeds.
    static let recoveryLimit = 3_000
    private static let stormLimit = 2_500

    /// Runs the plan, heals what is broken, and waits until nothing is left to do.
    package func run() {
        while step < Self.stormLimit, violations.isEmpty {
            if traffic.isDone, events.isEmpty, step > 300 { break }
            tick()
        }
        heal()
        let healedAt = step
        while violations.isEmpty, !isQuiet {
            guard step < healedAt + Self.recoveryLimit else {
                violate("no progress: \(Self.recoveryLimit) steps after the last fault \(whatIsLeft)")
                break
            }
            tick()
        }
        figures[.steps] = step
        figures.recovery = step - healedAt
        figures[.commands] = traffic.published
        figures[.aborted] = broker.abortedTransactions
        figures[.timedOut] = broker.timedOutTransactions
        figures[.compacted] = removed(.levels) + removed(.reservations) + removed(.transfers)
        figures[.deleted] = removed(.commands)
    }

    private func removed(_ topic: Topic) -> Int {
        (0..<partitionCount).reduce(0) { $0 + broker.partitions[index(topic, $1)].removed.count }
    }

    private func tick() {
        step += 1
        now += Int64(random.below(3))
        broker.now = now + brokerOffset
        while let next = events.first, next.step <= step {
            events.removeFirst()
            happen(next.fault)
        }
        deliverLate()
        for process in processes { process.wakeIfDue() }
        actOnce()
    }

    private var brokerOffset: Int64 = 0

    private func actOnce() {
        runnable.removeAll(keepingCapacity: true)
        var nextWake = Int64.max
        for actor in actors where actor.isReady {
            if actor.wakesAt <= now {
                runnable.append(actor)
            } else {
                nextWake = min(nextWake, actor.wakesAt)
            }
        }
        guard !runnable.isEmpty else {
            now += nextWake == .max ? 5 : min(nextWake - now, 5)
            broker.now = now + brokerOffset
            return
        }
        let actor = runnable[random.below(runnable.count)]
        actor.act()
        forgetTheDead()
    }

    /// Those that are no more take no further turns.
    private func forgetTheDead() {
        guard depth == 0, actors.count > 14 else { return }
        actors.removeAll {
            switch $0 {
            case let worker as ProcessWorker: worker.isGone
            case let standby as Standby: standby.isGone
            case let sink as SinkService: sink.isDead || sink.isFinished
            case is ProcessHost: false
            case let host as Host: host.isDead
            default: false
            }
        }
    }

    func add(_ actor: any Actor) { actors.append(actor) }

    /// A process has started again: whoever still has the old one finds it dead.
    func replace(_ old: ProcessHost, by new: ProcessHost) {
        graveyard.append(old)
        processes = processes.map { $0 === old ? new : $0 }
        actors.removeAll { $0 === old }
        add(new)
    }

    /// Since when a member of the group has not been heard of; nil for one that is there.
    func silentSince(member id: Int) -> Int64? {
        for process in processes where process.member?.id == id { return process.silentSince }
        for process in graveyard where process.member?.id == id { return process.silentSince }
        // A member that came back under another id.
        return 0
    }

    /// Others act while a call is on its way.
    func interlude(_ steps: Int) {
        guard depth < 2 else { return }
        depth += 1
        for _ in 0..<steps where violations.isEmpty { tick() }
        depth -= 1
    }

    /// The host stands still in the midst of a call, while the others go on.
    private func stall(_ host: Host, milliseconds: Int) {
        guard depth < 2 else { return }
        depth += 1
        host.pause(until: now + Int64(milliseconds))
        // Whoever watches over it takes it for dead.
        switch host {
        case is SinkService: startSink(after: milliseconds / 3)
        case let delay as DelayService:
            startDelay(after: milliseconds / 3, clockOffset: delay.clockOffset)
        case is RelayService: startRelay(after: milliseconds / 3)
        default: break
        }
        var steps = 0
        while host.isPaused, !host.isDead, steps < 2_000, violations.isEmpty {
            tick()
            host.wakeIfDue()
            steps += 1
        }
        host.wake()
        depth -= 1
    }

    private func heal() {
        isHealed = true
        trace("the last fault is over")
        callFaults = [:]
        events = []
        for process in processes { process.wake() }
        delay.wake()
        relay.wake()
        for sink in sinks { sink.wake() }
    }

    /// Nothing is left to do: all commands are decided, all reservations have ended, all is in PostgreSQL.
    private var isQuiet: Bool {
        guard traffic.isDone, late.isEmpty, relay.isDone, !broker.hasMarkers, !broker.hasOpenTransactions
        else { return false }
        for partition in 0..<partitionCount {
            let commands = broker.partitions[index(.commands, partition)]
            guard let committed = try? broker.committedOffset(index(.commands, partition)),
                committed >= commands.endOfRecords, owner(of: partition)?.worker.stock != nil
            else { return false }
            guard let next = database.offsets[partition],
                next >= broker.partitions[index(.ledger, partition)].endOfRecords
            else { return false }
        }
        return delay.isIdle && processesHaveNothingDue
    }

    private var processesHaveNothingDue: Bool {
        (0..<partitionCount).allSatisfy { partition in
            guard let stock = owner(of: partition)?.worker.stock else { return false }
            return stock.liveReservations == 0 && stock.allTransfers.allSatisfy(\.isOverdueOrNeverDue)
        }
    }

    private var whatIsLeft: String {
        (0..<partitionCount).map { partition in
            let commands = broker.partitions[index(.commands, partition)].endOfRecords
            let committed = try? broker.committedOffset(index(.commands, partition))
            let ledger = broker.partitions[index(.ledger, partition)].endOfRecords
            let stock = owner(of: partition)?.worker.stock
            return
                "partition \(partition) has decided \(committed.map { "\($0)" } ?? "none") of \(commands), "
                + "PostgreSQL has \(database.offsets[partition] ?? 0) of \(ledger), "
                + "\(stock.map { "\($0.liveReservations)" } ?? "unknown") reservations live"
        }.joined(separator: "; ")
    }

    /// The worker that has a partition now.
    func owner(of partition: Int32) -> ProcessWorker? {
        guard let id = assigner.owner(of: partition),
            let process = processes.first(where: { $0.member?.id == id }), !process.isDead
        else { return nil }
        return process.worker(of: partition)
    }

    // MARK: Places

    func index(_ topic: Topic, _ partition: Int32) -> Int {
        topic.ordinal * Int(partitionCount) + Int(partition)
    }

    /// Where a key belongs. The runtime is told by its owner; which rule it is does not matter here.
    func partition(ofKey key: some Collection<UInt8>) -> Int32 {
        var sum: Int32 = 0
        for byte in key { sum = (sum &* 31 &+ Int32(byte)) & 0xFFFF }
        return sum % partitionCount
    }

    // MARK: What goes wrong

    /// Counts a call, and says what is planned for it.
    func fault(at point: Fault.Point) -> Fault? {
        calls[point, default: 0] += 1
        guard !isHealed, let fault = callFaults[point]?[calls[point]!] else { return nil }
        figures[.faults] += 1
        trace("fault: \(fault)")
        return fault
    }

    /// Makes a request: what is planned for it happens, others act meanwhile, and it is carried out or not.
    func request<Answer>(
        _ point: Fault.Point, by host: Host, _ body: @escaping () throws(BrokerError) -> Answer
    ) throws(RequestFailure) -> Answer {
        if host.isDead { throw .dead }
        var effect: Fault.Effect?
        if let fault = fault(at: point), case .call(_, _, let planned) = fault.place {
            effect = planned
            switch planned {
            case .refused: throw .unavailable
            case .crashBefore:
                host.die()
                throw .dead
            case .stall: stall(host, milliseconds: fault.amount)
            case .late:
                late.append(
                    (
                        now + Int64(random.within(1...900)),
                        { [unowned self] in if (try? body()) != nil { figures[.lateArrivals] += 1 } }
                    ))
                interlude(random.within(0...20))
                throw .unavailable
            case .answerLost, .crashAfter: break
            }
        }
        if random.oneIn(16) { interlude(random.within(1...4)) }
        if host.isDead { throw .dead }
        let answer: Answer
        do throws(BrokerError) { answer = try body() } catch {
            count(error)
            throw .broker(error)
        }
        switch effect {
        case .answerLost: throw .unavailable
        case .crashAfter:
            host.die()
            throw .dead
        default: return answer
        }
    }

    private func count(_ error: BrokerError) {
        switch error {
        case .fenced: figures[.fenced] += 1
        case .illegalGeneration, .unknownMember: figures[.staleMembers] += 1
        case .unstableOffset: figures[.unstable] += 1
        case .concurrentTransactions, .invalidTransactionState: break
        }
    }

    private func deliverLate() {
        guard !late.isEmpty else { return }
        let due = late.filter { $0.at <= now }
        late.removeAll { $0.at <= now }
        for request in due { request.what() }
    }

    private func happen(_ fault: Fault) {
        guard case .event(let event, _) = fault.place else { return }
        figures[.faults] += 1
        trace("fault: \(fault)")
        switch event {
        case .processCrash: processes[fault.amount % 2].die()
        case .processPause: processes[fault.amount % 2].pause(until: now + Int64(fault.amount / 2))
        case .delayCrash: delay.die()
        case .delayClock: delay.clockOffset += Int64(fault.amount)
        case .relayCrash: relay.die()
        case .sinkCrash: sinks.last?.die()
        case .secondSink: startSink()
        case .databaseKill: database.endSessions()
        case .brokerClock: brokerOffset += Int64(fault.amount)
        case .compaction: compact(tombstonesBefore: now - Self.tombstoneRetention)
        case .retention: retain()
        }
    }

    /// Compacts the topics that are compacted.
    func compact(tombstonesBefore: Int64) {
        for topic in [Topic.levels, .reservations, .transfers] {
            for partition in 0..<partitionCount {
                broker.partitions[index(topic, partition)].compact(tombstonesBefore: tombstonesBefore)
            }
        }
    }

    /// Deletes commands that were decided.
    private func retain() {
        for partition in 0..<partitionCount {
            let place = index(.commands, partition)
            guard let committed = try? broker.committedOffset(place), committed > 0 else { continue }
            broker.partitions[place].delete(before: Int64(random.within(0...Int(committed))))
        }
    }

    /// Starts a sink, whether or not another runs.
    func startSink(after milliseconds: Int = 0) {
        sinks.append(SinkService("sink \(sinks.count)", self, after: milliseconds))
        add(sinks.last!)
    }

    /// A sink has ended: another is started, unless one still runs.
    func restartSink() {
        if sinks.allSatisfy({ $0.isDead || $0.isFinished }) { startSink(after: random.within(5...400)) }
    }

    func startDelay(after milliseconds: Int, clockOffset: Int64) {
        delay = DelayService(self, after: milliseconds, clockOffset: clockOffset)
        add(delay)
    }

    func startRelay(after milliseconds: Int) {
        relay = RelayService(self, after: milliseconds)
        add(relay)
    }

    func violate(_ what: String) {
        trace("VIOLATION: \(what)")
        violations.append(what)
    }

    func trace(_ line: @autoclosure () -> String) {
        if let tell { tell("\(now - 1_000_000) ms  \(line())") }
    }
}

/// What became of a request that gave no answer.
enum RequestFailure: Error, Equatable {
    /// The caller is no more.
    case dead
    /// No answer: whether it was carried out is unknown.
    case unavailable
    case broker(BrokerError)
}

/// A state as a restore made it.
struct RestoredState {
    let partition: Int32
    /// The next command.
    let offset: Int64
    let bytes: [UInt8]
}

extension ModelPartition {
    /// The offset after the last record that read_committed shows.
    var endOfRecords: Int64 {
        for record in records.reversed() where ModelPartition.isVisible(record.state, .committed) {
            return record.offset + 1
        }
        return start
    }
}

extension TransferSnapshot {
    var isOverdueOrNeverDue: Bool { isOverdue || expectedAt == nil }
}

extension Topic {
    /// Its place among all topics.
    var ordinal: Int {
        switch self {
        case .commands: 0
        case .results: 1
        case .ledger: 2
        case .levels: 3
        case .reservations: 4
        case .transfers: 5
        case .alerts: 6
        case .deadLetters: 7
        case .warehouses: 8
        case .products: 9
        case .settings: 10
        }
    }
}

/// What the broker does by itself: it writes the markers of transactions that have ended, ends those that have been
/// open for too long, and compacts.
private final class BrokerHousekeeping: Actor {
    private unowned let world: World
    var wakesAt: Int64 = 0
    let isReady = true

    init(_ world: World) { self.world = world }

    func act() {
        world.broker.expireTransactions()
        if world.random.oneIn(200) { world.compact(tombstonesBefore: world.now - World.tombstoneRetention) }
        if world.broker.hasMarkers {
            world.broker.writeMarker(&world.random)
        } else {
            wakesAt = world.now + 2
        }
    }
}
