/// Begins with the warehouses that serve the order, and with a few that have much of it, and leaves out, swaps, joins and
/// adds warehouses for as long as that is better.
struct LocalSearch {
    private let problem: Problem
    private let isSpent: (_ looked: Int) -> Bool
    private(set) var best: Found
    private(set) var looked = 0
    /// The time was up before it had come to its end.
    private(set) var isStopped = false

    /// - Parameter present: what the order costs as it is served.
    init(_ problem: Problem, present: Int64, isSpent: @escaping (_ looked: Int) -> Bool) {
        self.problem = problem
        self.isSpent = isSpent
        best = Found(set: problem.presentSet, cost: present)
    }

    mutating func run() {
        descend(from: problem.presentSet)
        if !isStopped, let cover = cover() { descend(from: cover) }
    }

    /// Takes the warehouse that has most of what is still missing, the nearest of those, until nothing is.
    private func cover() -> [Int]? {
        var needs = problem.lines.map(\.quantity)
        var set = problem.mandatory
        var open = problem.optional
        for number in set { reduce(&needs, by: number) }
        while needs.contains(where: { $0 > 0 }) {
            var chosen: (place: Int, whole: Int, units: Int64)?
            for (place, number) in open.enumerated() {
                var (whole, units) = (0, Int64(0))
                for (line, need) in needs.enumerated() where need > 0 {
                    let has = min(need, problem.lines[line].capacity[number])
                    if has == need { whole += 1 }
                    units += has
                }
                guard units > 0 else { continue }
                if chosen == nil || (whole, units) > (chosen!.whole, chosen!.units) {
                    chosen = (place, whole, units)
                }
            }
            guard let chosen else { return nil }
            let number = open.remove(at: chosen.place)
            set.append(number)
            reduce(&needs, by: number)
        }
        return set.sorted()
    }

    private func reduce(_ needs: inout [Int64], by number: Int) {
        for line in needs.indices {
            needs[line] = max(0, needs[line] - problem.lines[line].capacity[number])
        }
    }

    private mutating func descend(from start: [Int]) {
        guard let cost = look(at: start) else { return }
        var (set, cheapest) = (start, cost)
        while !isStopped {
            var next: Found?
            for neighbour in neighbours(of: set) {
                guard !isStopped else { break }
                guard let cost = look(at: neighbour), cost < next?.cost ?? cheapest else { continue }
                next = Found(set: neighbour, cost: cost)
            }
            guard let next else { return }
            (set, cheapest) = (next.set, next.cost)
        }
    }

    /// Sets that have one warehouse less, another, another for two, or one more.
    private func neighbours(of set: [Int]) -> [[Int]] {
        let movable = set.filter { !problem.mandatory.contains($0) }
        let others = problem.optional.filter { !set.contains($0) }
        var neighbours: [[Int]] = []
        for one in movable {
            let without = set.filter { $0 != one }
            neighbours.append(without)
            for other in others { neighbours.append((without + [other]).sorted()) }
            for two in movable where two > one {
                let rest = without.filter { $0 != two }
                for other in others { neighbours.append((rest + [other]).sorted()) }
            }
        }
        for other in others { neighbours.append((set + [other]).sorted()) }
        return neighbours
    }

    /// - Returns: what a set costs; nil if it cannot serve the order, or if the time is up.
    private mutating func look(at set: [Int]) -> Int64? {
        looked += 1
        if isSpent(looked) { isStopped = true }
        guard !isStopped, let shape = problem.shape(of: set) else { return nil }
        if shape.cost < best.cost { best = Found(set: set, cost: shape.cost) }
        return shape.cost
    }
}
