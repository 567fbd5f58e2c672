import Foundation
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime
import Synchronization

/// `holdfast process`: one member of the group; a worker, with a thread and a producer of its own, for each
/// partition that it is assigned.
final class ProcessRole {
    /// How long a revocation waits for workers to finish their transactions, in milliseconds.
    private static let revocationLimit = 4_000
    /// The same at the end of the process, and then for the group's word: five seconds are promised for all of it.
    private static let stopLimit = 3_000
    private static let leaveLimit = 1_000

    private let service: Service
    private let settings: KafkaSettings
    private let metrics: ProcessorMetrics
    private let board = WorkerBoard()
    private let watchdog: Watchdog
    private let events: ClientEvents
    private var workers: [Int32: RunningWorker] = [:]
    private var standby: Standby?
    private var stallGuard: StallGuard?
    /// The consumer's thread, as the watchdog knows it.
    private var watched: WatchedWorker?
    /// Why the group's last word could not be followed: then the process cannot stay a member.
    private var unfollowed: KafkaError?
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
        watchdog.start()
        let partitionCount = try service.waitForTopics(settings)
        guard let partitionCount else { return .success }
        if service.configuration.boolean("standby") {
            standby = Standby(
                service: service, settings: settings, events: events, partitionCount: partitionCount,
                watchdog: watchdog)
            standby?.start()
        }
        let stallTimeout = service.configuration.integer("stall_timeout_ms")
        if stallTimeout > 0 {
            stallGuard = StallGuard(
                topic: settings.name(.commands), timeout: stallTimeout, settings: settings, events: events,
                questions: service.metrics.counter(
                    "holdfast_stall_questions_total",
                    help: "How often the broker was asked for commands that this process does not get."))
            stallGuard?.start()
        }
        let watched = watchdog.register("consumer")
        self.watched = watched
        let limit = service.configuration.integer("watchdog_timeout_ms")
        var claim = InstanceClaim(
            sessionTimeout: Int64(service.configuration.integer("session_timeout_ms")))
        var lost: KafkaError?
        repeat {
            lost = try beMember(partitionCount, watched)
        } while try service.mayJoinAgain(
            after: lost, &claim, group: settings.group(nil), beat: { watched.beat(limitMilliseconds: limit) })
        watched.rest()
        // Who is to end need not find out whose its instance id is.
        if service.shutdown.isRequested, lost?.isFencedInstance == true { lost = nil }
        health?.stop()
        if let lost {
            throw RoleFailure(
                lost.isRefusal ? .usage : .internalFault,
                lost.isRefusal ? lost.description : "the consumer is lost: \(lost)")
        }
        if let refusal = board.refusal { throw RoleFailure(.usage, refusal) }
        stallGuard?.end()
        if let stall = stallGuard?.finding, !service.shutdown.isRequested {
            throw RoleFailure(.internalFault, stall)
        }
        service.logger.info("stopped")
        return .success
    }

    /// Joins the group, works on what it is assigned, and leaves the group at the end.
    /// - Returns: why it is no member any more; nil if the process is to end.
    private func beMember(_ partitionCount: Int32, _ watched: WatchedWorker) throws -> KafkaError? {
        let consumer = try Consumer(configuration: settings.member(role: nil), events: events)
        try consumer.subscribe(topics: [settings.name(.commands)])
        let limit = service.configuration.integer("watchdog_timeout_ms")
        unfollowed = nil
        var lost: KafkaError?
        while !service.shutdown.isRequested, lost == nil, board.refusal == nil, stallGuard?.finding == nil {
            watched.beat(limitMilliseconds: limit)
            consumer.consumeBatch(
                maxMessages: 1000, timeoutMilliseconds: 100,
                rebalance: { self.rebalance(consumer, $0, partitionCount) },
                { message in
                    if case .failure(let error) = message.kind, error.recovery != .retry { lost = error }
                })
            if lost == nil { lost = unfollowed }
            updateLag(consumer)
        }
        if lost?.isFencedInstance != true {
            service.logger.info("stopping: finishing transactions")
            standby?.end()
        }
        board.setUnassigned()
        // Workers are told all at once; each commits what it has open.
        stop(Array(workers.keys), order: lost == nil ? .stop : .abandon, limit: Self.stopLimit)
        watched.rest()
        // A fenced member has nothing more to say to its group; it is gone with the last worker that holds it.
        if lost?.isFencedInstance == true { return lost }
        do throws(KafkaError) {
            try consumer.close(timeoutMilliseconds: Self.leaveLimit) {
                self.rebalance(consumer, $0, partitionCount)
            }
        } catch {
            service.logger.warning("left the group without its word", ["reason": error.description])
            Service.leaveToTheSystem(consumer)
        }
        return lost
    }

    /// Called from within polling: the group has given or taken partitions.
    private func rebalance(_ consumer: Consumer, _ rebalance: Rebalance, _ partitionCount: Int32) {
        do throws(KafkaError) {
            switch rebalance {
            case .assigned(let partitions):
                service.logger.info("assigned", ["partitions": partitions.map(\.partition).list])
                // Queues are taken before anything is fetched. Fetching begins at the end, where little is; each
                // worker places its partition when it knows where.
                var queues: [PartitionQueue] = []
                for partition in partitions { queues.append(try consumer.partitionQueue(partition)) }
                try consumer.follow(rebalance, from: try ends(of: partitions, consumer))
                for queue in queues { start(queue, partitionCount, consumer) }
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

    /// The ends of partitions as numbers, never as the word END: librdkafka would look that up by itself and, where
    /// the partition's leader is away, again on a timer, perhaps after the worker has placed the partition. It would
    /// then jump from there to the end, and commands in between would be passed over.
    ///
    /// - Throws: when no leader answers for long; the process then ends, so that others may try.
    private func ends(
        of partitions: [TopicPartition], _ consumer: Consumer
    ) throws(KafkaError) -> [TopicPartitionOffset] {
        let deadline = Deadline(milliseconds: service.configuration.integer("assignment_timeout_ms"))
        while true {
            watched?.beat(limitMilliseconds: service.configuration.integer("watchdog_timeout_ms"))
            do throws(KafkaError) {
                return try consumer.ends(of: partitions, timeoutMilliseconds: settings.callTimeout)
            } catch {
                // The answer that nobody leads a partition comes at once.
                guard error.recovery == .retry, !deadline.isPast,
                    !service.shutdown.wait(timeoutMilliseconds: 50)
                else { throw error }
            }
        }
    }

    private func start(_ queue: PartitionQueue, _ partitionCount: Int32, _ consumer: Consumer) {
        let partition = queue.partition.partition
        let worker = RunningWorker()
        workers[partition] = worker
        board.set(partition, .starting)
        standby?.setOwned(partition, true)
        let watched = watchdog.register("partition \(partition)")
        let logger = service.logger.child("worker", ["partition": partition])
        let (board, metrics, settings, events, watchdog) = (board, metrics, settings, events, watchdog)
        let standby = standby
        let mark = ReadingMark()
        stallGuard?.watch(partition, mark)
        let configuration = service.configuration
        let limit = Int64(configuration.integer("watchdog_timeout_ms"))
        Service.startThread("partition-\(partition)") {
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
            watchdog.unregister(watched)
            worker.finish()
        }
    }

    /// Tells how far behind each partition is, about once a second.
    private func updateLag(_ consumer: Consumer) {
        guard lagDue.isPast else { return }
        lagDue = Deadline(milliseconds: 1_000)
        for (partition, next) in board.nextOffsets {
            guard
                let high = consumer.knownEnd(TopicPartition(settings.name(.commands), partition))
            else { continue }
            metrics.lag.with(String(partition)).set(Double(max(0, high - next)))
        }
    }

    /// Stops workers and waits for them: a partition is given away only when nobody here works on it any more.
    private func stop(_ partitions: [Int32], order: WorkerOrder, limit: Int = ProcessRole.revocationLimit) {
        let stopping = partitions.compactMap { partition in
            workers.removeValue(forKey: partition).map { (partition, $0) }
        }
        for (partition, worker) in stopping {
            stallGuard?.forget(partition)
            worker.give(order)
        }
        let deadline = Deadline(milliseconds: limit)
        for (partition, worker) in stopping
        where !worker.waitForEnd(milliseconds: deadline.remainingMilliseconds) {
            // Its producer is fenced by the next owner; what it had open is ended there.
            service.logger.warning("a worker did not stop in time", ["partition": partition])
            worker.give(.abandon)
        }
        for (partition, _) in stopping { standby?.setOwned(partition, false) }
    }
}

/// What a worker's thread and the consumer's thread share: an order, and the end.
final class RunningWorker: Sendable {
    private let current = Mutex<WorkerOrder>(.work)
    private let ended = DispatchSemaphore(value: 0)
    private let ordered = DispatchSemaphore(value: 0)

    var order: WorkerOrder { current.withLock { $0 } }

    func give(_ order: WorkerOrder) {
        current.withLock { $0 = order }
        ordered.signal()
    }

    /// Waits so long, or until an order comes.
    func pause(milliseconds: Int64) {
        guard order == .work else { return }
        _ = ordered.wait(timeout: .now() + .milliseconds(Int(milliseconds)))
    }

    func finish() { ended.signal() }

    func waitForEnd(milliseconds: Int) -> Bool {
        ended.wait(timeout: .now() + .milliseconds(milliseconds)) == .success
    }
}

extension Sequence<Int32> {
    /// Numbers in order, for a log line.
    var list: String { sorted().map(String.init).joined(separator: ",") }
}
