import InventoryCore
import Optimizer

/// The genuine stock in one partition, and what the optimizer is told of it: the levels after every command.
struct TrialStock {
    struct Placed {
        var number: Int
        var order: ShopNetwork.Order
    }

    /// In milliseconds: longer than a trial.
    private static let ttl = Limits.standardLongestTTL

    private(set) var network = Network()
    private var stock = Stock()
    private var effects = Effects()
    private var offset: Int64 = 0

    init(_ units: [(sku: ID, warehouse: ID, quantity: Int64)]) {
        let book = PartitionBook.sku(0)
        for city in ShopNetwork.cities {
            decide(book, .setWarehouse(Warehouse(id: city.id, location: city.place, handlingHours: 4)))
        }
        for (sku, warehouse, quantity) in units {
            decide(sku, .receive(warehouse: warehouse, quantity: quantity, reference: nil))
        }
    }

    /// Reserves all lines, or none.
    /// - Returns: nil where one was refused.
    mutating func place(_ order: ShopNetwork.Order, number: Int, _ strategy: Strategy) -> Placed? {
        for (line, wanted) in order.lines.enumerated() {
            let reserve = Command.Reserve(
                reservationID: ID(Self.id(number, line)), orderID: "o\(number)", quantity: wanted.quantity,
                expiry: .after(milliseconds: Self.ttl), strategy: strategy, shipTo: order.shipTo)
            if decide(wanted.sku, .reserve(reserve)).rejection == nil { continue }
            for granted in 0..<line {
                decide(
                    order.lines[granted].sku,
                    .release(reservationID: ID(Self.id(number, granted)), quantity: nil))
            }
            return nil
        }
        return Placed(number: number, order: order)
    }

    func served(_ placed: Placed) -> ServedOrder {
        ServedOrder(
            lines: placed.order.lines.enumerated().map { line, wanted in
                ServedOrder.Line(
                    sku: wanted.sku,
                    allocations: stock.reservation(ID(Self.id(placed.number, line)), of: wanted.sku)?
                        .allocations ?? [])
            }, shipTo: placed.order.shipTo)
    }

    /// - Returns: whether the stock moved all lines.
    mutating func move(_ placed: Placed, _ moves: [ServedOrder.Line]) -> Bool {
        var isTaken = true
        for move in moves {
            guard let line = placed.order.lines.firstIndex(where: { $0.sku == move.sku }) else {
                return false
            }
            let outcome = decide(
                move.sku,
                .reallocate(reservationID: ID(Self.id(placed.number, line)), allocations: move.allocations))
            if outcome.rejection != nil { isTaken = false }
        }
        return isTaken
    }

    private static func id(_ number: Int, _ line: Int) -> String { "r\(number)-\(line)" }

    @discardableResult
    private mutating func decide(_ sku: ID, _ body: Command.Body) -> Outcome {
        effects.removeAll()
        offset += 1
        let outcome = stock.handle(
            Command(id: "c\(offset)", sku: sku, body: body), at: Timestamp(milliseconds: offset),
            source: Source(partition: 0, offset: offset), into: &effects)
        if let levels = stock.levels(of: sku) { network.set(levels) }
        return outcome
    }
}
