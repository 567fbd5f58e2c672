import Foundation
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// One partition's log on Kafka: reads through the queue of its partition in the process's one consumer, writes
/// through a transactional producer of its own, whose id is the partition's. Commits wait on a thread of their own.
final class KafkaPartitionLog: PartitionLog {
    private static let wakeTimeout = 1_000

    let partition: Int32
    let partitionCount: Int32
    private let settings: KafkaSettings
    private let consumer: Consumer
    private let queue: PartitionQueue
    private let events: ClientEvents
    private let isStopping: () -> Bool
    /// How far it has read, for who watches over it.
    private let mark: ReadingMark
    private let reader: KafkaPartitionReader
    private var producer: TransactionalProducer?
    /// Few, and looked for with each record: comparing is quicker than a hash.
    private var topics: [(topic: Topic, handle: KafkaClient.Topic)] = []
    private let committer: Committer
    /// Messages that stand in the queue from before the last seek are older than this.
    private var nextOffset: Int64 = 0
    /// librdkafka 2.8 takes an error that it gives in a batch for a record, and stands behind it: up to here its position
    /// says nothing, until the next record (`rd_kafka_q_serve_rkmessages`).
    private var doubtfulPosition: Int64 = -1
    private var replyPartitions: Int32 = 0
    private var replyLookDue: Deadline?
    /// Takes note of a reply that has no partition to go to.
    private let unplaced: () -> Void

    init(
        queue: PartitionQueue, partitionCount: Int32, settings: KafkaSettings, consumer: Consumer,
        events: ClientEvents, mark: ReadingMark, isStopping: @escaping () -> Bool,
        beat: @escaping () -> Void, unplaced: @escaping () -> Void
    ) {
        self.queue = queue
        self.mark = mark
        self.unplaced = unplaced
        partition = queue.partition.partition
        self.partitionCount = partitionCount
        self.settings = settings
        self.consumer = consumer
        self.events = events
        self.isStopping = isStopping
        reader = KafkaPartitionReader(
            partition: partition, settings: settings, events: events, isStopping: isStopping, beat: beat)
        committer = Committer("commit-\(partition)") { queue.wake() }
    }

    deinit { committer.end() }

    func open() throws(LogFailure) {
        close()
        try attempt("open the producer") { () throws(KafkaError) in
            let producer = try TransactionalProducer(
                configuration: settings.producer(transactionalID: settings.transactionalID(partition)),
                events: events)
            self.producer = producer
            try producer.initTransactions(timeoutMilliseconds: settings.callTimeout)
            for topic in Topic.outputs {
                topics.append((topic, try producer.topic(settings.name(topic))))
            }
        }
    }

    func committedOffset() throws(LogFailure) -> Int64? {
        // The broker tells no offset while a transaction that commits one is open (KIP-447).
        try attempt("read the committed offset (if this goes on, a transaction hangs: docs/faults.md)") {
            () throws(KafkaError) in
            let place = TopicPartition(settings.name(.commands), partition)
            let committed = try consumer.committed([place], timeoutMilliseconds: settings.callTimeout)
            return committed.first.flatMap { $0.isSet ? $0.offset : nil }
        }
    }

    func offsets(of topic: Topic) throws(LogFailure) -> Range<Int64> { try reader.offsets(of: topic) }

    func writtenEnds(of topics: [Topic]) throws(LogFailure) -> [Int64] {
        try reader.writtenEnds(of: topics)
    }

    func read(
        _ topic: Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        try reader.read(topic, from: offset, body)
    }

    func startReading(at offset: Int64) throws(LogFailure) {
        nextOffset = offset
        doubtfulPosition = -1
        // What was to be restored is read.
        reader.rest()
        try attempt("seek in the commands") { () throws(KafkaError) in
            let place = TopicPartitionOffset(settings.name(.commands), partition, offset: offset)
            let deadline = Deadline(milliseconds: settings.callTimeout)
            while true {
                do throws(KafkaError) {
                    try consumer.seek(place, timeoutMilliseconds: settings.callTimeout)
                    try consumer.resumeAtOnce(place.partition, timeoutMilliseconds: Self.wakeTimeout)
                    return mark.start(at: offset)
                } catch {
                    // Right after its assignment the partition is not fetched yet, and cannot be placed.
                    guard error.code.name == "_STATE", !deadline.isPast, !isStopping() else { throw error }
                    usleep(2_000)
                }
            }
        }
    }

    func poll(
        limit: Int, timeoutMilliseconds: Int, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) -> Int {
        var count = 0
        var failure: LogFailure?
        try attempt("poll the commands") { () throws(KafkaError) in
            _ = queue.consumeBatch(maxMessages: limit, timeoutMilliseconds: timeoutMilliseconds) { message in
                guard failure == nil else { return }
                switch message.kind {
                case .record:
                    guard message.offset >= nextOffset else { return }
                    nextOffset = message.offset + 1
                    doubtfulPosition = -1
                    count += 1
                    do throws(LogFailure) { try body(message.logRecord) } catch { failure = error }
                case .endOfPartition: doubtfulPosition = message.offset + 1
                case .failure(let error):
                    doubtfulPosition = message.offset + 1
                    if error.recovery != .retry { failure = LogFailure(error) }
                }
            }
        }
        if let failure { throw failure }
        mark.polled(next: nextOffset)
        return count
    }

    /// A seek forgets the client's position, and what was fetched before it moves none.
    func readOffset() throws(LogFailure) -> Int64 {
        try attempt("read the position in the commands") { () throws(KafkaError) in
            let position = try consumer.position([queue.partition])[0].offset
            return position > doubtfulPosition ? max(nextOffset, position) : nextOffset
        }
    }

    func begin() throws(LogFailure) {
        try attempt("begin a transaction") { () throws(KafkaError) in try producer!.begin() }
    }

    func produce(
        _ topic: Topic, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure) {
        try produce(topic, partition, key, value)
    }

    private func produce(
        _ topic: Topic, _ partition: Int32, _ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?
    ) throws(LogFailure) {
        try producer!.produceWaiting(topic, handle(of: topic), partition, key: key, value: value)
    }

    private func handle(of topic: Topic) -> KafkaClient.Topic {
        for place in topics.indices where topics[place].topic == topic { return topics[place].handle }
        preconditionFailure("\(topic.rawValue) is not open")
    }

    func reply(
        _ partition: Int32, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(LogFailure) {
        if partition >= replyPartitions { lookForReplyPartitions() }
        guard partition < replyPartitions else { return unplaced() }
        if !topics.contains(where: { $0.topic == .orderReplies }) {
            try attempt("open order.replies") { () throws(KafkaError) in
                topics.append((.orderReplies, try producer!.topic(settings.name(.orderReplies))))
            }
        }
        try produce(.orderReplies, partition, key, value)
    }

    /// How many partitions `order.replies` has; looked for when a reply is for one that is not known, and not often.
    private func lookForReplyPartitions() {
        guard replyLookDue?.isPast ?? true else { return }
        replyLookDue = Deadline(milliseconds: 2_000)
        let name = settings.name(.orderReplies)
        guard let admin = try? Admin(configuration: settings.common(), events: events),
            let found = try? admin.describeTopics([name], timeoutMilliseconds: 2_000)
        else { return }
        replyPartitions = Int32(found[name]?.partitionCount ?? 0)
    }

    func startCommit(nextOffset: Int64) throws(LogFailure) {
        let place = TopicPartitionOffset(settings.name(.commands), partition, offset: nextOffset)
        // The producer is the committer's from here on, until `isCommitted` has its word.
        nonisolated(unsafe) let producer = producer!
        committer.start { [consumer, limit = settings.callTimeout] () throws(LogFailure) in
            try attempt("commit the transaction") { () throws(KafkaError) in
                try producer.sendOffsets(
                    [place], groupMetadata: try consumer.groupMetadata(), timeoutMilliseconds: limit)
                try producer.commit(timeoutMilliseconds: limit)
            }
        }
    }

    func isCommitted(timeoutMilliseconds: Int) throws(LogFailure) -> Bool {
        try committer.isDone(timeoutMilliseconds: timeoutMilliseconds)
    }

    func close() {
        mark.rest()
        topics = []
        producer = nil
    }
}
