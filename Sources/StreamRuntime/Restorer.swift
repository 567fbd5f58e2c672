import InventoryCore
import InventoryWire

/// Reads the state of a partition from the topics: levels, reservations, and the ledger's tail for the dedupe
/// window (DESIGN.md, section 5.2).
package struct Restorer {
    /// How far a restore has come, for the log.
    package struct Progress: Equatable, Sendable {
        package var skus = 0
        package var reservations = 0
        package var ledgerEntries = 0
    }

    private let log: any PartitionLog
    private let dedupeWindow: Int

    package init(log: any PartitionLog, dedupeWindow: Int = Limits.dedupeWindow) {
        self.log = log
        self.dedupeWindow = dedupeWindow
    }

    /// - Returns: the state, and the offset of the command that the newest ledger entry stands for.
    /// - Throws: a failure of the log, or a halt that names the SKU when the topics do not agree.
    package func restore() throws(LogFailure) -> (stock: Stock, newestSource: Int64?, progress: Progress) {
        var restore = StockRestore(dedupeWindow: dedupeWindow)
        try readLevels(into: &restore)
        try readReservations(into: &restore)
        try readLedgerTail(into: &restore)
        let progress = Progress(
            skus: restore.skuCount, reservations: restore.reservationCount, ledgerEntries: restore.tailCount)
        let newestSource = restore.newestEntry?.source.offset
        do throws(Inconsistency) {
            return (try restore.finish(), newestSource, progress)
        } catch {
            throw LogFailure(
                .halt, operation: "restore of partition \(log.partition)",
                message: "SKU \(error.sku): \(error.description); the topics disagree, so nothing is decided "
                    + "here until they are mended")
        }
    }

    private func readLevels(into restore: inout StockRestore) throws(LogFailure) {
        var reader = RecordReader()
        try readAll(.levels) { record throws(LogFailure) in
            guard let value = record.value else { return }
            restore.add(
                try decoded(.levels, record) { () throws(DecodingFailure) in try reader.levels(value) })
        }
    }

    private func readReservations(into restore: inout StockRestore) throws(LogFailure) {
        var reader = RecordReader()
        try readAll(.reservations) { record throws(LogFailure) in
            if let value = record.value {
                restore.add(
                    try decoded(.reservations, record) { () throws(DecodingFailure) in
                        try reader.reservation(value)
                    })
            } else if let key = record.key {
                restore.end(reservationID: String(decoding: key, as: UTF8.self))
            }
        }
    }

    /// Offsets have gaps, so the first guess may hold fewer entries than the window; then it goes back further.
    private func readLedgerTail(into restore: inout StockRestore) throws(LogFailure) {
        var reader = RecordReader()
        let offsets = try log.offsets(of: .ledger)
        var span = Int64(dedupeWindow) + Int64(dedupeWindow) / 8
        while true {
            let start = max(offsets.lowerBound, offsets.upperBound - span)
            restore.dropTail()
            try log.read(.ledger, from: start) { record throws(LogFailure) in
                guard let value = record.value else { return }
                restore.add(
                    try decoded(.ledger, record) { () throws(DecodingFailure) in try reader.ledgerEntry(value)
                    })
            }
            if restore.tailCount >= dedupeWindow || start == offsets.lowerBound { return }
            span *= 2
        }
    }

    private func readAll(
        _ topic: Topic, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        try log.read(topic, from: try log.offsets(of: topic).lowerBound, body)
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
