import Foundation
import InventoryCore
import Operations
import PostgresClient
import Testing

@Suite(
    "What audits see of PostgreSQL, and when", .serialized,
    .enabled(
        if: RealServers.kafka != nil && RealServers.database != nil,
        Comment(rawValue: RealServers.bothReason)))
struct SnapshotTests {
    private static let commands = 3_000

    /// A system whose sink has stored all.
    private func withSystem(_ body: (Stage, TestDatabase) throws -> Void) throws {
        let database = try TestDatabase()
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        try stage.start("sink", ["--migrate"], environment: ["DATABASE_URL": database.url])
        try publish(0..<Self.commands, to: stage)
        try awaitRows(Self.commands, in: database.url)
        try body(stage, database)
    }

    private func publish(_ numbers: Range<Int>, to stage: Stage) throws {
        for number in numbers {
            let sku = "SKU-\(number % 20)"
            if number < 20 {
                try stage.publishSoon(receive("in-\(number)", 1_000_000, ID(sku)))
            } else {
                try stage.publishSoon(reserve("r-\(number)", 1, ID(sku)))
            }
        }
        try stage.flush()
    }

    private func awaitRows(_ count: Int, in url: String) throws {
        let connection = try Connection(url: url, applicationName: "holdfast tests")
        try eventually("\(count) rows") {
            try connection.query("SELECT count(*) FROM holdfast.inventory_transactions").int64(0, 0)
                == Int64(count)
        }
    }

    @Test(
        "reconcile ends though folding the ledger takes longer than the server lets a transaction idle",
        .timeLimit(.minutes(3)))
    func longFold() throws {
        try withSystem { stage, database in
            let audit = try FrozenAudit(["reconcile"], on: stage, url: database.url)
            // The limit of every other session of ours is 30 s.
            try eventually("the session idles for 32 s", seconds: 40) {
                try #require(try audit.idleSeconds()) >= 32
            }
            let (code, output) = try audit.goOn()
            #expect(code == 0 && output.contains("; 0 differ"), "\(code): \(output)")
        }
    }

    @Test(
        "verify and reconcile say that the tables were swapped while they read, and tell no difference that is none",
        .timeLimit(.minutes(4)), arguments: ["verify", "reconcile"], [[], ["--drop-old"]] as [[String]])
    func swapped(tool: String, flags: [String]) throws {
        try withSystem { stage, database in
            let audit = try FrozenAudit([tool, "--json"], on: stage, url: database.url)
            try publish(Self.commands..<Self.commands + 500, to: stage)
            try awaitRows(Self.commands + 500, in: database.url)
            let rebuilt = try stage.run(
                ["sink", "--rebuild"] + flags, environment: ["DATABASE_URL": database.url])
            #expect(rebuilt.code == 0, "\(rebuilt.output)")
            let (code, output) = try audit.goOn()
            #expect(code == 75 && output.contains("new tables"), "\(code): \(output)")
            #expect(!output.contains("\"postgresql\"") && !output.contains("\"right\""), "\(output)")
            let again = try stage.run([tool], environment: ["DATABASE_URL": database.url])
            #expect(again.code == 0, "\(again.output)")
        }
    }

    @Test(
        "A reader of the old tables keeps them, and the rebuild that swapped them has succeeded",
        .timeLimit(.minutes(4)))
    func longReader() throws {
        try withSystem { stage, database in
            let environment = ["DATABASE_URL": database.url]
            let reader = try Connection(url: database.url, applicationName: "holdfast tests")
            try reader.execute("SET idle_in_transaction_session_timeout = 0")
            try reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            try reader.execute(
                "DECLARE pages CURSOR FOR SELECT sku FROM holdfast.inventory_transactions; FETCH 10 FROM pages"
            )
            let swapped = try stage.run(["sink", "--rebuild", "--drop-old"], environment: environment)
            #expect(swapped.code == 0, "\(swapped.output)")
            #expect(
                swapped.output.contains("is holdfast_before: process \(reader.backendProcess)"),
                "\(swapped.output)")
            #expect(try stage.run(["reconcile"], environment: environment).code == 0)
            // The next rebuild would have to drop them first, and says so before it makes anything.
            let refused = try stage.run(["sink", "--rebuild", "--drop-old"], environment: environment)
            #expect(refused.code == 1 && refused.output.contains("cannot be dropped"), "\(refused.output)")
            #expect(try reader.query("FETCH ALL FROM pages").rowCount == Self.commands - 10)
            try reader.rollback()
            let dropped = try stage.run(["sink", "--rebuild", "--drop-old"], environment: environment)
            #expect(
                dropped.code == 0 && dropped.output.contains("the old one is dropped"), "\(dropped.output)")
            try awaitRows(Self.commands, in: database.url)
        }
    }

    @Test(
        "verify --state looks at every row of PostgreSQL: also after a run without it, in another database, and after a rebuild",
        .timeLimit(.minutes(4)))
    func stateOfAnotherDatabase() throws {
        try withSystem { stage, database in
            let state = stage.folder + "/state"
            func verify(_ url: String?) throws -> (code: Int32, output: String) {
                try stage.run(
                    ["verify", "--state", state]
                        + (url.map { ["--database-url", $0] } ?? ["--without-database"]))
            }
            /// What was altered in an old row is found, and all is right again without it.
            func expectComparison(_ url: String, _ when: String) throws {
                let owner = try Connection(url: url, applicationName: "holdfast tests")
                func alter(_ note: String) throws {
                    try owner.execute(
                        """
                        ALTER TABLE holdfast.inventory_transactions DISABLE TRIGGER USER;
                        UPDATE holdfast.inventory_transactions SET note = \(note) WHERE sequence = 1 AND sku = 'SKU-3';
                        ALTER TABLE holdfast.inventory_transactions ENABLE TRIGGER USER
                        """)
                }
                try alter("'fork lift'")
                let wrong = try verify(url)
                #expect(wrong.code == 1, "\(when): \(wrong.output)")
                try alter("NULL")
                let right = try verify(url)
                #expect(right.code == 0, "\(when): \(right.output)")
                // From now on the state knows them.
                #expect(right.output.contains("the state knows nothing"), "\(right.output)")
                let known = try verify(url)
                #expect(
                    known.code == 0 && !known.output.contains("the state knows nothing"), "\(known.output)")
            }
            #expect(try verify(nil).code == 0)
            try expectComparison(database.url, "after a run without a database")

            let other = try TestDatabase()
            defer { withExtendedLifetime(other) {} }
            let sink = try stage.start("sink", ["--migrate"], environment: ["DATABASE_URL": other.url])
            try awaitRows(Self.commands, in: other.url)
            try expectComparison(other.url, "in another database")
            #expect(sink.process.stop(milliseconds: 10_000) == 0)

            let rebuilt = try stage.run(
                ["sink", "--rebuild"], environment: ["DATABASE_URL": other.url])
            #expect(rebuilt.code == 0, "\(rebuilt.output)")
            try expectComparison(other.url, "after a rebuild")

            // The topics' state is still known to who looks at them alone.
            let topics = try verify(nil)
            #expect(
                topics.code == 0 && !topics.output.contains("the state knows nothing"), "\(topics.output)")
        }
    }
}
