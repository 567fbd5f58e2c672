/// The names of the strategies, and the one place where they are registered: a new one is a case here and a
/// type that conforms to `AllocationStrategy`.
package enum Strategy: String, CaseIterable, Sendable {
    case nearest
    case mostStock = "most_stock"
    case priority
    case fewestSplits = "fewest_splits"

    var type: any AllocationStrategy.Type {
        switch self {
        case .nearest: Nearest.self
        case .mostStock: MostStock.self
        case .priority: Priority.self
        case .fewestSplits: FewestSplits.self
        }
    }
}

/// A warehouse that may serve a reservation. It holds no reference, so that hundreds are looked at without counting
/// any.
struct Candidate: BitwiseCopyable {
    /// Where the warehouse stands in the partition's state.
    var place: Int
    /// Units that it has for it.
    var available: Int64
    /// Where it stands; nil if that is not known.
    var direction: UnitVector?
    var priority: Int64

    init(_ place: Int, available: Int64, _ known: borrowing KnownWarehouse) {
        self.place = place
        self.available = available
        direction = known.direction
        priority = known.facts.priority
    }
}

/// What makes one warehouse better than another for a reservation.
protocol AllocationStrategy {
    /// The warehouse's rank: less is better. Ties go to the lower warehouse id, so that a replay decides alike.
    ///
    /// - Parameter shipTo: where the units go, if that is known.
    static func rank(_ candidate: Candidate, shipTo: UnitVector?) -> Double
}

/// The nearest to the customer, by great circle. Where either place is unknown, the warehouse is the last.
enum Nearest: AllocationStrategy {
    static func rank(_ candidate: Candidate, shipTo: UnitVector?) -> Double {
        guard let shipTo, let direction = candidate.direction else { return .infinity }
        return direction.squaredChord(to: shipTo)
    }
}

/// The one with most units available.
enum MostStock: AllocationStrategy {
    static func rank(_ candidate: Candidate, shipTo: UnitVector?) -> Double {
        -Double(candidate.available)
    }
}

/// The one that people have put first.
enum Priority: AllocationStrategy {
    static func rank(_ candidate: Candidate, shipTo: UnitVector?) -> Double {
        Double(candidate.priority)
    }
}

/// The one with the fewest units that still has all: large stocks stay whole, so that later reservations need
/// not be split. When it comes to a split the largest stocks serve, as all strategies split as little as
/// possible.
enum FewestSplits: AllocationStrategy {
    static func rank(_ candidate: Candidate, shipTo: UnitVector?) -> Double {
        Double(candidate.available)
    }
}

/// Picks warehouses: one that has it all if there is any, the best by rank; else as few as possible and, among
/// as few, the set whose best is best by rank, then its second, and so on.
///
/// The number of warehouses is exactly the least, however many there are: no set of k has more units than the
/// k largest stocks. And the set is exactly the first by rank: going through the candidates from the best, each
/// is taken that leaves enough to the largest of the later ones; that is a question of sums, and no search.
struct Allocator {
    let strategy: Strategy
    let shipTo: UnitVector?

    /// The units that a candidate gives.
    struct Share {
        let place: Int
        let quantity: Int64
    }

    private struct Ranked {
        let index: Int
        let rank: Double
        let available: Int64
    }

    /// - Parameters:
    ///   - quantity: at least 1.
    ///   - candidates: ordered by warehouse; those without units are passed over.
    /// - Returns: who gives what, best first; nil if all together have too few.
    func allocate(_ quantity: Int64, from candidates: [Candidate]) -> [Share]? {
        if let whole = best(of: candidates, with: quantity) {
            return [Share(place: candidates[whole].place, quantity: quantity)]
        }
        return split(quantity, over: candidates)
    }

    /// The best of those that have so many units.
    func best(of candidates: [Candidate], with quantity: Int64) -> Int? {
        var search = Search(self, quantity)
        for (index, candidate) in candidates.enumerated() { search.look(at: candidate, index) }
        return search.best?.index
    }

    /// Goes over candidates one by one, in the order of their warehouses, for the best of those that have so many
    /// units.
    struct Search {
        private let quantity: Int64
        private let type: any AllocationStrategy.Type
        private let shipTo: UnitVector?
        private(set) var best: (index: Int, rank: Double)?

        init(_ allocator: Allocator, _ quantity: Int64) {
            self.quantity = quantity
            type = allocator.strategy.type
            shipTo = allocator.shipTo
        }

        /// - Parameter index: by which the best is told.
        mutating func look(at candidate: Candidate, _ index: Int) {
            guard candidate.available >= quantity else { return }
            let rank = type.rank(candidate, shipTo: shipTo)
            if best == nil || rank < best!.rank { best = (index, rank) }
        }
    }

    private func split(_ quantity: Int64, over candidates: [Candidate]) -> [Share]? {
        // No warehouse has it all, so that the largest stocks are the best of those that tie otherwise.
        let type = strategy == .fewestSplits ? MostStock.self : strategy.type
        var ranked: [Ranked] = []
        ranked.reserveCapacity(candidates.count)
        for (index, candidate) in candidates.enumerated() where candidate.available > 0 {
            ranked.append(
                Ranked(
                    index: index, rank: type.rank(candidate, shipTo: shipTo),
                    available: candidate.available))
        }
        ranked.sort { $0.rank == $1.rank ? $0.index < $1.index : $0.rank < $1.rank }
        let bySize = ranked.indices.sorted {
            ranked[$0].available == ranked[$1].available
                ? $0 < $1 : ranked[$0].available > ranked[$1].available
        }
        var count = 0
        var sum: Int64 = 0
        while sum < quantity {
            guard count < bySize.count else { return nil }
            sum += ranked[bySize[count]].available
            count += 1
        }
        return take(quantity, choose(count, for: quantity, from: ranked, bySize), candidates)
    }

    private func take(
        _ quantity: Int64, _ chosen: [Ranked], _ candidates: [Candidate]
    ) -> [Share] {
        var left = quantity
        return chosen.map {
            let units = min(left, $0.available)
            left -= units
            return Share(place: candidates[$0.index].place, quantity: units)
        }
    }

    /// The first set of `count` in the order of ranks whose units suffice.
    ///
    /// - Parameter bySize: the places in `ranked`, the largest stock first.
    private func choose(
        _ count: Int, for quantity: Int64, from ranked: [Ranked], _ bySize: [Int]
    ) -> [Ranked] {
        var chosen: [Ranked] = []
        var have: Int64 = 0
        for (place, candidate) in ranked.enumerated() where chosen.count < count {
            // With the largest of those after it, does it suffice?
            var helpers = count - chosen.count - 1
            var units = have + candidate.available
            for other in bySize where helpers > 0 && units < quantity && other > place {
                units += ranked[other].available
                helpers -= 1
            }
            if units >= quantity {
                chosen.append(candidate)
                have += candidate.available
            }
        }
        return chosen
    }
}

/// What a `reserve` gets.
enum Grant {
    case granted(Allocations, backordered: Int64)
    case refused(Rejection)
}

extension Stock {
    /// - Precondition: a named warehouse is active.
    func allocate(_ reserve: Command.Reserve, item: Int?) -> Grant {
        guard let index = item else { return .refused(.insufficientStock) }
        let shipTo = reserve.shipTo.map(UnitVector.init)
        let allocator = Allocator(
            strategy: reserve.strategy ?? items[index].policy?.strategy ?? settings.strategy, shipTo: shipTo)
        var search = Allocator.Search(allocator, reserve.quantity)
        let isTooLate = lookAtCandidates(for: reserve, shipTo, item: index) { search.look(at: $0, $0.place) }
        if let best = search.best {
            let whole = Allocation(warehouse: warehouses[best.index].facts.id, quantity: reserve.quantity)
            return .granted(Allocations(whole), backordered: 0)
        }
        let candidates = candidates(for: reserve, shipTo, item: index)
        if candidates.isEmpty && isTooLate { return .refused(.deliveryTooLate) }
        let most =
            reserve.allowSplit
            ? candidates.reduce(0) { $0 + $1.available } : candidates.reduce(0) { max($0, $1.available) }
        let now = min(reserve.quantity, most)
        func grant(_ units: Int64) -> Allocations {
            units == 0 ? [] : Allocations(allocations(allocator.allocate(units, from: candidates) ?? []))
        }
        if now == reserve.quantity { return .granted(grant(now), backordered: 0) }
        let missing = reserve.quantity - now
        if reserve.allowBackorder, reserve.deliverWithinHours == nil,
            items[index].backordered + missing <= items[index].policy?.backorderLimit ?? 0
        {
            return .granted(grant(now), backordered: missing)
        }
        if reserve.allowPartial, now > 0 { return .granted(grant(now), backordered: 0) }
        let isThere = candidates.reduce(0) { $0 + $1.available } >= reserve.quantity
        return .refused(isThere ? .splitRequired : .insufficientStock)
    }

    /// The shares, by the names of their warehouses.
    func allocations(_ shares: [Allocator.Share]) -> [Allocation] {
        shares.map { Allocation(warehouse: warehouses[$0.place].facts.id, quantity: $0.quantity) }
    }

    /// The warehouses that have units for the command, in their order.
    private func candidates(
        for reserve: Command.Reserve, _ shipTo: UnitVector?, item index: Int
    ) -> [Candidate] {
        var candidates: [Candidate] = []
        _ = lookAtCandidates(for: reserve, shipTo, item: index) { candidates.append($0) }
        return candidates
    }

    /// Gives the warehouses that have units for the command to `body`, in their order.
    ///
    /// - Returns: whether others have some that would come too late.
    @inline(__always)
    private func lookAtCandidates(
        for reserve: Command.Reserve, _ shipTo: UnitVector?, item index: Int, _ body: (Candidate) -> Void
    ) -> Bool {
        var isTooLate = false
        // In place: a level is large, and a copy of it costs more than all that is asked of it here.
        items[index].levels.withUnsafeBufferPointer { levels in
            for number in levels.indices {
                if let named = reserve.warehouse, named != levels[number].warehouse { continue }
                let available = levels[number].available(to: reserve.channel)
                let place = levels[number].place
                guard available > 0, warehouses[place].facts.isActive else { continue }
                guard Self.isInTime(warehouses[place], shipTo, reserve.deliverWithinHours) else {
                    isTooLate = true
                    continue
                }
                body(Candidate(place, available: available, warehouses[place]))
            }
        }
        return isTooLate
    }

    /// Whether handling plus transit, along the great circle, take no longer than so many hours; a warehouse or a
    /// customer whose place is not known is too late.
    package static func isInTime(
        _ warehouse: borrowing KnownWarehouse, _ shipTo: UnitVector?, _ hours: Int64?
    ) -> Bool {
        guard let hours else { return true }
        guard let shipTo, let direction = warehouse.direction else { return false }
        let transit = hours - warehouse.facts.handlingHours
        guard transit >= 0 else { return false }
        let reach = UnitVector.squaredChord(kilometres: transit * warehouse.facts.kilometresPerHour)
        return direction.squaredChord(to: shipTo) <= reach
    }
}
