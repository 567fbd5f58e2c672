import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Testing

/// A line of a role's log.
struct LogLine {
    let text: String

    /// The newest line of a process's log that has the words, once there is one.
    init(_ words: String, of process: ChildProcess) throws {
        var found: Substring?
        try eventually("\(words) is told; \(process.logTail(lines: 5))") {
            found = process.logTail(lines: 400).split(separator: "\n").last { $0.contains(words) }
            return found != nil
        }
        text = String(found!)
    }

    /// When it was written, in milliseconds since 1970.
    var time: Int64 {
        get throws {
            let time = text.split(separator: " ").first.flatMap {
                Array($0.utf8).withUnsafeBytes { RFC3339.parse($0) }
            }
            return try #require(time, "a time in \(text)").milliseconds
        }
    }

    func number(_ name: String) throws -> Int {
        try #require(
            text.split(separator: " ").first { $0.hasPrefix(name + "=") }
                .flatMap { Int($0.dropFirst(name.count + 1)) }, "\(name) in \(text)")
    }
}

/// What `restored` says in the log of a processor.
struct RestoredLine {
    let time: Int64
    let skus: Int
    let reservations: Int
    /// Milliseconds.
    let fencing: Int
    let locating: Int
    let restoring: Int
    let isWarm: Bool
    let recordsRead: Int

    init(_ process: ChildProcess) throws {
        let line = try LogLine("restored", of: process)
        time = try line.time
        skus = try line.number("skus")
        reservations = try line.number("reservations")
        fencing = try line.number("fencing_ms")
        locating = try line.number("locating_ms")
        restoring = try line.number("restoring_ms")
        recordsRead = try line.number("records_read")
        isWarm = line.text.contains("standby=true")
    }
}

extension Stage {
    /// SKUs with a live reservation each, all decided.
    func fill(_ count: Int, _ processor: Role) throws {
        for number in 0..<count {
            try publishSoon(receive("receive-\(number)", 10, ID(Self.sku(number))))
            try publishSoon(
                reserve("reservation-of-a-usual-length-\(number)", 2, ID(Self.sku(number)), ttl: 86_400_000))
        }
        try flush()
        try eventually("all are decided", seconds: 600) {
            processor.metric("holdfast_commands_total") >= Double(2 * count)
        }
    }

    static func sku(_ number: Int) -> String { "SKU-\(number)-OF-A-USUAL-LENGTH" }

    /// A consumer of the results of partition 0 that come after those that are there.
    func resultsFromNowOn() throws -> Consumer {
        let consumer = try Consumer(configuration: [
            "bootstrap.servers": bootstrap, "group.id": prefix + "results",
            "isolation.level": "read_committed", "enable.auto.commit": "false",
        ])
        let place = TopicPartition(name(.results), 0)
        let ends = try consumer.watermarks(place, timeoutMilliseconds: 10_000)
        try consumer.assign([TopicPartitionOffset(place, offset: ends.high)])
        return consumer
    }
}
