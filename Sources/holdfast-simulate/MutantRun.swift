import Dispatch
import Foundation
import Operations
import Simulation
import Synchronization

/// Runs all mutants, each until a seed catches it.
struct MutantRun {
    private let options: Options

    init(_ options: Options) { self.options = options }

    func run() -> ExitCode {
        let mutants = options.mutant.map { [$0] } ?? Mutant.all
        let processes =
            options.processes > 0 ? options.processes : ProcessInfo.processInfo.activeProcessorCount
        let next = Atomic<Int>(0)
        let survivors = Mutex<[String]>([])
        let options = options
        DispatchQueue.concurrentPerform(iterations: processes) { _ in
            while true {
                let index = next.add(1, ordering: .relaxed).oldValue
                guard index < mutants.count else { return }
                let mutant = mutants[index]
                var share = options
                share.mutant = mutant
                share.stride = 1
                var found: (seed: UInt64, problem: String)?
                ShareProcess.run(share) {
                    if case .failed(let seed, let problem) = $0 { found = (seed, problem) }
                }
                let name = mutant.name.padding(toLength: 22, withPad: " ", startingAt: 0)
                if let found {
                    tell("\(name) caught by seed \(found.seed): \(found.problem.prefix(160))")
                } else {
                    tell("\(name) SURVIVED \(options.seeds) seeds")
                    survivors.withLock { $0.append(mutant.name) }
                }
            }
        }
        let count = survivors.withLock { $0.count }
        tell("\(mutants.count) mutants, \(mutants.count - count) caught, \(count) survived")
        return count == 0 ? .success : .differenceFound
    }
}
