import Operations
import Synchronization

/// How long a call may still take once the process is to end: what is in hand has a few seconds.
final class Patience: Sendable {
    private static let milliseconds = 3_000
    private let shutdown: ShutdownSignal
    private let deadline = Mutex<Deadline?>(nil)

    init(_ shutdown: ShutdownSignal) { self.shutdown = shutdown }

    /// Whether the process is to end, and the time for that is over; it runs from the first time of asking.
    var isOver: Bool {
        guard shutdown.isRequested else { return false }
        return deadline.withLock { deadline in
            let end = deadline ?? Deadline(milliseconds: Self.milliseconds)
            deadline = end
            return end.isPast
        }
    }
}
