import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import LedgerSink
import Operations
import PostgresClient

/// `holdfast sink`: writes `stock.ledger` into PostgreSQL. One thread does what `SinkLoop` says: reads a batch, stores
/// it, in turn.
final class SinkRole {
    private static let migrationSeconds = 6 * 3600

    private let service: Service
    private let settings: KafkaSettings
    private let logger: Logger
    private let readiness = Readiness(notYet: "not connected yet")
    private let patience: Patience
    private let metrics: SinkMetrics
    private let limit: Int
    private let interval: Int
    /// What Kafka does not give any more.
    private var refusal: KafkaError?
    private var consumer: Consumer!
    private var masterData: MasterDataReader!
    private var partitions: Range<Int32> = 0..<0
    private var loop: SinkLoop
    private var store: LedgerStore?
    private var watched: WatchedWorker?
    /// Only for `--rebuild`.
    private let rebuild: SinkRebuild?

    init(service: Service) {
        self.service = service
        settings = KafkaSettings(service.configuration)
        loop = SinkLoop(topic: settings.name(.ledger))
        logger = service.logger
        patience = Patience(service.shutdown)
        metrics = SinkMetrics(service.metrics)
        limit = service.configuration.integer("sink_batch_rows")
        interval = service.configuration.integer("sink_interval_ms")
        rebuild = service.configuration.boolean("rebuild") ? SinkRebuild(service) : nil
    }

    func run() throws -> ExitCode {
        service.announce()
        let health = try service.serveHealth { [readiness] in readiness.health }
        defer { health?.stop() }
        guard let count = try service.waitForTopics(settings) else { return .success }
        partitions = 0..<count
        consumer = try Consumer(
            configuration: settings.reader(isolation: .committed), events: service.kafkaEvents())
        masterData = try MasterDataReader(service: service, settings: settings)
        let watchdog = Watchdog(logger: logger)
        watchdog.start()
        let watched = watchdog.register("sink")
        self.watched = watched
        let watchdogLimit = service.configuration.integer("watchdog_timeout_ms")
        while true {
            if service.shutdown.isRequested { loop.stop() }
            if case .finish(let fault) = loop.action {
                watched.rest()
                if let fault { throw RoleFailure(.internalFault, fault) }
                logger.info("stopped")
                return .success
            }
            watched.beat(limitMilliseconds: watchdogLimit)
            do {
                try perform(loop.action)
            } catch {
                try recover(from: error)
            }
            tellReadiness()
            if try isRebuilt() { return .success }
        }
    }

    /// Whether this is a rebuild, and done.
    private func isRebuilt() throws -> Bool {
        guard let rebuild, store != nil, loop.isCaughtUp, masterData.isCaughtUp, loop.batch.isEmpty else {
            return false
        }
        do {
            return try rebuild.advance(
                ledger: settings.name(.ledger), stored: loop.batch.nextOffsets,
                end: { [consumer] in
                    let place = TopicPartition(self.settings.name(.ledger), $0)
                    return try consumer!.watermarks(place, timeoutMilliseconds: 10_000).high
                })
        } catch let error as KafkaError {
            throw RoleFailure(.temporaryFailure, error.description)
        } catch let error as SinkFault {
            throw RoleFailure(.differenceFound, error.description)
        } catch let error as PostgresError {
            // The swap is one transaction; where it did not commit, the live schema is as it was.
            throw RoleFailure(.temporaryFailure, error.description)
        }
    }

    private func perform(_ action: SinkLifecycle.Action) throws {
        switch action {
        case .connect:
            try connect()
        case .gather:
            let changes = try masterData.gather()
            if !changes.isEmpty { try store!.store(changes) }
            gather()
            if let refusal { throw RoleFailure(refusal.exitCode, refusal.description) }
            try loop.gathered()
        case .store:
            let start = MonotonicTime.now()
            let new = try store!.store(loop.batch)
            metrics.stored(rows: new, seconds: MonotonicTime.seconds(since: start))
            rebuild?.stored(new, loop.batch.nextOffsets)
            loop.stored()
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
        let store = try open()
        let offsets = try store.offsets(of: partitions)
        guard let ends = try place(offsets) else { return loop.stop() }
        try masterData.place(store)
        self.store = store
        if loop.failuresInARow > 0 {
            logger.info("PostgreSQL is back", ["attempts": loop.failuresInARow])
        }
        loop.connected(offsets: offsets, ends: ends)
    }

    /// The one recovery of each error; what is none of the database or the ledger ends the role.
    private func recover(from error: any Error) throws {
        store = nil
        switch error {
        case let error as PostgresError where error.recovery != .stop:
            if loop.failuresInARow == 0, !service.shutdown.isRequested {
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
            readiness.notReady("catching up with the ledger")
        }
    }

    /// By what the consumer last heard of the ends.
    private func tellLag() {
        for (partition, next) in loop.batch.nextOffsets {
            let place = TopicPartition(settings.name(.ledger), partition)
            metrics.lag(partition, max(0, (consumer.knownEnd(place) ?? next) - next))
        }
    }

    /// By asking the broker: while PostgreSQL is away nothing is read, and the lag grows all the same.
    private func askLag() {
        for (partition, span) in loop.batch.spans {
            let place = TopicPartition(settings.name(.ledger), partition)
            guard let ends = try? consumer.watermarks(place, timeoutMilliseconds: 500) else { return }
            metrics.lag(partition, max(0, ends.high - span.expected))
        }
    }

    private func open() throws -> LedgerStore {
        let configuration = service.configuration
        let database = SinkDatabase(service, patience)
        do {
            try rebuild?.prepare(database)
        } catch let error as SinkFault {
            throw RoleFailure(.differenceFound, error.description)
        }
        if configuration.boolean("migrate"), rebuild == nil { try migrate(database) }
        let connection = try database.connect()
        return try LedgerStore(
            connection: connection, role: configuration.string("database_role"),
            topic: settings.name(.ledger), sourceTopic: settings.name(.commands),
            schema: rebuild == nil ? SchemaMigrator.schema : SchemaSwap.fresh)
    }

    /// An index on a ledger of years is made in minutes, not within the time of a statement.
    private func migrate(_ database: SinkDatabase) throws {
        watched?.rest()
        let connection = try database.connect(statementTimeoutSeconds: Self.migrationSeconds)
        logger.info("bringing the schema up to date")
        let files = try SchemaMigrator(files: database.files()).run(on: connection)
        logger.info("the schema is up to date", ["files": files.joined(separator: ", ")])
        watched?.beat(limitMilliseconds: service.configuration.integer("watchdog_timeout_ms"))
    }

    /// Goes to the offsets that PostgreSQL stores, if the topic has them.
    /// - Returns: the ends of the partitions; nil when the process is to end first.
    private func place(_ offsets: [Int32: Int64]) throws -> [Int32: SinkLoop.Ends]? {
        let name = settings.name(.ledger)
        let offsets = offsets.sorted { $0.key < $1.key }
        var ends: [Int32: SinkLoop.Ends] = [:]
        for (partition, _) in offsets {
            let found = try watermarks(TopicPartition(name, partition))
            guard let found else { return nil }
            ends[partition] = found.low...found.high
        }
        try loop.check(offsets: Dictionary(uniqueKeysWithValues: offsets), ends: ends)
        try consumer.assign(offsets.map { TopicPartitionOffset(name, $0.key, offset: $0.value) })
        logger.info(
            "reading",
            ["offsets": offsets.map { "\($0.key):\($0.value)" }.joined(separator: " ")])
        return ends
    }

    /// Nil when the process is to end first.
    private func watermarks(_ place: TopicPartition) throws -> (low: Int64, high: Int64)? {
        while !service.shutdown.isRequested {
            do throws(KafkaError) {
                let found = try consumer.watermarks(place, timeoutMilliseconds: 2_000)
                return (found.low, found.high)
            } catch {
                guard error.recovery == .retry else { throw RoleFailure(error.exitCode, error.description) }
                _ = service.shutdown.wait(timeoutMilliseconds: 200)
            }
        }
        return nil
    }

    /// Reads until the batch is full, or its first row is as old as the interval.
    private func gather() {
        var deadline: Deadline?
        while loop.takesMore(limit: limit), refusal == nil, !service.shutdown.isRequested {
            if let deadline, deadline.isPast { return }
            consumer.consumeBatch(
                maxMessages: limit - loop.batch.rows.count, timeoutMilliseconds: min(interval, 50)
            ) {
                take($0)
            }
            if deadline == nil {
                guard !loop.batch.isEmpty else { return }
                deadline = Deadline(milliseconds: interval)
            }
        }
    }

    private func take(_ message: borrowing Message) {
        switch message.kind {
        case .endOfPartition: loop.reachedEnd(of: message.partition, next: message.offset)
        case .failure(let error): if error.recovery != .retry { refusal = error }
        case .record: loop.read(message.value, partition: message.partition, offset: message.offset)
        }
    }
}
