/// How large a system for a rate must be, by arithmetic with measured times; and what the model says that it does.
package struct SizingPlan: Sendable {
    /// What cores are planned to be busy with at most; the rest is for moments with more, and for a machine that is lost.
    package static let utilisation = 0.6
    /// A worker is planned to be busy for less: it has one thread, and nobody helps it to catch up.
    static let workerUtilisation = 0.4
    static let choices = [1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_000]
    /// A second broker and a third, however little there is to do: three replicas need three.
    static let leastBrokers = 3
    static let leastProcesses = 2

    /// From docs/benchmarks.md, the part restore: 3,073,713 records in 5.11 s, and by a bare consumer in 1.19 s. The
    /// latter is what broker and client take at most.
    static let restorePerRecord = 1.66
    static let restoreBrokerPerRecord = 0.39
    /// From docs/benchmarks-micro.md and docs/decisions.md: bytes of a live reservation, of a SKU in three warehouses,
    /// and of a full dedupe window.
    static let reservationBytes = 201.0
    static let skuBytes = 351.0
    static let windowEntries = 1_048_576
    static let windowBytes = 86.0 * 1_048_576
    /// A segment is closed when it has a GiB, whatever its age (Kafka's `segment.bytes`); of records of a hundred bytes,
    /// as they lie compressed on disk.
    static let segmentRecords = 1_073_741_824.0 / 100

    let times: ServiceTimes
    let cores: Int
    let replicas: Int
    package let commitInterval: Double
    package let commandLimit: Int
    let skus: Int
    /// Seconds that a reservation lives, on average.
    let life: Double
    /// `segment.ms` of the compacted topics, in seconds: what is younger is read whole by a restore.
    let segmentSeconds: Double
    package let decidesAhead: Bool

    package init(
        times: ServiceTimes, cores: Int, replicas: Int, commitInterval: Double, commandLimit: Int, skus: Int,
        life: Double, segmentSeconds: Double, decidesAhead: Bool
    ) {
        self.times = times
        self.cores = cores
        self.replicas = replicas
        self.commitInterval = commitInterval
        self.commandLimit = commandLimit
        self.skus = skus
        self.life = life
        self.segmentSeconds = segmentSeconds
        self.decidesAhead = decidesAhead
    }

    package struct Sized: Sendable {
        package var partitions: Int
        package var processes: Int
        package var brokers: Int
    }

    /// What one partition does alone on cores enough.
    package var oneWorker: Double {
        var layout = Layout.fleet(
            processes: 1, processCores: 8, brokers: 1, brokerCores: 8, partitions: 1,
            commitInterval: commitInterval, commandLimit: commandLimit)
        layout.decidesAhead = decidesAhead
        return ScaleModel.run(layout, .backlog(400_000), times).perSecond
    }

    // MARK: Arithmetic

    /// The fewest partitions whose workers are not too busy, and machines for the cores that follow.
    package func sized(rate: Double) -> Sized {
        let most = oneWorker * Self.workerUtilisation
        let partitions = Self.choices.first { Double($0) * most >= rate && $0 >= 4 } ?? Self.choices.last!
        let needed = coresNeeded(rate: rate, partitions: partitions)
        func machines(_ cores: Double) -> Int {
            Int((cores / Self.utilisation / Double(self.cores)).rounded(.up))
        }
        let processes = max(Self.leastProcesses, machines(needed.processes))
        return Sized(
            partitions: max(partitions, processes), processes: processes,
            brokers: max(Self.leastBrokers, machines(needed.brokers)))
    }

    /// Cores that are at work. A partition commits at most once in the interval.
    package func coresNeeded(rate: Double, partitions: Int) -> (processes: Double, brokers: Double) {
        let own = rate / Double(partitions)
        let inTransaction = max(1, own * commitInterval / 1_000)
        let path = times.broker.command * times.commitShare + times.broker.transaction / inTransaction
        let followed = 1 + 0.5 * Double(replicas - 1)
        let broker =
            (path + times.publishBroker) * followed + times.broker.command * (1 - times.commitShare)
        let processor = times.worker.each(in: inTransaction) + times.client.each(in: inTransaction)
        return (rate * processor / 1e6, rate * broker / 1e6)
    }

    /// Records that a partition's state is read from: what lives, twice, for compaction lets a fifth and more be
    /// doubled; the ledger's tail; and of what is younger than a segment all: a reservation, its end, and levels for
    /// both at most.
    package func restoreRecords(rate: Double, partitions: Int) -> Int {
        let own = rate / Double(partitions)
        let live = 2 * (own * life + Double(skus) / Double(partitions))
        let young = 2 * min(2 * own * segmentSeconds, Self.segmentRecords)
        return Int(live + young) + min(Self.windowEntries, Int(own * 86_400))
    }

    /// Bytes of the state of a process's partitions.
    package func memory(rate: Double, _ sized: Sized) -> Double {
        let share = 1 / Double(sized.processes)
        return
            (rate * life * Self.reservationBytes + Double(skus) * Self.skuBytes
            + Double(sized.partitions) * Self.windowBytes) * share
    }

    // MARK: The model's word

    /// What the model says of a size under a rate.
    package struct Tried: Sendable {
        package let sized: Sized
        package let rate: Double
        package let figures: ScaleFigures
        package let keepsUp: Bool
        package let workerBusy: Double
        package let processesBusy: Double
        package let brokersBusy: Double
        /// Commands a second where more are there than can be done.
        package let most: Double
        /// Bytes of a process's state.
        package let memory: Double
        /// Seconds of one partition's restore by itself.
        package let restore: Double
        package let loss: ScaleFigures
        /// How long was looked on after a loss, in seconds.
        package let watched: Double
        /// What is nearest to its limit.
        package let first: String
    }

    package func tried(_ sized: Sized, rate: Double, seed: UInt64) -> Tried {
        let layout = layout(sized)
        // As much as the model can go through in moments.
        let seconds = min(20, max(3, 2_000_000 / rate))
        let figures = ScaleModel.run(
            layout, .rate(rate, seconds: seconds, warmUp: seconds / 3), times, seed: seed)
        // Several full transactions for each partition: with fewer, the window begins and ends in the midst of them.
        let most = ScaleModel.run(
            layout, .backlog(sized.partitions * commandLimit * 5), times, seed: seed)
        let records = restoreRecords(rate: rate, partitions: sized.partitions)
        let watched = rate >= 500_000 ? 40.0 : 120
        let loss = ScaleModel.run(
            layout, .rate(rate, seconds: 2 + watched, warmUp: 1), times, seed: seed,
            loss: Loss(
                at: 2, unnoticed: 6_500, opening: 50, records: records, perRecord: Self.restorePerRecord,
                brokerPerRecord: Self.restoreBrokerPerRecord))
        func busy(_ range: Range<Int>) -> Double {
            figures.busy[range].reduce(0, +) / Double(range.count)
        }
        let processes = busy(0..<sized.processes)
        let brokers = busy(sized.processes..<(sized.processes + sized.brokers))
        let worker = rate / Double(sized.partitions) / oneWorker
        let keepsUp = figures.perSecond > rate * 0.97 && figures.inSystem < rate
        let candidates = [
            (worker, "a partition's worker"), (processes, "cores of the processes"),
            (brokers, "cores of the brokers"),
        ]
        return Tried(
            sized: sized, rate: rate, figures: figures, keepsUp: keepsUp, workerBusy: worker,
            processesBusy: processes, brokersBusy: brokers, most: most.perSecond,
            memory: memory(rate: rate, sized), restore: Double(records) * Self.restorePerRecord / 1e6,
            loss: loss,
            watched: watched, first: candidates.max { $0.0 < $1.0 }!.1)
    }

    private func layout(_ sized: Sized) -> Layout {
        var layout = Layout.fleet(
            processes: sized.processes, processCores: cores, brokers: sized.brokers, brokerCores: cores,
            partitions: sized.partitions, commitInterval: commitInterval, commandLimit: commandLimit)
        layout.replicas = replicas
        layout.followerShare = 0.5
        layout.decidesAhead = decidesAhead
        return layout
    }
}
