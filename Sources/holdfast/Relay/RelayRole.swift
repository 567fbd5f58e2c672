import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// `holdfast relay`: carries `warehouses`, `products` and `settings` into `stock.commands`. One thread does what
/// `RelayLoop` says.
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
    private let stallGuard: StallGuard?
    private var session: Session?

    init(service: Service) {
        self.service = service
        settings = KafkaSettings(service.configuration)
        logger = service.logger
        stallGuard = StallGuard(service)
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
        guard let topics = try service.waitForTopics(settings) else { return .success }
        let count = topics.count(of: .commands)
        let topicWatch = TopicWatch(service, topics)
        topicWatch.start()
        defer { topicWatch.end() }
        let watchdog = Watchdog(logger: logger)
        watchdog.start()
        let watched = watchdog.register("relay")
        let limit = service.configuration.integer("watchdog_timeout_ms")
        var loop = RelayLoop(partitionCount: count, idPrefix: settings.prefix) { sku in
            sku.bytes.withUnsafeBytes { murmur2Partition(key: $0, partitionCount: count) }
        }
        stallGuard?.start()
        defer { stallGuard?.end() }
        while true {
            try topicWatch.check()
            try stallGuard?.check()
            if service.shutdown.isRequested { loop.stop() }
            if case .finish(let fault) = loop.action {
                session = nil
                watched.rest()
                if let fault { throw RoleFailure(.internalFault, fault) }
                logger.info("stopped")
                return .success
            }
            watched.beat(limitMilliseconds: limit)
            do {
                try perform(&loop)
            } catch let error as KafkaError {
                try recover(from: error, &loop)
            }
        }
    }

    private func perform(_ loop: inout RelayLoop) throws {
        switch loop.action {
        case .open:
            session = nil
            session = try Session(settings, service, stallGuard)
            loop.opened()
        case .place:
            let offsets = try session!.place()
            logger.info("reading", ["offsets": offsets])
            readiness.ready()
            loop.placed()
        case .read:
            let session = session!
            try session.read { record, source throws(KafkaError) in
                if !loop.isTransactionOpen { try session.begin() }
                return loop.read(record, from: source, at: Int64(Date().timeIntervalSince1970 * 1000))
            }
            loop.gathered()
        case .commit:
            try session!.commit(loop.offsets)
            tell(loop.committed())
        case .wait(let milliseconds):
            _ = service.shutdown.wait(timeoutMilliseconds: milliseconds)
            loop.waited()
        case .finish:
            preconditionFailure("finish is done by the loop")
        }
    }

    /// The one recovery: drop the producer, whose transaction the next one ends, and begin where the group stands.
    private func recover(from error: KafkaError, _ loop: inout RelayLoop) throws {
        session = nil
        readiness.notReady("waiting for the broker")
        if error.recovery == .fatal, !service.shutdown.isRequested {
            throw RoleFailure(error.exitCode, error.description)
        }
        if service.shutdown.isRequested { loop.stop() }
        if error.recovery != .fenced, loop.failuresInARow == 0, !service.shutdown.isRequested {
            logger.warning("beginning again", ["reason": error.description])
        }
        loop.failed(error.recovery == .fenced ? .fenced : .restart, error.description)
    }

    private func tell(_ counts: RelayLoop.Counts) {
        carried.add(counts.records)
        sent.add(counts.commands)
        buried.add(counts.letters)
        logger.info(
            "carried",
            ["records": counts.records, "commands": counts.commands, "dead_letters": counts.letters])
    }

    /// What lives from a start to the next failure, and is dropped whole.
    private final class Session {
        private let settings: KafkaSettings
        private let service: Service
        private let producer: TransactionalProducer
        private let consumer: Consumer
        private let commands: KafkaClient.Topic
        private let deadLetters: KafkaClient.Topic
        private let sources: [(topic: InventoryWire.Topic, handle: KafkaClient.Topic)]
        private let marks: ReadingMarks

        init(_ settings: KafkaSettings, _ service: Service, _ stallGuard: StallGuard?) throws {
            self.settings = settings
            self.service = service
            marks = ReadingMarks(
                stallGuard, topics: InventoryWire.Topic.published.map { settings.name($0) })
            let events = service.kafkaEvents()
            producer = try TransactionalProducer(
                configuration: settings.producer(transactionalID: settings.relayTransactionalID),
                events: events)
            try producer.initTransactions(timeoutMilliseconds: RelayRole.callTimeout)
            commands = try producer.topic(settings.name(.commands))
            deadLetters = try producer.topic(settings.name(.deadLetters))
            consumer = try Consumer(configuration: settings.offsetHolder(role: "relay"), events: events)
            let consumer = consumer
            sources = try InventoryWire.Topic.published.map {
                ($0, try consumer.topic(settings.name($0)))
            }
        }

        deinit { marks.forgetAll() }

        /// - Returns: where it reads on, for the log.
        func place() throws -> String {
            let admin = try Admin(configuration: settings.common(), events: service.kafkaEvents())
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
            marks.place(offsets)
            return offsets.map(\.description).joined(separator: " ")
        }

        func begin() throws(KafkaError) { try producer.begin() }

        /// Sends what `take` makes of each record that is there, having waited for it a little.
        func read(
            _ take: (LogRecord, RelayLoop.Source) throws(KafkaError) -> [RelayLoop.Sending]
        ) throws {
            var failure: KafkaError?
            var unreadable: [RelayLoop.Source: Int64] = [:]
            let polled = consumer.consumeBatch(
                maxMessages: RelayRole.batchRecords, timeoutMilliseconds: 100
            ) { message in
                guard failure == nil else { return }
                do throws(KafkaError) {
                    switch message.kind {
                    case .failure(let error) where error.scope == .batch:
                        let source = RelayLoop.Source(sources[source(of: message)].topic, message.partition)
                        unreadable[source] = unreadable[source] ?? message.offset
                    case .failure(let error): if error.recovery != .retry { throw error }
                    case .endOfPartition: break
                    case .record:
                        let record = LogRecord(
                            key: message.key, value: message.value, offset: message.offset,
                            timestamp: message.timestampMilliseconds)
                        let number = source(of: message)
                        let source = RelayLoop.Source(sources[number].topic, message.partition)
                        // What comes behind a batch that cannot be read is read again.
                        guard unreadable[source] == nil else { return }
                        marks.read(topic: number, message.partition, next: message.offset + 1)
                        for sending in try take(record, source) { try send(sending) }
                    }
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
            for (source, offset) in unreadable { try step(over: source, offset, take) }
            marks.polled(isFull: polled >= RelayRole.batchRecords)
        }

        /// Takes the batch of a source that nobody can read, and goes on behind it. One that can be read after all is read
        /// again.
        private func step(
            over source: RelayLoop.Source, _ offset: Int64,
            _ take: (LogRecord, RelayLoop.Source) throws(KafkaError) -> [RelayLoop.Sending]
        ) throws(KafkaError) {
            let place = TopicPartition(settings.name(source.topic), source.partition)
            let found = try BatchFinder(settings: settings, events: service.kafkaEvents()).find(
                at: TopicPartitionOffset(place, offset: offset))
            var next = offset
            if let found {
                let record = LogRecord(unreadable: found.batch, from: found.offset)
                for sending in try take(record, source) { try send(sending) }
                next = record.next
            }
            try consumer.seek(
                TopicPartitionOffset(place, offset: next), timeoutMilliseconds: RelayRole.callTimeout)
        }

        private func source(of message: borrowing Message) -> Int {
            for (number, source) in sources.enumerated() where message.isFrom(source.handle) { return number }
            preconditionFailure("a record of \(message.topicName), which was not asked for")
        }

        func commit(_ offsets: [RelayLoop.Source: Int64]) throws {
            try producer.sendOffsets(
                offsets.map {
                    TopicPartitionOffset(settings.name($0.key.topic), $0.key.partition, offset: $0.value)
                },
                groupMetadata: try consumer.groupMetadata(), timeoutMilliseconds: RelayRole.callTimeout)
            try producer.commit(timeoutMilliseconds: RelayRole.callTimeout)
        }

        private func send(_ sending: RelayLoop.Sending) throws(KafkaError) {
            let topic = sending.topic == .commands ? commands : deadLetters
            var failure: KafkaError?
            sending.key.withUnsafeBytes { key in
                sending.value.withUnsafeBytes { value in
                    do throws(KafkaError) {
                        while try producer.produce(
                            topic, partition: .number(sending.partition), key: key, value: value)
                            == .queueFull
                        {
                            try producer.flush(timeoutMilliseconds: RelayRole.callTimeout)
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
