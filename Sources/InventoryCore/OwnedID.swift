/// The name of a reservation, a transfer or a command: its id is unique within its SKU, so the SKU belongs to it.
package struct OwnedID: Hashable, Comparable, Sendable {
    package let sku: ID
    package let id: ID

    package init(sku: ID, id: ID) {
        self.sku = sku
        self.id = id
    }

    /// By SKU, then by id.
    package static func < (left: OwnedID, right: OwnedID) -> Bool {
        left.sku == right.sku ? left.id < right.id : left.sku < right.sku
    }
}

extension ReservationSnapshot {
    package var owned: OwnedID { OwnedID(sku: sku, id: id) }
}

extension TransferSnapshot {
    package var owned: OwnedID { OwnedID(sku: sku, id: id) }
}

extension LedgerEntry {
    /// The reservation that the entry is about.
    package var ownedReservation: OwnedID? { reservationID.map { OwnedID(sku: sku, id: $0) } }
    /// The transfer that the entry is about.
    package var ownedTransfer: OwnedID? { transferID.map { OwnedID(sku: sku, id: $0) } }
}

extension Stock {
    /// A live reservation as it is now.
    package func reservation(_ name: OwnedID) -> ReservationSnapshot? {
        guard let live = reservation(name.id), live.sku == name.sku else { return nil }
        return live
    }

    /// A live transfer as it is now.
    package func transfer(_ name: OwnedID) -> TransferSnapshot? {
        guard let live = transfer(name.id), live.sku == name.sku else { return nil }
        return live
    }
}

extension StockRestore {
    package mutating func end(reservation name: OwnedID) { end(reservationID: name.id) }

    package mutating func end(transfer name: OwnedID) { end(transferID: name.id) }
}
