/// What a seed came to.
package struct Report: Sendable {
    package let plan: Plan
    /// What is wrong; nothing for a run that is right.
    package let problems: [String]
    package let traces: [String]
    package let figures: World.Figures

    package var isRight: Bool { problems.isEmpty }
}

package enum Simulation {
    /// Runs a plan and looks at what it left.
    package static func run(_ plan: Plan, mutant: Mutant? = nil, isTracing: Bool = false) -> Report {
        let world = World(plan: plan, mutant: mutant, isTracing: isTracing)
        world.run()
        let problems = world.violations + Oracle.problems(of: world)
        return Report(plan: plan, problems: problems, traces: world.traces, figures: world.figures)
    }
}
