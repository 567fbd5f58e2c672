/// What is wrong with a ledger entry on the state before it. Whoever reads a ledger that may be damaged asks for it
/// first: `apply` stops the process.
package struct LedgerFault: Error, Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        /// Entries of the SKU before this one are missing.
        case gap
        /// The sequence stood in the ledger before.
        case repeated
        /// The entries of a command must stand together, and the last of them says so.
        case order
        /// The generation cannot follow, or the SKU is retired.
        case generation
        /// The deltas are not what the movement does with its quantity.
        case deltas
        /// The balances do not follow from the deltas, or are out of range.
        case balances
        /// Not 0 <= reserved <= on hand after the command.
        case oversold
        /// It does not go with the reservation as it stood.
        case reservation
        /// It came before, or after, the reservation's or the transfer's time.
        case time
        /// It does not go with the transfer as it stood.
        case transfer
        /// It lacks what its movement needs.
        case incomplete
    }

    package var kind: Kind
    /// Of another SKU than the entry's where that one's command lacks entries: then the entry itself may be right.
    package var sku: ID = ""
    package var found: String
    package var expected: String

    init(_ kind: Kind, found: String, expected: String) {
        self.kind = kind
        self.found = found
        self.expected = expected
    }
}

extension Stock {
    /// Why the entry cannot be the next one; nil if `fold` may take it.
    package func fault(in entry: LedgerEntry) -> LedgerFault? {
        let waiting = pending.first.flatMap { $0.sku == entry.sku ? nil : orderFault(entry) }
        var fault =
            waiting ?? sequenceFault(entry) ?? orderFault(entry) ?? generationFault(entry)
            ?? deltaFault(entry) ?? balanceFault(entry) ?? subjectFault(entry) ?? oversoldFault(entry)
        fault?.sku = waiting == nil ? entry.sku : pending[0].sku
        return fault
    }

    /// `fold` for a ledger that may be damaged: nothing is changed by an entry that has a fault.
    ///
    /// - Returns: the alerts of the entry's command, if the entry is its last.
    @discardableResult
    package mutating func foldChecked(_ entry: LedgerEntry) throws(LedgerFault) -> [Alert] {
        if entry.movement == .setPolicy { sumChannelClaims(for: entry) }
        if let fault = fault(in: entry) { throw fault }
        return fold(entry)
    }

    /// Forgets that further entries of a command of the SKU are awaited: for a reader that gives the SKU up.
    package mutating func abandonPending(of sku: ID) {
        if pending.first?.sku == sku { pending.removeAll(keepingCapacity: true) }
    }

    /// Whether further entries of a command are awaited.
    package var isWithinCommand: Bool { !pending.isEmpty }

    // MARK: Order

    private func sequenceFault(_ entry: LedgerEntry) -> LedgerFault? {
        let last = item(of: entry.sku)?.sequence ?? 0
        if entry.sequence == last + 1 { return nil }
        return LedgerFault(
            entry.sequence <= last ? .repeated : .gap, found: "sequence \(entry.sequence)",
            expected: "sequence \(last + 1)")
    }

    private func orderFault(_ entry: LedgerEntry) -> LedgerFault? {
        guard let first = pending.first else { return nil }
        if entry.source == first.source, entry.sku == first.sku, entry.commandID == first.commandID {
            return nil
        }
        return LedgerFault(
            .order, found: "an entry of command \(entry.commandID) for \(entry.sku)",
            expected: "a further entry of command \(first.commandID) for \(first.sku)")
    }

    private func generationFault(_ entry: LedgerEntry) -> LedgerFault? {
        let item = item(of: entry.sku)
        let generation = item?.generation ?? 1
        let isRetired = item?.isRetired ?? false
        let isNext = isRetired && entry.movement != .rejection && entry.generation == generation + 1
        let isSame = entry.generation == generation && (!isRetired || entry.movement == .rejection)
        if isNext || isSame { return nil }
        return LedgerFault(
            .generation, found: "\(entry.movement.rawValue) in generation \(entry.generation)",
            expected: isRetired
                ? "a rejection, or a beginning in generation \(generation + 1)" : "generation \(generation)")
    }

    // MARK: Units

    private func deltaFault(_ entry: LedgerEntry) -> LedgerFault? {
        guard (0...Limits.onHand).contains(entry.quantity) else {
            return LedgerFault(
                .deltas, found: "quantity \(entry.quantity)", expected: "0 to \(Limits.onHand)")
        }
        let allowed = Self.allowedDeltas(entry)
        if allowed.contains(entry.deltas) || Self.isArrival(entry) { return nil }
        return LedgerFault(
            .deltas, found: "\(entry.movement.rawValue) of \(entry.quantity) with \(entry.deltas.text)",
            expected: allowed.map(\.text).joined(separator: ", or "))
    }

    /// Units of a transfer arrive whole, or some of them damaged.
    private static func isArrival(_ entry: LedgerEntry) -> Bool {
        let deltas = entry.deltas
        let whole = 0...entry.quantity
        return entry.movement == .transferIn && deltas.inTransit == -entry.quantity
            && whole.contains(deltas.onHand) && whole.contains(deltas.damaged)
            && deltas.onHand + deltas.damaged == entry.quantity && deltas.reserved == 0
            && deltas.backordered == 0
    }

    /// What the movement may do with its quantity (DESIGN.md, section 4).
    private static func allowedDeltas(_ entry: LedgerEntry) -> [LedgerEntry.Deltas] {
        let units = entry.quantity
        switch entry.movement {
        case .receive, .return:
            return [entry.condition == .damaged ? .init(damaged: units) : .init(onHand: units)]
        case .damaged: return [.init(onHand: -units, damaged: units)]
        case .adjust:
            return entry.condition == .damaged
                ? [.init(damaged: units), .init(damaged: -units)]
                : [.init(onHand: units), .init(onHand: -units)]
        case .transferOut: return [.init(onHand: -units)]
        case .inTransit: return [.init(inTransit: units)]
        case .transferIn: return [.init(onHand: units, inTransit: -units)]
        case .transferCancel: return [.init(inTransit: -units)]
        case .transferBack: return [.init(onHand: units)]
        case .reserve, .reacquire: return [.init(reserved: units)]
        case .backorder: return [.init(backordered: units)]
        case .fill: return [.init(reserved: units, backordered: -units)]
        case .ship: return [.init(onHand: -units, reserved: -units)]
        case .release, .expire: return [.init(reserved: -units), .init(backordered: -units)]
        case .lose: return [.init(reserved: -units)]
        case .reallocate:
            return entry.warehouse == nil ? [.init()] : [.init(reserved: units), .init(reserved: -units)]
        case .transferOverdue, .extend, .setPolicy, .retire, .setWarehouse, .setSettings, .skip,
            .rejection:
            return [.init()]
        }
    }

    private func balanceFault(_ entry: LedgerEntry) -> LedgerFault? {
        if let fault = backorderFault(entry) { return fault }
        var wanted = LedgerEntry.Deltas()
        guard entry.hasBalances, let warehouse = entry.warehouse else {
            let moved = entry.deltas
            let moves =
                moved.onHand != 0 || moved.reserved != 0 || moved.inTransit != 0 || moved.damaged != 0
            return moves
                ? LedgerFault(.incomplete, found: "no warehouse", expected: "the warehouse of the units")
                : nil
        }
        let level = item(of: entry.sku)?.level(of: warehouse)
        wanted.onHand = (level?.onHand ?? 0) + entry.deltas.onHand
        wanted.reserved = (level?.reserved ?? 0) + entry.deltas.reserved
        wanted.inTransit = (level?.inTransit ?? 0) + entry.deltas.inTransit
        wanted.damaged = (level?.damaged ?? 0) + entry.deltas.damaged
        wanted.backordered = entry.balances.backordered
        guard wanted == entry.balances else {
            return LedgerFault(
                .balances, found: "in \(warehouse) " + entry.balances.text, expected: wanted.text)
        }
        let units = 0...Limits.onHand
        guard
            [wanted.onHand, wanted.reserved, wanted.inTransit, wanted.damaged].allSatisfy(units.contains)
        else {
            return LedgerFault(
                .balances, found: "in \(warehouse) " + wanted.text, expected: "0 to \(Limits.onHand)")
        }
        let setApart = setApart(after: entry)
        return entry.setApart == setApart
            ? nil
            : LedgerFault(
                .balances, found: "in \(warehouse) set apart \(entry.setApart)",
                expected: "set apart \(setApart)")
    }

    private func backorderFault(_ entry: LedgerEntry) -> LedgerFault? {
        let delta = entry.deltas.backordered
        let wanted = delta == 0 ? 0 : (item(of: entry.sku)?.backordered ?? 0) + delta
        guard entry.balances.backordered != wanted || !(0...Limits.onHand).contains(wanted) else {
            return nil
        }
        return LedgerFault(
            .balances, found: "backordered \(entry.balances.backordered)", expected: "backordered \(wanted)")
    }

    /// Looked for after a command's last entry: before it, damage or a count may leave too few on hand.
    private func oversoldFault(_ entry: LedgerEntry) -> LedgerFault? {
        guard !entry.more else { return nil }
        if entry.hasBalances, entry.balances.reserved > entry.balances.onHand {
            return Self.oversold(entry.warehouse ?? "", entry.balances.onHand, entry.balances.reserved)
        }
        for earlier in pending where earlier.hasBalances && earlier.warehouse != entry.warehouse {
            guard let level = earlier.warehouse.flatMap({ item(of: entry.sku)?.level(of: $0) }),
                level.reserved > level.onHand
            else { continue }
            return Self.oversold(level.warehouse, level.onHand, level.reserved)
        }
        return nil
    }

    private static func oversold(_ warehouse: ID, _ onHand: Int64, _ reserved: Int64) -> LedgerFault {
        LedgerFault(
            .oversold, found: "in \(warehouse) \(reserved) reserved of \(onHand) on hand",
            expected: "at most \(onHand) reserved")
    }

    // MARK: What it is about

    private func subjectFault(_ entry: LedgerEntry) -> LedgerFault? {
        switch entry.movement {
        case .reserve, .backorder, .reacquire: return claimFault(entry)
        case .ship, .release, .expire, .lose, .fill, .reallocate, .extend: return changeFault(entry)
        case .transferOut, .inTransit, .transferIn, .transferCancel, .transferBack, .transferOverdue:
            return transferFault(entry)
        case .setPolicy:
            if case .policy = entry.details { return nil }
            return LedgerFault(.incomplete, found: "no policy", expected: "the policy that was set")
        case .setWarehouse:
            guard case .warehouse(let facts, let isSwitch) = entry.details else {
                return LedgerFault(.incomplete, found: "no facts", expected: "the facts of the warehouse")
            }
            guard isSwitch, facts.isActive == isActive(facts.id) else { return nil }
            let state = facts.isActive ? "open" : "closed"
            return LedgerFault(
                .incomplete, found: "\(facts.id) is switched to \(state)",
                expected: "no switch: it was \(state) before")
        case .setSettings:
            if case .settings(let settings) = entry.details, settings.dedupeCount > 0 { return nil }
            return LedgerFault(.incomplete, found: "no settings", expected: "the settings that were set")
        case .skip:
            if entry.isNote, entry.quantity > 0, entry.note.flatMap(SkipReason.init) != nil { return nil }
            return LedgerFault(
                .incomplete,
                found: "\(entry.quantity) offsets of \(entry.sku), because of \(entry.note ?? "nothing")",
                expected: "a note of the partition: how many offsets, and why they cannot be read")
        case .retire: return retireFault(entry)
        case .receive, .return, .damaged, .adjust, .rejection: return nil
        }
    }

    private func retireFault(_ entry: LedgerEntry) -> LedgerFault? {
        guard let item = item(of: entry.sku) else { return nil }
        let units = item.levels.contains {
            $0.onHand != 0 || $0.reserved != 0 || $0.inTransit != 0 || $0.damaged != 0
        }
        guard units || item.backordered != 0 || item.liveReservations != 0 || item.liveTransfers != 0 else {
            return nil
        }
        return LedgerFault(
            .balances, found: "retired with units, reservations or transfers", expected: "none of them")
    }

    private func claimFault(_ entry: LedgerEntry) -> LedgerFault? {
        guard let id = entry.reservationID, let orderID = entry.orderID, entry.expiresAt != nil,
            let remaining = entry.remaining
        else {
            return LedgerFault(
                .incomplete, found: "a \(entry.movement.rawValue) without its reservation",
                expected: "reservation, order, expiry and remaining units")
        }
        let live = itemIndex(of: entry.packed.sku).flatMap { reservations[id, $0] }
        if let live {
            let begun = pending.first.map { live.sequence >= $0.sequence } ?? false
            guard live.orderID == orderID, begun else {
                return LedgerFault(
                    .reservation, found: "\(id) of order \(orderID) is made",
                    expected: "no such reservation: \(id) of order \(live.orderID) lives")
            }
        }
        return Self.fault(id, "origin", entry.origin ?? 0, live?.sequence ?? entry.sequence)
            ?? Self.fault(id, "remaining", remaining, (live?.quantity ?? 0) + entry.quantity)
    }

    private static func fault(
        _ id: ID, _ what: String, _ found: Int64, _ expected: Int64
    ) -> LedgerFault? {
        guard found != expected else { return nil }
        return LedgerFault(
            .reservation, found: "\(id) with \(what) \(found)", expected: "\(what) \(expected)")
    }

    private func changeFault(_ entry: LedgerEntry) -> LedgerFault? {
        guard let id = entry.reservationID,
            let live = itemIndex(of: entry.packed.sku).flatMap({ reservations[id, $0] })
        else {
            return LedgerFault(
                .reservation,
                found: "\(entry.movement.rawValue) of \(entry.reservationID ?? "no reservation")",
                expected: "a reservation that lives")
        }
        guard let remaining = entry.remaining, entry.orderID == live.orderID else {
            return LedgerFault(
                .reservation,
                found: "\(id) of order \(entry.orderID ?? "none") with remaining \(entry.remaining ?? -1)",
                expected: "order \(live.orderID) and the remaining units")
        }
        if let fault = Self.fault(id, "origin", entry.origin ?? 0, live.sequence) { return fault }
        if let fault = expiryFault(entry, live) { return fault }
        let takesHere = entry.deltas.reserved < 0
        let here = live.allocations.first { $0.warehouse == entry.warehouse }?.quantity ?? 0
        let has = takesHere ? here : live.backordered
        if takesHere || entry.deltas.backordered < 0, has < entry.quantity {
            return LedgerFault(
                .reservation, found: "\(id) loses \(entry.quantity) units", expected: "at most \(has)")
        }
        switch entry.movement {
        case .ship, .release, .expire, .lose:
            return Self.fault(id, "remaining", remaining, live.quantity - entry.quantity)
        case .extend, .fill: return Self.fault(id, "remaining", remaining, live.quantity)
        // Its halves are entries of their own, and between them it has fewer units.
        default: return nil
        }
    }

    /// Nothing expires early, and what is due has expired before anything else happens to it (rule 3).
    private func expiryFault(_ entry: LedgerEntry, _ live: Reservation) -> LedgerFault? {
        let isDue = live.expiresAt <= entry.at
        if (entry.movement == .expire) != isDue {
            return LedgerFault(
                .time, found: "\(entry.movement.rawValue) of \(live.id) at \(entry.at.milliseconds) ms",
                expected: "\(isDue ? "an expiry: it was" : "no expiry: it is") due at "
                    + "\(live.expiresAt.milliseconds) ms")
        }
        if entry.movement == .extend, entry.expiresAt.map({ $0 <= entry.at }) ?? true {
            return LedgerFault(.incomplete, found: "no later expiry", expected: "an expiry after the command")
        }
        return nil
    }

    private func transferFault(_ entry: LedgerEntry) -> LedgerFault? {
        guard let id = entry.transferID, let warehouse = entry.warehouse,
            let counterpart = entry.counterpart, let remaining = entry.remaining
        else {
            return LedgerFault(
                .incomplete, found: "a \(entry.movement.rawValue) without its transfer",
                expected: "transfer, both warehouses and remaining units")
        }
        let live = itemIndex(of: entry.packed.sku).flatMap { transfers[TransferKey(id, item: $0)] }
        func fault(_ found: String, _ expected: String) -> LedgerFault {
            LedgerFault(.transfer, found: "\(entry.movement.rawValue) of \(id) \(found)", expected: expected)
        }
        switch entry.movement {
        case .transferOut:
            guard live == nil else { return fault("begins", "no such transfer: it is under way") }
            guard remaining == entry.quantity, entry.origin == entry.sequence else {
                return fault("with remaining \(remaining)", "remaining \(entry.quantity)")
            }
            return nil
        case .transferBack:
            let before = pending.last
            guard before?.movement == .transferCancel, before?.transferID == id,
                before?.quantity == entry.quantity
            else { return fault("by itself", "its transfer_cancel before it") }
            return nil
        default: break
        }
        guard let live else { return fault("", "a transfer under way") }
        let (from, to) = (counterpart, warehouse)
        guard live.from == from, live.to == to, entry.origin == live.sequence else {
            return fault("from \(from) to \(to)", "from \(live.from) to \(live.to)")
        }
        switch entry.movement {
        case .transferIn, .transferCancel:
            guard remaining == live.remaining - entry.quantity else {
                return fault("with remaining \(remaining)", "remaining \(live.remaining - entry.quantity)")
            }
            guard entry.movement == .transferIn || remaining == 0 else {
                return fault("with remaining \(remaining)", "nothing remaining")
            }
        case .transferOverdue:
            guard let expectedAt = live.expectedAt, expectedAt <= entry.at else {
                return LedgerFault(
                    .time, found: "transfer_overdue of \(id) at \(entry.at.milliseconds) ms",
                    expected: "none before \(live.expectedAt.map { "\($0.milliseconds) ms" } ?? "ever")")
            }
        default:
            guard live.quantity == entry.quantity else {
                return fault("of \(entry.quantity)", "of \(live.quantity)")
            }
        }
        return nil
    }
}

extension LedgerEntry.Deltas {
    /// For a person: what is not 0.
    fileprivate var text: String {
        let parts = [
            ("on hand", onHand), ("reserved", reserved), ("in transit", inTransit), ("damaged", damaged),
            ("backordered", backordered),
        ].filter { $0.1 != 0 }.map { "\($0.0) \($0.1)" }
        return parts.isEmpty ? "no units" : parts.joined(separator: ", ")
    }
}
