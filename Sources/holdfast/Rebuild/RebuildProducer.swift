import InventoryWire
import KafkaClient
import Operations

/// Writes the records of a partition in transactions of the partition's own id, as the processor does; or those of
/// all partitions, in transactions of an id of its own.
final class RebuildProducer {
    /// Records, and about bytes, of one transaction at most.
    private static let records = 5_000
    private static let bytes = 8 << 20

    private let partition: Int32
    /// What a failure is told of.
    private let advice: (fenced: String, unfinished: String)
    private let settings: KafkaSettings
    private let producer: TransactionalProducer
    private var topics: [Topic: KafkaClient.Topic] = [:]
    private var recordCount = 0
    private var byteCount = 0
    private var isWhole = false
    /// The broker ends a transaction that stays open for long.
    private var due = Deadline(milliseconds: 0)

    /// Fences whoever has the partition.
    init(
        _ partition: Int32, settings: KafkaSettings, events: ClientEvents, isStopping: @escaping () -> Bool
    ) throws(KafkaError) {
        self.partition = partition
        self.settings = settings
        advice = (
            "a processor has begun to work on partition \(partition); stop all, then run this again",
            "partition \(partition) may be made in part: run this again"
        )
        producer = try Self.takenOver(settings.transactionalID(partition), settings, events, isStopping)
    }

    /// For the records of all partitions.
    init(
        transactionalID: String, settings: KafkaSettings, events: ClientEvents,
        isStopping: @escaping () -> Bool
    ) throws(KafkaError) {
        partition = 0
        self.settings = settings
        advice = (
            "another one is at work with the same topics", "the topics are made in part: run this again"
        )
        producer = try Self.takenOver(transactionalID, settings, events, isStopping)
    }

    private static func takenOver(
        _ id: String, _ settings: KafkaSettings, _ events: ClientEvents, _ isStopping: () -> Bool
    ) throws(KafkaError) -> TransactionalProducer {
        let producer = try TransactionalProducer(
            configuration: settings.producer(transactionalID: id), events: events)
        try producer.takeOver(withinMilliseconds: settings.callTimeout, isStopping: isStopping)
        return producer
    }

    /// - Parameters:
    ///   - partition: another one than the producer's own.
    ///   - value: nil for a tombstone.
    func write(
        _ topic: Topic, partition: Int32? = nil, key: [UInt8], value: UnsafeRawBufferPointer?
    ) throws {
        let partition = partition ?? self.partition
        try translated { () throws(KafkaError) in
            if recordCount == 0 {
                try producer.begin()
                due = Deadline(milliseconds: settings.callTimeout / 4)
            }
            let handle = try handle(topic)
            var outcome = try produce(handle, partition, key, value)
            while outcome == .queueFull {
                try producer.flush(timeoutMilliseconds: settings.callTimeout)
                outcome = try produce(handle, partition, key, value)
            }
            recordCount += 1
            byteCount += key.count + (value?.count ?? 0)
            if !isWhole, recordCount >= Self.records || byteCount >= Self.bytes || due.isPast { try commit() }
        }
    }

    /// Commits what is not committed yet.
    func finish() throws {
        try translated { () throws(KafkaError) in if recordCount > 0 { try commit() } }
        isWhole = false
    }

    /// What is written from here to the next `finish` is one transaction, however much it is.
    func beginWhole() throws {
        try finish()
        isWhole = true
    }

    /// Commits what is not committed yet, together with offsets of a group.
    func finish(_ offsets: [TopicPartitionOffset], role: String?, events: ClientEvents) throws {
        try translated { () throws(KafkaError) in
            if recordCount == 0 { try producer.begin() }
            let holder = try Consumer(configuration: settings.offsetHolder(role: role), events: events)
            try producer.sendOffsets(
                offsets, groupMetadata: try holder.groupMetadata(), timeoutMilliseconds: settings.callTimeout)
            try commit()
        }
        isWhole = false
    }

    private func commit() throws(KafkaError) {
        try producer.commitSurely(withinMilliseconds: settings.callTimeout)
        recordCount = 0
        byteCount = 0
    }

    private func handle(_ topic: Topic) throws(KafkaError) -> KafkaClient.Topic {
        if let handle = topics[topic] { return handle }
        let handle = try producer.topic(settings.name(topic))
        topics[topic] = handle
        return handle
    }

    private func produce(
        _ topic: KafkaClient.Topic, _ partition: Int32, _ key: [UInt8], _ value: UnsafeRawBufferPointer?
    ) throws(KafkaError) -> ProduceOutcome {
        var result: Result<ProduceOutcome, KafkaError>?
        key.withUnsafeBytes { key in
            do throws(KafkaError) {
                result = .success(
                    try producer.produce(topic, partition: .number(partition), key: key, value: value))
            } catch {
                result = .failure(error)
            }
        }
        return try result!.get()
    }

    private func translated(_ body: () throws(KafkaError) -> Void) throws {
        do throws(KafkaError) {
            try body()
        } catch {
            throw RoleFailure(
                error.recovery == .fatal ? error.exitCode : .temporaryFailure,
                error.isTakenOver ? advice.fenced : "\(error.description); \(advice.unfinished)")
        }
    }
}
