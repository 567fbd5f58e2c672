/// What follows from a decision for reservations that it was not about.
extension Stock {
    /// The first warehouse of the command's SKU that has fewer units than are claimed (rule 7), and who claims
    /// them there, in the order of loss; nil when all is well.
    func shortage(_ cause: Cause) -> (warehouse: ID, claims: [ID])? {
        // By its place: a level is large.
        guard let index = itemIndex(cause),
            let place = items[index].firstShortage
        else { return nil }
        let warehouse = items[index].levels[place].warehouse
        return (warehouse, claims(in: warehouse, cause).map(\.id))
    }

    /// Units of a reservation in one warehouse.
    struct WarehouseClaim {
        let id: ID
        let quantity: Int64
        fileprivate let sequence: Int64
        fileprivate let isExtended: Bool
    }

    /// Who claims units of the command's SKU in a warehouse, in the order of loss: those that were never extended come
    /// before those that were, which are close to payment; within each, the newest first.
    func claims(in warehouse: ID, _ cause: Cause) -> [WarehouseClaim] {
        guard let index = itemIndex(cause) else { return [] }
        var claims: [WarehouseClaim] = []
        for live in liveReservations(item: index) {
            guard let units = live.allocations.first(where: { $0.warehouse == warehouse })?.quantity else {
                continue
            }
            claims.append(
                WarehouseClaim(
                    id: live.id, quantity: units, sequence: live.sequence, isExtended: live.isExtended))
        }
        return claims.sorted {
            $0.isExtended == $1.isExtended ? $0.sequence > $1.sequence : !$0.isExtended
        }
    }

    /// The warehouse where a decision leaves fewer units than are claimed, how many it takes there, and how many are
    /// missing then; nil where all is well.
    func deficit(
        after decision: Decision, _ cause: Cause
    ) -> (warehouse: ID, lowering: (units: Int64, deficit: Int64))? {
        let entry: LedgerEntry
        switch decision {
        case .one(let only): entry = only
        case .entries(let entries):
            guard entries.count == 1 else { return nil }
            entry = entries[0]
        case .answer, .reacquire: return nil
        }
        guard entry.deltas.onHand < 0, let warehouse = entry.warehouse,
            let level = item(of: cause.command.packedSKU)?.level(of: warehouse)
        else { return nil }
        let units = 0 - entry.deltas.onHand
        let deficit = level.reserved - level.onHand + units
        return deficit > 0 ? (warehouse: warehouse, lowering: (units: units, deficit: deficit)) : nil
    }

    /// The next step of a reservation that claims units of a warehouse that has too few: they move to another, or
    /// are lost. Nil when the warehouse has enough, or the reservation claims none there any more.
    ///
    /// It moves as far as other warehouses have units that no reservation claims, safety stock included, for it
    /// was sold before; one that its command bound to a warehouse does not move, and one that may not be split
    /// moves as a whole or not at all.
    ///
    /// - Parameter lowering: so many units are about to go from the warehouse.
    func decideRelief(
        _ warehouse: ID, _ id: ID, _ cause: Cause, lowering: Int64 = 0
    ) -> [LedgerEntry]? {
        guard let item = itemIndex(cause), let reservation = reservations[id, item],
            let claim = reservation.allocations.first(where: { $0.warehouse == warehouse })?.quantity,
            let level = items[reservation.item].level(of: warehouse),
            level.reserved > level.onHand - lowering
        else { return nil }
        let deficit = level.reserved - level.onHand + lowering
        return move(reservation, claim, deficit, from: level, items[reservation.item], cause)
            ?? [losing(min(claim, deficit), of: reservation, from: level, cause)]
    }

    private func losing(
        _ quantity: Int64, of reservation: Reservation, from level: Level, _ cause: Cause
    ) -> LedgerEntry {
        var entry = entry(
            .lose, cause, quantity, in: level.warehouse, LedgerEntry.Deltas(reserved: -quantity))
        concern(&entry, reservation, remaining: reservation.quantity - quantity)
        return entry
    }

    /// To one other warehouse at a time; nil where none has units for it.
    private func move(
        _ reservation: Reservation, _ claim: Int64, _ deficit: Int64, from level: Level, _ item: Item,
        _ cause: Cause
    ) -> [LedgerEntry]? {
        guard reservation.named == nil else { return nil }
        // What may not be split moves as a whole, also when a part of it would do.
        let wanted = reservation.allowSplit ? min(claim, deficit) : claim
        let candidates = item.levels.compactMap { other -> Candidate? in
            let units = other.unclaimed(by: reservation.channel)
            guard other.warehouse != level.warehouse, units > 0, warehouses[other.place].facts.isActive else {
                return nil
            }
            return Candidate(other.place, available: units, warehouses[other.place])
        }
        let allocator = Allocator(strategy: .mostStock, shipTo: nil)
        let place = allocator.best(of: candidates, with: reservation.allowSplit ? 1 : wanted)
        guard let place else { return nil }
        let units = min(wanted, candidates[place].available)
        let destination = warehouses[candidates[place].place].facts.id
        var leaving = entry(
            .reallocate, cause, units, in: level.warehouse, LedgerEntry.Deltas(reserved: -units))
        leaving.counterpart = destination
        var arriving = entry(
            .reallocate, cause, units, in: destination, LedgerEntry.Deltas(reserved: units),
            after: 1)
        arriving.counterpart = level.warehouse
        concern(&leaving, reservation, remaining: reservation.quantity)
        concern(&arriving, reservation, remaining: reservation.quantity)
        return [leaving, arriving]
    }

    /// Who waits for units that there are, as far as they were not looked at.
    struct FillSearch {
        fileprivate var rows: [Backorders.Place]
    }

    /// Begins to look for backordered units of an item that can be filled.
    mutating func fillSearch(item index: Int) -> FillSearch {
        if items[index].backorders.isStale { arrangeBackorders(item: index) }
        let places = items[index].backorders.places(of: open(item: index).map(\.warehouse))
        for var place in places {
            while let due = items[index].backorders.due(at: place), waiting(due, item: index) == nil {
                place.next()
            }
            items[index].backorders.drop(before: place)
        }
        return FillSearch(rows: places)
    }

    /// The levels that have units which no reservation claims.
    private func open(item index: Int) -> [Level] {
        items[index].levels.filter { warehouses[$0.place].facts.isActive && $0.onHand > $0.reserved }
    }

    /// The next backordered units that can be filled, in the order in which their reservations were made; nil
    /// when none can. The warehouse with most units available serves; a reservation that is bound to a warehouse
    /// waits for that one, and one that may not be split goes to one that has it all.
    ///
    /// - Parameter search: as long as nothing but the fills that were found is carried out: until units move, who could
    ///   not be served cannot be served later.
    func decideFill(_ cause: Cause, _ search: inout FillSearch) -> [LedgerEntry]? {
        guard let index = itemIndex(cause), items[index].backordered > 0 else { return nil }
        let open = open(item: index)
        if open.isEmpty { return nil }
        var best: (sequence: Int64, fill: [LedgerEntry])?
        for row in search.rows.indices.reversed() {
            var place = search.rows[row]
            var isOver = true
            while let due = items[index].backorders.due(at: place) {
                if let best, due.sequence > best.sequence {
                    isOver = false
                    break
                }
                guard let waiting = waiting(due, item: index) else {
                    place.next()
                    continue
                }
                if let fill = fill(waiting, from: open, cause) {
                    best = (due.sequence, fill)
                    isOver = false
                    break
                }
                // All others of the row wait for the same.
                if !place.isWhole { break }
                place.next()
            }
            if isOver { search.rows.remove(at: row) } else { search.rows[row] = place }
        }
        return best?.fill
    }

    private func fill(_ waiting: Reservation, from open: [Level], _ cause: Cause) -> [LedgerEntry]? {
        if waiting.named == nil, !waiting.allowSplit { return fillUnsplit(waiting, from: open, cause) }
        let candidates = waiting.named == nil ? open : open.filter { $0.warehouse == waiting.named }
        guard let best = Self.fullest(candidates, for: waiting.channel) else { return nil }
        return [filling(min(best.units, waiting.backordered), of: waiting, in: best.level, cause)]
    }

    /// A reservation that may not be split: whichever warehouse has it all serves it, the one that serves a part
    /// already before others; what it has elsewhere moves there. Until then the one that serves a part fills it up.
    private func fillUnsplit(_ waiting: Reservation, from open: [Level], _ cause: Cause) -> [LedgerEntry]? {
        func units(in warehouse: ID) -> Int64 {
            waiting.allocations.first { $0.warehouse == warehouse }?.quantity ?? 0
        }
        let whole = open.filter {
            $0.available(to: waiting.channel) >= waiting.quantity - units(in: $0.warehouse)
        }
        let serving = waiting.allocations.first?.warehouse
        if let level = whole.first(where: { $0.warehouse == serving })
            ?? Self.fullest(whole, for: waiting.channel)?.level
        {
            return gathering(waiting, in: level, cause)
        }
        guard let level = open.first(where: { $0.warehouse == serving }) else { return nil }
        let there = level.available(to: waiting.channel)
        return there > 0 ? [filling(min(there, waiting.backordered), of: waiting, in: level, cause)] : nil
    }

    /// The level with most units available, and those; nil where none has any.
    private static func fullest(
        _ levels: [Level], for channel: ID?
    ) -> (level: Level, units: Int64)? {
        var best: (level: Level, units: Int64)?
        for level in levels {
            let units = level.available(to: channel)
            if units > best?.units ?? 0 { best = (level, units) }
        }
        return best
    }

    /// What is backordered is filled in `level`, and what the reservation has elsewhere moves there.
    private func gathering(_ waiting: Reservation, in level: Level, _ cause: Cause) -> [LedgerEntry] {
        var entries: [LedgerEntry] = []
        var moved: Int64 = 0
        for allocation in waiting.allocations where allocation.warehouse != level.warehouse {
            let units = allocation.quantity
            var leaving = entry(
                .reallocate, cause, units, in: allocation.warehouse,
                LedgerEntry.Deltas(reserved: -units), after: entries.count)
            leaving.counterpart = level.warehouse
            var arriving = entry(
                .reallocate, cause, units, in: level.warehouse, LedgerEntry.Deltas(reserved: units),
                after: entries.count + 1)
            arriving.counterpart = allocation.warehouse
            // What came from other warehouses is there by then.
            arriving.balances.reserved += moved
            moved += units
            for var entry in [leaving, arriving] {
                concern(&entry, waiting, remaining: waiting.quantity)
                // So it is known that the command did not ask for it.
                entry.expiresAt = waiting.expiresAt
                entries.append(entry)
            }
        }
        var filling = filling(
            waiting.backordered, of: waiting, in: level, cause, after: entries.count)
        // The units that moved are there by then.
        filling.balances.reserved += moved
        entries.append(filling)
        return entries
    }

    private func filling(
        _ units: Int64, of waiting: Reservation, in level: Level, _ cause: Cause, after offset: Int = 0
    ) -> LedgerEntry {
        var entry = entry(
            .fill, cause, units, in: level.warehouse,
            LedgerEntry.Deltas(reserved: units, backordered: -units), after: offset)
        concern(&entry, waiting, remaining: waiting.quantity)
        return entry
    }
}
