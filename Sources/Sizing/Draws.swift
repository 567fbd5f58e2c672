import Foundation

/// Draws whose whole future follows from the seed (SplitMix64, Steele, Lea and Flood 2014).
package struct Draws: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// - Parameter row: rows of one seed draw apart from one another.
    package init(seed: UInt64, row: UInt64 = 0) {
        state = seed
        state = next() ^ (row &* 0xD6E8_FEB8_6659_FD93)
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number of 0..<bound.
    package mutating func below(_ bound: Int) -> Int { Int(truncatingIfNeeded: next() >> 33) % bound }

    /// From 0 up to, and without, 1.
    package mutating func unit() -> Double { Double(next() >> 11) / Double(1 << 53) }

    /// Exponentially distributed: the time to the next of independent events.
    package mutating func exponential(mean: Double) -> Double { -mean * log(1 - unit()) }
}
