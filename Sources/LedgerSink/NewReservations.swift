import InventoryCore

/// The reservations that begin in a batch, as they stand at its end. In PostgreSQL they are rows that only need to be
/// copied; those that began before have to be looked for and changed.
struct NewReservations {
    struct Row {
        /// The entries that made it, the last of which has all its units.
        fileprivate(set) var made: LedgerEntry
        /// Of the first of them.
        fileprivate(set) var warehouse: ID?
        /// The last that changed it.
        fileprivate(set) var changed: LedgerEntry?
        /// As the last `extend` says.
        fileprivate(set) var extendedTo: Timestamp?

        var origin: Int64 { made.origin! }
        var expiresAt: Timestamp { extendedTo ?? changed?.expiresAt ?? made.expiresAt! }
        var remaining: Int64 { (changed ?? made).remaining! }
        var sequence: Int64 { (changed ?? made).sequence }
        /// The entry that took its last units.
        var ended: LedgerEntry? { changed?.remaining == 0 ? changed : nil }

        /// The word of the column `status`.
        var status: String {
            switch ended?.movement {
            case nil: "reserved"
            case .ship: "confirmed"
            case .release: "released"
            case .expire: "expired"
            default: "lost"
            }
        }
    }

    private struct Place: Hashable {
        let sku: ID
        let origin: Int64
    }

    /// In the order in which they began.
    private(set) var rows: [Row] = []
    private var index: [Place: Int] = [:]

    /// - Parameter entries: ascending by sequence within each SKU.
    init(_ entries: some Sequence<LedgerEntry>) {
        for entry in entries where entry.reservationID != nil {
            guard let origin = entry.origin, entry.remaining != nil else { continue }
            let place = Place(sku: entry.sku, origin: origin)
            if entry.movement.beginsReservation {
                if let known = index[place] {
                    rows[known].made = entry
                } else if entry.sequence == origin, entry.orderID != nil, entry.expiresAt != nil {
                    index[place] = rows.count
                    rows.append(Row(made: entry, warehouse: entry.warehouse))
                }
            } else if let known = index[place] {
                if rows[known].warehouse == nil { rows[known].warehouse = entry.warehouse }
                if entry.movement == .extend { rows[known].extendedTo = entry.expiresAt }
                rows[known].changed = entry
            }
        }
    }

    /// Whether the entry is of one of them.
    func has(_ entry: LedgerEntry) -> Bool {
        guard let origin = entry.origin, entry.reservationID != nil else { return false }
        return index[Place(sku: entry.sku, origin: origin)] != nil
    }
}
