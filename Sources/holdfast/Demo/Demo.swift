import Foundation
import InventoryCore
import KafkaClient
import Operations
import Synchronization

/// `holdfast demo --scenario sale`: a flash sale on a genuine Kafka and PostgreSQL, with orders of several lines beside
/// it, a processor and the coordinator killed in the middle, and all books checked from outside at the end.
final class Demo {
    /// How long the demo waits for what must come by itself, in milliseconds.
    private static let settleLimit = 120_000

    private let service: Service
    private let settings: KafkaSettings
    private let events: ClientEvents
    private let plan: DemoPlan
    private let orders: DemoOrders
    private let orderPlan: DemoOrderPlan
    private let recorder: DemoRecorder
    private let progress: DemoProgress
    private let cast: DemoCast
    /// When it was killed, on the monotonic clock.
    private var coordinatorKill: UInt64 = 0

    init(service: Service) throws {
        self.service = service
        settings = KafkaSettings(service.configuration)
        events = service.kafkaEvents()
        plan = DemoPlan(service.configuration)
        orderPlan = DemoOrderPlan(sale: plan, rate: service.configuration.integer("order_rate"))
        orders = DemoOrders(plan: orderPlan, settings: settings, events: events)
        recorder = DemoRecorder(plan: plan)
        progress = DemoProgress()
        cast = try DemoCast(service: service)
    }

    func run() throws -> ExitCode {
        defer { _ = cast.stopAll() }
        print(
            """
            Flash sale \(plan.run) (--seed \(plan.seed)): \(DemoPlan.hotReservations) reservations for \
            \(DemoPlan.hotUnits) units of one SKU, \(plan.coldReservations) over \(plan.skus) others, \
            \(plan.rate) a second for \(plan.seconds) s; and \(orderPlan.count) orders of two to five lines, \
            \(orderPlan.rate) a second.
            """)
        progress.phase("creating topics")
        guard try TopicsApply(service: service).run() == .success else {
            throw RoleFailure(
                .differenceFound, "the topics are not what topics/ says; mend them, or use --topic-prefix")
        }
        let scan = TopicScan(settings: settings, events: events)
        var starts: [Topic: [Int32: Int64]] = [:]
        for topic in Topic.allCases { starts[topic] = try scan.ends(of: topic, isolation: .uncommitted) }

        try startCast()
        let watcher = DemoWatcher(plan: plan, settings: settings, recorder: recorder, events: events)
        watcher.start(from: [.results: starts[.results]!, .reservations: starts[.reservations]!])
        orders.follow(from: starts[.orderOutcomes]!)
        try stock(watcher)
        try warmUp(watcher)
        let saleSeconds = try sell(watcher)
        try settle(watcher)
        progress.phase("stopping the processes")
        let database = try DemoDatabase(service: service, run: plan.run)
        try awaitSink(database, scan, starts)
        watcher.stop()
        orders.stop()
        let ends = cast.stopAll()

        progress.phase("checking the books from outside")
        let checks = try check(scan, starts, database, ends)
        return conclude(checks, saleSeconds: saleSeconds)
    }

    private func startCast() throws {
        let count = service.configuration.integer("processes")
        progress.phase("starting \(count) processors, a coordinator, a delay service and a sink")
        for number in 1...count {
            try cast.start("processor-\(number)", ["process", "--instance-id", "processor-\(number)"])
        }
        try cast.start("coordinator", ["coordinate", "--instance-id", "coordinator"])
        try cast.start("delay", ["delay"])
        try cast.start("sink", ["sink", "--migrate"])
        try cast.awaitReady()
    }

    /// Receives the opening stock, and waits until all of it is decided.
    private func stock(_ watcher: DemoWatcher) throws {
        let receipts = plan.receipts + orderPlan.receipts
        progress.phase("receiving \(receipts.count) deliveries")
        let publisher = try DemoPublisher(settings: settings, events: events)
        for receipt in receipts {
            recorder.sentUntimed()
            try publisher.publish(receipt)
        }
        try publisher.finish()
        try wait("the receipts to be decided") { self.recorder.counts.answered >= receipts.count }
        recorder.forgetSilences()
    }

    /// Practises the sale, and waits until all of that is answered.
    private func warmUp(_ watcher: DemoWatcher) throws {
        guard !plan.warmUp.isEmpty else { return }
        progress.phase("warming up for \(plan.warmUpSeconds) s (checked, but not timed)")
        let sellers = startSellers(plan.warmUp, seconds: plan.warmUpSeconds, at: MonotonicTime.now())
        while !sellers.allSatisfy(\.isDone) { try look(watcher) }
        try checkSellers(sellers)
        try waitForAnswers()
        _ = recorder.takeRecent()
        recorder.forgetSilences()
    }

    private func startSellers(_ reservations: Range<Int>, seconds: Int, at start: UInt64) -> [DemoSeller] {
        let sellers = (0..<plan.producers).map {
            DemoSeller(
                number: $0, reservations: reservations, seconds: seconds, plan: plan, recorder: recorder,
                start: start)
        }
        for seller in sellers { seller.begin(settings: settings, events: events) }
        return sellers
    }

    private func checkSellers(_ sellers: [DemoSeller]) throws {
        for seller in sellers {
            if let failure = seller.failure {
                throw RoleFailure(.internalFault, "a producer failed: \(failure)")
            }
        }
    }

    /// The sale itself: producers at a fixed rate, and the kill in the middle.
    /// - Returns: how long it took to publish, in seconds.
    private func sell(_ watcher: DemoWatcher) throws -> Double {
        progress.phase("selling")
        let start = MonotonicTime.now() + 200_000_000
        let sellers = startSellers(plan.sale, seconds: plan.seconds, at: start)
        orders.place(at: start)
        let second = UInt64(plan.seconds) * 1_000_000_000
        // The coordinator first, so that each is killed while the other works.
        var kills = [("coordinator", start + second / 4), ("processor-1", start + second / 2)]
        while !sellers.allSatisfy(\.isDone) {
            if let (name, at) = kills.first, MonotonicTime.now() >= at {
                kills.removeFirst()
                progress.note("SIGKILL to \(name), and a new one in its place")
                if name == "coordinator" {
                    coordinatorKill = MonotonicTime.now()
                } else {
                    recorder.markKill()
                }
                try cast.killAndRestart(name)
            }
            try look(watcher)
        }
        recorder.markEnd()
        try checkSellers(sellers)
        return MonotonicTime.seconds(since: start)
    }

    /// Waits until all is answered, and what nobody confirmed or released has expired.
    private func settle(_ watcher: DemoWatcher) throws {
        progress.phase("waiting for answers, and for the rest to expire")
        try waitForAnswers()
        let unpaid = watcher.unpaid
        progress.note("\(unpaid.count) reservations of the hot SKU were not paid: releasing them")
        let publisher = try DemoPublisher(settings: settings, events: events)
        for number in unpaid {
            recorder.sentUntimed()
            try publisher.publish(plan.releaseHot(number))
        }
        try publisher.finish()
        try waitForAnswers()
        try wait("the last reservation to end") { watcher.liveCount == 0 }
        try wait("every order to have its final outcome") { self.orders.hasEnded }
    }

    private func waitForAnswers() throws {
        try wait("all answers") {
            self.recorder.counts.answeredOwn >= self.recorder.counts.sent
        }
    }

    private func awaitSink(
        _ database: DemoDatabase, _ scan: TopicScan, _ starts: [Topic: [Int32: Int64]]
    ) throws {
        // Others write into the ledger too: what an earlier run left undecided, say.
        let ours = Array(plan.run.utf8)
        var entries = 0
        try scan.read(.ledger, from: starts[.ledger]!) {
            if $0.isRecord, let key = $0.key, key.starts(with: ours) { entries += 1 }
        }
        let wanted = entries
        var failure: (any Error)?
        try wait("the sink to write \(wanted) ledger entries") {
            do { return try database.ledgerCount() >= wanted } catch { failure = error }
            return true
        }
        try wait("the sink to write \(orders.counts.told) outcomes of orders") {
            do { return try database.outcomeCount() >= self.orders.counts.told } catch { failure = error }
            return true
        }
        if let failure { throw failure }
    }

    private func wait(_ what: String, until isTrue: @escaping () -> Bool) throws {
        let deadline = Deadline(milliseconds: Self.settleLimit)
        while !isTrue() {
            guard !deadline.isPast else {
                throw RoleFailure(
                    .differenceFound,
                    "waited \(Self.settleLimit / 1000) s for \(what), in vain; logs: \(cast.logDirectory)")
            }
            try look(nil)
        }
    }

    /// One look around: progress, dead processes, the wish to end.
    private func look(_ watcher: DemoWatcher?) throws {
        if service.shutdown.wait(timeoutMilliseconds: 50) { throw RoleFailure(.interrupted, "interrupted") }
        try cast.check()
        if let failure = watcher?.failure ?? orders.failure {
            throw RoleFailure(.internalFault, "the watcher failed: \(failure)")
        }
        progress.line(recorder, restarts: cast.kills)
    }

    private func check(
        _ scan: TopicScan, _ starts: [Topic: [Int32: Int64]], _ database: DemoDatabase,
        _ ends: [DemoCast.End]
    ) throws -> [Check] {
        let books = try DemoAudit(scan: scan, starts: starts).filled(
            DemoBooks(run: plan.run, hotSKU: plan.hotSKU))
        var checks = [books.hotCheck(units: DemoPlan.hotUnits, reservations: DemoPlan.hotReservations)]
        checks += books.checks(expectedCommands: recorder.counts.sent)
        var orderBooks = DemoOrderBooks(run: plan.run)
        try orderBooks.fill(scan, from: starts)
        checks += orderBooks.checks(expectedOrders: orderPlan.count, against: books.entries)
        checks += try database.checks(against: books)
        checks.append(try database.orderCheck(against: orderBooks.newest))
        let unclean = ends.filter { $0.code != 0 }
        checks.append(
            Check(
                "every process ended in order on SIGTERM", unclean.isEmpty,
                "\(ends.count) processes, the slowest after \(ends.map(\.milliseconds).max() ?? 0) ms"
                    + unclean.map { "; \($0.name) ended with \($0.code)" }.joined()))
        checks.append(
            Check(
                "a processor and the coordinator were killed in the middle", cast.kills == 2,
                "\(cast.kills) SIGKILL, and restarted"))
        return checks
    }

    private func conclude(_ checks: [Check], saleSeconds: Double) -> ExitCode {
        let counts = recorder.counts
        let latencies = recorder.latencies()
        let orderLatencies = orders.latencies(kill: coordinatorKill)
        print(
            """

            Figures
              published   \(counts.sent) commands; the sale \(plan.reservations) reservations in \
            \(String(format: "%.1f", saleSeconds)) s, \(Int(Double(plan.reservations) / saleSeconds)) a second
              outcomes    \(counts.reserved) reserved, \(counts.rejected) rejected, \(counts.confirmed) confirmed, \
            \(counts.released) released, \(counts.expired) told as expired
              latency     from intended send to result read by read_committed, in ms:
                          before the kill  p50 \(latencies.beforeKill.text(50))  p99 \(latencies.beforeKill.text(99))  \
            (\(latencies.beforeKill.count) reservations)
                          with the kill    p50 \(latencies.all.text(50))  p99 \(latencies.all.text(99))  \
            max \(latencies.all.text(100))  (\(latencies.all.count))
              orders      \(orderPlan.count) of two to five lines; from intended placing to the first outcome, in ms:
                          before the kills p50 \(orderLatencies.beforeKill.text(50))  p99 \
            \(orderLatencies.beforeKill.text(99))  (\(orderLatencies.beforeKill.count)); \
            with them  p50 \(orderLatencies.all.text(50))  p99 \(orderLatencies.all.text(99))
              SIGKILL     \(String(format: "%.2f", recorder.longestSilence())) s until the slowest of its partitions \
            had a result again

            Checks, made by reading the topics and PostgreSQL
            """)
        print(Check.table(checks))
        let failed = checks.filter { !$0.isTrue }.count
        print(
            """

            \(failed == 0 ? "All \(checks.count) checks passed." : "\(failed) of \(checks.count) checks FAILED.")
            Where to look next: the logs of the processes in \(cast.logDirectory);
              psql: SELECT * FROM holdfast.inventory WHERE sku = '\(plan.hotSKU)';
              kcat: kcat -b \(service.configuration.string("bootstrap_servers")) -C -e -t \(settings.name(.ledger)) -f '%k %s\\n'
            """)
        return failed == 0 ? .success : .differenceFound
    }
}
