import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import OrderCore

/// Publishes commands as an order pipeline would: keyed by SKU, placed by murmur2, and again when the broker did not
/// take one, for a command is decided once, however often it stands in the log.
final class DemoPublisher {
    /// A record that the broker has not taken yet.
    private struct Pending {
        let topic: KafkaClient.Topic
        let key: [UInt8]
        let value: [UInt8]
    }

    /// What the delivery reports say.
    private final class Deliveries {
        /// By tag; empty unless records are to be published again.
        var pending: [UInt64: Pending] = [:]
        /// Those of them that failed.
        var failed: [UInt64] = []
        /// The newest failure, and the newest that stands.
        var newest: KafkaError?
        var failure: KafkaError?
    }

    private let producer: Producer
    private let topic: KafkaClient.Topic
    private let settings: KafkaSettings
    private let deliveries: Deliveries
    private let repeats: Bool
    private var tag: UInt64 = 0
    private var writer = RecordWriter()
    /// How many records were published again.
    private(set) var repeated = 0

    /// - Parameters:
    ///   - repeats: publishes again what was not delivered, unless a new try would meet the same error. Without it, the
    ///     first failure is thrown by `finish`.
    ///   - transactionalID: then nothing of it is seen by readers of what is committed before `commit`.
    init(
        settings: KafkaSettings, events: ClientEvents, repeats: Bool = false, transactionalID: String? = nil
    ) throws(KafkaError) {
        let deliveries = Deliveries()
        let note: (DeliveryReport) -> Void = { report in
            guard let error = report.error else {
                deliveries.pending[report.tag] = nil
                return
            }
            deliveries.newest = error
            if deliveries.pending[report.tag] != nil, error.recovery != .fatal {
                deliveries.failed.append(report.tag)
            } else {
                deliveries.failure = error
            }
        }
        if let transactionalID {
            var configuration = settings.producer()
            configuration["enable.idempotence"] = "true"
            configuration["transactional.id"] = transactionalID
            // The longest that the local broker allows.
            configuration["transaction.timeout.ms"] = "60000"
            configuration["linger.ms"] = "20"
            let producer = try TransactionalProducer(
                configuration: configuration, events: events, deliveries: note)
            try producer.initTransactions(timeoutMilliseconds: 30_000)
            try producer.begin()
            self.producer = producer
        } else {
            producer = try Producer(configuration: settings.producer(), events: events, deliveries: note)
        }
        self.settings = settings
        self.deliveries = deliveries
        self.repeats = repeats
        topic = try producer.topic(settings.name(.commands))
    }

    func publish(_ command: Command) throws(KafkaError) {
        writer.write(command: command)
        let key = command.sku.bytes
        if repeats {
            let record = Pending(topic: topic, key: key, value: writer.withBytes { Array($0) })
            tag += 1
            deliveries.pending[tag] = record
            return try produce(record, tag: tag)
        }
        while try writer.withBytes({ value throws(KafkaError) in try produce(topic, key: key, value: value) })
            != .queued
        {
            producer.poll(timeoutMilliseconds: 5)
        }
    }

    private func produce(_ record: Pending, tag: UInt64) throws(KafkaError) {
        var outcome = ProduceOutcome.queueFull
        while true {
            var failure: KafkaError?
            record.value.withUnsafeBytes { value in
                do throws(KafkaError) {
                    outcome = try produce(record.topic, key: record.key, value: value, tag: tag)
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
            if outcome == .queued { return }
            producer.poll(timeoutMilliseconds: 5)
        }
    }

    private func produce(
        _ topic: KafkaClient.Topic, key: [UInt8], value: UnsafeRawBufferPointer, tag: UInt64 = 0
    ) throws(KafkaError) -> ProduceOutcome {
        var result: Result<ProduceOutcome, KafkaError>?
        key.withUnsafeBytes { bytes in
            do throws(KafkaError) {
                result = .success(try producer.produce(topic, key: bytes, value: value, tag: tag))
            } catch {
                result = .failure(error)
            }
        }
        return try result!.get()
    }

    /// Any record, to the end of which the broker has it.
    func publish(_ name: InventoryWire.Topic, key: String, value: [UInt8]) throws(KafkaError) {
        try publishSoon(name, key: key, value: value)
        try finish()
    }

    private func publishSoon(_ name: InventoryWire.Topic, key: String, value: [UInt8]) throws(KafkaError) {
        let record = Pending(
            topic: try producer.topic(settings.name(name)), key: Array(key.utf8), value: value)
        if repeats {
            tag += 1
            deliveries.pending[tag] = record
        }
        try produce(record, tag: repeats ? tag : 0)
    }

    /// An event of an order, without waiting for the broker's word.
    func publishSoon(event: OrderEvent) throws(KafkaError) {
        writer.write(event: event)
        try publishSoon(.orders, key: event.orderID.text, value: writer.withBytes { Array($0) })
    }

    func publish(warehouse: WarehouseRecord) throws(KafkaError) {
        writer.write(warehouse: warehouse)
        try publish(.warehouses, key: warehouse.warehouse.id.text, value: writer.withBytes { Array($0) })
    }

    func publish(product: ProductRecord) throws(KafkaError) {
        writer.write(product: product)
        try publish(.products, key: product.sku.text, value: writer.withBytes { Array($0) })
    }

    /// Without waiting for the broker's word.
    func publishSoon(product: ProductRecord) throws(KafkaError) {
        writer.write(product: product)
        try publishSoon(.products, key: product.sku.text, value: writer.withBytes { Array($0) })
    }

    func poll() { producer.poll(timeoutMilliseconds: 0) }

    /// Publishes again those of which `poll` has learnt that they were not delivered.
    func publishAgain() throws(KafkaError) {
        let failed = deliveries.failed
        deliveries.failed = []
        for tag in failed {
            repeated += 1
            try produce(deliveries.pending[tag]!, tag: tag)
        }
    }

    /// Lets readers see all of it at once; of a publisher with a transactional id, and once.
    func commit() throws(KafkaError) {
        try finish()
        try (producer as? TransactionalProducer)?.commit(timeoutMilliseconds: 60_000)
    }

    /// Waits until the broker has all of it.
    /// - Throws: `_TIMED_OUT` after a minute without an answer; what still fails after 100 tries.
    func finish() throws(KafkaError) {
        try producer.flush(timeoutMilliseconds: 60_000)
        var tries = 0
        while !deliveries.failed.isEmpty {
            tries += 1
            guard tries < 100 else { throw deliveries.newest! }
            // The broker needs a moment to get well.
            usleep(100_000)
            try publishAgain()
            try producer.flush(timeoutMilliseconds: 60_000)
        }
        if let failure = deliveries.failure { throw failure }
    }
}
