import Foundation
import KafkaClient
import LedgerSink
import Operations
import PostgresClient

/// What `holdfast sink --rebuild` does besides the sink's own work: it makes the schema that the sink fills, and swaps
/// it with the live one when the sink has caught up.
final class SinkRebuild {
    private let service: Service
    private let dropsOld: Bool
    private let start = MonotonicTime.now()
    private var swap: SchemaSwap?
    private var isPrepared = false
    /// While the swap's transaction is open: how far the fresh schema must be.
    private var wanted: [TopicPartition: Int64]?
    private var rows = 0
    /// When the swap's transaction was begun, and how long it took.
    private var swapStart: UInt64?
    private var swapSeconds = 0.0
    private var due = Deadline(milliseconds: 2_000)

    init(_ service: Service) {
        self.service = service
        dropsOld = service.configuration.boolean("drop_old")
    }

    /// Each time that the sink connects. The schema is made anew the first time alone: what is filled stays.
    func prepare(_ database: SinkDatabase) throws {
        swap = nil
        wanted = nil
        let connection = try database.connect(statementTimeoutSeconds: SinkDatabase.migrationSeconds)
        try DatabaseNeeds(connection, role: service.configuration.string("database_role")).checkMigration()
        let swap = try SchemaSwap(connection: connection, files: database.files())
        if !isPrepared { try swap.prepare(dropsOld: dropsOld) }
        isPrepared = true
        self.swap = swap
    }

    func stored(_ count: Int, _ offsets: [Int32: Int64]) {
        rows += count
        guard due.isPast else { return }
        due = Deadline(milliseconds: 2_000)
        service.logger.info("rebuilding", ["rows": rows, "offsets": Self.text(offsets)])
    }

    private static func text(_ offsets: [Int32: Int64]) -> String {
        offsets.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }.joined(separator: " ")
    }

    /// The sink has caught up: keeps the live one from storing more, and looks whether the fresh schema is as far.
    ///
    /// - Parameters:
    ///   - offsets: of each topic, how far the fresh schema is.
    ///   - end: asks for the end of a partition: a live schema that says to be beyond it is another topic's, and nobody
    ///     waits for that.
    /// - Returns: whether it is; else the sink goes on, and this is called again.
    func isAsFar(
        as offsets: [String: [Int32: Int64]], end: (TopicPartition) throws -> Int64
    ) throws -> Bool {
        guard let swap else { return false }
        if wanted == nil {
            service.logger.info("caught up; swapping", ["rows": rows])
            swapStart = MonotonicTime.now()
            try swap.begin()
            var wanted: [TopicPartition: Int64] = [:]
            for (topic, fresh) in offsets {
                for (partition, offset) in try swap.offsets(topic: topic) where fresh[partition] != nil {
                    let place = TopicPartition(topic, partition)
                    wanted[place] = min(offset, try end(place))
                }
            }
            self.wanted = wanted
        }
        return wanted!.allSatisfy { offsets[$0.key.topic]?[$0.key.partition] ?? .max >= $0.value }
    }

    /// Swaps the schemas. What follows cannot undo that: an old schema that is still read is left where it is.
    func finish() throws {
        guard let swap else { return }
        let hadOld = try swap.finish()
        swapSeconds = swapStart.map { MonotonicTime.seconds(since: $0) } ?? 0
        var obstacle: String?
        if hadOld, dropsOld {
            do {
                obstacle = try swap.dropOld()
            } catch let error as PostgresError {
                obstacle = error.message
            }
        }
        tell(hadOld, obstacle)
    }

    private struct Told: Encodable {
        var rows: Int
        var seconds: Double
        /// How long sinks had to wait.
        var swapSeconds: Double
        var old: String?
        /// Why the old schema could not be dropped.
        var obstacle: String?
    }

    private func tell(_ hadOld: Bool, _ obstacle: String?) {
        let isDropped = dropsOld && obstacle == nil
        let old = !hadOld ? nil : isDropped ? "dropped" : SchemaSwap.before
        func rounded(_ seconds: Double) -> Double { (seconds * 100).rounded() / 100 }
        let (all, swapping) = (rounded(MonotonicTime.seconds(since: start)), rounded(swapSeconds))
        if service.configuration.boolean("json") {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            encoder.keyEncodingStrategy = .convertToSnakeCase
            let told = Told(rows: rows, seconds: all, swapSeconds: swapping, old: old, obstacle: obstacle)
            if let data = try? encoder.encode(told) { print(String(decoding: data, as: UTF8.self)) }
            return
        }
        var text =
            "\(rows) ledger rows in \(all) s, \(swapping) s of it for the swap; the schema \(SchemaMigrator.schema) is "
            + "the new one"
        if hadOld { text += ", the old one \(isDropped ? "is dropped" : "is \(SchemaSwap.before)")" }
        if let obstacle { text += ": \(obstacle); drop it later (DROP SCHEMA \(SchemaSwap.before) CASCADE)" }
        print(text)
    }
}
