import Foundation
import Sizing

/// One run of `holdfast scale`, a line of JSON.
struct ScaleFigure: Codable, Sendable {
    enum Placement: String, Codable, Sendable {
        /// All processes share all cores.
        case shared
        /// The broker has cores of its own; processors and who reads have the others.
        case pinned
    }

    var kind = "scale"
    var placement: Placement
    var processes: Int
    var partitions: Int
    /// Commands in a transaction at most.
    var limit: Int
    var round: Int
    /// Those of the window: what comes after the first fifth.
    var commands: Int
    var seconds: Double
    var perSecond: Double
    var commandsInTransaction: Double
    /// Microseconds of a core for a command, in the window.
    var broker: Double?
    var worker: Double
    var client: Double
    var reader: Double
    /// The same of publishing, before the window.
    var publishBroker: Double?
    var publisher: Double
    /// Resident memory of all processors, in MiB.
    var memory: Double
    /// Bytes on the broker's disk for a command, by topic; one replica.
    var disk: [String: Double]?
    /// What the model makes of the same; commands a second.
    var simulated: Double?

    enum CodingKeys: String, CodingKey {
        case kind, placement, processes, partitions, limit, round, commands, seconds, disk
        case perSecond = "per_second"
        case commandsInTransaction = "commands_in_transaction"
        case broker = "broker_us_per_command"
        case worker = "worker_us_per_command"
        case client = "client_us_per_command"
        case reader = "reader_us_per_command"
        case publishBroker = "publish_broker_us_per_command"
        case publisher = "publisher_us_per_command"
        case memory = "memory_mib"
        case simulated = "simulated_per_second"
    }

    var processor: Double { worker + client }

    /// For who watches.
    var text: String {
        let cpu = broker.map { String(format: "broker %.2f, ", $0) } ?? ""
        return "\(placement.rawValue), \(processes) process\(processes == 1 ? "" : "es"), \(partitions) "
            + "partition\(partitions == 1 ? "" : "s"), \(limit) in a transaction at most: "
            + String(
                format: "%.0f a second, %.0f in each; us of CPU for a command: ", perSecond,
                commandsInTransaction)
            + cpu
            + String(format: "processors %.2f (workers %.2f), reader %.2f", processor, worker, reader)
            + (simulated.map {
                String(format: "; simulated %.0f (%+.0f %%)", $0, ($0 / perSecond - 1) * 100)
            } ?? "")
    }
}

/// What a command costs at rest, a line of JSON.
struct ScaleIdle: Codable, Sendable {
    var kind = "idle"
    /// From a transaction's first command to its commit, and from sending to the committed result at a reader; of
    /// commands that come one at a time, in milliseconds.
    var transaction: Double
    var p50: Double
    var rate: Int

    enum CodingKeys: String, CodingKey {
        case kind, rate
        case transaction = "transaction_ms"
        case p50 = "p50_ms"
    }
}
