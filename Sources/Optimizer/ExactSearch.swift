/// Goes over all sets of candidates, the small ones first, and passes over those that cannot be better than the best so
/// far: what warehouses cost by themselves is known before any line is served.
struct ExactSearch {
    private let problem: Problem
    private let isSpent: (_ looked: Int) -> Bool
    /// The optional candidates, the nearest first.
    private let open: [Int]
    /// Of the first so many of `open`: what they cost by themselves.
    private var costs: [Int64] = [0]
    /// By line and place in `open`: the most units that one of those from there on has.
    private var most: [[Int64]] = []
    private let mandatoryCost: Int64
    private(set) var best: Found?
    /// Sets looked at, partial ones too.
    private(set) var looked: Int
    /// No set of fewer candidates than this serves the order better than the best.
    private(set) var size: Int
    private var isStopped = false

    /// - Parameters:
    ///   - best: what is known; only what costs less is sought.
    ///   - looked: what was looked at before.
    ///   - isSpent: whether it is to end, having looked at so many sets.
    init(
        _ problem: Problem, best: Found?, looked: Int = 0,
        isSpent: @escaping (_ looked: Int) -> Bool
    ) {
        self.problem = problem
        self.best = best
        self.looked = looked
        self.isSpent = isSpent
        open = problem.optional
        mandatoryCost = problem.leastCost(of: problem.mandatory)
        size = problem.mandatory.count
        for number in open { costs.append(costs.last! + problem.leastCost(of: CollectionOfOne(number))) }
        for line in problem.lines {
            var most = Array(repeating: Int64(0), count: open.count + 1)
            for place in open.indices.reversed() {
                most[place] = max(most[place + 1], min(line.quantity, line.capacity[open[place]]))
            }
            self.most.append(most)
        }
    }

    /// - Returns: whether the best is the best of all.
    mutating func run() -> Bool {
        let needs = problem.lines.map { line in
            line.quantity - problem.mandatory.reduce(0) { $0 + min(line.quantity, line.capacity[$1]) }
        }
        for count in 0...open.count {
            if let best, mandatoryCost + costs[count] >= best.cost { return true }
            size = problem.mandatory.count + count
            choose(count, from: 0, chosen: [], cost: mandatoryCost, needs)
            if isStopped { return false }
        }
        return true
    }

    /// - Parameters:
    ///   - count: how many are still to be chosen, from `place` on.
    ///   - cost: of what is chosen, by itself.
    ///   - needs: by line, the units that the chosen do not have.
    private mutating func choose(
        _ count: Int, from place: Int, chosen: [Int], cost: Int64, _ needs: [Int64]
    ) {
        looked += 1
        if isSpent(looked) { isStopped = true }
        if isStopped { return }
        if count == 0 {
            let set = (problem.mandatory + chosen).sorted()
            guard let shape = problem.shape(of: set) else { return }
            if best == nil || shape.cost < best!.cost { best = Found(set: set, cost: shape.cost) }
            return
        }
        for next in place..<max(place, open.count - count + 1) {
            // Those that follow are as near as the next at best.
            if let best, cost + costs[next + count] - costs[next] >= best.cost { return }
            let helpers = Int64(count - 1)
            var left = needs
            var isEnough = true
            for line in left.indices {
                if left[line] > most[line][next] * (helpers + 1) { return }
                left[line] -= problem.lines[line].capacity[open[next]]
                if left[line] > most[line][next + 1] * helpers { isEnough = false }
            }
            guard isEnough else { continue }
            choose(
                count - 1, from: next + 1, chosen: chosen + [open[next]],
                cost: cost + costs[next + 1] - costs[next], left)
            if isStopped { return }
        }
    }
}
