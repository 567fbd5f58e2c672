import Synchronization

/// A number that only grows. `add` takes no lock, so it fits the hot path once the handle has been fetched.
package final class Counter: Sendable {
    private let count = Atomic<UInt64>(0)

    init() {}

    /// Adds `amount`, 0 or more.
    package func add(_ amount: Int = 1) {
        precondition(amount >= 0, "a counter only grows; use a Gauge for what can fall")
        count.wrappingAdd(UInt64(amount), ordering: .relaxed)
    }

    package var value: UInt64 {
        count.load(ordering: .relaxed)
    }
}

/// A number that rises and falls.
package final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(Double(0).bitPattern)

    init() {}

    package func set(_ value: Double) {
        bits.store(value.bitPattern, ordering: .relaxed)
    }

    package func set(_ value: Int) {
        set(Double(value))
    }

    /// Adds `amount`, which may be negative.
    package func add(_ amount: Double) {
        bits.addDouble(amount)
    }

    package var value: Double {
        Double(bitPattern: bits.load(ordering: .relaxed))
    }
}

/// How often values fell into which of a fixed set of ranges; for lengths of time, in seconds.
package final class Histogram: Sendable {
    /// Upper bounds in seconds that tell apart what matters for transactions and restarts here.
    package static let durationBuckets: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
    ]

    /// Inclusive upper bounds, rising; values above the last are counted in a range of their own.
    let bounds: [Double]
    private let counts: [Counter]
    private let sum = Atomic<UInt64>(Double(0).bitPattern)

    init(bounds: [Double]) {
        self.bounds = bounds
        self.counts = (0...bounds.count).map { _ in Counter() }
    }

    /// Counts one value. Not-a-number is not counted, since the sum could never recover from it.
    package func observe(_ value: Double) {
        guard !value.isNaN else { return }
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count].add()
        sum.addDouble(value)
    }

    /// Counts the seconds since `start`, a value that `MonotonicTime.now()` gave.
    package func observe(since start: UInt64) {
        observe(MonotonicTime.seconds(since: start))
    }

    /// Counts up to and with each bound, the last being that of all values, and the sum of the values.
    package var snapshot: (cumulative: [UInt64], sum: Double) {
        var total: UInt64 = 0
        let cumulative = counts.map { count in
            total += count.value
            return total
        }
        return (cumulative, Double(bitPattern: sum.load(ordering: .relaxed)))
    }
}

extension Atomic where Value == UInt64 {
    /// Adds to a `Double` that is kept as its bit pattern, since the standard library has no atomic `Double`.
    fileprivate borrowing func addDouble(_ amount: Double) {
        var old = load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let (exchanged, current) = compareExchange(expected: old, desired: new, ordering: .relaxed)
            if exchanged { return }
            old = current
        }
    }
}
