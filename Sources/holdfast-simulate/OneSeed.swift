import Operations
import Simulation

/// One seed: its trace, and where it fails, the fewest faults that still do.
struct OneSeed {
    private let seed: UInt64
    private let options: Options

    init(_ seed: UInt64, _ options: Options) {
        self.seed = seed
        self.options = options
    }

    func run() -> ExitCode {
        let plan = Plan(seed: seed)
        let report = Simulation.run(plan, mutant: options.mutant, isTracing: true)
        for line in report.traces { tell(line) }
        tell("seed \(seed): \(plan.faults.count) faults planned")
        for fault in plan.faults { tell("    \(fault)") }
        tell(
            "\(report.figures.commands) commands published, \(report.figures.restores) restores, "
                + "\(report.figures.steps) steps, \(report.figures.recoverySteps) of them after the last fault")
        if report.isRight {
            tell("all is right")
            return .success
        }
        for problem in report.problems.prefix(8) { tell("WRONG: \(problem)") }
        return .differenceFound
    }
}
