/// Looks for the rate that a machine carries: it doubles the rate until one is not carried, then halves the gap between
/// the two. It says what to try next, and is told what came of it; it knows no clock and no Kafka.
package struct RateSearch {
    /// What came of a rate that was tried.
    package struct Trial: Equatable {
        /// Reservations a second.
        package let rate: Int
        /// From intended send to result read, in milliseconds; nil where no result came.
        package let p50: Double?
        package let p99: Double?
        /// Commands without a result when the last one was sent.
        package let unanswered: Int
        /// Ledger entries that were not in PostgreSQL then.
        package let unstored: Int

        package init(rate: Int, p50: Double?, p99: Double?, unanswered: Int, unstored: Int) {
            self.rate = rate
            self.p50 = p50
            self.p99 = p99
            self.unanswered = unanswered
            self.unstored = unstored
        }

        /// Answers come soon, and no queue grows. Each reservation brings two commands, and each of them an entry: what
        /// is unanswered is the work of a quarter of a second at most, what is not in PostgreSQL that of a second.
        package var isCarried: Bool {
            guard let p99 else { return false }
            return p99 <= RateSearch.longestP99 && unanswered <= rate / 2 && unstored <= 2 * rate
        }
    }

    /// In milliseconds.
    package static let longestP99 = 250.0
    /// The rates that are tried, in reservations a second.
    package static let first = 2_000
    package static let lowest = 200
    package static let highest = 10_000
    /// So many rates are tried at most, and none after so many seconds.
    package static let trialLimit = 10
    package static let secondsLimit = 30.0
    /// Two rates that are closer than this are not told apart.
    private static let resolution = 1.5

    package private(set) var trials = 0
    /// The highest rate that was carried, below all that were not.
    package private(set) var carried: Int?
    /// The lowest rate that was too much.
    private var tooMuch: Int?
    /// A rate that failed once; the first failure of all may be a hiccup, and is tried again.
    private var doubted: Int?
    private var hasDoubted = false

    package init() {}

    /// The rate to try next; nil when the search is over.
    /// - Parameter seconds: how long it has lasted.
    package func next(after seconds: Double) -> Int? {
        guard trials < Self.trialLimit, seconds < Self.secondsLimit else { return nil }
        if let doubted { return doubted }
        switch (carried, tooMuch) {
        case (nil, nil): return Self.first
        case (let carried?, nil):
            return carried < Self.highest ? min(2 * carried, Self.highest) : nil
        case (nil, let tooMuch?):
            return tooMuch > Self.lowest ? max(tooMuch / 2, Self.lowest) : nil
        case (let carried?, let tooMuch?):
            guard Double(tooMuch) > Double(carried) * Self.resolution else { return nil }
            let middle = (Double(carried) * Double(tooMuch)).squareRoot()
            let step = middle < 1_000 ? 10.0 : 100.0
            let rate = Int((middle / step).rounded() * step)
            return carried < rate && rate < tooMuch ? rate : nil
        }
    }

    package mutating func tried(_ trial: Trial) {
        trials += 1
        if trial.isCarried {
            carried = max(carried ?? 0, trial.rate)
            doubted = nil
        } else if !hasDoubted {
            (doubted, hasDoubted) = (trial.rate, true)
        } else {
            tooMuch = min(tooMuch ?? .max, trial.rate)
            doubted = nil
        }
    }

    /// What the sale runs at: half of what is carried, in tens. Where nothing was carried, half of the lowest rate.
    package var saleRate: Int { (carried ?? Self.lowest) / 2 / 10 * 10 }
}
