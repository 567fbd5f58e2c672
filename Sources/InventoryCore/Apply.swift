/// The only place where the state changes. It cannot fail: what it is given was decided on this very state, or
/// stands in the ledger; anything else is corruption, and stops the process before it can spread.
extension Stock {
    package mutating func apply(_ entry: LedgerEntry) {
        let index = makeItemIndex(of: entry.sku)
        precondition(
            entry.sequence == items[index].sequence + 1,
            "ledger of \(entry.sku): \(entry.sequence) cannot follow \(items[index].sequence)")
        items[index].sequence = entry.sequence
        if entry.movement != .rejection { move(entry, item: index) }
        switch entry.movement {
        case .reserve: begin(entry, item: index)
        case .ship, .release, .expire: end(entry, item: index)
        case .receive, .rejection: break
        }
        window.append(entry)
    }

    private mutating func move(_ entry: LedgerEntry, item index: Int) {
        guard let warehouse = entry.warehouse else {
            preconditionFailure("ledger of \(entry.sku), \(entry.sequence): a movement without a warehouse")
        }
        let place = items[index].makeIndex(of: warehouse)
        items[index].levels[place].onHand += entry.onHandDelta
        items[index].levels[place].reserved += entry.reservedDelta
        let level = items[index].levels[place]
        precondition(
            level.onHand == entry.onHand && level.reserved == entry.reserved,
            "ledger of \(entry.sku), \(entry.sequence): balances do not follow from the deltas")
        precondition(
            0 <= level.reserved && level.reserved <= level.onHand && level.onHand <= Limits.onHand,
            "ledger of \(entry.sku), \(entry.sequence): reserved is not within on hand")
    }

    private mutating func begin(_ entry: LedgerEntry, item index: Int) {
        guard let id = entry.reservationID, let orderID = entry.orderID, let warehouse = entry.warehouse,
            let expiresAt = entry.expiresAt
        else {
            preconditionFailure("ledger of \(entry.sku), \(entry.sequence): an incomplete reserve")
        }
        begin(
            Reservation(
                id: id, orderID: orderID, warehouse: warehouse, quantity: entry.quantity,
                reservedAt: entry.at, expiresAt: expiresAt, sequence: entry.sequence, item: index))
    }

    mutating func begin(_ reservation: Reservation) {
        let replaced = reservations.updateValue(reservation, forKey: reservation.id)
        precondition(replaced == nil, "reservation \(reservation.id) was made twice")
        items[reservation.item].dueTimes.insert(reservation.due)
        items[reservation.item].liveReservations += 1
    }

    private mutating func end(_ entry: LedgerEntry, item index: Int) {
        guard let id = entry.reservationID, reservations.removeValue(forKey: id) != nil else {
            preconditionFailure("ledger of \(entry.sku), \(entry.sequence): it ends what does not live")
        }
        items[index].liveReservations -= 1
        clearStaleDueTimes(item: index)
    }

    /// Keeps the top of the heap live, and the heap at most twice as long as what lives.
    private mutating func clearStaleDueTimes(item index: Int) {
        while let due = items[index].dueTimes.first, !isLive(due) {
            items[index].dueTimes.removeFirst()
        }
        if items[index].dueTimes.count > 2 * items[index].liveReservations + 16 {
            let reservations = reservations
            items[index].dueTimes.removeAll { reservations[$0.reservationID]?.sequence != $0.sequence }
        }
    }

    private func isLive(_ due: Due) -> Bool {
        reservations[due.reservationID]?.sequence == due.sequence
    }
}
