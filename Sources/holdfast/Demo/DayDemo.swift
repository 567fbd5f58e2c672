import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations

/// `holdfast demo --scenario day`: a day in a shop with three warehouses on a genuine Kafka and PostgreSQL. Every
/// step says what has to come of it; all books are checked from outside at the end.
final class DayDemo {
    /// How long the demo waits for what must come by itself, in milliseconds.
    private static let limit = 60_000
    static let warehouses = ["LEJ", "DRS", "ERF"]

    private let service: Service
    private let settings: KafkaSettings
    private let events: ClientEvents
    private let cast: DemoCast
    private let publisher: DemoPublisher
    private var watcher: DayWatcher
    private let scan: TopicScan
    private var starts: [InventoryWire.Topic: [Int32: Int64]] = [:]
    let runID: String

    private var sent: Set<String> = []
    private var lines = 0
    private var surprises: [String] = []
    private var wantedNotices: [String] = []
    private var wantedAlerts: [String] = []
    private var repeats: [String: Int] = [:]

    init(service: Service) throws {
        self.service = service
        settings = KafkaSettings(service.configuration)
        events = service.kafkaEvents()
        runID = "d\(String(UInt64(Date().timeIntervalSince1970), radix: 36))"
        print(
            "A day in a shop with the warehouses Leipzig (LEJ), Dresden (DRS) and Erfurt (ERF); run \(runID)."
        )
        guard try TopicsApply(service: service).run() == .success else {
            throw RoleFailure(
                .differenceFound, "the topics are not what topics/ says; mend them, or use --topic-prefix")
        }
        scan = TopicScan(settings: settings, events: events)
        for topic in Topic.allCases { starts[topic] = try scan.ends(of: topic, isolation: .uncommitted) }
        cast = try DemoCast(service: service)
        publisher = try DemoPublisher(settings: settings, events: events)
        watcher = try DayWatcher(run: runID, settings: settings, events: events, from: starts)
    }

    func run() throws -> ExitCode {
        defer { _ = cast.stopAll() }
        let count = service.configuration.integer("processes")
        print("Starting \(count) processors, a delay service, a relay and a sink ...")
        for number in 1...count {
            try cast.start("processor-\(number)", ["process", "--instance-id", "processor-\(number)"])
        }
        try cast.start("delay", ["delay"])
        try cast.start("relay", ["relay"])
        try cast.start("sink", ["sink", "--migrate"])
        try cast.awaitReady()

        try tellDay()
        return try close()
    }

    // MARK: Telling

    func sku(_ name: String) -> String { "\(runID)-\(name)" }
    func id(_ name: String) -> String { "\(runID)-\(name)" }

    /// A heading of the day.
    func hour(_ time: String, _ text: String) { say("\n\(time)  \(text)") }

    private func say(_ text: String) {
        print(text)
        fflush(nil)
    }

    /// A command, and what must come of it.
    func step(
        _ text: String, _ id: ID, _ sku: ID, _ body: Command.Body, _ wanted: String,
        notices: [String] = [], alerts: [String] = []
    ) throws {
        try publish(id, sku, body)
        try answer(text, id, wanted, notices: notices, alerts: alerts)
    }

    func publish(_ id: ID, _ sku: ID, _ body: Command.Body) throws {
        let command = Command(id: ID(self.id(id.text)), sku: ID(self.sku(sku.text)), body: body)
        sent.insert(command.id.text)
        repeats[command.id.text, default: 0] += 1
        try publisher.publish(command)
        try publisher.finish()
    }

    /// What must have come of a command that was published.
    func answer(
        _ text: String, _ id: ID, _ wanted: String, notices: [String] = [], alerts: [String] = []
    ) throws {
        let id = ID(self.id(id.text))
        let count = repeats[id.text] ?? 1
        try wait("the answer to: \(text)") { self.watcher.outcomes[id.text]?.count == count }
        compare(text, DayTelling.text(watcher.outcomes[id.text]![count - 1]), wanted)
        try hear(notices: notices, alerts: alerts)
    }

    /// What the delay service brings about by itself: of a reservation or a transfer.
    func due(_ text: String, of id: ID, _ wanted: String, alerts: [String] = []) throws {
        let id = ID(self.id(id.text))
        func find() -> Outcome? { watcher.due.first { $0.reservationID == id || $0.transferID == id } }
        try wait(text) { find() != nil }
        compare(text, DayTelling.text(find()!), wanted)
        try hear(alerts: alerts)
    }

    /// Notices and alerts that must come now; none may come that is not heard of here.
    func hear(notices: [String] = [], alerts: [String] = []) throws {
        wantedNotices += notices
        wantedAlerts += alerts
        try wait("notices \(wantedNotices) and alerts \(wantedAlerts)") {
            self.watcher.notices.count >= self.wantedNotices.count
                && self.watcher.alerts.count >= self.wantedAlerts.count
        }
        let prefix = runID + "-"
        for (heard, wanted) in zip(watcher.notices.suffix(notices.count), notices) {
            compare("      told to", DayTelling.text(heard, prefix: prefix), wanted)
        }
        for (heard, wanted) in zip(watcher.alerts.suffix(alerts.count), alerts) {
            compare("      alert:", DayTelling.text(heard, prefix: prefix), wanted)
        }
    }

    private func compare(_ text: String, _ found: String, _ wanted: String) {
        lines += 1
        let padded = text.padding(toLength: max(text.count, 44), withPad: " ", startingAt: 0)
        say("       \(padded)  \(found)")
        if found != wanted {
            surprises.append("\(text): \(found), not \(wanted)")
            say("       ^ NOT AS IT MUST BE: \(wanted)")
        }
    }

    // MARK: What people publish

    func publish(warehouse: WarehouseRecord) throws {
        let id = warehouse.warehouse.id
        let before = watcher.warehouseCounts[id.text] ?? 0
        let partitions = starts[.commands]!.count
        try publisher.publish(warehouse: warehouse)
        try wait("\(id) to be known in every partition") {
            self.watcher.warehouseCounts[id.text] ?? 0 >= before + partitions
        }
    }

    func publish(product: ProductRecord) throws {
        try publisher.publish(product: product)
        guard product.policy != nil else { return }
        try wait("the policy of \(product.sku)") { self.watcher.policies.contains(product.sku.text) }
    }

    func publish(garbage: String, sku: ID) throws {
        let before = watcher.letters
        try publisher.publish(.commands, key: self.sku(sku.text), value: Array(garbage.utf8))
        try wait("the dead letter") { self.watcher.letters > before }
    }

    func killProcessors() throws {
        let names = (1...service.configuration.integer("processes")).map { "processor-\($0)" }
        try cast.killAndRestart(all: names)
    }

    private func wait(_ what: String, until isTrue: () throws -> Bool) throws {
        let deadline = Deadline(milliseconds: Self.limit)
        while try !isTrue() {
            guard !deadline.isPast else {
                throw RoleFailure(
                    .differenceFound,
                    "waited \(Self.limit / 1000) s for \(what), in vain; logs: \(cast.logDirectory)")
            }
            if service.shutdown.isRequested { throw RoleFailure(.interrupted, "interrupted") }
            try cast.check()
            try watcher.look()
        }
    }

    // MARK: Closing

    private func close() throws -> ExitCode {
        say("\nClosing: stopping the processes, and checking the books from outside ...")
        let database = try DemoDatabase(service: service, run: runID)
        var wanted = 0
        let prefix = Array((runID + "-").utf8)
        try scan.read(.ledger, from: starts[.ledger]!) {
            if $0.isRecord, let key = $0.key, key.starts(with: prefix) { wanted += 1 }
        }
        try wait("the sink to write \(wanted) ledger entries") { try database.ledgerCount() >= wanted }
        try wait("the sink to write the products and warehouses") {
            try masterData(database) == Self.masterData
        }
        let ends = cast.stopAll()
        let books = try DemoAudit(scan: scan, starts: starts).filled(DemoBooks(run: runID))
        var checks = [
            Check(
                "every step of the day came out as it must", surprises.isEmpty,
                "\(lines) answers, notices and alerts; \(surprises.count) otherwise"
                    + (surprises.first.map { ": " + $0 } ?? "")),
            Check(
                "orders and buyers were told once, and nothing else",
                watcher.notices.count == wantedNotices.count && watcher.alerts.count == wantedAlerts.count,
                "\(watcher.notices.count) notices, \(watcher.alerts.count) alerts"),
            shelves(books),
        ]
        checks += books.checks(expectedCommands: sent.count)
        checks += try database.checks(against: books)
        let transfers = try database.rows(
            """
            SELECT substr(id, length($1) + 1), status, remaining::text FROM holdfast.transfers
            WHERE starts_with(sku, $1) ORDER BY 1
            """, columns: 3)
        checks += [
            Check(
                "PostgreSQL has the transfers, the products and the warehouses",
                transfers == ["t-1 received 0", "t-2 cancelled 0"],
                (transfers + (try masterData(database))).joined(separator: "; ")),
            Check("the processors were killed", cast.kills >= 2, "\(cast.kills) SIGKILL, and restarted"),
        ]
        let unclean = ends.filter { $0.code != 0 }
        checks.append(
            Check(
                "every process ended in order on SIGTERM", unclean.isEmpty,
                "\(ends.count) processes" + unclean.map { "; \($0.name) ended with \($0.code)" }.joined()))
        print("\nChecks, made by reading the topics and PostgreSQL\n\(Check.table(checks))")
        let failed = checks.filter { !$0.isTrue }.count
        print(
            """

            \(failed == 0 ? "All \(checks.count) checks passed." : "\(failed) of \(checks.count) checks FAILED.")
            Where to look next: the logs of the processes in \(cast.logDirectory);
              psql: SELECT * FROM holdfast.inventory_transactions WHERE sku = '\(sku("TEA"))' ORDER BY sequence;
            """)
        return failed == 0 ? .success : .differenceFound
    }

    private static let masterData = [
        "DRS Dresden f", "ERF Erfurt t", "LEJ Leipzig t", "HONEY Honey, 500 g 640", "MUG Mug 310",
        "TEA Tea, 250 g 260",
    ]

    private func masterData(_ database: DemoDatabase) throws -> [String] {
        try database.rows(
            """
            SELECT id, name, left(is_active::text, 1) FROM holdfast.warehouses
            WHERE id IN ('LEJ', 'DRS', 'ERF') AND $1 <> '' ORDER BY 1
            """, columns: 3)
            + database.rows(
                """
                SELECT substr(sku, length($1) + 1), name, weight_grams::text FROM holdfast.products
                WHERE starts_with(sku, $1) ORDER BY 1
                """, columns: 3)
    }

    /// What the day must leave on the shelves: on hand, and spoiled.
    private func shelves(_ books: DemoBooks) -> Check {
        let found = books.books.sorted { $0.key < $1.key }.flatMap { sku, book in
            book.balances.sorted { $0.key < $1.key }.map { warehouse, balance in
                "\(sku.dropFirst(runID.count + 1)) \(warehouse) \(balance.onHand)"
                    + (balance.damaged > 0 ? " and \(balance.damaged) spoiled" : "")
            }
        }
        return Check(
            "the shelves hold what the day leaves", found == Self.shelves, found.joined(separator: "; "))
    }

    private static let shelves = [
        "HONEY DRS 0", "MUG LEJ 2", "TEA DRS 0", "TEA ERF 0 and 2 spoiled", "TEA LEJ 26 and 3 spoiled",
    ]
}
