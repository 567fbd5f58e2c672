import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Optimizer
import OrderCore
import StreamRuntime

/// `holdfast optimize`: follows `order.outcomes` as a member of its group and `stock.levels` as a whole, looks at each
/// order that is reserved and not paid once it has settled, and publishes proposals to `orders`. One thread does it all,
/// in turn. Nothing is kept: a process begins with the outcomes of the last while, and makes the same proposal of the
/// same outcome, which the coordinator heeds once.
final class OptimizeRole {
    private static let batchRecords = 2_000
    /// Orders that are looked at before it is read again.
    private static let batchOrders = 100
    /// How long a read waits, in milliseconds.
    private static let patience = 50
    /// What the end of the process may wait for acknowledgements, and for the group's word, in milliseconds.
    private static let stopLimit = 2_000

    private let service: Service
    private let settings: KafkaSettings
    private let events: ClientEvents
    private let logger: Logger
    private let metrics: OptimizeMetrics
    private let readiness = Readiness(notYet: "the group has not assigned partitions yet")
    private let clock = SteadyClock()
    private let optimizer: Optimizer
    private var waiting: WaitingOrders
    private var network = Network()
    private var reader = RecordReader()
    private var writer = RecordWriter()
    private var assigned: Set<Int32> = []
    /// Assigned partitions whose end was not seen yet: what was read of them may not be the newest.
    private var unread: Set<Int32> = []
    /// Those whose ends are to be asked for.
    private var placed: [TopicPartition] = []
    private var ends: EndWatch?
    private var faults: [KafkaError] = []
    private var dropped = 0
    private var isFailing = false

    init(service: Service) {
        self.service = service
        let configuration = service.configuration
        settings = KafkaSettings(configuration)
        events = service.kafkaEvents()
        logger = service.logger
        metrics = OptimizeMetrics(service.metrics)
        optimizer = Optimizer(Optimize.weights(configuration))
        waiting = WaitingOrders(
            settleTime: Int64(configuration.integer("settle_ms")),
            limit: configuration.integer("waiting_orders"))
    }

    func run() throws -> ExitCode {
        service.announce()
        let health = try service.serveHealth { [readiness] in readiness.health }
        defer { health?.stop() }
        guard let partitions = try service.waitForTopics(settings) else { return .success }
        try checkOrderTopics()
        let watchdog = Watchdog(logger: logger)
        watchdog.start()
        let watched = watchdog.register("optimize")
        let limit = service.configuration.integer("watchdog_timeout_ms")
        let levels = try LevelsReader(settings, service, partitions: partitions)
        let producer = try Producer(configuration: settings.proposer(), events: events) {
            [unowned self] in acknowledged($0)
        }
        let orders = try producer.topic(settings.name(.orders))
        var claim = InstanceClaim(
            sessionTimeout: Int64(service.configuration.integer("session_timeout_ms")))
        var lost: KafkaError?
        repeat {
            lost = try beMember(watched, levels, producer, orders)
        } while try service.mayJoinAgain(
            after: lost, &claim, group: settings.group("optimize"),
            beat: { watched.beat(limitMilliseconds: limit) })
        logger.info("stopped")
        return .success
    }

    private func checkOrderTopics() throws {
        let shutdown = service.shutdown
        let scan = TopicScan(settings: settings, events: events, isCancelled: { shutdown.isRequested })
        for topic in [Topic.orders, .orderOutcomes] where try scan.partitions(of: topic).isEmpty {
            if shutdown.isRequested { return }
            throw RoleFailure(
                .usage,
                "missing topics: \(settings.name(topic)); create them with: holdfast topics apply")
        }
    }

    /// Joins the group, works on what it is assigned, and leaves the group at the end.
    /// - Returns: the error, if the group has given this member's instance id away; nil if the process is to end.
    private func beMember(
        _ watched: WatchedWorker, _ levels: LevelsReader, _ producer: Producer, _ orders: KafkaClient.Topic
    ) throws -> KafkaError? {
        let limit = service.configuration.integer("watchdog_timeout_ms")
        let consumer = try Consumer(
            configuration: settings.member(role: "optimize", atEnd: true), events: events)
        ends = EndWatch(consumer)
        placed = []
        try consumer.subscribe(topics: [settings.name(.orderOutcomes)])
        var lost: KafkaError?
        while !service.shutdown.isRequested, lost == nil {
            watched.beat(limitMilliseconds: limit)
            try levels.gather(into: &network, timeoutMilliseconds: levels.isCaughtUp ? 0 : Self.patience)
            read(consumer)
            lost = faults.first(where: \.isFencedInstance)
            // Who is to end need not follow its group any more.
            if lost == nil, let fault = faults.first, !service.shutdown.isRequested {
                throw RoleFailure(fault.exitCode, fault.description)
            }
            let isComplete = levels.isCaughtUp && !assigned.isEmpty && unread.isEmpty
            tell(isComplete, levels)
            if isComplete { try propose(producer, orders) }
            producer.poll(timeoutMilliseconds: 0)
            report()
        }
        readiness.notReady("the group has not assigned partitions yet")
        watched.rest()
        try? producer.flush(timeoutMilliseconds: Self.stopLimit)
        // A fenced member has nothing more to say to its group.
        if lost == nil {
            do throws(KafkaError) {
                try consumer.close(timeoutMilliseconds: Self.stopLimit) { self.rebalance(consumer, $0) }
            } catch {
                logger.warning("left the group without its word", ["reason": error.description])
                Service.leaveToTheSystem(consumer)
            }
        }
        revoke(assigned)
        faults = []
        return lost
    }

    private func tell(_ isComplete: Bool, _ levels: LevelsReader) {
        if isComplete {
            readiness.ready()
        } else if assigned.isEmpty {
            readiness.notReady("the group has not assigned partitions yet")
        } else {
            readiness.notReady(
                levels.isCaughtUp ? "reading order.outcomes to its end" : "reading stock.levels to its end")
        }
    }

    // MARK: Reading

    private func read(_ consumer: Consumer) {
        let due = waiting.nextDue().map { max(0, $0 - clock.milliseconds()) } ?? .max
        let timeout = Int(min(due, Int64(Self.patience)))
        consumer.consumeBatch(
            maxMessages: Self.batchRecords, timeoutMilliseconds: ends?.timeout(timeout) ?? timeout,
            rebalance: { self.rebalance(consumer, $0) },
            { message in
                switch message.kind {
                case .record: take(message)
                case .endOfPartition: unread.remove(message.partition)
                case .failure(let error): if !error.passesByItself { faults.append(error) }
                }
            })
        if !placed.isEmpty { ends?.place(placed) }
        placed = []
        for end in ends?.passed() ?? [] { unread.remove(end.partition.partition) }
    }

    private func take(_ message: borrowing Message) {
        guard let value = message.value else { return }
        do throws(DecodingFailure) {
            guard let outcome = try reader.orderOutcome(value) else { return }
            if let order = WaitingOrders.Order(outcome) {
                let isKnown = waiting.saw(order, partition: message.partition, at: clock.milliseconds())
                if isKnown { metrics.skip(.superseded) }
            } else if waiting.sawEnd(of: outcome.orderID) {
                metrics.skip(.superseded)
            }
        } catch {
            // It is the coordinator's, so this is a fault; but all other orders must go on.
            metrics.skip(.unreadable)
            logger.error(
                "an outcome cannot be read; its order is not looked at",
                ["partition": message.partition, "offset": message.offset, "detail": error.detail])
        }
    }

    private func rebalance(_ consumer: Consumer, _ rebalance: Rebalance) {
        do throws(KafkaError) {
            switch rebalance {
            case .assigned(let partitions):
                logger.info("assigned", ["partitions": partitions.map(\.partition).list])
                try consumer.follow(rebalance, from: try starts(of: partitions, consumer))
                assigned.formUnion(partitions.map(\.partition))
                unread.formUnion(partitions.map(\.partition))
                placed += partitions
            case .revoked(let partitions, _):
                logger.info("revoked", ["partitions": partitions.map(\.partition).list])
                revoke(Set(partitions.map(\.partition)))
                placed.removeAll { partitions.contains($0) }
                ends?.forget(partitions)
                try consumer.follow(rebalance)
            case .failed(let error):
                faults.append(error)
                try consumer.follow(rebalance)
            }
        } catch {
            faults.append(error)
        }
    }

    private func revoke(_ partitions: Set<Int32>) {
        for partition in partitions { waiting.revoked(partition) }
        assigned.subtract(partitions)
        unread.subtract(partitions)
    }

    /// Where the outcomes of the last while begin; the end, as a number, where there are none.
    private func starts(
        of partitions: [TopicPartition], _ consumer: Consumer
    ) throws(KafkaError) -> [TopicPartitionOffset] {
        let deadline = Deadline(milliseconds: service.configuration.integer("assignment_timeout_ms"))
        let since = WallClock.milliseconds() - Int64(service.configuration.integer("look_back_ms"))
        while true {
            do throws(KafkaError) {
                let shutdown = service.shutdown
                let ends = try consumer.ends(
                    of: partitions, timeoutMilliseconds: settings.callTimeout,
                    isCancelled: { shutdown.isRequested })
                let found = try consumer.offsets(
                    of: partitions, atMilliseconds: max(0, since), timeoutMilliseconds: settings.callTimeout)
                return ends.map { end in
                    found.first { $0.partition == end.partition && $0.isSet } ?? end
                }
            } catch {
                guard error.passesByItself, !deadline.isPast,
                    !service.shutdown.wait(timeoutMilliseconds: Self.patience)
                else { throw error }
            }
        }
    }

    // MARK: Proposing

    private func propose(_ producer: Producer, _ topic: KafkaClient.Topic) throws {
        let limit = service.configuration.integer("order_time_ms")
        for _ in 0..<Self.batchOrders {
            guard let order = waiting.takeSettled(at: clock.milliseconds()) else { return }
            let at = Timestamp(milliseconds: WallClock.milliseconds())
            guard at < order.deadline else {
                metrics.skip(.tooLate)
                continue
            }
            let start = MonotonicTime.now()
            let review = optimizer.review(
                order.served, in: network, isSpent: Optimize.timer(milliseconds: limit))
            metrics.reviewed(review, seconds: MonotonicTime.seconds(since: start))
            guard let proposal = order.proposal(review, at: at) else { continue }
            network.claim(review, of: order.served)
            try publish(proposal, producer, topic)
        }
    }

    private func publish(_ proposal: OrderEvent, _ producer: Producer, _ topic: KafkaClient.Topic) throws {
        writer.write(event: proposal)
        let key = proposal.orderID.bytes
        var isQueued = false
        do throws(KafkaError) {
            isQueued = try key.withUnsafeBytes { key throws(KafkaError) in
                try writer.withBytes { value throws(KafkaError) in
                    try producer.produce(topic, key: key, value: value) == .queued
                }
            }
        } catch {
            guard error.passesByItself else { throw error }
        }
        // The order stays as it is: nothing depends on a proposal.
        if !isQueued { metrics.skip(.undelivered) }
    }

    private func acknowledged(_ report: DeliveryReport) {
        guard let error = report.error else {
            isFailing = false
            metrics.proposals.add()
            return
        }
        if error.isRefusal { faults.append(error) }
        metrics.skip(.undelivered)
        if !isFailing { logger.warning("a proposal was not delivered", ["reason": error.description]) }
        isFailing = true
    }

    private func report() {
        metrics.waiting.set(waiting.count)
        metrics.skus.set(network.skuCount)
        if waiting.dropped > dropped {
            if dropped == 0 { logger.warning("too many orders wait; the oldest are not looked at") }
            metrics.skip(.dropped, waiting.dropped - dropped)
            dropped = waiting.dropped
        }
    }
}
