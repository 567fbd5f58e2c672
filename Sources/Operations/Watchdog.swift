import Foundation
import Synchronization

/// A worker that has not come back within the time that it gave.
package struct OverdueWorker: Sendable, Equatable {
    package let name: String
    /// The time that it gave at its last beat, in milliseconds.
    package let limitMilliseconds: Int
    /// How long ago that beat was, in milliseconds.
    package let silentMilliseconds: Int
}

/// Ends what hangs: a call that never returns cannot be interrupted from its own thread.
///
/// Each worker says how long it may be away; a thread of the watchdog's own looks every `interval` and runs
/// the action when one has stayed away longer. A worker must be found overdue twice in a row, with no beat
/// between: after a pause of the whole process (SIGSTOP, a frozen container) it first gets a chance to beat.
package final class Watchdog: Sendable {
    private struct State {
        var workers: [ObjectIdentifier: WatchedWorker] = [:]
        var suspects: [ObjectIdentifier: UInt64] = [:]
        var isRunning = false
    }

    private let intervalMilliseconds: Int
    private let now: NanosecondClock
    private let action: @Sendable (OverdueWorker) -> Void
    private let state = Mutex(State())
    private let stopped = DispatchSemaphore(value: 0)

    /// A watchdog that looks every `intervalMilliseconds` (1 or more) once started. `action` runs on its
    /// thread, once for each time that a worker stays away.
    package init(
        intervalMilliseconds: Int = 500, now: @escaping NanosecondClock = MonotonicTime.now,
        action: @escaping @Sendable (OverdueWorker) -> Void
    ) {
        precondition(intervalMilliseconds > 0, "a watchdog needs an interval")
        self.intervalMilliseconds = intervalMilliseconds
        self.now = now
        self.action = action
    }

    /// The watchdog of a service: it writes an error and ends the process with 70, by `_exit(2)`, since
    /// whatever runs at an ordinary exit could hang as well.
    package convenience init(logger: Logger) {
        self.init { worker in
            logger.error(
                "worker hangs; the process ends so that a new one takes its work",
                [
                    "worker": worker.name, "limit_ms": worker.limitMilliseconds,
                    "silent_ms": worker.silentMilliseconds, "exit_code": ExitCode.internalFault.rawValue,
                ])
            _exit(ExitCode.internalFault.rawValue)
        }
    }

    /// Takes in a worker. It is not watched before its first beat.
    package func register(_ name: String) -> WatchedWorker {
        let worker = WatchedWorker(name: name, now: now)
        state.withLock { $0.workers[ObjectIdentifier(worker)] = worker }
        return worker
    }

    /// Forgets a worker that has ended.
    package func unregister(_ worker: WatchedWorker) {
        state.withLock { state in
            state.workers[ObjectIdentifier(worker)] = nil
            state.suspects[ObjectIdentifier(worker)] = nil
        }
    }

    /// Starts the thread that looks. A second call does nothing until `stop()`.
    package func start() {
        let starts = state.withLock { state in
            defer { state.isRunning = true }
            return !state.isRunning
        }
        guard starts else { return }
        let thread = Thread { [self] in
            while stopped.wait(timeout: .now() + .milliseconds(intervalMilliseconds)) == .timedOut {
                check()
            }
        }
        thread.name = "watchdog"
        thread.start()
    }

    /// Ends the thread.
    package func stop() {
        let stops = state.withLock { state in
            defer { state.isRunning = false }
            return state.isRunning
        }
        if stops { stopped.signal() }
    }

    /// Looks once, as the thread does at each interval; runs the action for each worker that is overdue for
    /// the second time in a row.
    package func check() {
        let time = now()
        let overdue = state.withLock { state in
            var overdue: [OverdueWorker] = []
            for (id, worker) in state.workers {
                guard let beat = worker.overdueBeat(at: time) else {
                    state.suspects[id] = nil
                    continue
                }
                // The beat is remembered after the action, too, so that one hang is told once.
                if state.suspects[id] == beat, worker.markTold(beat) {
                    overdue.append(worker.report(at: time))
                }
                state.suspects[id] = beat
            }
            return overdue.sorted { $0.name < $1.name }
        }
        for worker in overdue {
            action(worker)
        }
    }
}

/// A worker's side of the watchdog. `beat` is a few atomic stores, cheap enough for every turn of a loop.
package final class WatchedWorker: Sendable {
    package let name: String
    private let now: NanosecondClock
    private let lastBeat = Atomic<UInt64>(0)
    private let limit = Atomic<Int>(0)
    /// In nanoseconds of the clock; the largest number while the worker need not come back.
    private let due = Atomic<UInt64>(.max)
    private let toldBeat = Atomic<UInt64>(.max)

    init(name: String, now: @escaping NanosecondClock) {
        self.name = name
        self.now = now
    }

    /// Says "I will be back within this time". Milliseconds, 1 or more.
    package func beat(limitMilliseconds: Int) {
        precondition(limitMilliseconds > 0, "a limit of \(limitMilliseconds) ms cannot be kept")
        let time = now()
        lastBeat.store(time, ordering: .relaxed)
        limit.store(limitMilliseconds, ordering: .relaxed)
        let length = UInt64(limitMilliseconds) &* MonotonicTime.nanosecondsPerMillisecond
        due.store(time &+ length, ordering: .releasing)
    }

    /// Says "I may be away for as long as I like", as while there is nothing to work on.
    package func rest() {
        due.store(.max, ordering: .releasing)
    }

    /// The beat whose limit has passed, if it has; at exactly the limit it has not.
    func overdueBeat(at time: UInt64) -> UInt64? {
        time > due.load(ordering: .acquiring) ? lastBeat.load(ordering: .relaxed) : nil
    }

    /// Whether this beat is told for the first time.
    func markTold(_ beat: UInt64) -> Bool {
        toldBeat.exchange(beat, ordering: .relaxed) != beat
    }

    func report(at time: UInt64) -> OverdueWorker {
        let silent = time - min(time, lastBeat.load(ordering: .relaxed))
        return OverdueWorker(
            name: name, limitMilliseconds: limit.load(ordering: .relaxed),
            silentMilliseconds: Int(silent / MonotonicTime.nanosecondsPerMillisecond))
    }
}
