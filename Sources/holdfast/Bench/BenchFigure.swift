import Foundation

/// One measurement, a line of the report.
struct BenchFigure: Codable {
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
    /// Requests on their way at once, where a contestant has such.
    var pipeline: Int?

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
