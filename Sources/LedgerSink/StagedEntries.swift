import InventoryCore

/// What the projections' statements need of the entries of a batch: of each level the last entry, and every entry that
/// changes something else than a level or a reservation that begins in the batch.
struct StagedEntries {
    struct Element {
        let entry: LedgerEntry
        /// Of the ledger.
        let partition: Int32
        /// Nothing but its balances counts.
        let isLevelOnly: Bool
    }

    private struct Place: Hashable {
        let sku: ID
        let warehouse: ID
    }

    private(set) var elements: [Element] = []
    /// Whether there are entries that begin reservations, or change them.
    private(set) var beginsReservations = false
    private(set) var changesReservations = false

    /// - Parameters:
    ///   - rows: their entries ascending by sequence within each SKU.
    ///   - reservations: those whose entries need no statement.
    init(_ rows: [LedgerRow], without reservations: NewReservations) {
        var last: [Place: Int] = [:]
        for (number, row) in rows.enumerated() {
            let entry = row.entry
            guard entry.hasBalances, let warehouse = entry.warehouse else { continue }
            last[Place(sku: entry.sku, warehouse: warehouse)] = number
        }
        var isLast = [Bool](repeating: false, count: rows.count)
        for number in last.values { isLast[number] = true }
        for (number, row) in rows.enumerated() {
            let entry = row.entry
            let isReservation =
                entry.reservationID != nil && entry.origin != nil && !reservations.has(entry)
            if isReservation {
                if entry.movement.beginsReservation {
                    beginsReservations = true
                } else {
                    changesReservations = true
                }
            }
            let isWhole =
                isReservation || entry.transferID != nil || entry.movement == .setPolicy
                || entry.movement == .setWarehouse || entry.movement == .retire
            if isWhole || isLast[number] {
                elements.append(
                    Element(entry: entry, partition: row.partition, isLevelOnly: !isWhole))
            }
        }
    }
}
