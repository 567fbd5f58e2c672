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
    /// While the swap's transaction is open: how far the fresh schema must be, by partition.
    private var wanted: [Int32: Int64]?
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
        let swap = try SchemaSwap(connection: database.connect(), files: database.files())
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

    /// The sink has caught up: keeps the live one from storing more, waits until the fresh schema is as far as the
    /// live one, and swaps them.
    ///
    /// - Parameter end: asks for the end of a partition of the ledger: a live schema that says to be beyond it is
    ///   another topic's, and nobody waits for that.
    /// - Returns: whether it is done; else the sink goes on, and this is called again.
    func advance(
        ledger: String, stored offsets: [Int32: Int64], end: (Int32) throws -> Int64
    ) throws -> Bool {
        guard let swap else { return false }
        if wanted == nil {
            service.logger.info("caught up; swapping", ["rows": rows, "offsets": Self.text(offsets)])
            var wanted = try swap.begin(topic: ledger)
            for (partition, offset) in wanted { wanted[partition] = min(offset, try end(partition)) }
            self.wanted = wanted
        }
        guard wanted!.allSatisfy({ offsets[$0.key] ?? .max >= $0.value }) else { return false }
        let hadOld = try swap.finish(dropsOld: dropsOld)
        tell(hadOld)
        return true
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
