import InventoryCore

/// What the stock processor's words do to an order.
extension Order {
    /// - Parameter at: the time of the reply's record.
    package mutating func handle(
        _ reply: OrderReply, at: Timestamp, _ settings: OrderSettings, into effects: inout OrderEffects
    ) {
        let moment = OrderMoment(at: at, settings: settings)
        switch reply {
        case .result(let outcome): heed(outcome, moment, &effects)
        case .notice(let notice): heed(notice)
        }
        proceed(moment, &effects)
    }

    /// The command that gives back what was granted to nobody: to an order that is not known (any more), or for a
    /// command that was answered otherwise before; nil where nothing was granted.
    ///
    /// It does not say when it was issued: it is of the whole reservation, so that it may be decided again without harm, and
    /// must be decided however late the grant is read.
    package static func release(ofStray outcome: Outcome) -> Command? {
        guard let id = outcome.reservationID, outcome.command == .reserve else { return nil }
        switch outcome.kind {
        case .reserved, .partiallyReserved, .backordered:
            return Command(
                id: "\(id)/release-0", sku: outcome.sku, body: .release(reservationID: id, quantity: nil))
        default: return nil
        }
    }

    /// - Parameter sku: of the reservation. One of another SKU than the line's may have the name, and is nobody's.
    private func place(of reservationID: ID, _ sku: ID) -> (line: Int, claim: Int)? {
        guard let address = OrderAddress(reservationID: reservationID), address.orderID == id,
            address.partition == partition, lines.indices.contains(address.line - 1),
            lines[address.line - 1].sku == sku,
            let claim = lines[address.line - 1].claims.firstIndex(where: { $0.attempt == address.attempt })
        else { return nil }
        return (address.line - 1, claim)
    }

    private mutating func heed(
        _ outcome: Outcome, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        guard let reservation = outcome.reservationID else { return }
        guard let (line, claim) = place(of: reservation, outcome.sku) else {
            if let release = Self.release(ofStray: outcome) { effects.commands.append(release) }
            return
        }
        if let pending = lines[line].claims[claim].pending,
            outcome.commandID == commandID(line: line, claim: claim, pending)
        {
            lines[line].claims[claim].pending = nil
            lines[line].claims[claim].sequence = max(
                lines[line].claims[claim].sequence, outcome.sequence ?? 0)
            answer(outcome, pending, line, claim, moment, &effects)
        } else if outcome.kind == .expired {
            // The delay service's word, or what that found.
            guard lines[line].claims[claim].held > 0 else { return }
            empty(line, claim)
            hasExpired = true
        } else if lines[line].claims[claim].isEmpty, let release = Self.release(ofStray: outcome) {
            effects.commands.append(release)
        }
    }

    private mutating func answer(
        _ outcome: Outcome, _ pending: Pending, _ line: Int, _ claim: Int, _ moment: OrderMoment,
        _ effects: inout OrderEffects
    ) {
        if outcome.rejection == .commandTooOld {
            return askAnew(pending, line, claim, moment, &effects)
        }
        if let doubt = lines[line].claims[claim].doubt {
            lines[line].claims[claim].doubt = nil
            return settle(doubt, by: outcome, pending, line, claim, moment, &effects)
        }
        switch (pending.verb, outcome.kind) {
        case (.reserve, .reserved), (.reserve, .partiallyReserved), (.reserve, .backordered):
            lines[line].claims[claim].parts = outcome.allocations
            lines[line].claims[claim].backordered = outcome.backordered
            lines[line].claims[claim].expiresAt = outcome.expiresAt
            if phase == .busy(.refusing) { trim(moment, &effects) }
        case (.reserve, _):
            if outcome.rejection == .expiryOutOfRange, let asked = pending.expiresAt, asked > deadline {
                // A reservation may live as long as the order, and not longer.
                var again = pending
                again.expiresAt = deadline
                return send(again, line: line, claim: claim, moment, &effects)
            }
            lines[line].refusal = outcome.rejection ?? .insufficientStock
            guard phase == .busy(.placing), mode != .partial else { return }
            // What was granted goes back at once, and what is still granted, as it comes.
            phase = .busy(.refusing)
            for line in lines.indices { lines[line].goal = 0 }
            trim(moment, &effects)
        case (.confirm, .confirmed):
            shipped(outcome.allocations, pending, line)
            take(outcome, line, claim)
            if outcome.isReacquired { hasExpired = false }
        case (.release, .released):
            take(outcome, line, claim)
        case (.extend, .extended):
            lines[line].claims[claim].expiresAt = outcome.expiresAt
        case (.move, _) where phase == .busy(.paying):
            switch outcome.rejection {
            case nil, .allocationMismatch, .insufficientStock, .warehouseInactive:
                answerBring(outcome, pending, line, claim)
            default:
                refuse(outcome, pending, line, claim, moment, &effects)
            }
        case (.move, _):
            answerMove(outcome, pending, line, claim, moment, &effects)
        default:
            refuse(outcome, pending, line, claim, moment, &effects)
        }
    }

    /// A command about a reservation of ours was not carried out.
    mutating func refuse(
        _ outcome: Outcome, _ pending: Pending, _ line: Int, _ claim: Int, _ moment: OrderMoment,
        _ effects: inout OrderEffects
    ) {
        let claimed = lines[line].claims[claim]
        switch outcome.rejection {
        case .quantityExceedsReserved, .backorderUnfilled:
            // Units were lost meanwhile. What is left is looked at again; but where nothing was told of that, first asked.
            let units = pending.verb == .confirm ? claimed.units : claimed.held
            if claimed.held > 0, pending.quantity ?? 0 <= units {
                ask(howManyFor: Pending(pending.verb), line, claim, moment, &effects)
            }
        case .allocationMismatch where pending.warehouse != nil:
            pending.warehouse.map { forgetPlace($0, line) }
        case .expiryOutOfRange where pending.verb == .extend:
            if phase == .busy(.adjusting), let asked = pending.expiresAt, asked > deadline {
                return send(Pending(.extend, expiresAt: deadline), line: line, claim: claim, moment, &effects)
            }
            // It lives as long as it did. That is not asked for again, but by the next renewal.
            if phase != .busy(.renewing) { lines[line].refusal = .expiryOutOfRange }
            lines[line].claims[claim].expiresAt = pending.expiresAt
            if let before { deadline = before.deadline }
        case .reservationNotFound where pending.verb == .confirm && asks > 0:
            // It may have shipped, and nobody remembers: a person must look.
            isStuck = true
            lines[line].claims[claim].pending = pending
        case .reservationConfirmed:
            lines[line].shipments.add(claimed.parts)
            empty(line, claim)
        case .reservationExpired where pending.warehouse != nil:
            // The units are not to be had again where their parcel has left; perhaps they are elsewhere.
            pending.warehouse.map { forgetPlace($0, line) }
            send(Pending(.confirm, quantity: pending.quantity), line: line, claim: claim, moment, &effects)
        case .reservationExpired:
            empty(line, claim)
            if pending.verb != .release { hasExpired = true }
        case .reservationLost, .reservationReleased, .reservationNotFound, .generationMismatch, .skuRetired:
            empty(line, claim)
            if pending.verb != .release { hasLost = true }
        default:
            isStuck = true
            lines[line].claims[claim].pending = pending
        }
    }

    // MARK: Doubt

    /// A command came too late for the stock to know whether it was decided before. What its reservation makes whole may be
    /// decided twice: it is asked again under a new number, undated, so that it is decided. Of a part nobody knows whether
    /// it is done, so that is asked first.
    private mutating func askAnew(
        _ pending: Pending, _ line: Int, _ claim: Int, _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        let isPart = pending.quantity != nil && (pending.verb == .confirm || pending.verb == .release)
        if isPart, lines[line].claims[claim].held > 0 {
            ask(howManyFor: pending, line, claim, moment, &effects)
        } else {
            send(pending, isDated: false, line: line, claim: claim, moment, &effects)
        }
    }

    /// Asks how many units a reservation has: an extension to the end that it has says so, and changes nothing.
    private mutating func ask(
        howManyFor doubt: Pending, _ line: Int, _ claim: Int, _ moment: OrderMoment,
        _ effects: inout OrderEffects
    ) {
        lines[line].claims[claim].doubt = doubt
        let end = lines[line].claims[claim].expiresAt ?? lifetime(moment)
        send(
            Pending(.extend, expiresAt: end), isDated: false, line: line, claim: claim, moment, &effects)
    }

    /// - Parameter doubt: of which the stock says now how many units it has left; it has no quantity where it did nothing.
    private mutating func settle(
        _ doubt: Pending, by outcome: Outcome, _ pending: Pending, _ line: Int, _ claim: Int,
        _ moment: OrderMoment, _ effects: inout OrderEffects
    ) {
        switch outcome.rejection {
        case nil: lines[line].claims[claim].expiresAt = outcome.expiresAt ?? pending.expiresAt
        case .expiryOutOfRange:
            // The settings have refused a longer life before, so the end that it has is not known. Another one will do.
            if let asked = pending.expiresAt, let end = nearerEnd(than: asked, moment) {
                lines[line].claims[claim].doubt = doubt
                return send(
                    Pending(.extend, expiresAt: end), isDated: false, line: line, claim: claim, moment,
                    &effects)
            }
            // It has expired meanwhile, and only a shipment may still be unknown.
            if lines[line].claims[claim].held == 0, doubt.verb != .confirm || doubt.quantity == nil { return }
            // A person must look.
            isStuck = true
            lines[line].claims[claim].doubt = doubt
            lines[line].claims[claim].pending = pending
            return
        case .reservationReleased where doubt.verb == .release:
            return empty(line, claim)
        default:
            return refuse(outcome, pending, line, claim, moment, &effects)
        }
        let gone = max(0, lines[line].claims[claim].held - outcome.quantity)
        if gone == 0, doubt.quantity != nil {
            // It was not carried out.
            return send(doubt, isDated: false, line: line, claim: claim, moment, &effects)
        }
        let done = min(gone, doubt.quantity ?? 0)
        if doubt.verb == .confirm {
            let units = first(done, of: lines[line].claims[claim].parts, in: doubt.warehouse)
            shipped(units, doubt, line)
            lines[line].claims[claim].parts.take(units)
        } else {
            drop(done, line, claim)
        }
        drop(gone - done, line, claim)
        if gone > done { hasLost = true }
    }

    /// An end that the settings may allow where they have refused `asked`; nil where there is none.
    private func nearerEnd(than asked: Timestamp, _ moment: OrderMoment) -> Timestamp? {
        let known = [lifetime(moment), deadline].first { moment.at < $0 && $0 < asked }
        let half = (asked.milliseconds - moment.at.milliseconds) / 2
        return known ?? (half > 0 ? moment.at.after(half) : nil)
    }

    /// The units that a shipment takes.
    private func first(_ units: Int64, of parts: [Allocation], in warehouse: ID?) -> [Allocation] {
        var left = units
        var taken: [Allocation] = []
        for part in parts where left > 0 && (warehouse ?? part.warehouse) == part.warehouse {
            taken.append(Allocation(warehouse: part.warehouse, quantity: min(left, part.quantity)))
            left -= min(left, part.quantity)
        }
        return taken
    }

    /// Units go as a release takes them: what is backordered first, then from the last warehouse back.
    private mutating func drop(_ units: Int64, _ line: Int, _ claim: Int) {
        let backordered = min(units, lines[line].claims[claim].backordered)
        lines[line].claims[claim].backordered -= backordered
        var left = units - backordered
        for part in lines[line].claims[claim].parts.reversed() where left > 0 {
            let some = min(left, part.quantity)
            lines[line].claims[claim].parts.take([Allocation(warehouse: part.warehouse, quantity: some)])
            left -= some
        }
    }

    private mutating func empty(_ line: Int, _ claim: Int) {
        lines[line].claims[claim].parts = []
        lines[line].claims[claim].partsBefore = []
        lines[line].claims[claim].befell = []
        lines[line].claims[claim].backordered = 0
    }

    private mutating func take(_ outcome: Outcome, _ line: Int, _ claim: Int) {
        if outcome.remaining ?? 0 == 0 { return empty(line, claim) }
        lines[line].claims[claim].parts.take(outcome.allocations)
        lines[line].claims[claim].backordered -= min(
            outcome.backordered, lines[line].claims[claim].backordered)
    }

    private mutating func heed(_ notice: Notice) {
        guard let (line, claim) = place(of: notice.reservationID, notice.sku),
            lines[line].claims[claim].held > 0,
            lines[line].claims[claim].sequence < notice.sequence
        else { return }
        lines[line].claims[claim].sequence = notice.sequence
        let befallen = Befallen(
            sequence: notice.sequence, quantity: notice.quantity, formerly: notice.formerly,
            warehouse: notice.warehouse)
        lines[line].claims[claim].parts.shift(befallen)
        if lines[line].claims[claim].pending?.verb == .move {
            lines[line].claims[claim].befell.append(befallen)
        }
        switch notice.kind {
        case .reservationLost: hasLost = true
        case .reservationMoved: hasMoved = true
        case .backorderFilled:
            lines[line].claims[claim].backordered -= min(
                notice.quantity, lines[line].claims[claim].backordered)
            hasFilled = true
        }
    }

    // MARK: What befell its reservations

    /// - Returns: whether there was something.
    mutating func heedWhatBefell(
        _ moment: OrderMoment, _ effects: inout OrderEffects
    ) -> Bool {
        if hasExpired {
            hasExpired = false
            if isPaid, isLive { hasLost = true } else { expire(moment, &effects) }
            return true
        }
        if hasLost {
            (hasLost, hasMoved) = (false, false)
            account()
            if !isLive {
                finish(else: .lost, moment, &effects)
            } else if mode == .allOrNothing, !isPaidInPart, !isWhole {
                for line in lines.indices { lines[line].goal = 0 }
                begin(.losing)
                trim(moment, &effects)
            } else {
                tell(refund > refundTold ? .refundRequired : .lost, moment, &effects)
            }
            return true
        }
        if hasFilled {
            hasFilled = false
            if canShip(moment.settings) {
                begin(.paying)
                ship(moment, &effects)
            } else if lines.allSatisfy({ $0.backordered == 0 }) {
                tell(
                    isPaidInPart ? .confirmed : isWhole ? .reserved : .partiallyReserved, moment, &effects)
            }
            return true
        }
        guard hasMoved else { return false }
        tell(.changed, moment, &effects)
        return true
    }
}
