/// The life of the worker of one partition, as a state machine: events come in, the action to do next comes
/// out, and the runner does it (DESIGN.md, section 5).
///
///     open -> locate -> restore -> read -> poll -> commit -> decideAhead <-> settle -> finish
///       ^                                   ^ |      ^                         | |
///       |                                   | |      +------- handOver <-------+ |   with what was decided ahead
///       |                                   +-|----------------------------------+   without
///       +---- wait <- drop <------------------+----------------------------------+   on a failure
///
/// While a commit is under way the worker reads and decides on. What comes of that is in no transaction until the
/// commit has said yes; if it does not, it goes with the state.
package struct WorkerLifecycle: Sendable {
    package enum Action: Equatable, Sendable {
        /// Open the producer; this fences the owner before us.
        case open
        /// Ask for the committed offset.
        case locate
        /// Make the state from the topics.
        case restore
        /// Place the reader before the offset.
        case read(from: Int64)
        /// Process what is there, and wait for it at most so long.
        case poll(limit: Int, timeoutMilliseconds: Int)
        /// Write the changed levels, and begin the commit.
        case commit
        /// Process what is there, and keep what comes of it; wait for a command at most so long, and no longer than
        /// the commit takes.
        case decideAhead(limit: Int, timeoutMilliseconds: Int)
        /// Learn what became of the commit; wait for it at most so long.
        case settle(timeoutMilliseconds: Int)
        /// Begin a transaction with what was decided ahead.
        case handOver
        /// Drop the producer and the state.
        case drop
        case wait(milliseconds: Int64)
        /// Drop the producer and stop; with a reason if a person must look at it.
        case finish(halted: String?)
    }

    /// When a transaction ends, and how long a restart waits.
    package struct Settings: Sendable {
        /// From the beginning of one commit to that of the next at least, in milliseconds, while commands come in. A
        /// command that comes to an idle worker is committed at once; under load those that come during a commit are the
        /// next transaction, so that transactions grow by themselves as commits grow slower.
        package var commitInterval: Int64
        /// A transaction is committed at once when it has so many commands.
        package var commandLimit: Int
        /// How long an idle worker waits for a command before it looks around, in milliseconds; as long waits for its
        /// commit who has nothing else to do.
        package var idleTimeout: Int = 100
        /// Whether the worker decides on while a commit is under way. Else it waits for the commit within its step, and
        /// says `committed` or `failed` after it: it hears of `decideAhead`, `settle` and `handOver` nothing.
        package var decidesAhead = true
        /// So many commands are decided ahead, at most, between two looks at the commit: about a millisecond's work.
        package var aheadStep = 256
        /// When what was decided ahead has so many bytes, nothing more is until the commit has ended.
        package var aheadBytes = 16 << 20
        /// An idle worker that has passed markers or aborted records commits its place so long after its last commit, in
        /// milliseconds.
        package var placeInterval: Int64 = 1_000
        /// The wait before the first restart in a row; it doubles to the longest, in milliseconds.
        package var shortestBackoff: Int64 = 100
        package var longestBackoff: Int64 = 5_000
        /// The wait after having been fenced: time for the group to say whose the partition is.
        package var fencedBackoff: Int64 = 3_000
        /// How often topics that disagree are read again, each time after as long a wait.
        package var doubtLimit = 5

        package init(commitInterval: Int64, commandLimit: Int) {
            precondition(commitInterval > 0 && commandLimit > 0)
            self.commitInterval = commitInterval
            self.commandLimit = commandLimit
        }
    }

    private enum State: Equatable {
        case opening, locating
        case restoring(committed: Int64?)
        case placing
        case idle
        case inTransaction(commands: Int)
        /// The levels are still to be written.
        case committing
        /// The commit is under way, and so much was decided since it began.
        case deciding(ahead: Int, isFull: Bool)
        /// The commit is under way, and nothing but its end is waited for: then the recovery of the failure follows, or
        /// the end.
        case ending(after: LogFailure?)
        case handingOver(commands: Int)
        case dropping(backoff: Int64)
        case waiting
        case finished
    }

    private let settings: Settings
    private var state = State.opening
    private var isStopping = false
    /// Failures since the last commit.
    package private(set) var failuresInARow = 0
    package private(set) var restarts = 0
    /// When the last commit began, by the clock that comes with the events; nil before the first.
    private var lastCommit: Int64?
    /// Restores in a row that found the topics to disagree.
    private var doubts = 0

    package init(settings: Settings) { self.settings = settings }

    package var isTransactionOpen: Bool {
        if case .inTransaction = state { true } else { false }
    }

    /// The log works on a commit, and must be left alone but for polls.
    package var isCommitUnderWay: Bool {
        switch state {
        case .deciding, .ending: true
        default: false
        }
    }

    /// The worker only waits for the end of a commit, to drop everything or to finish.
    package var isEnding: Bool {
        if case .ending = state { true } else { false }
    }

    /// The partition is restored, and its commands are being processed.
    package var isReady: Bool {
        switch state {
        case .idle, .inTransaction, .committing, .deciding, .handingOver: true
        default: false
        }
    }

    package mutating func start() -> Action {
        state = .opening
        return .open
    }

    package mutating func opened() -> Action {
        state = .locating
        return .locate
    }

    package mutating func located(committed: Int64?) -> Action {
        state = .restoring(committed: committed)
        return .restore
    }

    /// - Parameters:
    ///   - newestSource: the offset of the command that the newest ledger entry stands for; nil for an empty ledger.
    ///   - inputOffsets: what there is of the input.
    package mutating func restored(newestSource: Int64?, inputOffsets: Range<Int64>) -> Action {
        guard case .restoring(let committed) = state else { preconditionFailure("restored in \(state)") }
        switch Self.startOffset(
            committed: committed, newestSource: newestSource, inputOffsets: inputOffsets)
        {
        case .success(let offset):
            doubts = 0
            state = .placing
            return .read(from: offset)
        case .failure(let refusal):
            return halt(refusal.reason)
        }
    }

    /// Why the committed offset is to be read again: it lies before what the ledger has decided. Both are of the same
    /// transactions, but when a group coordinator had stood still for some seconds an old offset was told once
    /// (docs/faults.md). An offset that is really lost stays lost.
    package func doubt(newestSource: Int64?) -> LogFailure? {
        guard case .restoring(let committed?) = state, let newestSource, committed <= newestSource,
            case .failure(let refusal) = Self.startOffset(
                committed: committed, newestSource: newestSource, inputOffsets: 0..<0)
        else { return nil }
        return LogFailure(.doubt, operation: "place the partition", message: refusal.reason)
    }

    /// The same of a worker that has found out by itself where it goes on.
    package mutating func restored(startingAt offset: Int64) -> Action {
        guard case .restoring = state else { preconditionFailure("restored in \(state)") }
        doubts = 0
        state = .placing
        return .read(from: offset)
    }

    package mutating func placed() -> Action {
        state = .idle
        return pollIdle
    }

    /// A command has come, and a transaction was begun for it.
    package mutating func began() {
        precondition(state == .idle, "began in \(state)")
        state = .inTransaction(commands: 0)
    }

    /// Whether an idle worker is to commit how far it has read, if that lies behind what it has committed: retention
    /// may take markers away, and an offset before the log's first is one whose records are lost.
    package func keepsPlace(at now: Int64) -> Bool {
        guard state == .idle, !isStopping else { return false }
        return lastCommit.map { now - $0 >= settings.placeInterval } ?? true
    }

    /// - Parameters:
    ///   - commands: how many commands the poll gave.
    ///   - now: a monotonic clock, in milliseconds.
    package mutating func polled(commands: Int, at now: Int64) -> Action {
        guard case .inTransaction(let before) = state else {
            precondition(state == .idle && commands == 0, "polled \(commands) in \(state)")
            return isStopping ? finish() : pollIdle
        }
        let total = before + commands
        let left = lastCommit.map { $0 + settings.commitInterval - now } ?? 0
        if isStopping || left <= 0 || total >= settings.commandLimit {
            lastCommit = now
            state = .committing
            return .commit
        }
        state = .inTransaction(commands: total)
        return .poll(limit: settings.commandLimit - total, timeoutMilliseconds: Int(left))
    }

    /// The commit is under way.
    package mutating func commitBegan() -> Action {
        precondition(state == .committing && settings.decidesAhead, "a commit began in \(state)")
        state = .deciding(ahead: 0, isFull: false)
        return stillCommitting()
    }

    /// - Parameters:
    ///   - commands: how many commands were decided now.
    ///   - bytes: what all that was decided ahead has come to.
    package mutating func decidedAhead(commands: Int, bytes: Int) -> Action {
        guard case .deciding(let before, _) = state else { preconditionFailure("decided ahead in \(state)") }
        let total = before + commands
        let isFull = total >= settings.commandLimit || bytes >= settings.aheadBytes
        state = .deciding(ahead: total, isFull: isFull)
        return .settle(timeoutMilliseconds: isFull ? settings.idleTimeout : 0)
    }

    /// What becomes of the commit is not known yet.
    package mutating func stillCommitting() -> Action {
        guard case .deciding(let ahead, false) = state, !isStopping else { return settle }
        return .decideAhead(
            limit: min(settings.aheadStep, settings.commandLimit - ahead),
            timeoutMilliseconds: settings.idleTimeout)
    }

    /// The commit said yes.
    package mutating func committed() -> Action {
        failuresInARow = 0
        switch state {
        case .committing where !settings.decidesAhead:
            state = .idle
            return isStopping ? finish() : pollIdle
        case .deciding where isStopping:
            // What was decided ahead stands nowhere, and is the next owner's to decide.
            return finish()
        case .deciding(ahead: 0, isFull: _):
            state = .idle
            return pollIdle
        case .deciding(let ahead, _):
            state = .handingOver(commands: ahead)
            return .handOver
        case .ending(let failure):
            return failure.map { recover(from: $0) } ?? finish()
        default:
            preconditionFailure("committed in \(state)")
        }
    }

    /// The commit said no, or nothing.
    package mutating func commitFailed(_ failure: LogFailure) -> Action {
        precondition(isCommitUnderWay, "a commit failed in \(state)")
        return state == .ending(after: nil) ? finish() : recover(from: failure)
    }

    /// What was decided ahead is in a transaction.
    package mutating func handedOver(at now: Int64) -> Action {
        guard case .handingOver(let commands) = state else { preconditionFailure("handed over in \(state)") }
        state = .inTransaction(commands: 0)
        return polled(commands: commands, at: now)
    }

    /// The recovery of every fault of the log but of a commit's. A commit that is under way is waited for first: it
    /// cannot be called back.
    package mutating func failed(_ failure: LogFailure) -> Action {
        guard isCommitUnderWay else { return recover(from: failure) }
        state = .ending(after: failure)
        return settle
    }

    private mutating func recover(from failure: LogFailure) -> Action {
        switch failure.consequence {
        case .stopped:
            return finish()
        case .halt:
            return halt("\(failure.operation): \(failure.message)")
        case .doubt where doubts >= settings.doubtLimit:
            return halt("\(failure.operation): \(failure.message)")
        case .fenced, .restart, .doubt:
            if isStopping { return finish() }
            if failure.consequence == .doubt { doubts += 1 }
            let doubled = settings.shortestBackoff << min(failuresInARow, 16)
            failuresInARow += 1
            let backoff =
                failure.consequence == .restart
                ? min(doubled, settings.longestBackoff) : settings.fencedBackoff
            state = .dropping(backoff: backoff)
            return .drop
        }
    }

    package mutating func dropped() -> Action {
        guard case .dropping(let backoff) = state else { preconditionFailure("dropped in \(state)") }
        state = .waiting
        return .wait(milliseconds: backoff)
    }

    package mutating func waited() -> Action {
        restarts += 1
        state = .opening
        return .open
    }

    /// The worker is to stop: what is in a transaction is committed first, anything else is left.
    /// - Parameter action: what was to be done next.
    /// - Returns: what to do instead.
    package mutating func stop(insteadOf action: Action) -> Action {
        isStopping = true
        switch (state, action) {
        case (.inTransaction, _):
            state = .committing
            return .commit
        case (.committing, _), (.ending, _), (_, .finish):
            return action
        case (.deciding, _):
            return settle
        default:
            return finish()
        }
    }

    /// The partition is another's already: nothing is committed any more but what is under way.
    /// - Returns: what to do instead of what was to be done next.
    package mutating func abandon() -> Action {
        guard isCommitUnderWay else { return finish() }
        state = .ending(after: nil)
        return settle
    }

    private var settle: Action { .settle(timeoutMilliseconds: settings.idleTimeout) }

    private var pollIdle: Action {
        .poll(limit: settings.commandLimit, timeoutMilliseconds: settings.idleTimeout)
    }

    private mutating func finish() -> Action {
        state = .finished
        return .finish(halted: nil)
    }

    private mutating func halt(_ reason: String) -> Action {
        state = .finished
        return .finish(halted: reason)
    }
}

extension WorkerLifecycle {
    package struct Refusal: Error, Equatable {
        package let reason: String
    }

    /// Where processing goes on. Committed offsets live in the group and are lost with it (the broker forgets
    /// those of an idle group after `offsets.retention.minutes`); the ledger says how far the commands were
    /// decided, and a command that it holds must never be decided twice.
    static func startOffset(
        committed: Int64?, newestSource: Int64?, inputOffsets: Range<Int64>
    ) -> Result<Int64, Refusal> {
        guard let committed else {
            guard let newestSource else { return .success(inputOffsets.lowerBound) }
            return .failure(
                Refusal(
                    reason: "the group has no committed offset, but the ledger holds the decision of offset "
                        + "\(newestSource); if the group's offsets were lost, set its offset to "
                        + "\(newestSource + 1) with kafka-consumer-groups --reset-offsets and start again"))
        }
        if let newestSource, committed <= newestSource {
            return .failure(
                Refusal(
                    reason: "the group's committed offset \(committed) lies before offset \(newestSource), "
                        + "which the ledger has decided; set it to \(newestSource + 1) with "
                        + "kafka-consumer-groups --reset-offsets and start again"))
        }
        return inside(inputOffsets, committed, of: "commands")
    }

    /// Where a worker goes on whose state keeps its place: place and state are of one transaction, and the group's
    /// offset is a copy of it, which the broker may have forgotten or may tell late. It counts only where the log does
    /// not have the place any more: then a person has set it.
    ///
    /// - Parameters:
    ///   - kept: the place in the state; nil where a version has written it that kept none.
    ///   - hasState: whether there ever was a state.
    ///   - committed: the group's offset.
    package static func startOffset(
        of input: String, kept: Int64?, hasState: Bool, committed: Int64?, inputOffsets: Range<Int64>
    ) -> Result<Int64, Refusal> {
        guard let kept else {
            guard committed == nil, hasState else {
                return startOffset(of: input, group: committed, inputOffsets: inputOffsets)
            }
            return .failure(
                Refusal(
                    reason: "the group has no committed offset of \(input), and the state was written by a version "
                        + "that kept none: the group's offsets were lost; set that of the first record that is not "
                        + "heeded with kafka-consumer-groups --reset-offsets and start again"))
        }
        if (inputOffsets.lowerBound...inputOffsets.upperBound).contains(kept) {
            guard let committed, committed > kept else { return .success(kept) }
            return .failure(
                Refusal(
                    reason: "the group has committed \(input) up to offset \(committed), but the state knows of "
                        + "\(kept) only: the end of a transaction is missing in the state (docs/faults.md)"))
        }
        if let committed, (inputOffsets.lowerBound...inputOffsets.upperBound).contains(committed) {
            return .success(committed)
        }
        return inside(inputOffsets, kept, of: "records of \(input)")
    }

    private static func startOffset(
        of input: String, group committed: Int64?, inputOffsets: Range<Int64>
    ) -> Result<Int64, Refusal> {
        guard let committed else { return .success(inputOffsets.lowerBound) }
        return inside(inputOffsets, committed, of: "records of \(input)")
    }

    private static func inside(
        _ offsets: Range<Int64>, _ place: Int64, of records: String
    ) -> Result<Int64, Refusal> {
        if place < offsets.lowerBound {
            return .failure(
                Refusal(
                    reason: "\(records) from offset \(place) to \(offsets.lowerBound) were deleted "
                        + "before they were decided (retention); to go on without them, set the group's "
                        + "offset to \(offsets.lowerBound) with kafka-consumer-groups --reset-offsets"))
        }
        guard place <= offsets.upperBound else {
            return .failure(
                Refusal(
                    reason: "the group's committed offset \(place) lies beyond the end of the \(records) "
                        + "(\(offsets.upperBound)): was the topic made anew, or records lost?"))
        }
        return .success(place)
    }
}
