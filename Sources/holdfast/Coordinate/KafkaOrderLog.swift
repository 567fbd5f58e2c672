import Foundation
import InventoryCore
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
    let partitionCount: Int32
    private let settings: KafkaSettings
    private let isStopping: () -> Bool
    private let beat: () -> Void
    private let member: Consumer
    private let events: ClientEvents
    private let reader: KafkaPartitionReader
    private let marks: ReadingMarks
    private var consumer: Consumer?
    private var inputs: [(topic: InventoryWire.Topic, handle: KafkaClient.Topic)] = []
    /// The next offset of each input.
    private var next: [Int64] = []
    /// The input of which a batch comes next that cannot be read.
    private var unreadable: Int?
    private var producer: TransactionalProducer?
    private var topics: [InventoryWire.Topic: KafkaClient.Topic] = [:]

    init(
        partition: Int32, partitionCount: Int32, settings: KafkaSettings, member: Consumer,
        events: ClientEvents, stallGuard: StallGuard?, isStopping: @escaping () -> Bool,
        beat: @escaping () -> Void
    ) {
        self.partition = partition
        self.partitionCount = partitionCount
        self.settings = settings
        self.isStopping = isStopping
        self.beat = beat
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

    func partitionsOfOthers() throws(LogFailure) -> Int32? {
        var records = RecordReader()
        for other in 0..<partitionCount where other != partition {
            let book = PartitionBook.sku(other).bytes
            let reader = KafkaPartitionReader(
                partition: other, settings: settings, events: events, isStopping: isStopping, beat: beat)
            let offsets = try reader.offsets(of: .orderState)
            var placed: Int64?
            if offsets.isEmpty { continue }
            try reader.read(.orderState, from: offsets.lowerBound) { record in
                guard let value = record.value, record.key?.elementsEqual(book) == true else { return }
                placed = (try? records.orderPartitions(value)) ?? placed
            }
            if let placed { return Int32(clamping: placed) }
        }
        return nil
    }

    func startReading(orders: Int64, replies: Int64) throws(LogFailure) {
        reader.rest()
        try attempt("read the orders") { () throws(KafkaError) in
            let consumer = try Consumer(
                configuration: settings.reader(isolation: .committed), events: events)
            self.consumer = consumer
            inputs = []
            for topic in Self.inputs {
                inputs.append((topic, try consumer.topic(settings.name(topic))))
            }
            let offsets = [
                TopicPartitionOffset(settings.name(.orders), partition, offset: orders),
                TopicPartitionOffset(settings.name(.orderReplies), partition, offset: replies),
            ]
            try consumer.assign(offsets)
            (next, unreadable) = ([orders, replies], nil)
            marks.place(offsets)
        }
    }

    func poll(
        limit: Int, timeoutMilliseconds: Int,
        _ body: (_ topic: InventoryWire.Topic, _ record: LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) -> Int {
        if let unreadable { return try step(over: unreadable, body) }
        var count = 0
        var failure: LogFailure?
        let polled = consumer!.consumeBatch(
            maxMessages: limit, timeoutMilliseconds: timeoutMilliseconds
        ) { message in
            guard failure == nil else { return }
            switch message.kind {
            case .record:
                let input = input(of: message)
                guard input != unreadable, message.offset >= next[input] else { return }
                next[input] = message.offset + 1
                count += 1
                do throws(LogFailure) {
                    try body(inputs[input].topic, message.inputRecord)
                } catch {
                    failure = error
                }
                marks.read(topic: input, partition, next: message.offset + 1)
            case .endOfPartition: break
            // What comes behind it is dropped, and read again.
            case .failure(let error) where error.scope == .batch:
                unreadable = unreadable ?? input(of: message)
            case .failure(let error): if error.recovery != .retry { failure = LogFailure(error) }
            }
        }
        if let failure { throw failure }
        marks.polled(isFull: polled >= limit)
        return count
    }

    /// Gives the batch of an input that nobody can read to `body`, and goes on behind it. One that can be read after all is
    /// read again.
    private func step(
        over input: Int,
        _ body: (_ topic: InventoryWire.Topic, _ record: LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) -> Int {
        let place = TopicPartition(settings.name(inputs[input].topic), partition)
        let found = try attempt("find where an unreadable batch ends") { () throws(KafkaError) in
            try BatchFinder(settings: settings, events: events).find(
                at: TopicPartitionOffset(place, offset: next[input]), beat: beat)
        }
        if let found {
            let record = LogRecord(unreadable: found.batch, from: found.offset)
            try body(inputs[input].topic, record)
            next[input] = record.next
        }
        unreadable = nil
        let behind = TopicPartitionOffset(place, offset: next[input])
        try attempt("seek behind an unreadable batch") { () throws(KafkaError) in
            try consumer!.seek(behind, timeoutMilliseconds: settings.callTimeout)
        }
        marks.read(topic: input, partition, next: next[input])
        return found == nil ? 0 : 1
    }

    private func input(of message: borrowing Message) -> Int {
        for (number, input) in inputs.enumerated() where message.isFrom(input.handle) { return number }
        preconditionFailure("a record of \(message.topicName), which was not asked for")
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

    func commit(nextOrder: Int64, nextReply: Int64) throws(LogFailure) {
        try attempt("commit the transaction") { () throws(KafkaError) in
            try producer!.sendOffsets(
                [
                    TopicPartitionOffset(settings.name(.orders), partition, offset: nextOrder),
                    TopicPartitionOffset(settings.name(.orderReplies), partition, offset: nextReply),
                ],
                groupMetadata: try member.groupMetadata(), timeoutMilliseconds: settings.callTimeout)
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
