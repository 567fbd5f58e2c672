/// The rules. Pure: each function reads the state and returns what follows.
extension Stock {
    /// The next reservation of the command's SKU that is due at the record's time, as its expiry.
    func decideExpiry(_ cause: Cause) -> LedgerEntry? {
        guard let index = itemIndex(of: cause.command.sku),
            let due = items[index].dueTimes.first, due.expiresAt <= cause.at
        else { return nil }
        guard let reservation = reservations[due.reservationID], reservation.sequence == due.sequence else {
            preconditionFailure("the soonest due time of \(cause.command.sku) is stale")
        }
        return ending(reservation, .expire, cause)
    }

    /// Decides the command on a state in which nothing of its SKU is due.
    func decide(_ cause: Cause) -> Decision {
        let command = cause.command
        if let decided = window.decision(of: command.id) {
            return decided.isDecision(of: command)
                ? .answer(Outcome(of: decided, to: command, isDuplicate: true))
                : reject(.commandIDConflict, cause)
        }
        switch command.body {
        case .reserve(let id, let orderID, let quantity, let warehouse, let expiry):
            let request = ReserveRequest(
                id: id, orderID: orderID, quantity: quantity, warehouse: warehouse, expiry: expiry)
            return decideReserve(request, cause)
        case .confirm(let id):
            return decideEnding(of: id, by: .ship, cause)
        case .release(let id):
            return decideEnding(of: id, by: .release, cause)
        case .expire(let id):
            return .answer(answerExpire(of: id, cause))
        case .receive(let warehouse, let quantity, let reference):
            return decideReceive(quantity, in: warehouse, reference, cause)
        }
    }

    private func decideReserve(_ request: ReserveRequest, _ cause: Cause) -> Decision {
        if let live = reservations[request.id] {
            let isRepeat =
                items[live.item].sku == cause.command.sku && live.orderID == request.orderID
                && live.quantity == request.quantity
            return isRepeat
                ? .answer(Outcome(of: live, sku: cause.command.sku, to: cause.command))
                : reject(.reservationIDConflict, cause)
        }
        if window.ending(of: request.id) != nil { return reject(.reservationIDConflict, cause) }
        guard let expiresAt = request.expiresAt(from: cause.at) else {
            return reject(.expiryOutOfRange, cause)
        }
        guard let level = level(for: request, of: cause.command.sku) else {
            return reject(.insufficientStock, cause)
        }
        var entry = entry(.reserve, cause)
        entry.reservationID = request.id
        entry.orderID = request.orderID
        entry.warehouse = level.warehouse
        entry.quantity = request.quantity
        entry.expiresAt = expiresAt
        entry.reservedDelta = request.quantity
        entry.onHand = level.onHand
        entry.reserved = level.reserved + request.quantity
        return .entry(entry)
    }

    /// The level that serves the request: of the named warehouse, or else of the one with most available.
    private func level(for request: ReserveRequest, of sku: String) -> Level? {
        guard let index = itemIndex(of: sku) else { return nil }
        guard let warehouse = request.warehouse else { return items[index].fullest(for: request.quantity) }
        guard let level = items[index].level(of: warehouse), level.available >= request.quantity else {
            return nil
        }
        return level
    }

    /// A confirm (`by: .ship`) or a release.
    private func decideEnding(of id: String, by movement: Movement, _ cause: Cause) -> Decision {
        if let live = reservations[id], items[live.item].sku == cause.command.sku {
            return .entry(ending(live, movement, cause))
        }
        guard let ended = window.ending(of: id), ended.sku == cause.command.sku else {
            return reject(.reservationNotFound, cause)
        }
        if ended.movement == movement {
            return .answer(Outcome(of: ended, to: cause.command, isDuplicate: true))
        }
        switch ended.movement {
        case .expire: return reject(.reservationExpired, cause)
        case .ship: return reject(.reservationConfirmed, cause)
        default: return reject(.reservationReleased, cause)
        }
    }

    /// The expiry itself happened before the command was looked at, so that an `expire` only tells it.
    private func answerExpire(of id: String, _ cause: Cause) -> Outcome {
        let command = cause.command
        if let ended = window.ending(of: id), ended.sku == command.sku, ended.movement == .expire {
            return Outcome(of: ended, to: command, isDuplicate: ended.source != cause.source)
        }
        let live = reservations[id]
        let isEarly = live.map { items[$0.item].sku == command.sku } ?? false
        return Outcome(
            kind: .ignored, command: .expire, commandID: command.id, sku: command.sku,
            noOp: isEarly ? .notDue : .alreadyEnded, reservationID: id,
            expiresAt: isEarly ? live?.expiresAt : nil, at: cause.at)
    }

    private func decideReceive(
        _ quantity: Int64, in warehouse: String, _ reference: String?, _ cause: Cause
    ) -> Decision {
        let level =
            item(of: cause.command.sku)?.level(of: warehouse)
            ?? Level(warehouse: warehouse, onHand: 0, reserved: 0)
        // Both are within limits far below the range of Int64, so that the sum cannot overflow.
        guard level.onHand + quantity <= Limits.onHand else { return reject(.onHandLimitExceeded, cause) }
        var entry = entry(.receive, cause)
        entry.warehouse = warehouse
        entry.quantity = quantity
        entry.onHandDelta = quantity
        entry.onHand = level.onHand + quantity
        entry.reserved = level.reserved
        entry.reference = reference
        return .entry(entry)
    }
}

/// The parts of a `reserve`, by name.
private struct ReserveRequest {
    let id: String
    let orderID: String
    let quantity: Int64
    let warehouse: String?
    let expiry: Command.Expiry

    /// Nil when the expiry is not after `at`, or too far away.
    func expiresAt(from at: Timestamp) -> Timestamp? {
        switch expiry {
        case .after(let milliseconds):
            return Timestamp(milliseconds: at.milliseconds + milliseconds)
        case .at(let moment):
            let distance = moment.milliseconds - at.milliseconds
            return distance >= 1 && distance <= Limits.longestTTL ? moment : nil
        }
    }
}

/// The making of entries.
extension Stock {
    private func entry(_ movement: Movement, _ cause: Cause) -> LedgerEntry {
        LedgerEntry(
            sku: cause.command.sku, sequence: (item(of: cause.command.sku)?.sequence ?? 0) + 1,
            movement: movement, at: cause.at, source: cause.source, command: cause.command.kind,
            commandID: cause.command.id, quantity: 0)
    }

    /// The end of a live reservation by `ship`, `release` or `expire`.
    private func ending(_ reservation: Reservation, _ movement: Movement, _ cause: Cause) -> LedgerEntry {
        guard let level = items[reservation.item].level(of: reservation.warehouse) else {
            preconditionFailure("reservation \(reservation.id) claims units of a level that is not there")
        }
        var entry = entry(movement, cause)
        entry.reservationID = reservation.id
        entry.orderID = reservation.orderID
        entry.warehouse = reservation.warehouse
        entry.quantity = reservation.quantity
        entry.onHandDelta = movement == .ship ? -reservation.quantity : 0
        entry.reservedDelta = -reservation.quantity
        entry.onHand = level.onHand + entry.onHandDelta
        entry.reserved = level.reserved + entry.reservedDelta
        return entry
    }

    private func reject(_ reason: Rejection, _ cause: Cause) -> Decision {
        var entry = entry(.rejection, cause)
        entry.reason = reason
        entry.reservationID = cause.command.reservationID
        switch cause.command.body {
        case .reserve(_, let orderID, let quantity, let warehouse, _):
            entry.orderID = orderID
            entry.quantity = quantity
            entry.warehouse = warehouse
        case .receive(let warehouse, let quantity, let reference):
            entry.warehouse = warehouse
            entry.quantity = quantity
            entry.reference = reference
        case .confirm, .release, .expire:
            break
        }
        return .entry(entry)
    }
}
