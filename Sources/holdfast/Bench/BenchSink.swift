import Foundation
import InventoryWire
import KafkaClient
import LedgerSink
import Operations
import PostgresClient

/// The ledger's way into PostgreSQL: `holdfast sink`, and `sink --rebuild` of what that has made, beside a bare COPY of the
/// very same rows into a table that is defined as the ledger's is.
struct BenchSink {
    /// The part of the rows that are receipts, one a SKU.
    private static let skuShare = 10
    private static let statementSeconds = 3600
    static let bare = "bare COPY"
    static let rebuild = "sink --rebuild"
    private static let copy = "bench.inventory_transactions"

    private let stage: BenchStage
    private let name: String
    private let folder: String

    /// - Parameter name: a word of the run's, for its databases.
    init(_ stage: BenchStage, name: String, folder: String) {
        self.stage = stage
        self.name = name
        self.folder = folder
    }

    func run(rounds: Int, tell: (BenchFigure) throws -> Void) throws {
        let wanted = stage.service.configuration.integer("sink_rows")
        let load = BenchLoad(
            .mix, skus: max(1, wanted / Self.skuShare), partitions: stage.partitions)
        try stage.decide(load, commands: wanted - load.skuCount)
        let scan = TopicScan(settings: stage.settings, events: .ignored)
        var rows = 0
        try scan.read(.ledger, from: scan.extents(of: .ledger).mapValues(\.lowerBound)) { _ in rows += 1 }
        for round in 1...rounds {
            try withDatabase("holdfast_bench_\(name)_\(round)") { database in
                let (seconds, cpu) = try sink(rows, database)
                try tell(figure(BenchContestant.holdfast.rawValue, rows, seconds, round, cpu: cpu))
                try tell(figure(Self.rebuild, rows, try rebuild(rows, database), round))
                try tell(figure(Self.bare, rows, try bareCopy(rows, database), round))
            }
        }
    }

    private func figure(
        _ contestant: String, _ rows: Int, _ seconds: Double, _ round: Int, cpu: Double? = nil
    ) -> BenchFigure {
        BenchFigure(
            kind: .sink, contestant: contestant, load: BenchLoad.Kind.mix.rawValue, round: round,
            commands: rows, seconds: seconds, perSecond: Double(rows) / seconds,
            partitions: Int(stage.partitions), cpuMicroseconds: cpu.map { $0 * 1e6 / Double(rows) })
    }

    // MARK: The two

    /// - Returns: seconds from the start of its process to when all rows are committed, and what it used of the
    ///   processors until then.
    private func sink(_ rows: Int, _ database: BenchDatabase) throws -> (Double, cpu: Double?) {
        try database.migrate(stage.service)
        database.checkpoint()
        let role = try stage.start("sink", variables: ["DATABASE_URL": database.url])
        defer { stage.end(role) }
        var stored = 0
        // It counts what it has committed.
        try stage.wait(for: "rows in PostgreSQL", moving: stored) {
            stored = Int(role.metric("holdfast_sink_rows_total"))
            return stored >= rows
        }
        let seconds = MonotonicTime.seconds(since: role.began)
        let cpu = ProcessorTime.seconds(process: role.identifier)
        try check(database, "holdfast.inventory_transactions", rows)
        return (seconds, cpu)
    }

    /// - Returns: seconds from the start of its process to its end: the tables filled anew, and swapped.
    private func rebuild(_ rows: Int, _ database: BenchDatabase) throws -> Double {
        database.checkpoint()
        let role = try stage.start(
            "sink", ["--rebuild", "--drop-old"], variables: ["DATABASE_URL": database.url])
        defer { stage.end(role) }
        let seconds = try stage.waitForEnd(of: role, within: Self.statementSeconds)
        try check(database, "holdfast.inventory_transactions", rows)
        return seconds
    }

    /// psql sends a file to one COPY in one transaction.
    private func bareCopy(_ rows: Int, _ database: BenchDatabase) throws -> Double {
        let file = "\(folder)/ledger-rows"
        defer { try? FileManager.default.removeItem(atPath: file) }
        try database.execute("CREATE SCHEMA bench")
        try database.execute(
            "CREATE TABLE \(Self.copy) (LIKE holdfast.inventory_transactions INCLUDING ALL)")
        _ = try database.psql("\\copy holdfast.inventory_transactions TO '\(file)' (FORMAT binary)", folder)
        database.checkpoint()
        let seconds = try database.psql("\\copy \(Self.copy) FROM '\(file)' (FORMAT binary)", folder)
        try check(database, Self.copy, rows)
        return seconds
    }

    private func check(_ database: BenchDatabase, _ table: String, _ rows: Int) throws {
        let found = try database.count(table)
        guard found == rows else {
            throw RoleFailure(.differenceFound, "\(table) has \(found) rows; the ledger has \(rows)")
        }
    }

    // MARK: The database

    /// A database of the round's own, which goes at the end.
    private func withDatabase(_ name: String, _ body: (BenchDatabase) throws -> Void) throws {
        let url = stage.service.configuration.string("database_url")
        let server = try Connection(
            url: url, applicationName: "holdfast bench", statementTimeoutSeconds: Self.statementSeconds)
        try server.execute("CREATE DATABASE \(name)")
        defer { _ = try? server.execute("DROP DATABASE \(name) WITH (FORCE)") }
        try body(
            try BenchDatabase(
                url: try BenchDatabase.url(url, database: name), statementSeconds: Self.statementSeconds))
    }
}

/// A database that the benchmark has made.
struct BenchDatabase {
    let url: String
    private let connection: Connection

    init(url: String, statementSeconds: Int) throws {
        self.url = url
        connection = try Connection(
            url: url, applicationName: "holdfast bench", statementTimeoutSeconds: statementSeconds)
    }

    /// Another database of the same server.
    static func url(_ url: String, database: String) throws -> String {
        guard var parts = URLComponents(string: url) else {
            throw RoleFailure(.usage, "database_url cannot be read as a URL")
        }
        parts.path = "/" + database
        return parts.string!
    }

    func execute(_ sql: String) throws { try connection.execute(sql) }

    func count(_ table: String) throws -> Int {
        Int(try connection.query("SELECT count(*) FROM \(table)").int64(0, 0) ?? 0)
    }

    /// Each measurement begins with nothing left to write; who may not ask for it measures without.
    func checkpoint() { _ = try? connection.execute("CHECKPOINT") }

    func migrate(_ service: Service) throws {
        let files = try SinkDatabase(service, Patience(service.shutdown)).files()
        try SchemaMigrator(files: files).run(on: connection)
    }

    /// Lets psql do a command.
    /// - Returns: how many seconds it took.
    func psql(_ command: String, _ folder: String) throws -> Double {
        guard var parts = URLComponents(string: url) else {
            throw RoleFailure(.usage, "database_url cannot be read as a URL")
        }
        // Not among the arguments, which everyone can see.
        var environment = ProcessInfo.processInfo.environment
        if let password = parts.password { environment["PGPASSWORD"] = password }
        parts.password = nil
        let began = MonotonicTime.now()
        let process = try ChildProcess(
            name: "psql", executable: "/usr/bin/env",
            arguments: ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", parts.string!, "-c", command],
            environment: environment, logPath: "\(folder)/psql.log")
        while process.exitCode == nil { usleep(2_000) }
        guard process.exitCode == 0 else {
            throw RoleFailure(.internalFault, "psql failed:\n\(process.logTail())")
        }
        return MonotonicTime.seconds(since: began)
    }
}
