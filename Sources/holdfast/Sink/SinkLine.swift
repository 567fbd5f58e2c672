import InventoryCore
import KafkaClient
import LedgerSink
import Operations
import PostgresClient

/// One topic's way into PostgreSQL: a reader, a connection, and the loop that says what is next. One thread does it.
final class SinkLine<Store: SinkStore> {
    /// What the topic's tables are told of besides.
    struct Hooks {
        /// Connects to PostgreSQL.
        var open: () throws -> Store
        /// The reader is placed.
        var placed: (Store) throws -> Void = { _ in }
        var beforeGathering: (Store) throws -> Void = { _ in }
        /// So many rows were new, after so many seconds, up to these offsets.
        var stored: (Int, Double, [Int32: Int64]) -> Void = { _, _, _ in }
        var lag: (Int32, Int64) -> Void
    }

    /// So long after its last transaction the sink stores that it has passed markers and aborted records, in
    /// milliseconds.
    private static var placeInterval: Int { 1_000 }

    private let service: Service
    private let logger: Logger
    private let topic: String
    private let partitions: Range<Int32>
    private let hooks: Hooks
    private let consumer: Consumer
    private let stallGuard: StallGuard?
    private let marks: ReadingMarks
    private let watched: WatchedWorker
    private let readiness: Readiness
    private let limit: Int
    private let interval: Int
    private let watchdogLimit: Int
    /// Whether another line tells of PostgreSQL's outages.
    private let isQuiet: Bool
    /// What Kafka does not give any more.
    private var refusal: KafkaError?
    private var loop: TopicLoop<Store.Row>
    private var placeDue = Deadline(milliseconds: 0)
    private var store: Store?

    init(
        service: Service, logger: Logger, topic: String, partitions: Int32, stallGuard: StallGuard?,
        watched: WatchedWorker, readiness: Readiness, isQuiet: Bool = false, hooks: Hooks
    ) throws {
        self.service = service
        self.logger = logger
        self.topic = topic
        self.stallGuard = stallGuard
        marks = ReadingMarks(stallGuard, topics: [topic])
        self.partitions = 0..<partitions
        self.watched = watched
        self.readiness = readiness
        self.isQuiet = isQuiet
        self.hooks = hooks
        consumer = try Consumer(
            configuration: KafkaSettings(service.configuration).reader(isolation: .committed),
            events: service.kafkaEvents())
        limit = service.configuration.integer("sink_batch_rows")
        interval = service.configuration.integer("sink_interval_ms")
        watchdogLimit = service.configuration.integer("watchdog_timeout_ms")
        loop = TopicLoop(topic: topic)
    }

    /// Whether it is connected, and nothing is in hand.
    var isIdle: Bool { store != nil && loop.batch.isEmpty }
    /// Connected, and all is stored that the topic held at that time.
    var isCaughtUp: Bool { store != nil && loop.isCaughtUp && loop.batch.isEmpty }
    /// How far it is with each partition.
    var offsets: [Int32: Int64] { loop.batch.nextOffsets }

    func stop() { loop.stop() }

    /// Does what is next.
    /// - Returns: whether more is to be done.
    /// - Throws: `RoleFailure` for what ends the role.
    func turn() throws -> Bool {
        if service.shutdown.isRequested { loop.stop() }
        if case .finish(let fault) = loop.action {
            watched.rest()
            if let fault { throw RoleFailure(.internalFault, fault) }
            return false
        }
        watched.beat(limitMilliseconds: watchdogLimit)
        try stallGuard?.check()
        do {
            try perform(loop.action)
        } catch {
            try recover(from: error)
        }
        tellReadiness()
        return true
    }

    private func perform(_ action: SinkLifecycle.Action) throws {
        switch action {
        case .connect:
            try connect()
        case .gather:
            try hooks.beforeGathering(store!)
            gather()
            if let refusal { throw RoleFailure(refusal.exitCode, refusal.description) }
            try loop.gathered(keepsPlace: placeDue.isPast)
        case .store:
            let start = MonotonicTime.now()
            let new = try store!.store(loop.batch)
            hooks.stored(new, MonotonicTime.seconds(since: start), offsets)
            loop.stored()
            placeDue = Deadline(milliseconds: Self.placeInterval)
            tellLag()
        case .wait(let milliseconds):
            _ = service.shutdown.wait(timeoutMilliseconds: milliseconds)
            askLag()
            loop.waited()
        case .finish:
            preconditionFailure("finish is done by the loop")
        }
    }

    private func connect() throws {
        let store = try hooks.open()
        let offsets = try store.offsets(of: partitions)
        guard let ends = try place(offsets) else { return loop.stop() }
        try hooks.placed(store)
        self.store = store
        if loop.failuresInARow > 0, !isQuiet {
            logger.info("PostgreSQL is back", ["attempts": loop.failuresInARow])
        }
        loop.connected(offsets: offsets, ends: ends)
    }

    /// The one recovery of each error; what is none of the database or the topic ends the role.
    private func recover(from error: any Error) throws {
        store = nil
        switch error {
        case let error as PostgresError where error.recovery != .stop:
            if loop.failuresInARow == 0, !service.shutdown.isRequested, !isQuiet {
                logger.warning("waiting for PostgreSQL", ["reason": error.description])
            }
            loop.failed(.reconnect, error.description)
        case let error as PostgresError where error.isRefusal:
            throw RoleFailure(.usage, "database_url (\(configured)): \(error.description)")
        case let error as PostgresError:
            loop.failed(.stop, error.description)
        case let error as SinkFault:
            loop.failed(.stop, error.description)
        default:
            throw error
        }
    }

    /// Where the address of the database came from.
    private var configured: String { service.configuration.source("database_url").description }

    private func tellReadiness() {
        if loop.isCaughtUp {
            readiness.ready()
        } else if loop.failuresInARow > 0 {
            readiness.notReady("PostgreSQL is away")
        } else {
            readiness.notReady("catching up with \(topic)")
        }
    }

    /// By what the consumer last heard of the ends.
    private func tellLag() {
        for (partition, next) in offsets {
            hooks.lag(partition, max(0, (consumer.knownEnd(TopicPartition(topic, partition)) ?? next) - next))
        }
    }

    /// By asking the broker: while PostgreSQL is away nothing is read, and the lag grows all the same.
    private func askLag() {
        for (partition, span) in loop.batch.spans {
            let place = TopicPartition(topic, partition)
            guard let ends = try? consumer.watermarks(place, timeoutMilliseconds: 500) else { return }
            hooks.lag(partition, max(0, ends.high - span.expected))
        }
    }

    /// Goes to the offsets that PostgreSQL stores, if the topic has them.
    /// - Returns: the ends of the partitions; nil when the process is to end first.
    private func place(_ offsets: [Int32: Int64]) throws -> [Int32: SinkLoop.Ends]? {
        var offsets = offsets.sorted { $0.key < $1.key }
        var ends: [Int32: SinkLoop.Ends] = [:]
        for (partition, _) in offsets {
            let found = try watermarks(TopicPartition(topic, partition))
            guard let found else { return nil }
            ends[partition] = found.low...found.high
        }
        try loop.check(offsets: Dictionary(uniqueKeysWithValues: offsets), ends: ends)
        for (number, (partition, offset)) in offsets.enumerated() {
            // Beyond what the topic has thrown away by now.
            guard let first = ends[partition]?.lowerBound, first > offset else { continue }
            offsets[number].value = first
            guard offset > 0 else { continue }
            logger.warning(
                "records that were never read are gone from the topic",
                ["topic": topic, "partition": partition, "from": offset, "to": first - 1])
        }
        let starts = offsets.map { TopicPartitionOffset(topic, $0.key, offset: $0.value) }
        try consumer.assign(starts)
        marks.place(starts)
        logger.info(
            "reading",
            [
                "topic": topic,
                "offsets": offsets.map { "\($0.key):\($0.value)" }.joined(separator: " "),
            ])
        return ends
    }

    /// Nil when the process is to end first.
    private func watermarks(_ place: TopicPartition) throws -> (low: Int64, high: Int64)? {
        while !service.shutdown.isRequested {
            do throws(KafkaError) {
                let found = try consumer.watermarks(place, timeoutMilliseconds: 2_000)
                return (found.low, found.high)
            } catch {
                guard error.passesByItself else { throw RoleFailure(error.exitCode, error.description) }
                _ = service.shutdown.wait(timeoutMilliseconds: 200)
            }
        }
        return nil
    }

    /// Where a partition of a topic ends.
    func end(of place: TopicPartition) throws -> Int64 {
        try consumer.watermarks(place, timeoutMilliseconds: 10_000).high
    }

    /// Reads until the batch is full, or its first row is as old as the interval.
    private func gather() {
        defer { passMarkers() }
        var deadline: Deadline?
        while loop.takesMore(limit: limit), refusal == nil, !service.shutdown.isRequested {
            if let deadline, deadline.isPast { return }
            let room = limit - loop.batch.records
            let polled = consumer.consumeBatch(
                maxMessages: room, timeoutMilliseconds: min(interval, 50)
            ) {
                take($0)
            }
            marks.polled(isFull: polled >= room)
            if deadline == nil {
                guard !loop.batch.isEmpty else { return }
                deadline = Deadline(milliseconds: interval)
            }
        }
    }

    /// Behind the records that were given stand markers that the consumer has passed. Before its first record a partition
    /// may still have the position that it had before it was placed.
    private func passMarkers() {
        let moved = loop.batch.spans.filter { $0.value.next != $0.value.expected }.keys
        guard !moved.isEmpty,
            let found = try? consumer.position(moved.sorted().map { TopicPartition(topic, $0) })
        else { return }
        for place in found where place.isSet {
            loop.reachedEnd(of: place.partition.partition, next: place.offset)
        }
    }

    private func take(_ message: borrowing Message) {
        switch message.kind {
        case .endOfPartition: loop.reachedEnd(of: message.partition, next: message.offset)
        case .failure(let error): if !error.passesByItself { refusal = error }
        case .record:
            marks.read(topic: 0, message.partition, next: message.offset + 1)
            loop.read(message.value, partition: message.partition, offset: message.offset)
        }
    }
}
