import InventoryCore
import InventoryWire

/// Merges the ledgers of several partitions into one row of commands, by the times of their decisions, so that the
/// newest entries of the row are the newest of all. Of each ledger the order stays, and with it that of each SKU; the
/// entries of a command stay together. It holds one entry of each ledger.
package struct LedgerMerge {
    /// One entry, with its bytes.
    package struct Record {
        package var key: [UInt8]
        package var value: [UInt8]
        package var entry: LedgerEntry

        package init(key: [UInt8], value: [UInt8], entry: LedgerEntry) {
            self.key = key
            self.value = value
            self.entry = entry
        }
    }

    private struct Head: Comparable {
        var at: Timestamp
        var ledger: Int

        static func < (left: Head, right: Head) -> Bool { (left.at, left.ledger) < (right.at, right.ledger) }
    }

    private let ledgers: [() throws -> Record?]
    private var records: [Record?]
    private var heads = Heap<Head>()
    private var current: Int?

    /// - Parameter ledgers: each gives its next entry; nil at its end.
    package init(_ ledgers: [() throws -> Record?]) throws {
        self.ledgers = ledgers
        records = try ledgers.map { try $0() }
        for ledger in ledgers.indices { insert(ledger) }
    }

    /// The next entry; those of one command one after another. Of the same time, the lower ledger comes first.
    package mutating func next() throws -> Record? {
        if current == nil {
            current = heads.first?.ledger
            if current != nil { heads.removeFirst() }
        }
        guard let ledger = current, let record = records[ledger] else { return nil }
        records[ledger] = try ledgers[ledger]()
        if !record.entry.more || records[ledger] == nil {
            current = nil
            insert(ledger)
        }
        return record
    }

    private mutating func insert(_ ledger: Int) {
        if let record = records[ledger] { heads.insert(Head(at: record.entry.at, ledger: ledger)) }
    }
}
