import Foundation
import KafkaClient
import LedgerSink
import Operations

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

    /// Swaps the schemas.
    func finish() throws {
        guard let swap else { return }
        tell(try swap.finish(dropsOld: dropsOld))
    }

    private struct Told: Encodable {
        var rows: Int
        var seconds: Double
        var old: String?
    }

    private func tell(_ hadOld: Bool) {
        let old = !hadOld ? nil : dropsOld ? "dropped" : SchemaSwap.before
        let seconds = (MonotonicTime.seconds(since: start) * 100).rounded() / 100
        if service.configuration.boolean("json") {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            if let data = try? encoder.encode(Told(rows: rows, seconds: seconds, old: old)) {
                print(String(decoding: data, as: UTF8.self))
            }
            return
        }
        print(
            "\(rows) ledger rows in \(seconds) s; the schema \(SchemaMigrator.schema) is the new one"
                + (hadOld ? ", the old one \(dropsOld ? "is dropped" : "is \(SchemaSwap.before)")" : ""))
    }
}
