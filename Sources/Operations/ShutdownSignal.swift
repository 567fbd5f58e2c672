import Foundation
import Synchronization

/// The wish that the process ends, from SIGTERM, SIGINT or the program itself.
///
/// Once wished, it stays wished. Who waits is woken through a pipe that is never read empty, so any number of
/// threads may wait, and a signal handler may write to it.
package final class ShutdownSignal: Sendable {
    private let requested = Atomic<Bool>(false)
    private let readEnd: Int32
    private let writeEnd: Int32
    private let closures = Mutex<Closures>(Closures())

    private struct Closures {
        var waiting: [@Sendable () -> Void] = []
        var haveRun = false
    }

    /// A wish that no signal is bound to; `request()` makes it. For tests and for embedded use.
    package init() {
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "pipe(2) failed: raise the limit on open files")
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            // So that a signal that comes a hundred thousand times cannot fill the pipe and hang its handler.
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        readEnd = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    /// Binds SIGTERM and SIGINT to the process's one wish, and ignores SIGPIPE (`sigaction(2)`). A second
    /// SIGINT ends the process at once with 130. A second call does nothing.
    package static func install() -> ShutdownSignal {
        installed.withLock { isInstalled in
            guard !isInstalled else { return }
            isInstalled = true
            // Made before a handler can run, which must not be the first to touch it.
            _ = shared
            setHandler(SIGTERM, handleSignal)
            setHandler(SIGINT, handleSignal)
            signal(SIGPIPE, SIG_IGN)
            let thread = Thread { shared.dispatch() }
            thread.name = "shutdown"
            thread.start()
        }
        return shared
    }

    /// The descriptor for a caller's own `poll(2)`: readable once the end is wished. Do not read or close it.
    package var pollDescriptor: Int32 { readEnd }

    /// Whether the process should end.
    package var isRequested: Bool {
        requested.load(ordering: .acquiring)
    }

    /// Waits until the end is wished, at most `timeoutMilliseconds` (0 or more). Returns whether it is.
    package func wait(timeoutMilliseconds: Int) -> Bool {
        let deadline = Deadline(milliseconds: timeoutMilliseconds)
        while !isRequested {
            let left = deadline.remainingMilliseconds
            if left == 0 { return false }
            var entry = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
            _ = poll(&entry, 1, Int32(left))
        }
        return true
    }

    /// Waits until the end is wished, however long that takes.
    package func wait() {
        while !wait(timeoutMilliseconds: Int(Int32.max)) {}
    }

    /// Wishes the end from inside the program, such as after a fault that only a restart mends.
    package func request() {
        wake()
        runClosures()
    }

    /// Runs `closure` once when the end is wished: on a thread of its own after a signal, in `request()`
    /// otherwise, and here and now if the end is wished already.
    package func onRequest(_ closure: @escaping @Sendable () -> Void) {
        let runNow = closures.withLock { closures in
            if !closures.haveRun { closures.waiting.append(closure) }
            return closures.haveRun
        }
        if runNow { closure() }
    }

    /// Sets the flag and wakes who waits; only an atomic store and `write(2)`, so that a handler may call it.
    private func wake() {
        requested.store(true, ordering: .releasing)
        var byte: UInt8 = 1
        _ = write(writeEnd, &byte, 1)
    }

    /// Runs the closures after a signal, which a handler must not do itself.
    private func dispatch() {
        // One thread at least must take the signals: those of Dispatch block them.
        ShutdownSignal.unblockSignals()
        wait()
        runClosures()
    }

    private func runClosures() {
        let toRun = closures.withLock { closures in
            defer { closures = Closures(waiting: [], haveRun: true) }
            return closures.waiting
        }
        for closure in toRun {
            closure()
        }
    }

    /// Lets SIGTERM and SIGINT reach the calling thread (`pthread_sigmask(3)`).
    package static func unblockSignals() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGINT)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    private static let shared = ShutdownSignal()
    private static let installed = Mutex(false)
    private static let interrupts = Atomic<Int>(0)

    /// Runs in the signal's context: only `write(2)`, `_exit(2)` and atomics.
    fileprivate static func handle(_ number: Int32) {
        let savedError = errno
        if number == SIGINT, interrupts.wrappingAdd(1, ordering: .relaxed).oldValue >= 1 {
            _exit(ExitCode.interrupted.rawValue)
        }
        shared.wake()
        errno = savedError
    }
}

/// The handler, in the form that C takes.
private func handleSignal(_ number: Int32) {
    ShutdownSignal.handle(number)
}

/// `sigaction(2)` with SA_RESTART, so that calls under way in C libraries go on after the signal.
private func setHandler(_ number: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = handler
    action.sa_flags = SA_RESTART
    sigaction(number, &action, nil)
}
