import InventoryWire
import StreamRuntime

/// A partition of orders on the model: what `KafkaOrderLog` is on Kafka. Mutants are subclasses that get one thing
/// wrong.
class ModelOrderLog: ModelClient, OrderLog {
    private static let inputs: [Topic] = [.orders, .orderReplies]

    private(set) var positions: [Topic: Int64] = [:]
    /// Where its client stands: behind the markers that it has passed.
    private var passed: [Topic: Int64] = [:]

    required init(partition: Int32, host: MemberHost) {
        super.init(
            partition: partition, host: host,
            points: Points(
                open: .orderOpen, committedOffset: .orderOffsets, read: .orderRead, poll: .orderPoll,
                produce: .orderProduce, flush: .orderFlush, sendOffsets: .orderSendOffsets,
                commit: .orderCommit),
            transactionalID: "holdfast-orders-\(partition)")
    }

    func committedOffsets() throws(LogFailure) -> (orders: Int64?, replies: Int64?) {
        try request(points.committedOffset) {
            [broker, orders = index(.orders), replies = index(.orderReplies)] () throws(BrokerError) in
            (try broker.committedOffset(orders), try broker.committedOffset(replies))
        }
    }

    func startReading(at place: OrderPlace) throws(LogFailure) {
        if host.isDead { throw Self.dead }
        positions = [.orders: place.order, .orderReplies: place.reply]
        passed = positions
    }

    func readOffsets() throws(LogFailure) -> OrderPlace {
        if host.isDead { throw Self.dead }
        return .max(
            OrderPlace(order: positions[.orders]!, reply: positions[.orderReplies]!),
            OrderPlace(order: passed[.orders]!, reply: passed[.orderReplies]!))
    }

    func poll(
        limit: Int, timeoutMilliseconds: Int,
        _ body: (_ topic: Topic, _ record: LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) -> Int {
        try request(points.poll) { () throws(BrokerError) in }
        for topic in Self.inputs where isOutOfRange(topic, positions[topic]!) {
            throw LogFailure(
                .halt, operation: "poll \(topic.rawValue)", message: "the offset is out of range")
        }
        let wanted = world.random.within(1...max(1, limit))
        var count = 0
        while count < wanted, let (topic, record) = next() {
            positions[topic] = record.offset + 1
            count += 1
            try give(record, to: { record throws(LogFailure) in try body(topic, record) })
            if host.isDead { throw Self.dead }
        }
        for topic in Self.inputs {
            passed[topic] = max(passed[topic]!, behindMarkers(topic, from: positions[topic]!))
        }
        // Nothing was there: the call would have waited.
        if count == 0 { wakesAt = world.now + Int64(min(timeoutMilliseconds, world.random.within(1...12))) }
        return count
    }

    /// Of the two inputs either may come first.
    private func next() -> (Topic, ModelRecord)? {
        let found = Self.inputs.compactMap { topic in
            visibleRecord(topic, from: positions[topic]!, isolation(of: topic)).map { (topic, $0) }
        }
        return found.isEmpty ? nil : found.count == 1 ? found[0] : world.random.one(of: found)
    }

    func isolation(of topic: Topic) -> ModelIsolation { .committed }

    func begin() throws(LogFailure) { if host.isDead { throw Self.dead } }

    func produce(
        _ topic: Topic, _ partition: Int32, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure) {
        try send(
            to: world.index(topic, partition), key: key.map { Array($0) }, value: value.map { Array($0) })
    }

    func commit(next place: OrderPlace) throws(LogFailure) {
        try flush()
        try sendOffsets(offsets(place))
        try endTransaction()
    }

    func offsets(_ place: OrderPlace) -> [Int: Int64] {
        [index(.orders): place.order, index(.orderReplies): place.reply]
    }

    func sendOffsets(_ offsets: [Int: Int64]) throws(LogFailure) {
        let (identity, member) = (identity!, host.member!)
        try request(points.sendOffsets) { [broker] () throws(BrokerError) in
            broker.finishMarkers(identity)
            try broker.sendOffsets(identity, offsets, member: member, of: \.orderGroup)
        }
    }
}
