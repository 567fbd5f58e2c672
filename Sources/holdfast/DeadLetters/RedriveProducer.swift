import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// Sends letters again, each in one transaction with its mark. Its transactional id is stable: when `open` has
/// returned, whatever an earlier run had begun is committed or is not, and no other run can commit any more.
final class RedriveProducer {
    /// What the broker said of the records of the open transaction, by their number.
    private final class Deliveries {
        var offsets: [UInt64: Int64] = [:]
        var failure: KafkaError?
    }

    private let settings: KafkaSettings
    private let producer: TransactionalProducer
    private let deliveries: Deliveries
    private let deadLetters: KafkaClient.Topic
    private var topics: [Topic: KafkaClient.Topic] = [:]
    private var writer = RecordWriter()

    /// - Parameter topics: to which it may send; those that are there.
    init(
        settings: KafkaSettings, topics names: [Topic], events: ClientEvents
    ) throws(KafkaError) {
        self.settings = settings
        let deliveries = Deliveries()
        self.deliveries = deliveries
        producer = try TransactionalProducer(
            configuration: settings.producer(transactionalID: settings.redriveTransactionalID),
            events: events
        ) { report in
            if let error = report.error { deliveries.failure = deliveries.failure ?? error }
            deliveries.offsets[report.tag] = report.offset
        }
        deadLetters = try producer.topic(settings.name(.deadLetters))
        for topic in names { topics[topic] = try producer.topic(settings.name(topic)) }
    }

    /// - Parameter isStopping: whether whoever waits wishes it to end.
    func open(isStopping: () -> Bool) throws(KafkaError) {
        try producer.takeOver(withinMilliseconds: settings.callTimeout, isStopping: isStopping)
    }

    /// - Returns: the offsets of what was sent, in the order of `letters`. All of it is committed, or it throws.
    func send(_ letters: ArraySlice<RedriveBatch.Letter>) throws(KafkaError) -> [Int64] {
        deliveries.offsets = [:]
        deliveries.failure = nil
        try producer.begin()
        do throws(KafkaError) {
            for (number, letter) in letters.enumerated() {
                let record = letter.record
                try produce(
                    topics[record.topic]!, record.partition, key: record.key, value: record.value,
                    tag: UInt64(number))
            }
            try flush()
            let offsets = (0..<letters.count).map { deliveries.offsets[UInt64($0)] ?? 0 }
            for (letter, offset) in zip(letters, offsets) {
                writer.write(mark: letter.mark(offset: offset))
                try produce(
                    deadLetters, letter.place.partition, key: letter.key,
                    value: writer.withBytes { Array($0) }, tag: .max)
            }
            try flush()
            try producer.commitSurely(withinMilliseconds: settings.callTimeout)
            return offsets
        } catch {
            if error.recovery != .fenced {
                // The next run ends the transaction if this cannot.
                try? producer.abort(timeoutMilliseconds: settings.callTimeout)
            }
            throw error
        }
    }

    private func produce(
        _ topic: KafkaClient.Topic, _ partition: Int32, key: [UInt8]?, value: [UInt8]?, tag: UInt64
    ) throws(KafkaError) {
        while true {
            let outcome = try withBytes(key) { key throws(KafkaError) in
                try withBytes(value) { value throws(KafkaError) in
                    try producer.produce(
                        topic, partition: .number(partition), key: key, value: value, tag: tag)
                }
            }
            if outcome == .queued { return }
            try flush()
        }
    }

    private func flush() throws(KafkaError) {
        try producer.flush(timeoutMilliseconds: settings.callTimeout)
        if let failure = deliveries.failure { throw producer.cause(of: failure) }
    }

    private func withBytes<Result>(
        _ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) throws(KafkaError) -> Result
    ) throws(KafkaError) -> Result {
        guard let bytes else { return try body(nil) }
        var result: Swift.Result<Result, KafkaError>?
        bytes.withUnsafeBytes { buffer in
            do throws(KafkaError) { result = .success(try body(buffer)) } catch { result = .failure(error) }
        }
        return try result!.get()
    }
}

extension RedriveBatch.Letter {
    /// - Parameter offset: of the record that was sent.
    fileprivate func mark(offset: Int64) -> RedriveMark {
        RedriveMark(
            letterPartition: place.partition, letterOffset: place.offset, reason: reason,
            topic: record.topic.rawValue, partition: record.partition, offset: offset,
            commandID: record.commandID, isMended: record.isMended)
    }
}
