import Foundation

/// Reads a clock in nanoseconds that never goes back; injected where a test must say what time it is.
package typealias NanosecondClock = @Sendable () -> UInt64

/// Reads the wall clock in milliseconds since 1970-01-01 UTC; injected like `NanosecondClock`.
package typealias WallClockMilliseconds = @Sendable () -> Int64

/// The machine's monotonic clock (`clock_gettime` of `CLOCK_MONOTONIC`): for lengths of time, never for dates.
package enum MonotonicTime {
    package static let nanosecondsPerMillisecond: UInt64 = 1_000_000

    /// Nanoseconds since a point in the past that is fixed while the machine runs.
    package static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Seconds since `start`, a value that `now()` gave.
    package static func seconds(since start: UInt64) -> Double {
        let end = now()
        return end <= start ? 0 : Double(end - start) / 1e9
    }
}

/// The machine's wall clock (`clock_gettime` of `CLOCK_REALTIME`): for people and logs; it may jump.
package enum WallClock {
    /// Milliseconds since 1970-01-01 UTC.
    package static func milliseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// Goes from the wall clock's time at its making, and is moved on by the monotonic clock: a jump of the wall clock in
/// between does not reach it.
package struct SteadyClock: Sendable {
    private let wall: Int64
    private let start: UInt64
    private let monotonic: NanosecondClock

    package init(
        wall: WallClockMilliseconds = WallClock.milliseconds,
        monotonic: @escaping NanosecondClock = MonotonicTime.now
    ) {
        self.wall = wall()
        self.monotonic = monotonic
        start = monotonic()
    }

    /// Milliseconds since 1970-01-01 UTC.
    package func milliseconds() -> Int64 {
        wall + Int64((monotonic() - start) / MonotonicTime.nanosecondsPerMillisecond)
    }
}

/// A point of the monotonic clock by which something must have happened.
package struct Deadline: Sendable {
    /// The point, in nanoseconds of the clock that it was made with.
    package let nanoseconds: UInt64
    private let clock: NanosecondClock

    /// A deadline that lies `milliseconds` (0 or more) from now.
    package init(milliseconds: Int, clock: @escaping NanosecondClock = MonotonicTime.now) {
        let length = UInt64(max(0, milliseconds)).multipliedReportingOverflow(
            by: MonotonicTime.nanosecondsPerMillisecond)
        let end = clock().addingReportingOverflow(length.overflow ? .max : length.partialValue)
        self.nanoseconds = end.overflow ? .max : end.partialValue
        self.clock = clock
    }

    /// Whether the deadline has been reached.
    package var isPast: Bool {
        clock() >= nanoseconds
    }

    /// Milliseconds that are left, rounded up so that a wait for them never ends early; 0 when it is past.
    package var remainingMilliseconds: Int {
        let now = clock()
        guard now < nanoseconds else { return 0 }
        let left = nanoseconds - now
        let unit = MonotonicTime.nanosecondsPerMillisecond
        let milliseconds = left / unit + (left % unit == 0 ? 0 : 1)
        return milliseconds > UInt64(Int32.max) ? Int(Int32.max) : Int(milliseconds)
    }
}
