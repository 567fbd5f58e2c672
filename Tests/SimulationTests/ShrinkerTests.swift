import Simulation
import Testing

@Suite("The shrinker")
struct ShrinkerTests {
    @Test(
        "What is left fails, and without any one of its faults does not",
        arguments: [[0], [7], [0, 7], [2, 3], [1, 4, 6], [0, 1, 2, 3, 4, 5, 6, 7]])
    func minimal(needed: [Int]) {
        let kept = Shrinker.shrink(8) { faults in needed.allSatisfy(faults.contains) }
        #expect(kept == needed)
    }

    @Test("A failure that needs no fault is left with none")
    func none() {
        #expect(Shrinker.shrink(5) { _ in true } == [])
    }

    @Test("A failing seed shrinks to fewer faults, which fail again")
    func seed() throws {
        let mutant = try #require(Mutant.named("emit-again"))
        for seed in UInt64(1)...500 {
            let plan = Plan(seed: seed)
            func fails(_ places: [Int]) -> Bool {
                !Simulation.run(Plan(seed: seed, faults: places.map { plan.faults[$0] }), mutant: mutant)
                    .isRight
            }
            guard plan.faults.count > 2, fails(Array(plan.faults.indices)) else { continue }
            let kept = Shrinker.shrink(plan.faults.count, fails: fails)
            #expect(kept.count < plan.faults.count && fails(kept))
            for place in kept { #expect(!fails(kept.filter { $0 != place })) }
            return
        }
        Issue.record("no seed of 500 catches the mutant")
    }
}
