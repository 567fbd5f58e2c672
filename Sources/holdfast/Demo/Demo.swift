import Foundation
import InventoryCore
import KafkaClient
import Operations
import Sizing

/// `holdfast demo --scenario sale`: a flash sale on a genuine Kafka and PostgreSQL, with orders of several lines beside
/// it, a processor and the coordinator killed in the middle, and all books checked from outside at the end.
final class Demo {
    private let service: Service
    private let settings: KafkaSettings
    private let events: ClientEvents
    private let scan: TopicScan
    private let cast: DemoCast
    private let waiting: DemoWaiting
    private let dice: DemoDice
    /// What all SKUs and ids of this run begin with.
    private let name: String
    private let skus: Int
    private let seconds: Int

    init(service: Service) throws {
        self.service = service
        let configuration = service.configuration
        settings = KafkaSettings(configuration)
        events = service.kafkaEvents()
        scan = TopicScan(settings: settings, events: events)
        cast = try DemoCast(service: service)
        waiting = DemoWaiting(service: service, cast: cast)
        skus = configuration.integer("skus")
        seconds = configuration.integer("seconds")
        let seed =
            configuration.optionalInteger("seed").map { UInt64($0) } ?? UInt64.random(in: 1...999_999)
        dice = DemoDice(seed: seed)
        name = "s\(seed)-\(String(UInt64(Date().timeIntervalSince1970), radix: 36))"
    }

    private var progress: DemoProgress { waiting.progress }

    func run() throws -> ExitCode {
        defer { _ = cast.stopAll() }
        print("Flash sale \(name) (--seed \(dice.seed)), with orders of several lines beside it.")
        progress.phase("creating topics")
        guard try TopicsApply(service: service).run() == .success else {
            throw RoleFailure(
                .differenceFound, "the topics are not what topics/ says; mend them, or use --topic-prefix")
        }
        let starts = try ends(Topic.allCases)
        try startCast()
        let (rate, found, practised) = try practise()
        let plan = DemoPlan(run: name, dice: dice, skus: skus, rate: rate, seconds: seconds)
        let sale = DemoSale(
            plan,
            orders: DemoOrderPlan(sale: plan, rate: service.configuration.optionalInteger("order_rate")),
            settings: settings, events: events, cast: cast, waiting: waiting)
        try sale.begin(from: try ends([.results, .reservations, .orderOutcomes]))
        try sale.sell()
        try sale.settle()
        progress.phase("stopping the processes")
        let database = try DemoDatabase(service: service, run: name)
        try awaitSink(database, starts, outcomes: sale.orders.counts.told)
        sale.end()
        let ends = cast.stopAll()

        progress.phase("checking the books from outside")
        let checks = try check(sale, starts, database, ends, practised: practised)
        print(sale.figures(found: found, practised: practised))
        return conclude(checks, plan)
    }

    /// Where topics end now.
    private func ends(_ topics: [Topic]) throws -> [Topic: [Int32: Int64]] {
        var ends: [Topic: [Int32: Int64]] = [:]
        for topic in topics { ends[topic] = try scan.ends(of: topic, isolation: .uncommitted) }
        return ends
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

    /// Warms up: at the rate that was asked for, or while it looks for the one that the machine carries.
    /// - Returns: the rate of the sale, the one that was found, if one was looked for, and how many commands were sent.
    private func practise() throws -> (rate: Int, found: RateSearch?, commands: Int) {
        let configuration = service.configuration
        let rate = configuration.optionalInteger("rate")
        let seconds = configuration.integer("warm_up")
        if let rate, seconds == 0 { return (rate, nil, 0) }
        let practice = DemoPractice(
            PracticeScript(sale: name, dice: dice, skus: skus), settings: settings, events: events,
            cast: cast,
            waiting: waiting)
        progress.phase("receiving the stock to practise with")
        try practice.begin(from: try ends([.results, .reservations]))
        defer { practice.end() }
        if let rate {
            progress.phase("warming up for \(seconds) s at \(rate) reservations a second (not timed)")
            try practice.warmUp(rate: rate, seconds: seconds)
            return (rate, nil, practice.sent)
        }
        progress.phase("warming up, and looking for the rate that this machine carries (--rate N fixes one)")
        let search = try practice.search()
        progress.note(
            search.carried.map {
                "this machine carries \($0) reservations a second"
                    + ($0 == RateSearch.highest ? ", and more is not tried" : "")
                    + "; the sale runs at half of that, \(search.saleRate) a second"
            }
                ?? "this machine does not carry \(RateSearch.lowest) reservations a second; the sale runs at "
                + "\(search.saleRate), and its figures are those of a machine that is too slow")
        return (search.saleRate, search, practice.sent)
    }

    private func awaitSink(
        _ database: DemoDatabase, _ starts: [Topic: [Int32: Int64]], outcomes: Int
    ) throws {
        // Others write into the ledger too: what an earlier run left undecided, say.
        let ours = Array(name.utf8)
        var entries = 0
        try scan.read(.ledger, from: starts[.ledger]!) {
            if $0.isRecord, let key = $0.key, key.starts(with: ours) { entries += 1 }
        }
        try waiting.wait("the sink to write \(entries) ledger entries") {
            try database.ledgerCount() >= entries
        }
        try waiting.wait("the sink to write \(outcomes) outcomes of orders") {
            try database.outcomeCount() >= outcomes
        }
    }

    private func check(
        _ sale: DemoSale, _ starts: [Topic: [Int32: Int64]], _ database: DemoDatabase,
        _ ends: [DemoCast.End], practised: Int
    ) throws -> [Check] {
        let plan = sale.plan
        let books = try DemoAudit(scan: scan, starts: starts).filled(
            DemoBooks(run: name, hotSKU: plan.hotSKU))
        var checks = [books.hotCheck(units: plan.hotUnits, reservations: plan.hotReservations)]
        checks += books.checks(expectedCommands: practised + sale.recorder.counts.sent)
        var orderBooks = DemoOrderBooks(run: name)
        try orderBooks.fill(scan, from: starts)
        checks += orderBooks.checks(expectedOrders: sale.orderPlan.count, against: books.entries)
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

    private func conclude(_ checks: [Check], _ plan: DemoPlan) -> ExitCode {
        print("\nChecks, made by reading the topics and PostgreSQL")
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
