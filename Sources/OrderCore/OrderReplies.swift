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
        switch (pending.verb, outcome.kind) {
        case (.reserve, .reserved), (.reserve, .partiallyReserved), (.reserve, .backordered):
            lines[line].claims[claim].parts = outcome.allocations
            lines[line].claims[claim].backordered = outcome.backordered
            lines[line].claims[claim].expiresAt = outcome.expiresAt
            if phase == .busy(.refusing) { trim(moment, &effects) }
        case (.reserve, _):
            lines[line].refusal = outcome.rejection ?? .insufficientStock
            guard phase == .busy(.placing), mode != .partial else { return }
            // What was granted goes back at once, and what is still granted, as it comes.
            phase = .busy(.refusing)
            for line in lines.indices { lines[line].goal = 0 }
            trim(moment, &effects)
        case (.confirm, .confirmed):
            lines[line].shipments.add(outcome.allocations)
            take(outcome, line, claim)
            if outcome.isReacquired { hasExpired = false }
        case (.release, .released):
            take(outcome, line, claim)
        case (.extend, .extended):
            lines[line].claims[claim].expiresAt = outcome.expiresAt
        case (.move, _):
            answerMove(outcome, pending, line, claim, moment, &effects)
        default:
            refuse(outcome, pending, line, claim)
        }
    }

    /// A command about a reservation of ours was not carried out.
    mutating func refuse(_ outcome: Outcome, _ pending: Pending, _ line: Int, _ claim: Int) {
        switch outcome.rejection {
        case .quantityExceedsReserved:
            // Units were lost meanwhile; what is left is looked at again, as a whole.
            lines[line].claims[claim].isShort = true
        case .expiryOutOfRange where pending.verb == .extend:
            // It lives as long as it did. That is not asked for again, but by the next renewal.
            if phase != .busy(.renewing) { lines[line].refusal = .expiryOutOfRange }
            lines[line].claims[claim].expiresAt = pending.expiresAt
            if let before { deadline = before.deadline }
        case .reservationNotFound where pending.verb == .confirm && asks > 0:
            // It may have shipped, and nobody remembers: a person must look.
            isStuck = true
            lines[line].claims[claim].pending = pending
        case .reservationConfirmed:
            lines[line].shipments.add(lines[line].claims[claim].parts)
            empty(line, claim)
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
            if !isLive {
                finish(else: .lost, moment, &effects)
            } else if mode == .allOrNothing, !isPaidInPart {
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
            if lines.contains(where: { $0.toShip > $0.shipped }) {
                begin(.paying)
                ship(moment, &effects)
            } else if lines.allSatisfy({ $0.backordered == 0 }) {
                tell(isWhole ? .reserved : .partiallyReserved, moment, &effects)
            }
            return true
        }
        guard hasMoved else { return false }
        tell(.changed, moment, &effects)
        return true
    }
}
