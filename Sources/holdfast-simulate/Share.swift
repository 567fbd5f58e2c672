import Foundation
import Operations
import Simulation

/// The seed that runs, for the handler of the signal by which the production code stops itself.
nonisolated(unsafe) private var runningSeed: UInt64 = 0

/// Runs every `stride`th seed of a range, one after another, and tells its parent in lines:
///
///     failed SEED PROBLEM        stopped SEED (a precondition of the production code did not hold)
///     ran SEEDS FIGURES        the sums since the last such line
///     memory KILOBYTES         the most that the process has had in memory, at its end
struct Share {
    private let options: Options
    private let parent = getppid()

    init(_ options: Options) { self.options = options }

    func run() -> ExitCode {
        // What ends the process by itself (a failed precondition is SIGILL or SIGTRAP) has found something too.
        for number in [SIGILL, SIGTRAP, SIGSEGV] { signal(number, tellThatItStopped) }
        var sums = Sums()
        var seed = options.firstSeed
        while seed < options.firstSeed + options.seeds {
            defer { seed += options.stride }
            guard options.isWanted(seed) else { continue }
            runningSeed = seed
            let report = Simulation.run(options.plan(seed), mutant: options.mutant)
            sums.seeds += 1
            sums.figures.add(report.figures)
            if let problem = report.problems.first {
                tell("failed \(seed) \(problem.prefix(2_000))")
                // A mutant has been caught.
                if options.mutant != nil { break }
            }
            if sums.seeds >= 50 { sums.flush() }
            if getppid() != parent { return .interrupted }
        }
        sums.flush()
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        tell("memory \(usage.ru_maxrss)")
        return .success
    }
}

private func tellThatItStopped(_ number: Int32) {
    // Only what a signal handler may call.
    var digits: (UInt8, Int) = (0, 0)
    _ = write(STDOUT_FILENO, "stopped ", 8)
    var divisor: UInt64 = 1
    while runningSeed / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
        digits.0 = UInt8(48 + runningSeed / divisor % 10)
        _ = write(STDOUT_FILENO, &digits.0, 1)
        divisor /= 10
    }
    _ = write(STDOUT_FILENO, "\n", 1)
    _exit(ExitCode.differenceFound.rawValue)
}

/// What runs add up to.
struct Sums: Sendable {
    var seeds = 0
    var figures = Figures()

    mutating func add(_ other: Sums) {
        seeds += other.seeds
        figures.add(other.figures)
    }

    mutating func flush() {
        tell("ran \(seeds) " + figures.line.map(String.init).joined(separator: " "))
        self = Sums()
    }

    init() {}

    /// From a line that `flush` wrote.
    init?(_ words: [Substring]) {
        let numbers = words.compactMap { Int($0) }
        guard let seeds = numbers.first, let figures = Figures(line: Array(numbers.dropFirst())) else {
            return nil
        }
        (self.seeds, self.figures) = (seeds, figures)
    }
}
