import InventoryCore
import OrderCore

/// Looks for a better way to serve an order: which warehouses, over all its lines. It reads no clock and draws no random
/// number: the same order in the same network has the same review, unless it is told to end.
package struct Optimizer: Sendable {
    /// Up to so many lines and warehouses that come into question all sets are gone over at once; beyond, a local search
    /// goes first, and what is left of the time goes into the search over all sets.
    package static let exactLines = 6
    package static let exactWarehouses = 8

    package let weights: Weights
    /// Whether the local search is all there is, whatever the order: for who measures what it misses.
    package let isLocalAlone: Bool

    package init(_ weights: Weights = Weights(), isLocalAlone: Bool = false) {
        self.weights = weights
        self.isLocalAlone = isLocalAlone
    }

    /// - Parameter isSpent: whether it is to end with the best so far, having looked at so many sets of warehouses.
    package func review(
        _ order: ServedOrder, in network: Network, isSpent: @escaping (_ looked: Int) -> Bool = { _ in false }
    ) -> Review {
        let problem = Problem(order, network, weights)
        let before = problem.present
        var review = Review(before: before, after: before, moves: [], isExact: true, looked: 0)
        guard !problem.lines.isEmpty else { return review }
        var best = Found(set: problem.presentSet, cost: before.cost)
        let isSmall = problem.lines.count <= Self.exactLines && problem.optional.count <= Self.exactWarehouses
        var isOver = isLocalAlone
        if !isSmall || isLocalAlone {
            var search = LocalSearch(problem, present: before.cost, isSpent: isSpent)
            search.run()
            (best, review.looked, review.isExact) = (search.best, search.looked, false)
            isOver = isOver || search.isStopped
        }
        if !isOver {
            var search = ExactSearch(problem, best: best, looked: review.looked, isSpent: isSpent)
            review.isExact = search.run()
            (best, review.looked) = (search.best ?? best, search.looked)
        }
        guard before.cost - best.cost >= max(1, weights.leastSaving), let after = problem.shape(of: best.set)
        else { return review }
        let moves = moves(order, problem, best.set, network)
        guard moves.count <= OrderLimits.linesPerEvent,
            moves.allSatisfy({ $0.allocations.count <= Limits.allocations })
        else { return review }
        review.after = after
        review.moves = moves
        return review
    }

    /// How many warehouses the order needs at least, whatever it costs: a set that serves it has no fewer.
    ///
    /// - Returns: also whether so many are enough, as far as was looked.
    package func leastShipments(
        _ order: ServedOrder, in network: Network, isSpent: @escaping (_ looked: Int) -> Bool = { _ in false }
    ) -> (count: Int, isExact: Bool) {
        let problem = Problem(
            order, network, Weights(shipment: 1, kilometre: 0, late: 0, balance: 0, leastSaving: 1))
        guard !problem.lines.isEmpty else { return (problem.mandatory.count, true) }
        var search = ExactSearch(problem, best: nil, isSpent: isSpent)
        let isExact = search.run()
        if isExact, let best = search.best { return (Int(best.cost), true) }
        return (max(1, search.size), false)
    }

    /// The lines that are served otherwise than now, in the order's order.
    private func moves(
        _ order: ServedOrder, _ problem: Problem, _ set: [Int], _ network: Network
    ) -> [ServedOrder.Line] {
        var moves: [ServedOrder.Line] = []
        for (line, shares) in zip(problem.lines, problem.allocations(from: set)) {
            let isSame = shares.allSatisfy { line.own[$0.candidate] == $0.quantity }
            if isSame { continue }
            var moved = order.lines[line.place]
            moved.allocations = shares.map {
                let place = problem.candidates[$0.candidate].place
                return Allocation(
                    warehouse: network.warehouses[place].facts.id, quantity: $0.quantity)
            }
            moves.append(moved)
        }
        return moves
    }
}
