import InventoryWire
import KafkaClient
import Operations

/// Writes the records of a partition in transactions of the partition's own id, as the processor does.
final class RebuildProducer {
    /// Records, and about bytes, of one transaction at most.
    private static let records = 5_000
    private static let bytes = 8 << 20

    private let partition: Int32
    private let settings: KafkaSettings
    private let producer: TransactionalProducer
    private var topics: [Topic: KafkaClient.Topic] = [:]
    private var recordCount = 0
    private var byteCount = 0

    /// Fences whoever has the partition.
    init(
        _ partition: Int32, settings: KafkaSettings, events: ClientEvents, isStopping: @escaping () -> Bool
    ) throws(KafkaError) {
        self.partition = partition
        self.settings = settings
        producer = try TransactionalProducer(
            configuration: settings.producer(transactionalID: settings.transactionalID(partition)),
            events: events)
        try producer.takeOver(withinMilliseconds: settings.callTimeout, isStopping: isStopping)
    }

    /// - Parameter value: nil for a tombstone.
    func write(_ topic: Topic, key: [UInt8], value: UnsafeRawBufferPointer?) throws {
        try translated { () throws(KafkaError) in
            if recordCount == 0 { try producer.begin() }
            let handle = try handle(topic)
            var outcome = try produce(handle, key, value)
            while outcome == .queueFull {
                try producer.flush(timeoutMilliseconds: settings.callTimeout)
                outcome = try produce(handle, key, value)
            }
            recordCount += 1
            byteCount += key.count + (value?.count ?? 0)
            if recordCount >= Self.records || byteCount >= Self.bytes { try commit() }
        }
    }

    /// Commits what is not committed yet.
    func finish() throws {
        try translated { () throws(KafkaError) in if recordCount > 0 { try commit() } }
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
        _ topic: KafkaClient.Topic, _ key: [UInt8], _ value: UnsafeRawBufferPointer?
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
                error.recovery == .fenced
                    ? "a processor has begun to work on partition \(partition); stop all, then run this again"
                    : "\(error.description); partition \(partition) may be rebuilt in part: run this again")
        }
    }
}
