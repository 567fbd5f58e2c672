import Foundation
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime
import Synchronization

/// What a role does with the partitions that its group gives it.
protocol GroupWork: AnyObject {
    /// Takes partitions: starts a worker for each with `GroupMember.start`, when it has followed the group's word.
    func take(
        _ partitions: [TopicPartition], of consumer: Consumer, as member: GroupMember,
        follow: () throws(KafkaError) -> Void
    ) throws(KafkaError)

    /// The worker of a partition is told to stop; and it has stopped, or was given up.
    func willStop(_ partition: Int32)
    func hasStopped(_ partition: Int32)

    /// Some times a second, between two looks at the group.
    func lookAround(_ consumer: Consumer)

    /// There is something that ends the process.
    var isOver: Bool { get }

    /// The process leaves its group, and has not been fenced out of it.
    func leave()
}

extension GroupWork {
    func willStop(_ partition: Int32) {}
    func hasStopped(_ partition: Int32) {}
    func lookAround(_ consumer: Consumer) {}
    var isOver: Bool { false }
    func leave() {}
}

/// A member of a role's group whose partitions each have a worker, with a thread of its own. It only follows the group's
/// word; a partition is given away when nobody here works on it any more.
final class GroupMember {
    /// How long a revocation waits for workers to finish their transactions, in milliseconds.
    private static let revocationLimit = 4_000
    /// The same at the end of the process, and then for the group's word: five seconds are promised for all of it.
    private static let stopLimit = 3_000
    private static let leaveLimit = 1_000

    private let service: Service
    private let settings: KafkaSettings
    private let events: ClientEvents
    private let board: WorkerBoard
    private let watchdog: Watchdog
    private let role: String?
    private let topic: InventoryWire.Topic
    private let work: any GroupWork
    private let limit: Int
    /// The consumer's thread, as the watchdog knows it.
    private let watched: WatchedWorker
    private var workers: [Int32: RunningWorker] = [:]
    /// Why the group's last word could not be followed: then the process cannot stay a member.
    private var unfollowed: KafkaError?

    /// - Parameters:
    ///   - role: whose group it is; nil for the processors'.
    ///   - topic: whose partitions the group gives.
    init(
        _ service: Service, _ settings: KafkaSettings, _ events: ClientEvents, role: String?,
        topic: InventoryWire.Topic, board: WorkerBoard, watchdog: Watchdog, work: any GroupWork
    ) {
        self.service = service
        self.settings = settings
        self.events = events
        self.role = role
        self.topic = topic
        self.board = board
        self.watchdog = watchdog
        self.work = work
        limit = service.configuration.integer("watchdog_timeout_ms")
        watched = watchdog.register("consumer")
    }

    /// Is a member until the process is to end.
    /// - Throws: `RoleFailure` where it cannot be one any more.
    func run() throws {
        var claim = InstanceClaim(
            sessionTimeout: Int64(service.configuration.integer("session_timeout_ms")))
        var lost: KafkaError?
        repeat {
            lost = try beMember()
        } while try service.mayJoinAgain(
            after: lost, &claim, group: settings.group(role),
            beat: { watched.beat(limitMilliseconds: limit) })
        watched.rest()
        // Who is to end need not find out whose its instance id is.
        if service.shutdown.isRequested, lost?.isFencedInstance == true { lost = nil }
        if let lost {
            throw RoleFailure(
                lost.isRefusal ? .usage : .internalFault,
                lost.isRefusal ? lost.description : "the consumer is lost: \(lost)")
        }
        if let refusal = board.refusal { throw RoleFailure(.usage, refusal) }
    }

    /// Joins the group, works on what it is assigned, and leaves the group at the end.
    /// - Returns: why it is no member any more; nil if the process is to end.
    private func beMember() throws -> KafkaError? {
        let consumer = try Consumer(configuration: settings.member(role: role), events: events)
        try consumer.subscribe(topics: [settings.name(topic)])
        unfollowed = nil
        var lost: KafkaError?
        while !service.shutdown.isRequested, lost == nil, board.refusal == nil, !work.isOver {
            watched.beat(limitMilliseconds: limit)
            consumer.consumeBatch(
                maxMessages: 1000, timeoutMilliseconds: 100, rebalance: { self.rebalance(consumer, $0) },
                { message in
                    if case .failure(let error) = message.kind, !error.passesByItself { lost = error }
                })
            // Who is to end need not follow it.
            if lost == nil, !service.shutdown.isRequested { lost = unfollowed }
            work.lookAround(consumer)
        }
        if lost?.isFencedInstance != true {
            service.logger.info("stopping: finishing transactions")
            work.leave()
        }
        board.setUnassigned()
        // Workers are told all at once; each commits what it has open.
        stop(Array(workers.keys), order: lost == nil ? .stop : .abandon, limit: Self.stopLimit)
        watched.rest()
        // A fenced member has nothing more to say to its group; it is gone with the last worker that holds it.
        if lost?.isFencedInstance == true { return lost }
        do throws(KafkaError) {
            try consumer.close(timeoutMilliseconds: Self.leaveLimit) { self.rebalance(consumer, $0) }
        } catch {
            service.logger.warning("left the group without its word", ["reason": error.description])
            Service.leaveToTheSystem(consumer)
        }
        return lost
    }

    /// Called from within polling: the group has given or taken partitions.
    private func rebalance(_ consumer: Consumer, _ rebalance: Rebalance) {
        do throws(KafkaError) {
            switch rebalance {
            case .assigned(let partitions):
                service.logger.info("assigned", ["partitions": partitions.map(\.partition).list])
                try work.take(partitions, of: consumer, as: self) { () throws(KafkaError) in
                    try consumer.follow(rebalance, from: try ends(of: partitions, consumer))
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
            unfollowed = error
            if service.shutdown.isRequested { return }
            service.logger.error("could not follow the group", ["reason": error.description])
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
            watched.beat(limitMilliseconds: limit)
            do throws(KafkaError) {
                return try consumer.ends(
                    of: partitions, timeoutMilliseconds: settings.callTimeout,
                    isCancelled: { [shutdown = service.shutdown] in shutdown.isRequested })
            } catch {
                // The answer that nobody leads a partition comes at once.
                guard error.recovery == .retry, !deadline.isPast,
                    !service.shutdown.wait(timeoutMilliseconds: 50)
                else { throw error }
            }
        }
    }

    /// Starts the worker of a partition on a thread of its own.
    ///
    /// - Parameters:
    ///   - name: what a partition is called in the names of threads.
    ///   - body: the worker's life; it holds to the worker's orders and beats for the watchdog.
    func start(
        _ partition: Int32, _ name: String,
        _ body: @escaping @Sendable (_ worker: RunningWorker, _ watched: WatchedWorker) -> Void
    ) {
        let worker = RunningWorker()
        workers[partition] = worker
        board.set(partition, .starting)
        let watched = watchdog.register("\(name) \(partition)")
        Service.startThread("\(name)-\(partition)") { [watchdog] in
            body(worker, watched)
            watchdog.unregister(watched)
            worker.finish()
        }
    }

    /// Stops workers and waits for them.
    private func stop(_ partitions: [Int32], order: WorkerOrder, limit: Int = GroupMember.revocationLimit) {
        let stopping = partitions.compactMap { partition in
            workers.removeValue(forKey: partition).map { (partition, $0) }
        }
        for (partition, worker) in stopping {
            work.willStop(partition)
            worker.give(order)
        }
        let deadline = Deadline(milliseconds: limit)
        for (partition, worker) in stopping
        where !worker.waitForEnd(milliseconds: deadline.remainingMilliseconds) {
            // Its producer is fenced by the next owner; what it had open is ended there.
            service.logger.warning("a worker did not stop in time", ["partition": partition])
            worker.give(.abandon)
        }
        for (partition, _) in stopping { work.hasStopped(partition) }
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
