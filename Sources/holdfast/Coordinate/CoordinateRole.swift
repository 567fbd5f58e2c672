import Foundation
import InventoryWire
import KafkaClient
import Operations
import OrderCore
import StreamRuntime

/// `holdfast coordinate`: one member of the group; a worker, with a thread, a reader and a producer of its own, for
/// each partition of orders that it is assigned.
final class CoordinateRole {
    /// How long a revocation waits for workers to finish their transactions, in milliseconds; and the same at the end
    /// of the process, and then for the group's word: five seconds are promised for all of it.
    private static let revocationLimit = 4_000
    private static let stopLimit = 3_000
    private static let leaveLimit = 1_000

    private let service: Service
    private let settings: KafkaSettings
    private let metrics: OrderMetrics
    private let board = WorkerBoard()
    private let watchdog: Watchdog
    private let events: ClientEvents
    private var workers: [Int32: RunningWorker] = [:]
    private var watched: WatchedWorker?
    /// Why the group's last word could not be followed: then the process cannot stay a member.
    private var unfollowed: KafkaError?

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
        let orderPartitions = try checkOrderTopics()
        let watched = watchdog.register("consumer")
        self.watched = watched
        let limit = service.configuration.integer("watchdog_timeout_ms")
        var claim = InstanceClaim(
            sessionTimeout: Int64(service.configuration.integer("session_timeout_ms")))
        var lost: KafkaError?
        repeat {
            lost = try beMember(orderPartitions, stockPartitions, watched)
        } while try service.mayJoinAgain(
            after: lost, &claim, group: settings.group("coordinate"),
            beat: { watched.beat(limitMilliseconds: limit) })
        watched.rest()
        if service.shutdown.isRequested, lost?.isFencedInstance == true { lost = nil }
        if let lost {
            throw RoleFailure(
                lost.isRefusal ? .usage : .internalFault,
                lost.isRefusal ? lost.description : "the consumer is lost: \(lost)")
        }
        if let refusal = board.refusal { throw RoleFailure(.usage, refusal) }
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

    /// Joins the group, works on what it is assigned, and leaves the group at the end.
    /// - Returns: why it is no member any more; nil if the process is to end.
    private func beMember(
        _ orderPartitions: Int32, _ stockPartitions: Int32, _ watched: WatchedWorker
    ) throws -> KafkaError? {
        let consumer = try Consumer(configuration: settings.member(role: "coordinate"), events: events)
        try consumer.subscribe(topics: [settings.name(.orders)])
        let limit = service.configuration.integer("watchdog_timeout_ms")
        unfollowed = nil
        var lost: KafkaError?
        var lagDue = Deadline(milliseconds: 1_000)
        while !service.shutdown.isRequested, lost == nil, board.refusal == nil {
            watched.beat(limitMilliseconds: limit)
            consumer.consumeBatch(
                maxMessages: 1000, timeoutMilliseconds: 100,
                rebalance: { self.rebalance(consumer, $0, orderPartitions, stockPartitions) },
                { message in
                    if case .failure(let error) = message.kind, error.recovery != .retry { lost = error }
                })
            if lost == nil { lost = unfollowed }
            if lagDue.isPast {
                lagDue = Deadline(milliseconds: 1_000)
                updateLag(consumer)
            }
        }
        if lost?.isFencedInstance != true { service.logger.info("stopping: finishing transactions") }
        board.setUnassigned()
        stop(Array(workers.keys), order: lost == nil ? .stop : .abandon, limit: Self.stopLimit)
        watched.rest()
        if lost?.isFencedInstance == true { return lost }
        do throws(KafkaError) {
            try consumer.close(timeoutMilliseconds: Self.leaveLimit) {
                self.rebalance(consumer, $0, orderPartitions, stockPartitions)
            }
        } catch {
            service.logger.warning("left the group without its word", ["reason": error.description])
            Service.leaveToTheSystem(consumer)
        }
        return lost
    }

    /// Called from within polling: the group has given or taken partitions.
    private func rebalance(
        _ consumer: Consumer, _ rebalance: Rebalance, _ orderPartitions: Int32, _ stockPartitions: Int32
    ) {
        do throws(KafkaError) {
            switch rebalance {
            case .assigned(let partitions):
                service.logger.info("assigned", ["partitions": partitions.map(\.partition).list])
                // The member reads nothing: each worker has a reader of its own, for two topics.
                try consumer.follow(rebalance, from: try ends(of: partitions, consumer))
                try consumer.pause(partitions)
                for partition in partitions {
                    start(partition.partition, orderPartitions, stockPartitions, consumer)
                }
                board.setAssigned()
            case .revoked(let partitions, let isLost):
                service.logger.info(
                    isLost ? "lost" : "revoked", ["partitions": partitions.map(\.partition).list])
                stop(partitions.map(\.partition), order: isLost ? .abandon : .stop)
                try consumer.follow(rebalance)
            case .failed(let error):
                service.logger.error("the rebalance failed", ["reason": error.description])
                stop(Array(workers.keys), order: .abandon)
                try consumer.follow(rebalance)
            }
        } catch {
            service.logger.error("could not follow the group", ["reason": error.description])
            unfollowed = error
        }
    }

    /// Where the partitions end now, as numbers (see `ProcessRole`).
    private func ends(
        of partitions: [TopicPartition], _ consumer: Consumer
    ) throws(KafkaError) -> [TopicPartitionOffset] {
        let deadline = Deadline(milliseconds: service.configuration.integer("assignment_timeout_ms"))
        while true {
            watched?.beat(limitMilliseconds: service.configuration.integer("watchdog_timeout_ms"))
            do throws(KafkaError) {
                return try consumer.ends(of: partitions, timeoutMilliseconds: settings.callTimeout)
            } catch {
                guard error.recovery == .retry, !deadline.isPast,
                    !service.shutdown.wait(timeoutMilliseconds: 50)
                else { throw error }
            }
        }
    }

    private func start(
        _ partition: Int32, _ orderPartitions: Int32, _ stockPartitions: Int32, _ consumer: Consumer
    ) {
        let worker = RunningWorker()
        workers[partition] = worker
        board.set(partition, .starting)
        let watched = watchdog.register("orders \(partition)")
        let logger = service.logger.child("worker", ["partition": partition])
        let (board, metrics, settings, events, watchdog) = (board, metrics, settings, events, watchdog)
        let configuration = service.configuration
        let limit = Int64(configuration.integer("watchdog_timeout_ms"))
        let (orders, memory) = (Self.settings(configuration), Self.memory(configuration))
        Service.startThread("orders-\(partition)") {
            let log = KafkaOrderLog(
                partition: partition, settings: settings, member: consumer, events: events,
                isStopping: { worker.order != .work },
                beat: { watched.beat(limitMilliseconds: Int(limit)) })
            OrderWorker(
                log: log,
                observer: OrderReporter(
                    partition: partition, logger: logger, metrics: metrics, watched: watched, board: board),
                settings: .init(
                    commitInterval: Int64(configuration.integer("commit_interval_ms")),
                    commandLimit: configuration.integer("transaction_max_commands")),
                actionLimit: limit, order: { worker.order }, clock: { Int64(MonotonicTime.now()) },
                wallClock: { Int64(Date().timeIntervalSince1970 * 1000) },
                pause: { worker.pause(milliseconds: $0) },
                makeDesk: {
                    OrderDesk(
                        partition: partition, settings: orders, memory: memory,
                        ownsKey: { murmur2Partition(key: $0, partitionCount: orderPartitions) == partition },
                        partitionOfSKU: { murmur2Partition(key: $0, partitionCount: stockPartitions) })
                }
            ).run()
            watchdog.unregister(watched)
            worker.finish()
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

    /// Tells how far behind each partition is, about once a second.
    private func updateLag(_ consumer: Consumer) {
        for (partition, next) in board.nextOffsets {
            let place = TopicPartition(settings.name(.orders), partition)
            guard let found = try? consumer.watermarks(place, timeoutMilliseconds: 1_000) else { continue }
            metrics.lag.with(String(partition)).set(Double(max(0, found.high - next)))
        }
    }

    /// Stops workers and waits for them: a partition is given away only when nobody here works on it any more.
    private func stop(_ partitions: [Int32], order: WorkerOrder, limit: Int = CoordinateRole.revocationLimit)
    {
        let stopping = partitions.compactMap { partition in
            workers.removeValue(forKey: partition).map { (partition, $0) }
        }
        for (_, worker) in stopping { worker.give(order) }
        let deadline = Deadline(milliseconds: limit)
        for (partition, worker) in stopping
        where !worker.waitForEnd(milliseconds: deadline.remainingMilliseconds) {
            // Its producer is fenced by the next owner; what it had open is ended there.
            service.logger.warning("a worker did not stop in time", ["partition": partition])
            worker.give(.abandon)
        }
    }
}
