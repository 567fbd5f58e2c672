import InventoryCore

/// What became of a reservation, by the ledger entries about it alone. An id can be used again after its end, so a
/// story is of one life.
package struct ReservationStory: Equatable, Sendable {
    package enum Status: String, Sendable {
        case reserved, confirmed, released, expired, lost
    }

    package let id: ID
    package let sku: ID
    package let partition: Int32
    package let orderID: ID
    /// The ledger sequence of what began it.
    package let origin: Int64
    package let reservedAt: Timestamp
    package private(set) var expiresAt: Timestamp
    /// In the order in which warehouses came to serve it.
    package private(set) var allocations: [Allocation] = []
    package private(set) var backordered: Int64 = 0
    package private(set) var remaining: Int64 = 0
    package private(set) var shipped: Int64 = 0
    /// By what took its last units.
    package private(set) var status = Status.reserved
    package private(set) var endedAt: Timestamp?

    /// Nil for an entry that begins no reservation.
    package init?(_ entry: LedgerEntry) {
        guard let id = entry.reservationID, let orderID = entry.orderID, let expiresAt = entry.expiresAt,
            entry.movement.beginsReservation
        else { return nil }
        self.id = id
        self.orderID = orderID
        self.expiresAt = expiresAt
        sku = entry.sku
        partition = entry.source.partition
        origin = entry.origin ?? entry.sequence
        reservedAt = entry.at
        add(entry)
    }

    /// Whether the entry is of this life.
    package func isAbout(_ entry: LedgerEntry) -> Bool {
        entry.reservationID == id && entry.sku == sku && entry.origin == origin
            && entry.movement != .rejection
    }

    package mutating func add(_ entry: LedgerEntry) {
        backordered += entry.deltas.backordered
        if let warehouse = entry.warehouse, entry.deltas.reserved != 0 {
            add(entry.deltas.reserved, in: warehouse)
        }
        if entry.movement == .ship { shipped += entry.quantity }
        if entry.movement == .extend { expiresAt = entry.expiresAt ?? expiresAt }
        if let remaining = entry.remaining { self.remaining = remaining }
        guard entry.endsReservation else { return }
        endedAt = entry.at
        switch entry.movement {
        case .ship: status = .confirmed
        case .release: status = .released
        case .expire: status = .expired
        default: status = .lost
        }
    }

    private mutating func add(_ units: Int64, in warehouse: ID) {
        let place = allocations.firstIndex { $0.warehouse == warehouse }
        let sum = (place.map { allocations[$0].quantity } ?? 0) + units
        switch (place, sum) {
        case (let place?, 0): allocations.remove(at: place)
        case (let place?, _): allocations[place].quantity = sum
        case (nil, _): allocations.append(Allocation(warehouse: warehouse, quantity: units))
        }
    }
}
