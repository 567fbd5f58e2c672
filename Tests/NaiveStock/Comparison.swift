import InventoryCore

/// What the core says, in the words of the naive model.
extension NaiveStock.Answer {
    package init(of outcome: Outcome) {
        self.init(kind: outcome.kind)
        reason = outcome.rejection?.rawValue ?? outcome.noOp?.rawValue
        isRefundRequired = outcome.isRefundRequired
        guard reason == nil else { return }
        quantity = outcome.quantity
        allocations = outcome.allocations
        backordered = outcome.backordered
        remaining = outcome.remaining
        requested = outcome.requested
        delta = outcome.delta
        isReacquired = outcome.isReacquired
        expiresAt = outcome.expiresAt?.milliseconds
    }
}

extension NaiveStock.Fact {
    package init(of entry: LedgerEntry) {
        self =
            Self(
                movement: entry.movement, id: entry.reservationID ?? entry.transferID,
                warehouse: entry.warehouse,
                quantity: entry.quantity, remaining: entry.remaining, deltas: entry.deltas,
                reason: entry.reason
            ).plain
    }

    /// Without what a refusal asked for, and what is left of a reservation that moves: these stand in the results.
    package var plain: NaiveStock.Fact {
        var fact = self
        if fact.movement == .rejection {
            return NaiveStock.Fact(movement: .rejection, reason: fact.reason)
        }
        if fact.movement == .reallocate { fact.remaining = nil }
        return fact
    }
}
