import InventoryCore
import InventoryWire
import KafkaClient
import Operations

/// Publishes commands as an order pipeline would: keyed by SKU, placed by murmur2, idempotent.
final class DemoPublisher {
    private let producer: Producer
    private let topic: KafkaClient.Topic
    private let settings: KafkaSettings
    private var writer = RecordWriter()

    init(settings: KafkaSettings, events: ClientEvents) throws(KafkaError) {
        let box = FailureBox()
        producer = try Producer(configuration: settings.producer(), events: events) { report in
            if let error = report.error { box.failure = error }
        }
        self.settings = settings
        topic = try producer.topic(settings.name(.commands))
        failures = box
    }

    private final class FailureBox {
        var failure: KafkaError?
    }

    private let failures: FailureBox

    func publish(_ command: Command) throws(KafkaError) {
        writer.write(command: command)
        let key = Array(command.sku.utf8)
        while true {
            let outcome = try writer.withBytes { value throws(KafkaError) in
                var result: Result<ProduceOutcome, KafkaError>?
                key.withUnsafeBytes { bytes in
                    do throws(KafkaError) {
                        result = .success(try producer.produce(topic, key: bytes, value: value))
                    } catch {
                        result = .failure(error)
                    }
                }
                return try result!.get()
            }
            if outcome == .queued { return }
            producer.poll(timeoutMilliseconds: 5)
        }
    }

    /// Any record, to the end of which the broker has it.
    func publish(_ name: InventoryWire.Topic, key: String, value: [UInt8]) throws(KafkaError) {
        try publishSoon(name, key: key, value: value)
        try finish()
    }

    private func publishSoon(_ name: InventoryWire.Topic, key: String, value: [UInt8]) throws(KafkaError) {
        let handle = try producer.topic(settings.name(name))
        var failure: KafkaError?
        Array(key.utf8).withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                do throws(KafkaError) {
                    _ = try producer.produce(handle, key: key, value: value)
                } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
    }

    func publish(warehouse: WarehouseRecord) throws(KafkaError) {
        writer.write(warehouse: warehouse)
        try publish(.warehouses, key: warehouse.warehouse.id, value: writer.withBytes { Array($0) })
    }

    func publish(product: ProductRecord) throws(KafkaError) {
        writer.write(product: product)
        try publish(.products, key: product.sku, value: writer.withBytes { Array($0) })
    }

    /// Without waiting for the broker's word.
    func publishSoon(product: ProductRecord) throws(KafkaError) {
        writer.write(product: product)
        try publishSoon(.products, key: product.sku, value: writer.withBytes { Array($0) })
    }

    func poll() { producer.poll(timeoutMilliseconds: 0) }

    /// Waits until the broker has all of it.
    func finish() throws(KafkaError) {
        try producer.flush(timeoutMilliseconds: 60_000)
        if let failure = failures.failure { throw failure }
    }
}
