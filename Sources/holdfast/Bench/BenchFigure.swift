import Foundation

/// One measurement, a line of the report.
struct BenchFigure: Codable, Sendable {
    enum Kind: String, Codable {
        /// As many commands as there are, one after another.
        case throughput
        /// Commands at a fixed rate.
        case latency
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

    /// Who is compared.
    var name: String { contestant + (pipeline.map { ", \($0) at once" } ?? "") }

    enum CodingKeys: String, CodingKey {
        case kind, contestant, load, round, commands, seconds, rate, isolation, partitions, pipeline
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
    }
}
