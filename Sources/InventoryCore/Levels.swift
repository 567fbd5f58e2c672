/// The units of one SKU in one warehouse. After every decision 0 <= reserved <= onHand.
package struct Level: Equatable, Sendable {
    package var warehouse: String
    package var onHand: Int64
    package var reserved: Int64

    package init(warehouse: String, onHand: Int64, reserved: Int64) {
        self.warehouse = warehouse
        self.onHand = onHand
        self.reserved = reserved
    }

    /// Units that may be claimed, never below zero.
    package var available: Int64 { max(0, onHand - reserved) }
}

/// A claim on units of one SKU in one warehouse, live until it is confirmed, released or expired.
package struct Reservation: Equatable, Sendable {
    package var id: String
    package var orderID: String
    package var warehouse: String
    package var quantity: Int64
    package var reservedAt: Timestamp
    package var expiresAt: Timestamp
    /// The sequence of the ledger entry that made it.
    package var sequence: Int64
    /// Where its SKU stands in the partition's state.
    var item: Int

    /// When it comes due, as the heap of its SKU orders it.
    var due: Due { Due(expiresAt: expiresAt, sequence: sequence, reservationID: id) }
}

/// All that is known of one SKU.
struct Item {
    let sku: String
    var sequence: Int64 = 0
    /// Ordered by warehouse, so that what is written never depends on how the state came about.
    var levels: [Level] = []
    /// A reservation that ends early leaves its due time behind; the owner clears such ones from the top, and
    /// all when more than half are stale, so that there are never more than twice as many as live.
    var dueTimes = Heap<Due>()
    var liveReservations = 0

    func level(of warehouse: String) -> Level? {
        index(of: warehouse).map { levels[$0] }
    }

    func index(of warehouse: String) -> Int? {
        // A SKU has few warehouses in most shops; a scan of neighbours beats a dictionary there.
        levels.firstIndex { $0.warehouse == warehouse }
    }

    /// The place of the warehouse's level, made empty at its place in the order when there is none.
    mutating func makeIndex(of warehouse: String) -> Int {
        if let index = index(of: warehouse) { return index }
        let index = levels.firstIndex { $0.warehouse > warehouse } ?? levels.endIndex
        levels.insert(Level(warehouse: warehouse, onHand: 0, reserved: 0), at: index)
        return index
    }

    /// The warehouse with most units available, of those that have `quantity`; ties go to the lower id.
    func fullest(for quantity: Int64) -> Level? {
        var best: Level?
        for level in levels where level.available >= quantity {
            if let chosen = best, chosen.available >= level.available { continue }
            best = level
        }
        return best
    }
}
