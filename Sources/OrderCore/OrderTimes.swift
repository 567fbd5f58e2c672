import InventoryCore

/// What time does to an order. The moments are those of records, not of clocks.
extension Order {
    /// How much longer than the others a stuck order waits before it asks again.
    private static let stuckPatience: Int64 = 10

    /// When the order is to be looked at without an event; nil for one that only waits for events.
    package func dueAt(_ settings: OrderSettings) -> Timestamp? {
        switch phase {
        case .unknown(let since): since.after(settings.unknownLimit)
        case .busy:
            isAsking
                ? askedAt.after(settings.replyLimit * (asks >= settings.askLimit ? Self.stuckPatience : 1))
                : nil
        case .settled:
            [isKept(settings) ? nil : deadline.after(1), renewal(settings)].compactMap { $0 }.min()
        case .ended, .forgotten: nil
        }
    }

    /// A paid order that waits for its shipment is kept until then, beyond its deadline; but what is backordered is waited
    /// for no longer, unless it has left in a parcel.
    private func isKept(_ settings: OrderSettings) -> Bool {
        securedUntil != nil && isPaid && lines.allSatisfy { $0.backordered <= $0.dueParcels }
    }

    private func renewal(_ settings: OrderSettings) -> Timestamp? {
        guard let securedUntil else { return nil }
        return Timestamp(milliseconds: securedUntil.milliseconds - settings.shipWithin / 3)
    }

    /// Whether nothing would go back if the order expired.
    private func isAllKept(_ moment: OrderMoment) -> Bool {
        lines.indices.allSatisfy { lines[$0].held <= kept($0, moment) }
    }

    /// The order is looked at. Nothing follows where it is not due at `at`.
    package mutating func due(
        at: Timestamp, _ settings: OrderSettings, into effects: inout OrderEffects
    ) {
        let moment = OrderMoment(at: at, settings: settings)
        guard let due = dueAt(settings), due <= at else { return }
        switch phase {
        case .unknown:
            for event in waiting { effects.refused.append(.init(event: event, reason: .unknownOrder)) }
            waiting = []
            phase = .forgotten
        case .busy:
            askAgain(moment, &effects)
        case .settled:
            let isOver = at > deadline
            if isOver, !isKept(settings), !isAllKept(moment) {
                expire(moment, &effects)
            } else if isOver, isKept(settings), lines.contains(where: { $0.backordered > 0 }) {
                // The stock has never learned of what left in a parcel.
                expire(keepsParcels: false, moment, &effects)
            } else {
                begin(.renewing)
                let expiresAt = at.after(settings.shipWithin)
                securedUntil = expiresAt
                extend(to: expiresAt, ofPaid: true, moment, &effects)
            }
            proceed(moment, &effects)
        case .ended, .forgotten:
            return
        }
    }

    /// A reply is late: the same commands are sent again, and are duplicates where they were carried out.
    private mutating func askAgain(_ moment: OrderMoment, _ effects: inout OrderEffects) {
        asks += 1
        askedAt = moment.at
        if asks >= moment.settings.askLimit { isStuck = true }
        for line in lines.indices {
            for claim in lines[line].claims.indices {
                guard let pending = lines[line].claims[claim].pending else { continue }
                effects.commands.append(command(line: line, claim: claim, pending))
            }
        }
    }
}
