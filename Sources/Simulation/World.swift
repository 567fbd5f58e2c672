import InventoryCore
import InventoryWire

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
    private var graveyard: [MemberHost] = []
    private(set) var assigner: GroupAssigner!
    /// Nil in a run without orders of several lines.
    private(set) var orders: OrderSide?
    private(set) var delay: DelayService!
    private(set) var relay: RelayService!
    private(set) var sinks: [SinkService] = []
    private(set) var traffic: Traffic!
    var depth = 0
    var calls: [Fault.Point: Int] = [:]
    var callFaults: [Fault.Point: [Int: Fault]] = [:]
    private var events: [(step: Int, fault: Fault)] = []
    /// Requests on their way whose senders have given up.
    var late: [(at: Int64, what: () -> Void)] = []
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
        var clocks = SeededGenerator(seed: plan.seed, purpose: 5)
        delayHostClock = clocks.oneIn(2) ? 0 : Int64(Fault.clockStep(&clocks))
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
        assigner = GroupAssigner("group", \.group, self)
        delay = DelayService(self)
        relay = RelayService(self)
        actors = [traffic, assigner, BrokerHousekeeping(self), delay, relay]
        for number in 0..<2 {
            processes.append(ProcessHost(number, self))
            add(processes[number])
        }
        startSink()
        if plan.hasOrders {
            orders = OrderSide(self)
            for actor in orders!.actors { add(actor) }
        }
    }

    // MARK: Running

    /// The most steps that the system may need after the last fault; more than twice what was seen in 10,000 seeds.
    static let recoveryLimit = 3_000
    /// The same with orders, whose coordinators and processors wait for each other.
    static let recoveryLimitOfOrders = 10_000
    private static let stormLimit = 2_500

    /// Runs the plan, heals what is broken, and waits until nothing is left to do.
    package func run() {
        while step < Self.stormLimit, violations.isEmpty {
            if traffic.isDone, orders?.traffic.isDone ?? true, events.isEmpty, step > 300 { break }
            tick()
        }
        heal()
        let healedAt = step
        awaitQuiet()
        figures.recovery = step - healedAt
        if isFollowedByWeek { passWeek() }
        figures[.steps] = step
        figures[.lateMarkers] = broker.lateMarkerCount
        figures[.commands] = traffic.published
        figures[.aborted] = broker.abortedTransactions
        figures[.timedOut] = broker.timedOutTransactions
        figures[.compacted] = removed(.levels) + removed(.reservations) + removed(.transfers)
        figures[.deleted] = removed(.commands)
    }

    private func awaitQuiet() {
        let began = step
        let limit = orders == nil ? Self.recoveryLimit : Self.recoveryLimitOfOrders
        while violations.isEmpty, !isQuiet {
            guard step < began + limit else {
                return violate("no progress: \(limit) steps after the last fault \(whatIsLeft)")
            }
            tick()
        }
    }

    // MARK: A week without a command

    /// How long owners may take to commit that they have passed the last markers, in steps.
    private static let placeLimit = 2_000

    /// One run in four goes on after a week in which nobody publishes.
    private var isFollowedByWeek: Bool { plan.seed % 4 == 3 }

    /// Retention takes all that was decided, the broker forgets offsets and transactional ids, and whoever was stopped
    /// starts anew. Nothing was lost, and nothing is done again.
    private func passWeek() {
        let began = step
        while violations.isEmpty, let place = unpassed {
            guard step < began + Self.placeLimit else { return violate("\(place): markers are not passed") }
            tick()
        }
        guard violations.isEmpty else { return }
        trace("a week passes")
        figures[.weeks] += 1
        for topic in inputs {
            for partition in 0..<partitionCount {
                let place = index(topic, partition)
                broker.partitions[place].delete(before: broker.partitions[place].lastStable)
            }
        }
        forgetOffsets()
        broker.forgetProducers()
        for process in processes where random.oneIn(2) { process.die() }
        for coordinator in orders?.coordinators ?? [] where random.oneIn(2) { coordinator.die() }
        if random.oneIn(2) { relay.die() }
        traffic.publishOfNextWeek()
        awaitQuiet()
    }

    /// An input whose last markers no committed offset has passed yet; nil where there is none.
    private var unpassed: String? {
        for topic in inputs {
            for partition in 0..<partitionCount {
                let place = index(topic, partition)
                let next =
                    topic == .commands
                    ? (try? broker.committedOffset(place)) ?? 0 : orders!.next(topic, partition)
                let end = broker.partitions[place].lastStable
                if end > broker.partitions[place].start, next < end {
                    return "\(topic.rawValue)/\(partition) is committed up to \(next) of \(end)"
                }
            }
        }
        return nil
    }

    private func removed(_ topic: Topic) -> Int {
        (0..<partitionCount).reduce(0) { $0 + broker.partitions[index(topic, $1)].removed.count }
    }

    func tick() {
        step += 1
        now += Int64(random.below(3))
        broker.now = now + brokerOffset
        while let next = events.first, next.step <= step {
            events.removeFirst()
            happen(next.fault)
        }
        deliverLate()
        for process in processes { process.wakeIfDue() }
        for coordinator in orders?.coordinators ?? [] { coordinator.wakeIfDue() }
        actOnce()
    }

    /// The broker's clock less the true time, in milliseconds.
    var brokerOffset: Int64 = 0
    /// The clock of the delay service's host less the true time, in milliseconds.
    var delayHostClock: Int64

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
        guard depth == 0, actors.count > (orders == nil ? 14 : 22) else { return }
        actors.removeAll {
            switch $0 {
            case let worker as any GroupWorker: worker.isGone
            case let standby as Standby: standby.isGone
            case let sink as SinkService: sink.isDead || sink.isFinished
            case let relay as RelayService: relay.isDead || relay.isFinished
            case is MemberHost: false
            case let host as Host: host.isDead
            default: false
            }
        }
    }

    func add(_ actor: any Actor) { actors.append(actor) }

    /// All that lives in it, itself included: none of them may outlive the run.
    package var inhabitants: [AnyObject] {
        var all: [AnyObject] = [self, broker, database] + actors + graveyard
        if let orders { all.append(orders) }
        return all
    }

    /// A process has started again: whoever still has the old one finds it dead.
    func replace(_ old: MemberHost, by new: MemberHost) {
        graveyard.append(old)
        if let new = new as? ProcessHost { processes = processes.map { $0 === old ? new : $0 } }
        if let new = new as? CoordinatorHost { orders!.replace(old, by: new) }
        actors.removeAll { $0 === old }
        add(new)
    }

    /// Since when a member of the group has not been heard of; nil for one that is there.
    func silentSince(member id: Int, of group: GroupAssigner) -> Int64? {
        let living: [MemberHost] = group === assigner ? processes : orders!.coordinators
        for host in living where host.member?.id == id { return host.silentSince }
        for host in graveyard where host.member?.id == id && host.assigner === group {
            return host.silentSince
        }
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

    private func heal() {
        isHealed = true
        trace("the last fault is over")
        callFaults = [:]
        events = []
        for process in processes { process.wake() }
        for coordinator in orders?.coordinators ?? [] { coordinator.wake() }
        delay.wake()
        relay.wake()
        for sink in sinks { sink.wake() }
    }

    /// Nothing is left to do: all commands are decided, all reservations have ended, all is in PostgreSQL.
    private var isQuiet: Bool {
        guard traffic.isDone, late.isEmpty, relay.isDone, !broker.hasMarkers, !broker.hasLateMarkers,
            !broker.hasOpenTransactions
        else { return false }
        for partition in 0..<partitionCount {
            let commands = broker.partitions[index(.commands, partition)]
            // Nothing is committed where no command ever came.
            guard let committed = try? broker.committedOffset(index(.commands, partition)) ?? 0,
                committed >= commands.endOfRecords, owner(of: partition)?.worker.stock != nil
            else { return false }
            guard let next = database.offsets[partition],
                next >= broker.partitions[index(.ledger, partition)].endOfRecords
            else { return false }
        }
        return delay.isIdle && processesHaveNothingDue && orders?.isQuiet ?? true
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
        }.joined(separator: "; ") + (orders.map { "; \($0.whatIsLeft)" } ?? "")
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

    /// Starts a sink, whether or not another runs.
    func startSink(after milliseconds: Int = 0) {
        sinks.append(SinkService("sink \(sinks.count)", self, after: milliseconds))
        add(sinks.last!)
    }

    /// A sink has ended: another is started, unless one still runs.
    func restartSink() {
        if sinks.allSatisfy({ $0.isDead || $0.isFinished }) { startSink(after: random.within(5...400)) }
    }

    func startDelay(after milliseconds: Int) {
        delay = DelayService(self, after: milliseconds)
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

/// A state as a restore made it.
struct RestoredState {
    let partition: Int32
    /// The next command.
    let offset: Int64
    let bytes: [UInt8]
}
