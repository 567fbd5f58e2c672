/// The life of the sink, as a state machine: events come in, the action to do next comes out, and the role does it.
///
///     connect -> gather <-> store -> finish
///       ^          |          |
///       +-- wait <-+----------+   when PostgreSQL is away
///
/// PostgreSQL says where to read on; whatever fails, the batch is dropped and read again from there.
package struct SinkLifecycle: Sendable {
    package enum Action: Equatable, Sendable {
        /// Connect to PostgreSQL, ask it for the offsets, and place the reader there.
        case connect
        /// Read until the batch is full or old enough.
        case gather
        /// Write the batch in one transaction.
        case store
        case wait(milliseconds: Int)
        /// Stop; with a fault if a person must look at it.
        case finish(fault: String?)
    }

    /// What follows from an error of the database.
    package enum Consequence: Equatable, Sendable {
        /// It is away: connect again.
        case reconnect
        /// A person must look at it.
        case stop
    }

    package static let shortestBackoff = 100
    package static let longestBackoff = 5_000

    private enum State: Equatable { case connecting, gathering, storing, waiting, finished }

    private var state = State.connecting
    private var isStopping = false
    /// Failed attempts since the database was last there.
    package private(set) var failuresInARow = 0
    /// By partition: the offset up to which it must be stored before the sink has caught up.
    private var targets: [Int32: Int64] = [:]

    package init() {}

    /// Connected, and all is stored that the ledger held at that time.
    package var isCaughtUp: Bool { (state == .gathering || state == .storing) && targets.isEmpty }

    package mutating func start() -> Action {
        state = .connecting
        return .connect
    }

    /// - Parameters:
    ///   - offsets: the next offset of each partition, as PostgreSQL holds it.
    ///   - ends: the end of each partition now.
    package mutating func connected(offsets: [Int32: Int64], ends: [Int32: Int64]) -> Action {
        precondition(state == .connecting, "connected in \(state)")
        failuresInARow = 0
        targets = ends.filter { (offsets[$0.key] ?? 0) < $0.value }
        state = .gathering
        return isStopping ? finish() : .gather
    }

    /// - Parameter isFurther: there is something to store, rows or a place.
    package mutating func gathered(isFurther: Bool) -> Action {
        precondition(state == .gathering, "gathered in \(state)")
        if isFurther {
            state = .storing
            return .store
        }
        return isStopping ? finish() : .gather
    }

    /// Markers and aborted records have offsets, and no rows: they count as stored when they were passed.
    package mutating func passed(_ partition: Int32, next: Int64) {
        guard let target = targets[partition], next >= target else { return }
        targets[partition] = nil
    }

    package mutating func stored(next offsets: [Int32: Int64]) -> Action {
        precondition(state == .storing, "stored in \(state)")
        for (partition, next) in offsets { passed(partition, next: next) }
        state = .gathering
        return isStopping ? finish() : .gather
    }

    package mutating func failed(_ consequence: Consequence, _ reason: String) -> Action {
        targets = [:]
        guard consequence == .reconnect else {
            state = .finished
            return .finish(fault: reason)
        }
        if isStopping { return finish() }
        let backoff = min(Self.shortestBackoff << min(failuresInARow, 10), Self.longestBackoff)
        failuresInARow += 1
        state = .waiting
        return .wait(milliseconds: backoff)
    }

    package mutating func waited() -> Action {
        precondition(state == .waiting, "waited in \(state)")
        state = .connecting
        return isStopping ? finish() : .connect
    }

    /// The sink is to stop: what was gathered is stored first.
    /// - Parameter action: what was to be done next.
    /// - Returns: what to do instead.
    package mutating func stop(insteadOf action: Action) -> Action {
        isStopping = true
        switch action {
        case .store, .finish: return action
        case .gather, .connect, .wait: return finish()
        }
    }

    private mutating func finish() -> Action {
        state = .finished
        return .finish(fault: nil)
    }
}
