import InventoryCore
import InventoryWire

/// Reads the state of a partition from the topics: levels, reservations, transfers, and the ledger's tail for the dedupe
/// window (DESIGN.md, section 5.2).
package struct Restorer {
    /// How far a restore has come, for the log.
    package struct Progress: Equatable, Sendable {
        package var skus = 0
        package var reservations = 0
        package var transfers = 0
        package var ledgerEntries = 0
    }

    private let log: any PartitionLog
    private let settings: Settings

    /// - Parameter settings: those that hold until the log says others; less than the standard only in tests.
    package init(log: any PartitionLog, settings: Settings = Settings()) {
        self.log = log
        self.settings = settings
    }

    /// - Returns: the state, and the offset of the command that the newest ledger entry stands for.
    /// - Throws: a failure of the log, or a doubt that names the SKU when the topics do not agree.
    package func restore() throws(LogFailure) -> (stock: Stock, newestSource: Int64?, progress: Progress) {
        var restore = StockRestore(settings: settings)
        try readLevels(into: &restore)
        try readReservations(into: &restore)
        try readTransfers(into: &restore)
        try readLedgerTail(into: &restore)
        let progress = Progress(
            skus: restore.skuCount, reservations: restore.reservationCount,
            transfers: restore.transferCount, ledgerEntries: restore.tailCount)
        let newestSource = restore.newestEntry?.source.offset
        do throws(Inconsistency) {
            return (try restore.finish(), newestSource, progress)
        } catch {
            throw LogFailure(
                .doubt, operation: "restore of partition \(log.partition)",
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

    private func readTransfers(into restore: inout StockRestore) throws(LogFailure) {
        var reader = RecordReader()
        try readAll(.transfers) { record throws(LogFailure) in
            if let value = record.value {
                restore.add(
                    try decoded(.transfers, record) { () throws(DecodingFailure) in
                        try reader.transfer(value)
                    })
            } else if let key = record.key {
                restore.end(transferID: String(decoding: key, as: UTF8.self))
            }
        }
    }

    /// Offsets have gaps, so the first guess may hold fewer entries than the window; then it goes back further.
    private func readLedgerTail(into restore: inout StockRestore) throws(LogFailure) {
        var reader = RecordReader()
        let offsets = try log.offsets(of: .ledger)
        var span = Int64(restore.tailLength) + Int64(restore.tailLength) / 8
        while true {
            let start = max(offsets.lowerBound, offsets.upperBound - span)
            restore.dropTail()
            try log.read(.ledger, from: start) { record throws(LogFailure) in
                guard let value = record.value else { return }
                restore.add(
                    try decoded(.ledger, record) { () throws(DecodingFailure) in try reader.ledgerEntry(value)
                    })
            }
            if restore.tailCount >= restore.tailLength || start == offsets.lowerBound { return }
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
