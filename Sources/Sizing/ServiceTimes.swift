/// What a command and a transaction cost, as `holdfast scale` measures it. Times of processors are of one core of the
/// machine that measured.
package struct ServiceTimes: Codable, Equatable, Sendable {
    /// A cost that grows with the commands, and with the transactions that they are in; both in microseconds of a core.
    package struct Cost: Codable, Equatable, Sendable {
        package var command: Double
        package var transaction: Double

        package init(command: Double, transaction: Double) {
            self.command = command
            self.transaction = transaction
        }

        /// Of so many commands in one transaction, in nanoseconds.
        func nanoseconds(_ commands: Int) -> Int64 {
            Int64((command * Double(commands) + transaction) * 1_000)
        }

        /// Microseconds of a command, in transactions of so many.
        package func each(in commands: Double) -> Double { command + transaction / commands }
    }

    /// The threads that decide, one for each partition.
    package var worker: Cost
    /// The other threads of the process: librdkafka's.
    package var client: Cost
    /// All threads of the broker, with one reader of the results.
    package var broker: Cost
    /// Who reads the results, for each.
    package var reader: Double
    /// Of publishing a command: the broker's, and the publisher's.
    package var publishBroker: Double
    package var publisher: Double
    /// What of the broker's time for a command lies between the commit's beginning and its end: 0 to 1. The rest is
    /// the reading of commands and results, and what the broker does when it has answered.
    package var commitShare: Double
    /// Milliseconds of a commit in which no core is at work for it.
    package var commitWait: Double
    /// Milliseconds from sending to the processor's poll, and from the commit's end to the reader, at rest.
    package var outside: Double

    package init(
        worker: Cost, client: Cost, broker: Cost, reader: Double, publishBroker: Double, publisher: Double,
        commitShare: Double, commitWait: Double, outside: Double
    ) {
        self.worker = worker
        self.client = client
        self.broker = broker
        self.reader = reader
        self.publishBroker = publishBroker
        self.publisher = publisher
        self.commitShare = commitShare
        self.commitWait = commitWait
        self.outside = outside
    }

    enum CodingKeys: String, CodingKey {
        case worker = "worker_us"
        case client = "client_us"
        case broker = "broker_us"
        case reader = "reader_us_per_command"
        case publishBroker = "publish_broker_us_per_command"
        case publisher = "publisher_us_per_command"
        case commitShare = "commit_share"
        case commitWait = "commit_wait_ms"
        case outside = "outside_ms"
    }
}

/// A line through measured costs: how much of them goes with the commands, and how much with the transactions.
package enum CostFit {
    /// One run: microseconds of a core for each command, in transactions of so many commands on average.
    package struct Point: Sendable {
        package let commandsInTransaction: Double
        package let microseconds: Double

        package init(commandsInTransaction: Double, microseconds: Double) {
            self.commandsInTransaction = commandsInTransaction
            self.microseconds = microseconds
        }
    }

    /// Least squares of `microseconds = command + transaction / commandsInTransaction`; neither is below 0. Runs whose
    /// transactions are all alike tell nothing of what a transaction costs: all goes with the commands then.
    package static func cost(_ points: [Point]) -> ServiceTimes.Cost {
        guard !points.isEmpty else { return ServiceTimes.Cost(command: 0, transaction: 0) }
        let count = Double(points.count)
        let places = points.map { 1 / $0.commandsInTransaction }
        let meanPlace = places.reduce(0, +) / count
        let mean = points.reduce(0) { $0 + $1.microseconds } / count
        var (spread, together) = (0.0, 0.0)
        for (place, point) in zip(places, points) {
            spread += (place - meanPlace) * (place - meanPlace)
            together += (place - meanPlace) * (point.microseconds - mean)
        }
        let transaction = spread > 1e-12 ? max(0, together / spread) : 0
        return ServiceTimes.Cost(command: max(0, mean - transaction * meanPlace), transaction: transaction)
    }
}
