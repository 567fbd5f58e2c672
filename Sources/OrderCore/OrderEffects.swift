import InventoryCore

/// What follows from an event, a reply or a moment, besides the order's next state.
package struct OrderEffects: Sendable {
    /// An event that the order cannot heed and that a person must look at.
    package struct Refused: Equatable, Sendable {
        package var event: OrderEvent
        package var reason: OrderRefusal
    }

    package var commands: [Command] = []
    package var outcomes: [OrderOutcome] = []
    /// The answers to events that did nothing, and those of them that are dead letters as well.
    package var answers: [OrderAnswer] = []
    package var refused: [Refused] = []
    /// Events that came before, and events that have no effect on the order as it is.
    package var repeats = 0
    package var ignored = 0
    /// What became of the optimizer's proposals.
    package var proposals: [ProposalResult: Int] = [:]

    package init() {}
}

/// What became of a proposal of the optimizer.
package enum ProposalResult: String, CaseIterable, Sendable {
    /// All of its lines have moved.
    case taken
    /// A line could not be had, so that the others went back, or stayed where they had got to.
    case refused
    /// The order was another by then.
    case ignored
}

/// The moment and the settings by which an order goes on.
struct OrderMoment {
    /// The time of the record that is looked at.
    let at: Timestamp
    let settings: OrderSettings
}

/// What an order asks of the stock processor, and what it tells.
extension Order {
    /// Sends a command about a claim, which has none on its way.
    ///
    /// - Parameter isDated: whether it says when it was issued. Then the stock refuses it rather than decide it twice.
    mutating func send(
        _ pending: Pending, isDated: Bool = true, line: Int, claim: Int, _ moment: OrderMoment,
        _ effects: inout OrderEffects
    ) {
        precondition(lines[line].claims[claim].pending == nil, "order \(id) asks twice at once")
        var pending = pending
        pending.issuedAt = isDated ? moment.at : nil
        lines[line].claims[claim].pending = pending
        // Beyond it the id stays, so that the stock refuses it, and a person must look.
        lines[line].claims[claim].commands = min(lines[line].claims[claim].commands + 1, OrderLimits.commands)
        askedAt = moment.at
        effects.commands.append(command(line: line, claim: claim, pending))
    }

    /// The command that a claim waits for, the same whenever it is sent again.
    func command(line: Int, claim: Int, _ pending: Pending) -> Command {
        let reservation = reservationID(line: line, claim: claim)
        let body: Command.Body
        switch pending.verb {
        case .reserve:
            let named = lines[line].warehouse
            body = .reserve(
                Command.Reserve(
                    reservationID: reservation, orderID: id, quantity: pending.quantity ?? 0,
                    warehouse: named, expiry: pending.expiresAt.map { .at($0) } ?? .standard,
                    strategy: named == nil ? strategy : nil, allowPartial: mode == .partial,
                    allowSplit: allowSplit, allowBackorder: mode == .wait, channel: channel, shipTo: shipTo,
                    deliverWithinHours: deliverWithinHours))
        case .confirm:
            body = .confirm(
                reservationID: reservation, quantity: pending.quantity, warehouse: pending.warehouse)
        case .release: body = .release(reservationID: reservation, quantity: pending.quantity)
        case .extend:
            body = .extend(
                reservationID: reservation, expiry: pending.expiresAt.map { .at($0) } ?? .standard)
        case .move: body = .reallocate(reservationID: reservation, allocations: pending.allocations)
        }
        return Command(
            id: commandID(line: line, claim: claim, pending), sku: lines[line].sku,
            issuedAt: pending.issuedAt, body: body)
    }

    /// Derived from order, line, attempt and the commands before: a repeat is a duplicate for the stock processor.
    func commandID(line: Int, claim: Int, _ pending: Pending) -> ID {
        address(line: line, claim: claim).commandID(pending.verb, lines[line].claims[claim].commands)
    }

    func reservationID(line: Int, claim: Int) -> ID { address(line: line, claim: claim).reservationID }

    private func address(line: Int, claim: Int) -> OrderAddress {
        OrderAddress(
            partition: partition, orderID: id, line: line + 1, attempt: lines[line].claims[claim].attempt)
    }

    /// Claims units for a line.
    mutating func reserve(
        _ quantity: Int64, line: Int, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        lines[line].claims.removeAll { $0.isEmpty }
        lines[line].attempts += 1
        lines[line].claims.append(Claim(attempt: lines[line].attempts))
        send(
            Pending(.reserve, quantity: quantity, expiresAt: lifetime(moment)), line: line,
            claim: lines[line].claims.count - 1, moment, &effects)
    }

    /// Gives back what lines have over their goals: what is backordered first, then from the newest reservation back.
    mutating func trim(_ moment: OrderMoment, _ effects: inout OrderEffects) {
        for line in lines.indices {
            var excess = lines[line].held + lines[line].shipped - lines[line].goal
            if excess <= 0 { continue }
            var units = lines[line].claims.map { _ in 0 as Int64 }
            for isBackordered in [true, false] {
                for claim in units.indices.reversed() where excess > 0 {
                    let claimed = lines[line].claims[claim]
                    let taken = min(isBackordered ? claimed.backordered : claimed.units, excess)
                    units[claim] += taken
                    excess -= taken
                }
            }
            for claim in units.indices.reversed() where units[claim] > 0 {
                guard lines[line].claims[claim].pending == nil else { continue }
                let isWhole = units[claim] == lines[line].claims[claim].held
                send(
                    Pending(.release, quantity: isWhole ? nil : units[claim]), line: line, claim: claim,
                    moment, &effects)
            }
        }
    }

    /// Until when a reservation is to live: longer than the order by the grace, but for that no longer than a reservation
    /// may where the settings say nothing else.
    func lifetime(_ moment: OrderMoment) -> Timestamp {
        let longest = moment.at.after(Limits.standardLongestTTL)
        let wanted = deadline.after(moment.settings.grace)
        return deadline <= longest ? min(wanted, longest) : wanted
    }

    /// Carries an expiry to every reservation, or to those of paid lines, that has another.
    mutating func extend(
        to expiresAt: Timestamp, ofPaid: Bool, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        for line in lines.indices where !ofPaid || lines[line].owed > 0 {
            for claim in lines[line].claims.indices {
                let claimed = lines[line].claims[claim]
                guard claimed.pending == nil, claimed.held > 0, claimed.expiresAt != expiresAt else {
                    continue
                }
                send(Pending(.extend, expiresAt: expiresAt), line: line, claim: claim, moment, &effects)
            }
        }
    }

    /// Carries the deadline to every reservation whose end lies elsewhere; those of paid lines stay as long as they do.
    mutating func carryDeadline(_ moment: OrderMoment, _ effects: inout OrderEffects) {
        let (wanted, expiresAt) = (deadline.after(moment.settings.grace), lifetime(moment))
        for line in lines.indices where securedUntil == nil || lines[line].owed == 0 {
            for claim in lines[line].claims.indices {
                let claimed = lines[line].claims[claim]
                guard claimed.pending == nil, claimed.held > 0, let end = claimed.expiresAt, end != wanted,
                    end != deadline, expiresAt == wanted || !(deadline...wanted).contains(end)
                else { continue }
                send(Pending(.extend, expiresAt: expiresAt), line: line, claim: claim, moment, &effects)
            }
        }
    }

    mutating func begin(_ work: Work) {
        phase = .busy(work)
        asks = 0
        isStuck = false
    }

    /// Tells how the order stands.
    mutating func tell(
        _ kind: OrderOutcomeKind, isFinal: Bool = false, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        account()
        version += 1
        if isFinal {
            precondition(finalKind == nil, "order \(id) ends twice")
            finalKind = kind
        }
        effects.outcomes.append(
            OrderOutcome(
                orderID: id, version: version, kind: kind, isFinal: isFinal, mode: mode,
                allowSplit: allowSplit, shipTo: shipTo, deliverWithinHours: deliverWithinHours,
                lines: lines.map { Self.told($0, isRejected: kind == .rejected) }, unreadable: unreadable,
                deadline: deadline, at: moment.at))
        (shippedTold, hasMoved, owesAnswer) = (shipped, false, false)
        let isOffer = isLive && kind != .rejected && moment.at <= deadline
        for line in lines.indices {
            lines[line].refusal = nil
            lines[line].refundTold = lines[line].refund
            if isOffer { lines[line].offered = lines[line].unpaid }
        }
    }

    /// - Parameter isRejected: then nothing is kept for it, though units may be on their way back.
    private static func told(_ line: Line, isRejected: Bool) -> OrderOutcome.Line {
        if isRejected {
            return OrderOutcome.Line(
                sku: line.sku, warehouse: line.warehouse, quantity: line.asked, reason: line.refusal)
        }
        var allocations: [Allocation] = []
        for claim in line.claims { allocations.add(claim.parts) }
        return OrderOutcome.Line(
            sku: line.sku, warehouse: line.warehouse, quantity: line.asked, reserved: line.reserved,
            backordered: line.backordered, allocations: allocations, paid: line.paid, shipped: line.shipped,
            shipments: line.shipments, refund: line.refund, refundAdded: line.refund - line.refundTold,
            reason: line.refusal)
    }

    /// Tells the end, unless that was told; nothing of the order is left in stock.
    mutating func finish(
        _ kind: OrderOutcomeKind, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        if finalKind == nil { tell(kind, isFinal: true, moment, &effects) }
        phase = .ended(finalKind ?? kind, at: moment.at)
    }

    /// The end of an order that has nothing reserved any more: what was paid and cannot be had comes first, then what
    /// shipped.
    mutating func finish(
        else kind: OrderOutcomeKind, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        account()
        finish(refund > 0 ? .refundRequired : hasShipped ? .confirmed : kind, moment, &effects)
    }
}

extension Timestamp {
    func after(_ milliseconds: Int64) -> Timestamp {
        Timestamp(milliseconds: min(Limits.latestTime, self.milliseconds + milliseconds))
    }
}

extension [Allocation] {
    var units: Int64 { reduce(0) { $0 + $1.quantity } }

    /// Adds units, one element for each warehouse.
    mutating func add(_ others: [Allocation]) {
        for other in others {
            if let place = firstIndex(where: { $0.warehouse == other.warehouse }) {
                self[place].quantity += other.quantity
            } else {
                append(other)
            }
        }
    }

    /// What the stock did by itself.
    mutating func shift(_ units: Order.Befallen) {
        if let warehouse = units.formerly {
            take([Allocation(warehouse: warehouse, quantity: units.quantity)])
        }
        if let warehouse = units.warehouse {
            add([Allocation(warehouse: warehouse, quantity: units.quantity)])
        }
    }

    /// Takes units as far as they are there.
    mutating func take(_ others: [Allocation]) {
        for other in others {
            guard let place = firstIndex(where: { $0.warehouse == other.warehouse }) else { continue }
            self[place].quantity -= other.quantity
            if self[place].quantity <= 0 { remove(at: place) }
        }
    }
}
