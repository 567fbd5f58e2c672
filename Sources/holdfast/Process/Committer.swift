import Dispatch
import StreamRuntime
import Synchronization

/// The thread on which commits wait for the broker, one at a time, so that their worker can decide on meanwhile.
final class Committer: Sendable {
    typealias Commit = @Sendable () throws(LogFailure) -> Void

    private struct State {
        var isStarted = false
        var isEnding = false
        var commit: Commit?
        var outcome: Result<Void, LogFailure>?
    }

    private let name: String
    /// Ends the worker's wait for commands.
    private let wake: @Sendable () -> Void
    private let state = Mutex(State())
    private let given = DispatchSemaphore(value: 0)
    private let done = DispatchSemaphore(value: 0)

    init(_ name: String, wake: @escaping @Sendable () -> Void) {
        self.name = name
        self.wake = wake
    }

    /// Runs a commit. The one before must be done.
    func start(_ commit: @escaping Commit) {
        let isFirst = state.withLock { state in
            precondition(state.commit == nil && state.outcome == nil, "a commit is under way")
            state.commit = commit
            defer { state.isStarted = true }
            return !state.isStarted
        }
        if isFirst { Service.startThread(name) { [self] in run() } }
        given.signal()
    }

    /// Waits for the commit, at most so long.
    /// - Returns: false while it is under way.
    func isDone(timeoutMilliseconds: Int) throws(LogFailure) -> Bool {
        // Whoever was woken finds the outcome, be the signal given a moment later.
        guard
            timeoutMilliseconds == 0
                ? state.withLock({ $0.outcome != nil })
                : done.wait(timeout: .now() + .milliseconds(timeoutMilliseconds)) == .success
        else { return false }
        if timeoutMilliseconds == 0 { done.wait() }
        let outcome = state.withLock { state in
            defer { state.outcome = nil }
            return state.outcome!
        }
        try outcome.get()
        return true
    }

    /// Ends the thread, when the commit that is under way is done.
    func end() {
        state.withLock { $0.isEnding = true }
        given.signal()
    }

    private func run() {
        while true {
            given.wait()
            guard let commit = state.withLock({ $0.isEnding ? nil : $0.commit }) else { return }
            let outcome: Result<Void, LogFailure>
            do throws(LogFailure) { outcome = .success(try commit()) } catch { outcome = .failure(error) }
            state.withLock { state in
                state.commit = nil
                state.outcome = outcome
            }
            wake()
            done.signal()
        }
    }
}
