import Foundation
import Operations
import Simulation

/// One seed: its trace, and where it fails, the fewest faults with which it still does.
struct OneSeed {
    private let seed: UInt64
    private let options: Options

    init(_ seed: UInt64, _ options: Options) {
        self.seed = seed
        self.options = options
    }

    func run() -> ExitCode {
        var options = options
        let faults = Plan(seed: seed).faults
        var kept = options.faults ?? Array(faults.indices)
        let fails = fails(kept)
        if fails, options.faults == nil {
            kept = Shrinker.shrink(faults.count) { self.fails($0) }
        }
        tell("seed \(seed): \(faults.count) faults planned\(fails ? ", \(kept.count) of them needed" : "")")
        for place in kept where place < faults.count { tell("    \(place): \(faults[place])") }
        options.faults = kept
        // A failed precondition ends the process here; then the trace ends with what led to it.
        let report = Simulation.run(options.plan(seed), mutant: options.mutant) { tell($0) }
        for count in Figures.Count.allCases where report.figures[count] > 0 {
            tell("\(report.figures[count]) \(count.rawValue)")
        }
        for problem in report.problems.prefix(8) { tell("WRONG: \(problem)") }
        if report.isRight { tell("all is right") }
        if fails {
            let mutant = options.mutant.map { " --mutant \($0.name)" } ?? ""
            tell("To see it again: holdfast-simulate --seed \(seed) --faults \(Options.list(kept))\(mutant)")
        }
        return report.isRight ? .success : .differenceFound
    }

    /// Whether it fails with these faults; in a process of its own, which a failed precondition may end.
    private func fails(_ faults: [Int]) -> Bool {
        var share = options
        share.firstSeed = seed
        share.seeds = 1
        share.stride = 1
        share.faults = faults
        var hasFailed = false
        ShareProcess.run(share) { if case .failed = $0 { hasFailed = true } }
        return hasFailed
    }
}
