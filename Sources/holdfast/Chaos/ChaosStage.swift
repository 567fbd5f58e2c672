import Foundation
import InventoryCore
import KafkaClient
import Operations

/// What a fault is done to: roles at work on topics of their own, commands that flow, and somebody who watches.
final class ChaosStage {
    static let processors = ["processor-1", "processor-2"]
    static let partitions: Range<Int32> = 0..<4
    /// How long what must come by itself may take, in milliseconds.
    static let limit = 120_000
    /// How long after its time a reservation that only the delay service sees may end, in milliseconds.
    private static let latestExpiry = 5_000

    /// A point in time, and the number of the first command that was published after it.
    struct Moment {
        let time: UInt64
        let number: Int
    }

    let service: Service
    let servers: ChaosServers
    let cast: DemoCast
    /// For the victims.
    var random: ChaosRandom
    /// Roles that are still to be killed this time round.
    var victims: [String] = []
    /// What this round was about, for the progress.
    var detail = ""
    /// Between the sink and PostgreSQL, where a fault wants it.
    var proxy: CommitProxy?
    private let run: String
    private let settings: KafkaSettings
    let load: ChaosLoad
    private let watcher: ChaosWatcher
    private let scan: TopicScan
    private let administrator: Admin
    private var starts: [Topic: [Int32: Int64]] = [:]
    private var ends: [DemoCast.End] = []

    /// Makes the topics, and begins to watch; nothing is started yet.
    init(service base: Service, servers: ChaosServers, fault: ChaosFault, seed: UInt64) throws {
        let configuration = base.configuration.with("bootstrap_servers", servers.bootstrap)
            .with("database_url", try servers.makeDatabase("chaos_\(fault.name)")).with(
                "topic_prefix", "chaos-\(fault.name)."
            )
            .with("partitions", String(Self.partitions.count))
        service = Service(base, configuration: configuration)
        self.servers = servers
        settings = KafkaSettings(configuration)
        run = "\(fault.name)\(seed)-\(String(UInt64(Date().timeIntervalSince1970), radix: 36))"
        random = ChaosRandom(seed: seed, name: fault.name)
        load = ChaosLoad(
            run: run, rate: configuration.integer("rate"), random: ChaosRandom(seed: random.next()),
            forOrders: ChaosRandom(seed: seed, name: "orders"))
        watcher = ChaosWatcher(run: run, settings: settings)
        let logs = "\(servers.folder)/log/\(fault.name)"
        cast = try DemoCast(service: service, logDirectory: logs)
        guard try TopicsApply(service: service, print: { _ in }).run() == .success else {
            throw RoleFailure(.internalFault, "the topics cannot be made")
        }
        scan = TopicScan(settings: settings, events: .ignored)
        administrator = try Admin(configuration: settings.common())
        starts = try Self.starts(scan)
        watcher.start(
            from: [.results: starts[.results]!, .reservations: starts[.reservations]!])
    }

    /// Where every partition of every topic ends now. A broker may not yet know topics that its controller has created
    /// a moment ago, and then says that there are none.
    private static func starts(_ scan: TopicScan) throws -> [Topic: [Int32: Int64]] {
        let deadline = Deadline(milliseconds: 30_000)
        var starts: [Topic: [Int32: Int64]] = [:]
        for topic in Topic.allCases {
            while starts[topic, default: [:]].isEmpty {
                do {
                    starts[topic] = try scan.ends(of: topic, isolation: .uncommitted)
                } catch {
                    guard !deadline.isPast else { throw error }
                }
                guard !deadline.isPast else {
                    throw RoleFailure(.internalFault, "no broker knows \(topic.rawValue)")
                }
            }
        }
        return starts
    }

    // MARK: Names and places

    func name(_ topic: Topic) -> String { settings.name(topic) }
    /// The processors' group.
    var group: String { settings.group(nil) }
    func transactionalID(_ partition: Int32) -> String { settings.transactionalID(partition) }
    func ledgerEnds() throws -> [Int32: Int64] { try scan.ends(of: .ledger) }

    func placements() throws -> [String: [Int32: PartitionPlacement]] {
        try administrator.placements(timeoutMilliseconds: 10_000)
    }

    // MARK: Roles

    /// Two processors, a delay service, a relay, a coordinator and a sink.
    func startRoles() throws {
        for name in Self.processors { try startProcessor(name) }
        try startOthers()
    }

    /// A static member of the group, whose successor has its partitions at once.
    func startProcessor(_ name: String, in surroundings: DemoCast.Surroundings = .init()) throws {
        try cast.start(name, ["process", "--instance-id", name], in: surroundings)
    }

    func startOthers(sink surroundings: DemoCast.Surroundings = .init()) throws {
        try cast.start("delay", ["delay", "--instance-id", "delay"])
        try cast.start("relay", ["relay"])
        // What a fault has cut is asked for again soon.
        try cast.start(
            "coordinator", ["coordinate", "--instance-id", "coordinator", "--reply-limit-ms", "3000"])
        try cast.start("sink", ["sink", "--migrate"], in: surroundings)
    }

    /// Stops a role in order, to be started again otherwise.
    func stopInOrder(_ name: String) { if let end = cast.stop(name) { ends.append(end) } }

    /// Waits until all are ready, and lets commands flow.
    func beginLoad() throws {
        try cast.awaitReady()
        let start = moment()
        try load.publishOpeningStock(settings)
        load.begin(settings)
        _ = try recovery(since: start)
    }

    // MARK: Time

    func moment() -> Moment { Moment(time: MonotonicTime.now(), number: load.sent) }

    /// Waits until every partition has a result of a command that was published after `start`, and the processes of
    /// those names are ready.
    /// - Returns: how long that took, in seconds.
    func recovery(since start: Moment, ready names: [String] = []) throws -> Double {
        watcher.mark(number: start.number, partitions: Self.partitions)
        var unready = names
        var readyAt = start.time
        try wait("every partition to give results, and \(names) to be ready") {
            if !unready.isEmpty {
                unready.removeAll { self.cast.isReady($0) }
                readyAt = MonotonicTime.now()
            }
            return self.watcher.recoveredAt != nil && unready.isEmpty
        }
        let end = max(watcher.recoveredAt!, readyAt)
        return Double(end - min(end, start.time)) / 1e9
    }

    /// Lets commands flow for a while.
    func pass(milliseconds: Int) throws {
        let deadline = Deadline(milliseconds: milliseconds)
        while !deadline.isPast { try look(for: min(20, deadline.remainingMilliseconds)) }
    }

    /// - Throws: `RoleFailure` if it does not come to be in time, if a process ends in a way that no
    /// supervisor would mend, or if the run is to end.
    func wait(_ what: String, milliseconds: Int = limit, until isTrue: () throws -> Bool) throws {
        let deadline = Deadline(milliseconds: milliseconds)
        while try !isTrue() {
            guard !deadline.isPast else {
                throw RoleFailure(
                    .differenceFound,
                    "waited \(milliseconds / 1000) s for \(what), in vain; sent \(load.sent), answered "
                        + "\(watcher.answered), silent partitions \(watcher.silent.list)")
            }
            try look(for: 20)
        }
    }

    private func look(for milliseconds: Int) throws {
        if service.shutdown.wait(timeoutMilliseconds: milliseconds) {
            throw RoleFailure(.interrupted, "interrupted")
        }
        try cast.supervise()
        if let failure = watcher.failure { throw RoleFailure(.internalFault, "the watcher: \(failure)") }
        if let failure = load.failure { throw RoleFailure(.internalFault, "the load: \(failure)") }
    }

    /// Waits until a reservation that only the delay service sees has expired, in time.
    func awaitLonelyExpiry() throws {
        try load.publishLonely(settings, timeToLive: 1_000) { watcher.expectEnd(of: ID($0)) }
        try wait(
            "a reservation to expire by the delay service alone", milliseconds: 1_000 + Self.latestExpiry
        ) {
            self.watcher.hasExpectedEnded
        }
    }

    // MARK: The end

    /// Waits until every command has its answer, every reservation has ended and PostgreSQL has it all; then ends the
    /// roles, and checks the books.
    func settle() throws -> [Check] {
        load.stop()
        try wait("the broker to have all commands") { self.load.isDone }
        do {
            try wait("all answers") { self.watcher.answered >= self.load.sent }
        } catch let failure as RoleFailure where failure.exitCode == .differenceFound {
            // The books say whether commands, decisions or results are missing.
            let books = try DemoAudit(scan: scan, starts: starts).filled(DemoBooks(run: run))
            print(Check.table(books.checks(expectedCommands: load.sent)))
            throw failure
        }
        try wait("the relay to carry \(load.products) policies") {
            self.watcher.policies >= self.load.products
        }
        try wait("the last reservation to end") { self.watcher.live == 0 }
        try wait("\(load.orders) orders to end") { try self.orderBooks().ended == self.load.orders }
        // What they have sent still wants an answer.
        for name in ["delay", "relay", "coordinator"] { stopInOrder(name) }
        var books = DemoBooks(run: run)
        try wait("an answer to what delay service, relay and coordinator have sent") {
            books = try DemoAudit(scan: self.scan, starts: self.starts).filled(DemoBooks(run: self.run))
            return books.unansweredCount == 0
        }
        let database = try DemoDatabase(service: service, run: run)
        try wait("the sink to write \(books.entries.count) ledger entries") {
            try database.ledgerCount() >= books.entries.count
        }
        watcher.stop()
        ends += cast.stopAll()
        return try checks(books, database)
    }

    private func orderBooks() throws -> DemoOrderBooks {
        var books = DemoOrderBooks(run: run)
        try books.fill(scan, from: starts)
        return books
    }

    private func checks(_ books: DemoBooks, _ database: DemoDatabase) throws -> [Check] {
        let unclean = ends.filter { $0.code != 0 }
        return books.checksBesideVerify(expectedCommands: load.sent)
            + (try orderBooks().checks(expectedOrders: load.orders, against: books.entries)) + (try audits())
            + (try database.ownChecks()) + [
                Check(
                    "every product's policy was carried by the relay", watcher.policies == load.products,
                    "\(watcher.policies) of \(load.products)"),
                Check(
                    "every process ended in order on SIGTERM", unclean.isEmpty,
                    "\(ends.count) processes" + unclean.map { "; \($0.name) ended with \($0.code)" }.joined()),
            ]
    }

    /// Prints how far each partition has come and what roles and brokers said last: a wait that was in vain on a machine
    /// that is gone by then is to be understood from its output.
    func printState() {
        for topic in [Topic.commands, .results, .ledger, .orders, .orderReplies, .orderOutcomes] {
            do {
                // What `read_committed` does not reach lies in a transaction that is open.
                let all = try scan.ends(of: topic, isolation: .uncommitted)
                let committed = try scan.ends(of: topic)
                let ends = Self.partitions.map {
                    "\($0): \(committed[$0].map(String.init) ?? "?") of \(all[$0].map(String.init) ?? "?")"
                }
                print("    \(topic.rawValue), committed of all: \(ends.joined(separator: ", "))")
            } catch {
                print("    \(topic.rawValue): \(error)")
            }
        }
        do {
            let placements = try placements().sorted { $0.key < $1.key }
            for (topic, partitions) in placements where topic == name(.results) || topic.hasPrefix("__") {
                let lame = partitions.filter { $0.value.leader <= 0 || $0.value.inSync.count < 2 }.keys
                print(
                    "    \(topic): partitions without a leader or with one replica in sync: [\(lame.sorted().list)]"
                )
            }
        } catch {
            print("    the placements: \(error)")
        }
        for part in cast.parts { print("    \(part.name)'s log ends:\n\(part.process.logTail(lines: 12))") }
        print(servers.brokersTrouble(lines: 12))
    }

    /// Ends what still runs; after a failure too.
    func end() {
        load.stop()
        watcher.stop()
        proxy?.stop()
        // One that is stopped by a signal ends when it goes on.
        for part in cast.parts { part.process.send(SIGCONT) }
        _ = cast.stopAll()
    }
}
