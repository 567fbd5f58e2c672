import Foundation
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
    private let name = "sink_\(UInt32.random(in: 0...UInt32.max))"
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
