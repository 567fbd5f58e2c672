import Foundation

/// How many samples fell where, in classes that each are 1 % wide: percentiles are right to one percent.
package struct LatencyCounts: Sendable {
    /// The upper end of the first class, in milliseconds.
    private static let least = 0.01
    private static let width = log(1.01)

    private var counts = Array(repeating: 0, count: 2_400)
    package private(set) var count = 0
    private var sum = 0.0

    package init() {}

    package mutating func add(_ milliseconds: Double) {
        let place =
            milliseconds <= Self.least ? 0 : Int((log(milliseconds / Self.least) / Self.width).rounded(.up))
        counts[min(place, counts.count - 1)] += 1
        count += 1
        sum += milliseconds
    }

    /// In milliseconds; 0 without samples.
    package var mean: Double { count == 0 ? 0 : sum / Double(count) }

    /// - Parameter percent: 0 to 100.
    /// - Returns: milliseconds, by nearest rank; 0 without samples.
    package func value(_ percent: Double) -> Double {
        let rank = max(1, Int((percent / 100 * Double(count)).rounded(.up)))
        var seen = 0
        for (place, number) in counts.enumerated() where number > 0 {
            seen += number
            if seen >= rank { return Self.least * exp(Double(place) * Self.width) }
        }
        return 0
    }
}
