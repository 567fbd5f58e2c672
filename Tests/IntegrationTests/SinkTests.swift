import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import PostgresClient
import Testing

@Suite(
    "The sink on a genuine broker and a genuine PostgreSQL", .serialized,
    .enabled(
        if: RealServers.kafka != nil && RealServers.database != nil,
        Comment(rawValue: RealServers.bothReason)))
struct SinkTests {
    @Test(
        "Nothing is lost or doubled though PostgreSQL is killed in the middle and started again",
        .enabled(if: RealServers.canStartServers, Comment(rawValue: RealServers.serversReason)),
        .timeLimit(.minutes(5)))
    func killPostgres() throws {
        let postgres = try OwnPostgres(port: freeLoopbackPort())
        defer { postgres.end() }
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        let sink = try stage.start(
            "sink", ["--migrate", "--sink-batch-rows", "50", "--sink-interval-ms", "20"],
            environment: ["DATABASE_URL": postgres.url])
        try stage.publish([receive("c1", 100_000, "A"), receive("c2", 100_000, "B")])
        for round in 0..<3 {
            let before = sink.metric("holdfast_sink_rows_total")
            for number in 0..<1_500 {
                try stage.publishSoon(reserve("r\(round)-\(number)", 1, number % 2 == 0 ? "A" : "B"))
            }
            try eventually("rows are written in round \(round); \(sink.process.logTail(lines: 5))") {
                sink.metric("holdfast_sink_rows_total") > before
            }
            try postgres.kill()
            for number in 0..<100 { try stage.publishSoon(reserve("w\(round)-\(number)", 1, "A")) }
            try stage.flush()
            try eventually("the sink notices; \(sink.process.logTail(lines: 5))") {
                HTTPProbe.status(port: sink.port, path: "/readyz") == 503
            }
            try eventually("the lag is told while PostgreSQL is away") {
                sink.metric("holdfast_sink_lag_records") >= 100
            }
            try postgres.start()
            try sink.awaitReady()
        }
        try stage.awaitResults()
        let entries = try stage.ledger()
        try awaitRows(entries.count, postgres.url, sink)
        let told = sink.process.logTail(lines: 1000).split(separator: "\n")
        #expect(told.filter { $0.contains("waiting for PostgreSQL") }.count == 3, "told once an outage")
        #expect(sink.process.stop(milliseconds: 5_000) == 0)
        try check(entries, postgres.url)
    }

    @Test(
        "A second sink, or one whose database belongs to another topic, stops and says why",
        .timeLimit(.minutes(3)))
    func secondSink() throws {
        let database = try TestDatabase()
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        let first = try stage.start("sink", ["--migrate"], environment: ["DATABASE_URL": database.url])
        let second = try stage.start("sink", environment: ["DATABASE_URL": database.url])
        try stage.publish([receive("c1", 10, "A"), reserve("r1", 1, "A")])
        try eventually("one of the two stops") {
            first.process.exitCode != nil || second.process.exitCode != nil
        }
        let stopped = first.process.exitCode != nil ? first : second
        #expect(stopped.process.exitCode != 0)
        #expect(stopped.process.logTail().contains("another sink"))
        try awaitRows(2, database.url, first)
        try check(try stage.ledger(), database.url)
    }

    @Test("Entries of an aborted transaction are never written", .timeLimit(.minutes(3)))
    func aborted() throws {
        let database = try TestDatabase()
        let stage = try Stage()
        defer { stage.endAll() }
        let sink = try stage.start("sink", ["--migrate"], environment: ["DATABASE_URL": database.url])
        let producer = try TransactionalProducer(
            configuration: ["bootstrap.servers": stage.bootstrap, "transactional.id": stage.prefix + "abort"])
        try producer.initTransactions(timeoutMilliseconds: 20_000)
        let topic = try producer.topic(stage.name(.ledger))
        var writer = RecordWriter()
        for (round, isCommitted) in [false, true, false].enumerated() {
            try producer.begin()
            let entry = LedgerEntry(
                sku: "A", sequence: 1, movement: .receive, at: Timestamp(milliseconds: 1_790_000_000_000),
                source: Source(partition: 0, offset: Int64(round)), command: .receive,
                commandID: "round-\(round)", warehouse: "BER", quantity: 5,
                deltas: LedgerEntry.Deltas(onHand: 5), balances: LedgerEntry.Deltas(onHand: 5))
            writer.write(entry: entry)
            try writer.withBytes { value in
                _ = try Array("A".utf8).withUnsafeBytes { key in
                    try producer.produce(topic, partition: .number(0), key: key, value: value)
                }
            }
            try producer.flush(timeoutMilliseconds: 20_000)
            if isCommitted {
                try producer.commit(timeoutMilliseconds: 20_000)
            } else {
                try producer.abort(timeoutMilliseconds: 20_000)
            }
        }
        try awaitRows(1, database.url, sink)
        #expect(sink.process.stop(milliseconds: 5_000) == 0)
        let connection = try Connection(url: database.url, applicationName: "holdfast tests")
        let rows = try connection.query("SELECT command_id FROM holdfast.inventory_transactions")
        #expect(rows.rowCount == 1)
        #expect(try rows.text(0, 0) == "round-1")
    }

    private func awaitRows(_ count: Int, _ url: String, _ sink: Stage.Role) throws {
        try eventually("\(count) rows; \(sink.process.logTail(lines: 5))") {
            let connection = try Connection(url: url, applicationName: "holdfast tests")
            return try connection.query("SELECT count(*) FROM holdfast.inventory_transactions").int64(0, 0)
                ?? 0 >= Int64(count)
        }
    }

    /// The tables are the committed ledger's.
    private func check(_ entries: [LedgerEntry], _ url: String) throws {
        let connection = try Connection(url: url, applicationName: "holdfast tests")
        let rows = try connection.query(
            "SELECT sku, sequence, command_id FROM holdfast.inventory_transactions ORDER BY sku, sequence")
        var stored: [[String]] = []
        for row in 0..<rows.rowCount {
            stored.append([
                try rows.text(row, 0) ?? "", "\(try rows.int64(row, 1) ?? 0)", try rows.text(row, 2) ?? "",
            ])
        }
        let expected = entries.sorted { ($0.sku, $0.sequence) < ($1.sku, $1.sequence) }
            .map { [$0.sku.text, "\($0.sequence)", $0.commandID.text] }
        #expect(stored == expected)
        #expect(try connection.query("SELECT 1 FROM holdfast.inventory_differences").rowCount == 0)
        #expect(try connection.query("SELECT 1 FROM holdfast.check_ledger()").rowCount == 0)
        #expect(try connection.query("SELECT 1 FROM holdfast.check_chain()").rowCount == 0)
    }
}

/// A database of a test's own on the server that all tests share.
final class TestDatabase {
    let url: String
    let name = "test_\(UInt32.random(in: 0...UInt32.max))"
    /// Its owner, if that is a user of its own.
    let owner: String?
    private let administrator: Connection

    /// - Parameters:
    ///   - options: of `CREATE DATABASE`.
    ///   - ownerRights: makes a user of its own its owner, with these options of `CREATE ROLE`.
    init(_ options: String = "", ownerRights: String? = nil) throws {
        let shared = try #require(RealServers.database)
        administrator = try Connection(url: shared, applicationName: "holdfast tests")
        owner = ownerRights == nil ? nil : "\(name)_owner"
        if let owner { try administrator.execute("CREATE ROLE \(owner) LOGIN \(ownerRights ?? "")") }
        try administrator.execute(
            "CREATE DATABASE \(name) \(owner.map { "OWNER \($0)" } ?? "") \(options)")
        let path = shared.split(separator: "?").first.map(String.init) ?? shared
        let slash = try #require(path.lastIndex(of: "/"))
        var server = String(path[..<slash])
        if let owner {
            let host = server.split(separator: "@").last?.split(separator: "/").last ?? ""
            server = "postgresql://\(owner)@\(host)"
        }
        url = server + "/" + name
    }

    deinit {
        _ = try? administrator.execute("DROP DATABASE \(name) WITH (FORCE)")
        if let owner { _ = try? administrator.execute("DROP ROLE \(owner)") }
    }

    /// Runs SQL as the server's administrator.
    func administer(_ sql: String) throws { try administrator.execute(sql) }
}
