/// What follows from a decision for reservations that it was not about.
extension Stock {
    /// The first warehouse of the command's SKU that has fewer units than are claimed (rule 7), and who claims
    /// them there, in the order of loss; nil when all is well.
    ///
    /// Order of loss: those that were never extended come before those that were, which are close to payment;
    /// within each, the newest first.
    func shortage(_ cause: Cause) -> (warehouse: ID, claims: [ID])? {
        // By its place: a level is large.
        guard let index = itemIndex(cause),
            let place = items[index].firstShortage
        else { return nil }
        let level = items[index].levels[place]
        let claims = liveReservations(item: index).filter { live in
            live.allocations.contains { $0.warehouse == level.warehouse }
        }
        return (level.warehouse, claims.sorted(by: Self.isLostBefore).map(\.id))
    }

    /// The next step of a reservation that claims units of a warehouse that has too few: they move to another, or
    /// are lost. Nil when the warehouse has enough, or the reservation claims none there any more.
    ///
    /// It moves as far as other warehouses have units that no reservation claims, safety stock included, for it
    /// was sold before; one that its command bound to a warehouse does not move, and one that may not be split
    /// moves as a whole or not at all.
    func decideRelief(_ warehouse: ID, _ id: ID, _ cause: Cause) -> [LedgerEntry]? {
        guard let item = itemIndex(cause), let reservation = reservations[id, item],
            let claim = reservation.allocations.first(where: { $0.warehouse == warehouse })?.quantity,
            let level = items[reservation.item].level(of: warehouse), level.reserved > level.onHand
        else { return nil }
        let deficit = level.reserved - level.onHand
        return move(reservation, claim, deficit, from: level, items[reservation.item], cause)
            ?? [losing(min(claim, deficit), of: reservation, from: level, cause)]
    }

    private static func isLostBefore(_ left: Reservation, _ right: Reservation) -> Bool {
        left.isExtended == right.isExtended ? left.sequence > right.sequence : !left.isExtended
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

    /// The next backordered units that can be filled, in the order in which their reservations were made; nil
    /// when none can. The warehouse with most units available serves; a reservation that is bound to a warehouse
    /// waits for that one, and one that may not be split goes to one that has it all.
    func decideFill(_ cause: Cause) -> [LedgerEntry]? {
        guard let index = itemIndex(cause), items[index].backordered > 0 else { return nil }
        let item = items[index]
        let open = item.levels.filter { warehouses[$0.place].facts.isActive && $0.onHand > $0.reserved }
        if open.isEmpty { return nil }
        for due in item.backorders[item.firstBackorder...] {
            guard let waiting = waiting(due, item: index) else { continue }
            if let fill = fill(waiting, from: open, cause) { return fill }
        }
        return nil
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
