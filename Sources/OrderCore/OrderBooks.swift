import InventoryCore

/// The books of an order: what was paid, and what became of it. For each line, at every moment,
///
///     paid = shipped for the payment + claimed for the payment + refund
///
/// where units that a command on its way may still ship or find missing count as claimed.
extension Order.Line {
    package var reserved: Int64 { claims.reduce(0) { $0 + $1.units } }
    package var backordered: Int64 { claims.reduce(0) { $0 + $1.backordered } }
    package var held: Int64 { reserved + backordered }
    package var shipped: Int64 { shipments.units }

    /// Whether a command of it has no reply yet.
    package var isAsking: Bool { claims.contains { $0.pending != nil } }

    /// The units that were paid, and neither shipped nor went back as money: they are claimed for the payment.
    package var owed: Int64 { max(0, paid - refund - shipped) }

    /// The units that are claimed and were not paid.
    package var unpaid: Int64 { max(0, held - owed) }

    /// The units that were asked for, and neither are there nor have shipped.
    var missing: Int64 { max(0, asked - shipped - held) }

    /// The units that are in a parcel and have not left the books, as far as they are paid.
    var dueParcels: Int64 { min(owed, max(0, parcels - shipped)) }

    /// Whether the books of the line are right.
    fileprivate var isRight: Bool {
        guard paid >= 0, 0 <= refundTold, refundTold <= refund, refund <= paid, offered >= 0 else {
            return false
        }
        return isAsking || paid == min(shipped, paid - refund) + min(held, owed) + refund
    }
}

extension Order {
    /// What was paid and is not claimed any more must go back.
    mutating func account() {
        for line in lines.indices where !lines[line].isAsking {
            lines[line].refund += max(0, lines[line].owed - lines[line].held)
        }
    }

    /// Ends the process rather than lose or invent a payment. What must go back was told by the time that nothing is on
    /// its way.
    func checkBooks() {
        let isAtRest =
            switch phase {
            case .settled, .ended: true
            case .unknown, .busy, .forgotten: false
            }
        for line in lines {
            precondition(
                line.isRight && (line.refund == line.refundTold || !isAtRest),
                "order \(id), \(phase): the books of \(line.sku) are wrong: \(line)")
        }
    }
}
