/// The rules. Pure: each function reads the state and returns what follows.
extension Stock {
    /// The next reservation of the command's SKU that is due at the record's time, as its expiry.
    ///
    /// Apart from its caller, which would count all references of the state for it.
    @inline(never)
    func decideExpiry(_ cause: Cause) -> [LedgerEntry]? {
        guard let index = itemIndex(cause),
            let due = items[index].dueTimes.first, due.expiresAt <= cause.at
        else { return nil }
        guard isLive(due, item: index), let reservation = reservations[at: due.place] else {
            preconditionFailure("the soonest due time of \(cause.command.sku) is stale")
        }
        return taking(reservation.quantity, from: reservation, by: .expire, cause)
    }

    /// Decides the command on a state in which nothing of its SKU is due.
    func decide(_ cause: Cause) -> Decision {
        var known: Int64?
        if let item = itemIndex(cause) { known = window.place(of: cause.command.packedID, item: item) }
        if known != nil || isTooOld(cause), let answer = decideRepeat(cause, known) { return answer }
        if let refusal = refusalByGeneration(cause) { return reject(refusal, cause) }
        switch cause.command.body {
        case .reserve(let reserve): return decideReserve(reserve, cause)
        case .confirm: return decideConfirm(cause)
        case .release(let id, let quantity): return decideRelease(of: id, quantity, cause)
        case .extend(let id, let expiry): return decideExtend(of: id, expiry, cause)
        case .expire(let id): return .answer(answerExpire(of: id, cause))
        case .reallocate(let id, let allocations): return decideReallocate(of: id, to: allocations, cause)
        case .receive(let warehouse, let quantity, let reference):
            return decideInbound(.receive, quantity, in: warehouse, .sellable, nil, reference, cause)
        case .return(let back):
            return decideInbound(
                .return, back.quantity, in: back.warehouse, back.condition, back.orderID, back.reference,
                cause)
        case .damage(let warehouse, let quantity, let reference):
            return decideDamage(quantity, in: warehouse, reference, cause)
        case .adjust(let adjust): return decideAdjust(adjust, cause)
        case .transferDispatch(let dispatch): return decideDispatch(dispatch, cause)
        case .transferReceive(let id, let quantity, let damaged):
            return decideTransferReceive(of: id, quantity, damaged, cause)
        case .transferCancel(let id): return decideTransferCancel(of: id, cause)
        case .transferDue(let id): return decideTransferDue(of: id, cause)
        case .setPolicy(let warehouse, let policy): return decidePolicy(policy, in: warehouse, cause)
        case .setPolicies(let published): return decidePolicies(published, cause)
        case .retire: return decideRetire(cause)
        case .setWarehouse(let warehouse, let isWithdrawn):
            return decideWarehouse(warehouse, isWithdrawn: isWithdrawn, cause)
        case .setSettings(var settings):
            var entry = entry(.setSettings, cause)
            settings.partitions = settings.partitions ?? self.settings.partitions
            entry.details = .settings(settings)
            return .entries([entry])
        case .skip(let offsets, let reason):
            var entry = entry(.skip, cause, offsets)
            entry.note = reason.rawValue
            return .entries([entry])
        }
    }

    /// What becomes of a command that was decided before, or may have been; nil for a new one.
    ///
    /// A command that says when it was issued is never decided twice: where it is not remembered any more, it is told
    /// by that time. What made a reservation or a transfer that lives is known by that one. What may be decided any
    /// number of times is never refused so.
    ///
    /// - Parameter known: where the window has what decided a command of that id.
    @inline(never)
    private func decideRepeat(_ cause: Cause, _ known: Int64?) -> Decision? {
        let isRepeatable = cause.kind.isRepeatable
        if let known {
            let first = window.remembered(known)
            if window.isYoung(first, at: cause.at) {
                return first.commandHash == cause.hash
                    ? .answer(answer(by: first, cause)) : reject(.commandIDConflict, cause)
            }
            // The id may have been used for another content since.
            let same = itemIndex(cause)
                .flatMap { window.place(of: cause.command.packedID, item: $0, content: cause.hash) }
                .map { window.remembered($0) }
            let isRepeat = same.map { !isIssued(cause, after: $0.at) } ?? false
            if isRepeat, !isRepeatable, !isLiving(cause) { return reject(.commandTooOld, cause) }
        }
        guard !isRepeatable, isTooOld(cause), !isLiving(cause) else { return nil }
        return reject(.commandTooOld, cause)
    }

    /// Whether the command was issued before what the window surely covers; one that does not say so is not.
    private func isTooOld(_ cause: Cause) -> Bool {
        guard let issuedAt = cause.command.issuedAt else { return false }
        return !window.covers(issuedAt)
    }

    /// Whether the command was issued for certain after a moment; one that does not say so is taken for new.
    private func isIssued(_ cause: Cause, after moment: Timestamp) -> Bool {
        guard let lead = cause.command.lead(at: moment) else { return true }
        return lead > Limits.clockLead
    }

    /// Whether the command made a reservation or a transfer that still lives.
    private func isLiving(_ cause: Cause) -> Bool {
        guard let item = itemIndex(cause) else { return false }
        switch cause.command.body {
        case .reserve(let reserve):
            return reservations[reserve.packed.reservation, item]?.commandHash == cause.hash
        case .transferDispatch(let dispatch):
            return transfers[TransferKey(dispatch.transferID, item: item)]?.commandHash == cause.hash
        default: return false
        }
    }

    /// The answer that a command got, for it or for another that asks for the same.
    func answer(by first: Remembered, _ cause: Cause) -> Outcome {
        let command = cause.command
        if let reason = first.reason, case .one(var entry) = reject(reason, cause) {
            (entry.generation, entry.sequence) = (first.generation, first.sequence)
            (entry.at, entry.source) = (first.at, first.source)
            return Outcome(of: [entry], to: command, isDuplicate: true)
        }
        return Outcome(of: entries(of: first, cause), to: command, isDuplicate: true)
    }

    /// What is remembered, as entries; the command tells what is not.
    func entries(of first: Remembered, _ cause: Cause) -> [LedgerEntry] {
        var channel: ID?
        if case .reserve(let reserve) = cause.command.body { channel = reserve.channel }
        return first.entries(
            ids(of: first, cause.command), transfer: cause.command.transferID, channel: channel)
    }

    private func ids(of first: Remembered, _ command: Command) -> PackedIDs {
        var (reservation, order) = (first.reservation, first.order)
        switch command.body {
        case .reserve(let reserve):
            // A repeat has them in one piece.
            if reservation.isNone, order.isNone, first.commandID == command.packedID {
                return command.ids(of: reserve)
            }
            if reservation.isNone { reservation = reserve.packed.reservation }
            if order.isNone { order = reserve.packed.order }
        case .return(let back):
            if order.isNone { order = back.orderID.map { PackedID($0) } ?? .none }
        default:
            if reservation.isNone { reservation = command.reservationID.map { PackedID($0) } ?? .none }
        }
        return PackedIDs(
            sku: command.packedSKU, command: first.commandID.isNone ? command.packedID : first.commandID,
            reservation: reservation, order: order)
    }

    /// A retired SKU is begun again by a receipt or by a policy; all else is refused, and so is what names
    /// another generation than the one that lives or would begin.
    private func refusalByGeneration(_ cause: Cause) -> Rejection? {
        let index = itemIndex(cause)
        let isRetired = index == nil ? false : items[index!].isRetired
        if !isRetired, cause.command.generation == nil { return nil }
        let begins = Self.begins(cause.command)
        let current = (index == nil ? 1 : items[index!].generation) + (isRetired && begins ? 1 : 0)
        if let wanted = cause.command.generation, wanted != current { return .generationMismatch }
        // An expire and its like are answered by what is known, which is nothing or an end.
        let asksOnly =
            cause.kind == .expire || cause.kind == .transferDue || cause.kind == .setPolicies
        return isRetired && !begins && !asksOnly ? .skuRetired : nil
    }

    /// Whether the command begins a retired SKU again. A product that lays nothing down does not.
    private static func begins(_ command: Command) -> Bool {
        switch command.body {
        case .receive, .setPolicy: true
        case .setPolicies(let published): !published.isEmpty
        default: false
        }
    }
}

/// The making of entries.
extension Stock {
    /// An entry without deltas, the `offset`th of its decision, for `quantity` units.
    func entry(
        _ movement: Movement, _ cause: Cause, _ quantity: Int64 = 0, after offset: Int = 0
    ) -> LedgerEntry {
        entry(movement, cause, cause.command.plainIDs, quantity, after: offset)
    }

    private func entry(
        _ movement: Movement, _ cause: Cause, _ ids: PackedIDs, _ quantity: Int64, after offset: Int
    ) -> LedgerEntry {
        var generation: Int64 = 1
        var sequence: Int64 = 0
        var isRetired = false
        if let index = itemIndex(cause) {
            (generation, sequence) = (items[index].generation, items[index].sequence)
            isRetired = items[index].isRetired
        }
        // Only what begins a retired SKU again gets so far with another movement.
        if isRetired, movement == .receive || movement == .setPolicy { generation += 1 }
        return LedgerEntry(
            ids, generation: generation,
            sequence: sequence + 1 + Int64(offset), movement: movement, at: cause.at, source: cause.source,
            command: cause.kind, commandHash: cause.hash, quantity: quantity)
    }

    /// An entry that moves units in a warehouse; each level at most once in a decision.
    func entry(
        _ movement: Movement, _ cause: Cause, _ quantity: Int64, in warehouse: ID,
        _ deltas: LedgerEntry.Deltas, after offset: Int = 0
    ) -> LedgerEntry {
        var entry = entry(movement, cause, quantity, after: offset)
        entry.warehouse = warehouse
        entry.deltas = deltas
        entry.balances = deltas
        guard let index = itemIndex(cause) else { return entry }
        entry.balances = balances(in: warehouse, item: index, after: deltas)
        return entry
    }

    /// The balances of an item in a warehouse after an entry.
    func balances(
        in warehouse: ID, item index: Int, after deltas: LedgerEntry.Deltas
    ) -> LedgerEntry.Deltas {
        var balances = deltas
        if let place = items[index].levels.place(of: warehouse) {
            balances.onHand += items[index].levels[place].onHand
            balances.reserved += items[index].levels[place].reserved
            balances.inTransit += items[index].levels[place].inTransit
            balances.damaged += items[index].levels[place].damaged
        }
        if deltas.backordered != 0 { balances.backordered += items[index].backordered }
        return balances
    }

    /// An entry about backordered units that no warehouse has, `warehouse` is to have them if it was named.
    func entry(
        _ movement: Movement, _ cause: Cause, backordered quantity: Int64, by delta: Int64,
        in warehouse: ID?, after offset: Int
    ) -> LedgerEntry {
        var entry = entry(movement, cause, quantity, after: offset)
        entry.warehouse = warehouse
        entry.deltas.backordered = delta
        let before = itemIndex(cause).map { items[$0].backordered } ?? 0
        entry.balances.backordered = before + delta
        return entry
    }

    /// Says whose the units are.
    func concern(_ entry: inout LedgerEntry, _ reservation: Reservation, remaining: Int64) {
        entry.packed.set(reservation: reservation.packed.reservation, order: reservation.packed.order)
        entry.origin = reservation.sequence
        entry.channel = reservation.channel
        entry.isNamed = reservation.named != nil
        entry.allowSplit = reservation.allowSplit
        entry.remaining = remaining
    }

    /// The refusal of most commands in a flash sale.
    private func rejecting(
        _ reserve: Command.Reserve, _ reason: Rejection, _ cause: Cause
    ) -> LedgerEntry {
        var entry = entry(.rejection, cause, cause.command.ids(of: reserve), reserve.quantity, after: 0)
        entry.reason = reason
        if reserve.warehouse != nil { entry.warehouse = reserve.warehouse }
        if reserve.channel != nil { entry.channel = reserve.channel }
        return entry
    }

    func reject(_ reason: Rejection, _ cause: Cause) -> Decision {
        if case .reserve(let reserve) = cause.command.body { return .one(rejecting(reserve, reason, cause)) }
        var entry = entry(.rejection, cause)
        entry.reason = reason
        if let id = cause.command.reservationID {
            entry.packed.set(reservation: PackedID(id), order: .none)
        }
        if let id = cause.command.transferID { entry.transferID = id }
        switch cause.command.body {
        case .reserve: break
        case .confirm(_, let quantity, let warehouse):
            (entry.warehouse, entry.quantity) = (warehouse, quantity ?? 0)
        case .release(_, let quantity):
            entry.quantity = quantity ?? 0
        case .receive(let warehouse, let quantity, let reference),
            .damage(let warehouse, let quantity, let reference):
            (entry.warehouse, entry.quantity, entry.reference) = (warehouse, quantity, reference)
        case .return(let back):
            (entry.warehouse, entry.quantity, entry.reference) = (
                back.warehouse, back.quantity, back.reference
            )
            entry.orderID = back.orderID
        case .adjust(let adjust):
            entry.warehouse = adjust.warehouse
            entry.reference = adjust.reference
            entry.reasonCode = adjust.reasonCode
            entry.note = adjust.note
            switch adjust.change {
            case .delta(let delta): entry.quantity = abs(delta)
            case .count(let counted, _): entry.quantity = counted
            }
        case .transferDispatch(let dispatch):
            (entry.warehouse, entry.quantity, entry.reference) = (
                dispatch.from, dispatch.quantity, dispatch.reference
            )
            entry.counterpart = dispatch.to
        case .transferReceive(_, let quantity, let damaged): entry.quantity = quantity + damaged
        case .setPolicy(let warehouse, _): entry.warehouse = warehouse
        case .setWarehouse(let warehouse, _): entry.warehouse = warehouse.id
        case .extend, .expire, .reallocate, .transferCancel, .transferDue, .setPolicies, .retire,
            .setSettings, .skip:
            break
        }
        return .one(entry)
    }
}
