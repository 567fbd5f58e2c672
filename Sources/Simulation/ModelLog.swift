import InventoryWire
import StreamRuntime

/// A partition's log on the model: what `KafkaPartitionLog` is on Kafka. Mutants are subclasses that get one thing
/// wrong.
class ModelLog: ModelClient, PartitionLog {
    let partitionCount: Int32
    private(set) var position: Int64 = 0
    /// Where its client stands: behind the markers that it has passed.
    private var passed: Int64 = 0
    /// Where the commit that is under way is to come to.
    private var pending: Int64?
    /// What became of it, which its worker does not know yet.
    private var outcome: Result<Void, LogFailure>?
    private var isCarryingOut = false
    /// Commands that were read since the commit began.
    private(set) var ahead = 0

    required init(partition: Int32, host: MemberHost) {
        partitionCount = host.world.partitionCount
        super.init(
            partition: partition, host: host,
            points: Points(
                open: .open, committedOffset: .committedOffset, read: .read, poll: .poll, produce: .produce,
                flush: .flush, sendOffsets: .sendOffsets, commit: .commit),
            transactionalID: "holdfast-stock-\(partition)")
    }

    func committedOffset() throws(LogFailure) -> Int64? {
        try request(.committedOffset) { [broker, index = index(.commands)] () throws(BrokerError) in
            try broker.committedOffset(index)
        }
    }

    func startReading(at offset: Int64) throws(LogFailure) {
        if host.isDead { throw Self.dead }
        position = offset
        passed = offset
    }

    func readOffset() throws(LogFailure) -> Int64 {
        if host.isDead { throw Self.dead }
        return max(position, passed)
    }

    func poll(
        limit: Int, timeoutMilliseconds: Int, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) -> Int {
        try poll(limit: limit, timeoutMilliseconds: timeoutMilliseconds, .committed, body)
    }

    func poll(
        limit: Int, timeoutMilliseconds: Int, _ isolation: ModelIsolation,
        _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) -> Int {
        try request(.poll) { () throws(BrokerError) in }
        if isOutOfRange(.commands, position) {
            throw LogFailure(.halt, operation: "poll the commands", message: "the offset is out of range")
        }
        let wanted = world.random.within(1...max(1, limit))
        var count = 0
        while count < wanted, let record = visibleRecord(.commands, from: position, isolation) {
            position = record.offset + 1
            count += 1
            try give(record, to: body)
            if host.isDead { throw Self.dead }
        }
        passed = max(passed, behindMarkers(.commands, from: position))
        if pending != nil {
            ahead += count
            world.figures[.ahead] += count
        }
        // Nothing was there: the call would have waited.
        if count == 0 { wakesAt = world.now + Int64(min(timeoutMilliseconds, world.random.within(1...12))) }
        return count
    }

    func begin() throws(LogFailure) {
        if host.isDead { throw Self.dead }
        checkAlone("begins a transaction")
    }

    /// The client belongs to the commit while that is under way.
    private func checkAlone(_ what: String) {
        guard pending != nil, !isCarryingOut else { return }
        world.violate("partition \(partition): \(host.name) \(what) in the midst of a commit")
    }

    func produce(
        _ topic: Topic, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure) {
        checkAlone("produces")
        try send(to: index(topic), key: key.map { Array($0) }, value: value.map { Array($0) })
    }

    func reply(
        _ partition: Int32, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(LogFailure) {
        checkAlone("replies")
        guard partition < partitionCount else { return }
        try send(to: world.index(.orderReplies, partition), key: Array(key), value: Array(value))
    }

    func startCommit(nextOffset: Int64) throws(LogFailure) {
        if host.isDead { throw Self.dead }
        checkAlone("begins a commit")
        pending = nextOffset
        // It is done before its worker decides on, or after.
        if world.random.oneIn(2) { carryOut(nextOffset) }
    }

    private func carryOut(_ nextOffset: Int64) {
        isCarryingOut = true
        do throws(LogFailure) {
            outcome = .success(try commit(nextOffset: nextOffset))
        } catch {
            outcome = .failure(error)
        }
        isCarryingOut = false
    }

    func isCommitted(timeoutMilliseconds: Int) throws(LogFailure) -> Bool {
        if host.isDead { throw Self.dead }
        if outcome == nil, world.random.oneIn(2) { carryOut(pending!) }
        guard let outcome, world.random.oneIn(2) else {
            if timeoutMilliseconds > 0 { wakesAt = world.now + Int64(world.random.within(1...6)) }
            return false
        }
        if case .failure = outcome { world.figures[.aheadDropped] += ahead }
        forgetCommit()
        try outcome.get()
        return true
    }

    private func forgetCommit() {
        pending = nil
        outcome = nil
        ahead = 0
    }

    /// A commit, from its beginning to its answer.
    func commit(nextOffset: Int64) throws(LogFailure) {
        try flush()
        try sendOffsets(nextOffset)
        try endTransaction()
    }

    func sendOffsets(_ nextOffset: Int64) throws(LogFailure) {
        let (identity, member, index) = (identity!, host.member!, index(.commands))
        try request(.sendOffsets, "\(nextOffset)") { [broker] () throws(BrokerError) in
            broker.finishMarkers(identity)
            try broker.sendOffsets(identity, [index: nextOffset], member: member)
        }
    }

    override func close() {
        checkAlone("gives up")
        super.close()
    }
}
