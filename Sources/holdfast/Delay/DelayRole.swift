import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// `holdfast delay`: follows `stock.reservations` and `stock.transfers`, and sends `expire` or `transfer_due`
/// into the same partition of `stock.commands` when a reservation or a transfer is due. One thread does what
/// `DelayLoop` says: reads, sends, takes acknowledgements, in turn.
final class DelayRole {
    /// How many requests of each topic are sent before the acknowledgements are looked at again.
    private static let sendLimit = 5_000
    /// How many records are read before it.
    private static let readLimit = 20_000

    private let service: Service
    private let settings: KafkaSettings
    private let events: ClientEvents
    private let logger: Logger
    private let readiness = Readiness(notYet: "the group has not assigned partitions yet")
    /// What is due when goes by the broker's clock, whose distance from this one is learnt; so this one must not jump.
    private let clock = SteadyClock()
    private var loop: DelayLoop
    private var writer = RecordWriter()
    private var failures = 0
    private var faults: [KafkaError] = []
    private var transfersTopic: KafkaClient.Topic!
    /// What the group has given to the present member.
    private var assigned: Set<TopicPartition> = []
    /// Those of them whose ends are to be asked for.
    private var placed: [TopicPartition] = []
    private var ends: EndWatch?
    private let stallGuard: StallGuard?
    private let marks: ReadingMarks

    private let sent: Counter
    private let late: Histogram
    private let live: Gauge
    private let underWay: Gauge
    private let offset: Gauge

    init(service: Service) {
        self.service = service
        settings = KafkaSettings(service.configuration)
        loop = DelayLoop(sendLimit: DelayRole.sendLimit, idPrefix: settings.prefix)
        events = service.kafkaEvents()
        logger = service.logger
        stallGuard = StallGuard(service)
        marks = ReadingMarks(
            stallGuard, topics: [settings.name(.reservations), settings.name(.transfers)])
        sent = service.metrics.counter(
            "holdfast_delay_expires_total",
            help: "Expire and transfer_due commands that the broker has acknowledged.")
        late = service.metrics.histogram(
            "holdfast_delay_lateness_seconds",
            help: "From the due time of a reservation or transfer to the command's append time.")
        live = service.metrics.gauge(
            "holdfast_delay_live_reservations", help: "Reservations that are waited for.")
        underWay = service.metrics.gauge(
            "holdfast_delay_live_transfers", help: "Transfers that are waited for.")
        offset = service.metrics.gauge(
            "holdfast_delay_clock_offset_seconds", help: "The broker's clock less ours, as last seen.")
    }

    func run() throws -> ExitCode {
        service.announce()
        let health = try service.serveHealth { [readiness] in readiness.health }
        guard try service.waitForTopics(settings) != nil else { return .success }
        let watchdog = Watchdog(logger: logger)
        watchdog.start()
        let watched = watchdog.register("delay")
        let limit = service.configuration.integer("watchdog_timeout_ms")

        let producer = try Producer(configuration: settings.producer(), events: events) { [unowned self] in
            acknowledged($0)
        }
        let commands = try producer.topic(settings.name(.commands))
        stallGuard?.start()
        defer { stallGuard?.end() }
        var claim = InstanceClaim(
            sessionTimeout: Int64(service.configuration.integer("session_timeout_ms")))
        var lost: KafkaError?
        repeat {
            lost = try beMember(watched, producer, commands)
        } while try service.mayJoinAgain(
            after: lost, &claim, group: settings.group("delay"),
            beat: { watched.beat(limitMilliseconds: limit) })
        health?.stop()
        logger.info("stopped")
        return .success
    }

    /// Joins the group, works on what it is assigned, and leaves the group at the end.
    /// - Returns: the error, if the group has given this member's instance id away; nil if the process is to end.
    private func beMember(
        _ watched: WatchedWorker, _ producer: Producer, _ commands: KafkaClient.Topic
    ) throws -> KafkaError? {
        let limit = service.configuration.integer("watchdog_timeout_ms")
        let consumer = try Consumer(
            configuration: settings.member(role: "delay", atEnd: true), events: events)
        ends = EndWatch(consumer)
        placed = []
        transfersTopic = try consumer.topic(settings.name(.transfers))
        try consumer.subscribe(topics: [settings.name(.reservations), settings.name(.transfers)])
        var lost: KafkaError?
        while !service.shutdown.isRequested, lost == nil {
            watched.beat(limitMilliseconds: limit)
            try stallGuard?.check()
            switch loop.next(at: clock.milliseconds()) {
            case .read(let timeout):
                read(consumer, timeoutMilliseconds: timeout)
                lost = faults.first(where: \.isFencedInstance)
                if lost == nil, let fault = faults.first {
                    throw RoleFailure(fault.exitCode, fault.description)
                }
            case .send(let requests): try send(producer, commands, requests)
            case .acknowledge:
                producer.poll(timeoutMilliseconds: 0)
                report()
            }
        }
        if lost == nil { logger.info("stopping: waiting for acknowledgements") }
        readiness.notReady("the group has not assigned partitions yet")
        watched.rest()
        try? producer.flush(timeoutMilliseconds: 2_000)
        // A fenced member has nothing more to say to its group.
        if lost == nil {
            do throws(KafkaError) {
                try consumer.close(timeoutMilliseconds: 2_000) { self.rebalance(consumer, $0) }
            } catch {
                logger.warning("left the group without its word", ["reason": error.description])
                Service.leaveToTheSystem(consumer)
            }
        }
        // What the next member reads it reads from the beginning.
        for place in assigned { loop.revoked(topic(place.topic), place.partition) }
        marks.forgetAll()
        assigned = []
        faults = []
        return lost
    }

    private func read(_ consumer: Consumer, timeoutMilliseconds: Int) {
        let polled = consumer.consumeBatch(
            maxMessages: Self.readLimit,
            timeoutMilliseconds: ends?.timeout(timeoutMilliseconds) ?? timeoutMilliseconds,
            rebalance: { self.rebalance(consumer, $0) },
            { message in
                switch message.kind {
                case .record: take(message)
                case .endOfPartition: reachedEnd(message.topicName, message.partition)
                case .failure(let error): if !error.passesByItself { faults.append(error) }
                }
            })
        marks.polled(isFull: polled >= Self.readLimit)
        if !placed.isEmpty { ends?.place(placed) }
        placed = []
        for end in ends?.passed() ?? [] { reachedEnd(end.partition.topic, end.partition.partition) }
    }

    private func take(_ message: borrowing Message) {
        let (partition, offset) = (message.partition, message.offset)
        let isTransfer = message.isFrom(transfersTopic)
        marks.read(topic: isTransfer ? 1 : 0, partition, next: offset + 1)
        let record = LogRecord(
            key: message.key, value: message.value, offset: offset,
            // A topic that was made before its settings said so has producers' times, which tell nothing of the broker.
            timestamp: message.timestampType == .logAppend ? message.timestampMilliseconds : nil)
        do throws(DecodingFailure) {
            try loop.read(
                record, from: isTransfer ? .transfers : .reservations, partition: partition,
                at: clock.milliseconds())
        } catch {
            // It is ours, so this is a fault; but one reservation that is not expired from here still expires
            // with the next command of its SKU, and all others must go on.
            logger.error(
                isTransfer
                    ? "a transfer cannot be read; nobody is told when it is overdue"
                    : "a reservation cannot be read; it expires with the next command of its SKU",
                [
                    "partition": partition, "offset": offset, "reason": error.reason.rawValue,
                    "detail": error.detail,
                ])
        }
    }

    private func rebalance(_ consumer: Consumer, _ rebalance: Rebalance) {
        do throws(KafkaError) {
            switch rebalance {
            case .assigned(let partitions):
                logger.info("assigned", ["partitions": partitions.map(\.partition).list])
                for place in partitions { loop.assigned(topic(place.topic), place.partition) }
                assigned.formUnion(partitions)
                let starts = partitions.map {
                    TopicPartitionOffset($0, offset: TopicPartitionOffset.beginning)
                }
                try consumer.follow(rebalance, from: starts)
                marks.place(starts)
                placed += partitions
                if loop.isComplete {
                    readiness.ready()
                } else {
                    readiness.notReady("reading stock.reservations and stock.transfers")
                }
            case .revoked(let partitions, _):
                logger.info("revoked", ["partitions": partitions.map(\.partition).list])
                for place in partitions { loop.revoked(topic(place.topic), place.partition) }
                assigned.subtract(partitions)
                placed.removeAll { partitions.contains($0) }
                ends?.forget(partitions)
                marks.forget(partitions)
                try consumer.follow(rebalance)
            case .failed(let error):
                faults.append(error)
                try consumer.follow(rebalance)
            }
        } catch {
            faults.append(error)
        }
    }

    private func topic(_ name: String) -> InventoryWire.Topic {
        name == settings.name(.transfers) ? .transfers : .reservations
    }

    private func reachedEnd(_ name: String, _ partition: Int32) {
        if let strangers = loop.reachedEnd(of: topic(name), partition) {
            // Processors refuse to work on them, so what they hold is expired by nobody until then.
            logger.error(strangers.told(of: topic(name)), ["partition": partition])
        }
        if loop.isComplete { readiness.ready() }
    }

    private func send(
        _ producer: Producer, _ topic: KafkaClient.Topic, _ requests: [DelayQueue.Request]
    ) throws {
        for request in requests {
            writer.write(command: request.command)
            let key = request.command.sku.bytes
            var isQueued = false
            do throws(KafkaError) {
                isQueued = try key.withUnsafeBytes { key throws(KafkaError) in
                    try writer.withBytes { value throws(KafkaError) in
                        try producer.produce(
                            topic, partition: .number(request.partition), key: key,
                            value: value, tag: request.tag) == .queued
                    }
                }
            } catch {
                guard error.passesByItself else { throw error }
            }
            if !isQueued { loop.failed(request.tag, at: clock.milliseconds()) }
        }
    }

    private func acknowledged(_ report: DeliveryReport) {
        let now = clock.milliseconds()
        if let error = report.error {
            if error.isRefusal { faults.append(error) }
            if failures == 0 {
                logger.warning("an expire was not delivered; trying again", ["reason": error.description])
            }
            failures += 1
            loop.failed(report.tag, at: now)
            return
        }
        if failures > 0 { logger.info("expires are delivered again", ["failures": failures]) }
        failures = 0
        sent.add()
        let lateness = loop.delivered(report.tag, appendedAt: report.timestampMilliseconds, at: now)
        if let lateness { late.observe(Double(lateness) / 1000) }
    }

    private func report() {
        live.set(loop.liveReservations)
        underWay.set(loop.liveTransfers)
        offset.set(Double(loop.clockOffset) / 1000)
    }
}
