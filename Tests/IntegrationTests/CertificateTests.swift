import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import PostgresClient
import Testing

@Suite(
    "Clients that say who they are by certificates", .serialized,
    .enabled(if: RealServers.canStartServers, Comment(rawValue: RealServers.serversReason)))
struct CertificateTests {
    @Test(
        """
        With a certificate of its own for Kafka, and one beside the password for PostgreSQL, each role does its work \
        with the rights of its user
        """, .timeLimit(.minutes(3)))
    func right() throws {
        let secured = try SecuredServers.shared()
        let database = try CertifiedDatabase(secured)
        let stage = try Stage(partitions: 1, secured: secured)
        defer { stage.endAll() }
        func flags(_ role: String) throws -> [String] {
            try secured.flags(certificate: secured.certificate("holdfast-\(role)"))
        }
        let roles = try [
            stage.start("process", flags("processor")), stage.start("delay", flags("delay")),
            stage.start("relay", flags("relay")),
            stage.start("sink", flags("sink"), environment: ["DATABASE_URL": database.url]),
        ]
        try stage.publish(
            product: ProductRecord(sku: "TEA", name: "Tea", policy: Policy(safetyStock: 2)))
        try stage.publish([receive("c1", 10, "TEA"), reserve("r1", 3, "TEA", ttl: 1_000)])
        try eventually("r1 has expired in PostgreSQL; \(roles[3].process.logTail())") {
            try database.owner.query(
                "SELECT (SELECT status FROM holdfast.reservations WHERE id = 'r1') = 'expired'"
            ).bool(0, 0) == true
        }
        let verified = try stage.run(
            ["verify"] + flags("operator"), environment: ["DATABASE_URL": database.url])
        #expect(verified.code == 0, "\(verified.output)")
        for role in roles {
            #expect(role.process.stop(milliseconds: 5_000) == 0)
            secured.expectNoSecret(in: role.process.logTail(lines: 100_000), role.process.name)
        }
    }

    /// What is wrong with a client's certificate, and what it is told.
    private struct Mistake {
        let name: String
        let flags: [String]
        let told: [String]
    }

    @Test(
        "A certificate that is missing, of another authority, without its key or without rights ends a role with 2, and is named",
        .timeLimit(.minutes(2)))
    func kafkaMistakes() throws {
        let secured = try SecuredServers.shared()
        let stage = try Stage(partitions: 1, secured: secured)
        defer { stage.endAll() }
        let own = secured.certificate("holdfast-processor")
        let strange = secured.certificate("holdfast-processor", of: "other")
        let nobody = secured.certificate("nobody")
        let address = try secured.kafka.address(of: "SSL")
        let mistakes = [
            Mistake(
                name: "none", flags: try secured.flags(certificate: nil),
                told: [
                    "\(address) asks for a certificate of this client, which has none",
                    "set ssl.certificate.location and ssl.key.location",
                ]),
            Mistake(
                name: "another authority's", flags: try secured.flags(certificate: strange),
                told: [
                    "\(address) refuses this client's certificate, \(strange)",
                    "set ssl.certificate.location",
                ]),
            Mistake(
                name: "no file", flags: try secured.flags(certificate: secured.certificate("none"), key: own),
                told: ["ssl.certificate.location", secured.certificate("none")]),
            Mistake(
                name: "another's key",
                flags: try secured.flags(certificate: own, key: SecuredServers.key(of: nobody)),
                told: ["ssl.key.location"]),
            Mistake(
                name: "no rights", flags: try secured.flags(certificate: nobody),
                told: ["certificate \(nobody)", "ACL on the topic"]),
        ]
        let started = try ["process", "delay", "relay", "sink"].flatMap { role in
            try mistakes.map { ($0, try stage.start(role, $0.flags, awaitReady: false)) }
        }
        for (mistake, role) in started {
            let what = "\(role.process.name), \(mistake.name)"
            let code = role.process.waitForEnd(milliseconds: 30_000)
            let log = role.process.logTail(lines: 1000)
            #expect(code == 2, "\(what): \(log)")
            let errors = log.split(separator: "\n").filter {
                $0.contains(" ERROR ") || !$0.contains(" INFO ")
            }
            .joined(separator: "\n")
            for part in mistake.told { #expect(errors.contains(part), "\(what): \(part) in \(log)") }
            #expect(!log.contains("PRIVATE KEY"), "\(what)")
            secured.expectNoSecret(in: log, what)
        }
        let tool = try stage.run(["verify", "--without-database"] + mistakes[1].flags)
        #expect(tool.code == 2 && tool.output.contains("refuses this client's certificate"), "\(tool.output)")
    }

    @Test(
        "A certificate that PostgreSQL misses or does not take ends the sink with 2, and is named, and no password is told",
        .timeLimit(.minutes(2)))
    func postgresMistakes() throws {
        let secured = try SecuredServers.shared()
        let database = try CertifiedDatabase(secured)
        let stage = try Stage(partitions: 1, secured: secured)
        defer { stage.endAll() }
        let cases: [(name: String, url: String, told: [String])] = [
            (
                "none", database.url(certificate: nil),
                [
                    "requires a valid client certificate",
                    "Set sslcert and sslkey in the URL to a certificate of this user",
                ]
            ),
            (
                "another user's", database.url(certificate: secured.certificate("holdfast-sink")),
                [SecuredServers.certified, "sslcert to a certificate of this user"]
            ),
            (
                "another authority's",
                database.url(certificate: secured.certificate(SecuredServers.certified, of: "other")),
                ["Set sslcert in the URL to a certificate of an authority that the server trusts"]
            ),
            (
                "no key",
                database.url(certificate: secured.certificate(SecuredServers.certified), key: "/none"),
                ["private key file", "Set sslcert and sslkey in the URL to files that can be read"]
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
            secured.expectNoSecret(in: log, expected.name)
        }
        let tool = try stage.run(["verify"], environment: ["DATABASE_URL": cases[2].url])
        #expect(tool.code == 2 && tool.output.contains("sslcert"), "\(tool.output)")
        secured.expectNoSecret(in: tool.output, "verify")
    }
}

/// A database of a test's own on the secured PostgreSQL, with the schema, and a sink's user who needs a certificate.
private final class CertifiedDatabase {
    /// As its superuser.
    let owner: Connection
    private let secured: SecuredServers
    private let name = "certified_\(UInt32.random(in: 0...UInt32.max))"

    init(_ secured: SecuredServers) throws {
        self.secured = secured
        let administrator = try Connection(url: secured.postgres.url, applicationName: "holdfast tests")
        try administrator.execute("CREATE DATABASE \(name)")
        let plain = String(secured.postgres.url.dropLast("holdfast".count)) + name
        owner = try Connection(url: plain, applicationName: "holdfast tests")
        for file in try FileManager.default.contentsOfDirectory(atPath: RealServers.root + "/deploy/sql")
            .sorted()
        {
            try owner.execute(
                String(contentsOfFile: RealServers.root + "/deploy/sql/" + file, encoding: .utf8))
        }
        try owner.execute(
            """
            DO $$ BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '\(SecuredServers.certified)') THEN
                    CREATE ROLE \(SecuredServers.certified) LOGIN PASSWORD '\(secured.password("sink"))'
                        IN ROLE holdfast_application;
                END IF;
            END $$;
            GRANT CONNECT, TEMPORARY ON DATABASE \(name) TO holdfast_application;
            """)
    }

    /// What is right.
    var url: String { url(certificate: secured.certificate(SecuredServers.certified)) }

    func url(certificate: String?, key: String? = nil) -> String {
        let plain = secured.databaseURL(
            user: SecuredServers.certified, password: secured.password("sink"), database: name)
        // Without a file of its own libpq would look for one in the home folder.
        guard let certificate else { return plain + "&sslcert=/none" }
        return plain + "&sslcert=\(certificate)&sslkey=\(key ?? SecuredServers.key(of: certificate))"
    }
}
