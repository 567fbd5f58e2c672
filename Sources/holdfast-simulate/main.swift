import Foundation
import Operations
import Simulation

// Runs the production code in a world of faults, seed by seed (docs/simulation.md).
let options: Options
do {
    options = try Options(Array(CommandLine.arguments.dropFirst()))
} catch {
    FileHandle.standardError.write(Data("holdfast-simulate: \(error.message)\n".utf8))
    ExitCode.usage.exitProcess()
}

switch options.task {
case .help: tell(Options.help)
case .listMutants:
    for mutant in Mutant.all { tell("\(mutant.name)\n    \(mutant.what)") }
    tell("\nnot wrong, because another protection stands before:\n")
    for mutant in Mutant.redundant { tell("\(mutant.name)\n    \(mutant.what)") }
case .one(let seed): OneSeed(seed, options).run().exitProcess()
case .share: Share(options).run().exitProcess()
case .range: SeedRange(options).run().exitProcess()
case .mutants: MutantRun(options).run().exitProcess()
}
