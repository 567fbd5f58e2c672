import Sizing
import Testing

@Suite("The search for the rate that a machine carries")
struct RateSearchTests {
    /// A machine that carries up to `limit` reservations a second, and what a search makes of it.
    private func search(limit: Int, failingOnce hiccup: Int? = nil) -> (rates: [Int], search: RateSearch) {
        var search = RateSearch()
        var rates: [Int] = []
        var hiccup = hiccup
        while let rate = search.next(after: 0) {
            rates.append(rate)
            let isCarried = rate <= limit && rate != hiccup
            if rate == hiccup { hiccup = nil }
            search.tried(trial(rate, p99: isCarried ? 80 : 2_000))
        }
        return (rates, search)
    }

    private func trial(
        _ rate: Int, p99: Double?, unanswered: Int = 0, unstored: Int = 0
    ) -> RateSearch.Trial {
        RateSearch.Trial(
            rate: rate, p50: p99.map { $0 / 2 }, p99: p99, unanswered: unanswered, unstored: unstored)
    }

    @Test("A rate is carried while answers come soon and no queue grows")
    func carried() {
        #expect(trial(1_000, p99: 250, unanswered: 500, unstored: 2_000).isCarried)
        #expect(!trial(1_000, p99: 250.1, unanswered: 0).isCarried)
        #expect(!trial(1_000, p99: 20, unanswered: 501).isCarried)
        #expect(!trial(1_000, p99: 20, unstored: 2_001).isCarried)
        #expect(!trial(1_000, p99: nil).isCarried)
    }

    @Test("The rate doubles until one is too much, and the gap is then halved until it is small")
    func doubles() {
        let (rates, search) = search(limit: 5_000)
        #expect(rates == [2_000, 4_000, 8_000, 8_000, 5_700])
        #expect(search.carried == 4_000)
    }

    @Test("The sale runs at half of what is carried")
    func half() {
        #expect(search(limit: 5_000).search.saleRate == 2_000)
        #expect(search(limit: 6_000).search.saleRate == 2_850)
    }

    @Test("What is carried is found to within a half, whatever the machine")
    func precise() {
        for limit in stride(from: 200, through: 9_900, by: 37) {
            let carried = search(limit: limit).search.carried ?? 0
            #expect(carried <= limit, "of \(limit)")
            #expect(Double(limit) < Double(carried) * 1.52, "\(carried) of \(limit)")
        }
    }

    @Test("A hiccup is tried again, and does not end the search")
    func hiccup() {
        let (rates, search) = search(limit: 6_000, failingOnce: 4_000)
        #expect(rates == [2_000, 4_000, 4_000, 8_000, 5_700])
        #expect(search.carried == 5_700)
    }

    @Test("Only the first failure is doubted")
    func secondFailure() {
        var search = RateSearch()
        search.tried(trial(2_000, p99: 2_000))
        #expect(search.next(after: 0) == 2_000)
        search.tried(trial(2_000, p99: 80))
        search.tried(trial(4_000, p99: 2_000))
        #expect(search.next(after: 0) == 2_800)
    }

    @Test("A slow machine is asked for less, down to a floor")
    func slow() {
        let (rates, search) = search(limit: 300)
        #expect(rates == [2_000, 2_000, 1_000, 500, 250, 350])
        #expect(search.saleRate == 120)
    }

    @Test("Where nothing is carried, the sale runs at half of the floor")
    func nothing() {
        let (rates, search) = search(limit: 0)
        #expect(rates == [2_000, 2_000, 1_000, 500, 250, 200])
        #expect(search.carried == nil)
        #expect(search.saleRate == RateSearch.lowest / 2)
    }

    @Test("A fast machine is not asked for more than the ceiling")
    func fast() {
        let (rates, search) = search(limit: 1_000_000)
        #expect(rates == [2_000, 4_000, 8_000, 10_000])
        #expect(search.saleRate == RateSearch.highest / 2)
    }

    @Test("No rate is tried after the time is over, nor more rates than the limit")
    func bounded() {
        var search = RateSearch()
        #expect(search.next(after: RateSearch.secondsLimit) == nil)
        for _ in 0..<RateSearch.trialLimit {
            #expect(search.next(after: 0) != nil)
            // Now this, now that: an answer that no machine gives.
            let rate = search.next(after: 0)!
            search.tried(trial(rate, p99: search.trials % 2 == 0 ? 80 : 2_000))
            if search.next(after: 0) == nil { break }
        }
        #expect(search.trials <= RateSearch.trialLimit)
    }
}
