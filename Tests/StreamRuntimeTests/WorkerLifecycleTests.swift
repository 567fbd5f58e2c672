import StreamRuntime
import Testing

/// Dialogues: event in, expected action out.
@Suite("The life of a partition's worker")
struct WorkerLifecycleTests {
    typealias Action = WorkerLifecycle.Action

    static let idle = Action.poll(limit: 100, timeoutMilliseconds: 100)

    func fresh() -> WorkerLifecycle {
        WorkerLifecycle(settings: .init(commitInterval: 10, commandLimit: 100))
    }

    /// A worker that waits for its first command.
    func restored(_ settings: WorkerLifecycle.Settings? = nil) -> WorkerLifecycle {
        var lifecycle = settings.map { WorkerLifecycle(settings: $0) } ?? fresh()
        _ = lifecycle.start()
        _ = lifecycle.opened()
        _ = lifecycle.located(committed: 40)
        _ = lifecycle.restored(newestSource: 39, inputOffsets: 0..<50)
        _ = lifecycle.placed()
        return lifecycle
    }

    @Test("It fences, then asks for the committed offset, then restores, then processes, in this order")
    func assignment() {
        var lifecycle = fresh()
        #expect(lifecycle.start() == .open)
        #expect(lifecycle.opened() == .locate)
        #expect(lifecycle.located(committed: 40) == .restore)
        #expect(!lifecycle.isReady)
        #expect(lifecycle.restored(newestSource: 39, inputOffsets: 0..<50) == .read(from: 40))
        #expect(lifecycle.placed() == Self.idle)
        #expect(lifecycle.isReady)
    }

    @Test("What comes to an idle worker is committed at once")
    func commitAtOnce() {
        var lifecycle = restored()
        lifecycle.began()
        #expect(lifecycle.polled(commands: 1, at: 1000) == .commit)
        #expect(lifecycle.commits() == Self.idle)
        lifecycle.began()
        #expect(lifecycle.polled(commands: 3, at: 1010) == .commit)
    }

    @Test("From the beginning of one commit to that of the next it takes the commit interval at least")
    func commitByAge() {
        var lifecycle = restored()
        lifecycle.began()
        #expect(lifecycle.polled(commands: 1, at: 1000) == .commit)
        #expect(lifecycle.commits() == Self.idle)
        lifecycle.began()
        #expect(lifecycle.polled(commands: 1, at: 1004) == .poll(limit: 99, timeoutMilliseconds: 6))
        #expect(lifecycle.polled(commands: 0, at: 1010) == .commit)
        #expect(lifecycle.commits() == Self.idle)
    }

    @Test("A transaction ends when it has as many commands as it may")
    func commitByCount() {
        var lifecycle = restored()
        lifecycle.began()
        _ = lifecycle.polled(commands: 1, at: 1000)
        _ = lifecycle.commits()
        lifecycle.began()
        #expect(lifecycle.polled(commands: 60, at: 1001) == .poll(limit: 40, timeoutMilliseconds: 9))
        #expect(lifecycle.polled(commands: 40, at: 1002) == .commit)
    }

    @Test("Without commands nothing is committed")
    func idle() {
        var lifecycle = restored()
        #expect(lifecycle.polled(commands: 0, at: 5000) == Self.idle)
    }

    @Test("A failed or unknown commit drops producer and state, and begins again with the fence")
    func restart() {
        var lifecycle = restored()
        lifecycle.began()
        #expect(lifecycle.polled(commands: 1, at: 1010) == .commit)
        _ = lifecycle.commitBegan()
        #expect(lifecycle.commitFailed(Self.timedOut) == .drop)
        #expect(lifecycle.dropped() == .wait(milliseconds: 100))
        #expect(!lifecycle.isReady)
        #expect(lifecycle.waited() == .open)
        #expect(lifecycle.restarts == 1)
    }

    @Test("Failures in a row wait longer and longer, up to a limit, until a commit succeeds")
    func backoff() {
        var lifecycle = fresh()
        var action = lifecycle.start()
        var waits: [Int64] = []
        for _ in 0..<9 {
            #expect(action == .open)
            #expect(lifecycle.failed(LogFailure(.restart, operation: "open", message: "no broker")) == .drop)
            guard case .wait(let milliseconds) = lifecycle.dropped() else { return #expect(Bool(false)) }
            waits.append(milliseconds)
            action = lifecycle.waited()
        }
        #expect(waits == [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000])
        _ = lifecycle.opened()
        _ = lifecycle.located(committed: nil)
        _ = lifecycle.restored(newestSource: nil, inputOffsets: 0..<1)
        _ = lifecycle.placed()
        lifecycle.began()
        _ = lifecycle.polled(commands: 1, at: 10)
        _ = lifecycle.commits()
        #expect(lifecycle.failuresInARow == 0)
    }

    @Test("A fenced worker waits for the group to say whose the partition is")
    func fenced() {
        var lifecycle = restored()
        #expect(lifecycle.failed(LogFailure(.fenced, operation: "commit", message: "fenced")) == .drop)
        #expect(lifecycle.dropped() == .wait(milliseconds: 3000))
    }

    @Test("A fault that a person must look at stops the partition, with its reason")
    func halt() {
        var lifecycle = restored()
        #expect(
            lifecycle.failed(LogFailure(.halt, operation: "produce", message: "not allowed"))
                == .finish(halted: "produce: not allowed"))
    }

    @Test("Topics that disagree are read again some times, and then a person must look at them")
    func doubt() {
        var lifecycle = WorkerLifecycle(settings: .init(commitInterval: 10, commandLimit: 5))
        let doubt = LogFailure(.doubt, operation: "restore", message: "SKU A")
        for _ in 0..<5 {
            _ = lifecycle.start()
            #expect(lifecycle.failed(doubt) == .drop)
            #expect(lifecycle.dropped() == .wait(milliseconds: 3_000))
        }
        #expect(lifecycle.failed(doubt) == .finish(halted: "restore: SKU A"))
    }

    @Test("A committed offset before what the ledger holds is read again, and taken when it fits")
    func staleOffset() throws {
        var lifecycle = WorkerLifecycle(settings: .init(commitInterval: 10, commandLimit: 5))
        func locate(_ committed: Int64) {
            _ = lifecycle.start()
            _ = lifecycle.opened()
            _ = lifecycle.located(committed: committed)
        }
        for _ in 0..<5 {
            locate(41)
            let doubt = try #require(lifecycle.doubt(newestSource: 41))
            #expect(lifecycle.failed(doubt) == .drop)
        }
        var stopped = lifecycle
        locate(42)
        #expect(lifecycle.doubt(newestSource: 41) == nil)
        #expect(lifecycle.restored(newestSource: 41, inputOffsets: 0..<50) == .read(from: 42))
        // It is really lost.
        _ = stopped.start()
        _ = stopped.opened()
        _ = stopped.located(committed: 41)
        let doubt = try #require(stopped.doubt(newestSource: 41))
        guard case .finish(let halted?) = stopped.failed(doubt) else {
            Issue.record("it goes on")
            return
        }
        #expect(halted.contains("lies before offset 41") && halted.contains("set it to 42"))
    }

    @Test("A stop commits what is in the transaction first")
    func stopInTransaction() {
        var lifecycle = restored()
        lifecycle.began()
        let next = lifecycle.polled(commands: 1, at: 1001)
        #expect(lifecycle.stop(insteadOf: next) == .commit)
        #expect(lifecycle.stop(insteadOf: .commit) == .commit)
        #expect(lifecycle.commits() == .finish(halted: nil))
    }

    // MARK: While a commit is under way

    static let timedOut = LogFailure(.restart, operation: "commit", message: "timed out")
    static let ahead = Action.decideAhead(limit: 20, timeoutMilliseconds: 100)
    static let wait = Action.settle(timeoutMilliseconds: 100)

    /// A worker whose first commit, begun at 1000, is under way.
    func committing() -> WorkerLifecycle {
        var settings = WorkerLifecycle.Settings(commitInterval: 10, commandLimit: 100)
        settings.aheadStep = 20
        settings.aheadBytes = 1_000
        var lifecycle = restored(settings)
        lifecycle.began()
        _ = lifecycle.polled(commands: 1, at: 1000)
        #expect(lifecycle.commitBegan() == Self.ahead)
        return lifecycle
    }

    @Test(
        "What comes during a commit is decided at once, and is in a transaction when the commit has said yes")
    func decideAhead() {
        var lifecycle = committing()
        #expect(lifecycle.isCommitUnderWay && lifecycle.isReady)
        #expect(lifecycle.decidedAhead(commands: 20, bytes: 200) == .settle(timeoutMilliseconds: 0))
        #expect(lifecycle.stillCommitting() == Self.ahead)
        #expect(lifecycle.decidedAhead(commands: 5, bytes: 250) == .settle(timeoutMilliseconds: 0))
        #expect(lifecycle.committed() == .handOver)
        #expect(!lifecycle.isCommitUnderWay)
        #expect(lifecycle.handedOver(at: 1004) == .poll(limit: 75, timeoutMilliseconds: 6))
        #expect(lifecycle.polled(commands: 0, at: 1010) == .commit)
    }

    @Test("When the commit took longer than the interval, what was decided ahead is committed at once")
    func commitAhead() {
        var lifecycle = committing()
        _ = lifecycle.decidedAhead(commands: 20, bytes: 200)
        _ = lifecycle.committed()
        #expect(lifecycle.handedOver(at: 1040) == .commit)
    }

    @Test("No more is decided ahead than a transaction may have, in commands and in bytes")
    func aheadIsBounded() {
        var lifecycle = committing()
        for _ in 0..<4 { _ = lifecycle.decidedAhead(commands: 19, bytes: 900) }
        #expect(lifecycle.stillCommitting() == Self.ahead)
        #expect(lifecycle.decidedAhead(commands: 19, bytes: 990) == .settle(timeoutMilliseconds: 0))
        #expect(lifecycle.stillCommitting() == .decideAhead(limit: 5, timeoutMilliseconds: 100))
        #expect(lifecycle.decidedAhead(commands: 5, bytes: 990) == Self.wait)
        #expect(lifecycle.stillCommitting() == Self.wait)

        lifecycle = committing()
        #expect(lifecycle.decidedAhead(commands: 1, bytes: 1_000) == Self.wait)
        #expect(lifecycle.stillCommitting() == Self.wait)
        #expect(lifecycle.committed() == .handOver)
    }

    @Test("What was decided ahead of a commit that did not say yes goes with the state")
    func aheadOfFailure() {
        var lifecycle = committing()
        _ = lifecycle.decidedAhead(commands: 20, bytes: 200)
        #expect(lifecycle.commitFailed(Self.timedOut) == .drop)
        #expect(lifecycle.dropped() == .wait(milliseconds: 100))
    }

    @Test("A failure during a commit is recovered from when the commit has ended, whatever it said")
    func failureDuringCommit() {
        let lost = LogFailure(.restart, operation: "poll", message: "no broker")
        for saidYes in [true, false] {
            var lifecycle = committing()
            #expect(lifecycle.failed(lost) == Self.wait)
            #expect(lifecycle.isEnding && !lifecycle.isReady)
            #expect(lifecycle.stillCommitting() == Self.wait)
            #expect((saidYes ? lifecycle.committed() : lifecycle.commitFailed(Self.timedOut)) == .drop)
        }
    }

    @Test("A stop during a commit decides nothing more, and leaves what was decided ahead to the next owner")
    func stopDuringCommit() {
        var lifecycle = committing()
        let next = lifecycle.decidedAhead(commands: 20, bytes: 200)
        #expect(lifecycle.stop(insteadOf: next) == Self.wait)
        #expect(lifecycle.stillCommitting() == Self.wait)
        #expect(lifecycle.committed() == .finish(halted: nil))

        lifecycle = committing()
        _ = lifecycle.decidedAhead(commands: 20, bytes: 200)
        #expect(lifecycle.stop(insteadOf: lifecycle.committed()) == .finish(halted: nil))
    }

    @Test("A partition that is lost during a commit is given up when the commit has ended")
    func abandonDuringCommit() {
        for saidYes in [true, false] {
            var lifecycle = committing()
            #expect(lifecycle.abandon() == Self.wait)
            #expect(lifecycle.stop(insteadOf: Self.wait) == Self.wait)
            #expect(
                (saidYes ? lifecycle.committed() : lifecycle.commitFailed(Self.timedOut))
                    == .finish(halted: nil))
        }
        var lifecycle = restored()
        #expect(lifecycle.abandon() == .finish(halted: nil))
    }

    @Test("A worker that does not decide ahead goes from its commit to the next command, or to its end")
    func withoutAhead() {
        var settings = WorkerLifecycle.Settings(commitInterval: 10, commandLimit: 100)
        settings.decidesAhead = false
        func committing() -> WorkerLifecycle {
            var lifecycle = restored(settings)
            lifecycle.began()
            #expect(lifecycle.polled(commands: 1, at: 1000) == .commit)
            return lifecycle
        }
        var lifecycle = committing()
        #expect(lifecycle.committed() == .poll(limit: 100, timeoutMilliseconds: 100))
        lifecycle = committing()
        #expect(lifecycle.stop(insteadOf: .commit) == .commit)
        #expect(lifecycle.committed() == .finish(halted: nil))
        lifecycle = committing()
        #expect(!lifecycle.isCommitUnderWay && lifecycle.failed(Self.timedOut) == .drop)
        lifecycle = committing()
        #expect(lifecycle.abandon() == .finish(halted: nil))
    }

    @Test("An idle worker commits its place a second after its last commit, and not in the midst of another")
    func place() {
        var lifecycle = restored()
        #expect(lifecycle.keepsPlace(at: 5))
        lifecycle.began()
        #expect(!lifecycle.keepsPlace(at: 10))
        _ = lifecycle.polled(commands: 1, at: 1_000)
        _ = lifecycle.commits()
        #expect(!lifecycle.keepsPlace(at: 1_999) && lifecycle.keepsPlace(at: 2_000))
        lifecycle.began()
        #expect(lifecycle.polled(commands: 0, at: 2_000) == .commit)
        _ = lifecycle.commits()
        #expect(lifecycle.stop(insteadOf: Self.idle) == .finish(halted: nil))
        #expect(!lifecycle.keepsPlace(at: 9_000))
    }

    typealias Start = (kept: Int64?, hasState: Bool, committed: Int64?, input: Range<Int64>)

    @Test(
        "A state that keeps its place says where it goes on, whatever the group has forgotten",
        arguments: [
            ((nil, false, nil, 3..<9), 3), ((nil, true, 5, 3..<9), 5), ((5, true, nil, 3..<9), 5),
            ((5, true, 5, 3..<9), 5), ((5, true, 4, 3..<9), 5), ((3, true, nil, 3..<3), 3),
            // Its records are gone, or the topic is another: a person has set the group's offset.
            ((1, true, 3, 3..<9), 3), ((100, true, 0, 0..<4), 0),
        ] as [(Start, Int64)])
    func placeOfState(_ start: Start, _ wanted: Int64) {
        #expect(
            WorkerLifecycle.startOffset(
                of: "orders", kept: start.kept, hasState: start.hasState, committed: start.committed,
                inputOffsets: start.input) == .success(wanted))
    }

    @Test(
        "A place that the log or the group contradicts stops the partition",
        arguments: [
            ((nil, true, nil, 3..<9), "the group's offsets were lost"), ((5, true, 6, 3..<9), "is missing"),
            ((1, true, 1, 3..<9), "were deleted"), ((1, true, nil, 3..<9), "to go on without them"),
            ((100, true, 100, 0..<4), "beyond the end"), ((nil, true, 2, 3..<9), "were deleted"),
        ] as [(Start, String)])
    func doubtfulPlace(_ start: Start, _ why: String) {
        let found = WorkerLifecycle.startOffset(
            of: "orders", kept: start.kept, hasState: start.hasState, committed: start.committed,
            inputOffsets: start.input)
        guard case .failure(let refusal) = found else {
            Issue.record("\(found)")
            return
        }
        #expect(refusal.reason.contains(why), "\(refusal.reason)")
    }

    // MARK: Stopping

    @Test("A stop of a worker without a transaction is done at once")
    func stopIdle() {
        var lifecycle = restored()
        #expect(lifecycle.stop(insteadOf: Self.idle) == .finish(halted: nil))
        var restoring = fresh()
        _ = restoring.start()
        #expect(restoring.stop(insteadOf: .open) == .finish(halted: nil))
    }

    @Test("A stop whose commit fails leaves the transaction to the next owner")
    func stopWithFailedCommit() {
        var lifecycle = restored()
        lifecycle.began()
        _ = lifecycle.stop(insteadOf: lifecycle.polled(commands: 1, at: 1001))
        _ = lifecycle.commitBegan()
        #expect(lifecycle.commitFailed(Self.timedOut) == .finish(halted: nil))
    }

    @Test("The first start reads from the first command that there is")
    func firstStart() {
        var lifecycle = fresh()
        _ = lifecycle.start()
        _ = lifecycle.opened()
        _ = lifecycle.located(committed: nil)
        #expect(lifecycle.restored(newestSource: nil, inputOffsets: 7..<9) == .read(from: 7))
    }

    @Test(
        "Nothing is decided twice or passed over when the group's offset does not fit the ledger and the input",
        arguments: [
            (committed: nil, newest: 41, input: 0..<50, why: "no committed offset"),
            (committed: 41, newest: 41, input: 0..<50, why: "lies before"),
            (committed: 10, newest: nil, input: 20..<50, why: "were deleted"),
            (committed: 51, newest: 41, input: 0..<50, why: "beyond the end"),
        ] as [(committed: Int64?, newest: Int64?, input: Range<Int64>, why: String)])
    func doubtfulOffsets(
        _ argument: (committed: Int64?, newest: Int64?, input: Range<Int64>, why: String)
    ) {
        var lifecycle = fresh()
        _ = lifecycle.start()
        _ = lifecycle.opened()
        _ = lifecycle.located(committed: argument.committed)
        let action = lifecycle.restored(newestSource: argument.newest, inputOffsets: argument.input)
        guard case .finish(let halted?) = action else {
            Issue.record("\(action)")
            return
        }
        #expect(halted.contains(argument.why))
    }
}

extension WorkerLifecycle {
    /// A commit that says yes before anything was decided ahead.
    fileprivate mutating func commits() -> Action {
        _ = commitBegan()
        return committed()
    }
}
