/// The life of the worker of one partition, as a state machine: events come in, the action to do next comes
/// out, and the runner does it (DESIGN.md, section 5).
///
///     open -> locate -> restore -> read -> poll <-> commit -> finish
///       ^                                   |         |
///       +---- wait <- drop <----------------+---------+   on a failure
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
        /// Write the changed levels and commit.
        case commit
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
        /// How long an idle worker waits for a command before it looks around, in milliseconds.
        package var idleTimeout: Int = 100
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
        case committing
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

    /// The partition is restored, and its commands are being processed.
    package var isReady: Bool {
        switch state {
        case .idle, .inTransaction, .committing: true
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

    package mutating func placed() -> Action {
        state = .idle
        return pollIdle
    }

    /// A command has come, and a transaction was begun for it.
    package mutating func began() {
        precondition(state == .idle, "began in \(state)")
        state = .inTransaction(commands: 0)
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

    package mutating func committed() -> Action {
        precondition(state == .committing, "committed in \(state)")
        failuresInARow = 0
        state = .idle
        return isStopping ? finish() : pollIdle
    }

    /// The recovery of every fault of the log.
    package mutating func failed(_ failure: LogFailure) -> Action {
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
        case (.committing, _), (_, .finish):
            return action
        default:
            return finish()
        }
    }

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
    struct Refusal: Error, Equatable {
        let reason: String
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
        guard committed >= inputOffsets.lowerBound else {
            return .failure(
                Refusal(
                    reason: "commands from offset \(committed) to \(inputOffsets.lowerBound) were deleted "
                        + "before they were decided (retention); to go on without them, set the group's "
                        + "offset to \(inputOffsets.lowerBound) with kafka-consumer-groups --reset-offsets"))
        }
        guard committed <= inputOffsets.upperBound else {
            return .failure(
                Refusal(
                    reason: "the group's committed offset \(committed) lies beyond the end of the commands "
                        + "(\(inputOffsets.upperBound)): was the topic made anew, or records lost?"))
        }
        return .success(committed)
    }
}
