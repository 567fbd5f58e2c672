/// Processors, brokers and their cores as a queueing network, event by event: what a layout does with a load, by the
/// times that were measured of a command and of a transaction.
///
/// A partition's worker does what `WorkerLifecycle` says: it decides what is there, commits at once what came to an
/// idle partition and else when the interval since the last commit is over or the transaction is full, and waits for
/// the commit. A commit takes the process's cores, then the leader's, then those of the followers, then a wait in which
/// no core works. Cores are shared in turns of a millisecond. Not modelled: the network, disks, pauses of the JVM,
/// the limits of a broker's connections, and that costs differ from machine to machine.
package struct ScaleModel {
    enum Stage: UInt8 { case decide, client, leader, follower, restore, aside }

    struct Job {
        let partition: Int32
        let stage: Stage
        /// Of the partition when the job began: what an owner that is gone has begun comes to nothing.
        let epoch: Int32
    }

    enum Event {
        case slice(machine: Int, Cores<Job>.Slice)
        case wake(partition: Int, ticket: Int)
        case waited(partition: Int, epoch: Int32)
        case windowOpens, sample, loss, assigned
        case opened(partition: Int)
        case end
    }

    struct Partition {
        var process: Int
        let leader: Int
        var epoch: Int32 = 0
        /// When each command came that is not committed yet; those before `head` are.
        var times: [Int64] = []
        var head = 0
        var deciding = 0
        var inHand = 0
        var committing = 0
        var following = 0
        var nextArrival = Int64.max
        var lastCommit = Int64.min / 2
        var ticket = 0
        var isRestoring = false

        /// Commands that nobody has begun to decide.
        var there: Int { times.count - head - committing - inHand - deciding }
    }

    static let millisecond: Int64 = 1_000_000
    static let slice = millisecond
    /// Between two looks at what waits, on average: at random, so that they do not keep step with the commits.
    static let sampling = 5.0 * Double(millisecond)

    let layout: Layout
    let load: Load
    let times: ServiceTimes
    let loss: Loss?
    let interval: Int64
    let meanGap: Double
    var draws: [Draws] = []
    var looks: Draws
    var queue = EventQueue<Event>()
    var machines: [Cores<Job>]
    var partitions: [Partition] = []
    var now: Int64 = 0
    var isOver = false
    var figures = ScaleFigures()
    var window = Window()

    /// What counts, from when the window opens.
    struct Window {
        var opened: Int64 = -1
        var busy: [Int64] = []
        var commands = 0
        var transactions = 0
        var inSystem = 0.0
        var samples = 0
        var latencies = LatencyCounts()
        /// All commands that were committed, before the window too.
        var committed = 0
        /// Commands in the system before the loss, on average; and whether all partitions work again.
        var calm = 0.0
        var restoring = 0
        var lossAt: Int64 = -1
    }

    package init(_ layout: Layout, _ load: Load, _ times: ServiceTimes, seed: UInt64, loss: Loss? = nil) {
        self.layout = layout
        self.load = load
        self.times = times
        self.loss = loss
        interval = Int64(layout.commitInterval * Double(Self.millisecond))
        looks = Draws(seed: seed)
        machines = layout.machines.map { Cores($0, slice: Self.slice) }
        if case .rate(let rate, _, _) = load {
            meanGap = 1e9 * Double(layout.partitions) / rate
        } else {
            meanGap = 0
        }
        for number in 0..<layout.partitions {
            draws.append(Draws(seed: seed, row: UInt64(number) + 1))
            partitions.append(
                Partition(
                    process: number % layout.processes.count, leader: number % layout.brokers.count))
        }
    }

    /// - Returns: what was seen; the same for the same arguments.
    package static func run(
        _ layout: Layout, _ load: Load, _ times: ServiceTimes, seed: UInt64 = 1, loss: Loss? = nil
    ) -> ScaleFigures {
        var model = ScaleModel(layout, load, times, seed: seed, loss: loss)
        model.begin()
        while !model.isOver, let (time, event) = model.queue.next() {
            model.now = time
            model.happen(event)
        }
        return model.close()
    }

    private mutating func begin() {
        switch load {
        case .backlog(let commands):
            for number in partitions.indices {
                let own = commands / layout.partitions + (number < commands % layout.partitions ? 1 : 0)
                partitions[number].times = Array(repeating: 0, count: own)
            }
        case .rate(_, let seconds, let warmUp):
            for number in partitions.indices { drawNext(number, after: 0) }
            queue.add(.windowOpens, at: Int64(warmUp * 1e9))
            queue.add(.end, at: Int64(seconds * 1e9))
        }
        queue.add(.sample, at: 0)
        if let loss { queue.add(.loss, at: Int64(loss.at * 1e9)) }
        for number in partitions.indices { work(number) }
    }

    private mutating func happen(_ event: Event) {
        switch event {
        case .slice(let machine, let slice):
            if machines[machine].ended(slice) { done(slice.job) }
            dispatch(machine)
        case .wake(let number, let ticket):
            if partitions[number].ticket == ticket { work(number) }
        case .waited(let number, let epoch):
            if partitions[number].epoch == epoch { committed(number) }
        case .windowOpens: openWindow()
        case .sample: sample()
        case .loss: lose()
        case .assigned: assign()
        case .opened(let number):
            let loss = loss!
            add(.restore, number, machine(of: number), Int64(Double(loss.records) * loss.perRecord * 1_000))
            add(
                .aside, number, leader(of: number), Int64(Double(loss.records) * loss.brokerPerRecord * 1_000)
            )
        case .end: isOver = true
        }
    }

    // MARK: A partition

    /// What the worker does next, if it is free.
    private mutating func work(_ number: Int) {
        guard !partitions[number].isRestoring, partitions[number].deciding == 0 else { return }
        if partitions[number].inHand > 0, partitions[number].committing == 0, isDue(number) { commit(number) }
        guard partitions[number].committing == 0 || layout.decidesAhead else { return }
        drawArrivals(number)
        let count = min(partitions[number].there, layout.commandLimit - partitions[number].inHand)
        if count > 0 {
            partitions[number].deciding = count
            add(.decide, number, machine(of: number), Int64(times.worker.command * Double(count) * 1_000))
        } else {
            sleep(number)
        }
    }

    private func isDue(_ number: Int) -> Bool {
        now >= partitions[number].lastCommit + interval || partitions[number].inHand >= layout.commandLimit
    }

    /// Until something comes, or the commit is due. A poll that has something looks once a millisecond.
    private mutating func sleep(_ number: Int) {
        var until = partitions[number].nextArrival
        if partitions[number].inHand > 0 {
            until = max(until, now + Self.millisecond)
            if partitions[number].committing == 0 {
                until = min(until, partitions[number].lastCommit + interval)
            }
        }
        guard until < .max else { return }
        partitions[number].ticket += 1
        queue.add(.wake(partition: number, ticket: partitions[number].ticket), at: max(until, now))
    }

    private mutating func commit(_ number: Int) {
        let count = partitions[number].inHand
        partitions[number].inHand = 0
        partitions[number].committing = count
        partitions[number].lastCommit = now
        let own = Int64(times.worker.transaction * 1_000)
        add(.client, number, machine(of: number), own + times.client.nanoseconds(count))
    }

    /// A job has had all of its time.
    private mutating func done(_ job: Job) {
        let number = Int(job.partition)
        guard job.stage != .aside, partitions[number].epoch == job.epoch else { return }
        switch job.stage {
        case .decide:
            partitions[number].inHand += partitions[number].deciding
            partitions[number].deciding = 0
            work(number)
        case .client:
            add(.leader, number, leader(of: number), leaderWork(number))
        case .leader:
            let followers = min(layout.replicas, layout.brokers.count) - 1
            partitions[number].following = followers
            if followers == 0 { return wait(number) }
            for place in 1...followers {
                let broker = layout.brokers[(partitions[number].leader + place) % layout.brokers.count]
                add(.follower, number, broker, Int64(Double(leaderWork(number)) * layout.followerShare))
            }
        case .follower:
            partitions[number].following -= 1
            if partitions[number].following == 0 { wait(number) }
        case .restore:
            restored(number)
        case .aside: break
        }
    }

    private func leaderWork(_ number: Int) -> Int64 {
        ServiceTimes.Cost(
            command: times.broker.command * times.commitShare, transaction: times.broker.transaction
        ).nanoseconds(partitions[number].committing)
    }

    private mutating func wait(_ number: Int) {
        queue.add(
            .waited(partition: number, epoch: partitions[number].epoch),
            at: now + Int64(times.commitWait * Double(Self.millisecond)))
    }

    private mutating func committed(_ number: Int) {
        let count = partitions[number].committing
        let head = partitions[number].head
        if window.opened >= 0 {
            for place in head..<(head + count) {
                let waited = Double(now - partitions[number].times[place]) / Double(Self.millisecond)
                window.latencies.add(waited + times.outside)
            }
            window.commands += count
            window.transactions += 1
        }
        window.committed += count
        partitions[number].head += count
        partitions[number].committing = 0
        if partitions[number].head > 4_096, partitions[number].head * 2 > partitions[number].times.count {
            partitions[number].times.removeFirst(partitions[number].head)
            partitions[number].head = 0
        }
        aside(number, count)
        if case .backlog(let all) = load {
            if window.opened < 0, window.committed * 5 >= all { openWindow() }
            if window.committed == all { isOver = true }
        }
        work(number)
    }

    /// The work that no commit waits for.
    private mutating func aside(_ number: Int, _ count: Int) {
        var broker = times.broker.command * (1 - times.commitShare)
        var outside = times.reader
        if case .rate = load {
            // Its followers have published commands to write, too.
            broker +=
                times.publishBroker
                * (1 + layout.followerShare * Double(min(layout.replicas, layout.brokers.count) - 1))
            outside += times.publisher
        }
        add(.aside, number, leader(of: number), Int64(broker * Double(count) * 1_000))
        if let machine = layout.outside {
            add(.aside, number, machine, Int64(outside * Double(count) * 1_000))
        }
    }

    // MARK: Machines

    private func machine(of number: Int) -> Int { layout.processes[partitions[number].process] }
    private func leader(of number: Int) -> Int { layout.brokers[partitions[number].leader] }

    private mutating func add(_ stage: Stage, _ number: Int, _ machine: Int, _ work: Int64) {
        let job = Job(partition: Int32(number), stage: stage, epoch: partitions[number].epoch)
        machines[machine].add(job, work: work)
        dispatch(machine)
    }

    private mutating func dispatch(_ machine: Int) {
        while let slice = machines[machine].next() {
            queue.add(.slice(machine: machine, slice), at: now + slice.length)
        }
    }

    // MARK: Arrivals

    private mutating func drawNext(_ number: Int, after time: Int64) {
        partitions[number].nextArrival = time + Int64(draws[number].exponential(mean: meanGap)) + 1
    }

    private mutating func drawArrivals(_ number: Int) {
        while partitions[number].nextArrival <= now {
            let time = partitions[number].nextArrival
            partitions[number].times.append(time)
            drawNext(number, after: time)
        }
    }

    // MARK: A loss

    /// The first process is gone, with what its workers had in hand.
    private mutating func lose() {
        window.lossAt = now
        window.calm = window.samples == 0 ? 0 : window.inSystem / Double(window.samples)
        for number in partitions.indices where partitions[number].process == 0 {
            partitions[number].epoch += 1
            partitions[number].isRestoring = true
            partitions[number].deciding = 0
            partitions[number].inHand = 0
            partitions[number].committing = 0
            window.restoring += 1
        }
        queue.add(.assigned, at: now + Int64(loss!.unnoticed * Double(Self.millisecond)))
    }

    /// Its partitions go to the others in turn.
    private mutating func assign() {
        let others = max(1, layout.processes.count - 1)
        var turn = 0
        for number in partitions.indices where partitions[number].isRestoring {
            partitions[number].process = layout.processes.count == 1 ? 0 : 1 + turn % others
            turn += 1
            queue.add(.opened(partition: number), at: now + Int64(loss!.opening * Double(Self.millisecond)))
        }
    }

    private mutating func restored(_ number: Int) {
        partitions[number].isRestoring = false
        window.restoring -= 1
        if window.restoring == 0 {
            figures.restoredAfter = Double(now - window.lossAt) / 1e9
        }
        work(number)
    }

    // MARK: Figures

    private mutating func openWindow() {
        window.opened = now
        window.busy = machines.map(\.busy)
    }

    private mutating func sample() {
        queue.add(.sample, at: now + Int64(looks.exponential(mean: Self.sampling)))
        var count = 0
        for number in partitions.indices {
            drawArrivals(number)
            count += partitions[number].times.count - partitions[number].head
        }
        if window.opened >= 0 {
            window.inSystem += Double(count)
            window.samples += 1
        }
        if figures.restoredAfter != nil, figures.drainedAfter == nil, Double(count) <= window.calm * 1.5 {
            figures.drainedAfter = Double(now - window.lossAt) / 1e9
        }
    }

    private mutating func close() -> ScaleFigures {
        let seconds = max(1e-9, Double(now - max(0, window.opened)) / 1e9)
        figures.perSecond = Double(window.commands) / seconds
        figures.transactionsPerSecond = Double(window.transactions) / seconds
        figures.commandsInTransaction = Double(window.commands) / Double(max(1, window.transactions))
        figures.mean = window.latencies.mean
        figures.p50 = window.latencies.value(50)
        figures.p99 = window.latencies.value(99)
        figures.inSystem = window.inSystem / Double(max(1, window.samples))
        figures.busy = machines.indices.map { place in
            let before = window.busy.isEmpty ? 0 : window.busy[place]
            return Double(machines[place].busy - before) / 1e9 / seconds / Double(machines[place].count)
        }
        return figures
    }
}

/// What a run of the model came to.
package struct ScaleFigures: Sendable, Equatable {
    package var perSecond = 0.0
    package var transactionsPerSecond = 0.0
    package var commandsInTransaction = 0.0
    /// From a command's coming to its committed result at a reader, in milliseconds.
    package var mean = 0.0
    package var p50 = 0.0
    package var p99 = 0.0
    /// Commands that are there and not committed, on average.
    package var inSystem = 0.0
    /// The share of each machine's cores that is at work.
    package var busy: [Double] = []
    /// Seconds from a loss until all partitions work again; and until no more commands wait than before (half as many
    /// again). Nil where it did not come to that.
    package var restoredAfter: Double?
    package var drainedAfter: Double?

    package init() {}
}
