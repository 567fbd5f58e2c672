/// What stands where: machines, and who works on them.
package struct Layout: Sendable {
    /// The cores of each machine.
    package var machines: [Int]
    /// The machine of each processor, and of each broker.
    package var processes: [Int]
    package var brokers: [Int]
    /// The machine of who publishes and reads; nil: where it takes nothing from these.
    package var outside: Int?
    package var partitions: Int
    /// The shortest time from one commit of a partition to the next, in milliseconds.
    package var commitInterval: Double
    /// Commands in a transaction at most.
    package var commandLimit: Int
    /// Whether a worker decides on while its commit is under way.
    package var decidesAhead = true
    /// Replicas of a partition. Those that follow do `followerShare` of the leader's work for a commit, on brokers of
    /// their own, and the commit waits for them.
    package var replicas = 1
    package var followerShare = 0.5

    package init(
        machines: [Int], processes: [Int], brokers: [Int], outside: Int? = nil, partitions: Int,
        commitInterval: Double, commandLimit: Int
    ) {
        self.machines = machines
        self.processes = processes
        self.brokers = brokers
        self.outside = outside
        self.partitions = partitions
        self.commitInterval = commitInterval
        self.commandLimit = commandLimit
    }

    /// One machine for all, as a benchmark on one has it.
    package static func shared(
        cores: Int, processes: Int, partitions: Int, commitInterval: Double, commandLimit: Int
    ) -> Layout {
        Layout(
            machines: [cores], processes: Array(repeating: 0, count: processes), brokers: [0], outside: 0,
            partitions: partitions, commitInterval: commitInterval, commandLimit: commandLimit)
    }

    /// Broker on its own cores; processors, and who publishes and reads, on the others.
    package static func pinned(
        brokerCores: Int, otherCores: Int, processes: Int, partitions: Int, commitInterval: Double,
        commandLimit: Int
    ) -> Layout {
        Layout(
            machines: [brokerCores, otherCores], processes: Array(repeating: 1, count: processes),
            brokers: [0],
            outside: 1, partitions: partitions, commitInterval: commitInterval, commandLimit: commandLimit)
    }

    /// Each process and each broker on a machine of its own; who publishes and reads elsewhere.
    package static func fleet(
        processes: Int, processCores: Int, brokers: Int, brokerCores: Int, partitions: Int,
        commitInterval: Double, commandLimit: Int
    ) -> Layout {
        Layout(
            machines: Array(repeating: processCores, count: processes)
                + Array(repeating: brokerCores, count: brokers),
            processes: Array(0..<processes), brokers: Array(processes..<(processes + brokers)),
            partitions: partitions, commitInterval: commitInterval, commandLimit: commandLimit)
    }
}

/// What comes in.
package enum Load: Sendable {
    /// So many commands are there at the beginning, evenly over the partitions.
    case backlog(Int)
    /// Commands at random (a Poisson process), evenly over the partitions. What happens in the first `warmUp` of the
    /// `seconds` does not count.
    case rate(Double, seconds: Double, warmUp: Double)
}

/// A processor that ends without a word, and what its partitions wait for then.
package struct Loss: Sendable {
    /// When, in seconds.
    package var at: Double
    /// Milliseconds until the group has given its partitions to others.
    package var unnoticed: Double
    /// Milliseconds of a partition until its reading begins: fencing, locating.
    package var opening: Double
    /// Records that a partition's state is read from, and microseconds of each, of the process and of the broker.
    package var records: Int
    package var perRecord: Double
    package var brokerPerRecord: Double

    package init(
        at: Double, unnoticed: Double, opening: Double, records: Int, perRecord: Double,
        brokerPerRecord: Double
    ) {
        self.at = at
        self.unnoticed = unnoticed
        self.opening = opening
        self.records = records
        self.perRecord = perRecord
        self.brokerPerRecord = brokerPerRecord
    }
}
