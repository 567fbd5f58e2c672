import InventoryCore
import LedgerSink

/// A model of what the sink needs of PostgreSQL: rows and offsets that change together, and a guard on the offsets.
final class ModelDatabase {
    struct Place: Hashable {
        let sku: ID
        let sequence: Int64
    }

    enum Outcome: Equatable {
        case stored
        /// The session has ended before.
        case noSession
        /// The offsets are not what the batch says they were.
        case otherSink
        case differentRow(sku: ID, sequence: Int64)
    }

    private(set) var rows: [Place: LedgerRow] = [:]
    private(set) var offsets: [Int32: Int64] = [:]
    private var session = 0
    /// What no transaction may do, and one did.
    private(set) var violations: [String] = []

    /// Opens a session.
    func connect() -> Int { session }

    /// Every session ends; what has not committed never will.
    func endSessions() { session += 1 }

    func offsets(of partitions: Range<Int32>) -> [Int32: Int64] {
        for partition in partitions where offsets[partition] == nil { offsets[partition] = 0 }
        return offsets
    }

    /// Stores a batch in one transaction, as `LedgerStore` does.
    func store(_ batch: LedgerBatch, session: Int, isGuarded: Bool = true) -> Outcome {
        guard session == self.session else { return .noSession }
        for (partition, span) in batch.spans where span.next != span.expected || !batch.isEmpty {
            guard !isGuarded || offsets[partition] == span.expected else { return .otherSink }
        }
        for row in batch.rows {
            let place = Place(sku: row.entry.sku, sequence: row.entry.sequence)
            if let there = rows[place], there != row {
                return .differentRow(sku: place.sku, sequence: place.sequence)
            }
        }
        storeRows(batch)
        storeOffsets(batch)
        return .stored
    }

    func storeRows(_ batch: LedgerBatch) {
        for row in batch.rows {
            rows[Place(sku: row.entry.sku, sequence: row.entry.sequence)] = row
        }
    }

    func storeOffsets(_ batch: LedgerBatch) {
        for (partition, span) in batch.spans {
            if span.next < offsets[partition] ?? 0 {
                violations.append(
                    "PostgreSQL's offset of partition \(partition) goes back from \(offsets[partition]!) "
                        + "to \(span.next)")
            }
            offsets[partition] = span.next
        }
    }
}
