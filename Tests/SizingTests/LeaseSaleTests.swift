import Sizing
import Testing

@Suite struct LeaseSaleTests {
    private func sale(
        _ rule: LeaseSale.Rule, buckets: Int = 4, units: Int = 2_000, demand: Int = 6_000, seed: UInt64 = 1
    ) -> LeaseSale.Outcome {
        LeaseSale.run(
            rule, buckets: buckets, units: units, demand: demand, rate: 50_000, answer: 20, seed: seed)
    }

    @Test(
        "Never more is granted than there is, and every reservation is answered",
        arguments: LeaseSale.Rule.allCases)
    func noOversell(_ rule: LeaseSale.Rule) {
        for seed in 1...20 as ClosedRange<UInt64> {
            for (units, demand) in [(0, 10), (1, 100), (7, 5), (2_000, 6_000), (2_000, 1_500)] {
                let seen = sale(rule, units: units, demand: demand, seed: seed)
                #expect(seen.granted <= units, "\(rule), seed \(seed), \(units) units: \(seen)")
                #expect(
                    seen.granted + seen.refused == demand, "\(rule), seed \(seed), \(units) units: \(seen)")
            }
        }
    }

    @Test("With demand enough all units are sold", arguments: LeaseSale.Rule.allCases)
    func soldOut(_ rule: LeaseSale.Rule) {
        #expect(sale(rule).granted == 2_000)
    }

    @Test("One bucket with all units refuses nobody before it is empty")
    func oneBucket() {
        let seen = sale(.split, buckets: 1)
        #expect(seen.strandedAtFirstRefusal == 0 && seen.grantedAfterRefused == 0 && seen.extraCommands == 0)
        #expect(abs(seen.longest - 20) < 1e-6)
    }

    @Test("Buckets that keep their shares refuse while others have units")
    func split() {
        let seen = sale(.split)
        #expect(seen.strandedAtFirstRefusal > 0 && seen.grantedAfterRefused > 0)
        #expect(seen.grantedAfterRefused == seen.strandedAtFirstRefusal)
    }

    @Test("Leases that are called back refuse nobody while a unit is left")
    func recall() {
        for seed in 1...20 as ClosedRange<UInt64> {
            let seen = sale(.recall, seed: seed)
            #expect(seen.strandedAtFirstRefusal == 0, "seed \(seed): \(seen)")
            #expect(seen.extraCommands > 0)
        }
    }

    @Test("Without a recall little is left over, as the last loans are small")
    func lend() {
        let (split, lend) = (sale(.split), sale(.lend))
        #expect(lend.extraCommands > 0)
        #expect(lend.strandedAtFirstRefusal < split.strandedAtFirstRefusal, "\(split) \(lend)")
    }
}
