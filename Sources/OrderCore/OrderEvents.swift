import InventoryCore

/// What events do to an order. The rules stand as a table in docs/orders.md.
extension Order {
    /// Heeds an event now, or keeps it until the order can.
    package mutating func handle(
        _ event: OrderEvent, _ settings: OrderSettings, into effects: inout OrderEffects
    ) {
        let moment = OrderMoment(at: event.at, settings: settings)
        guard remember(event) else {
            effects.repeats += 1
            return
        }
        switch (phase, event.body) {
        case (.unknown, .placed(let placed)):
            place(placed, event, moment, &effects)
        case (.unknown, .reallocate), (.busy, .reallocate), (.ended, .reallocate):
            // What it was made from is not the order's newest outcome, or will not be for long.
            ignore(&effects)
        case (.unknown, _), (.busy, _):
            keep(event, &effects)
        case (.settled, _):
            heed(event, moment, &effects)
        case (.ended, _):
            heedLate(event, moment, &effects)
        case (.forgotten, _):
            preconditionFailure("order \(id) was forgotten")
        }
        proceed(moment, &effects)
    }

    /// FNV-1a, 64 bits (Fowler, Noll and Vo).
    private static func hash(_ id: ID) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in id.text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash
    }

    /// - Returns: false for an event that came before.
    private mutating func remember(_ event: OrderEvent) -> Bool {
        let hash = Self.hash(event.id)
        if remembered.contains(hash) { return false }
        if remembered.count == OrderLimits.rememberedEvents { remembered.removeFirst() }
        remembered.append(hash)
        return true
    }

    /// An event that is refused did nothing: it may be sent again, under its id.
    private mutating func refuse(
        _ event: OrderEvent, _ reason: OrderRefusal, _ effects: inout OrderEffects
    ) {
        effects.refused.append(.init(event: event, reason: reason))
        let hash = Self.hash(event.id)
        remembered.removeAll { $0 == hash }
    }

    private mutating func keep(_ event: OrderEvent, _ effects: inout OrderEffects) {
        if waiting.count < OrderLimits.waitingEvents {
            waiting.append(event)
        } else {
            refuse(event, .tooManyEvents, &effects)
        }
    }

    private mutating func place(
        _ placed: OrderEvent.Placed, _ event: OrderEvent, _ moment: OrderMoment,
        _ effects: inout OrderEffects
    ) {
        mode = placed.mode
        deadline = Self.deadline(placed.expiry, event, moment)
        strategy = placed.strategy
        allowSplit = placed.allowSplit
        channel = placed.channel
        shipTo = placed.shipTo
        deliverWithinHours = placed.deliverWithinHours
        for line in placed.lines {
            if let known = lines.firstIndex(where: { $0.sku == line.sku }) {
                lines[known].asked += line.quantity
                lines[known].goal += line.quantity
            } else {
                lines.append(Line(sku: line.sku, warehouse: line.warehouse, asked: line.quantity))
            }
        }
        begin(.placing)
        if deadline <= event.at {
            for line in lines.indices { lines[line].refusal = .expiryOutOfRange }
            return finish(.rejected, moment, &effects)
        }
        for line in lines.indices { reserve(lines[line].asked, line: line, moment, &effects) }
    }

    private static func deadline(
        _ expiry: Command.Expiry, _ event: OrderEvent, _ moment: OrderMoment
    ) -> Timestamp {
        switch expiry {
        case .standard: event.at.after(moment.settings.ttl)
        case .after(let milliseconds): event.at.after(milliseconds)
        case .at(let deadline): deadline
        }
    }

    /// Goes on as far as nothing is on its way.
    mutating func proceed(_ moment: OrderMoment, _ effects: inout OrderEffects) {
        while true {
            switch phase {
            case .busy(let work):
                if work == .refusing, finalKind == nil, !isReserving {
                    tell(.rejected, isFinal: true, moment, &effects)
                }
                if isAsking { return }
                isStuck = false
                settle(work, moment, &effects)
            case .settled:
                if heedWhatBefell(moment, &effects) { continue }
                if waiting.isEmpty { return }
                heed(waiting.removeFirst(), moment, &effects)
            case .ended:
                if waiting.isEmpty { return }
                heedLate(waiting.removeFirst(), moment, &effects)
            case .unknown, .forgotten:
                return
            }
        }
    }

    /// Whether a `reserve` has no reply yet.
    private var isReserving: Bool {
        lines.contains { $0.claims.contains { $0.pending?.verb == .reserve } }
    }

    // MARK: Events of an order that has nothing on its way

    private mutating func heed(
        _ event: OrderEvent, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        if let units = event.units, units.contains(where: { line(of: $0.sku) == nil }) {
            refuse(event, .unknownLine, &effects)
            return
        }
        switch event.body {
        case .placed:
            effects.ignored += 1
        case .paid(let units):
            if isPaid {
                // It is paid, or what was not paid in time went back.
                heedLate(event, moment, &effects)
            } else if event.at > deadline {
                // The deadline came first, whether the order was told of it or not.
                waiting.insert(event, at: 0)
                expire(moment, &effects)
            } else {
                pay(units, moment, &effects)
            }
        case .cancelled(let units):
            cancel(units, moment, &effects)
        case .changed(let change):
            if isPaidInPart {
                effects.ignored += 1
            } else if event.at > deadline {
                waiting.insert(event, at: 0)
                expire(moment, &effects)
            } else {
                self.change(change, event, moment, &effects)
            }
        case .reallocate(let proposal):
            move(proposal, moment, &effects)
        case .shipped(let units):
            guard moment.settings.shipsOnShipped, isPaidInPart else {
                effects.ignored += 1
                return
            }
            for line in lines.indices where units.isEmpty { lines[line].toShip = lines[line].paid }
            for unit in units {
                guard let line = line(of: unit.sku) else { continue }
                let wanted = unit.quantity.map { lines[line].shipped + $0 } ?? lines[line].paid
                lines[line].toShip = min(lines[line].paid, max(lines[line].toShip, wanted))
            }
            begin(.paying)
            ship(moment, &effects)
        }
    }

    private func line(of sku: ID) -> Int? { lines.firstIndex { $0.sku == sku } }

    private mutating func pay(
        _ units: [LineUnits], _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        for line in lines.indices where units.isEmpty { lines[line].paid += lines[line].unpaid }
        for unit in units {
            guard let line = line(of: unit.sku) else { continue }
            lines[line].paid += unit.quantity ?? lines[line].unpaid
        }
        isPaid = lines.allSatisfy { $0.unpaid == 0 }
        if moment.settings.shipsOnShipped {
            begin(.securing)
            let expiresAt = moment.at.after(moment.settings.shipWithin)
            securedUntil = expiresAt
            extend(to: expiresAt, ofPaid: true, moment, &effects)
        } else {
            for line in lines.indices { lines[line].toShip = lines[line].paid }
            begin(.paying)
            ship(moment, &effects)
        }
    }

    private mutating func cancel(
        _ units: [LineUnits], _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        for line in lines.indices where units.isEmpty { lines[line].goal = lines[line].shipped }
        for unit in units {
            guard let line = line(of: unit.sku) else { continue }
            let held = lines[line].held
            let cancelled = min(held, unit.quantity ?? held)
            lines[line].asked = max(0, lines[line].asked - cancelled)
            lines[line].goal = lines[line].shipped + held - cancelled
        }
        begin(.cancelling)
        trim(moment, &effects)
    }

    private mutating func change(
        _ change: OrderEvent.Changed, _ event: OrderEvent, _ moment: OrderMoment,
        _ effects: inout OrderEffects
    ) {
        let added = change.lines.filter { line(of: $0.sku) == nil }
        guard lines.count + added.count <= OrderLimits.lines else {
            refuse(event, .tooManyLines, &effects)
            return
        }
        let next = change.expiry.map { Self.deadline($0, event, moment) } ?? deadline
        guard next > moment.at else {
            refuse(event, .pastDeadline, &effects)
            return
        }
        before = Before(asked: lines.map(\.asked), deadline: deadline)
        deadline = next
        for line in added { lines.append(Line(sku: line.sku, warehouse: line.warehouse, asked: 0)) }
        begin(.changing)
        for changed in change.lines {
            guard let line = line(of: changed.sku) else { continue }
            lines[line].asked = changed.quantity
            let missing = changed.quantity - lines[line].shipped - lines[line].held
            guard missing > 0 else { continue }
            lines[line].goal = changed.quantity
            reserve(missing, line: line, moment, &effects)
        }
    }

    /// The deadline has passed: what is not paid goes back; and what was paid and is still backordered.
    mutating func expire(_ moment: OrderMoment, _ effects: inout OrderEffects) {
        for line in lines.indices {
            lines[line].goal = lines[line].shipped
            guard moment.settings.shipsOnShipped else { continue }
            lines[line].goal += min(
                lines[line].reserved, max(0, lines[line].paid - lines[line].shipped))
        }
        begin(.expiring)
        trim(moment, &effects)
    }

    /// An event of an order that has ended, or that has nothing to be paid any more: only a payment matters, as far as
    /// it must go back.
    private mutating func heedLate(
        _ event: OrderEvent, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        guard case .paid(let units) = event.body else {
            effects.ignored += 1
            return
        }
        let before = refund
        for line in lines.indices {
            let named = units.first { $0.sku == lines[line].sku }
            guard units.isEmpty || named != nil else { continue }
            lines[line].paid = max(lines[line].paid, named?.quantity ?? lines[line].asked)
        }
        if refund > before {
            tell(.refundRequired, moment, &effects)
        } else {
            effects.ignored += 1
        }
    }

    // MARK: When all replies have come

    private mutating func settle(
        _ work: Work, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        switch work {
        case .placing: settlePlacing(moment, &effects)
        case .refusing: giveBack(moment, &effects) { $0.finish(.rejected, moment, &$1) }
        case .losing: giveBack(moment, &effects) { $0.finish(else: .lost, moment, &$1) }
        case .changing: settleChanging(moment, &effects)
        case .adjusting: settleAdjusting(moment, &effects)
        case .paying: settlePaying(moment, &effects)
        case .securing:
            phase = .settled
            hasLost = false
            if isLive { tell(refund > refundTold ? .refundRequired : .confirmed, moment, &effects) }
            if !isLive { finish(else: .lost, moment, &effects) }
        case .renewing:
            phase = .settled
        case .cancelling:
            giveBack(moment, &effects) { order, effects in
                order.conclude(.released, moment, &effects)
            }
        case .expiring:
            giveBack(moment, &effects) { order, effects in
                // What is left, if anything, was paid and is kept for its shipment.
                order.isPaid = order.isLive
                order.conclude(.expired, moment, &effects)
            }
        case .moving: settleMoving(&effects)
        case .returning: settleReturning(moment, &effects)
        }
    }

    /// Gives back what is left over the goals, as where units were lost meanwhile; then the end.
    private mutating func giveBack(
        _ moment: OrderMoment, _ effects: inout OrderEffects,
        then end: (inout Order, inout OrderEffects) -> Void
    ) {
        trim(moment, &effects)
        if !isAsking { end(&self, &effects) }
    }

    private mutating func conclude(
        _ kind: OrderOutcomeKind, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        phase = .settled
        if !isLive { return finish(else: kind, moment, &effects) }
        tell(refund > refundTold ? .refundRequired : kind, moment, &effects)
    }

    private mutating func settlePlacing(_ moment: OrderMoment, _ effects: inout OrderEffects) {
        phase = .settled
        if hasLost || hasExpired { return }
        if !isLive { return finish(.rejected, moment, &effects) }
        tell(isWhole ? .reserved : .partiallyReserved, moment, &effects)
    }

    /// Whether warehouses keep or have sent all that was asked for.
    var isWhole: Bool { lines.allSatisfy { $0.reserved + $0.shipped >= $0.asked } }

    /// Either all that a change wants more is there, or the order stays as it was.
    private mutating func settleChanging(_ moment: OrderMoment, _ effects: inout OrderEffects) {
        if let before, mode != .partial, lines.contains(where: { $0.refusal != nil }) {
            for line in lines.indices {
                lines[line].asked = line < before.asked.count ? before.asked[line] : 0
            }
            deadline = before.deadline
        }
        for line in lines.indices { lines[line].goal = lines[line].asked }
        begin(.adjusting)
        trim(moment, &effects)
    }

    private mutating func settleAdjusting(_ moment: OrderMoment, _ effects: inout OrderEffects) {
        trim(moment, &effects)
        extend(to: deadline.after(moment.settings.grace), ofPaid: false, moment, &effects)
        if isAsking { return }
        before = nil
        phase = .settled
        if hasLost || hasExpired { return }
        if isLive { tell(.changed, moment, &effects) } else { finish(else: .released, moment, &effects) }
    }

    private mutating func settlePaying(_ moment: OrderMoment, _ effects: inout OrderEffects) {
        ship(moment, &effects)
        if isAsking { return }
        phase = .settled
        (hasLost, hasExpired, hasFilled) = (false, hasExpired && isLive && !isPaid, false)
        if !isLive { return finish(else: .lost, moment, &effects) }
        // What is paid and only backordered is no news yet.
        if refund > refundTold {
            tell(.refundRequired, moment, &effects)
        } else if shipped > shippedTold {
            tell(.confirmed, moment, &effects)
        }
    }
}

extension Order.Line {
    /// The units that it has and that were not paid.
    fileprivate var unpaid: Int64 { max(0, shipped + held + refund - paid) }
}

extension OrderEvent {
    /// The lines that it names and that the order must have.
    fileprivate var units: [LineUnits]? {
        switch body {
        case .paid(let units), .cancelled(let units), .shipped(let units): units
        case .placed, .changed, .reallocate: nil
        }
    }
}
