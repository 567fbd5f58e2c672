import InventoryWire
import StreamRuntime

/// A client of the model: reads the partition of one number, and writes in transactions of one id. What a worker of stock
/// (`ModelLog`) and one of orders (`ModelOrderLog`) need beyond that is theirs.
class ModelClient: PartitionReader {
    /// At which points of a run faults can meet its calls.
    struct Points {
        let open, committedOffset, read, poll, produce, flush, sendOffsets, commit: Fault.Point
    }

    let partition: Int32
    unowned let host: MemberHost
    unowned let world: World
    let points: Points
    private let baseID: String
    var identity: ModelBroker.Identity? {
        didSet { lastIdentity = identity ?? lastIdentity }
    }
    /// Who it was before it was closed.
    private(set) var lastIdentity: ModelBroker.Identity?
    /// Produced, and not sent yet; with their places.
    var outbox: [(place: Int, key: [UInt8]?, value: [UInt8]?)] = []
    /// The worker has nothing to do before.
    var wakesAt: Int64 = 0

    init(partition: Int32, host: MemberHost, points: Points, transactionalID: String) {
        self.partition = partition
        self.host = host
        self.points = points
        baseID = transactionalID
        world = host.world
    }

    var broker: ModelBroker { world.broker }
    var transactionalID: String { baseID }

    func index(_ topic: Topic) -> Int { world.index(topic, partition) }

    func open() throws(LogFailure) {
        close()
        identity = try request(points.open) { [broker, transactionalID] () throws(BrokerError) in
            // A client asks again for as long as the broker completes the transaction before.
            broker.finishMarkers(of: transactionalID)
            return try broker.initProducer(transactionalID)
        }
    }

    func close() {
        identity = nil
        outbox = []
    }

    // MARK: Reading

    func offsets(of topic: Topic) throws(LogFailure) -> Range<Int64> {
        if host.isDead { throw Self.dead }
        let partition = broker.partitions[index(topic)]
        return partition.start..<partition.lastStable
    }

    func writtenEnds(of topics: [Topic]) throws(LogFailure) -> [Int64] {
        if host.isDead { throw Self.dead }
        return topics.map { broker.partitions[index($0)].end }
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
        try request(points.read, topic.rawValue) { () throws(BrokerError) in }
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

    /// How far a reader that stands at `offset` is, having come to the end: behind what it is not given. Its client may
    /// not have got there yet.
    func behindMarkers(_ topic: Topic, from offset: Int64) -> Int64 {
        guard visibleRecord(topic, from: offset, .committed) == nil, world.random.oneIn(2) else {
            return offset
        }
        return max(offset, broker.partitions[index(topic)].lastStable)
    }

    /// Whether records that a reader at `offset` was to be given are gone.
    func isOutOfRange(_ topic: Topic, _ offset: Int64) -> Bool {
        let partition = broker.partitions[index(topic)]
        return offset < partition.start
            && partition.removed.contains {
                offset..<partition.start ~= $0.offset && ModelPartition.isVisible($0.state, .committed)
            }
    }

    // MARK: Writing

    func send(to place: Int, key: [UInt8]?, value: [UInt8]?) throws(LogFailure) {
        outbox.append((place, key, value))
        try request(points.produce) { () throws(BrokerError) in }
        // The client sends when it likes; what was sent lies in the log, whether it is committed or not.
        if world.random.oneIn(12) { try flush() }
    }

    func flush() throws(LogFailure) {
        guard !outbox.isEmpty else { return }
        let sending = outbox
        outbox = []
        let identity = identity!
        try request(points.flush, "\(sending.count) records") { [broker] () throws(BrokerError) in
            broker.finishMarkers(identity)
            for record in sending {
                try broker.produce(identity, record.place, key: record.key, value: record.value)
            }
        }
    }

    func endTransaction() throws(LogFailure) {
        let identity = identity!
        let isDone = Flag()
        do throws(RequestFailure) {
            try world.request(points.commit, by: host) { [broker] () throws(BrokerError) in
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
        guard point != points.poll, point != points.produce else { return }
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
