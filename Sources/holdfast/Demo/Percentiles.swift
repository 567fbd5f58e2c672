import Foundation

/// Percentiles of a set of samples, by nearest rank.
struct Percentiles {
    private let sorted: [Double]

    init(_ samples: [Double]) { sorted = samples.sorted() }

    var count: Int { sorted.count }
    var largest: Double? { sorted.last }

    /// - Parameter percent: 0 to 100.
    func value(_ percent: Double) -> Double? {
        guard !sorted.isEmpty else { return nil }
        let rank = Int((percent / 100 * Double(sorted.count)).rounded(.up))
        return sorted[min(max(rank - 1, 0), sorted.count - 1)]
    }

    /// With one decimal, or a dash where there are no samples.
    func text(_ percent: Double) -> String {
        value(percent).map { String(format: "%.1f", $0) } ?? "-"
    }
}
