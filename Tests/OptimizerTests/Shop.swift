import InventoryCore
import Optimizer

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Draws: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func within(_ range: ClosedRange<Int64>) -> Int64 { .random(in: range, using: &self) }
    mutating func oneIn(_ many: Int64) -> Bool { within(1...many) == 1 }
}

/// Warehouses, their stock, and an order; drawn, or written down by a test.
struct Shop {
    var warehouses: [Warehouse] = []
    /// Available units, by SKU and warehouse.
    var stock: [String: [String: Int64]] = [:]
    var order = ServedOrder(lines: [])

    /// What the optimizer is told of it.
    var network: Network {
        var network = Network()
        for warehouse in warehouses { network.set(warehouse) }
        for (sku, levels) in stock { network.set(Self.levels(ID(sku), levels)) }
        return network
    }

    static func levels(_ sku: ID, _ units: [String: Int64]) -> LevelsSnapshot {
        LevelsSnapshot(
            sku: sku, sequence: 1,
            levels: units.sorted { $0.key < $1.key }.map { Level(warehouse: ID($0.key), onHand: $0.value) })
    }

    /// A shop with an order that is served somehow.
    static func drawn(
        _ draws: inout Draws, warehouses: Int, lines: Int, units: Int64, measured: Bool = true
    ) -> Shop {
        var shop = Shop()
        for number in 0..<warehouses {
            let isPlaced = measured && !draws.oneIn(12)
            shop.warehouses.append(
                Warehouse(
                    id: "W\(number)",
                    location: isPlaced
                        ? Point(
                            latitude: draws.within(45_000_000...55_000_000),
                            longitude: draws.within(0...15_000_000)) : nil,
                    handlingHours: draws.within(0...12), kilometresPerHour: 40, isActive: !draws.oneIn(10)))
        }
        shop.order.shipTo =
            measured && !draws.oneIn(10) ? Point(latitude: 50_000_000, longitude: 8_000_000) : nil
        if shop.order.shipTo != nil, draws.oneIn(3) { shop.order.deliverWithinHours = draws.within(6...36) }
        shop.order.allowSplit = !draws.oneIn(5)
        for number in 0..<lines {
            let sku = "S\(number)"
            let quantity = draws.within(1...units)
            var allocations: [Allocation] = []
            var left = quantity
            while left > 0 {
                let warehouse: ID = "W\(draws.within(0...Int64(warehouses - 1)))"
                if allocations.contains(where: { $0.warehouse == warehouse }) { continue }
                let isLast = allocations.count == warehouses - 1 || !shop.order.allowSplit
                let part = isLast || draws.oneIn(2) ? left : draws.within(1...left)
                allocations.append(Allocation(warehouse: warehouse, quantity: part))
                left -= part
            }
            for warehouse in shop.warehouses where draws.oneIn(2) {
                shop.stock[sku, default: [:]][warehouse.id.text] = draws.within(1...units)
            }
            shop.order.lines.append(
                ServedOrder.Line(sku: ID(sku), allocations: allocations, isBound: draws.oneIn(8)))
        }
        return shop
    }

    // MARK: The rules once more, by a way that shares nothing with the optimizer's

    func warehouse(_ id: ID) -> Warehouse { warehouses.first { $0.id == id }! }

    /// From a warehouse to the customer; nil where a place is not known.
    func kilometres(_ id: ID) -> Int64? {
        guard let shipTo = order.shipTo, let location = warehouse(id).location else { return nil }
        return UnitVector(location).kilometres(to: UnitVector(shipTo))
    }

    func isLate(_ id: ID) -> Bool {
        guard let hours = order.deliverWithinHours else { return false }
        guard let kilometres = kilometres(id) else { return true }
        let facts = warehouse(id)
        return kilometres > (hours - facts.handlingHours) * facts.kilometresPerHour
    }

    /// Whether distances count: all that serve the order are on the map.
    var isMeasured: Bool {
        order.shipTo != nil
            && order.lines.allSatisfy { $0.allocations.allSatisfy { kilometres($0.warehouse) != nil } }
    }

    private func serves(_ id: ID) -> Bool {
        order.lines.contains { $0.allocations.contains { $0.warehouse == id } }
    }

    /// The units of a line that a warehouse may have.
    func capacity(_ line: ServedOrder.Line, _ id: ID) -> Int64 {
        let own = line.allocations.first { $0.warehouse == id }?.quantity ?? 0
        let mayGain =
            warehouse(id).isActive && !isLate(id) && (serves(id) || !isMeasured || kilometres(id) != nil)
        let units = own + (mayGain ? stock[line.sku.text]?[id.text] ?? 0 : 0)
        return order.allowSplit || units >= line.quantity ? units : 0
    }

    /// Every way to serve a line.
    func ways(_ line: ServedOrder.Line) -> [[Allocation]] {
        if line.isBound { return [line.allocations] }
        var ways: [[Allocation]] = []
        func go(_ index: Int, _ left: Int64, _ chosen: [Allocation]) {
            if left == 0 { return ways.append(chosen) }
            guard index < warehouses.count else { return }
            let id = warehouses[index].id
            for units in 0...min(left, capacity(line, id)) {
                let part = units == 0 ? [] : [Allocation(warehouse: id, quantity: units)]
                go(index + 1, left - units, chosen + part)
            }
        }
        go(0, line.quantity, [])
        return ways.filter { order.allowSplit || $0.count == 1 }
    }

    /// What a way to serve all lines comes to.
    func shape(_ ways: [[Allocation]], _ weights: Weights) -> Shape {
        var shape = Shape()
        var serving: Set<String> = []
        var balance: Int64 = 0
        for (line, way) in zip(order.lines, ways) {
            for part in way { serving.insert(part.warehouse.text) }
            if line.isBound { continue }
            if way.contains(where: { isLate($0.warehouse) }) { shape.late += 1 }
            let most = warehouses.map { capacity(line, $0.id) }.max()!
            var scarcity: Int64 = 0
            for part in way where weights.balance > 0 {
                let share = Double(capacity(line, part.warehouse)) / Double(most)
                scarcity += part.quantity * (1000 - Int64(share * 1000))
            }
            balance += Int64(Double(weights.balance) * (Double(scarcity) / Double(1000 * line.quantity)))
        }
        shape.shipments = Int64(serving.count)
        if isMeasured { shape.kilometres = serving.reduce(0) { $0 + kilometres(ID($1))! } }
        shape.cost =
            weights.shipment * shape.shipments + weights.kilometre * shape.kilometres
            + weights.late * shape.late + balance
        return shape
    }

    /// The least cost of all ways.
    func leastCost(_ weights: Weights) -> Int64 {
        let all = order.lines.map(ways)
        var least = shape(order.lines.map(\.allocations), weights).cost
        func go(_ index: Int, _ chosen: [[Allocation]]) {
            guard index < all.count else {
                least = min(least, shape(chosen, weights).cost)
                return
            }
            for way in all[index] { go(index + 1, chosen + [way]) }
        }
        go(0, [])
        return least
    }

    /// All lines after the review.
    func ways(after review: Review) -> [[Allocation]] {
        order.lines.map { line in
            review.moves.first { $0.sku == line.sku }?.allocations ?? line.allocations
        }
    }
}
