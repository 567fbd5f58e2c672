/// A wrong version of the protocol, to see that the simulation finds what it is there to find. Nothing of it is in
/// production code: a mutant gets a call of the log wrong, or an action of a runner.
package struct Mutant: Sendable {
    enum DelayFlaw: Sendable {
        case sendsOnce, readsUncommitted, ignoresTombstones, trustsItsClock, isDeaf, clockJumps
    }
    enum SinkFlaw: Sendable {
        case offsetsFirst, noGuard, readsUncommitted, notPlaced, takesSilenceForYes
    }
    enum RelayFlaw: Sendable {
        case placeFirst, placeAfter, notPlaced, trustsGroup, restoresUnsettled, takesSilenceForYes, randomID
    }

    package let name: String
    package let what: String
    let makeLog: @Sendable (Int32, ProcessHost) -> ModelLog
    let makeOrderLog: @Sendable (Int32, CoordinatorHost) -> ModelOrderLog
    /// It is a wrong coordinator: runs without orders say nothing of it.
    package let isOfOrders: Bool
    let delay: DelayFlaw?
    let sink: SinkFlaw?
    let relay: RelayFlaw?
    let standbyReadsUncommitted: Bool

    private init(
        _ name: String, _ what: String, log: ModelLog.Type = ModelLog.self,
        orders: ModelOrderLog.Type? = nil, delay: DelayFlaw? = nil, sink: SinkFlaw? = nil,
        relay: RelayFlaw? = nil, standbyReadsUncommitted: Bool = false
    ) {
        self.name = name
        self.what = what
        self.delay = delay
        self.sink = sink
        self.relay = relay
        self.standbyReadsUncommitted = standbyReadsUncommitted
        makeLog = { log.init(partition: $0, host: $1) }
        makeOrderLog = { (orders ?? ModelOrderLog.self).init(partition: $0, host: $1) }
        isOfOrders = orders != nil
    }

    package static func named(_ name: String) -> Mutant? { (all + redundant).first { $0.name == name } }

    package static let all = ofStock + ofOrders

    private static let ofStock: [Mutant] = [
        Mutant(
            "offsets-before", "input offsets are committed by themselves, before the transaction",
            log: OffsetsBefore.self),
        Mutant(
            "offsets-after", "input offsets are committed by themselves, after the transaction",
            log: OffsetsAfter.self),
        Mutant(
            "offset-from-memory",
            "after a failure reading goes on where memory says, not where the group says",
            log: OffsetFromMemory.self),
        Mutant(
            "not-placed", "after a failure reading goes on where it stopped", log: NotPlaced.self),
        Mutant(
            "seek-short", "reading begins one command before the committed offset", log: SeekShort.self),
        Mutant(
            "restore-before-init", "the state is restored before init_transactions fences the last owner",
            log: RestoreBeforeInit.self),
        Mutant(
            "restore-uncommitted", "the restore reads with read_uncommitted", log: RestoreUncommitted.self),
        Mutant(
            "standby-uncommitted", "a standby reads with read_uncommitted", standbyReadsUncommitted: true),
        Mutant(
            "input-uncommitted", "commands are read with read_uncommitted", log: InputUncommitted.self),
        Mutant(
            "emit-again", "after a commit whose outcome is unknown the records are sent again from memory",
            log: EmitAgain.self),
        Mutant(
            "take-back", "a fenced owner takes its transactional id back and sends the records again",
            log: TakeBack.self),
        Mutant(
            "state-kept", "the state is kept when a transaction has not committed", log: StateKept.self),
        Mutant(
            "commit-on-close", "a worker that gives up commits what it has", log: CommitOnClose.self),
        Mutant(
            "ahead-though-failed", "what was decided ahead is produced although the commit did not say yes",
            log: AheadThoughFailed.self),
        Mutant(
            "ahead-offset", "a transaction commits the offset of what is decided ahead", log: AheadOffset.self
        ),
        Mutant(
            "random-id", "each producer has a random transactional id", log: RandomID.self),
        Mutant(
            "wall-clock", "decisions take the processor's clock for the time", log: WallClock.self),
        Mutant(
            "levels-missing", "levels are not written", log: LevelsMissing.self),
        Mutant(
            "levels-outside", "levels are written outside of the transaction", log: LevelsOutside.self),
        Mutant(
            "tombstones-missing", "the end of a reservation is not written", log: TombstonesMissing.self),
        Mutant(
            "end-minus-one", "a restore ends when it has seen the record before the end offset",
            log: EndMinusOne.self),
        Mutant(
            "short-tail", "the restore reads too little of the ledger's tail", log: ShortTail.self),
        Mutant(
            "markers-unpassed", "the offset is committed that follows the last command, before its marker",
            log: MarkersUnpassed.self),
        Mutant(
            "position-of-fetch", "the offset is committed up to which was fetched, and not given",
            log: PositionOfFetch.self),
        Mutant(
            "restore-unsettled", "the state is restored before the last owner's markers are there",
            log: RestoreUnsettled.self),
        Mutant("delay-once", "the delay service does not send again", delay: .sendsOnce),
        Mutant(
            "delay-uncommitted", "the delay service reads with read_uncommitted", delay: .readsUncommitted),
        Mutant(
            "delay-no-tombstones", "the delay service does not heed tombstones", delay: .ignoresTombstones),
        Mutant(
            "delay-own-clock", "the delay service takes its own clock for the broker's append time",
            delay: .trustsItsClock),
        Mutant(
            "delay-deaf", "the delay service does not learn the broker's clock from what it reads",
            delay: .isDeaf),
        Mutant(
            "delay-clock-jumps", "the delay service's clock jumps when its host's is set",
            delay: .clockJumps),
        Mutant(
            "sink-offsets-first", "the sink stores its offsets in a transaction of their own",
            sink: .offsetsFirst),
        Mutant("sink-no-guard", "the sink does not heed that another has moved the offsets", sink: .noGuard),
        Mutant("sink-uncommitted", "the sink reads with read_uncommitted", sink: .readsUncommitted),
        Mutant(
            "sink-not-placed", "the sink reads on where it stopped when PostgreSQL is back", sink: .notPlaced),
        Mutant(
            "sink-silence-is-yes", "the sink takes a COMMIT whose answer was lost for done",
            sink: .takesSilenceForYes),
        Mutant(
            "relay-place-first", "the relay writes how far it has come by itself, before the transaction",
            relay: .placeFirst),
        Mutant(
            "relay-place-after", "the relay writes how far it has come by itself, after the transaction",
            relay: .placeAfter),
        Mutant(
            "relay-trusts-group", "the relay reads on where the group says, and at the start where it says nothing",
            relay: .trustsGroup),
        Mutant(
            "relay-restore-unsettled", "the relay reads its state before the last relay's markers are there",
            relay: .restoresUnsettled),
        Mutant(
            "relay-not-placed", "after a failure the relay reads on where it stopped", relay: .notPlaced),
        Mutant(
            "relay-silence-is-yes", "the relay takes a commit whose answer was lost for done",
            relay: .takesSilenceForYes),
        Mutant(
            "relay-random-id", "each relay has a random transactional id", relay: .randomID),
    ]

    private static let ofOrders: [Mutant] = [
        Mutant(
            "order-offsets-before",
            "the coordinator commits its offsets by themselves, before the transaction",
            orders: OrderOffsetsBefore.self),
        Mutant(
            "reply-offsets-before",
            "the coordinator commits the offsets of replies by themselves, before the transaction",
            orders: ReplyOffsetsBefore.self),
        Mutant(
            "order-not-placed", "after a failure the coordinator reads on where it stopped",
            orders: OrdersNotPlaced.self),
        Mutant(
            "order-state-outside", "order.state is written outside of the transaction",
            orders: OrderStateOutside.self),
        Mutant(
            "order-state-short", "the coordinator's restore does not see the newest state",
            orders: OrderStateShort.self),
        Mutant(
            "order-state-uncommitted", "the coordinator restores with read_uncommitted",
            orders: OrderStateUncommitted.self),
        Mutant(
            "replies-uncommitted", "the coordinator reads replies with read_uncommitted",
            orders: RepliesUncommitted.self),
        Mutant(
            "order-restore-before-init",
            "orders are restored before init_transactions fences the last coordinator",
            orders: OrderRestoreBeforeInit.self),
        Mutant(
            "order-random-id", "each coordinator has a random transactional id", orders: OrderRandomID.self),
        Mutant(
            "order-emit-again",
            "after a commit whose outcome is unknown the coordinator sends its records again from memory",
            orders: OrderEmitAgain.self),
        Mutant(
            "order-commit-on-close", "a coordinator that gives up commits what it has",
            orders: OrderCommitOnClose.self),
        Mutant(
            "order-strays-kept", "what was granted to nobody is not given back", orders: StraysKept.self),
        Mutant(
            "order-commands-renamed", "a command of an order that is sent again has another id",
            orders: OrderCommandsRenamed.self),
        Mutant(
            "order-markers-unpassed",
            "the coordinator commits the offsets that follow the last records, before their markers",
            orders: OrderMarkersUnpassed.self),
        Mutant(
            "order-place-outside", "where the coordinator reads on is written outside of the transaction",
            orders: OrderPlaceOutside.self),
        Mutant(
            "order-place-missing", "order.state does not say where the coordinator reads on",
            orders: OrderPlaceMissing.self),
        Mutant(
            "order-place-ignored", "where the group has no offset the coordinator begins at the start",
            orders: OrderPlaceIgnored.self),
        Mutant(
            "order-restore-unsettled", "orders are restored before the last coordinator's markers are there",
            orders: OrderRestoreUnsettled.self),
        Mutant(
            "order-due-own-clock", "what is due is looked at by the coordinator's clock",
            orders: DueByOwnClock.self),
    ]
    /// Versions that lack a protection which stands behind another: they are not wrong, and no seed may say so.
    package static let redundant: [Mutant] = [
        Mutant(
            "no-generation", "offsets are sent without the member's generation", log: NoGeneration.self),
        Mutant(
            "unstable-offsets", "committed offsets are read while a transaction holds them",
            log: UnstableOffsets.self),
        Mutant(
            "order-offsets-after", "the coordinator commits its offsets by themselves, after the transaction",
            orders: OrderOffsetsAfter.self),
        Mutant(
            "reply-offsets-missing", "the coordinator does not commit the offsets of replies",
            orders: ReplyOffsetsMissing.self),
        Mutant(
            "orders-uncommitted", "the coordinator reads orders with read_uncommitted",
            orders: OrdersUncommitted.self),
    ]
}
