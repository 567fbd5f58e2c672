import InventoryCore
import OrderCore

/// The orders of several lines that are placed while the sale goes on, and what becomes of them.
struct DemoOrderPlan: Sendable {
    static let skus = 40
    /// Of so many units asked for, stock for one is received.
    private static let demandPerUnit = 1.5
    /// Of the granted orders: how many of a hundred are paid, and how many cancelled. The others pass their deadline.
    private static let paidOfHundred: UInt64 = 60
    private static let cancelledOfHundred: UInt64 = 15
    private static let reservationsPerOrder = 40
    private static let usualRate = 50
    /// Of a hundred orders, how many take what there is.
    private static let partialOfHundred: UInt64 = 20

    let sale: DemoPlan
    /// Orders a second.
    let rate: Int

    /// - Parameter rate: nil for one order to forty reservations, 50 a second at most.
    init(sale: DemoPlan, rate: Int?) {
        self.sale = sale
        self.rate = rate ?? min(max(sale.rate / Self.reservationsPerOrder, 1), Self.usualRate)
    }

    var count: Int { rate * sale.seconds }
    func id(_ number: Int) -> String { "\(sale.run)-order-\(number)" }
    private func sku(_ number: Int) -> ID { "\(sale.run)-line-\(number)" }

    /// The number in an order's id; nil for an order of another run.
    func number(of id: ID) -> Int? {
        let prefix = "\(sale.run)-order-"
        return id.text.hasPrefix(prefix) ? Int(id.text.dropFirst(prefix.count)) : nil
    }

    /// Stock for less than is asked for, in two warehouses each.
    var receipts: [Command] {
        let asked = (0..<count).flatMap { lines($0) }.reduce(0) { $0 + $1.quantity }
        let each = Int64(Double(asked) / Self.demandPerUnit / Double(2 * Self.skus)) + 1
        return (0..<2 * Self.skus).map { number in
            Command(
                id: "\(sale.run)-j\(number)", sku: sku(number / 2),
                body: .receive(
                    warehouse: DemoPlan.warehouses[(number / 2 + number % 2) % DemoPlan.warehouses.count],
                    quantity: each, reference: "opening-stock"))
        }
    }

    /// Two to five lines; now and then two of them are of the same SKU.
    private func lines(_ number: Int) -> [OrderEvent.Line] {
        (0..<(2 + sale.dice.hash(number, 11) % 4)).map { line in
            let draw = sale.dice.hash(number, 20 + line)
            return OrderEvent.Line(
                sku: ID(sku(Int(draw % UInt64(Self.skus))).text), quantity: Int64(1 + (draw >> 32) % 3))
        }
    }

    func placed(_ number: Int) -> OrderEvent {
        let mode: OrderMode =
            sale.dice.hash(number, 12) % 100 < Self.partialOfHundred ? .partial : .allOrNothing
        return event(
            "placed", number,
            .placed(
                OrderEvent.Placed(
                    mode: mode, lines: lines(number), expiry: .after(milliseconds: sale.ttlMilliseconds))))
    }

    /// What the shop does with a granted order; nil lets its deadline pass.
    func followUp(_ number: Int) -> OrderEvent? {
        switch sale.dice.hash(number, 13) % 100 {
        case 0..<Self.paidOfHundred: event("paid", number, .paid([]))
        case 0..<(Self.paidOfHundred + Self.cancelledOfHundred): event("cancelled", number, .cancelled([]))
        default: nil
        }
    }

    private func event(_ name: String, _ number: Int, _ body: OrderEvent.Body) -> OrderEvent {
        OrderEvent(
            id: "\(id(number))/\(name)", orderID: ID(id(number)), at: Timestamp(milliseconds: 0), body: body)
    }
}
