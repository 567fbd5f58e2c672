import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import PostgresClient
import Testing

@Suite(
    "Secured servers: TLS, SCRAM, ACLs", .serialized,
    .enabled(if: RealServers.canStartServers, Comment(rawValue: RealServers.serversReason)))
struct SecurityTests {
    // MARK: What is right

    @Test(
        """
        As docs/security.md says, with TLS, SCRAM and the rights of deploy/acls.txt alone, a reservation goes all \
        the way to PostgreSQL
        """, .timeLimit(.minutes(4)))
    func allTheWay() throws {
        // Its own: users, rights and roles are as the page makes them, and nobody else's.
        let secured = try SecuredServers()
        defer { secured.end() }
        try setUpAsDocumented(secured)
        let stage = try Stage(secured: secured)
        defer { stage.endAll() }
        let ownerURL = secured.databaseURL(user: "holdfast_owner", password: secured.password("owner"))
        let migrating = try stage.start("sink", ["--migrate"], environment: ["DATABASE_URL": ownerURL])
        #expect(migrating.process.stop(milliseconds: 5_000) == 0)

        let sinkURL = secured.databaseURL(user: "holdfast_sink", password: secured.password("sink"))
        let roles = try [
            stage.start("process", ["--log-level", "debug", "--kafka.debug", "security,broker"]),
            stage.start("delay"), stage.start("relay"),
            stage.start("sink", environment: ["DATABASE_URL": sinkURL]),
        ]
        try stage.publish(
            product: ProductRecord(sku: "TEA", name: "Tea", policy: Policy(safetyStock: 2)))
        try stage.publish([receive("c1", 10, "TEA"), reserve("r1", 3, "TEA", ttl: 600_000)])
        try stage.publish([reserve("r2", 1, "TEA", ttl: 1_000)])
        #expect(try stage.outcome(of: "c-r1").reservationID == "r1")
        let connection = try Connection(url: ownerURL, applicationName: "holdfast tests")
        try eventually("r1 lives and r2 has expired in PostgreSQL; \(roles[3].process.logTail())") {
            try connection.query(
                """
                SELECT (SELECT status FROM holdfast.reservations WHERE id = 'r1') = 'reserved'
                    AND (SELECT status FROM holdfast.reservations WHERE id = 'r2') = 'expired'
                    AND EXISTS (SELECT FROM holdfast.products WHERE sku = 'TEA')
                """
            ).bool(0, 0) == true
        }
        try stage.checkBooks()
        try readAsDownstream(stage, secured)
        for role in roles {
            let metrics = HTTPProbe.get(port: role.port, path: "/metrics") ?? ""
            #expect(metrics.contains("holdfast_"))
            secured.expectNoSecret(in: metrics, "\(role.process.name)'s /metrics")
            #expect(role.process.stop(milliseconds: 5_000) == 0)
            let log = role.process.logTail(lines: 100_000)
            #expect(log.contains("sasl.password"), "the configuration is printed")
            secured.expectNoSecret(in: log, role.process.name)
        }
        try sinkMayNoMore(sinkURL)
    }

    /// Runs the blocks of docs/security.md in their order.
    private func setUpAsDocumented(_ secured: SecuredServers) throws {
        var environment = [
            "KAFKA_BOOTSTRAP": secured.bootstrap, "AUTHORITY": secured.authority,
            "DELAY_PASSWORD": secured.password("holdfast-delay"),
            "OPERATOR_PASSWORD": secured.password("holdfast-operator"),
            "OWNER_PASSWORD": secured.password("owner"), "SINK_PASSWORD": secured.password("sink"),
            "ADMINISTRATOR_URL": secured.postgres.url, "TLS": secured.folder + "/tls",
            "CERTIFICATE_BOOTSTRAP": try secured.kafka.address(of: "SSL"),
        ]
        _ = try secured.runDocumented("user", environment: environment)
        _ = try secured.runDocumented("settings", environment: environment)
        let rights = try secured.runDocumented("rights", environment: environment)
        #expect(rights.contains("stock.commands: created with 2 partitions"), "\(rights)")
        let letters = try secured.runDocumented("certificate", environment: environment)
        #expect(letters.contains("0 letters in dead.letters"), "\(letters)")
        let printed = try secured.runDocumented("print", environment: environment)
        #expect(printed.contains("holdfast-stock-"), "\(printed)")
        _ = try secured.runDocumented("owner", environment: environment)
        environment["OWNER_URL"] = secured.databaseURL(
            user: "holdfast_owner", password: secured.password("owner"))
        _ = try secured.runDocumented("schema", environment: environment)
    }

    /// Fulfilment's user, in a group of its own, reads results and no commands.
    private func readAsDownstream(_ stage: Stage, _ secured: SecuredServers) throws {
        let client: KafkaConfiguration = [
            "bootstrap.servers": secured.bootstrap, "group.id": stage.prefix + "downstream-fulfilment",
            "auto.offset.reset": "earliest", "enable.auto.commit": "false",
        ]
        let consumer = try Consumer(
            configuration: client.merging(secured.client("downstream", mechanism: "SCRAM-SHA-256")))
        try consumer.subscribe(topics: [stage.name(.results)])
        var records = 0
        try eventually("fulfilment reads the results") {
            consumer.consumeBatch(maxMessages: 100, timeoutMilliseconds: 100) { message in
                if message.isRecord { records += 1 }
            }
            return records > 0
        }
        let admin = try Admin(configuration: client.merging(secured.client("downstream")))
        #expect {
            try admin.describeTopics([stage.name(.commands)], timeoutMilliseconds: 20_000)
        } throws: {
            ($0 as? KafkaError)?.isRefusal == true
        }
    }

    /// What the sink's user is refused.
    private func sinkMayNoMore(_ url: String) throws {
        let connection = try Connection(url: url, applicationName: "holdfast tests")
        for forbidden in [
            "UPDATE holdfast.inventory_transactions SET quantity = 1",
            "DELETE FROM holdfast.inventory_transactions", "TRUNCATE holdfast.inventory_transactions",
            "DELETE FROM holdfast.inventory", "DROP TABLE holdfast.inventory",
            "CREATE TABLE holdfast.more (a int)", "CREATE SCHEMA more", "CREATE ROLE more",
        ] {
            #expect("\(forbidden)") {
                try connection.execute(forbidden)
            } throws: {
                ($0 as? PostgresError)?.sqlState == "42501"
            }
        }
    }

    // MARK: What is wrong with the connection to Kafka

    /// What a client has wrong, and what it is told.
    private struct Mistake {
        let name: String
        var flags: [String] = []
        var bootstrap: String?
        let told: [String]
    }

    private func mistakes(_ secured: SecuredServers) -> [Mistake] {
        [
            Mistake(
                name: "password", flags: ["--kafka.sasl.password", "secret-wrong-one"],
                told: ["holdfast-", secured.bootstrap, "sasl.password"]),
            Mistake(
                name: "mechanism", flags: ["--kafka.sasl.mechanism", "PLAIN"],
                told: ["sasl.mechanism", "SCRAM-SHA-512"]),
            Mistake(
                name: "authority", flags: ["--kafka.ssl.ca.location", secured.otherAuthority],
                told: ["the certificate of \(secured.bootstrap)", "no authority", "ssl.ca.location"]),
            Mistake(
                name: "file", flags: ["--kafka.ssl.ca.location", secured.folder + "/none.pem"],
                told: ["ssl.ca.location", secured.folder + "/none.pem"]),
            Mistake(
                name: "host", bootstrap: "127.0.0.1:\(secured.port)",
                told: [
                    "the certificate of 127.0.0.1:\(secured.port)", "another host name",
                    "bootstrap.servers",
                ]),
        ]
    }

    @Test(
        "A wrong password, mechanism, authority or host ends a role with 2, is named, and no password is told",
        .timeLimit(.minutes(2)))
    func mistakes() throws {
        let secured = try SecuredServers.shared()
        let stage = try Stage(partitions: 1, secured: secured)
        defer { stage.endAll() }
        // All at once: each takes the seconds of grace that a refusal is given.
        let started = try ["process", "delay", "relay", "sink"].flatMap { role in
            try mistakes(secured).map { mistake in
                (
                    mistake,
                    try stage.start(
                        role,
                        mistake.flags
                            + (mistake.bootstrap.map { ["--bootstrap-servers", $0] } ?? []),
                        awaitReady: false)
                )
            }
        }
        for (mistake, role) in started {
            let what = "\(role.process.name), \(mistake.name)"
            let code = role.process.waitForEnd(milliseconds: 20_000)
            let log = role.process.logTail(lines: 1000)
            #expect(code == 2, "\(what): \(log)")
            for part in mistake.told { #expect(log.contains(part), "\(what): \(part) in \(log)") }
            #expect(!log.contains("secret-wrong-one"), "\(what)")
            secured.expectNoSecret(in: log, what)
            let warnings = log.split(separator: "\n").filter { $0.contains(" WARNING ") }
            #expect(warnings.count <= 3, "\(what) says it again and again: \(log)")
        }
        let tool = try stage.run(["topics", "apply", "--kafka.sasl.password", "secret-wrong-one"])
        #expect(tool.code == 2 && tool.output.contains("sasl.password"), "\(tool.output)")
    }

    @Test(
        "A broker that speaks TLS to a client that does not is waited for, and told what it looks like",
        .timeLimit(.minutes(2)))
    func otherProtocol() throws {
        let secured = try SecuredServers.shared()
        let stage = try Stage(partitions: 1, secured: secured)
        defer { stage.endAll() }
        let role = try stage.start(
            "process", ["--kafka.security.protocol", "PLAINTEXT"], awaitReady: false)
        try eventually("it says so; \(role.process.logTail())") {
            role.process.logTail().contains("security.protocol")
                && role.process.logTail().contains("waiting for the broker")
        }
        #expect(role.process.stop(milliseconds: 5_000) == 0)
    }

    @Test(
        "A role whose password the broker no longer knows waits, says so once, and goes on when it is known again",
        .timeLimit(.minutes(3)))
    func changedPassword() throws {
        let secured = try SecuredServers.shared()
        let stage = try Stage(partitions: 1, secured: secured)
        defer { stage.endAll() }
        let processor = try stage.start("process")
        try stage.publish([receive("c1", 10, "A")])
        try stage.awaitResults()
        try secured.change(password: "secret-other-one", of: "holdfast-processor")
        // Connections that are open stay so. A broker that starts again asks everyone anew.
        try secured.kafka.stop()
        try secured.kafka.start()
        func told(_ text: String) -> Int {
            processor.process.logTail(lines: 10_000).split(separator: "\n").filter { $0.contains(text) }.count
        }
        try eventually("it says so; \(processor.process.logTail(lines: 30))") {
            told("invalid credentials") > 0
        }
        // Longer than a refusal is given at a start.
        let end = Date().addingTimeInterval(5)
        try eventually("it goes on waiting") {
            #expect(processor.process.isRunning)
            return Date() > end || !processor.process.isRunning
        }
        #expect(told("invalid credentials") <= 2, "\(processor.process.logTail(lines: 30))")
        try secured.change(password: nil, of: "holdfast-processor")
        try stage.publish([reserve("r1", 1, "A")])
        try stage.awaitResults()
        #expect(processor.process.isRunning)
        secured.expectNoSecret(in: processor.process.logTail(lines: 10_000), "process")
    }

    // MARK: What is missing of the rights

    /// A right of acls.txt, the role that needs it, and what is told where it is missing.
    private struct Right {
        let role: String
        /// Operations and kind of the lines of acls.txt that are left out.
        let without: String
        let told: [String]
        /// What must be there for the role to need the right.
        var prepare: @Sendable (Stage, SecuredServers) throws -> Void = { _, _ in }
    }

    private static let rights = [
        Right(
            role: "process", without: "Write transactional-id",
            told: ["transactional id PREFIXholdfast-stock-0", "ACL on the transactional id"]),
        Right(
            role: "process", without: "Read group",
            told: ["group PREFIXholdfast", "ACL on the group"]),
        Right(
            role: "process", without: "Read topic",
            told: ["PREFIXstock.", "ACL on the topic"]),
        Right(
            role: "process", without: "Write topic",
            told: ["PREFIXstock.results", "PREFIXstock.ledger", "ACL on the topic"],
            prepare: { stage, _ in try stage.publish([receive("c1", 1, "A")]) }),
        Right(
            role: "process",
            without: "Describe group",
            told: ["group PREFIXholdfast-reader", "ACL on the group"]),
        Right(
            role: "process", without: "Describe topic",
            told: ["PREFIXwarehouses", "ACL on the topic"]),
        Right(
            role: "delay", without: "Read group",
            told: ["group PREFIXholdfast-delay", "ACL on the group"]),
        Right(
            role: "delay", without: "Write topic",
            told: ["PREFIXstock.commands", "ACL on the topic"],
            prepare: { try publishDueReservation($0, $1) }),
        Right(
            role: "relay", without: "Write topic",
            told: ["PREFIXstock.commands", "ACL on the topic"],
            prepare: { stage, _ in
                try stage.publish(
                    product: ProductRecord(sku: "A", name: "Tea", policy: Policy(safetyStock: 2)))
            }),
        Right(
            role: "relay", without: "Write transactional-id",
            told: ["transactional id PREFIXholdfast-relay", "ACL on the transactional id"]),
        Right(
            role: "sink", without: "Read topic",
            told: ["PREFIXstock.ledger", "ACL on the topic"]),
    ]

    @Test(
        "A role without one of its rights ends with 2, and names the user and what the ACL is missing for",
        .timeLimit(.minutes(3)))
    func missingRights() throws {
        let secured = try SecuredServers.shared()
        let database = try TestDatabase()
        var started: [(Right, Stage, Stage.Role, String)] = []
        defer { for (_, stage, _, _) in started { stage.endAll() } }
        for (right, user) in zip(Self.rights, SecuredServers.spareUsers) {
            let stage = try Stage(partitions: 1, secured: secured)
            let file = try secured.acls(
                of: right.role == "process" ? "processor" : right.role, without: right.without, for: user,
                stage.folder)
            let applied = try stage.run(["acls", "apply", "--acl-file", file])
            try #require(applied.code == 0, "\(applied.output)")
            try right.prepare(stage, secured)
            started.append(
                (
                    right, stage,
                    try stage.start(
                        right.role,
                        ["--config", secured.configuration(of: user)]
                            + (right.role == "sink" ? ["--migrate"] : []),
                        environment: right.role == "sink" ? ["DATABASE_URL": database.url] : [:],
                        awaitReady: false), user
                ))
        }
        for (right, stage, role, user) in started {
            let code = role.process.waitForEnd(milliseconds: 30_000)
            let log = role.process.logTail(lines: 1000)
            #expect(code == 2, "\(right.without): \(log)")
            for part in right.told + ["user \(user)"] {
                let part = part.replacing("PREFIX", with: stage.prefix)
                let errors = log.split(separator: "\n").filter { $0.contains(" ERROR ") }
                #expect(errors.contains { $0.contains(part) }, "\(right.without): \(part) in \(log)")
            }
            secured.expectNoSecret(in: log, right.without)
        }
    }

    private static func publishDueReservation(_ stage: Stage, _ secured: SecuredServers) throws {
        var writer = RecordWriter()
        let past = Timestamp(milliseconds: 1_790_000_000_000)
        writer.write(
            reservation: ReservationSnapshot(
                id: "r1", orderID: "o1", sku: "A", allocations: [Allocation(warehouse: "BER", quantity: 1)],
                reservedAt: past, expiresAt: past, reservedSequence: 1, sequence: 1))
        try secured.publish(
            stage.name(.reservations), key: #"["A","r1"]"#, value: writer.withBytes { Array($0) })
    }

    // MARK: What is wrong with the connection to PostgreSQL

    @Test(
        """
        A wrong password, user, database, authority or host of PostgreSQL ends the sink with 2, is named, and no \
        password is told
        """, .timeLimit(.minutes(2)))
    func postgresMistakes() throws {
        let secured = try SecuredServers.shared()
        let stage = try Stage(partitions: 1, secured: secured)
        defer { stage.endAll() }
        let plain = try Connection(url: secured.postgres.url, applicationName: "holdfast tests")
        let user = "right_\(UInt32.random(in: 0...UInt32.max))"
        let password = secured.password("sink")
        try plain.execute("CREATE ROLE \(user) LOGIN PASSWORD '\(password)'")
        let unencrypted = try #require(RealServers.database)
        let cases: [(name: String, url: String, told: [String])] = [
            (
                "password",
                secured.databaseURL(user: user, password: "secret-wrong-one", database: "holdfast"),
                [user, "28P01", "Set user and password in the URL"]
            ),
            (
                "no password",
                secured.databaseURL(user: user, password: "", database: "holdfast"),
                ["Give the password"]
            ),
            (
                "database", secured.databaseURL(user: user, password: password, database: "nowhere"),
                ["nowhere", "3D000", "Name a database that exists"]
            ),
            (
                "authority",
                secured.databaseURL(
                    user: user, password: password, database: "holdfast",
                    authority: secured.otherAuthority),
                ["localhost", "certificate verify failed", "sslrootcert"]
            ),
            (
                "host",
                secured.databaseURL(
                    user: user, password: password, database: "holdfast", host: "127.0.0.1"),
                ["127.0.0.1", "does not match host name", "as the server's certificate does"]
            ),
            (
                "no TLS", unencrypted + "?sslmode=require",
                ["does not support SSL", "Turn ssl on in the server"]
            ),
        ]
        let started = try cases.map {
            try stage.start("sink", environment: ["DATABASE_URL": $0.url], awaitReady: false)
        }
        for (expected, sink) in zip(cases, started) {
            let code = sink.process.waitForEnd(milliseconds: 20_000)
            let log = sink.process.logTail(lines: 1000)
            #expect(code == 2, "\(expected.name): \(log)")
            for part in expected.told + ["DATABASE_URL"] {
                #expect(log.contains(part), "\(expected.name): \(part) in \(log)")
            }
            #expect(!log.contains("secret-wrong-one"))
            secured.expectNoSecret(in: log, expected.name)
        }
    }
}

@Suite("What a role listens on")
struct ListeningTests {
    @Test("Health and metrics are served on 127.0.0.1 alone unless http_address says otherwise")
    func loopback() throws {
        let port = try freeLoopbackPort()
        let log = NSTemporaryDirectory() + "holdfast-listening-\(UInt32.random(in: 0...UInt32.max)).log"
        defer { try? FileManager.default.removeItem(atPath: log) }
        // No broker is needed for that: it is waited for.
        func start(_ more: [String]) throws -> ChildProcess {
            try ChildProcess(
                name: "process", executable: RealServers.binary,
                arguments: [
                    "process", "--bootstrap-servers", "127.0.0.1:1", "--http-port", "\(port)",
                ] + more, environment: [:], logPath: log)
        }
        let closed = try start([])
        defer { closed.stop(milliseconds: 5_000) }
        try eventually("it serves; \(closed.logTail())") {
            HTTPProbe.status(port: port, path: "/healthz") == 200
        }
        // Every address of 127/8 is this machine's, and so stands for all others that it has.
        #expect(HTTPProbe.status(port: port, path: "/healthz", address: "127.0.0.2") == nil)
        #expect(closed.stop(milliseconds: 5_000) == 0)
        let open = try start(["--http-address", "0.0.0.0"])
        defer { open.stop(milliseconds: 5_000) }
        try eventually("it serves on all addresses; \(open.logTail())") {
            HTTPProbe.status(port: port, path: "/healthz", address: "127.0.0.2") == 200
        }
    }
}
