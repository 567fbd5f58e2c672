/// Finds what somebody meant who mistyped a name: the known names with the fewest changes to it, if they are few enough
/// to be a slip.
package struct NearestName<Name: Comparable> {
    /// A known name, taken apart once for all that look for theirs.
    package struct Candidate {
        fileprivate let scalars: [Unicode.Scalar]
        fileprivate let mask: UInt64
        package let name: Name

        /// - Parameter text: what is compared.
        package init(_ name: Name, text: String) {
            self.name = name
            scalars = Array(text.unicodeScalars)
            mask = scalars.reduce(0) { $0 | 1 << UInt64($1.value % 64) }
        }
    }

    private let scalars: [Unicode.Scalar]
    private let mask: UInt64
    private let most: Int
    private var limit: Int
    /// How many changes lead to the nearest; nil if none is near.
    package var distance: Int? { names.isEmpty ? nil : limit }
    /// The nearest so far, in their order.
    package private(set) var names: [Name] = []

    /// - Parameter most: how many names are kept that are as near as one another.
    package init(to text: String, atMost most: Int = 1) {
        scalars = Array(text.unicodeScalars)
        mask = scalars.reduce(0) { $0 | 1 << UInt64($1.value % 64) }
        limit = max(1, min(4, scalars.count / 3))
        self.most = most
    }

    package mutating func consider(_ candidate: Candidate) {
        // Each change of one to the other makes at most two characters appear or go.
        guard abs(candidate.scalars.count - scalars.count) <= limit,
            (candidate.mask ^ mask).nonzeroBitCount <= 2 * limit,
            let distance = distance(to: candidate.scalars)
        else { return }
        if distance < limit {
            limit = distance
            names = []
        } else if names.isEmpty {
            limit = distance
        }
        let place = names.firstIndex { candidate.name <= $0 } ?? names.count
        guard place == names.count || names[place] != candidate.name else { return }
        names.insert(candidate.name, at: place)
        if names.count > most { names.removeLast() }
    }

    /// How many insertions, deletions, replacements and swaps of neighbours lead from one to the other; nil if they are
    /// more than `limit`.
    private func distance(to other: [Unicode.Scalar]) -> Int? {
        let width = other.count + 1
        return withUnsafeTemporaryAllocation(of: Int.self, capacity: 3 * width) { rows in
            var (beforeLast, last, row) = (2 * width, 0, width)
            for j in 0..<width { rows[last + j] = j }
            for (i, a) in scalars.enumerated() {
                rows[row] = i + 1
                var least = i + 1
                for (j, b) in other.enumerated() {
                    var cost = min(
                        rows[last + j] + (a == b ? 0 : 1), rows[last + j + 1] + 1, rows[row + j] + 1)
                    if i > 0, j > 0, a == other[j - 1], scalars[i - 1] == b {
                        cost = min(cost, rows[beforeLast + j - 1] + 1)
                    }
                    rows[row + j + 1] = cost
                    least = min(least, cost)
                }
                // A swap looks back two rows, so one more may still be needed.
                guard least <= limit + 1 else { return nil }
                (beforeLast, last, row) = (last, row, beforeLast)
            }
            let distance = rows[last + other.count]
            return distance <= limit ? distance : nil
        }
    }
}

extension NearestName where Name == String {
    /// The nearest candidate; at a tie the first in alphabetical order.
    static func find(_ name: String, among candidates: [String]) -> String? {
        var nearest = NearestName(to: name)
        for candidate in candidates { nearest.consider(Candidate(candidate, text: candidate)) }
        return nearest.names.first
    }
}
