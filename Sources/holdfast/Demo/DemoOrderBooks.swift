import InventoryCore
import InventoryWire
import KafkaClient
import OrderCore

/// What the topics hold of a run's orders of several lines, read from outside, and whether it is right.
struct DemoOrderBooks {
    private struct LinePlace: Hashable {
        let order: ID
        let sku: ID
    }

    /// Reads only orders whose ids begin so.
    let prefix: String
    private(set) var placed: Set<String> = []
    /// By order, in their order.
    private(set) var outcomes: [String: [OrderOutcome]] = [:]

    init(run: String) { prefix = run + "-" }

    /// - Parameter starts: where each partition of the two topics is begun.
    mutating func fill(_ scan: TopicScan, from starts: [Topic: [Int32: Int64]]) throws {
        var reader = RecordReader()
        let moment = Timestamp(milliseconds: 0)
        try scan.read(.orders, from: starts[.orders]!) { message in
            guard
                case .event(let event)? = try? reader.orderRecord(
                    key: message.key, value: message.value, at: moment, offset: message.offset),
                case .placed = event.body
            else { return }
            add(placed: event.orderID)
        }
        try scan.read(.orderOutcomes, from: starts[.orderOutcomes]!) { message in
            guard let value = message.value, let outcome = try? reader.orderOutcome(value) else { return }
            add(outcome: outcome)
        }
    }

    mutating func add(placed id: ID) { if id.text.hasPrefix(prefix) { placed.insert(id.text) } }

    mutating func add(outcome: OrderOutcome) {
        if outcome.orderID.text.hasPrefix(prefix) {
            outcomes[outcome.orderID.text, default: []].append(outcome)
        }
    }

    /// The newest outcome of each order.
    var newest: [String: OrderOutcome] { outcomes.compactMapValues(\.last) }

    /// What the topics say by themselves.
    /// - Parameter entries: the committed ledger.
    func checks(expectedOrders: Int, against entries: [LedgerEntry]) -> [Check] {
        [finalCheck(expectedOrders), wholeCheck, shippedCheck(entries)]
    }

    private func finalCheck(_ expected: Int) -> Check {
        let wrong = placed.filter { id in
            let told = outcomes[id] ?? []
            return told.filter(\.isFinal).count != 1
                || told.map(\.version) != (0..<told.count).map { Int64($0 + 1) }
        }
        var kinds: [OrderOutcomeKind: Int] = [:]
        for outcome in outcomes.values.joined() where outcome.isFinal { kinds[outcome.kind, default: 0] += 1 }
        let figures = OrderOutcomeKind.allCases.compactMap { kind in
            kinds[kind].map { "\($0) \(kind.rawValue)" }
        }
        return Check(
            "every order has exactly one final outcome, and versions without a gap",
            placed.count == expected && wrong.isEmpty && outcomes.count == expected,
            "\(placed.count) of \(expected) orders: \(figures.joined(separator: ", ")); \(wrong.count) wrong"
                + (wrong.min().map { ": \($0)" } ?? ""))
    }

    /// Nobody was told of a granted order, all or nothing, of which a line was not whole.
    private var wholeCheck: Check {
        let granted = outcomes.values.joined().filter { $0.kind == .reserved }
        let broken = granted.filter { outcome in outcome.lines.contains { $0.reserved != $0.quantity } }
        return Check(
            "no order was told as reserved with a line that is not whole", broken.isEmpty,
            "\(granted.count) reserved; \(broken.count) not whole")
    }

    private func shippedCheck(_ entries: [LedgerEntry]) -> Check {
        var told: [LinePlace: Int64] = [:]
        for outcome in newest.values {
            for line in outcome.lines where line.shipped > 0 {
                told[LinePlace(order: outcome.orderID, sku: line.sku), default: 0] += line.shipped
            }
        }
        var shipped: [LinePlace: Int64] = [:]
        for entry in entries where entry.movement == .ship {
            guard let order = entry.reservationID.flatMap(OrderAddress.init)?.orderID,
                order.text.hasPrefix(prefix)
            else { continue }
            shipped[LinePlace(order: order, sku: entry.sku), default: 0] -= entry.deltas.onHand
        }
        let units = (told.values.reduce(0, +), shipped.values.reduce(0, +))
        return Check(
            "what orders were told to ship is what the ledger shipped, line by line", told == shipped,
            "\(units.0) units told, \(units.1) shipped, \(shipped.count) lines")
    }
}
