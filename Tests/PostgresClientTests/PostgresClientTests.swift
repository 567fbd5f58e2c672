import Foundation
import PostgresClient
import Testing

@Suite("What needs no server")
struct ParameterTests {
    @Test(
        "What follows from an error goes by its SQLSTATE, the longest rule first",
        arguments: [
            ("08006", Recovery.retry), ("08004", .stop), ("40001", .retry), ("40P01", .retry),
            ("23505", .stop),
            ("42501", .stop), ("57P01", .retry), ("57P04", .stop), ("25006", .retry), ("53300", .retry),
            ("99999", .stop),
        ])
    func recovery(sqlState: String, recovery: Recovery) {
        #expect(Recovery.of(sqlState: sqlState) == recovery)
    }

    @Test("The description of an address has no password")
    func description() throws {
        let parameters = try ConnectionParameters("postgresql://u:hunter2@db:5433/stock?sslmode=require")
        #expect(parameters.description == "host=db port=5433 dbname=stock user=u sslmode=require")
        #expect(parameters.connectionString.contains("hunter2"))
    }

    @Test(
        "A malformed address is refused, and the error does not repeat its password",
        arguments: ["postgresql://u:hunter2@@db/x", "postgresql://u:hunter2/@db/x", "hunter2 nonsense"])
    func malformed(url: String) {
        do {
            _ = try ConnectionParameters(url)
            Issue.record("\(url) was taken")
        } catch {
            #expect(error.recovery == .stop)
            #expect(!error.description.contains("hunter2"))
        }
    }

    @Test("An address where nobody listens is an error that may pass")
    func nobody() {
        do {
            _ = try Connection(
                url: "postgresql://u:hunter2@127.0.0.1:1/x", applicationName: "holdfast tests",
                connectTimeoutSeconds: 2)
            Issue.record("somebody listens on port 1")
        } catch {
            #expect(error.recovery == .retry)
            #expect(!error.description.contains("hunter2"))
        }
    }
}

@Suite("A genuine PostgreSQL", .enabled(if: Server.url != nil, Server.reason))
struct ConnectionTests {
    @Test("Parameters of every type come back as they went")
    func parameters() throws {
        let connection = try Server.connect()
        let result = try connection.query(
            "SELECT $1, $2, $3, $4, $5, $6[2], $7[1], $8[3], cardinality($9), $10",
            [
                .bool(true), .int32(.min), .int64(.max), .text("naïve 漢字 'quoted'"),
                .timestamp(milliseconds: -1), .int32Array([1, -2]), .int64Array([.min]),
                .textArray(["", "b", "ç"]), .textArray([]), .text(""),
            ])
        #expect(try result.bool(0, 0) == true)
        #expect(try result.int32(0, 1) == .min)
        #expect(try result.int64(0, 2) == .max)
        #expect(try result.text(0, 3) == "naïve 漢字 'quoted'")
        #expect(try result.timestampMilliseconds(0, 4) == -1)
        #expect(try result.int32(0, 5) == -2)
        #expect(try result.int64(0, 6) == .min)
        #expect(try result.text(0, 7) == "ç")
        #expect(try result.int64(0, 8) == 0)
        #expect(try result.text(0, 9) == "")
    }

    @Test("Binary COPY writes every type, NULLs, and texts larger than its buffer")
    func copy() throws {
        let connection = try Server.connect()
        try connection.execute("CREATE TEMP TABLE t (n bigint, s text, i integer, b boolean, at timestamptz)")
        let long = String(repeating: "long ", count: 100_000)
        let rows = 10_000
        let count = try connection.copyIn("COPY t FROM STDIN (FORMAT binary)") {
            writer throws(PostgresError) in
            for row in 0..<rows {
                try writer.beginRow(fields: 5)
                try writer.append(Int64(row))
                try writer.append(row == 7 ? long : row % 2 == 0 ? "even" : nil)
                try writer.append(Int32(-row))
                try writer.append(row % 3 == 0)
                try writer.append(microsecondsSince2000: PostgresTime.microseconds(since1970: Int64(row)))
            }
        }
        #expect(count == rows)
        let sums = try connection.query(
            """
            SELECT sum(n)::bigint, sum(i)::bigint, count(s), max(length(s)), count(*) FILTER (WHERE b), max(at)
            FROM t
            """)
        #expect(try sums.int64(0, 0) == 49_995_000)
        #expect(try sums.int64(0, 1) == -49_995_000)
        #expect(try sums.int64(0, 2) == 5_001)
        #expect(try sums.int64(0, 3) == 500_000)
        #expect(try sums.int64(0, 4) == 3_334)
        #expect(try sums.timestampMilliseconds(0, 5) == 9_999)
    }

    @Test("A COPY that the sender gives up stores nothing, and the connection goes on")
    func copyGivenUp() throws {
        let connection = try Server.connect()
        try connection.execute("CREATE TEMP TABLE t (n bigint)")
        let given = PostgresError(message: "given up", operation: "test", recovery: .stop)
        #expect(throws: given) {
            try connection.copyIn("COPY t FROM STDIN (FORMAT binary)") { writer throws(PostgresError) in
                try writer.beginRow(fields: 1)
                try writer.append(Int64(1))
                throw given
            }
        }
        #expect(try connection.query("SELECT count(*) FROM t").int64(0, 0) == 0)
    }

    @Test("A transaction whose body throws is rolled back, and the connection goes on")
    func rollback() throws {
        let connection = try Server.connect()
        try connection.execute("CREATE TEMP TABLE t (n bigint PRIMARY KEY)")
        #expect(throws: PostgresError.self) {
            try connection.transaction { connection in
                try connection.execute("INSERT INTO t VALUES (1)")
                try connection.execute("INSERT INTO t VALUES (1)")
            }
        }
        #expect(try connection.query("SELECT count(*) FROM t").int64(0, 0) == 0)
        try connection.transaction { try $0.execute("INSERT INTO t VALUES (2)") }
        #expect(try connection.query("SELECT n FROM t").int64(0, 0) == 2)
    }

    @Test("COMMIT of a transaction that had failed is an error, and not taken for a commit")
    func commitOfFailed() throws {
        let connection = try Server.connect()
        try connection.begin()
        _ = try? connection.execute("SELECT 1/0")
        #expect(throws: PostgresError.self) { try connection.commit() }
    }

    @Test("A statement over its limit is cancelled by the server, and may be tried again")
    func statementTimeout() throws {
        let connection = try Connection(
            url: #require(Server.url), applicationName: "holdfast tests", statementTimeoutSeconds: 1)
        do {
            try connection.execute("SELECT pg_sleep(20)")
            Issue.record("20 s passed")
        } catch {
            #expect(error.sqlState == "57014")
            #expect(error.recovery == .retry)
        }
        #expect(connection.isUsable)
    }

    @Test("A session that the administrator ends is gone, and the work may be tried again")
    func terminated() throws {
        let connection = try Server.connect()
        try Server.connect().query("SELECT pg_terminate_backend($1)", [.int32(connection.backendProcess)])
        do {
            try connection.execute("SELECT 1")
            Issue.record("the session was not ended")
        } catch {
            #expect(error.recovery == .retry)
        }
        #expect(!connection.isUsable)
    }

    @Test("A session that ends during COMMIT leaves the outcome unknown")
    func unknownCommit() throws {
        let connection = try Server.connect()
        // A deferred trigger runs in COMMIT, and ends its own session there.
        try connection.execute(
            """
            CREATE TEMP TABLE t (n bigint);
            CREATE FUNCTION pg_temp.ends() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER ends AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION pg_temp.ends()
            """)
        try connection.begin()
        try connection.execute("INSERT INTO t VALUES (1)")
        do {
            try connection.commit()
            Issue.record("the commit succeeded")
        } catch {
            #expect(error.recovery == .unknownCommit)
        }
    }

    @Test("A connection that goes away between the results of a statement leaves nothing of them in memory")
    func lostBetweenResults() throws {
        /// Resident pages of this process; large blocks go back to the system when they are freed.
        func resident() throws -> Int {
            let counts = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
            return try #require(Int(counts[1])) * Int(getpagesize())
        }
        let size = 4 << 20
        func lose() throws {
            let end = Date().addingTimeInterval(0.3)
            let connection = try Connection(
                url: #require(Server.url), applicationName: "holdfast tests", giveUp: { Date() > end })
            // The second result makes the server send all of the first.
            #expect(throws: PostgresError.self) {
                try connection.execute(
                    "SELECT repeat('x', \(size)); SELECT repeat('y', 100000); SELECT pg_sleep(20)")
            }
            #expect(!connection.isUsable)
        }
        try lose()
        let before = try resident()
        for _ in 0..<8 { try lose() }
        #expect(try resident() - before < 4 * size)
    }

    @Test("Notices reach the caller")
    func notices() throws {
        let box = Box()
        let connection = try Connection(
            url: #require(Server.url), applicationName: "holdfast tests",
            onNotice: { box.notices.append($0.message) })
        try connection.execute("DO $$ BEGIN RAISE NOTICE 'hello'; END $$")
        #expect(box.notices == ["hello"])
    }

    /// Used on one thread: notices come during the call.
    private final class Box: @unchecked Sendable { var notices: [String] = [] }
}

enum Server {
    static let url: String? = {
        let url = ProcessInfo.processInfo.environment["DATABASE_URL"] ?? ""
        return url.isEmpty ? nil : url
    }()
    static let reason = Comment(
        rawValue: ProcessInfo.processInfo.environment["HOLDFAST_NO_POSTGRES_REASON"]
            ?? "DATABASE_URL is not set")

    static func connect() throws -> Connection {
        try Connection(url: #require(url), applicationName: "holdfast tests")
    }
}
