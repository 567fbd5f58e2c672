import InventoryCore
import OrderCore

/// What happens to orders of several lines while harm is done: two to four lines of the SKUs of `ChaosPlan`, short
/// deadlines; they are paid, cancelled and changed, and events come again. All are drawn from a seed.
struct ChaosOrderPlan: Sendable {
    /// With every so many commands of the load comes one event of an order.
    static let interval = 10

    private let run: String
    private var random: ChaosRandom
    /// How many orders were placed.
    private(set) var placed = 0
    private var number = 0
    /// The newest events, of which some come again.
    private var newest: [OrderEvent] = []

    init(run: String, random: ChaosRandom) {
        self.run = run
        self.random = random
    }

    mutating func next() -> OrderEvent {
        let event =
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<10,
                _ where placed == 0:
                place()
            case 10..<15: event(ID(anyOrder), .paid([]))
            case 15..<17: event(ID(anyOrder), .cancelled([]))
            case 17..<19: event(ID(anyOrder), .changed(OrderEvent.Changed(lines: [anyLine])))
            default: newest.randomElement(using: &random)!
            }
        newest = newest.suffix(19) + [event]
        return event
    }

    private mutating func place() -> OrderEvent {
        let lines = (0..<Int.random(in: 2...4, using: &random)).map { _ in anyLine }
        let mode = OrderMode.allCases.randomElement(using: &random)!
        let timeToLive = Int64.random(in: ChaosPlan.timesToLive, using: &random)
        placed += 1
        return event(
            "\(run)-order-\(placed)",
            .placed(
                OrderEvent.Placed(mode: mode, lines: lines, expiry: .after(milliseconds: timeToLive))))
    }

    private mutating func event(_ id: ID, _ body: OrderEvent.Body) -> OrderEvent {
        number += 1
        return OrderEvent(
            id: "\(run)-event-\(number)", orderID: id, at: Timestamp(milliseconds: 0), body: body)
    }

    /// One of the last seconds, which may have ended.
    private var anyOrder: String {
        mutating get {
            "\(run)-order-\(Int.random(in: max(1, placed - 30)...placed, using: &random))"
        }
    }

    private var anyLine: OrderEvent.Line {
        mutating get {
            OrderEvent.Line(
                sku: "\(run)-\(Int.random(in: 0..<ChaosPlan.skus, using: &random))",
                quantity: Int64.random(in: 1...3, using: &random))
        }
    }
}
