import Foundation

/// One measurement, a line of the report.
struct BenchFigure: Codable, Sendable {
    enum Kind: String, Codable {
        /// As many commands as there are, one after another.
        case throughput
        /// Commands at a fixed rate.
        case latency
        /// Rows into PostgreSQL.
        case sink
        /// A partition's state from its topics; the commands are the records that were read.
        case restore
        /// Reservations that come due at once; the percentiles are those of the live commands meanwhile.
        case expiry
        /// Orders, from their placing to their first outcome; the commands are orders.
        case orders
    }

    /// Of a restore.
    struct Restore: Codable, Sendable {
        var skus: Int
        var reservations: Int
        /// Before the reading: until earlier owners are fenced, and until it is known where reading goes on.
        var fencing: Double?
        var locating: Double?
        /// From the start of the process to when it says that it is ready.
        var ready: Double?
        /// Resident memory of the process then, in MiB.
        var memory: Double?
        /// What was read, in MiB.
        var megabytes: Double?

        enum CodingKeys: String, CodingKey {
            case skus, reservations
            case fencing = "fencing_ms"
            case locating = "locating_ms"
            case ready = "ready_ms"
            case memory = "memory_mib"
            case megabytes = "read_mib"
        }
    }

    /// Of a storm of expiries.
    struct Storm: Codable, Sendable {
        /// The seconds in which all reservations are due.
        var within: Double
        /// From when a reservation is due to when a reader has its end, in milliseconds.
        var late50: Double
        var late99: Double
        var lateMost: Double
        /// From when the last one is due to when a reader has all ends, in milliseconds.
        var lastAfter: Double
        /// Latency of the live commands before the first was due.
        var calm50: Double?
        var calm99: Double?

        enum CodingKeys: String, CodingKey {
            case within = "within_s"
            case late50 = "late_p50_ms"
            case late99 = "late_p99_ms"
            case lateMost = "late_max_ms"
            case lastAfter = "last_after_ms"
            case calm50 = "before_p50_ms"
            case calm99 = "before_p99_ms"
        }
    }

    var kind: Kind
    var contestant: String
    var load: String
    var round: Int
    var commands: Int
    var seconds: Double
    var perSecond: Double
    /// What was asked for; latency alone.
    var rate: Int?
    var isolation: String?
    var partitions: Int?
    var p50: Double?
    var p90: Double?
    var p99: Double?
    var p999: Double?
    var most: Double?
    /// How long after its time a command was sent at most, in milliseconds.
    var sentLate: Double?
    /// What the contestant's process used of the processors, for each command.
    var cpuMicroseconds: Double?
    /// Commands that a connection has on their way at once, where a peer has such.
    var pipeline: Int?
    var restore: Restore?
    var storm: Storm?

    /// Who is compared.
    var name: String { contestant + (pipeline.map { ", \($0) at once" } ?? "") }

    enum CodingKeys: String, CodingKey {
        case kind, contestant, load, round, commands, seconds, rate, isolation, partitions, pipeline, restore,
            storm
        case perSecond = "per_second"
        case p50 = "p50_ms"
        case p90 = "p90_ms"
        case p99 = "p99_ms"
        case p999 = "p99_9_ms"
        case most = "max_ms"
        case sentLate = "sent_late_ms"
        case cpuMicroseconds = "cpu_us_per_command"
    }

    /// One line of JSON.
    func line() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }
}

extension BenchFigure {
    /// A line of a peer that is no contestant of ours says less: it is of one round, and of throughput.
    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        kind = try fields.decodeIfPresent(Kind.self, forKey: .kind) ?? .throughput
        contestant = try fields.decode(String.self, forKey: .contestant)
        // What pgbench and valkey-benchmark draw is as even as `even`.
        let load = try fields.decode(String.self, forKey: .load)
        self.load = load == "uniform" ? BenchLoad.Kind.even.rawValue : load
        round = try fields.decodeIfPresent(Int.self, forKey: .round) ?? 1
        commands = try fields.decode(Int.self, forKey: .commands)
        seconds = try fields.decode(Double.self, forKey: .seconds)
        perSecond = try fields.decode(Double.self, forKey: .perSecond)
        rate = try fields.decodeIfPresent(Int.self, forKey: .rate)
        isolation = try fields.decodeIfPresent(String.self, forKey: .isolation)
        partitions = try fields.decodeIfPresent(Int.self, forKey: .partitions)
        p50 = try fields.decodeIfPresent(Double.self, forKey: .p50)
        p90 = try fields.decodeIfPresent(Double.self, forKey: .p90)
        p99 = try fields.decodeIfPresent(Double.self, forKey: .p99)
        p999 = try fields.decodeIfPresent(Double.self, forKey: .p999)
        most = try fields.decodeIfPresent(Double.self, forKey: .most)
        sentLate = try fields.decodeIfPresent(Double.self, forKey: .sentLate)
        cpuMicroseconds = try fields.decodeIfPresent(Double.self, forKey: .cpuMicroseconds)
        pipeline = try fields.decodeIfPresent(Int.self, forKey: .pipeline)
        restore = try fields.decodeIfPresent(Restore.self, forKey: .restore)
        storm = try fields.decodeIfPresent(Storm.self, forKey: .storm)
    }
}
