import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// `holdfast relay`: carries `warehouses`, `products` and `settings` into `stock.commands`. One thread; each batch
/// in a transaction with the offsets of its records, so that every change arrives once and in order.
final class RelayRole {
    private static let batchRecords = 200
    /// What a broker that answers nothing may hold a call up for, in milliseconds.
    private static let callTimeout = 11_000

    private let service: Service
    private let settings: KafkaSettings
    private let logger: Logger
    private let readiness = Readiness(notYet: "not placed yet")
    private let carried: Counter
    private let sent: Counter
    private let buried: Counter
    private var writer = RecordWriter()

    init(service: Service) {
        self.service = service
        settings = KafkaSettings(service.configuration)
        logger = service.logger
        carried = service.metrics.counter(
            "holdfast_relay_records_total", help: "Records of warehouses, products and settings carried.")
        sent = service.metrics.counter(
            "holdfast_relay_commands_total", help: "Commands that they gave, over all partitions.")
        buried = service.metrics.counter(
            "holdfast_relay_dead_letters_total", help: "Records that could not be read.")
    }

    func run() throws -> ExitCode {
        service.announce()
        let health = try service.serveHealth { [readiness] in readiness.health }
        defer { health?.stop() }
        guard let count = try service.waitForTopics(settings) else { return .success }
        let watchdog = Watchdog(logger: logger)
        watchdog.start()
        let watched = watchdog.register("relay")
        let limit = service.configuration.integer("watchdog_timeout_ms")
        var failures = 0
        while !service.shutdown.isRequested {
            watched.beat(limitMilliseconds: limit)
            do {
                let session = try Session(self, partitionCount: count)
                readiness.ready()
                while !service.shutdown.isRequested {
                    watched.beat(limitMilliseconds: limit)
                    if try session.carry() { failures = 0 }
                }
            } catch let error as KafkaError {
                try recover(from: error, &failures)
            }
        }
        watched.rest()
        logger.info("stopped")
        return .success
    }

    /// The one recovery: drop the producer, whose transaction the next one ends, and begin where the group stands.
    private func recover(from error: KafkaError, _ failures: inout Int) throws {
        readiness.notReady("waiting for the broker")
        if service.shutdown.isRequested { return }
        if error.recovery == .fenced {
            throw RoleFailure(
                .internalFault, "another relay is at work; one is enough (\(error.description))")
        }
        if error.recovery == .fatal { throw RoleFailure(error.exitCode, error.description) }
        if failures == 0 { logger.warning("beginning again", ["reason": error.description]) }
        failures += 1
        _ = service.shutdown.wait(timeoutMilliseconds: min(5_000, 100 << min(failures, 6)))
    }

    /// What lives from a start to the next failure, and is dropped whole.
    private final class Session {
        private let role: RelayRole
        private let producer: TransactionalProducer
        private let consumer: Consumer
        private let commands: KafkaClient.Topic
        private let deadLetters: KafkaClient.Topic
        private let sources: [(topic: InventoryWire.Topic, handle: KafkaClient.Topic)]
        private var relay: Relay

        init(_ role: RelayRole, partitionCount: Int32) throws {
            self.role = role
            let settings = role.settings
            let events = role.service.kafkaEvents()
            producer = try TransactionalProducer(
                configuration: settings.producer(transactionalID: settings.relayTransactionalID),
                events: events)
            try producer.initTransactions(timeoutMilliseconds: RelayRole.callTimeout)
            commands = try producer.topic(settings.name(.commands))
            deadLetters = try producer.topic(settings.name(.deadLetters))
            consumer = try Consumer(configuration: settings.offsetHolder(role: "relay"), events: events)
            relay = Relay(partitionCount: partitionCount) { sku in
                Array(sku.utf8).withUnsafeBytes {
                    murmur2Partition(key: $0, partitionCount: partitionCount)
                }
            }
            let consumer = consumer
            sources = try InventoryWire.Topic.published.map {
                ($0, try consumer.topic(settings.name($0)))
            }
            try place()
        }

        private func place() throws {
            let settings = role.settings
            let admin = try Admin(configuration: settings.common(), events: role.service.kafkaEvents())
            let names = InventoryWire.Topic.published.map { settings.name($0) }
            let found = try admin.describeTopics(names, timeoutMilliseconds: RelayRole.callTimeout)
            let places = names.flatMap { name in
                (0..<Int32(found[name]?.partitionCount ?? 0)).map { TopicPartition(name, $0) }
            }
            let offsets = try consumer.committed(places, timeoutMilliseconds: RelayRole.callTimeout).map {
                $0.isSet
                    ? $0 : TopicPartitionOffset($0.partition, offset: TopicPartitionOffset.beginning)
            }
            try consumer.assign(offsets)
            role.logger.info(
                "reading",
                ["offsets": offsets.map(\.description).joined(separator: " ")])
        }

        /// Carries what is there, having waited for it a little.
        /// - Returns: whether anything was.
        func carry() throws -> Bool {
            var next: [TopicPartition: Int64] = [:]
            var failure: KafkaError?
            var counts = (records: 0, commands: 0, letters: 0)
            consumer.consumeBatch(maxMessages: RelayRole.batchRecords, timeoutMilliseconds: 100) { message in
                guard failure == nil else { return }
                do throws(KafkaError) {
                    switch message.kind {
                    case .failure(let error): if error.recovery != .retry { throw error }
                    case .endOfPartition: break
                    case .record:
                        if next.isEmpty { try producer.begin() }
                        try take(message, &counts)
                        next[TopicPartition(message.topicName, message.partition)] = message.offset + 1
                    }
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
            guard !next.isEmpty else { return false }
            try producer.sendOffsets(
                next.map { TopicPartitionOffset($0.key, offset: $0.value) },
                groupMetadata: try consumer.groupMetadata(), timeoutMilliseconds: RelayRole.callTimeout)
            try producer.commit(timeoutMilliseconds: RelayRole.callTimeout)
            role.carried.add(counts.records)
            role.sent.add(counts.commands)
            role.buried.add(counts.letters)
            role.logger.info(
                "carried",
                ["records": counts.records, "commands": counts.commands, "dead_letters": counts.letters])
            return true
        }

        private func take(
            _ message: borrowing Message, _ counts: inout (records: Int, commands: Int, letters: Int)
        ) throws(KafkaError) {
            var source = sources[0].topic
            for candidate in sources where message.isFrom(candidate.handle) { source = candidate.topic }
            let record = LogRecord(
                key: message.key, value: message.value, offset: message.offset,
                timestamp: message.timestampMilliseconds)
            counts.records += 1
            let deliveries: [Relay.Delivery]
            do throws(DecodingFailure) {
                deliveries = try relay.deliveries(of: record, from: source, partition: message.partition)
            } catch {
                counts.letters += 1
                return try bury(record, error, from: source, partition: message.partition)
            }
            for delivery in deliveries {
                role.writer.write(command: delivery.command)
                try send(commands, delivery.partition, Array(delivery.command.sku.utf8))
            }
            counts.commands += deliveries.count
        }

        private func bury(
            _ record: LogRecord, _ failure: DecodingFailure, from source: InventoryWire.Topic,
            partition: Int32
        ) throws(KafkaError) {
            let milliseconds = record.timestamp.flatMap { 0...Limits.latestTime ~= $0 ? $0 : nil }
            role.writer.write(
                deadLetter: failure,
                origin: RecordOrigin(
                    topic: source, partition: partition, offset: record.offset,
                    timestamp: milliseconds.map { Timestamp(milliseconds: $0) }),
                key: record.key, value: record.value)
            try send(deadLetters, 0, record.key.map { Array($0) } ?? [])
        }

        private func send(
            _ topic: KafkaClient.Topic, _ partition: Int32, _ key: [UInt8]
        ) throws(KafkaError) {
            var failure: KafkaError?
            key.withUnsafeBytes { key in
                role.writer.withBytes { value in
                    do throws(KafkaError) {
                        var outcome = try producer.produce(
                            topic, partition: .number(partition), key: key, value: value)
                        while outcome == .queueFull {
                            try producer.flush(timeoutMilliseconds: RelayRole.callTimeout)
                            outcome = try producer.produce(
                                topic, partition: .number(partition), key: key, value: value)
                        }
                    } catch {
                        failure = error
                    }
                }
            }
            if let failure { throw failure }
        }
    }
}
