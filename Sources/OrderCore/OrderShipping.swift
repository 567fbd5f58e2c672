import InventoryCore

/// How paid units leave the books: when they are paid, or when fulfilment says so.
extension Order {
    /// Ships what is to ship and is there. Parcels come first, from the warehouses that they left; then, unless orders ship
    /// on fulfilment's word, what is paid of reservations that are whole. What is backordered ships when it is filled.
    mutating func ship(_ moment: OrderMoment, _ effects: inout OrderEffects) {
        for line in lines.indices {
            var left = lines[line].owed
            left -= shipNamed(line, atMost: left, moment, &effects)
            let unnamed = lines[line].parcels - lines[line].shipped - lines[line].parcelsFrom.units
            var due = min(left, max(0, unnamed))
            for claim in lines[line].claims.indices where left > 0 {
                let claimed = lines[line].claims[claim]
                guard claimed.pending == nil else { continue }
                let isWhole = claimed.backordered == 0 && !moment.settings.shipsOnShipped
                let units = min(claimed.units, isWhole ? left : due)
                guard units > 0 else { continue }
                left -= units
                due = max(0, due - units)
                let isAll = units == claimed.held
                send(
                    Pending(.confirm, quantity: isAll ? nil : units), line: line, claim: claim, moment,
                    &effects)
            }
        }
    }

    /// Whether something would ship.
    func canShip(_ settings: OrderSettings) -> Bool {
        lines.contains { line in
            line.owed > 0
                && line.claims.contains { claim in
                    claim.units > 0
                        && (line.dueParcels > 0 || claim.backordered == 0 && !settings.shipsOnShipped)
                }
        }
    }

    /// Ships parcels from the warehouses that fulfilment has named.
    /// - Returns: how many units are on their way by that, or will be.
    private mutating func shipNamed(
        _ line: Int, atMost most: Int64, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) -> Int64 {
        var left = min(most, lines[line].dueParcels)
        var taken: Int64 = 0
        for parcel in lines[line].parcelsFrom {
            var wanted = min(parcel.quantity, left)
            for claim in lines[line].claims.indices where wanted > 0 {
                let claimed = lines[line].claims[claim]
                let there = claimed.parts.first { $0.warehouse == parcel.warehouse }?.quantity ?? 0
                guard claimed.pending == nil, there > 0 else { continue }
                let units = min(there, wanted)
                wanted -= units
                left -= units
                taken += units
                send(
                    Pending(.confirm, quantity: units, warehouse: parcel.warehouse), line: line,
                    claim: claim, moment, &effects)
            }
            guard wanted > 0 else { continue }
            let moved = bring(wanted, to: parcel.warehouse, line, moment, &effects)
            left -= moved
            taken += moved
        }
        return taken
    }

    /// Moves units of a claim to the warehouse that their parcel has left, so that the books take them from there.
    private mutating func bring(
        _ wanted: Int64, to warehouse: ID, _ line: Int, _ moment: OrderMoment,
        _ effects: inout OrderEffects
    ) -> Int64 {
        for claim in lines[line].claims.indices {
            let claimed = lines[line].claims[claim]
            let others = claimed.parts.filter { $0.warehouse != warehouse }
            let units = min(wanted, others.units)
            guard claimed.pending == nil, units > 0, allowSplit || units == claimed.units,
                (lines[line].warehouse ?? warehouse) == warehouse
            else { continue }
            var allocations = claimed.parts
            var left = units
            for other in others.reversed() where left > 0 {
                let some = min(left, other.quantity)
                allocations.take([Allocation(warehouse: other.warehouse, quantity: some)])
                left -= some
            }
            allocations.add([Allocation(warehouse: warehouse, quantity: units)])
            send(Pending(.move, allocations: allocations), line: line, claim: claim, moment, &effects)
            return units
        }
        // Nothing can be moved: the books take the units from where they are.
        if lines[line].reserved > 0, !lines[line].isAsking { forgetPlace(warehouse, line) }
        return 0
    }

    /// A parcel's warehouse is not to be had: its units leave the books from wherever they are.
    mutating func forgetPlace(_ warehouse: ID, _ line: Int) {
        lines[line].parcelsFrom.removeAll { $0.warehouse == warehouse }
    }

    /// Units have left the books.
    mutating func shipped(_ allocations: [Allocation], _ pending: Pending, _ line: Int) {
        lines[line].shipments.add(allocations)
        if let warehouse = pending.warehouse {
            lines[line].parcelsFrom.take([Allocation(warehouse: warehouse, quantity: allocations.units)])
        }
        // Whatever has shipped for them, no more parcels are open than have not left the books.
        var over = lines[line].parcelsFrom.units - max(0, lines[line].parcels - lines[line].shipped)
        for parcel in lines[line].parcelsFrom.reversed() where over > 0 {
            let units = min(over, parcel.quantity)
            lines[line].parcelsFrom.take([Allocation(warehouse: parcel.warehouse, quantity: units)])
            over -= units
        }
    }

    /// The stock has moved units to where their parcel has left, or has refused to.
    mutating func answerBring(_ outcome: Outcome, _ pending: Pending, _ line: Int, _ claim: Int) {
        let claimed = lines[line].claims[claim]
        lines[line].claims[claim].befell = []
        if outcome.rejection == nil {
            guard claimed.held > 0 else { return }
            lines[line].claims[claim].parts = pending.allocations
            for units in claimed.befell where units.sequence > outcome.sequence ?? .max {
                lines[line].claims[claim].parts.shift(units)
            }
            return
        }
        for wanted in pending.allocations {
            let there = claimed.parts.first { $0.warehouse == wanted.warehouse }?.quantity ?? 0
            if there < wanted.quantity { forgetPlace(wanted.warehouse, line) }
        }
    }
}
