import InventoryCore
import OrderCore

extension WaitingOrders.Order {
    /// Nil for an outcome that leaves nothing to be made better: the order has ended, some of it is paid, or no
    /// warehouse keeps anything for it.
    package init?(_ outcome: OrderOutcome) {
        guard !outcome.isFinal, outcome.lines.allSatisfy({ $0.paid == 0 && $0.shipped == 0 }) else {
            return nil
        }
        let lines = outcome.lines.filter { !$0.allocations.isEmpty }.map {
            // The coordinator moves no line that still waits for units.
            ServedOrder.Line(
                sku: $0.sku, allocations: $0.allocations,
                isBound: $0.warehouse != nil || $0.backordered > 0)
        }
        if lines.allSatisfy(\.isBound) { return nil }
        self.init(
            id: outcome.orderID, version: outcome.version,
            served: ServedOrder(
                lines: lines, shipTo: outcome.shipTo, deliverWithinHours: outcome.deliverWithinHours,
                allowSplit: outcome.allowSplit),
            deadline: outcome.deadline)
    }

    /// What the review proposes; nil where it is as good as it is. It has the same id whenever it is made from the same
    /// version, so that a repeat is known.
    package func proposal(_ review: Review, at: Timestamp) -> OrderEvent? {
        if review.moves.isEmpty { return nil }
        return OrderEvent(
            id: "@holdfast/optimize/\(id)/\(version)", orderID: id, at: at,
            body: .reallocate(
                Reallocation(
                    version: version,
                    lines: review.moves.map { ReallocatedLine(sku: $0.sku, allocations: $0.allocations) },
                    saving: Saving(
                        shipments: review.before.shipments - review.after.shipments,
                        kilometres: review.before.kilometres - review.after.kilometres,
                        late: review.before.late - review.after.late))))
    }
}

extension Network {
    /// Units that a review's moves ask for beyond what the order has there.
    package mutating func claim(_ review: Review, of order: ServedOrder) {
        for gain in review.gains(over: order) { claim(gain.quantity, of: gain.sku, in: gain.warehouse) }
    }
}

extension Review {
    /// What warehouses have to give that did not before.
    package func gains(over order: ServedOrder) -> [(sku: ID, warehouse: ID, quantity: Int64)] {
        var gains: [(sku: ID, warehouse: ID, quantity: Int64)] = []
        for move in moves {
            let line = order.lines.first { $0.sku == move.sku }
            for allocation in move.allocations {
                let had = line?.allocations.first { $0.warehouse == allocation.warehouse }?.quantity ?? 0
                if allocation.quantity > had {
                    gains.append((move.sku, allocation.warehouse, allocation.quantity - had))
                }
            }
        }
        return gains
    }
}
