import Foundation
import InventoryCore

/// The rules once more, as simply as they can be said: no index, no heap, no running balance. A level is the sum of all
/// that ever happened, an allocation is looked for among all sets of warehouses, and what was answered is kept for ever,
/// with the number of its command, so that what the window has forgotten is passed over.
package struct NaiveStock {
    /// One thing that happened, as a ledger entry tells it.
    package struct Fact: Equatable {
        var movement: Movement
        var id: ID?
        var warehouse: ID?
        var quantity: Int64 = 0
        var remaining: Int64?
        var deltas = LedgerEntry.Deltas()
        var reason: Rejection?
    }

    package struct Answer: Equatable {
        var kind: Outcome.Kind
        var reason: String?
        var quantity: Int64 = 0
        var allocations: [Allocation] = []
        var backordered: Int64 = 0
        var remaining: Int64?
        var requested: Int64?
        var delta: Int64?
        var isReacquired = false
        var isRefundRequired = false
        var expiresAt: Int64?
    }

    struct Claim {
        let command: Command
        let order: ID
        let made: Int
        var parts: [Allocation]
        var backordered: Int64
        var expiresAt: Int64
        var isExtended = false
        var generation: Int64
        /// What took the last units, with the answer that its command got, and the units that went with it.
        var end: (movement: Movement, answer: Answer?, lost: [Allocation], lostBackordered: Int64)?
        var ended = Moment()

        var reserve: Command.Reserve {
            guard case .reserve(let reserve) = command.body else { preconditionFailure() }
            return reserve
        }
        var sku: ID { command.sku }
        var allocated: Int64 { parts.reduce(0) { $0 + $1.quantity } }
        var quantity: Int64 { allocated + backordered }
    }

    struct Parcel {
        let command: Command
        let dispatch: Command.TransferDispatch
        var left: Int64
        var isTold = false
        var end: Answer?
        var ended = Moment()
        var isCancelled = false
    }

    /// Which command of the ledger it was, and when.
    struct Moment {
        var number = 0
        var at: Int64 = 0
    }

    private struct Name: Hashable {
        let sku: ID
        let id: ID
    }

    package private(set) var facts: [ID: [Fact]] = [:]
    /// Facts before the newest beginning of a SKU do not count for what there is.
    var claims: [Claim] = []
    var parcels: [Parcel] = []
    var policies: [ID: Policy] = [:]
    var localPolicies: [ID: [ID: Policy]] = [:]
    /// Which policies a `set_policies` laid down: the empty warehouse stands for the SKU.
    var published: [ID: Set<ID>] = [:]
    var setApart: [ID: [ID: [ID: Int64]]] = [:]
    var houses: [ID: Warehouse] = [:]
    var settings = Settings()
    package private(set) var generations: [ID: Int64] = [:]
    package private(set) var retired: Set<ID> = []
    private var answers: [Name: (command: Command, answer: Answer, moment: Moment)] = [:]
    /// All that were decided under an id, the newest too.
    private var decided: [Name: [(command: Command, moment: Moment)]] = [:]
    private var shipped: [Name: [(number: Int, units: Int64)]] = [:]
    /// The times of all commands that left anything in the ledger.
    private var history: [Int64] = []
    /// Those before it are forgotten.
    private var oldest = 0
    private var now: Int64 = 0

    package init(settings: Settings = Settings()) { self.settings = settings }

    // MARK: What is remembered

    private var present: Moment { Moment(number: history.count - 1, at: now) }

    private func isRemembered(_ moment: Moment) -> Bool {
        moment.number >= oldest && now - moment.at <= settings.dedupeAge
    }

    /// Whether a command may be one that was forgotten.
    private func isTooOld(_ command: Command) -> Bool {
        guard let issued = command.issuedAt?.milliseconds, !isLiving(command) else { return false }
        let isRepeatable = [.expire, .transferDue, .setPolicies, .setWarehouse, .setSettings]
            .contains(command.kind)
        if isRepeatable { return false }
        let isRepeat = decided[Name(sku: command.sku, id: command.id), default: []].contains {
            $0.moment.number >= oldest && same($0.command, command)
                && issued <= $0.moment.at + Limits.clockLead
        }
        if isRepeat { return true }
        return oldest > 0 && issued <= history[oldest] + Limits.clockLead
    }

    private func same(_ one: Command, _ other: Command) -> Bool {
        one.body == other.body && one.generation == other.generation && one.sku == other.sku
    }

    private func isLiving(_ command: Command) -> Bool {
        switch command.body {
        case .reserve(let reserve):
            claims.contains {
                $0.end == nil && $0.reserve.reservationID == reserve.reservationID
                    && same($0.command, command)
            }
        case .transferDispatch(let dispatch):
            parcels.contains {
                $0.end == nil && $0.dispatch.transferID == dispatch.transferID && same($0.command, command)
            }
        default: false
        }
    }

    // MARK: What there is

    package func sum(_ sku: ID, _ warehouse: ID, _ part: KeyPath<LedgerEntry.Deltas, Int64>) -> Int64 {
        (facts[sku] ?? []).reduce(0) { $0 + ($1.warehouse == warehouse ? $1.deltas[keyPath: part] : 0) }
    }

    package func backordered(_ sku: ID) -> Int64 {
        claims.filter { $0.sku == sku && $0.end == nil }.reduce(0) { $0 + $1.backordered }
    }

    func warehouses(_ sku: ID) -> [ID] {
        Set((facts[sku] ?? []).compactMap(\.warehouse)).sorted()
    }

    private func reserved(_ sku: ID, _ warehouse: ID, _ channel: ID) -> Int64 {
        claims.filter { $0.sku == sku && $0.end == nil && $0.reserve.channel == channel }
            .flatMap(\.parts).reduce(0) { $0 + ($1.warehouse == warehouse ? $1.quantity : 0) }
    }

    func unclaimed(_ sku: ID, _ warehouse: ID, _ channel: ID?) -> Int64 {
        share(sum(sku, warehouse, \.onHand) - sum(sku, warehouse, \.reserved), sku, warehouse, channel)
    }

    /// Hands out units one by one: first to the channel itself, as far as it has unused ones, then to the others, and
    /// what is left is the channel's as well. A deficit stays one.
    private func share(_ units: Int64, _ sku: ID, _ warehouse: ID, _ channel: ID?) -> Int64 {
        guard units > 0, let given = setApart[sku]?[warehouse], !given.isEmpty else { return units }
        var unused: [ID: Int64] = [:]
        for (other, most) in given { unused[other] = max(0, most - reserved(sku, warehouse, other)) }
        let own = channel.flatMap { unused.removeValue(forKey: $0) } ?? 0
        var (mine, wanted): (Int64, Int64) = (0, unused.values.reduce(0, +))
        for _ in 0..<units {
            if mine >= own, wanted > 0 { wanted -= 1 } else { mine += 1 }
        }
        return mine
    }

    func safetyStock(_ sku: ID, _ warehouse: ID) -> Int64 {
        localPolicies[sku]?[warehouse]?.safetyStock ?? policies[sku]?.safetyStock ?? 0
    }

    package func available(_ sku: ID, _ warehouse: ID, _ channel: ID?) -> Int64 {
        if !isActive(warehouse) { return 0 }
        let units = sum(sku, warehouse, \.onHand) - sum(sku, warehouse, \.reserved)
        return max(0, share(units - safetyStock(sku, warehouse), sku, warehouse, channel))
    }

    private func isActive(_ warehouse: ID) -> Bool { houses[warehouse]?.isActive ?? true }

    /// Whether any SKU has had units or a policy there since it began.
    private func stands(in warehouse: ID) -> Bool {
        facts.contains { sku, facts in
            let began = facts.lastIndex { $0.movement == .retire }.map { $0 + 1 } ?? 0
            return !PartitionBook.isBook(sku)
                && facts[began...].contains {
                    $0.warehouse == warehouse && ($0.deltas.backordered == 0 || $0.deltas.reserved != 0)
                }
        }
    }

    // MARK: A command

    package mutating func handle(_ command: Command, at: Int64) -> (Answer, isDuplicate: Bool, [Fact]) {
        var new: [Fact] = []
        let sku = command.sku
        now = at
        while let next = claims.indices.filter({
            claims[$0].sku == sku && claims[$0].end == nil && claims[$0].expiresAt <= at
        }).min(by: { (claims[$0].expiresAt, claims[$0].made) < (claims[$1].expiresAt, claims[$1].made) }) {
            take(claims[next].quantity, next, .expire, nil, &new)
        }
        fill(sku, &new)
        let name = Name(sku: sku, id: command.id)
        if let (first, answer, moment) = answers[name], isRemembered(moment) {
            if same(first, command) { return (answer, true, new) }
            record(sku, Fact(movement: .rejection, reason: .commandIDConflict), &new)
            return (Answer(kind: .rejected, reason: "command_id_conflict"), false, new)
        }
        let before = new.count
        let (answer, isDuplicate) =
            isTooOld(command) ? refuse(.commandTooOld, command, &new) : decide(command, at, &new)
        // What left nothing in the ledger is not remembered, and asked anew.
        if new.count > before {
            answers[name] = (command, answer, present)
            decided[name, default: []].append((command, present))
            relieve(sku, &new)
        }
        fill(sku, &new)
        return (answer, isDuplicate, new)
    }

    private mutating func record(_ sku: ID, _ fact: Fact, _ new: inout [Fact]) {
        if new.isEmpty {
            history.append(now)
            oldest = max(oldest, history.count - settings.dedupeCount)
        }
        facts[sku, default: []].append(fact)
        new.append(fact)
    }

    private mutating func refuse(_ reason: Rejection, _ command: Command, _ new: inout [Fact]) -> (
        Answer, Bool
    ) {
        record(command.sku, Fact(movement: .rejection, reason: reason), &new)
        var answer = Answer(kind: .rejected, reason: reason.rawValue)
        answer.isRefundRequired =
            command.kind == .confirm
            && [.reservationExpired, .reservationReleased, .reservationLost].contains(reason)
        return (answer, false)
    }

    private mutating func decide(_ command: Command, _ at: Int64, _ new: inout [Fact]) -> (Answer, Bool) {
        let sku = command.sku
        var begins = command.kind == .receive || command.kind == .setPolicy
        if case .setPolicies(let published) = command.body { begins = !published.isEmpty }
        let asks = [.expire, .transferDue, .setPolicies].contains(command.kind)
        let isRetired = retired.contains(sku)
        let current = generations[sku, default: 1] + (isRetired && begins ? 1 : 0)
        if let wanted = command.generation, wanted != current {
            return refuse(.generationMismatch, command, &new)
        }
        if isRetired && !begins && !asks { return refuse(.skuRetired, command, &new) }
        func start(_ model: inout NaiveStock) {
            guard isRetired else { return }
            model.retired.remove(sku)
            model.generations[sku] = current
        }
        switch command.body {
        case .receive(let warehouse, let quantity, _):
            if let refusal = room(sku, warehouse, quantity) { return refuse(refusal, command, &new) }
            start(&self)
            record(
                sku,
                Fact(
                    movement: .receive, warehouse: warehouse, quantity: quantity,
                    deltas: .init(onHand: quantity)), &new)
            return (Answer(kind: .received, quantity: quantity), false)
        case .return(let back):
            if back.condition == .sellable, let refusal = room(sku, back.warehouse, back.quantity) {
                return refuse(refusal, command, &new)
            }
            record(
                sku,
                Fact(
                    movement: .return, warehouse: back.warehouse, quantity: back.quantity,
                    deltas: back.condition == .sellable
                        ? .init(onHand: back.quantity) : .init(damaged: back.quantity)), &new)
            return (Answer(kind: .returned, quantity: back.quantity), false)
        case .damage(let warehouse, let quantity, _):
            if sum(sku, warehouse, \.onHand) < quantity { return refuse(.onHandBelowZero, command, &new) }
            record(
                sku,
                Fact(
                    movement: .damaged, warehouse: warehouse, quantity: quantity,
                    deltas: .init(onHand: -quantity, damaged: quantity)), &new)
            return (Answer(kind: .damaged, quantity: quantity), false)
        case .adjust(let adjust): return self.adjust(adjust, command, &new)
        case .transferDispatch(let dispatch): return self.dispatch(dispatch, command, &new)
        case .transferReceive(let id, let quantity, let damaged):
            return arrive(id, quantity, damaged, command, &new)
        case .transferCancel(let id): return cancel(id, command, &new)
        case .transferDue(let id): return tell(id, command, at, &new)
        case .setPolicy(let warehouse, let policy):
            start(&self)
            layDown(policy, warehouse, sku, &new)
            published[sku]?.remove(warehouse ?? "")
            return (Answer(kind: .policySet), false)
        case .setPolicies(let all):
            var named = Dictionary(uniqueKeysWithValues: all.warehouses.map { ($0.warehouse, $0.policy) })
            named[""] = all.policy
            let withdrawn = (published[sku] ?? []).subtracting(named.keys)
            if named.isEmpty, withdrawn.isEmpty {
                return (Answer(kind: .ignored, reason: "nothing_laid_down"), false)
            }
            start(&self)
            let order = [""] + all.warehouses.map(\.warehouse) + withdrawn.subtracting([""]).sorted()
            for warehouse in order where named[warehouse] != nil || withdrawn.contains(warehouse) {
                let policy = named[warehouse] ?? Policy()
                layDown(policy, warehouse.isEmpty ? nil : warehouse, sku, &new)
                if policy == Policy() {
                    published[sku]?.remove(warehouse)
                } else {
                    published[sku, default: []].insert(warehouse)
                }
            }
            return (Answer(kind: .policySet), false)
        case .retire:
            let isUsed = warehouses(sku).contains { warehouse in
                [\LedgerEntry.Deltas.onHand, \.reserved, \.inTransit, \.damaged].contains {
                    sum(sku, warehouse, $0) != 0
                }
            }
            if isUsed || claims.contains(where: { $0.sku == sku && $0.end == nil }) {
                return refuse(.skuInUse, command, &new)
            }
            record(sku, Fact(movement: .retire), &new)
            retired.insert(sku)
            policies[sku] = nil
            localPolicies[sku] = nil
            setApart[sku] = nil
            published[sku] = nil
            return (Answer(kind: .retired), false)
        case .setWarehouse(let warehouse, let isWithdrawn):
            if isWithdrawn, houses[warehouse.id] == nil, !stands(in: warehouse.id) {
                return (Answer(kind: .ignored, reason: "nothing_laid_down"), false)
            }
            houses[warehouse.id] = warehouse
            record(sku, Fact(movement: .setWarehouse, warehouse: warehouse.id), &new)
            return (Answer(kind: .warehouseSet), false)
        case .setSettings(let settings):
            self.settings = settings
            record(sku, Fact(movement: .setSettings), &new)
            return (Answer(kind: .settingsSet), false)
        case .skip: preconditionFailure("nobody sends a skip")
        case .reserve(let reserve): return self.reserve(reserve, command, at, &new)
        case .confirm(let id, let units, let warehouse):
            return end(id, units, warehouse, .ship, command, at, &new)
        case .release(let id, let units): return end(id, units, nil, .release, command, at, &new)
        case .extend(let id, let expiry):
            guard let index = live(id, sku) else { return ended(id, .extend, command, &new) }
            guard let until = self.until(expiry, at) else { return refuse(.expiryOutOfRange, command, &new) }
            claims[index].expiresAt = until
            claims[index].isExtended = true
            let units = claims[index].quantity
            record(sku, Fact(movement: .extend, id: id, quantity: units, remaining: units), &new)
            return (Answer(kind: .extended, quantity: units, expiresAt: until), false)
        case .expire(let id): return answerExpire(id, sku)
        case .reallocate(let id, let allocations): return reallocate(id, allocations, command, &new)
        }
    }

    private mutating func layDown(
        _ policy: Policy, _ warehouse: ID?, _ sku: ID, _ new: inout [Fact]
    ) {
        if let warehouse {
            localPolicies[sku, default: [:]][warehouse] = policy
            setApart[sku, default: [:]][warehouse] = Dictionary(
                uniqueKeysWithValues: policy.channels.map { ($0.channel, $0.quantity) })
        } else {
            policies[sku] = policy
        }
        record(sku, Fact(movement: .setPolicy, warehouse: warehouse), &new)
    }

    private func room(_ sku: ID, _ warehouse: ID, _ quantity: Int64) -> Rejection? {
        let there = sum(sku, warehouse, \.onHand) + sum(sku, warehouse, \.inTransit)
        return there + quantity > Limits.onHand ? .onHandLimitExceeded : nil
    }

    // MARK: Physical units

    private mutating func adjust(
        _ adjust: Command.Adjust, _ command: Command, _ new: inout [Fact]
    ) -> (Answer, Bool) {
        let isSellable = adjust.condition == .sellable
        let there = sum(command.sku, adjust.warehouse, isSellable ? \.onHand : \.damaged)
        let delta: Int64
        switch adjust.change {
        case .delta(let change): delta = change
        case .count(let counted, let expected):
            if let expected, expected != there { return refuse(.expectedMismatch, command, &new) }
            delta = counted - there
        }
        if there + delta < 0 { return refuse(.onHandBelowZero, command, &new) }
        record(
            command.sku,
            Fact(
                movement: .adjust, warehouse: adjust.warehouse, quantity: abs(delta),
                deltas: isSellable ? .init(onHand: delta) : .init(damaged: delta)), &new)
        return (Answer(kind: .adjusted, quantity: abs(delta), delta: delta), false)
    }

    private mutating func dispatch(
        _ dispatch: Command.TransferDispatch, _ command: Command, _ new: inout [Fact]
    ) -> (Answer, Bool) {
        if let known = parcels.last(where: {
            $0.dispatch.transferID == dispatch.transferID && $0.command.sku == command.sku
        }), known.end == nil || isRemembered(known.ended) {
            if known.end == nil && same(known.command, command) {
                return (
                    Answer(
                        kind: .transferDispatched, quantity: known.dispatch.quantity, remaining: known.left),
                    true
                )
            }
            return refuse(.transferIDConflict, command, &new)
        }
        let sku = command.sku
        if let refusal = room(sku, dispatch.to, dispatch.quantity) { return refuse(refusal, command, &new) }
        if sum(sku, dispatch.from, \.onHand) - sum(sku, dispatch.from, \.reserved) < dispatch.quantity {
            return refuse(.insufficientStock, command, &new)
        }
        parcels.append(Parcel(command: command, dispatch: dispatch, left: dispatch.quantity))
        record(
            sku,
            Fact(
                movement: .transferOut, id: dispatch.transferID, warehouse: dispatch.from,
                quantity: dispatch.quantity, remaining: dispatch.quantity,
                deltas: .init(onHand: -dispatch.quantity)), &new)
        record(
            sku,
            Fact(
                movement: .inTransit, id: dispatch.transferID, warehouse: dispatch.to,
                quantity: dispatch.quantity, remaining: dispatch.quantity,
                deltas: .init(inTransit: dispatch.quantity)), &new)
        return (
            Answer(
                kind: .transferDispatched, quantity: dispatch.quantity, remaining: dispatch.quantity), false
        )
    }

    private func parcel(_ id: ID, _ sku: ID) -> Int? {
        parcels.lastIndex { $0.dispatch.transferID == id && $0.command.sku == sku }.flatMap {
            parcels[$0].end == nil || isRemembered(parcels[$0].ended) ? $0 : nil
        }
    }

    private mutating func arrive(
        _ id: ID, _ quantity: Int64, _ damaged: Int64, _ command: Command, _ new: inout [Fact]
    ) -> (Answer, Bool) {
        guard let index = parcel(id, command.sku) else { return refuse(.transferNotFound, command, &new) }
        if parcels[index].end != nil { return refuse(.transferEnded, command, &new) }
        let all = quantity + damaged
        if all > parcels[index].left { return refuse(.quantityExceedsTransfer, command, &new) }
        parcels[index].left -= all
        let left = parcels[index].left
        let answer = Answer(kind: .transferReceived, quantity: all, remaining: left)
        record(
            command.sku,
            Fact(
                movement: .transferIn, id: id, warehouse: parcels[index].dispatch.to, quantity: all,
                remaining: left, deltas: .init(onHand: quantity, inTransit: -all, damaged: damaged)), &new)
        if left == 0 { (parcels[index].end, parcels[index].ended) = (answer, present) }
        return (answer, false)
    }

    private mutating func cancel(_ id: ID, _ command: Command, _ new: inout [Fact]) -> (Answer, Bool) {
        guard let index = parcel(id, command.sku) else { return refuse(.transferNotFound, command, &new) }
        if let end = parcels[index].end {
            return parcels[index].isCancelled ? (end, true) : refuse(.transferEnded, command, &new)
        }
        let (left, dispatch) = (parcels[index].left, parcels[index].dispatch)
        let answer = Answer(kind: .transferCancelled, quantity: left, remaining: 0)
        parcels[index].end = answer
        parcels[index].isCancelled = true
        record(
            command.sku,
            Fact(
                movement: .transferCancel, id: id, warehouse: dispatch.to, quantity: left, remaining: 0,
                deltas: .init(inTransit: -left)), &new)
        record(
            command.sku,
            Fact(
                movement: .transferBack, id: id, warehouse: dispatch.from, quantity: left, remaining: 0,
                deltas: .init(onHand: left)), &new)
        parcels[index].ended = present
        return (answer, false)
    }

    private mutating func tell(
        _ id: ID, _ command: Command, _ at: Int64, _ new: inout [Fact]
    ) -> (Answer, Bool) {
        guard let index = parcel(id, command.sku), parcels[index].end == nil,
            let due = parcels[index].dispatch.expectedAt
        else { return (Answer(kind: .ignored, reason: "already_ended"), false) }
        if parcels[index].isTold { return (Answer(kind: .ignored, reason: "already_told"), false) }
        if due.milliseconds > at { return (Answer(kind: .ignored, reason: "not_due"), false) }
        parcels[index].isTold = true
        let left = parcels[index].left
        record(
            command.sku,
            Fact(
                movement: .transferOverdue, id: id, warehouse: parcels[index].dispatch.to, quantity: left,
                remaining: left), &new)
        return (Answer(kind: .transferOverdue, quantity: left, remaining: left), false)
    }

    // MARK: Reservations

    private func until(_ expiry: Command.Expiry, _ at: Int64) -> Int64? {
        let ttl: Int64
        switch expiry {
        case .standard: ttl = settings.defaultTTL
        case .after(let milliseconds): ttl = milliseconds
        case .at(let moment): ttl = moment.milliseconds - at
        }
        return ttl < 1 || ttl < settings.shortestTTL || ttl > settings.longestTTL ? nil : at + ttl
    }

    private mutating func reserve(
        _ reserve: Command.Reserve, _ command: Command, _ at: Int64, _ new: inout [Fact]
    ) -> (Answer, Bool) {
        let sku = command.sku
        if let known = claims.last(where: {
            $0.reserve.reservationID == reserve.reservationID && $0.sku == sku
        }), known.end == nil || isRemembered(known.ended) {
            if known.end == nil && same(known.command, command) {
                return (
                    Answer(
                        kind: known.backordered > 0 ? .backordered : .reserved, quantity: known.quantity,
                        allocations: known.parts, backordered: known.backordered, expiresAt: known.expiresAt),
                    true
                )
            }
            return refuse(.reservationIDConflict, command, &new)
        }
        guard let until = until(reserve.expiry, at) else { return refuse(.expiryOutOfRange, command, &new) }
        if let named = reserve.warehouse, !isActive(named) {
            return refuse(.warehouseInactive, command, &new)
        }
        if let limit = policies[sku]?.unitsPerOrder {
            let has = claims.filter { $0.sku == sku && $0.order == reserve.orderID && $0.end == nil }
                .reduce(0) { $0 + $1.quantity }
            let gone = shipped[Name(sku: sku, id: reserve.orderID), default: []].filter {
                $0.number >= oldest
            }
            if has + gone.reduce(0, { $0 + $1.units }) + reserve.quantity > limit {
                return refuse(.orderLimitExceeded, command, &new)
            }
        }
        let all = warehouses(sku).filter {
            (reserve.warehouse == nil || reserve.warehouse == $0) && isActive($0)
                && available(sku, $0, reserve.channel) > 0
        }
        let usable = all.filter { isInTime($0, reserve) }
        if usable.isEmpty && !all.isEmpty { return refuse(.deliveryTooLate, command, &new) }
        let units = usable.map { available(sku, $0, reserve.channel) }
        let total = units.reduce(0, +)
        let most = reserve.allowSplit ? total : units.max() ?? 0
        var now = min(most, reserve.quantity)
        var back = reserve.quantity - now
        if back > 0 {
            let isBackorder =
                reserve.allowBackorder && reserve.deliverWithinHours == nil
                && backordered(sku) + back <= policies[sku]?.backorderLimit ?? 0
            if !isBackorder {
                back = 0
                if !reserve.allowPartial || now == 0 {
                    now = 0
                    return refuse(
                        total >= reserve.quantity ? .splitRequired : .insufficientStock, command, &new)
                }
            }
        }
        let strategy = reserve.strategy ?? policies[sku]?.strategy ?? settings.strategy
        let parts = now == 0 ? [] : pick(now, Array(zip(usable, units)), strategy, reserve.shipTo)
        claims.append(
            Claim(
                command: command, order: reserve.orderID, made: facts[sku]?.count ?? 0, parts: parts,
                backordered: back, expiresAt: until, generation: generations[sku, default: 1]))
        var remaining: Int64 = 0
        for part in parts {
            remaining += part.quantity
            record(
                sku,
                Fact(
                    movement: .reserve, id: reserve.reservationID, warehouse: part.warehouse,
                    quantity: part.quantity, remaining: remaining, deltas: .init(reserved: part.quantity)),
                &new)
        }
        if back > 0 {
            record(
                sku,
                Fact(
                    movement: .backorder, id: reserve.reservationID, warehouse: reserve.warehouse,
                    quantity: back, remaining: remaining + back, deltas: .init(backordered: back)), &new)
        }
        let granted = now + back
        return (
            Answer(
                kind: back > 0
                    ? .backordered : granted < reserve.quantity ? .partiallyReserved : .reserved,
                quantity: granted, allocations: parts, backordered: back,
                requested: granted < reserve.quantity ? reserve.quantity : nil, expiresAt: until), false
        )
    }

    /// Kilometres along the great circle, by the haversine formula.
    static func distance(_ left: Point, _ right: Point) -> Double {
        func radians(_ angle: Int64) -> Double { Double(angle) / 1e6 * .pi / 180 }
        let dLatitude = radians(right.latitude - left.latitude)
        let dLongitude = radians(right.longitude - left.longitude)
        let half =
            pow(sin(dLatitude / 2), 2)
            + cos(radians(left.latitude)) * cos(radians(right.latitude)) * pow(sin(dLongitude / 2), 2)
        return 2 * 6371.0088 * asin(min(1, half.squareRoot()))
    }

    private func isInTime(_ warehouse: ID, _ reserve: Command.Reserve) -> Bool {
        guard let hours = reserve.deliverWithinHours, let shipTo = reserve.shipTo else { return true }
        guard let house = houses[warehouse], let location = house.location else { return false }
        let way = Self.distance(location, shipTo) / Double(house.kilometresPerHour)
        return Double(house.handlingHours) + way <= Double(hours)
    }

    private func rank(
        _ warehouse: ID, _ units: Int64, _ quantity: Int64, _ strategy: Strategy, _ shipTo: Point?
    ) -> Double {
        switch strategy {
        case .mostStock: return -Double(units)
        case .priority: return Double(houses[warehouse]?.priority ?? Limits.standardPriority)
        case .fewestSplits: return units >= quantity ? Double(units) : -Double(units)
        case .nearest:
            guard let shipTo, let location = houses[warehouse]?.location else { return .infinity }
            return Self.distance(location, shipTo)
        }
    }

    /// Looks at every set of warehouses: the smallest that has enough, and of those the best by ranks.
    func pick(
        _ quantity: Int64, _ candidates: [(ID, Int64)], _ strategy: Strategy, _ shipTo: Point?
    ) -> [Allocation] {
        let ranked = candidates.filter { $0.1 > 0 }.sorted {
            let (left, right) = (
                rank($0.0, $0.1, quantity, strategy, shipTo), rank($1.0, $1.1, quantity, strategy, shipTo)
            )
            return left == right ? $0.0 < $1.0 : left < right
        }
        var best: [Int]?
        for mask in 1..<max(2, 1 << ranked.count) {
            let set = ranked.indices.filter { mask >> $0 & 1 == 1 }
            guard set.reduce(0, { $0 + ranked[$1].1 }) >= quantity else { continue }
            if let found = best,
                found.count < set.count || (found.count == set.count && found.lexicographicallyPrecedes(set))
            {
                continue
            }
            best = set
        }
        var left = quantity
        return (best ?? []).map {
            let units = min(left, ranked[$0].1)
            left -= units
            return Allocation(warehouse: ranked[$0].0, quantity: units)
        }
    }

    private func live(_ id: ID, _ sku: ID) -> Int? {
        claims.lastIndex { $0.reserve.reservationID == id && $0.sku == sku && $0.end == nil }
    }

    private mutating func end(
        _ id: ID, _ wanted: Int64?, _ warehouse: ID?, _ movement: Movement, _ command: Command,
        _ at: Int64, _ new: inout [Fact]
    ) -> (Answer, Bool) {
        guard let index = live(id, command.sku) else {
            if movement == .ship, let late = reacquire(id, wanted, warehouse, command, at, &new) {
                return late
            }
            return ended(id, movement, command, &new)
        }
        let place = claims[index].parts.firstIndex { $0.warehouse == warehouse }
        let there = place.map { claims[index].parts[$0].quantity } ?? 0
        let units = wanted ?? (warehouse == nil ? claims[index].quantity : there)
        if units > claims[index].quantity { return refuse(.quantityExceedsReserved, command, &new) }
        if movement == .ship && units > claims[index].allocated {
            return refuse(.backorderUnfilled, command, &new)
        }
        if warehouse != nil {
            if units == 0 || units > there { return refuse(.allocationMismatch, command, &new) }
            return (take(units, index, movement, command, &new, from: place!), false)
        }
        return (take(units, index, movement, command, &new), false)
    }

    private mutating func ended(
        _ id: ID, _ movement: Movement, _ command: Command, _ new: inout [Fact]
    ) -> (Answer, Bool) {
        guard
            let claim = claims.last(where: { $0.reserve.reservationID == id && $0.sku == command.sku }),
            let end = claim.end, isRemembered(claim.ended)
        else { return refuse(.reservationNotFound, command, &new) }
        if claim.generation != generations[command.sku, default: 1] {
            return refuse(.generationMismatch, command, &new)
        }
        if end.movement == movement { return (end.answer!, true) }
        switch end.movement {
        case .expire: return refuse(.reservationExpired, command, &new)
        case .lose: return refuse(.reservationLost, command, &new)
        case .ship: return refuse(.reservationConfirmed, command, &new)
        default: return refuse(.reservationReleased, command, &new)
        }
    }

    /// Nil where it is no late payment, or no units are there for it.
    private mutating func reacquire(
        _ id: ID, _ wanted: Int64?, _ warehouse: ID?, _ command: Command, _ at: Int64,
        _ new: inout [Fact]
    ) -> (Answer, Bool)? {
        let sku = command.sku
        guard let index = claims.lastIndex(where: { $0.reserve.reservationID == id && $0.sku == sku }),
            let end = claims[index].end, end.movement == .expire, isRemembered(claims[index].ended),
            claims[index].generation == generations[sku, default: 1]
        else { return nil }
        let reserve = claims[index].reserve
        let had = end.lost.reduce(0) { $0 + $1.quantity } + end.lostBackordered
        let units = wanted ?? had
        if units > had { return refuse(.quantityExceedsReserved, command, &new) }
        var parts: [Allocation] = []
        var left = units
        if let warehouse {
            guard isActive(warehouse), unclaimed(sku, warehouse, reserve.channel) >= units else { return nil }
            parts = [Allocation(warehouse: warehouse, quantity: units)]
            left = 0
        }
        // What was backordered went first; it is of a warehouse if that was named.
        let named = reserve.warehouse.map { [Allocation(warehouse: $0, quantity: end.lostBackordered)] } ?? []
        for lost in (named + end.lost).filter({ $0.quantity > 0 }) where left > 0 {
            guard isActive(lost.warehouse) else { break }
            var free = unclaimed(sku, lost.warehouse, reserve.channel)
            for part in parts where part.warehouse == lost.warehouse { free -= part.quantity }
            let some = min(left, lost.quantity, max(0, free))
            if let place = parts.firstIndex(where: { $0.warehouse == lost.warehouse }) {
                parts[place].quantity += some
            } else if some > 0 {
                parts.append(Allocation(warehouse: lost.warehouse, quantity: some))
            }
            left -= some
        }
        if warehouse == nil, left > 0 || !(reserve.allowSplit || parts.count == 1) {
            guard reserve.warehouse == nil else { return nil }
            parts = pick(
                units,
                warehouses(sku).filter { isActive($0) }.map { ($0, unclaimed(sku, $0, reserve.channel)) },
                .fewestSplits, nil)
            if parts.isEmpty || !(reserve.allowSplit || parts.count == 1) { return nil }
        }
        claims[index].parts = parts
        claims[index].end = nil
        var remaining: Int64 = 0
        for part in parts {
            remaining += part.quantity
            record(
                sku,
                Fact(
                    movement: .reacquire, id: id, warehouse: part.warehouse, quantity: part.quantity,
                    remaining: remaining, deltas: .init(reserved: part.quantity)), &new)
        }
        var answer = take(units, index, .ship, command, &new)
        answer.isReacquired = true
        claims[index].end!.answer = answer
        return (answer, false)
    }

    /// Units of a claim go; what is backordered first and the last warehouse first, but for a shipment.
    @discardableResult
    private mutating func take(
        _ units: Int64, _ index: Int, _ movement: Movement, _ command: Command?, _ new: inout [Fact],
        from first: Int = 0
    ) -> Answer {
        let (sku, id) = (claims[index].sku, claims[index].reserve.reservationID)
        var left = units
        var taken: [Allocation] = []
        let back = movement == .ship ? 0 : min(left, claims[index].backordered)
        if back > 0 {
            claims[index].backordered -= back
            left -= back
            record(
                sku,
                Fact(
                    movement: movement, id: id, warehouse: claims[index].reserve.warehouse, quantity: back,
                    remaining: claims[index].quantity, deltas: .init(backordered: -back)), &new)
        }
        while left > 0 {
            let place = movement == .ship ? first : claims[index].parts.count - 1
            let part = claims[index].parts[place]
            let some = min(left, part.quantity)
            claims[index].parts[place].quantity -= some
            if some == part.quantity { claims[index].parts.remove(at: place) }
            left -= some
            taken.append(Allocation(warehouse: part.warehouse, quantity: some))
            if movement == .ship, let channel = claims[index].reserve.channel {
                let given = setApart[sku]?[part.warehouse]?[channel] ?? 0
                if given > 0 { setApart[sku]![part.warehouse]![channel] = max(0, given - some) }
            }
            record(
                sku,
                Fact(
                    movement: movement, id: id, warehouse: part.warehouse, quantity: some,
                    remaining: claims[index].quantity,
                    deltas: .init(onHand: movement == .ship ? -some : 0, reserved: -some)), &new)
        }
        if movement == .ship {
            shipped[Name(sku: sku, id: claims[index].order), default: []].append((present.number, units))
        }
        let kind: Outcome.Kind = movement == .ship ? .confirmed : movement == .release ? .released : .expired
        let answer = Answer(
            kind: kind, quantity: units, allocations: taken, backordered: back,
            remaining: movement == .expire ? nil : claims[index].quantity)
        if claims[index].quantity == 0 {
            claims[index].end = (movement, answer, taken, back)
            claims[index].ended = present
        }
        return answer
    }

    private func answerExpire(_ id: ID, _ sku: ID) -> (Answer, Bool) {
        if live(id, sku) != nil { return (Answer(kind: .ignored, reason: "not_due"), false) }
        guard let claim = claims.last(where: { $0.reserve.reservationID == id && $0.sku == sku }),
            let end = claim.end, end.movement == .expire, isRemembered(claim.ended)
        else { return (Answer(kind: .ignored, reason: "already_ended"), false) }
        return (end.answer!, true)
    }

    private mutating func reallocate(
        _ id: ID, _ wanted: [Allocation], _ command: Command, _ new: inout [Fact]
    ) -> (Answer, Bool) {
        let sku = command.sku
        guard let index = live(id, sku) else { return ended(id, .reallocate, command, &new) }
        let claim = claims[index]
        if wanted.reduce(0, { $0 + $1.quantity }) != claim.allocated {
            return refuse(.allocationMismatch, command, &new)
        }
        func units(_ list: [Allocation], _ warehouse: ID) -> Int64 {
            list.filter { $0.warehouse == warehouse }.reduce(0) { $0 + $1.quantity }
        }
        let gains = wanted.filter { $0.quantity > units(claim.parts, $0.warehouse) }
        if gains.contains(where: { !isActive($0.warehouse) }) {
            return refuse(.warehouseInactive, command, &new)
        }
        for gain in gains {
            let more = gain.quantity - units(claim.parts, gain.warehouse)
            if available(sku, gain.warehouse, claim.reserve.channel) < more {
                return refuse(.insufficientStock, command, &new)
            }
        }
        var moved: [Allocation] = []
        if gains.isEmpty {
            record(
                sku,
                Fact(movement: .reallocate, id: id, quantity: claim.allocated, remaining: claim.quantity),
                &new)
            return (Answer(kind: .reallocated, quantity: claim.allocated), false)
        }
        for part in claim.parts {
            let less = part.quantity - units(wanted, part.warehouse)
            if less > 0 { shift(index, part.warehouse, -less, &new) }
        }
        for gain in gains {
            let more = gain.quantity - units(claim.parts, gain.warehouse)
            shift(index, gain.warehouse, more, &new)
            moved.append(Allocation(warehouse: gain.warehouse, quantity: more))
        }
        return (
            Answer(
                kind: .reallocated, quantity: moved.reduce(0) { $0 + $1.quantity }, allocations: moved), false
        )
    }

    private mutating func shift(_ index: Int, _ warehouse: ID, _ units: Int64, _ new: inout [Fact]) {
        if let place = claims[index].parts.firstIndex(where: { $0.warehouse == warehouse }) {
            claims[index].parts[place].quantity += units
            if claims[index].parts[place].quantity == 0 { claims[index].parts.remove(at: place) }
        } else {
            claims[index].parts.append(Allocation(warehouse: warehouse, quantity: units))
        }
        record(
            claims[index].sku,
            Fact(
                movement: .reallocate, id: claims[index].reserve.reservationID, warehouse: warehouse,
                quantity: abs(units), remaining: nil, deltas: .init(reserved: units)), &new)
    }

    // MARK: What follows

    private mutating func relieve(_ sku: ID, _ new: inout [Fact]) {
        while let warehouse = warehouses(sku).first(where: {
            sum(sku, $0, \.reserved) > sum(sku, $0, \.onHand)
        }) {
            let deficit = sum(sku, warehouse, \.reserved) - sum(sku, warehouse, \.onHand)
            let hit = claims.indices.filter { index in
                claims[index].sku == sku && claims[index].end == nil
                    && claims[index].parts.contains { $0.warehouse == warehouse }
            }.min { left, right in
                claims[left].isExtended == claims[right].isExtended
                    ? claims[left].made > claims[right].made : !claims[left].isExtended
            }!
            let claim = claims[hit]
            let part = claim.parts.first { $0.warehouse == warehouse }!.quantity
            let want = claim.reserve.allowSplit ? min(part, deficit) : part
            let others = warehouses(sku).filter {
                $0 != warehouse && isActive($0)
                    && unclaimed(sku, $0, claim.reserve.channel) >= (claim.reserve.allowSplit ? 1 : want)
            }
            let best = others.max {
                let (left, right) = (
                    unclaimed(sku, $0, claim.reserve.channel), unclaimed(sku, $1, claim.reserve.channel)
                )
                return left == right ? $0 > $1 : left < right
            }
            if claim.reserve.warehouse == nil, let best {
                let units = min(want, unclaimed(sku, best, claim.reserve.channel))
                shift(hit, warehouse, -units, &new)
                shift(hit, best, units, &new)
            } else {
                let units = min(part, deficit)
                let place = claims[hit].parts.firstIndex { $0.warehouse == warehouse }!
                claims[hit].parts[place].quantity -= units
                if claims[hit].parts[place].quantity == 0 { claims[hit].parts.remove(at: place) }
                record(
                    sku,
                    Fact(
                        movement: .lose, id: claim.reserve.reservationID, warehouse: warehouse,
                        quantity: units, remaining: claims[hit].quantity, deltas: .init(reserved: -units)),
                    &new)
                if claims[hit].quantity == 0 {
                    claims[hit].end = (.lose, nil, [], 0)
                    claims[hit].ended = present
                }
            }
        }
    }

    private mutating func fill(_ sku: ID, _ new: inout [Fact]) {
        while let (index, warehouse, units) = nextFill(sku) {
            // What may not be split follows its new units.
            let elsewhere = claims[index].parts.filter { $0.warehouse != warehouse }
            if !claims[index].reserve.allowSplit, claims[index].reserve.warehouse == nil, !elsewhere.isEmpty {
                for part in elsewhere {
                    shift(index, part.warehouse, -part.quantity, &new)
                    shift(index, warehouse, part.quantity, &new)
                }
            }
            claims[index].backordered -= units
            let before = claims[index].quantity + units
            if let place = claims[index].parts.firstIndex(where: { $0.warehouse == warehouse }) {
                claims[index].parts[place].quantity += units
            } else {
                claims[index].parts.append(Allocation(warehouse: warehouse, quantity: units))
            }
            record(
                sku,
                Fact(
                    movement: .fill, id: claims[index].reserve.reservationID, warehouse: warehouse,
                    quantity: units, remaining: before,
                    deltas: .init(reserved: units, backordered: -units)), &new)
        }
    }

    private func nextFill(_ sku: ID) -> (Int, ID, Int64)? {
        let waiting = claims.indices.filter {
            claims[$0].sku == sku && claims[$0].end == nil && claims[$0].backordered > 0
        }.sorted { claims[$0].made < claims[$1].made }
        for index in waiting {
            let claim = claims[index]
            let open = warehouses(sku).filter { warehouse in
                guard isActive(warehouse) else { return false }
                if let named = claim.reserve.warehouse { return warehouse == named }
                if claim.reserve.allowSplit { return true }
                let has = claim.parts.filter { $0.warehouse == warehouse }.reduce(0) { $0 + $1.quantity }
                return available(sku, warehouse, claim.reserve.channel) + has >= claim.quantity
            }
            if !claim.reserve.allowSplit, claim.reserve.warehouse == nil, let first = claim.parts.first {
                // The one that serves it already is preferred, and must do where none has it all.
                let there =
                    isActive(first.warehouse)
                    ? available(sku, first.warehouse, claim.reserve.channel) : 0
                if there > 0, open.isEmpty || open.contains(first.warehouse) {
                    return (index, first.warehouse, min(there, claim.backordered))
                }
            }
            var best: (ID, Int64)?
            for warehouse in open {
                let units = available(sku, warehouse, claim.reserve.channel)
                if units > best?.1 ?? 0 { best = (warehouse, units) }
            }
            if let best { return (index, best.0, min(best.1, claim.backordered)) }
        }
        return nil
    }
}
