import Foundation
import InventoryWire
import KafkaClient
import LedgerSink
import Operations
import PostgresClient

/// `holdfast sink`: writes `stock.ledger` into PostgreSQL, and beside it what orders have come to. Each of the two has a
/// thread that does what its loop says: reads a batch, stores it, in turn.
final class SinkRole {
    /// How long what is in hand may take at the end.
    private static let stopLimit = 4_500
    private static let swapLimit = 60_000

    private let service: Service
    private let settings: KafkaSettings
    private let logger: Logger
    private let readiness = Readiness(notYet: "not connected yet")
    private let patience: Patience
    private let watchdog: Watchdog
    private let watched: WatchedWorker
    private let metrics: SinkMetrics
    private let stallGuard: StallGuard?
    private let orders: OrderSink
    /// Only for `--rebuild`.
    private let rebuild: SinkRebuild?

    init(service: Service) {
        self.service = service
        settings = KafkaSettings(service.configuration)
        logger = service.logger
        patience = Patience(service.shutdown)
        watchdog = Watchdog(logger: logger)
        watched = watchdog.register("sink")
        metrics = SinkMetrics(service.metrics)
        rebuild = service.configuration.boolean("rebuild") ? SinkRebuild(service) : nil
        stallGuard = StallGuard(service)
        orders = OrderSink(
            service: service, patience: patience, metrics: metrics, stallGuard: stallGuard,
            watched: watchdog.register("orders"),
            schema: rebuild == nil ? SchemaMigrator.schema : SchemaSwap.fresh)
    }

    func run() throws -> ExitCode {
        service.announce()
        let health = try service.serveHealth { [readiness, orders] in
            readiness.health == .well ? orders.health : readiness.health
        }
        defer { health?.stop() }
        guard let topics = try service.waitForTopics(settings) else { return .success }
        let topicWatch = TopicWatch(service, topics)
        topicWatch.start()
        defer { topicWatch.end() }
        let masterData = try MasterDataReader(service: service, settings: settings, stallGuard: stallGuard)
        watchdog.start()
        stallGuard?.start()
        defer { stallGuard?.end() }
        let ledger = try line(topics.count(of: .ledger), masterData)
        var hasOrders = false
        while try ledger.turn() {
            try topicWatch.check()
            if !hasOrders, ledger.isIdle {
                // The schema is there now.
                orders.start()
                hasOrders = true
            }
            try orders.check()
            if hasOrders, try isRebuilt(ledger, masterData) { return .success }
        }
        if hasOrders { try orders.stop(withinMilliseconds: Self.stopLimit) }
        logger.info("stopped")
        return .success
    }

    private func line(
        _ partitions: Int32, _ masterData: MasterDataReader
    ) throws -> SinkLine<LedgerStore> {
        try SinkLine(
            service: service, logger: logger, topic: settings.name(.ledger), partitions: partitions,
            stallGuard: stallGuard, watched: watched, readiness: readiness,
            hooks: .init(
                open: open, placed: masterData.place,
                beforeGathering: { store in
                    let changes = try masterData.gather()
                    if !changes.isEmpty { try store.store(changes) }
                },
                stored: { [metrics, rebuild] count, seconds, offsets in
                    metrics.stored(rows: count, seconds: seconds)
                    rebuild?.stored(count, offsets)
                },
                lag: { [metrics] in metrics.lag($0, $1) }))
    }

    /// Whether this is a rebuild, and done.
    private func isRebuilt(
        _ ledger: SinkLine<LedgerStore>, _ masterData: MasterDataReader
    ) throws -> Bool {
        guard let rebuild, ledger.isCaughtUp, masterData.isCaughtUp, let orderOffsets = orders.caughtUp else {
            return false
        }
        do {
            let isReady = try rebuild.isAsFar(
                as: [settings.name(.ledger): ledger.offsets, orders.topic: orderOffsets],
                end: { try ledger.end(of: $0) })
            guard isReady else { return false }
            watched.rest()
            try orders.stop(withinMilliseconds: Self.swapLimit)
            try rebuild.finish()
            return true
        } catch let error as KafkaError {
            throw RoleFailure(.temporaryFailure, error.description)
        } catch let error as SinkFault {
            throw RoleFailure(.differenceFound, error.description)
        } catch let error as PostgresError {
            // The swap is one transaction; where it did not commit, the live schema is as it was.
            throw RoleFailure(.temporaryFailure, error.description)
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
        watched.rest()
        let connection = try database.connect(statementTimeoutSeconds: SinkDatabase.migrationSeconds)
        logger.info("bringing the schema up to date")
        let files = try SchemaMigrator(files: database.files()).run(on: connection)
        logger.info("the schema is up to date", ["files": files.joined(separator: ", ")])
        watched.beat(limitMilliseconds: service.configuration.integer("watchdog_timeout_ms"))
    }
}
