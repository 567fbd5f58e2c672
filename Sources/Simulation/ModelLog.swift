import InventoryWire
import StreamRuntime

/// A partition's log on the model: what `KafkaPartitionLog` is on Kafka. Mutants are subclasses that get one thing
/// wrong.
class ModelLog: PartitionLog {
    let partition: Int32
    let partitionCount: Int32
    unowned let host: ProcessHost
    unowned let world: World
    var identity: ModelBroker.Identity? {
        didSet { lastIdentity = identity ?? lastIdentity }
    }
    /// Who it was before it was closed.
    private(set) var lastIdentity: ModelBroker.Identity?
    /// Produced, and not sent yet.
    var outbox: [(topic: Topic, key: [UInt8]?, value: [UInt8]?)] = []
    private(set) var position: Int64 = 0
    /// Where the commit that is under way is to come to.
    private var pending: Int64?
    /// What became of it, which its worker does not know yet.
    private var outcome: Result<Void, LogFailure>?
    private var isCarryingOut = false
    /// Commands that were read since the commit began.
    private(set) var ahead = 0
    /// The worker has nothing to do before.
    var wakesAt: Int64 = 0

    required init(partition: Int32, host: ProcessHost) {
        self.partition = partition
        self.host = host
        world = host.world
        partitionCount = world.partitionCount
    }

    var broker: ModelBroker { world.broker }
    var transactionalID: String { "holdfast-stock-\(partition)" }

    func index(_ topic: Topic) -> Int { world.index(topic, partition) }

    func open() throws(LogFailure) {
        close()
        identity = try request(.open) { [broker, transactionalID] () throws(BrokerError) in
            // A client asks again for as long as the broker completes the transaction before.
            broker.finishMarkers(of: transactionalID)
            return try broker.initProducer(transactionalID)
        }
    }

    func committedOffset() throws(LogFailure) -> Int64? {
        try request(.committedOffset) { [broker, index = index(.commands)] () throws(BrokerError) in
            try broker.committedOffset(index)
        }
    }

    func offsets(of topic: Topic) throws(LogFailure) -> Range<Int64> {
        if host.isDead { throw Self.dead }
        let partition = broker.partitions[index(topic)]
        return partition.start..<partition.lastStable
    }

    func read(
        _ topic: Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        try read(topic, from: offset, .committed, body)
    }

    func read(
        _ topic: Topic, from offset: Int64, _ isolation: ModelIsolation,
        _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        try request(.read, topic.rawValue) { () throws(BrokerError) in }
        var next = offset
        while let record = visibleRecord(topic, from: next, isolation) {
            try give(record, to: body)
            next = record.offset + 1
            if world.random.oneIn(64) { world.interlude(world.random.within(1...6)) }
            if host.isDead { throw Self.dead }
        }
    }

    /// The next record that a reader sees.
    func visibleRecord(_ topic: Topic, from offset: Int64, _ isolation: ModelIsolation) -> ModelRecord? {
        let index = index(topic)
        let limit = broker.partitions[index].limit(isolation)
        var place = broker.partitions[index].place(of: offset)
        while place < broker.partitions[index].records.count {
            let record = broker.partitions[index].records[place]
            if record.offset >= limit { return nil }
            if ModelPartition.isVisible(record.state, isolation) { return record }
            place += 1
        }
        return nil
    }

    func startReading(at offset: Int64) throws(LogFailure) {
        if host.isDead { throw Self.dead }
        position = offset
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
        if position < broker.partitions[index(.commands)].start {
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
        outbox.append((topic, key.map { Array($0) }, value.map { Array($0) }))
        try request(.produce) { () throws(BrokerError) in }
        // The client sends when it likes; what was sent lies in the log, whether it is committed or not.
        if world.random.oneIn(12) { try flush() }
    }

    func flush() throws(LogFailure) {
        guard !outbox.isEmpty else { return }
        let sending = outbox.map { (index: index($0.topic), key: $0.key, value: $0.value) }
        outbox = []
        let identity = identity!
        try request(.flush, "\(sending.count) records") { [broker] () throws(BrokerError) in
            broker.finishMarkers(identity)
            for record in sending {
                try broker.produce(identity, record.index, key: record.key, value: record.value)
            }
        }
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

    func endTransaction() throws(LogFailure) {
        let identity = identity!
        let isDone = Flag()
        do throws(RequestFailure) {
            try world.request(.commit, by: host) { [broker] () throws(BrokerError) in
                try broker.endTransaction(identity, commit: true)
                isDone.isSet = true
            }
        } catch {
            world.trace("\(host.name), partition \(partition): commit \(error)")
            if error == .unavailable {
                world.figures[.unknown] += 1
                if isDone.isSet { world.figures[.unknownCommitted] += 1 }
            }
            throw Self.failure(error, "commit")
        }
    }

    private final class Flag { var isSet = false }

    func close() {
        checkAlone("gives up")
        identity = nil
        outbox = []
    }

    // MARK: What a call comes to

    static let dead = LogFailure(.stopped, operation: "anything", message: "the process has crashed")

    /// - Parameter detail: what the trace tells of it besides its name.
    func request<Answer>(
        _ point: Fault.Point, _ detail: @autoclosure () -> String = "",
        _ body: @escaping () throws(BrokerError) -> Answer
    ) throws(LogFailure) -> Answer {
        do throws(RequestFailure) {
            let answer = try world.request(point, by: host, body)
            trace(point, "\(detail()) done")
            return answer
        } catch {
            trace(point, "\(detail()) \(error)")
            throw Self.failure(error, point.rawValue)
        }
    }

    private func trace(_ point: Fault.Point, _ outcome: @autoclosure () -> String) {
        guard point != .poll, point != .produce else { return }
        world.trace("\(host.name), partition \(partition): \(point.rawValue) \(outcome())")
    }

    /// As `KafkaPartitionLog` says what follows from Kafka's errors.
    static func failure(_ failure: RequestFailure, _ operation: String) -> LogFailure {
        switch failure {
        case .dead: dead
        case .broker(.fenced): LogFailure(.fenced, operation: operation, message: "fenced")
        case .unavailable, .broker:
            LogFailure(.restart, operation: operation, message: "\(failure)")
        }
    }

    func give(
        _ record: ModelRecord, to body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        var failure: LogFailure?
        withBytes(record.key) { key in
            withBytes(record.value) { value in
                do throws(LogFailure) {
                    try body(
                        LogRecord(
                            key: key, value: value, offset: record.offset, timestamp: timestamp(of: record)))
                } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
    }

    /// Time comes with the record.
    func timestamp(of record: ModelRecord) -> Int64 { record.timestamp }
}

/// Calls `body` with the bytes, or with nil.
func withBytes(_ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) -> Void) {
    guard let bytes else { return body(nil) }
    bytes.withUnsafeBytes { body($0) }
}
