import InventoryCore
import LedgerSink

/// Entries for tests, of one SKU in one warehouse.
enum Ledger {
    /// Receives 5; reserves 1 and 2; ships the 1; releases the 2; refuses 9; reserves 3 under the id of the
    /// reservation that was released.
    static let story = [
        receipt(1, 5),
        entry(2, .reserve, .reserve, "r1", 1, reserved: 1, balance: (5, 1)),
        entry(3, .reserve, .reserve, "r2", 2, reserved: 2, balance: (5, 3)),
        entry(4, .ship, .confirm, "r1", 1, onHand: -1, reserved: -1, balance: (4, 2)),
        entry(5, .release, .release, "r2", 2, reserved: -2, balance: (4, 0)),
        rejection(6),
        entry(7, .reserve, .reserve, "r2", 3, reserved: 3, balance: (4, 3)),
    ]

    static func receipt(_ sequence: Int64, _ quantity: Int64) -> LedgerEntry {
        LedgerEntry(
            sku: "A", sequence: sequence, movement: .receive, at: moment(sequence),
            source: Source(partition: 0, offset: sequence - 1), command: .receive, commandID: "c\(sequence)",
            warehouse: "BER", quantity: quantity, onHandDelta: quantity, onHand: quantity, reference: "note")
    }

    static func rejection(_ sequence: Int64, in warehouse: String? = nil) -> LedgerEntry {
        LedgerEntry(
            sku: "A", sequence: sequence, movement: .rejection, at: moment(sequence),
            source: Source(partition: 0, offset: sequence - 1), command: .reserve, commandID: "c\(sequence)",
            reservationID: "r9", orderID: "o", warehouse: warehouse, quantity: 9, reason: .insufficientStock)
    }

    private static func entry(
        _ sequence: Int64, _ movement: Movement, _ command: CommandKind, _ reservation: String,
        _ quantity: Int64, onHand: Int64 = 0, reserved: Int64, balance: (onHand: Int64, reserved: Int64)
    ) -> LedgerEntry {
        LedgerEntry(
            sku: "A", sequence: sequence, movement: movement, at: moment(sequence),
            source: Source(partition: 0, offset: sequence - 1), command: command, commandID: "c\(sequence)",
            reservationID: reservation, orderID: "o", warehouse: "BER", quantity: quantity,
            expiresAt: movement == .reserve ? moment(sequence + 60_000) : nil, onHandDelta: onHand,
            reservedDelta: reserved, onHand: balance.onHand, reserved: balance.reserved)
    }

    private static func moment(_ number: Int64) -> Timestamp {
        Timestamp(milliseconds: 1_790_000_000_000 + number)
    }

    /// These entries in partition 0, from offset 0.
    static func batch(_ entries: [LedgerEntry]) -> LedgerBatch {
        var batch = LedgerBatch(from: [0: 0])
        for (offset, entry) in entries.enumerated() {
            batch.add(LedgerRow(partition: 0, offset: Int64(offset), entry: entry))
        }
        return batch
    }
}
