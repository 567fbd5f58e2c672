import Operations
import Synchronization
import Testing

/// A clock that a test sets.
final class SettableClock: Sendable {
    private let time = Atomic<UInt64>(1_000_000_000)

    func advance(milliseconds: Int) {
        time.wrappingAdd(UInt64(milliseconds) * 1_000_000, ordering: .sequentiallyConsistent)
    }

    func advance(nanoseconds: UInt64) {
        time.wrappingAdd(nanoseconds, ordering: .sequentiallyConsistent)
    }

    var read: NanosecondClock {
        { self.time.load(ordering: .sequentiallyConsistent) }
    }
}

private final class SettableWall: Sendable {
    let time: Atomic<Int64>
    init(_ milliseconds: Int64) { time = Atomic(milliseconds) }
}

@Suite("Clocks")
struct ClocksTests {
    @Test("A deadline is past when its time has come, and not before")
    func deadline() {
        let clock = SettableClock()
        let deadline = Deadline(milliseconds: 5, clock: clock.read)
        #expect(deadline.remainingMilliseconds == 5)
        clock.advance(nanoseconds: 4_999_999)
        #expect(!deadline.isPast)
        #expect(deadline.remainingMilliseconds == 1)
        clock.advance(nanoseconds: 1)
        #expect(deadline.isPast)
        #expect(deadline.remainingMilliseconds == 0)
    }

    @Test("A deadline without end does not overflow")
    func farDeadline() {
        let deadline = Deadline(milliseconds: .max)
        #expect(!deadline.isPast)
        #expect(deadline.remainingMilliseconds == Int(Int32.max))
    }

    @Test("A steady clock goes on from the wall clock's time, and a jump of the wall clock does not reach it")
    func steady() {
        let clock = SettableClock()
        let wall = SettableWall(1_790_000_000_000)
        let steady = SteadyClock(
            wall: { wall.time.load(ordering: .sequentiallyConsistent) }, monotonic: clock.read)
        #expect(steady.milliseconds() == 1_790_000_000_000)
        wall.time.subtract(3_600_000, ordering: .sequentiallyConsistent)
        clock.advance(milliseconds: 250)
        #expect(steady.milliseconds() == 1_790_000_000_250)
    }

    @Test("The monotonic clock does not go back")
    func monotonic() {
        let readings = (0..<1000).map { _ in MonotonicTime.now() }
        #expect(readings == readings.sorted())
        #expect(MonotonicTime.seconds(since: .max) == 0)
    }
}
