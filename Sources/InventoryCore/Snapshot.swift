/// What leaves the state for `stock.levels` and `stock.reservations`, and comes back from there.

/// The levels of one SKU, with the ledger sequence that they stand for.
package struct LevelsSnapshot: Equatable, Sendable {
    package var sku: String
    package var sequence: Int64
    /// Ordered by warehouse.
    package var levels: [Level]

    package init(sku: String, sequence: Int64, levels: [Level]) {
        self.sku = sku
        self.sequence = sequence
        self.levels = levels
    }
}

/// A live reservation, as the delayed-message topic holds it.
package struct ReservationSnapshot: Equatable, Sendable {
    package var id: String
    package var orderID: String
    package var sku: String
    package var warehouse: String
    package var quantity: Int64
    package var reservedAt: Timestamp
    package var expiresAt: Timestamp
    package var sequence: Int64

    package init(
        id: String, orderID: String, sku: String, warehouse: String, quantity: Int64,
        reservedAt: Timestamp, expiresAt: Timestamp, sequence: Int64
    ) {
        self.id = id
        self.orderID = orderID
        self.sku = sku
        self.warehouse = warehouse
        self.quantity = quantity
        self.reservedAt = reservedAt
        self.expiresAt = expiresAt
        self.sequence = sequence
    }

    /// The message for a reservation that `entry` (a `reserve`) made; nil for any other movement.
    package init?(of entry: LedgerEntry) {
        guard entry.movement == .reserve, let id = entry.reservationID, let orderID = entry.orderID,
            let warehouse = entry.warehouse, let expiresAt = entry.expiresAt
        else { return nil }
        self.init(
            id: id, orderID: orderID, sku: entry.sku, warehouse: warehouse, quantity: entry.quantity,
            reservedAt: entry.at, expiresAt: expiresAt, sequence: entry.sequence)
    }
}

/// Why a restored state cannot be trusted, with the SKU, what was found and what it should have been.
package struct Inconsistency: Error, Equatable, Sendable {
    package var sku: String
    package var description: String

    package init(sku: String, description: String) {
        self.sku = sku
        self.description = description
    }
}

extension Stock {
    /// The levels of a SKU as they are now; nil for a SKU that the partition never saw.
    package func levels(of sku: String) -> LevelsSnapshot? {
        item(of: sku).map { LevelsSnapshot(sku: sku, sequence: $0.sequence, levels: $0.levels) }
    }

    /// All levels, ordered by SKU: two states are the same when these, `allReservations` and
    /// `rememberedEntries` are.
    package var allLevels: [LevelsSnapshot] {
        items.map { LevelsSnapshot(sku: $0.sku, sequence: $0.sequence, levels: $0.levels) }
            .sorted { $0.sku < $1.sku }
    }

    /// All live reservations, ordered by id.
    package var allReservations: [ReservationSnapshot] {
        reservations.values.sorted { $0.id < $1.id }.map {
            ReservationSnapshot(
                id: $0.id, orderID: $0.orderID, sku: items[$0.item].sku, warehouse: $0.warehouse,
                quantity: $0.quantity, reservedAt: $0.reservedAt, expiresAt: $0.expiresAt,
                sequence: $0.sequence)
        }
    }

    /// The entries of the dedupe window, oldest first.
    package var rememberedEntries: [LedgerEntry] { window.entries }
}
