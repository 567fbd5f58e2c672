import InventoryCore

/// What events do to an order. The rules stand as a table in docs/orders.md.
extension Order {
    /// Heeds an event now, or keeps it until the order can.
    package mutating func handle(
        _ event: OrderEvent, _ settings: OrderSettings, into effects: inout OrderEffects
    ) {
        let moment = OrderMoment(at: event.at, settings: settings)
        guard remember(event, moment, &effects) else { return }
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

    /// Heeds what could not be read. An order that is placed so is rejected, and its payments must go back; an event of a
    /// known order is answered. The record is a dead letter besides.
    package mutating func handle(
        _ event: UnreadableEvent, _ settings: OrderSettings, into effects: inout OrderEffects
    ) {
        let moment = OrderMoment(at: event.at, settings: settings)
        guard case .unknown = phase else {
            let isNews = hasUnreadLines || lines.contains { $0.offered > 0 }
            if event.kind == .paid, unreadable != nil, !hasRefundedUnread, isNews {
                // Nobody can say how many units: then it is the whole.
                for line in lines.indices where !hasUnreadLines {
                    lines[line].paid += lines[line].offered
                    lines[line].offered = 0
                }
                hasRefundedUnread = true
                tell(.refundRequired, moment, &effects)
                return checkBooks()
            }
            effects.answers.append(
                OrderAnswer(
                    orderID: id, eventID: event.id, event: event.kind, reason: .unreadable,
                    unreadable: event.why, at: event.at))
            return
        }
        guard event.kind == .placed else {
            if waiting.isEmpty { phase = .forgotten }
            return
        }
        unreadable = event.why
        deadline = event.at
        lines = event.lines.map { Line(sku: $0.sku, asked: $0.quantity) }
        hasUnreadLines = !event.hasAllLines
        finish(.rejected, moment, &effects)
        proceed(moment, &effects)
    }

    /// - Returns: false for an event that came before, or whose id did.
    private mutating func remember(
        _ event: OrderEvent, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) -> Bool {
        let new = Remembered(id: OrderEvent.hash(ofID: event.id), content: event.content)
        if let known = remembered.first(where: { $0.id == new.id }) {
            if known.content == new.content || known.content == 0 {
                effects.repeats += 1
            } else {
                // Nothing is to be forgotten: the id is that of the event which was heeded.
                effects.refused.append(.init(event: event, reason: .eventIDConflict))
                answer(event, .eventIDConflict, &effects)
            }
            return false
        }
        if remembered.count == OrderLimits.rememberedEvents { remembered.removeFirst() }
        remembered.append(new)
        return true
    }

    /// Says why an event did nothing; to nobody, while the order is not known.
    private func answer(_ event: OrderEvent, _ reason: OrderRefusal, _ effects: inout OrderEffects) {
        if case .unknown = phase { return }
        effects.answers.append(
            OrderAnswer(
                orderID: id, eventID: event.id, event: event.kind, reason: reason, at: event.at))
    }

    /// An event that the order has no use for.
    private mutating func decline(
        _ event: OrderEvent, _ reason: OrderRefusal, _ effects: inout OrderEffects
    ) {
        effects.ignored += 1
        answer(event, reason, &effects)
    }

    /// An event that is refused did nothing: it may be sent again, under its id.
    private mutating func refuse(
        _ event: OrderEvent, _ reason: OrderRefusal, _ effects: inout OrderEffects
    ) {
        effects.refused.append(.init(event: event, reason: reason))
        answer(event, reason, &effects)
        forget(event)
    }

    /// The event may be sent again, under its id.
    private mutating func forget(_ event: OrderEvent) {
        let hash = OrderEvent.hash(ofID: event.id)
        remembered.removeAll { $0.id == hash }
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
                lines[known].offered += line.quantity
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
        goOn(moment, &effects)
        if case .busy = phase { account() }
        checkBooks()
    }

    private mutating func goOn(_ moment: OrderMoment, _ effects: inout OrderEffects) {
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
        if names(unknownLine: event) { return refuse(event, .unknownLine, &effects) }
        switch event.body {
        case .placed:
            decline(event, .alreadyPlaced, &effects)
        case .paid(let units):
            if isPastDeadline(event, moment, &effects) { return }
            pay(units, event, moment, &effects)
        case .cancelled(let units):
            cancel(units, event, moment, &effects)
        case .changed(let change):
            if isPastDeadline(event, moment, &effects) { return }
            self.change(change, event, moment, &effects)
        case .reallocate(let proposal):
            move(proposal, moment, &effects)
        case .shipped(let units):
            take(parcel: units, event, moment, &effects)
        }
    }

    private func line(of sku: ID) -> Int? { lines.firstIndex { $0.sku == sku } }

    private func names(unknownLine event: OrderEvent) -> Bool {
        event.units?.contains { line(of: $0.sku) == nil } ?? false
    }

    /// Whether the deadline came first, whether the order was told of it or not; then it has its way, and the event comes
    /// after it.
    private mutating func isPastDeadline(
        _ event: OrderEvent, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) -> Bool {
        guard event.at > deadline, lines.contains(where: { $0.unpaid > 0 }) else { return false }
        waiting.insert(event, at: 0)
        expire(moment, &effects)
        return true
    }

    // MARK: Payments

    /// Counts a payment to the unit. Units that are not there any more go back as money.
    ///
    /// - Parameter namesUnread: whether it pays the whole of a line that could not be read.
    private mutating func pay(
        _ units: [LineUnits], namesUnread: Bool = false, _ event: OrderEvent, _ moment: OrderMoment,
        _ effects: inout OrderEffects
    ) {
        // Then it is told without units.
        let isWholeUnread = units.isEmpty && hasUnreadLines
        var counted: [(line: Int, units: Int64)] = []
        for line in lines.indices where units.isEmpty && !isWholeUnread {
            counted.append((line, payable(line, event)))
        }
        for unit in units {
            guard let line = line(of: unit.sku) else { continue }
            counted.append((line, unit.quantity ?? payable(line, event)))
        }
        let isUnread = namesUnread || isWholeUnread && !hasRefundedUnread
        guard isUnread || counted.contains(where: { $0.units > 0 }) else {
            return decline(event, .nothingToPay, &effects)
        }
        for (line, units) in counted {
            lines[line].paid += units
            lines[line].offered = max(0, lines[line].offered - units)
        }
        if case .ended = phase {
            hasRefundedUnread = hasRefundedUnread || isWholeUnread
            account()
            if isUnread || refund > refundTold { return tell(.refundRequired, moment, &effects) }
            // It is for units that have shipped unpaid.
            return decline(event, .alreadyShipped, &effects)
        }
        owesAnswer = true
        if moment.settings.shipsOnShipped {
            begin(.securing)
            let expiresAt = moment.at.after(moment.settings.shipWithin)
            securedUntil = expiresAt
            extend(to: expiresAt, ofPaid: true, moment, &effects)
        } else {
            begin(.paying)
            ship(moment, &effects)
        }
    }

    /// The units that a payment of the whole line is for: what is claimed and not paid; and when that has gone back, what
    /// it was.
    private func payable(_ line: Int, _ event: OrderEvent) -> Int64 {
        var isOver = event.at > deadline
        if case .ended = phase { isOver = true }
        return isOver ? max(lines[line].unpaid, lines[line].offered) : lines[line].unpaid
    }

    // MARK: Parcels

    /// Counts a parcel, each once; and ships what it has of units that are there.
    private mutating func take(
        parcel units: [LineUnits], _ event: OrderEvent, _ moment: OrderMoment,
        _ effects: inout OrderEffects
    ) {
        guard isPaidInPart else {
            decline(event, .notPaid, &effects)
            // It did nothing, and it is right as soon as the order is paid.
            return forget(event)
        }
        let before = lines.map(\.dueParcels)
        var isNews = false
        for line in lines.indices where units.isEmpty { count(parcel: nil, nil, line, &isNews) }
        for unit in units {
            guard let line = line(of: unit.sku) else { continue }
            count(parcel: unit.quantity, unit.warehouse, line, &isNews)
        }
        guard canShip(moment.settings) || zip(before, lines).contains(where: { $0 < $1.dueParcels }) else {
            let isUnpaid = isNews && lines.contains { $0.parcels > $0.shipped }
            return decline(event, isUnpaid ? .notPaid : .alreadyShipped, &effects)
        }
        owesAnswer = true
        begin(.paying)
        ship(moment, &effects)
    }

    /// - Parameters: nil for all units that were paid, and for whichever warehouse.
    private mutating func count(
        parcel units: Int64?, _ warehouse: ID?, _ line: Int, _ isNews: inout Bool
    ) {
        let (before, paid) = (lines[line].parcels, lines[line].paid - lines[line].refund)
        let most = max(lines[line].asked, paid, lines[line].shipped, before)
        lines[line].parcels = min(most, units.map { before + $0 } ?? max(before, paid))
        let added = lines[line].parcels - before
        if added == 0 { return }
        isNews = true
        // What has left the books already left them from where it was.
        let due = lines[line].parcels - max(before, lines[line].shipped)
        if let warehouse, due > 0 {
            lines[line].parcelsFrom.add([Allocation(warehouse: warehouse, quantity: min(added, due))])
        }
    }

    // MARK: Cancellations and changes

    /// Takes from what is missing first, then from what is not paid; and nothing that is in a parcel.
    private mutating func cancel(
        _ units: [LineUnits], _ event: OrderEvent, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        var isNews = false
        for line in lines.indices where units.isEmpty {
            let free = lines[line].held - min(lines[line].held, lines[line].dueParcels)
            lines[line].goal = lines[line].shipped + lines[line].held - free
            isNews = isNews || free > 0
        }
        for unit in units {
            guard let line = line(of: unit.sku) else { continue }
            let (held, missing) = (lines[line].held, lines[line].missing)
            let free = held - min(held, lines[line].dueParcels)
            let wanted = unit.quantity ?? missing + free
            let ofMissing = min(wanted, missing)
            let ofHeld = min(wanted - ofMissing, free)
            lines[line].asked -= min(lines[line].asked, ofMissing + ofHeld)
            lines[line].goal = lines[line].shipped + held - ofHeld
            isNews = isNews || ofMissing + ofHeld > 0
        }
        guard isNews else { return decline(event, .nothingToCancel, &effects) }
        owesAnswer = true
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
        guard next > moment.at, event.at <= deadline else {
            refuse(event, .pastDeadline, &effects)
            return
        }
        let isBelowPaid = change.lines.contains { changed in
            line(of: changed.sku).map { changed.quantity < lines[$0].paid - lines[$0].refund } ?? false
        }
        if isBelowPaid { return decline(event, .unitsPaid, &effects) }
        let isElsewhere = change.lines.contains { changed in
            guard changed.quantity > 0, let warehouse = changed.warehouse, let line = line(of: changed.sku)
            else { return false }
            return lines[line].warehouse != warehouse
        }
        if isElsewhere { return decline(event, .otherWarehouse, &effects) }
        owesAnswer = true
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

    /// The deadline has passed: what is not paid goes back; and what was paid and is still backordered, unless it is in a
    /// parcel.
    ///
    /// - Parameter keepsParcels: whether units that the stock does not have are waited for, because they have left it.
    mutating func expire(
        keepsParcels: Bool = true, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        for line in lines.indices {
            lines[line].goal = lines[line].shipped + kept(line, keepsParcels: keepsParcels, moment)
        }
        begin(.expiring)
        trim(moment, &effects)
    }

    /// The units of a line that are kept beyond the deadline.
    func kept(_ line: Int, keepsParcels: Bool = true, _ moment: OrderMoment) -> Int64 {
        let books = lines[line]
        let parcels = keepsParcels ? min(books.held, books.dueParcels) : 0
        guard moment.settings.shipsOnShipped else { return parcels }
        return min(books.owed, books.reserved + min(books.backordered, parcels))
    }

    /// An event of an order that has ended: only a payment matters, which must go back.
    private mutating func heedLate(
        _ event: OrderEvent, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        var namesUnread = false
        if unreadable != nil, case .paid(let units) = event.body {
            for unit in units where line(of: unit.sku) == nil && lines.count < OrderLimits.lines {
                lines.append(Line(sku: unit.sku, asked: 0))
                namesUnread = namesUnread || unit.quantity == nil
            }
        }
        if names(unknownLine: event) { return refuse(event, .unknownLine, &effects) }
        switch event.body {
        case .paid(let units): pay(units, namesUnread: namesUnread, event, moment, &effects)
        case .placed: decline(event, .alreadyPlaced, &effects)
        case .shipped where hasShipped: decline(event, .alreadyShipped, &effects)
        case .cancelled, .changed, .shipped: decline(event, .orderEnded, &effects)
        case .reallocate: ignore(&effects)
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
            // What is in a parcel has waited for its payment.
            if canShip(moment.settings) {
                begin(.paying)
                ship(moment, &effects)
            } else {
                conclude(.confirmed, else: .lost, moment, &effects)
            }
        case .renewing:
            phase = .settled
        case .cancelling:
            giveBack(moment, &effects) { $0.conclude(.released, else: .released, moment, &$1) }
        case .expiring:
            // What is left, if anything, was paid and is kept for its shipment.
            giveBack(moment, &effects) { $0.conclude(.expired, else: .expired, moment, &$1) }
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
        _ kind: OrderOutcomeKind, else end: OrderOutcomeKind, _ moment: OrderMoment,
        _ effects: inout OrderEffects
    ) {
        phase = .settled
        account()
        if !isLive { return finish(else: end, moment, &effects) }
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
        for line in lines.indices {
            lines[line].goal = max(lines[line].asked, lines[line].shipped + lines[line].owed)
        }
        begin(.adjusting)
        trim(moment, &effects)
    }

    private mutating func settleAdjusting(_ moment: OrderMoment, _ effects: inout OrderEffects) {
        trim(moment, &effects)
        carryDeadline(moment, &effects)
        if isAsking { return }
        before = nil
        phase = .settled
        if hasLost || hasExpired { return }
        conclude(.changed, else: .released, moment, &effects)
    }

    private mutating func settlePaying(_ moment: OrderMoment, _ effects: inout OrderEffects) {
        ship(moment, &effects)
        if isAsking { return }
        phase = .settled
        account()
        (hasLost, hasExpired, hasFilled) = (false, hasExpired && isLive && !isPaid, false)
        if !isLive { return finish(else: .lost, moment, &effects) }
        if refund > refundTold {
            tell(.refundRequired, moment, &effects)
        } else if shipped > shippedTold || owesAnswer {
            tell(.confirmed, moment, &effects)
        }
    }
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
