import InventoryCore
import InventoryWire
import OrderCore

/// Words of orders, for a person.
enum OrderText {
    static func time(_ time: Timestamp) -> String { RFC3339.text(time) }

    static func phase(_ order: Order) -> String {
        switch order.phase {
        case .unknown(let since): "unknown since \(time(since))"
        case .busy(let work): "busy: \(work.rawValue)"
        case .settled: "settled"
        case .ended(let kind, let at): "ended: \(kind.rawValue), at \(time(at))"
        case .forgotten: "forgotten"
        }
    }

    static func parts(_ parts: [Allocation]) -> String {
        parts.isEmpty ? "-" : parts.map { "\($0.warehouse) \($0.quantity)" }.joined(separator: ", ")
    }

    /// A line of an outcome in a few words.
    static func line(_ line: OrderOutcome.Line) -> String {
        var words = "\(line.sku): \(line.reserved) of \(line.quantity) reserved"
        if line.backordered > 0 { words += ", \(line.backordered) backordered" }
        if line.paid > 0 { words += ", \(line.paid) paid" }
        if line.shipped > 0 { words += ", \(line.shipped) shipped" }
        if line.refund > 0 { words += ", \(line.refund) to refund" }
        let places = line.allocations + line.shipments
        if !places.isEmpty { words += " (\(parts(places)))" }
        return words + (line.reason.map { ", \($0.rawValue)" } ?? "")
    }
}
