import Operations
import Synchronization

/// Whether a role is ready, and if not, why.
final class Readiness: Sendable {
    private let reason: Mutex<String?>

    init(notYet reason: String) { self.reason = Mutex(reason) }

    func ready() { reason.withLock { $0 = nil } }
    func notReady(_ why: String) { reason.withLock { $0 = why } }

    var health: Health { reason.withLock { $0.map { .unwell($0) } ?? .well } }
}
