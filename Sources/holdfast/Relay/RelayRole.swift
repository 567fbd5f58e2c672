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
    private let service: Service
    private let settings: KafkaSettings
    private let logger: Logger
    private let readiness = Readiness(notYet: "not placed yet")
    private let carried: Counter
    private let sent: Counter
    private let buried: Counter
    private let stallGuard: StallGuard?
    private var session: Session?
    private var watched: WatchedWorker!
    private var limit = 0

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
        guard let count = try service.waitForTopics(settings) else { return .success }
        try checkState()
        let watchdog = Watchdog(logger: logger)
        watchdog.start()
        watched = watchdog.register("relay")
        limit = service.configuration.integer("watchdog_timeout_ms")
        var loop = RelayLoop(partitionCount: count, idPrefix: settings.prefix) { sku in
            sku.bytes.withUnsafeBytes { murmur2Partition(key: $0, partitionCount: count) }
        }
        stallGuard?.start()
        defer { stallGuard?.end() }
        while true {
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
            } catch let failure as LogFailure {
                try recover(from: failure, &loop)
            }
        }
    }

    /// - Throws: `RoleFailure` where the relay has no topic for its state.
    private func checkState() throws {
        let shutdown = service.shutdown
        let scan = TopicScan(
            settings: settings, events: service.kafkaEvents(), isCancelled: { shutdown.isRequested })
        guard try scan.partitions(of: .relayState).isEmpty, !shutdown.isRequested else { return }
        throw RoleFailure(
            .usage,
            "missing topics: \(settings.name(.relayState)); create them with: holdfast topics apply (and allow the "
                + "relay to use it, where the broker asks who one is: holdfast acls apply)")
    }

    private func perform(_ loop: inout RelayLoop) throws {
        switch loop.action {
        case .open:
            session = nil
            session = try Session(settings, service, stallGuard) { [watched, limit] in
                watched!.beat(limitMilliseconds: limit)
            }
            loop.opened()
        case .place:
            let (starts, committed) = try session!.place(&loop)
            logger.info("reading", ["offsets": starts])
            readiness.ready()
            if !loop.differing(from: committed).isEmpty { try session!.begin() }
            loop.placed(committed: committed)
        case .read:
            let session = session!
            try session.read { record, source throws(KafkaError) in
                if !loop.isTransactionOpen { try session.begin() }
                return loop.read(record, from: source, at: Int64(Date().timeIntervalSince1970 * 1000))
            }
            loop.gathered()
        case .commit:
            try session!.commit(loop.places(), loop.offsets)
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
        if error.recovery == .fatal, !error.isForgottenTopic, !service.shutdown.isRequested {
            throw RoleFailure(error.exitCode, error.description)
        }
        if service.shutdown.isRequested { loop.stop() }
        if !error.isTakenOver, loop.failuresInARow == 0, !service.shutdown.isRequested {
            logger.warning("beginning again", ["reason": error.description])
        }
        loop.failed(error.isTakenOver ? .fenced : .restart, error.description)
    }

    private func recover(from failure: LogFailure, _ loop: inout RelayLoop) throws {
        session = nil
        readiness.notReady("waiting for the broker")
        if service.shutdown.isRequested { loop.stop() }
        let reason = "\(failure.operation): \(failure.message)"
        if failure.consequence == .halt, !service.shutdown.isRequested {
            throw RoleFailure(failure.isRefusal ? .usage : .internalFault, reason)
        }
        if loop.failuresInARow == 0, !service.shutdown.isRequested {
            logger.warning("beginning again", ["reason": reason])
        }
        loop.failed(.restart, reason)
    }

    private func tell(_ counts: RelayLoop.Counts) {
        guard counts.records > 0 else { return }
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
        private let state: KafkaClient.Topic
        private let beat: () -> Void
        private let sources: [(topic: InventoryWire.Topic, handle: KafkaClient.Topic)]
        private let marks: ReadingMarks

        init(
            _ settings: KafkaSettings, _ service: Service, _ stallGuard: StallGuard?,
            beat: @escaping () -> Void
        ) throws {
            self.settings = settings
            self.service = service
            self.beat = beat
            marks = ReadingMarks(
                stallGuard, topics: InventoryWire.Topic.published.map { settings.name($0) })
            let events = service.kafkaEvents()
            producer = try TransactionalProducer(
                configuration: settings.producer(transactionalID: settings.relayTransactionalID),
                events: events)
            try producer.initTransactions(timeoutMilliseconds: settings.callTimeout)
            commands = try producer.topic(settings.name(.commands))
            deadLetters = try producer.topic(settings.name(.deadLetters))
            state = try producer.topic(settings.name(.relayState))
            consumer = try Consumer(configuration: settings.offsetHolder(role: "relay"), events: events)
            let consumer = consumer
            sources = try InventoryWire.Topic.published.map {
                ($0, try consumer.topic(settings.name($0)))
            }
        }

        deinit { marks.forgetAll() }

        /// - Returns: where it reads on, for the log; and what the group has committed.
        func place(
            _ loop: inout RelayLoop
        ) throws -> (starts: String, committed: [RelayLoop.Source: Int64]) {
            try restore(&loop)
            beat()
            let admin = try Admin(configuration: settings.common(), events: service.kafkaEvents())
            let names = InventoryWire.Topic.published.map { settings.name($0) }
            let found = try admin.describeTopics(names, timeoutMilliseconds: settings.callTimeout)
            var places: [(source: RelayLoop.Source, place: TopicPartition)] = []
            for (topic, name) in zip(InventoryWire.Topic.published, names) {
                // It was there when the role started.
                guard let described = found[name] else { throw KafkaError.unknownTopic(name) }
                for partition in 0..<Int32(described.partitionCount) {
                    places.append((RelayLoop.Source(topic, partition), TopicPartition(name, partition)))
                }
            }
            beat()
            let offsets = try consumer.committed(
                places.map(\.place), timeoutMilliseconds: settings.callTimeout)
            var committed: [RelayLoop.Source: Int64] = [:]
            for (place, offset) in zip(places, offsets) where offset.isSet {
                committed[place.source] = offset.offset
            }
            let starts = places.map { source, place in
                TopicPartitionOffset(
                    place,
                    offset: loop.start(of: source, committed: committed[source])
                        ?? TopicPartitionOffset.beginning)
            }
            try consumer.assign(starts)
            marks.place(starts)
            return (starts.map(\.description).joined(separator: " "), committed)
        }

        private func restore(_ loop: inout RelayLoop) throws(LogFailure) {
            let shutdown = service.shutdown
            let reader = KafkaPartitionReader(
                partition: 0, settings: settings, events: service.kafkaEvents(),
                isStopping: { shutdown.isRequested }, beat: beat)
            try reader.requireSettled([.relayState])
            try reader.read(.relayState, from: try reader.offsets(of: .relayState).lowerBound) {
                record throws(LogFailure) in
                try loop.restore(record)
            }
        }

        func begin() throws(KafkaError) { try producer.begin() }

        /// Sends what `take` makes of each record that is there, having waited for it a little.
        func read(
            _ take: (LogRecord, RelayLoop.Source) throws(KafkaError) -> [RelayLoop.Sending]
        ) throws {
            var failure: KafkaError?
            let polled = consumer.consumeBatch(
                maxMessages: RelayRole.batchRecords, timeoutMilliseconds: 100
            ) { message in
                guard failure == nil else { return }
                do throws(KafkaError) {
                    switch message.kind {
                    case .failure(let error): if error.recovery != .retry { throw error }
                    case .endOfPartition: break
                    case .record:
                        let record = LogRecord(
                            key: message.key, value: message.value, offset: message.offset,
                            timestamp: message.timestampMilliseconds)
                        let number = source(of: message)
                        let source = RelayLoop.Source(sources[number].topic, message.partition)
                        marks.read(topic: number, message.partition, next: message.offset + 1)
                        for sending in try take(record, source) { try send(sending) }
                    }
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
            marks.polled(isFull: polled >= RelayRole.batchRecords)
        }

        private func source(of message: borrowing Message) -> Int {
            for (number, source) in sources.enumerated() where message.isFrom(source.handle) { return number }
            preconditionFailure("a record of \(message.topicName), which was not asked for")
        }

        func commit(_ places: [RelayLoop.Sending], _ offsets: [RelayLoop.Source: Int64]) throws {
            for place in places { try send(place) }
            beat()
            try producer.sendOffsets(
                offsets.map {
                    TopicPartitionOffset(settings.name($0.key.topic), $0.key.partition, offset: $0.value)
                },
                groupMetadata: try consumer.groupMetadata(), timeoutMilliseconds: settings.callTimeout)
            try producer.commit(timeoutMilliseconds: settings.callTimeout)
        }

        private func send(_ sending: RelayLoop.Sending) throws(KafkaError) {
            let topic =
                switch sending.topic {
                case .commands: commands
                case .relayState: state
                default: deadLetters
                }
            var failure: KafkaError?
            sending.key.withUnsafeBytes { key in
                sending.value.withUnsafeBytes { value in
                    do throws(KafkaError) {
                        while try producer.produce(
                            topic, partition: .number(sending.partition), key: key, value: value)
                            == .queueFull
                        {
                            beat()
                            try producer.flush(timeoutMilliseconds: settings.callTimeout)
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
