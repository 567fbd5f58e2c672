import Foundation
import InventoryCore
import LedgerSink
import PostgresClient
import Testing

/// A database of a test's own on a genuine PostgreSQL, with the schema; gone when the test ends.
final class Database {
    static let url: String? = {
        let url = ProcessInfo.processInfo.environment["DATABASE_URL"] ?? ""
        return url.isEmpty ? nil : url
    }()
    static let reason = Comment(
        rawValue: ProcessInfo.processInfo.environment["HOLDFAST_NO_POSTGRES_REASON"]
            ?? "DATABASE_URL is not set")

    let connectionString: String
    let name = "sink_\(UInt32.random(in: 0...UInt32.max))"
    private let administrator: Connection

    init() throws {
        let url = try #require(Self.url)
        administrator = try Connection(url: url, applicationName: "holdfast tests")
        try administrator.execute("CREATE DATABASE \(name)")
        var parameters = try ConnectionParameters(url)
        parameters["dbname"] = name
        connectionString = parameters.connectionString
        try SchemaMigrator(files: Self.files).run(on: connect())
    }

    deinit { _ = try? administrator.execute("DROP DATABASE \(name) WITH (FORCE)") }

    func connect() throws -> Connection {
        try Connection(url: connectionString, applicationName: "holdfast tests")
    }

    func store() throws -> LedgerStore {
        try LedgerStore(
            connection: connect(), role: "holdfast_application", topic: "stock.ledger",
            sourceTopic: "stock.commands")
    }

    /// The files of `deploy/sql`.
    static var files: [SchemaMigrator.File] {
        get throws {
            let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appending(path: "deploy/sql").path
            return try FileManager.default.contentsOfDirectory(atPath: folder).map {
                ($0, try String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8))
            }
        }
    }
}

extension Database {
    /// A digest of each table that the sink keeps.
    func tables() throws -> [String: String?] {
        let connection = try connect()
        var digests: [String: String?] = [:]
        for table in [
            "inventory_transactions", "inventory", "policies", "reservations", "transfers", "sink_offsets",
        ] {
            digests[table] = try connection.query(
                "SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM holdfast.\(table) t"
            ).text(0, 0)
        }
        return digests
    }
}

extension LedgerStore {
    /// Stores entries of partition 0 in batches of so many, from the stored offset on.
    func store(_ entries: [LedgerEntry], by size: Int) throws {
        var offsets = try offsets(of: 0..<1)
        for start in stride(from: 0, to: entries.count, by: size) {
            var batch = LedgerBatch(from: offsets)
            for (number, entry) in entries[start..<min(start + size, entries.count)].enumerated() {
                batch.add(LedgerRow(partition: 0, offset: Int64(start + number), entry: entry))
            }
            try store(batch)
            offsets = batch.nextOffsets
        }
    }
}

extension Connection {
    /// All values of a result, as text.
    func rows(_ sql: String) throws -> [[String?]] {
        let result = try query(sql, format: .text)
        return try (0..<result.rowCount).map { row in
            try (0..<columns(sql)).map { try result.text(row, $0) }
        }
    }

    /// How many columns the statement's result has: those before its FROM.
    private func columns(_ sql: String) -> Int {
        sql.prefix { $0 != "F" }.filter { $0 == "," }.count + 1
    }
}
