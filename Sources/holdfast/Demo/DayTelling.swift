import InventoryCore

/// Outcomes, notices and alerts in the words of the day's story.
enum DayTelling {
    static func text(_ outcome: Outcome) -> String {
        var text = outcome.kind.rawValue.replacing("_", with: " ")
        switch outcome.kind {
        case .rejected: text += ": " + (outcome.rejection?.rawValue ?? "")
        case .ignored: text += ": " + (outcome.noOp?.rawValue ?? "")
        case .adjusted:
            let delta = outcome.delta ?? 0
            text += delta < 0 ? " \(delta)" : " +\(delta)"
        default: if outcome.quantity > 0 { text += " \(outcome.quantity)" }
        }
        let places = outcome.allocations.map { "\($0.warehouse) \($0.quantity)" }.joined(separator: ", ")
        if !places.isEmpty {
            text += " (\(places))"
        } else if let warehouse = outcome.warehouse, outcome.kind != .rejected {
            text += " (\(warehouse))"
        }
        if outcome.backordered > 0 { text += ", \(outcome.backordered) of them later" }
        if let remaining = outcome.remaining, remaining > 0 { text += ", \(remaining) to come" }
        if outcome.isReacquired { text += ", taken from stock again" }
        if outcome.isRefundRequired { text += ", refund required" }
        if outcome.isDuplicate { text += ", a repeat" }
        return text
    }

    static func text(_ notice: Notice, prefix: String) -> String {
        let order =
            notice.orderID.text.hasPrefix(prefix)
            ? String(notice.orderID.text.dropFirst(prefix.count)) : notice.orderID.text
        return
            "\(order): \(notice.kind.rawValue.replacing("_", with: " ")) \(notice.quantity), keeps \(notice.remaining)"
    }

    static func text(_ alert: Alert, prefix: String) -> String {
        let sku =
            alert.sku.text.hasPrefix(prefix) ? String(alert.sku.text.dropFirst(prefix.count)) : alert.sku.text
        var text = "\(sku) \(alert.kind.rawValue.replacing("_", with: " ")): \(alert.quantity)"
        if let suggested = alert.suggestedQuantity { text += ", reorder \(suggested)" }
        if let from = alert.from, let warehouse = alert.warehouse { text += " from \(from) to \(warehouse)" }
        return text
    }
}
