import Foundation
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// `holdfast process`: one member of the group; a worker, with a thread and a producer of its own, for each
/// partition that it is assigned.
final class ProcessRole {
    private let service: Service
    private let settings: KafkaSettings
    private let metrics: ProcessorMetrics
    private let board = WorkerBoard()
    private let watchdog: Watchdog
    private let events: ClientEvents
    private var standby: Standby?
    private var stallGuard: StallGuard?
    private var topicWatch: TopicWatch?
    private var partitionCount: Int32 = 0
    private var lagDue = Deadline(milliseconds: 1_000)

    init(service: Service) throws {
        self.service = service
        settings = KafkaSettings(service.configuration)
        metrics = ProcessorMetrics(service.metrics)
        watchdog = Watchdog(logger: service.logger)
        events = service.kafkaEvents()
    }

    func run() throws -> ExitCode {
        service.announce()
        let board = board
        let health = try service.serveHealth { board.health }
        defer { health?.stop() }
        watchdog.start()
        guard let topics = try service.waitForTopics(settings) else { return .success }
        partitionCount = topics.count(of: .commands)
        topicWatch = TopicWatch(service, topics)
        topicWatch?.start()
        if service.configuration.boolean("standby") {
            standby = Standby(
                service: service, settings: settings, events: events, partitionCount: partitionCount,
                watchdog: watchdog)
            standby?.start()
        }
        stallGuard = StallGuard(service)
        stallGuard?.start()
        try GroupMember(
            service, settings, events, role: nil, topic: .commands, board: board, watchdog: watchdog,
            work: self
        ).run()
        stallGuard?.end()
        topicWatch?.end()
        if !service.shutdown.isRequested {
            try topicWatch?.check()
            try stallGuard?.check()
        }
        service.logger.info("stopped")
        return .success
    }
}

extension ProcessRole: GroupWork {
    /// Queues are taken before anything is fetched. Fetching begins at the end, where little is; each worker places its
    /// partition when it knows where.
    func take(
        _ partitions: [TopicPartition], of consumer: Consumer, as member: GroupMember,
        follow: () throws(KafkaError) -> Void
    ) throws(KafkaError) {
        if let strange = topicWatch?.refuse(partitions) { return board.refuse(strange) }
        var queues: [PartitionQueue] = []
        for partition in partitions { queues.append(try consumer.partitionQueue(partition)) }
        // Until its worker has placed it: a fetch from the end that is on its way would hold back the one from the
        // right place for as long as the broker waits for records.
        try consumer.pause(partitions)
        try follow()
        for queue in queues { start(queue, consumer, member) }
    }

    private func start(_ queue: PartitionQueue, _ consumer: Consumer, _ member: GroupMember) {
        let partition = queue.partition.partition
        standby?.setOwned(partition, true)
        let logger = service.logger.child("worker", ["partition": partition])
        let (board, metrics, settings, events) = (board, metrics, settings, events)
        let (standby, partitionCount) = (standby, partitionCount)
        let mark = ReadingMark()
        stallGuard?.watch(queue.partition, mark)
        let configuration = service.configuration
        let limit = Int64(configuration.integer("watchdog_timeout_ms"))
        member.start(partition, "partition") { worker, watched in
            let log = KafkaPartitionLog(
                queue: queue, partitionCount: partitionCount, settings: settings, consumer: consumer,
                events: events, mark: mark, isStopping: { worker.order != .work },
                beat: { watched.beat(limitMilliseconds: Int(limit)) },
                unplaced: { metrics.unplacedReplies.add() })
            PartitionWorker(
                log: log,
                observer: WorkerReporter(
                    partition: partition, logger: logger, metrics: metrics, watched: watched, board: board),
                settings: .init(
                    commitInterval: Int64(configuration.integer("commit_interval_ms")),
                    commandLimit: configuration.integer("transaction_max_commands")),
                actionLimit: limit, order: { worker.order },
                ownsKey: { murmur2Partition(key: $0, partitionCount: partitionCount) == partition },
                clock: { Int64(MonotonicTime.now()) }, pause: { worker.pause(milliseconds: $0) },
                takeImage: { standby?.take(partition, isStopping: { worker.order != .work }) }
            ).run()
        }
    }

    func willStop(_ partition: Int32) {
        stallGuard?.forget(TopicPartition(settings.name(.commands), partition))
    }
    func hasStopped(_ partition: Int32) { standby?.setOwned(partition, false) }
    var isOver: Bool { stallGuard?.finding != nil || topicWatch?.finding != nil }
    func leave() { standby?.end() }

    /// Tells how far behind each partition is, about once a second.
    func lookAround(_ consumer: Consumer) {
        guard lagDue.isPast else { return }
        lagDue = Deadline(milliseconds: 1_000)
        for (partition, next) in board.nextOffsets {
            guard
                let high = consumer.knownEnd(TopicPartition(settings.name(.commands), partition))
            else { continue }
            metrics.lag.with(String(partition)).set(Double(max(0, high - next)))
        }
    }
}
