/// What a plan came to.
package struct Report: Sendable {
    package let plan: Plan
    /// What is wrong; nothing for a run that is right.
    package let problems: [String]
    package let figures: Figures

    package var isRight: Bool { problems.isEmpty }
}

package enum Simulation {
    /// Runs a plan and looks at what it left.
    ///
    /// - Parameter tell: gets a line for all that happens, as it happens: a run that stops the process has told how
    ///   it came to that.
    package static func run(
        _ plan: Plan, mutant: Mutant? = nil, tell: ((String) -> Void)? = nil
    ) -> Report {
        let world = World(plan: plan, mutant: mutant, tell: tell)
        world.run()
        return Report(
            plan: plan, problems: world.violations + Oracle.problems(of: world), figures: world.figures)
    }
}
