import LedgerSink
import PostgresClient
import Testing

@Suite("What the sink depends on in its database", .enabled(if: Database.url != nil, Database.reason))
struct DatabaseNeedsTests {
    /// A user of the test's own, who owns its database's schema; gone when the test ends.
    private final class Owner {
        let name = "owner_\(UInt32.random(in: 0...UInt32.max))"
        let database: Database
        let administrator: Connection

        init() throws {
            database = try Database()
            administrator = try database.connect()
            try administrator.execute(
                """
                CREATE ROLE \(name) LOGIN;
                ALTER SCHEMA holdfast OWNER TO \(name);
                REVOKE TEMPORARY ON DATABASE \(database.name) FROM PUBLIC;
                GRANT TEMPORARY ON DATABASE \(database.name) TO holdfast_application;
                GRANT holdfast_application TO \(name)
                """)
        }

        deinit {
            _ = try? administrator.execute(
                "REASSIGN OWNED BY \(name) TO CURRENT_USER; DROP OWNED BY \(name); DROP ROLE \(name)")
        }

        func connect() throws -> Connection {
            let connection = try database.connect()
            try connection.execute("SET SESSION AUTHORIZATION \(name)")
            return connection
        }

        /// Why the sink would not start; nil if it would.
        func refusal(role: String = "holdfast_application") throws -> String? {
            do {
                _ = try LedgerStore(
                    connection: connect(), role: role, topic: "stock.ledger", sourceTopic: "stock.commands")
                _ = try OrderStore(connection: connect(), role: role, topic: "order.outcomes")
                return nil
            } catch let refusal as DatabaseRefusal {
                return refusal.description
            }
        }

        /// Why the schema would not be made.
        func refusalOfMigration() throws -> String? {
            do {
                try DatabaseNeeds(connect(), role: "holdfast_application").checkMigration()
                return nil
            } catch let refusal as DatabaseRefusal {
                return refusal.description
            }
        }
    }

    @Test(
        "What is missing is named with the statement that cures it, and then the sink starts",
        arguments: [
            ("REVOKE holdfast_application FROM USER", "no member of the role holdfast_application"),
            ("REVOKE TEMPORARY ON DATABASE DATABASE FROM holdfast_application", "no temporary tables"),
            ("REVOKE USAGE ON SCHEMA holdfast FROM holdfast_application", "lacks rights"),
            ("REVOKE INSERT ON holdfast.inventory_transactions FROM holdfast_application", "lacks rights"),
            ("REVOKE ALL ON ALL TABLES IN SCHEMA holdfast FROM holdfast_application", "lacks rights"),
            ("REVOKE DELETE ON holdfast.order_lines FROM holdfast_application", "lacks rights"),
        ])
    func missing(damage: String, named: String) throws {
        let owner = try Owner()
        #expect(try owner.refusal() == nil)
        try owner.administrator.execute(
            damage.replacing(" USER", with: " \(owner.name)")
                .replacing("DATABASE DATABASE", with: "DATABASE \(owner.database.name)"))
        // The ledger's tables come before those of orders: each names its own.
        for _ in 0..<2 {
            guard let refusal = try owner.refusal() else { break }
            #expect(refusal.contains(named), "\(refusal)")
            let statement = try #require(refusal.firstMatch(of: /Run, as .*?: (.*)$/)?.1, "\(refusal)")
            try owner.administrator.execute(String(statement))
        }
        #expect(try owner.refusal() == nil)
    }

    @Test("A role that is not there, which the settings name, is named with the statement that makes it")
    func otherRole() throws {
        let owner = try Owner()
        let role = "role_\(UInt32.random(in: 0...UInt32.max))"
        let refusal = try #require(try owner.refusal(role: role))
        #expect(refusal.contains("CREATE ROLE \(role); GRANT \(role) TO \(owner.name)"), "\(refusal)")
    }

    @Test("A server of an earlier version than the schema needs is refused")
    func oldServer() throws {
        let database = try Database()
        do {
            _ = try DatabaseNeeds(
                database.connect(), role: "holdfast_application",
                oldestServer: 10 * DatabaseNeeds.oldestServer)
            Issue.record("it was taken")
        } catch let refusal as DatabaseRefusal {
            #expect(refusal.description.contains("is too old: Holdfast needs 170 or later"), "\(refusal)")
        }
    }

    @Test("A schema of an earlier version is named, and how it is brought up to date")
    func earlierVersion() throws {
        let owner = try Owner()
        try owner.administrator.execute("ALTER TABLE holdfast.inventory DROP COLUMN is_closed CASCADE")
        let refusal = try #require(try owner.refusal())
        #expect(refusal.contains("holdfast.inventory") && refusal.contains("--migrate"), "\(refusal)")
    }

    @Test("Before the schema is made: its owner, the right to make one, and the role of the application")
    func migration() throws {
        let owner = try Owner()
        #expect(try owner.refusalOfMigration() == nil)
        try owner.administrator.execute("REVOKE holdfast_application FROM \(owner.name)")
        #expect(
            try owner.refusalOfMigration()?.contains("GRANT holdfast_application TO \(owner.name)") == true)
        try owner.administrator.execute("ALTER SCHEMA holdfast OWNER TO CURRENT_USER")
        #expect(try owner.refusalOfMigration()?.contains("migrate as its owner") == true)
        try owner.administrator.execute("DROP SCHEMA holdfast CASCADE")
        #expect(
            try owner.refusalOfMigration()?.contains(
                "GRANT CREATE ON DATABASE \(owner.database.name) TO \(owner.name)") == true)
    }

    @Test("A database that is not UTF8 is refused before anything is made in it, and at the sink's start")
    func encoding() throws {
        let administrator = try Connection(
            url: try #require(Database.url), applicationName: "holdfast tests")
        let name = "latin1_\(UInt32.random(in: 0...UInt32.max))"
        try administrator.execute("CREATE DATABASE \(name) ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        defer { _ = try? administrator.execute("DROP DATABASE \(name) WITH (FORCE)") }
        var parameters = try ConnectionParameters(try #require(Database.url))
        parameters["dbname"] = name
        let connection = try Connection(
            url: parameters.connectionString, applicationName: "holdfast tests")
        do {
            _ = try DatabaseNeeds(connection, role: "holdfast_application")
            Issue.record("LATIN1 was taken")
        } catch let refusal as DatabaseRefusal {
            #expect(refusal.description.contains("LATIN1") && refusal.description.contains("ENCODING 'UTF8'"))
        }
        // Who runs the files by hand is told too.
        #expect(throws: PostgresError.self) { try SchemaMigrator(files: Database.files).run(on: connection) }
        #expect(
            try connection.query("SELECT to_regnamespace('holdfast') IS NULL").bool(0, 0) == true)
    }
}
