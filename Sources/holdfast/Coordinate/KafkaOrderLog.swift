import Foundation
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// One partition of orders on Kafka: reads both inputs through a consumer of its own, which is told what to read, and
/// writes through a transactional producer whose id is the partition's. The group's member only says whose the
/// partition is, and keeps the offsets.
final class KafkaOrderLog: OrderLog {
    private static let inputs: [InventoryWire.Topic] = [.orders, .orderReplies]
    private static let outputs: [InventoryWire.Topic] = [
        .commands, .orders, .orderOutcomes, .orderState, .deadLetters,
    ]

    let partition: Int32
    private let settings: KafkaSettings
    private let member: Consumer
    private let events: ClientEvents
    private let reader: KafkaPartitionReader
    private let marks: ReadingMarks
    /// Told about once a second how many offsets of `orders` are not read yet.
    private let tellLag: (Int64) -> Void
    private var lagDue = Deadline(milliseconds: 0)
    private var consumer: Consumer?
    private var startedAt = OrderPlace(order: 0, reply: 0)
    private var inputs: [(topic: InventoryWire.Topic, handle: KafkaClient.Topic)] = []
    private var producer: TransactionalProducer?
    private var topics: [InventoryWire.Topic: KafkaClient.Topic] = [:]

    init(
        partition: Int32, settings: KafkaSettings, member: Consumer, events: ClientEvents,
        stallGuard: StallGuard?, isStopping: @escaping () -> Bool, beat: @escaping () -> Void,
        lag: @escaping (Int64) -> Void
    ) {
        tellLag = lag
        self.partition = partition
        self.settings = settings
        self.member = member
        self.events = events
        marks = ReadingMarks(stallGuard, topics: Self.inputs.map { settings.name($0) })
        reader = KafkaPartitionReader(
            partition: partition, settings: settings, events: events, isStopping: isStopping, beat: beat)
    }

    func open() throws(LogFailure) {
        close()
        try attempt("open the producer") { () throws(KafkaError) in
            let producer = try TransactionalProducer(
                configuration: settings.producer(transactionalID: settings.orderTransactionalID(partition)),
                events: events)
            self.producer = producer
            try producer.initTransactions(timeoutMilliseconds: settings.callTimeout)
            for topic in Self.outputs { topics[topic] = try producer.topic(settings.name(topic)) }
        }
    }

    func committedOffsets() throws(LogFailure) -> (orders: Int64?, replies: Int64?) {
        try attempt("read the committed offsets (if this goes on, a transaction hangs: docs/faults.md)") {
            () throws(KafkaError) in
            let places = Self.inputs.map {
                TopicPartition(settings.name($0), partition)
            }
            let committed = try member.committed(places, timeoutMilliseconds: settings.callTimeout)
            func offset(_ place: TopicPartition) -> Int64? {
                committed.first { $0.partition == place }.flatMap { $0.isSet ? $0.offset : nil }
            }
            return (offset(places[0]), offset(places[1]))
        }
    }

    func offsets(of topic: InventoryWire.Topic) throws(LogFailure) -> Range<Int64> {
        try reader.offsets(of: topic)
    }

    func read(
        _ topic: InventoryWire.Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        try reader.read(topic, from: offset, body)
    }

    func writtenEnds(of topics: [InventoryWire.Topic]) throws(LogFailure) -> [Int64] {
        try reader.writtenEnds(of: topics)
    }

    func startReading(at place: OrderPlace) throws(LogFailure) {
        reader.rest()
        try attempt("read the orders") { () throws(KafkaError) in
            let consumer = try Consumer(
                configuration: settings.reader(isolation: .committed), events: events)
            self.consumer = consumer
            inputs = []
            for topic in Self.inputs {
                inputs.append((topic, try consumer.topic(settings.name(topic))))
            }
            let offsets = self.offsets(place)
            startedAt = place
            try consumer.assign(offsets)
            marks.place(offsets)
        }
    }

    func poll(
        limit: Int, timeoutMilliseconds: Int,
        _ body: (_ topic: InventoryWire.Topic, _ record: LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) -> Int {
        var count = 0
        var failure: LogFailure?
        let polled = consumer!.consumeBatch(
            maxMessages: limit, timeoutMilliseconds: timeoutMilliseconds
        ) { message in
            guard failure == nil else { return }
            switch message.kind {
            case .record:
                count += 1
                let input = input(of: message)
                do throws(LogFailure) {
                    try body(inputs[input].topic, message.logRecord)
                } catch {
                    failure = error
                }
                marks.read(topic: input, partition, next: message.offset + 1)
            case .endOfPartition: break
            case .failure(let error): if error.recovery != .retry { failure = LogFailure(error) }
            }
        }
        if let failure { throw failure }
        marks.polled(isFull: polled >= limit)
        if lagDue.isPast { try lookAround() }
        return count
    }

    /// By what the reader last heard of the end: nobody is asked.
    private func lookAround() throws(LogFailure) {
        lagDue = Deadline(milliseconds: 1_000)
        let place = TopicPartition(settings.name(.orders), partition)
        guard let end = consumer!.knownEnd(place) else { return }
        tellLag(max(0, end - (try readOffsets()).order))
    }

    private func input(of message: borrowing Message) -> Int {
        for (number, input) in inputs.enumerated() where message.isFrom(input.handle) { return number }
        preconditionFailure("a record of \(message.topicName), which was not asked for")
    }

    func readOffsets() throws(LogFailure) -> OrderPlace {
        try attempt("read the positions in the orders") { () throws(KafkaError) in
            let found = try consumer!.position(offsets(startedAt).map(\.partition))
            return .max(startedAt, OrderPlace(order: found[0].offset, reply: found[1].offset))
        }
    }

    private func offsets(_ place: OrderPlace) -> [TopicPartitionOffset] {
        [
            TopicPartitionOffset(settings.name(.orders), partition, offset: place.order),
            TopicPartitionOffset(settings.name(.orderReplies), partition, offset: place.reply),
        ]
    }

    func begin() throws(LogFailure) {
        try attempt("begin a transaction") { () throws(KafkaError) in try producer!.begin() }
    }

    func produce(
        _ topic: InventoryWire.Topic, _ partition: Int32, key: UnsafeRawBufferPointer?,
        value: UnsafeRawBufferPointer?
    ) throws(LogFailure) {
        try producer!.produceWaiting(topic, topics[topic]!, partition, key: key, value: value)
    }

    func commit(next place: OrderPlace) throws(LogFailure) {
        try attempt("commit the transaction") { () throws(KafkaError) in
            try producer!.sendOffsets(
                offsets(place), groupMetadata: try member.groupMetadata(),
                timeoutMilliseconds: settings.callTimeout)
            try producer!.commit(timeoutMilliseconds: settings.callTimeout)
        }
    }

    func close() {
        marks.forgetAll()
        topics = [:]
        inputs = []
        producer = nil
        consumer = nil
    }
}
