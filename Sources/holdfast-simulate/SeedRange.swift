import Dispatch
import Foundation
import Operations
import Simulation
import Synchronization

/// A range of seeds, shared among processes.
struct SeedRange {
    private static let failuresTold = 10

    private let options: Options
    private let processes: Int

    init(_ options: Options) {
        self.options = options
        processes =
            options.processes > 0 ? options.processes : ProcessInfo.processInfo.activeProcessorCount
    }

    private struct State {
        var sums = Sums()
        var failures: [(seed: UInt64, problem: String)] = []
        var told = 0
        /// The most that a process has had in memory, in kilobytes.
        var memory = 0
    }

    func run() -> ExitCode {
        let start = ContinuousClock.now
        let state = Mutex(State())
        let (options, processes) = (options, UInt64(processes))
        DispatchQueue.concurrentPerform(iterations: Int(processes)) { index in
            var share = options
            share.firstSeed += UInt64(index)
            guard options.seeds > UInt64(index) else { return }
            share.seeds -= UInt64(index)
            share.stride = processes
            ShareProcess.run(share) { line in state.withLock { Self.take(line, &$0, options, start) } }
        }
        let seconds = Self.seconds(since: start)
        return state.withLock { state in
            summarise(state, seconds)
            return state.failures.isEmpty ? .success : .differenceFound
        }
    }

    private static func take(
        _ line: ShareProcess.Line, _ state: inout State, _ options: Options, _ start: ContinuousClock.Instant
    ) {
        switch line {
        case .failed(let seed, let problem):
            state.failures.append((seed, problem))
            if state.failures.count <= failuresTold { tell("seed \(seed): \(problem)") }
        case .memory(let kilobytes): state.memory = max(state.memory, kilobytes)
        case .ran(let sums):
            state.sums.add(sums)
            let tenth = Int(options.seeds / 10)
            if tenth >= 100, state.sums.seeds / tenth > state.told {
                state.told = state.sums.seeds / tenth
                tellProgress(
                    "\(state.sums.seeds) of \(options.seeds) seeds after \(Int(seconds(since: start))) s, "
                        + "\(state.failures.count) failed")
            }
        }
    }

    private static func tellProgress(_ text: String) {
        FileHandle.standardError.write(Data("\(text)\n".utf8))
    }

    private static func seconds(since start: ContinuousClock.Instant) -> Double {
        let passed = (ContinuousClock.now - start).components
        return Double(passed.seconds) + Double(passed.attoseconds) / 1e18
    }

    private func summarise(_ state: State, _ seconds: Double) {
        let sums = state.sums
        for count in Figures.Count.allCases {
            let number = String(sums.figures[count])
            tell(String(repeating: " ", count: max(0, 12 - number.count)) + "\(number)  \(count.rawValue)")
        }
        tell(
            "seeds \(options.firstSeed) to \(options.firstSeed + options.seeds - 1): at most \(sums.figures.recovery) "
                + "steps after the last fault; \(rounded(seconds)) s, "
                + "\(rounded(Double(sums.seeds) / max(seconds, 0.001))) seeds a second; "
                + "at most \(state.memory / 1024) MB of memory in a process")
        if !state.failures.isEmpty {
            let first = state.failures.map(\.seed).min()!
            tell(
                "To see one: holdfast-simulate --seed \(first)\(options.mutant.map { " --mutant \($0.name)" } ?? "")"
            )
        }
        tell("\(sums.seeds) seeds, \(state.failures.count) failed")
    }
}

func rounded(_ number: Double) -> String { String(format: "%.1f", number) }

/// Writes a line at once, also into a pipe.
func tell(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }
