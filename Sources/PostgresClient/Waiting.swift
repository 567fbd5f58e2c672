import Glibc

/// Until when something may take, and who may end it sooner.
///
/// Everything here waits through `wait`, so that a server that falls silent (stopped, or behind a cut line)
/// blocks nothing for ever: the kernel answers keepalives for a stopped process, so a time limit of our own
/// is needed.
struct Deadline {
    let instant: ContinuousClock.Instant
    let giveUp: @Sendable () -> Bool

    init(milliseconds: Int, giveUp: @escaping @Sendable () -> Bool) {
        instant = ContinuousClock.now + .milliseconds(milliseconds)
        self.giveUp = giveUp
    }

    /// How often `giveUp` is asked, in milliseconds.
    private static let slice: Int64 = 100

    /// Waits until `socket` can be read or written, as asked for; wraps `poll(2)`.
    ///
    /// - Returns: Whether it can be; false when the time is over.
    func wait(for socket: Int32, reading: Bool, writing: Bool) -> Bool {
        var request = pollfd()
        request.fd = socket
        request.events = Int16((reading ? POLLIN : 0) | (writing ? POLLOUT : 0))
        while true {
            let left = instant - ContinuousClock.now
            let milliseconds =
                left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000
            if poll(&request, 1, Int32(max(0, min(milliseconds + 1, Self.slice)))) > 0 { return true }
            if left <= .zero || giveUp() { return false }
        }
    }
}
