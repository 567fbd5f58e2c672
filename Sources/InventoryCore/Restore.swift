/// Makes a state again from the last message of each SKU in `stock.levels`, the live reservations of
/// `stock.reservations`, and the tail of `stock.ledger`, and refuses to if the three do not agree.
package struct StockRestore: Sendable {
    private var levels: [String: LevelsSnapshot] = [:]
    private var reservations: [String: ReservationSnapshot] = [:]
    private var tail: [LedgerEntry] = []
    private let dedupeWindow: Int

    package init(dedupeWindow: Int = Limits.dedupeWindow) { self.dedupeWindow = dedupeWindow }

    package var skuCount: Int { levels.count }
    package var reservationCount: Int { reservations.count }
    package var tailCount: Int { tail.count }

    package mutating func add(_ snapshot: LevelsSnapshot) { levels[snapshot.sku] = snapshot }

    package mutating func add(_ snapshot: ReservationSnapshot) { reservations[snapshot.id] = snapshot }

    package mutating func end(reservationID: String) { reservations[reservationID] = nil }

    /// The newest entry of the ledger's tail: it says how far the commands were decided.
    package var newestEntry: LedgerEntry? { tail.last }

    /// Adds the next entry of the ledger's tail; entries come in the order of the ledger.
    package mutating func add(_ entry: LedgerEntry) {
        tail.append(entry)
        // Trimmed by halves, so that a long tail costs a constant for each entry.
        if tail.count > 2 * dedupeWindow { tail.removeFirst(tail.count - dedupeWindow) }
    }

    /// Begins the tail anew, for a reader that goes back further.
    package mutating func dropTail() { tail.removeAll() }

    /// - Throws: the first inconsistency, in the order of SKUs.
    package consuming func finish() throws(Inconsistency) -> Stock {
        var stock = Stock(dedupeWindow: dedupeWindow)
        for snapshot in levels.values.sorted(by: { $0.sku < $1.sku }) { stock.restore(snapshot) }
        for snapshot in reservations.values.sorted(by: { ($0.sku, $0.sequence) < ($1.sku, $1.sequence) }) {
            try stock.restore(snapshot)
        }
        try stock.checkReserved()
        try stock.restoreWindow(tail.suffix(dedupeWindow))
        return stock
    }
}

extension Stock {
    fileprivate mutating func restore(_ snapshot: LevelsSnapshot) {
        let index = makeItemIndex(of: snapshot.sku)
        items[index].sequence = snapshot.sequence
        items[index].levels = snapshot.levels.sorted { $0.warehouse < $1.warehouse }
    }

    fileprivate mutating func restore(_ snapshot: ReservationSnapshot) throws(Inconsistency) {
        guard let index = itemIndex(of: snapshot.sku), snapshot.sequence <= items[index].sequence else {
            throw Inconsistency(
                sku: snapshot.sku,
                description: "reservation \(snapshot.id) stands for ledger sequence \(snapshot.sequence), "
                    + "but the levels stand for \(item(of: snapshot.sku)?.sequence ?? 0)")
        }
        begin(
            Reservation(
                id: snapshot.id, orderID: snapshot.orderID, warehouse: snapshot.warehouse,
                quantity: snapshot.quantity, reservedAt: snapshot.reservedAt,
                expiresAt: snapshot.expiresAt, sequence: snapshot.sequence, item: index))
    }

    /// Reserved is the sum of the live reservations, in every warehouse.
    fileprivate func checkReserved() throws(Inconsistency) {
        var sums = items.map { item in item.levels.map { _ in Int64(0) } }
        for reservation in allReservations {
            guard let index = itemIndex(of: reservation.sku),
                let place = items[index].index(of: reservation.warehouse)
            else {
                throw Inconsistency(
                    sku: reservation.sku,
                    description: "reservation \(reservation.id) claims units in \(reservation.warehouse), "
                        + "where the SKU has no level")
            }
            sums[index][place] += reservation.quantity
        }
        for (item, sums) in zip(items, sums) {
            for (level, sum) in zip(item.levels, sums) where level.reserved != sum {
                throw Inconsistency(
                    sku: item.sku,
                    description: "\(level.warehouse) has \(level.reserved) units reserved, "
                        + "but its live reservations claim \(sum)")
            }
        }
    }

    /// The tail's last entry of each SKU must be the one that the SKU's levels stand for.
    fileprivate mutating func restoreWindow(_ tail: ArraySlice<LedgerEntry>) throws(Inconsistency) {
        var last: [String: Int64] = [:]
        for entry in tail {
            if let before = last[entry.sku], entry.sequence != before + 1 {
                throw Inconsistency(
                    sku: entry.sku,
                    description: "in the ledger, sequence \(entry.sequence) follows \(before)")
            }
            last[entry.sku] = entry.sequence
            window.append(entry)
        }
        for (sku, sequence) in last.sorted(by: { $0.key < $1.key })
        where item(of: sku)?.sequence != sequence {
            throw Inconsistency(
                sku: sku,
                description: "the ledger ends at sequence \(sequence), "
                    + "but the levels stand for \(item(of: sku)?.sequence ?? 0)")
        }
    }
}
