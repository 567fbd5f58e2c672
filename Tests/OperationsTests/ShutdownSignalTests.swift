import Foundation
import Operations
import Synchronization
import Testing

@Suite("The wish to end", .serialized)
struct ShutdownSignalTests {
    @Test("Nobody has wished the end until somebody does, and then it stays wished")
    func request() {
        let signal = ShutdownSignal()
        #expect(!signal.isRequested)
        #expect(!signal.wait(timeoutMilliseconds: 0))
        signal.request()
        #expect(signal.isRequested)
        #expect(signal.wait(timeoutMilliseconds: 0))
        #expect(signal.wait(timeoutMilliseconds: 10_000))
    }

    @Test("All who wait are woken")
    func waiters() {
        let signal = ShutdownSignal()
        let woken = DispatchSemaphore(value: 0)
        for _ in 0..<4 {
            Thread.detachNewThread {
                if signal.wait(timeoutMilliseconds: 20_000) { woken.signal() }
            }
        }
        signal.request()
        for _ in 0..<4 {
            #expect(woken.wait(timeout: .now() + 10) == .success)
        }
    }

    @Test("Closures run once, also those that come late")
    func closures() {
        let signal = ShutdownSignal()
        let runs = Runs()
        signal.onRequest { runs.add() }
        signal.request()
        signal.request()
        #expect(runs.value == 1)
        signal.onRequest { runs.add() }
        #expect(runs.value == 2)
    }

    @Test("SIGTERM wishes the end, SIGPIPE does nothing, and a second SIGINT ends the process with 130")
    func signals() throws {
        let signal = ShutdownSignal.install()
        defer {
            // The test's own process must answer to these as before.
            Foundation.signal(SIGTERM, SIG_DFL)
            Foundation.signal(SIGINT, SIG_DFL)
        }
        let ran = DispatchSemaphore(value: 0)
        signal.onRequest { ran.signal() }
        kill(getpid(), SIGPIPE)
        #expect(!signal.isRequested)
        kill(getpid(), SIGTERM)
        #expect(signal.wait(timeoutMilliseconds: 10_000))
        #expect(ran.wait(timeout: .now() + 10) == .success)

        let child = try forkChild {
            raise(SIGINT)
            raise(SIGINT)
        }
        #expect(exitCode(of: child) == 130)
        let patientChild = try forkChild { raise(SIGINT) }
        #expect(exitCode(of: patientChild) == 9)
    }

    /// A child that runs `body`, in which only what a signal handler may do is safe, and then exits with 9.
    private func forkChild(_ body: () -> Void) throws -> pid_t {
        // Swift hides fork(2), since a child of several threads may do so little.
        typealias Fork = @convention(c) () -> pid_t
        let address = try #require(dlsym(nil, "fork"))
        let child = unsafeBitCast(address, to: Fork.self)()
        if child == 0 {
            ShutdownSignal.unblockSignals()
            body()
            _exit(9)
        }
        return child
    }

    private func exitCode(of child: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status & 0x7F == 0 ? (status >> 8) & 0xFF : -1
    }

    private final class Runs: Sendable {
        private let count = Atomic<Int>(0)
        func add() { count.wrappingAdd(1, ordering: .relaxed) }
        var value: Int { count.load(ordering: .relaxed) }
    }
}
