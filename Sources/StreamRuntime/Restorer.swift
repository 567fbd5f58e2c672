import InventoryCore
import InventoryWire

/// What was read of a partition's topics, and up to where: all that a restore needs, and what a standby keeps.
package struct PartitionImage: Sendable {
    fileprivate var restore: StockRestore
    /// The next offset to read of each topic that was read.
    fileprivate var positions: [Topic: Int64] = [:]
    /// Of `stock.reservations` and `stock.transfers`.
    fileprivate var strangers: [Topic: StrangeKeys] = [:]
    fileprivate var recordsRead = 0

    /// - Parameter settings: those that hold until the log says others; less than the standard only in tests.
    package init(settings: Settings = Settings()) { restore = StockRestore(settings: settings) }

    /// How much it holds.
    package var progress: Restorer.Progress {
        Restorer.Progress(
            skus: restore.skuCount, reservations: restore.reservationCount,
            transfers: restore.transferCount, ledgerEntries: restore.tailCount)
    }
}

/// Reads the state of a partition from the topics: levels, reservations, transfers, and the ledger's tail for the dedupe
/// window (DESIGN.md, section 5.2).
package struct Restorer {
    /// What a restore has found, for the log.
    package struct Progress: Equatable, Sendable {
        package var skus = 0
        package var reservations = 0
        package var transfers = 0
        package var ledgerEntries = 0
        /// Records that this restore read of the four topics; what a standby had read before is not counted.
        package var recordsRead = 0
    }

    /// How far the reading of one topic has come.
    package struct Reading: Equatable, Sendable {
        package var topic: Topic
        package var records: Int
        /// The share of the topic's offsets that is read: 0...1.
        package var share: Double
    }

    /// So often a reading is told, in records.
    private static let tellingInterval = 20_000

    private let log: any PartitionReader
    private let tell: (Reading) -> Void

    package init(log: any PartitionReader, tell: @escaping (Reading) -> Void = { _ in }) {
        self.log = log
        self.tell = tell
    }

    /// - Parameter image: what was read before; empty for a restore from nothing.
    /// - Returns: the state, and the offset of the command that the newest ledger entry stands for.
    /// - Throws: a failure of the log, or a doubt that names the SKU when the topics do not agree.
    package func restore(
        from image: consuming PartitionImage = PartitionImage()
    ) throws(LogFailure) -> (stock: Stock, newestSource: Int64?, progress: Progress) {
        var image = image
        let readBefore = image.recordsRead
        try update(&image)
        var progress = image.progress
        progress.recordsRead = image.recordsRead - readBefore
        let newestSource = image.restore.newestEntry.map {
            $0.skipped.map { $0.upperBound - 1 } ?? $0.source.offset
        }
        for topic in [Topic.reservations, .transfers] {
            guard let strangers = image.strangers[topic], !strangers.isEmpty else { continue }
            throw LogFailure(
                .halt, operation: "restore of partition \(log.partition)", message: strangers.told(of: topic))
        }
        do throws(Inconsistency) {
            return (try image.restore.finish(), newestSource, progress)
        } catch {
            throw LogFailure(
                .doubt, operation: "restore of partition \(log.partition)",
                message: "SKU \(error.sku): \(error.description); the topics disagree, so nothing is decided "
                    + "here until they are mended: `holdfast verify` finds what is wrong, and "
                    + "`holdfast rebuild --from-ledger --in-place` makes levels, reservations and transfers anew"
            )
        }
    }

    /// Reads on from where the image ends, to the end of each topic.
    package func update(_ image: inout PartitionImage) throws(LogFailure) {
        var reader = RecordReader()
        var key = OwnedKey()
        try readOn(.levels, &image) { record, restore throws(LogFailure) in
            if let value = record.value {
                restore.add(
                    try decoded(.levels, record) { () throws(DecodingFailure) in try reader.levels(value) })
            } else if let key = record.key {
                restore.end(sku: ID(decoding: key))
            }
        }
        var strangers = image.strangers[.reservations] ?? StrangeKeys()
        try readOn(.reservations, &image) { record, restore throws(LogFailure) in
            guard let value = record.value else {
                guard let key = record.key else { return }
                strangers.end(key)
                if let name = reader.ownedID(key: key) { restore.end(reservation: name) }
                return
            }
            let live = try decoded(.reservations, record) { () throws(DecodingFailure) in
                try reader.reservation(value)
            }
            guard key.isKey(record.key, of: live.owned) else {
                return strangers.add(record.key, offset: record.offset)
            }
            if let key = record.key { strangers.end(key) }
            restore.add(live)
        }
        image.strangers[.reservations] = strangers
        strangers = image.strangers[.transfers] ?? StrangeKeys()
        try readOn(.transfers, &image) { record, restore throws(LogFailure) in
            guard let value = record.value else {
                guard let key = record.key else { return }
                strangers.end(key)
                if let name = reader.ownedID(key: key) { restore.end(transfer: name) }
                return
            }
            let live = try decoded(.transfers, record) { () throws(DecodingFailure) in
                try reader.transfer(value)
            }
            guard key.isKey(record.key, of: live.owned) else {
                return strangers.add(record.key, offset: record.offset)
            }
            if let key = record.key { strangers.end(key) }
            restore.add(live)
        }
        image.strangers[.transfers] = strangers
        try readLedgerTail(into: &image)
    }

    /// A command may have several entries, and offsets have gaps: so the first guess may hold fewer commands than the
    /// window. Then it goes back further, as far as the commands that were found say.
    private func readLedgerTail(into image: inout PartitionImage) throws(LogFailure) {
        if image.positions[.ledger] != nil, !image.restore.isTailShort {
            return try readLedger(into: &image)
        }
        let offsets = try log.offsets(of: .ledger)
        let wanted = Int64(image.restore.tailLength)
        var span = wanted + wanted / 8
        while true {
            let start = max(offsets.lowerBound, offsets.upperBound - span)
            image.restore.dropTail(isWhole: start == offsets.lowerBound)
            image.positions[.ledger] = start
            try readLedger(into: &image)
            let found = Int64(image.restore.tailCount)
            if found >= wanted || start == offsets.lowerBound { return }
            // By as much as the commands that were found say; further than before in any case.
            let estimate = span * wanted / max(1, found) + wanted / 8
            span = min(8 * span, max(2 * span, estimate))
        }
    }

    private func readLedger(into image: inout PartitionImage) throws(LogFailure) {
        var reader = RecordReader()
        try readOn(.ledger, &image) { record, restore throws(LogFailure) in
            guard let value = record.value else { return }
            restore.add(
                try decoded(.ledger, record) { () throws(DecodingFailure) in try reader.ledgerEntry(value) })
        }
    }

    private func readOn(
        _ topic: Topic, _ image: inout PartitionImage,
        _ body: (LogRecord, inout StockRestore) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        let offsets = try log.offsets(of: topic)
        let start = image.positions[topic] ?? offsets.lowerBound
        var next = start
        var records = 0
        let span = Double(max(1, offsets.upperBound - start))
        try log.read(topic, from: start) { record throws(LogFailure) in
            try body(record, &image.restore)
            next = record.offset + 1
            records += 1
            if records % Self.tellingInterval == 0 {
                tell(
                    Reading(
                        topic: topic, records: records, share: min(1, Double(record.offset - start) / span)))
            }
        }
        image.positions[topic] = next
        image.recordsRead += records
    }

    private func decoded<Value>(
        _ topic: Topic, _ record: LogRecord, _ body: () throws(DecodingFailure) -> Value
    ) throws(LogFailure) -> Value {
        do throws(DecodingFailure) {
            return try body()
        } catch {
            throw LogFailure(
                .halt, operation: "restore of partition \(log.partition)",
                message: "\(topic.rawValue) at offset \(record.offset) cannot be read: "
                    + "\(error.reason.rawValue): \(error.detail)")
        }
    }
}
