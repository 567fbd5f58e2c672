import Foundation
import InventoryWire
import KafkaClient
import Operations
import OrderCore
import StreamRuntime

/// `holdfast coordinate`: one member of the group; a worker, with a thread, a reader and a producer of its own, for
/// each partition of orders that it is assigned.
final class CoordinateRole {
    private let service: Service
    private let settings: KafkaSettings
    private let metrics: OrderMetrics
    private let board = WorkerBoard()
    private let watchdog: Watchdog
    private let events: ClientEvents
    private var stallGuard: StallGuard?
    private var partitions: (orders: Int32, stock: Int32) = (0, 0)

    init(service: Service) throws {
        self.service = service
        settings = KafkaSettings(service.configuration)
        metrics = OrderMetrics(service.metrics)
        watchdog = Watchdog(logger: service.logger)
        events = service.kafkaEvents()
    }

    func run() throws -> ExitCode {
        service.announce()
        let board = board
        let health = try service.serveHealth { board.health }
        defer { health?.stop() }
        watchdog.start()
        guard let stockPartitions = try service.waitForTopics(settings) else { return .success }
        partitions = (try checkOrderTopics(), stockPartitions)
        stallGuard = StallGuard(service)
        stallGuard?.start()
        try GroupMember(
            service, settings, events, role: "coordinate", topic: .orders, board: board, watchdog: watchdog,
            work: self
        ).run()
        stallGuard?.end()
        if !service.shutdown.isRequested { try stallGuard?.check() }
        service.logger.info("stopped")
        return .success
    }

    /// - Returns: how many partitions the topics of orders have.
    /// - Throws: `RoleFailure` for topics that are missing or do not fit together.
    private func checkOrderTopics() throws -> Int32 {
        let names = InventoryWire.Topic.ofOrders.map { settings.name($0) } + [settings.name(.deadLetters)]
        let admin = try Admin(configuration: settings.common(), events: events)
        let deadline = Deadline(milliseconds: 3_000)
        while true {
            let found = try admin.describeTopics(names, timeoutMilliseconds: 5_000)
            let missing = names.filter { found[$0] == nil }
            if missing.isEmpty {
                let counts = InventoryWire.Topic.ofOrders.map { found[settings.name($0)]!.partitionCount }
                guard let count = counts.first, counts.allSatisfy({ $0 == count }) else {
                    throw RoleFailure(
                        .usage,
                        "\(names.dropLast().joined(separator: ", ")) must have the same number of partitions; "
                            + "they have \(counts.map(String.init).joined(separator: ", "))")
                }
                guard found[settings.name(.deadLetters)]!.partitionCount >= count else {
                    throw RoleFailure(
                        .usage, "\(settings.name(.deadLetters)) needs at least \(count) partitions")
                }
                return Int32(count)
            }
            // A broker may not yet know topics that its controller has created a moment ago.
            guard !deadline.isPast, !service.shutdown.wait(timeoutMilliseconds: 200) else {
                throw RoleFailure(
                    .usage,
                    "missing topics: \(missing.joined(separator: ", ")); create them with: holdfast topics apply"
                )
            }
        }
    }

    private static func settings(_ configuration: Configuration) -> OrderSettings {
        OrderSettings(
            ttl: Int64(configuration.integer("order_ttl_ms")),
            grace: Int64(configuration.integer("order_grace_ms")),
            shipsOnShipped: configuration.string("ship_on") == "shipped",
            shipWithin: Int64(configuration.integer("ship_within_ms")),
            replyLimit: Int64(configuration.integer("reply_limit_ms")),
            askLimit: configuration.integer("reply_limit_count"),
            unknownLimit: Int64(configuration.integer("unknown_order_ms")))
    }

    private static func memory(_ configuration: Configuration) -> OrderMemory {
        OrderMemory(
            count: configuration.integer("order_memory_count"),
            age: Int64(configuration.integer("order_memory_ms")))
    }
}

extension CoordinateRole: GroupWork {
    /// The member reads nothing: each worker has a reader of its own, for two topics.
    func take(
        _ partitions: [TopicPartition], of consumer: Consumer, as member: GroupMember,
        follow: () throws(KafkaError) -> Void
    ) throws(KafkaError) {
        try follow()
        try consumer.pause(partitions)
        for partition in partitions { start(partition.partition, consumer, member) }
    }

    private func start(_ partition: Int32, _ consumer: Consumer, _ member: GroupMember) {
        let logger = service.logger.child("worker", ["partition": partition])
        let (board, metrics, settings, events) = (board, metrics, settings, events)
        let (partitions, stallGuard) = (partitions, stallGuard)
        let configuration = service.configuration
        let limit = Int64(configuration.integer("watchdog_timeout_ms"))
        // What is due goes by the broker's clock, whose distance from this one is learnt; so this one must not jump.
        let wallClock = SteadyClock()
        let (orders, memory) = (Self.settings(configuration), Self.memory(configuration))
        member.start(partition, "orders") { worker, watched in
            let log = KafkaOrderLog(
                partition: partition, settings: settings, member: consumer, events: events,
                stallGuard: stallGuard,
                isStopping: { worker.order != .work },
                beat: { watched.beat(limitMilliseconds: Int(limit)) },
                lag: { metrics.lag.with(String(partition)).set(Double($0)) })
            OrderWorker(
                log: log,
                observer: OrderReporter(
                    partition: partition, logger: logger, metrics: metrics, watched: watched, board: board),
                settings: .init(
                    commitInterval: Int64(configuration.integer("commit_interval_ms")),
                    commandLimit: configuration.integer("transaction_max_commands")),
                actionLimit: limit, order: { worker.order }, clock: { Int64(MonotonicTime.now()) },
                wallClock: { wallClock.milliseconds() },
                pause: { worker.pause(milliseconds: $0) },
                makeDesk: {
                    OrderDesk(
                        partition: partition, settings: orders, memory: memory,
                        ownsKey: {
                            murmur2Partition(key: $0, partitionCount: partitions.orders) == partition
                        },
                        partitionOfSKU: { murmur2Partition(key: $0, partitionCount: partitions.stock) })
                }
            ).run()
        }
    }

    var isOver: Bool { stallGuard?.finding != nil }
}
