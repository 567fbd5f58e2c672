import InventoryCore

/// A set of candidates, in their order, and what it costs.
struct Found {
    var set: [Int]
    var cost: Int64
}

/// An order and the stock that it may have, as numbers: lines and candidates are counted from 0.
///
/// Once it is settled which warehouses serve an order, each line is served from them at the least cost by itself, for
/// units of one SKU are no other's. So a way of serving it is a set of candidates, and the search goes over sets.
struct Problem {
    /// A warehouse that serves the order or may.
    struct Candidate {
        /// Where it stands in the network.
        var place: Int
        /// To the customer; 0 where distances do not count.
        var kilometres: Int64
        var isLate: Bool
    }

    struct Line {
        /// Where it stands in the order.
        var place: Int
        var quantity: Int64
        /// By candidate: the units that it can have there, and those that it has.
        var capacity: [Int64]
        var own: [Int64]
        /// By candidate, in thousandths: how far its stock is below that of the fullest.
        var scarcity: [Int64]
        /// The candidates with units, the best to take from first.
        var order: [Int] = []
        var hasLate = false
    }

    let weights: Weights
    /// The nearest first.
    private(set) var candidates: [Candidate] = []
    /// The lines that may move.
    private(set) var lines: [Line] = []
    /// Lines that stay as they are.
    private(set) var fixed: [Line] = []
    /// Candidates that serve lines which stay, in their order: every set has them.
    private(set) var mandatory: [Int] = []
    /// The others that are worth a look, in their order.
    private(set) var optional: [Int] = []

    init(_ order: ServedOrder, _ network: Network, _ weights: Weights) {
        self.weights = weights
        gatherCandidates(order, network)
        for place in order.lines.indices { add(order.lines[place], place, order, network) }
        var serving = Set<Int>()
        for line in fixed {
            for candidate in line.own.indices where line.own[candidate] > 0 { serving.insert(candidate) }
        }
        mandatory = serving.sorted()
        optional = candidates.indices.filter { !serving.contains($0) && isWorthALook($0) }
    }

    // MARK: What there is

    private mutating func gatherCandidates(_ order: ServedOrder, _ network: Network) {
        // By place in the network, how many lines it serves.
        var serving: [Int: Int] = [:]
        for line in order.lines {
            for allocation in line.allocations {
                // One that the network was never told of may keep what it has, and no more.
                if let place = network.place(of: allocation.warehouse) { serving[place, default: 0] += 1 }
            }
        }
        var places = Set(serving.keys)
        for line in order.lines where !line.isBound {
            for holding in network.holdings(of: line.sku) { places.insert(Int(holding.place)) }
        }
        let shipTo = order.shipTo.map(UnitVector.init)
        // Where one that serves the order has no place, no way is shorter than another.
        let isMeasured = shipTo != nil && serving.keys.allSatisfy { network.warehouses[$0].direction != nil }
        for place in places {
            let isLate = !Stock.isInTime(network.warehouses[place], shipTo, order.deliverWithinHours)
            let direction = network.warehouses[place].direction
            if serving[place] == nil {
                guard network.warehouses[place].facts.isActive, !isLate else { continue }
                if isMeasured && direction == nil { continue }
            }
            candidates.append(
                Candidate(
                    place: place, kilometres: isMeasured ? direction!.kilometres(to: shipTo!) : 0,
                    isLate: isLate))
        }
        // Of those as far away the ones that serve most of it come first, so that no more moves than must.
        candidates.sort {
            ($0.kilometres, -(serving[$0.place] ?? 0), network.warehouses[$0.place].facts.id)
                < ($1.kilometres, -(serving[$1.place] ?? 0), network.warehouses[$1.place].facts.id)
        }
    }

    private mutating func add(
        _ line: ServedOrder.Line, _ place: Int, _ order: ServedOrder, _ network: Network
    ) {
        let count = candidates.count
        var added = Line(
            place: place, quantity: line.quantity, capacity: Array(repeating: 0, count: count),
            own: Array(repeating: 0, count: count), scarcity: Array(repeating: 0, count: count))
        var numbers: [Int: Int] = [:]
        for (number, candidate) in candidates.enumerated() { numbers[candidate.place] = number }
        for allocation in line.allocations {
            guard let number = network.place(of: allocation.warehouse).flatMap({ numbers[$0] }) else {
                continue
            }
            added.own[number] += allocation.quantity
        }
        added.capacity = added.own
        for holding in network.holdings(of: line.sku) {
            guard let number = numbers[Int(holding.place)], !candidates[number].isLate,
                network.warehouses[Int(holding.place)].facts.isActive
            else { continue }
            added.capacity[number] += holding.available
        }
        if !order.allowSplit {
            for number in 0..<count where added.capacity[number] < added.quantity {
                added.capacity[number] = 0
            }
        }
        // Its units may be in a warehouse that is not known, or be split where they may not be: then it stays.
        let canBeServed =
            added.capacity.contains { $0 > 0 }
            && added.capacity.reduce(0, { $0 + min($1, added.quantity) }) >= added.quantity
        let isKnown = line.allocations.isEmpty || added.own.reduce(0, +) == added.quantity
        guard !line.isBound, canBeServed, isKnown else {
            fixed.append(added)
            return
        }
        let most = added.capacity.max() ?? 0
        for number in 0..<count where weights.balance > 0 && added.capacity[number] > 0 {
            added.scarcity[number] = 1000 - Int64(Double(added.capacity[number]) / Double(most) * 1000)
        }
        added.order = (0..<count).filter { added.capacity[$0] > 0 }.sorted {
            (added.scarcity[$0], added.own[$0] > 0 ? 0 : 1, $0)
                < (added.scarcity[$1], added.own[$1] > 0 ? 0 : 1, $1)
        }
        added.hasLate = added.order.contains { candidates[$0].isLate }
        lines.append(added)
    }

    /// Whether no other candidate can do all that this one can, and at no higher cost.
    private func isWorthALook(_ one: Int) -> Bool {
        guard lines.contains(where: { $0.capacity[one] > 0 }) else { return false }
        return !candidates.indices.contains { other in other != one && replaces(other, one) }
    }

    private func replaces(_ other: Int, _ one: Int) -> Bool {
        let (better, worse) = (candidates[other], candidates[one])
        guard better.kilometres <= worse.kilometres || weights.kilometre == 0, !better.isLate || worse.isLate
        else { return false }
        var isEqual =
            better.isLate == worse.isLate
            && (better.kilometres == worse.kilometres || weights.kilometre == 0)
        for line in lines {
            let (has, had) = (line.capacity[other], line.capacity[one])
            guard had == 0 || has >= line.quantity && line.scarcity[other] <= line.scarcity[one] else {
                return false
            }
            // Then the other way round is to be asked as well.
            if has > 0, had < line.quantity || line.scarcity[one] > line.scarcity[other] { isEqual = false }
        }
        // Of two that can do the same the first stays.
        return !isEqual || other < one
    }

    // MARK: What a set costs

    /// What the lines cost that are served from `isChosen`, and who then serves them.
    ///
    /// - Parameter isServing: by candidate; set for those that give units. What is set stays.
    /// - Returns: the late lines and what balance costs; nil if a line cannot be served from them.
    func serve(
        from isChosen: [Bool], _ isServing: inout [Bool]
    ) -> (late: Int64, balance: Int64)? {
        var (late, balance): (Int64, Int64) = (0, 0)
        for index in lines.indices {
            guard let choice = choose(index, from: isChosen) else { return nil }
            fill(index, from: isChosen, isLate: choice.isLate) { number, _ in isServing[number] = true }
            if choice.isLate { late += 1 }
            balance += choice.balance
        }
        return (late, balance)
    }

    /// How a line is best served from the chosen: in time alone, or not.
    private func choose(_ index: Int, from isChosen: [Bool]) -> (isLate: Bool, balance: Int64)? {
        let inTime = balance(index, from: isChosen, isLate: false)
        guard lines[index].hasLate, let any = balance(index, from: isChosen, isLate: true) else {
            return inTime.map { (false, $0) }
        }
        guard let inTime else { return (true, any) }
        return any + weights.late < inTime ? (true, any) : (false, inTime)
    }

    /// What balance costs of a line; nil if the chosen have too few units.
    private func balance(_ index: Int, from isChosen: [Bool], isLate: Bool) -> Int64? {
        var sum: Int64 = 0
        let left = fill(index, from: isChosen, isLate: isLate) { number, units in
            sum += units * lines[index].scarcity[number]
        }
        return left == 0 ? Self.balance(sum, lines[index], weights) : nil
    }

    private static func balance(_ sum: Int64, _ line: Line, _ weights: Weights) -> Int64 {
        Int64(Double(weights.balance) * (Double(sum) / Double(1000 * line.quantity)))
    }

    /// Gives who serves how many units of a line.
    ///
    /// - Returns: the units that are missing.
    @discardableResult
    private func fill(
        _ index: Int, from isChosen: [Bool], isLate: Bool, _ body: (Int, Int64) -> Void
    ) -> Int64 {
        var left = lines[index].quantity
        for number in lines[index].order where isChosen[number] && (isLate || !candidates[number].isLate) {
            let units = min(left, lines[index].capacity[number])
            body(number, units)
            left -= units
            if left == 0 { break }
        }
        return left
    }

    /// What a set of candidates comes to; nil if they cannot serve the order. Mandatory ones are to be in it.
    func shape(of set: [Int]) -> Shape? {
        let isChosen = flags(set)
        var isServing = flags(mandatory)
        guard let (late, balance) = serve(from: isChosen, &isServing) else { return nil }
        return shape(isServing, late: late, balance: balance)
    }

    /// The order as it is served now.
    var present: Shape {
        var isServing = flags(mandatory)
        var (late, balance): (Int64, Int64) = (0, 0)
        for line in lines {
            var sum: Int64 = 0
            for number in line.own.indices where line.own[number] > 0 {
                isServing[number] = true
                sum += line.own[number] * line.scarcity[number]
            }
            if line.own.indices.contains(where: { line.own[$0] > 0 && candidates[$0].isLate }) { late += 1 }
            balance += Self.balance(sum, line, weights)
        }
        return shape(isServing, late: late, balance: balance)
    }

    /// The candidates that serve it now.
    var presentSet: [Int] {
        candidates.indices.filter { number in
            mandatory.contains(number) || lines.contains { $0.own[number] > 0 }
        }
    }

    /// Who serves how many units of each of `lines`, from a set that can.
    func allocations(from set: [Int]) -> [[(candidate: Int, quantity: Int64)]] {
        let isChosen = flags(set)
        return lines.indices.map { index in
            guard let choice = choose(index, from: isChosen) else {
                preconditionFailure("the set cannot serve the order")
            }
            var shares: [(candidate: Int, quantity: Int64)] = []
            fill(index, from: isChosen, isLate: choice.isLate) { shares.append(($0, $1)) }
            return shares.sorted { $0.candidate < $1.candidate }
        }
    }

    /// What a set of candidates cannot cost less than, by itself.
    func leastCost(of set: some Sequence<Int>) -> Int64 {
        set.reduce(0) { $0 + weights.shipment + weights.kilometre * candidates[$1].kilometres }
    }

    private func flags(_ set: [Int]) -> [Bool] {
        var flags = Array(repeating: false, count: candidates.count)
        for number in set { flags[number] = true }
        return flags
    }

    private func shape(_ isServing: [Bool], late: Int64, balance: Int64) -> Shape {
        var shape = Shape()
        for number in candidates.indices where isServing[number] {
            shape.shipments += 1
            shape.kilometres += candidates[number].kilometres
        }
        shape.late = late
        shape.cost =
            weights.shipment * shape.shipments + weights.kilometre * shape.kilometres + weights.late * late
            + balance
        return shape
    }
}
