/// The only place where the state changes. It cannot fail: what it is given was decided on this very state, or
/// stands in the ledger; anything else is corruption, and stops the process before it can spread.
extension Stock {
    /// - Returns: where the entry's SKU stands.
    @discardableResult
    mutating func apply(_ entry: LedgerEntry) -> Int {
        let index = makeItemIndex(of: entry.packed.sku)
        apply(entry, item: index)
        return index
    }

    private mutating func apply(_ entry: LedgerEntry, item index: Int) {
        Self.require(
            entry.sequence == items[index].sequence + 1, entry, "cannot follow \(items[index].sequence)")
        items[index].sequence = entry.sequence
        if entry.generation != items[index].generation { beginAgain(entry, item: index) }
        if entry.movement == .rejection { return }
        if channelClaims != nil, entry.movement != .setPolicy { channelClaims = nil }
        move(entry, item: index)
        switch entry.movement {
        case .reserve, .backorder, .reacquire: withUnsafePointer(to: entry) { claim($0, item: index) }
        case .ship, .release, .expire, .lose: unclaim(entry, item: index)
        case .fill, .reallocate: shift(entry, item: index)
        case .extend: extend(entry, item: index)
        case .transferOut: begin(Transfer(entry, item: index))
        case .transferIn, .transferCancel: shrink(entry, item: index)
        case .transferOverdue: tell(entry, item: index)
        case .setPolicy: setPolicy(entry, item: index)
        case .retire: retire(item: index)
        case .setWarehouse: setWarehouse(entry)
        case .setSettings: setSettings(entry)
        case .receive, .return, .damaged, .adjust, .inTransit, .transferBack, .skip, .rejection: break
        }
    }

    static func require(_ condition: Bool, _ entry: LedgerEntry, _ problem: @autoclosure () -> String) {
        precondition(condition, "ledger of \(entry.sku), \(entry.sequence): \(problem())")
    }

    private mutating func beginAgain(_ entry: LedgerEntry, item index: Int) {
        Self.require(
            items[index].isRetired && entry.generation == items[index].generation + 1, entry,
            "generation \(entry.generation) cannot follow \(items[index].generation)")
        items[index].generation = entry.generation
        items[index].isRetired = false
    }

    // MARK: Levels

    private mutating func move(_ entry: LedgerEntry, item index: Int) {
        let deltas = entry.deltas
        items[index].backordered += deltas.backordered
        Self.require(
            deltas.backordered == 0 || items[index].backordered == entry.balances.backordered, entry,
            "backordered does not follow from the delta")
        // A policy makes its level by itself, and changes what is set apart after this.
        guard entry.hasBalances, entry.movement != .setPolicy, let warehouse = entry.warehouse else { return }
        let place = makeLevel(in: warehouse, item: index)
        items[index].levels[place].onHand += deltas.onHand
        items[index].levels[place].reserved += deltas.reserved
        // They lie apart, and most entries change neither.
        if deltas.inTransit != 0 { items[index].levels[place].inTransit += deltas.inTransit }
        if deltas.damaged != 0 { items[index].levels[place].damaged += deltas.damaged }
        items[index].levels[place].book(entry)
        let (onHand, reserved) = (items[index].levels[place].onHand, items[index].levels[place].reserved)
        let (inTransit, damaged) = (items[index].levels[place].inTransit, items[index].levels[place].damaged)
        Self.require(
            onHand == entry.balances.onHand && reserved == entry.balances.reserved
                && inTransit == entry.balances.inTransit && damaged == entry.balances.damaged,
            entry, "balances do not follow from the deltas")
        // Where damage or a count leaves less on hand than is reserved, further entries put it right.
        Self.require(
            0 <= reserved && 0 <= onHand && 0 <= inTransit && 0 <= damaged && onHand <= Limits.onHand,
            entry, "a balance is out of range")
    }

    /// The place of the warehouse's level, made empty at its place in the order when there is none.
    private mutating func makeLevel(in warehouse: ID, item index: Int) -> Int {
        if let place = items[index].levels.place(of: warehouse) { return place }
        var level = Level(warehouse: warehouse, safetyStock: items[index].policy?.safetyStock ?? 0)
        level.place = makePlace(of: warehouse)
        level.isClosed = !warehouses[level.place].facts.isActive
        let place = items[index].levels.insertionPlace(of: warehouse)
        // One at a time: most SKUs stand in few warehouses, and there are many SKUs.
        items[index].levels.reserveCapacity(items[index].levels.count + 1)
        items[index].levels.insert(level, at: place)
        return place
    }

    /// What an entry leaves of the units that are set apart for channels and not claimed.
    func setApart(after entry: LedgerEntry) -> Int64 {
        guard entry.hasBalances, let warehouse = entry.warehouse else { return 0 }
        if entry.movement != .setPolicy, !hasChannels(entry.packed.sku, warehouse) { return 0 }
        let index = itemIndex(of: entry.packed.sku)
        var level = index.flatMap { items[$0].level(of: warehouse) } ?? Level(warehouse: warehouse)
        if case .policy(let policy) = entry.details {
            level.setApart(
                policy.channels, reserved: index.map { reservedByChannel(item: $0, warehouse, policy) } ?? [:]
            )
        }
        if level.channels.isEmpty { return 0 }
        level.book(entry)
        return level.unusedSetApart
    }

    private func hasChannels(_ sku: PackedID, _ warehouse: ID) -> Bool {
        guard let index = itemIndex(of: sku), let place = items[index].levels.place(of: warehouse) else {
            return false
        }
        return items[index].levels[place].hasChannels
    }

    /// What live reservations of each channel claim of an item in a warehouse.
    private func reservedByChannel(item index: Int, _ warehouse: ID, _ policy: Policy) -> [ID: Int64] {
        policy.channels.isEmpty ? [:] : claimsByChannel(item: index).units[warehouse] ?? [:]
    }

    private func claimsByChannel(item index: Int) -> ChannelClaims {
        if let channelClaims, channelClaims.item == index { return channelClaims }
        var claims = ChannelClaims(item: index)
        for live in liveReservations(item: index) { claims.add(live) }
        return claims
    }

    /// Sums up what a policy with channels will be asked for, before it is looked at and applied: one command may lay one
    /// down in each of hundreds of warehouses, and there may be many reservations.
    mutating func sumChannelClaims(for entry: LedgerEntry) {
        guard case .policy(let policy) = entry.details, !policy.channels.isEmpty,
            let index = itemIndex(of: entry.packed.sku)
        else { return }
        if channelClaims?.item != index { channelClaims = claimsByChannel(item: index) }
    }

    // MARK: Reservations

    /// By the entry's place: a field of a large value is read there at once, and else through a call.
    private mutating func claim(_ entry: UnsafePointer<LedgerEntry>, item index: Int) {
        let ids = entry.pointee.packed
        guard ids.hasReservation, !ids.order.isNone, let expiresAt = entry.pointee.expiresAt
        else {
            preconditionFailure(
                "ledger of \(entry.pointee.sku), \(entry.pointee.sequence): an incomplete \(entry.pointee.movement)"
            )
        }
        // A reservation over several warehouses has an entry for each; the first begins it.
        let found = reservations.look(for: ids.reservation, item: index)
        var reservation =
            reservations[at: found, ids]
            ?? Reservation(
                packed: ReservationIDs(ids), allocations: [], backordered: 0, channel: entry.pointee.channel,
                named: entry.pointee.isNamed ? entry.pointee.warehouse : nil,
                allowSplit: entry.pointee.allowSplit,
                isExtended: false, reservedAt: entry.pointee.at, expiresAt: expiresAt,
                sequence: entry.pointee.sequence,
                changed: entry.pointee.sequence, commandHash: entry.pointee.commandHash, item: index)
        let isFirst = reservation.quantity == 0
        if entry.pointee.deltas.backordered > 0 {
            reservation.backordered += entry.pointee.quantity
        } else if let warehouse = entry.pointee.warehouse {
            reservation.add(entry.pointee.quantity, in: warehouse)
        }
        reservation.changed = entry.pointee.sequence
        if reservation.quantity != entry.pointee.remaining {
            Self.require(false, entry.pointee, "it claims other units than it says")
        }
        let place = reservations.set(reservation, found)
        if isFirst {
            items[index].dueTimes.insert(due(at: place))
            items[index].liveReservations += 1
        }
        if entry.pointee.deltas.backordered > 0 { items[index].backorders.append(due(at: place)) }
        if items[index].unitsByOrder != nil {
            items[index].unitsByOrder![ids.order.id, default: 0] += entry.pointee.quantity
        }
    }

    /// When the live reservation at a place comes due.
    func due(at place: Int) -> Due {
        guard let due = reservations.due(at: place) else { preconditionFailure("no reservation lives there") }
        return due
    }

    private mutating func unclaim(_ entry: LedgerEntry, item index: Int) {
        let id = entry.packed.reservation
        guard var reservation = reservations.reservation(id, item: index, known: entry.packed) else {
            preconditionFailure("ledger of \(entry.sku), \(entry.sequence): it takes from what does not live")
        }
        if entry.deltas.backordered < 0 {
            reservation.backordered -= entry.quantity
            Self.require(reservation.backordered >= 0, entry, "it takes more than is backordered")
        } else {
            let taken: Void? = entry.warehouse.flatMap { reservation.take(entry.quantity, from: $0) }
            Self.require(taken != nil, entry, "it takes more than was allocated")
        }
        Self.require(reservation.quantity == entry.remaining, entry, "it leaves other units than it says")
        if items[index].unitsByOrder != nil, let had = items[index].unitsByOrder![reservation.orderID] {
            let left = had - entry.quantity
            items[index].unitsByOrder![reservation.orderID] = left > 0 ? left : nil
        }
        if reservation.quantity > 0 {
            reservation.changed = entry.sequence
            reservations.set(reservation)
        } else {
            reservations.remove(id, item: index)
            items[index].liveReservations -= 1
            clearStaleDueTimes(item: index)
        }
        clearStaleBackorders(item: index)
    }

    /// Units of a reservation go from backordered to a warehouse, or from one warehouse to another.
    private mutating func shift(_ entry: LedgerEntry, item index: Int) {
        let id = entry.packed.reservation
        guard var reservation = reservations.reservation(id, item: index, known: entry.packed) else {
            preconditionFailure("ledger of \(entry.sku), \(entry.sequence): it moves what does not live")
        }
        reservation.backordered += entry.deltas.backordered
        if let warehouse = entry.warehouse {
            if entry.deltas.reserved > 0 {
                reservation.add(entry.quantity, in: warehouse)
            } else if entry.deltas.reserved < 0 {
                let taken: Void? = reservation.take(entry.quantity, from: warehouse)
                Self.require(taken != nil, entry, "it moves more than was allocated")
            }
        }
        reservation.changed = entry.sequence
        reservations.set(reservation)
        if entry.movement == .fill { clearStaleBackorders(item: reservation.item) }
    }

    private mutating func extend(_ entry: LedgerEntry, item index: Int) {
        guard let expiresAt = entry.expiresAt, entry.packed.hasReservation,
            var reservation = reservations.reservation(
                entry.packed.reservation, item: index, known: entry.packed)
        else {
            preconditionFailure("ledger of \(entry.sku), \(entry.sequence): it extends what does not live")
        }
        reservation.expiresAt = expiresAt
        reservation.isExtended = true
        reservation.changed = entry.sequence
        let place = reservations.set(reservation)
        items[index].dueTimes.insert(due(at: place))
        clearStaleDueTimes(item: index)
    }

    /// Keeps the top of the heap live, and the heap at most twice as long as what lives.
    private mutating func clearStaleDueTimes(item index: Int) {
        while let due = items[index].dueTimes.first, !isLive(due, item: index) {
            items[index].dueTimes.removeFirst()
        }
        if items[index].dueTimes.count > 2 * items[index].liveReservations + 16 {
            let reservations = reservations
            // An extension to the same moment leaves the same due time twice, which is harmless.
            items[index].dueTimes.removeAll {
                reservations.due(at: $0.place) != $0 || reservations.item(at: $0.place) != index
            }
        }
    }

    func isLive(_ due: Due, item index: Int) -> Bool {
        reservations.due(at: due.place) == due && reservations.item(at: due.place) == index
    }

    /// The live reservations of an item, in no order that means anything.
    func liveReservations(item index: Int) -> [Reservation] {
        items[index].reservationPlaces.compactMap { place in
            reservations.item(at: place) == index ? reservations[at: place] : nil
        }
    }

    /// The reservation of a due time, if it still waits for backordered units.
    func waiting(_ due: Due, item index: Int) -> Reservation? {
        guard let found = reservations[at: due.place], found.item == index,
            found.sequence == due.sequence, found.backordered > 0
        else { return nil }
        return found
    }

    private mutating func clearStaleBackorders(item index: Int) {
        if items[index].backordered == 0 {
            items[index].backorders.removeAll()
            items[index].firstBackorder = 0
            return
        }
        while items[index].firstBackorder < items[index].backorders.count,
            waiting(items[index].backorders[items[index].firstBackorder], item: index) == nil
        {
            items[index].firstBackorder += 1
        }
        // By halves, so that each stale one costs a constant.
        if 2 * items[index].firstBackorder > items[index].backorders.count + 16 {
            items[index].backorders.removeFirst(items[index].firstBackorder)
            items[index].firstBackorder = 0
        }
    }

    // MARK: Transfers

    mutating func begin(_ transfer: Transfer) {
        let replaced = transfers.updateValue(transfer, forKey: TransferKey(transfer))
        precondition(replaced == nil, "transfer \(transfer.id) was made twice")
        items[transfer.item].liveTransfers += 1
    }

    private mutating func shrink(_ entry: LedgerEntry, item index: Int) {
        guard let key = entry.transferID.map({ TransferKey($0, item: index) }), transfers[key] != nil else {
            preconditionFailure("ledger of \(entry.sku), \(entry.sequence): it ends what is not under way")
        }
        transfers[key]!.remaining -= entry.quantity
        transfers[key]!.changed = entry.sequence
        Self.require(
            transfers[key]!.remaining == entry.remaining, entry,
            "it leaves other units in transit than it says")
        if entry.remaining == 0 {
            transfers[key] = nil
            items[index].liveTransfers -= 1
        }
    }

    private mutating func tell(_ entry: LedgerEntry, item index: Int) {
        guard let key = entry.transferID.map({ TransferKey($0, item: index) }), transfers[key] != nil else {
            preconditionFailure("ledger of \(entry.sku), \(entry.sequence): it tells of no transfer")
        }
        transfers[key]!.isOverdue = true
        transfers[key]!.changed = entry.sequence
    }

    // MARK: What is laid down

    private mutating func setPolicy(_ entry: LedgerEntry, item index: Int) {
        guard case .policy(var policy) = entry.details else {
            preconditionFailure("ledger of \(entry.sku), \(entry.sequence): a policy without one")
        }
        policy.isPublished = entry.command == .setPolicies && policy != Policy()
        layDown(policy, in: entry.warehouse, item: index)
    }

    mutating func layDown(_ policy: Policy, in warehouse: ID?, item index: Int) {
        guard let warehouse else {
            items[index].policy = policy == Policy() ? nil : policy
            items[index].refreshSafetyStock()
            countUnitsByOrder(item: index)
            return
        }
        let place = makeLevel(in: warehouse, item: index)
        items[index].levels[place].policy = policy == Policy() ? nil : policy
        items[index].refreshSafetyStock()
        let reserved = reservedByChannel(item: index, warehouse, policy)
        items[index].levels[place].setApart(policy.channels, reserved: reserved)
    }

    /// The units of each order are kept only while the policy limits them.
    mutating func countUnitsByOrder(item index: Int) {
        guard items[index].policy?.unitsPerOrder != nil else {
            items[index].unitsByOrder = nil
            return
        }
        var units: [ID: Int64] = [:]
        for live in liveReservations(item: index) {
            units[live.orderID, default: 0] += live.quantity
        }
        items[index].unitsByOrder = units
    }

    private mutating func retire(item index: Int) {
        items[index].isRetired = true
        items[index].policy = nil
        items[index].alert = .calm
        items[index].levels = []
        items[index].unitsByOrder = nil
    }

    private mutating func setWarehouse(_ entry: LedgerEntry) {
        guard case .warehouse(let facts, _) = entry.details else {
            preconditionFailure("ledger of \(entry.sku), \(entry.sequence): a warehouse without facts")
        }
        publish(facts)
    }

    mutating func publish(_ facts: Warehouse) {
        let place = makePlace(of: facts.id)
        let isSwitch = warehouses[place].facts.isActive != facts.isActive
        warehouses[place] = KnownWarehouse(facts, isPublished: true)
        guard isSwitch else { return }
        for index in items.indices {
            guard let level = items[index].levels.place(of: facts.id) else { continue }
            items[index].levels[level].isClosed = !facts.isActive
        }
    }

    private mutating func setSettings(_ entry: LedgerEntry) {
        guard case .settings(let settings) = entry.details else {
            preconditionFailure("ledger of \(entry.sku), \(entry.sequence): settings without any")
        }
        layDown(settings, from: entry.source.offset, at: entry.at)
    }

    /// - Parameters:
    ///   - offset: of the command that laid them down.
    ///   - at: its time.
    mutating func layDown(_ settings: Settings, from offset: Int64, at: Timestamp) {
        self.settings = settings
        if settings.dedupeCount != window.capacity {
            window.limit(count: settings.dedupeCount, age: settings.dedupeAge)
            rememberedFrom = window.oldestPlace ?? offset
        } else {
            window.age = settings.dedupeAge
        }
        if settings.earlierLog == .ended {
            window.endEarlierLog(at: at)
            rememberedFrom = window.oldestPlace ?? offset
        }
    }
}

/// The units that live reservations of an item claim through channels, by warehouse and channel.
struct ChannelClaims: Sendable {
    let item: Int
    private(set) var units: [ID: [ID: Int64]] = [:]

    init(item: Int) { self.item = item }

    mutating func add(_ live: Reservation) {
        guard let channel = live.channel else { return }
        for allocation in live.allocations {
            units[allocation.warehouse, default: [:]][channel, default: 0] += allocation.quantity
        }
    }
}

extension Transfer {
    fileprivate init(_ entry: LedgerEntry, item: Int) {
        guard let id = entry.transferID, let from = entry.warehouse, let to = entry.counterpart else {
            preconditionFailure("ledger of \(entry.sku), \(entry.sequence): an incomplete transfer")
        }
        self.init(
            id: id, from: from, to: to, quantity: entry.quantity, remaining: entry.quantity,
            dispatchedAt: entry.at, expectedAt: entry.expectedAt, isOverdue: false,
            sequence: entry.sequence, changed: entry.sequence, commandHash: entry.commandHash, item: item)
    }
}
