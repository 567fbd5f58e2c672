/// What can happen to a reservation by a command about it.
extension Stock {
    func decideReserve(_ reserve: Command.Reserve, _ cause: Cause) -> Decision {
        if let item = itemIndex(cause) {
            let id = reserve.packed.reservation
            if let live = reservations[id, item] {
                return live.commandHash == cause.hash
                    ? .answer(Outcome(of: live, sku: cause.command.sku, to: cause.command))
                    : reject(.reservationIDConflict, cause)
            }
            if window.hasEnded(id, item: item, at: cause.at) {
                return reject(.reservationIDConflict, cause)
            }
        }
        guard let expiresAt = expiry(reserve.expiry, from: cause.at) else {
            return reject(.expiryOutOfRange, cause)
        }
        if let named = reserve.warehouse, !isActive(named) { return reject(.warehouseInactive, cause) }
        if isOverOrderLimit(reserve, cause) { return reject(.orderLimitExceeded, cause) }
        switch allocate(reserve, item: itemIndex(cause)) {
        case .refused(let reason): return reject(reason, cause)
        case .granted(let allocations, let backordered):
            return reserving(reserve, allocations, backordered, until: expiresAt, cause)
        }
    }

    private func isOverOrderLimit(_ reserve: Command.Reserve, _ cause: Cause) -> Bool {
        guard let index = itemIndex(cause), items[index].hasPolicy,
            let limit = items[index].policy?.unitsPerOrder
        else { return false }
        let had =
            (items[index].unitsByOrder?[reserve.orderID] ?? 0)
            + window.shipped(item: index, for: reserve.packed.order)
        return had + reserve.quantity > limit
    }

    private func reserving(
        _ reserve: Command.Reserve, _ allocations: Allocations, _ backordered: Int64,
        until expiresAt: Timestamp, _ cause: Cause
    ) -> Decision {
        if backordered == 0, allocations.count == 1 {
            return .one(reservingWhole(reserve, allocations[0], until: expiresAt, cause))
        }
        var entries: [LedgerEntry] = []
        entries.reserveCapacity(allocations.count + 1)
        for allocation in allocations { entries.append(reserving(allocation, after: entries.count, cause)) }
        if backordered > 0 {
            entries.append(
                entry(
                    .backorder, cause, backordered: backordered, by: backordered, in: reserve.warehouse,
                    after: entries.count))
        }
        let granted = allocations.units + backordered
        var remaining: Int64 = 0
        for index in entries.indices {
            remaining += entries[index].quantity
            concern(&entries[index], reserve, until: expiresAt, cause)
            entries[index].origin = entries[0].sequence
            entries[index].remaining = remaining
            if granted < reserve.quantity { entries[index].requested = reserve.quantity }
        }
        return .entries(entries)
    }

    /// The entry of a reservation that one warehouse serves, made in one step: most are such.
    private func reservingWhole(
        _ reserve: Command.Reserve, _ allocation: Allocation, until expiresAt: Timestamp, _ cause: Cause
    ) -> LedgerEntry {
        let deltas = LedgerEntry.Deltas(reserved: allocation.quantity)
        guard let index = itemIndex(cause) else {
            preconditionFailure("\(cause.command.sku) has units and is not known")
        }
        let sequence = items[index].sequence + 1
        var entry = LedgerEntry(
            cause.command.ids(of: reserve),
            generation: items[index].generation, sequence: sequence, movement: .reserve, at: cause.at,
            source: cause.source, command: cause.kind, commandHash: cause.hash,
            warehouse: allocation.warehouse, quantity: allocation.quantity,
            remaining: allocation.quantity, expiresAt: expiresAt, deltas: deltas,
            balances: balances(in: allocation.warehouse, item: index, after: deltas))
        entry.origin = sequence
        if reserve.channel != nil { entry.channel = reserve.channel }
        entry.isNamed = reserve.warehouse != nil
        entry.allowSplit = reserve.allowSplit
        if allocation.quantity < reserve.quantity { entry.requested = reserve.quantity }
        return entry
    }

    private func reserving(_ allocation: Allocation, after offset: Int, _ cause: Cause) -> LedgerEntry {
        entry(
            .reserve, cause, allocation.quantity, in: allocation.warehouse,
            LedgerEntry.Deltas(reserved: allocation.quantity), after: offset)
    }

    /// Says for whom the units are claimed.
    private func concern(
        _ entry: inout LedgerEntry, _ reserve: Command.Reserve, until expiresAt: Timestamp, _ cause: Cause
    ) {
        entry.packed = cause.command.ids(of: reserve)
        entry.channel = reserve.channel
        entry.expiresAt = expiresAt
        entry.isNamed = reserve.warehouse != nil
        entry.allowSplit = reserve.allowSplit
    }

    /// Nil when the expiry is not after `at`, or not within what the settings allow.
    private func expiry(_ expiry: Command.Expiry, from at: Timestamp) -> Timestamp? {
        let ttl: Int64
        switch expiry {
        case .standard: ttl = settings.defaultTTL
        case .after(let milliseconds): ttl = milliseconds
        case .at(let moment): ttl = moment.milliseconds - at.milliseconds
        }
        let moment = at.milliseconds + ttl
        guard ttl >= max(1, settings.shortestTTL), ttl <= settings.longestTTL, moment <= Limits.latestTime
        else { return nil }
        return Timestamp(milliseconds: moment)
    }

    /// The live reservation of that id and of the command's SKU.
    private func live(_ id: ID, _ cause: Cause) -> Reservation? {
        itemIndex(cause).flatMap { reservations[id, $0] }
    }

    /// How the reservation of that id and of the command's SKU ended, if it is remembered.
    private func ending(of id: ID, _ cause: Cause) -> Remembered? {
        guard id.count <= Limits.idBytes, let item = itemIndex(cause) else { return nil }
        return window.ending(of: PackedID(id), item: item, at: cause.at)
    }

    func decideConfirm(_ cause: Cause) -> Decision {
        guard case .confirm(let id, let wanted, let warehouse) = cause.command.body else {
            preconditionFailure("\(cause.command.kind) is no confirm")
        }
        guard let live = live(id, cause) else {
            return decideEnded(id, by: .ship, cause) { ended in reacquire(ended, wanted, in: warehouse, cause)
            }
        }
        let there = warehouse.map { name in
            live.allocations.first { $0.warehouse == name }?.quantity ?? 0
        }
        let quantity = wanted ?? there ?? live.quantity
        if quantity > live.quantity { return reject(.quantityExceedsReserved, cause) }
        if quantity > live.allocated { return reject(.backorderUnfilled, cause) }
        if let there, quantity > there || quantity == 0 { return reject(.allocationMismatch, cause) }
        return .entries(taking(quantity, from: live, in: warehouse, by: .ship, cause))
    }

    func decideRelease(of id: ID, _ wanted: Int64?, _ cause: Cause) -> Decision {
        guard let live = live(id, cause) else {
            return decideEnded(id, by: .release, cause) { _ in reject(.reservationExpired, cause) }
        }
        let quantity = wanted ?? live.quantity
        if quantity > live.quantity { return reject(.quantityExceedsReserved, cause) }
        return .entries(taking(quantity, from: live, by: .release, cause))
    }

    func decideExtend(of id: ID, _ expiry: Command.Expiry, _ cause: Cause) -> Decision {
        guard let live = live(id, cause) else {
            return decideEnded(id, by: .extend, cause) { _ in reject(.reservationExpired, cause) }
        }
        guard let expiresAt = self.expiry(expiry, from: cause.at) else {
            return reject(.expiryOutOfRange, cause)
        }
        var entry = entry(.extend, cause, live.quantity)
        concern(&entry, live, remaining: live.quantity)
        entry.expiresAt = expiresAt
        return .entries([entry])
    }

    /// A command for a reservation that does not live: it ended in the same way, in another, or is not known.
    private func decideEnded(
        _ id: ID, by movement: Movement, _ cause: Cause, whenExpired: (ArraySlice<LedgerEntry>) -> Decision
    ) -> Decision {
        guard let end = ending(of: id, cause), let last = end.parts.last else {
            return reject(.reservationNotFound, cause)
        }
        guard end.generation == itemIndex(cause).map({ items[$0].generation }) else {
            return reject(.generationMismatch, cause)
        }
        if last.movement == movement { return .answer(answer(by: end, cause)) }
        switch last.movement {
        case .expire: return whenExpired(entries(of: end, cause).suffix(end.lastParts))
        case .lose: return reject(.reservationLost, cause)
        case .ship: return reject(.reservationConfirmed, cause)
        default: return reject(.reservationReleased, cause)
        }
    }

    /// A confirm after the expiry takes the units again if they are there (rule 4): from the warehouses that
    /// had them, else from as few as possible; one that named its warehouse, from that one alone, also what was
    /// backordered; and one that may not be split, from one. Safety stock counts as there, for the customer has paid.
    ///
    /// - Parameter warehouse: the only one that may serve it, where the confirm names one.
    private func reacquire(
        _ ended: ArraySlice<LedgerEntry>, _ wanted: Int64?, in warehouse: ID?, _ cause: Cause
    ) -> Decision {
        let had = ended.reduce(0) { $0 + $1.quantity }
        let quantity = wanted ?? had
        if quantity > had { return reject(.quantityExceedsReserved, cause) }
        guard let last = ended.last, let id = last.reservationID, let orderID = last.orderID,
            let allocations = warehouse.map({ again(quantity, in: $0, ended, cause) })
                ?? reallocation(of: quantity, ended, cause)
        else { return reject(.reservationExpired, cause) }
        var entries: [LedgerEntry] = []
        var remaining: Int64 = 0
        for allocation in allocations {
            remaining += allocation.quantity
            var entry = entry(
                .reacquire, cause, allocation.quantity, in: allocation.warehouse,
                LedgerEntry.Deltas(reserved: allocation.quantity), after: entries.count)
            entry.reservationID = id
            entry.orderID = orderID
            entry.origin = entries.first?.sequence ?? entry.sequence
            entry.channel = last.channel
            (entry.isNamed, entry.allowSplit) = (last.isNamed, last.allowSplit)
            entry.remaining = remaining
            // It ships at once, so that it can never come due.
            entry.expiresAt = Timestamp(milliseconds: cause.at.milliseconds + 1)
            entries.append(entry)
        }
        return .reacquire(entries)
    }

    /// The units from the warehouse that a late confirm names; nil where they are not there.
    private func again(
        _ quantity: Int64, in warehouse: ID, _ ended: ArraySlice<LedgerEntry>, _ cause: Cause
    ) -> [Allocation]? {
        guard isActive(warehouse), let level = item(of: cause.command.packedSKU)?.level(of: warehouse),
            level.unclaimed(by: ended.last?.channel) >= quantity
        else { return nil }
        return [Allocation(warehouse: warehouse, quantity: quantity)]
    }

    private func reallocation(
        of quantity: Int64, _ ended: ArraySlice<LedgerEntry>, _ cause: Cause
    ) -> [Allocation]? {
        guard let item = item(of: cause.command.packedSKU) else { return nil }
        let channel = ended.last?.channel
        var same: [Allocation] = []
        var left = quantity
        for entry in ended where left > 0 {
            // Backordered units are of no warehouse, unless the reservation named one.
            guard let warehouse = entry.warehouse else { continue }
            guard let level = item.level(of: warehouse), isActive(warehouse) else { break }
            let place = same.firstIndex { $0.warehouse == warehouse }
            let taken = place.map { same[$0].quantity } ?? 0
            let units = min(left, entry.quantity, max(0, level.unclaimed(by: channel) - taken))
            if let place {
                same[place].quantity += units
            } else if units > 0 {
                same.append(Allocation(warehouse: warehouse, quantity: units))
            }
            left -= units
        }
        let isBound = ended.last?.isNamed ?? false
        let allowSplit = ended.last?.allowSplit ?? true
        if left == 0 && (allowSplit || same.count == 1) { return same }
        if isBound { return nil }
        let candidates = item.levels.compactMap { level -> Candidate? in
            guard warehouses[level.place].facts.isActive else { return nil }
            return Candidate(
                level.place, available: level.unclaimed(by: channel), warehouses[level.place])
        }
        let found = Allocator(strategy: .fewestSplits, shipTo: nil).allocate(quantity, from: candidates)
        return allowSplit || found?.count == 1 ? found.map(allocations) : nil
    }

    /// The expiry itself happened before the command was looked at, so that an `expire` only tells it.
    func answerExpire(of id: ID, _ cause: Cause) -> Outcome {
        let command = cause.command
        if let end = ending(of: id, cause), end.parts.last?.movement == .expire {
            let ended = entries(of: end, cause)
            return Outcome(
                of: ended, to: command, isDuplicate: end.source != cause.source || end.at != cause.at)
        }
        let live = live(id, cause)
        return Outcome(
            kind: .ignored, command: .expire, commandID: command.id, sku: command.sku,
            noOp: live == nil ? .alreadyEnded : .notDue, reservationID: id, expiresAt: live?.expiresAt,
            at: cause.at)
    }

    func decideReallocate(of id: ID, to wanted: [Allocation], _ cause: Cause) -> Decision {
        guard let live = live(id, cause), let item = item(of: cause.command.packedSKU) else {
            return decideEnded(id, by: .reallocate, cause) { _ in reject(.reservationExpired, cause) }
        }
        guard wanted.reduce(0, { $0 + $1.quantity }) == live.allocated else {
            return reject(.allocationMismatch, cause)
        }
        func units(_ allocations: some Sequence<Allocation>, _ warehouse: ID) -> Int64 {
            allocations.first { $0.warehouse == warehouse }?.quantity ?? 0
        }
        let gains = wanted.map {
            Allocation(
                warehouse: $0.warehouse, quantity: $0.quantity - units(live.allocations, $0.warehouse))
        }.filter { $0.quantity > 0 }
        if gains.contains(where: { !isActive($0.warehouse) }) { return reject(.warehouseInactive, cause) }
        let isThere = gains.allSatisfy {
            (item.level(of: $0.warehouse)?.available(to: live.channel) ?? 0) >= $0.quantity
        }
        if !isThere { return reject(.insufficientStock, cause) }
        let losses = live.allocations.map {
            Allocation(warehouse: $0.warehouse, quantity: $0.quantity - units(wanted, $0.warehouse))
        }.filter { $0.quantity > 0 }
        return .entries(moving(live, losses, gains, cause))
    }

    /// Nothing moves where the reservation is served so already; that is told as well.
    private func moving(
        _ reservation: Reservation, _ losses: [Allocation], _ gains: [Allocation], _ cause: Cause
    ) -> [LedgerEntry] {
        guard let firstLoss = losses.first, let firstGain = gains.first else {
            var entry = entry(.reallocate, cause, reservation.allocated)
            concern(&entry, reservation, remaining: reservation.quantity)
            return [entry]
        }
        var entries: [LedgerEntry] = []
        for (changes, sign) in [(losses, -1 as Int64), (gains, 1)] {
            for change in changes {
                var entry = entry(
                    .reallocate, cause, change.quantity, in: change.warehouse,
                    LedgerEntry.Deltas(reserved: sign * change.quantity), after: entries.count)
                concern(&entry, reservation, remaining: reservation.quantity)
                entry.counterpart = sign < 0 ? firstGain.warehouse : firstLoss.warehouse
                entries.append(entry)
            }
        }
        return entries
    }

    /// Units of a live reservation go by `ship`, `release` or `expire`. A shipment takes from the warehouses in
    /// the order of their allocation; a release and an expiry take what is backordered first, then from the
    /// last warehouse back.
    ///
    /// - Parameter warehouse: the only one that they leave, where a confirm names one.
    func taking(
        _ quantity: Int64, from reservation: Reservation, in warehouse: ID? = nil, by movement: Movement,
        _ cause: Cause
    ) -> [LedgerEntry] {
        var entries: [LedgerEntry] = []
        var left = quantity
        var remaining = reservation.quantity
        let backordered = movement == .ship ? 0 : min(left, reservation.backordered)
        if backordered > 0 {
            remaining -= backordered
            left -= backordered
            var entry = entry(
                movement, cause, backordered: backordered, by: -backordered, in: reservation.named, after: 0)
            concern(&entry, reservation, remaining: remaining)
            entries.append(entry)
        }
        let order = movement == .ship ? reservation.allocations : reservation.allocations.reversed()
        for allocation in order where left > 0 && (warehouse ?? allocation.warehouse) == allocation.warehouse
        {
            let units = min(left, allocation.quantity)
            remaining -= units
            left -= units
            var entry = entry(
                movement, cause, units, in: allocation.warehouse,
                LedgerEntry.Deltas(onHand: movement == .ship ? -units : 0, reserved: -units),
                after: entries.count)
            concern(&entry, reservation, remaining: remaining)
            entries.append(entry)
        }
        precondition(left == 0, "reservation \(reservation.id) has fewer units than were taken")
        return entries
    }
}
