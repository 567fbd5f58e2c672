import InventoryCore
import InventoryWire

/// Makes the state of a partition anew from its ledger alone, by folding entry after entry. Its memory is that of
/// the live state, however long the ledger is.
package struct LedgerRebuild: ~Copyable {
    /// The topics whose records follow from the ledger.
    package static let topics: [Topic] = [.levels, .reservations, .transfers]

    package private(set) var stock: Stock
    /// The newest entry of the partition's own book.
    package private(set) var newestOfBook: LedgerEntry?
    package private(set) var entryCount = 0
    private var reader = RecordReader()
    private var writer = RecordWriter()
    private var key = OwnedKey()
    private var chain = LedgerChain()

    /// - Parameter settings: those that hold until the log says others; less than the standard only in tests.
    package init(settings: Settings = Settings()) { stock = Stock(settings: settings, decides: false) }

    /// Folds the ledger's next entry.
    ///
    /// - Throws: what is wrong with the ledger: an entry that cannot be read, a gap, or an entry whose hash does
    ///   not follow from what it says and from the entry before it.
    package mutating func add(_ record: LogRecord) throws(Inconsistency) {
        let entry: LedgerEntry
        do throws(DecodingFailure) {
            entry = try reader.ledgerEntry(record.value ?? UnsafeRawBufferPointer(start: nil, count: 0))
        } catch {
            let key = record.key.map { ID(decoding: $0) } ?? ""
            throw Inconsistency(
                sku: key,
                description:
                    "the ledger at offset \(record.offset) cannot be read: \(error.reason.rawValue): "
                    + error.detail)
        }
        let before = stock.sequence(of: entry.sku)
        guard entry.sequence == before + 1 else {
            throw Inconsistency(
                sku: entry.sku,
                description: "the ledger at offset \(record.offset) has sequence \(entry.sequence) "
                    + (before == 0 ? "for the first" : "after \(before)"))
        }
        guard chain.hash(of: entry, after: stock.chainHash(of: entry.packed.sku)) == entry.chainHash else {
            throw Inconsistency(
                sku: entry.sku,
                description:
                    "the ledger at offset \(record.offset), sequence \(entry.sequence): its hash does not "
                    + "follow from the entry and the one before it")
        }
        do throws(LedgerFault) {
            try stock.foldChecked(entry)
        } catch {
            throw Inconsistency(
                sku: error.sku,
                description: "the ledger at offset \(record.offset), sequence \(entry.sequence): found "
                    + "\(error.found), expected \(error.expected)")
        }
        if PartitionBook.isBook(entry.packed.sku), entry.unknownSKU == nil { newestOfBook = entry }
        entryCount += 1
    }

    /// Goes on from where `stock` is.
    package init(continuing stock: consuming Stock) { self.stock = stock }

    /// Gives the state away.
    package consuming func takeStock() -> Stock { stock }

    /// Gives the newest record of each live key of one of `topics`, as live processing wrote it, always in the same
    /// order.
    package mutating func forEachRecord<Failure: Error>(
        of topic: Topic, _ body: (_ key: [UInt8], _ value: UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        switch topic {
        case .levels:
            for levels in stock.allLevels {
                writer.write(levels: levels)
                try writer.withBytes { value throws(Failure) in try body(levels.sku.bytes, value) }
            }
        case .reservations:
            for reservation in stock.allReservations {
                writer.write(reservation: reservation)
                try give(reservation.owned, body)
            }
        case .transfers:
            for transfer in stock.allTransfers {
                writer.write(transfer: transfer)
                try give(transfer.owned, body)
            }
        default: preconditionFailure("\(topic.rawValue) does not follow from the ledger")
        }
    }

    /// What was written last.
    private mutating func give<Failure: Error>(
        _ name: OwnedID, _ body: (_ key: [UInt8], _ value: UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        key.set(name)
        let bytes = key.withBytes { Array($0) }
        try writer.withBytes { value throws(Failure) in try body(bytes, value) }
    }
}

/// What a partition of a compacted topic holds: of each key whose newest record is no tombstone, the hash of that
/// record. Read from the topic's start to its end, it is never larger than what lived at one time.
package struct CompactedView: Sendable {
    private var newest: [[UInt8]: ChainHash] = [:]

    package init() {}

    package mutating func add(_ record: LogRecord) {
        guard let key = record.key else { return }
        newest[Array(key)] = record.value.map(SHA256Digest.hash)
    }

    package var count: Int { newest.count }

    /// Whether the topic holds exactly this record for its key; the key is then done with.
    package mutating func take(_ key: [UInt8], _ value: UnsafeRawBufferPointer) -> Bool {
        newest.removeValue(forKey: key) == SHA256Digest.hash(value)
    }

    /// The keys that are not done with.
    package var rest: [[UInt8]] { newest.keys.sorted { $0.lexicographicallyPrecedes($1) } }
}
