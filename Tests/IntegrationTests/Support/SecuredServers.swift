import Foundation
import KafkaClient
import Operations
import Testing

/// One broker that takes TLS, SCRAM and ACLs only, and one PostgreSQL that takes TLS and passwords only, with
/// certificates and users of their own. Those that tests share end with the tests' process.
final class SecuredServers: @unchecked Sendable {
    private static let started = Result {
        let servers = try SecuredServers()
        atexit { try? SecuredServers.shared().end() }
        return servers
    }

    static func shared() throws -> SecuredServers { try started.get() }

    /// Users of Kafka besides those of the roles: each test that takes a right away has one of its own.
    static let spareUsers = (0..<36).map { "spare-\($0)" }
    private static let roles = [
        "processor", "delay", "relay", "coordinator", "sink", "upstream", "downstream", "operator", "rebuild",
    ]

    /// A user of PostgreSQL who needs a certificate of his own besides his password.
    static let certified = "certified_sink"

    let folder = RealServers.root + "/.local/test-secured-\(UInt32.random(in: 0...UInt32.max))"
    let kafka: OwnKafka
    let postgres: OwnPostgres
    /// As its certificate names it.
    let bootstrap: String
    private let passwords: [String: String]

    var port: String { String(bootstrap.split(separator: ":").last!) }
    var authority: String { folder + "/tls/authority.pem" }
    /// An authority that signed nothing here.
    var otherAuthority: String { folder + "/other/authority.pem" }

    init() throws {
        let folder = folder
        // Readable for the user postgres, too, who must reach no more than its copy.
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Self.script("certificates.sh authority '\(folder)/tls'")
        try Self.script("certificates.sh server '\(folder)/tls' server localhost")
        try Self.script("certificates.sh authority '\(folder)/other'")
        for client in ["processor", "delay", "relay", "sink", "operator"].map({ "holdfast-\($0)" }) + [
            "nobody", Self.certified,
        ] {
            try Self.script("certificates.sh client '\(folder)/tls' \(client)")
        }
        for client in ["holdfast-processor", Self.certified] {
            try Self.script("certificates.sh client '\(folder)/other' \(client)")
        }
        var passwords: [String: String] = [:]
        for user in ["administrator"] + Self.roles.map({ "holdfast-\($0)" }) + Self.spareUsers
            + ["owner", "sink"]
        {
            passwords[user] = "secret-" + String(UInt64.random(in: 0...UInt64.max), radix: 36)
        }
        self.passwords = passwords
        try Self.scramUsers(passwords).write(toFile: folder + "/users", atomically: true, encoding: .utf8)
        kafka = try OwnKafka(environment: [
            "HOLDFAST_KAFKA_SECURED": folder + "/tls", "HOLDFAST_KAFKA_USERS": folder + "/users",
        ])
        bootstrap = "localhost:" + kafka.bootstrap.split(separator: ":").last!
        postgres = try OwnPostgres(
            port: 0, environment: ["HOLDFAST_POSTGRES_SECURED": folder + "/tls"])
        for user in passwords.keys { try writeConfiguration(of: user) }
        try administratorProperties.write(
            toFile: folder + "/administrator.properties", atomically: true, encoding: .utf8)
    }

    /// What Kafka's own tools read.
    private var administratorProperties: String {
        """
        security.protocol=SASL_SSL
        sasl.mechanism=SCRAM-SHA-512
        sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
        username="administrator" password="\(password("administrator"))";
        ssl.truststore.type=PEM
        ssl.truststore.location=\(authority)
        """
    }

    func end() {
        kafka.end()
        postgres.end()
        try? FileManager.default.removeItem(atPath: folder)
    }

    private static func script(_ command: String) throws {
        let code = system("bash '\(RealServers.root)/deploy/lib/'\(command)")
        guard code == 0 else { throw Timeout(what: command) }
    }

    /// Both mechanisms for each user, so that either can be tried.
    private static func scramUsers(_ passwords: [String: String]) -> String {
        passwords.flatMap { user, password in
            ["SCRAM-SHA-512", "SCRAM-SHA-256"].map {
                "--add-scram=\($0)=[name=\(user),password=\(password)]\n"
            }
        }.joined()
    }

    // MARK: Users

    func password(_ user: String) -> String { passwords[user]! }

    /// The settings of a client of ours; `role` is a role of acls.txt or the administrator.
    func client(_ role: String, mechanism: String = "SCRAM-SHA-512") -> KafkaConfiguration {
        let user = passwords[role] == nil ? "holdfast-\(role)" : role
        return [
            "security.protocol": "SASL_SSL", "sasl.mechanism": mechanism, "sasl.username": user,
            "sasl.password": password(user), "ssl.ca.location": authority,
        ]
    }

    /// A file for `--config`, with the password.
    func configuration(of user: String) -> String { "\(folder)/\(user).json" }

    private func writeConfiguration(of user: String) throws {
        let settings = client(user)
        let kafka = Dictionary(uniqueKeysWithValues: settings.keys.map { ($0, settings[$0]!) })
        let data = try JSONSerialization.data(withJSONObject: ["kafka": kafka])
        try data.write(to: URL(filePath: configuration(of: user)))
    }

    /// What a subcommand is started with, to say who it is by a certificate, and no password.
    ///
    /// - Parameters:
    ///   - certificate: its file; nil for none.
    ///   - key: the file of the private key, if it is another's.
    func flags(certificate: String?, key: String? = nil) throws -> [String] {
        var kafka = ["security.protocol": "SSL", "ssl.ca.location": authority]
        kafka["ssl.certificate.location"] = certificate
        kafka["ssl.key.location"] = key ?? certificate.map(Self.key(of:))
        let path = "\(folder)/certificate-\(UInt32.random(in: 0...UInt32.max)).json"
        try JSONSerialization.data(withJSONObject: ["kafka": kafka]).write(to: URL(filePath: path))
        return ["--config", path, "--bootstrap-servers", try self.kafka.address(of: "SSL")]
    }

    func certificate(_ name: String, of authority: String = "tls") -> String {
        "\(folder)/\(authority)/\(name).pem"
    }

    static func key(of certificate: String) -> String { certificate.dropLast(4) + "-key.pem" }

    /// What a subcommand is started with, to be the user of its role.
    func flags(for subcommand: [String]) -> [String] {
        let user =
            switch subcommand.first {
            case "process": "holdfast-processor"
            case "coordinate": "holdfast-coordinator"
            case "delay", "relay", "sink", "rebuild": "holdfast-" + subcommand[0]
            case "acls": "administrator"
            default: "holdfast-operator"
            }
        return ["--config", configuration(of: user)]
    }

    /// The rights of one role, for another user, and without some of them.
    ///
    /// - Parameter without: operations and kind of the role's lines of acls.txt that are left out, as `Write topic`; with
    ///   a name behind, of those alone that give a right on it.
    /// - Returns: a file for `--acl-file`.
    func acls(
        of role: String, without: String?, for user: String, _ folder: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        let all = try String(contentsOfFile: RealServers.root + "/deploy/acls.txt", encoding: .utf8)
        // OPERATIONS KIND NAMES
        var own: [[String]] = []
        for line in all.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.first == "allow", words[1].split(separator: ",").contains(Substring(role)) else {
                continue
            }
            own.append(Array(words.dropFirst(2)))
        }
        let left = (without ?? "").split(separator: " ").map(String.init)
        let kept = own.filter { line in
            guard without != nil, line.starts(with: left.prefix(2)) else { return true }
            guard left.count > 2 else { return false }
            return !line[2].split(separator: ",").contains(Substring("@PREFIX@" + left[2]))
        }
        let isOne = without == nil || kept.count < own.count
        try #require(
            isOne, "\(role) has a line \(without ?? "") in acls.txt", sourceLocation: sourceLocation)
        let path = folder + "/acls-\(user).txt"
        try (["user \(role) \(user)"] + kept.map { "allow \(role) " + $0.joined(separator: " ") }).joined(
            separator: "\n"
        )
        .write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// Writes a record as the administrator, who may write anything.
    func publish(_ topic: String, key: String, value: [UInt8]) throws {
        let client: KafkaConfiguration = ["bootstrap.servers": bootstrap]
        let producer = try Producer(configuration: client.merging(self.client("administrator")))
        let handle = try producer.topic(topic)
        _ = try value.withUnsafeBytes { value in
            try Array(key.utf8).withUnsafeBytes { key in
                try producer.produce(handle, key: key, value: value)
            }
        }
        try producer.flush(timeoutMilliseconds: 20_000)
    }

    // MARK: PostgreSQL

    /// The URL of a user of PostgreSQL, as the server's certificate names the host.
    func databaseURL(
        user: String, password: String, database: String = "stock", host: String = "localhost",
        authority: String? = nil
    ) -> String {
        let port = postgres.url.split(separator: ":").last!.split(separator: "/")[0]
        return "postgresql://\(user):\(password)@\(host):\(port)/\(database)"
            + "?sslmode=verify-full&sslrootcert=\(authority ?? self.authority)"
    }

    // MARK: Secrets

    /// No password of anyone stands in the text.
    func expectNoSecret(in text: String, _ what: String, sourceLocation: SourceLocation = #_sourceLocation) {
        let leaked = passwords.filter { text.contains($0.value) }.keys.sorted()
        #expect(leaked.isEmpty, "\(what) tells the passwords of \(leaked)", sourceLocation: sourceLocation)
    }

    // MARK: The documentation

    /// Runs a block of docs/security.md, the one after the line `<!-- tested: NAME -->`, as it stands there.
    func runDocumented(
        _ name: String, environment: [String: String], sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        let text = try String(contentsOfFile: RealServers.root + "/docs/security.md", encoding: .utf8)
        let after = text.split(separator: "<!-- tested: \(name) -->\n", maxSplits: 1)
        try #require(
            after.count == 2, "docs/security.md has no block \(name)", sourceLocation: sourceLocation)
        let lines = after[1].split(separator: "\n", omittingEmptySubsequences: false)
            .drop { $0.isEmpty }.prefix { $0.hasPrefix("    ") || $0.isEmpty }
        let script = lines.map { $0.dropFirst(4) }.joined(separator: "\n")
        return try shell(script, environment: environment, sourceLocation: sourceLocation)
    }

    /// Gives a user of Kafka another password for SCRAM-SHA-512; nil gives the first one back.
    func change(password: String?, of user: String) throws {
        _ = try shell(
            """
            kafka-configs.sh --bootstrap-server \(bootstrap) --command-config administrator.properties --alter \
                --entity-type users --entity-name \(user) \
                --add-config 'SCRAM-SHA-512=[password=\(password ?? self.password(user))]'
            """, environment: [:])
    }

    /// Runs a script in the servers' folder, with Kafka's tools and ours.
    private func shell(
        _ script: String, environment: [String: String], sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        let tools = """
            set -euo pipefail
            kafka_tool() { java -XX:TieredStopAtLevel=1 -cp "$HOLDFAST_KAFKA_LIBS/*" "$@"; }
            kafka-configs.sh() { kafka_tool kafka.admin.ConfigCommand "$@"; }
            kafka-acls.sh() { kafka_tool org.apache.kafka.tools.AclCommand "$@"; }
            PATH=$(dirname '\(RealServers.binary)'):$PATH
            cd '\(folder)'

            """
        var all = environment.merging(["HOLDFAST": RealServers.root]) { $1 }
        for name in ["PATH", "HOLDFAST_KAFKA_LIBS", "HOME"] {
            all[name] = ProcessInfo.processInfo.environment[name]
        }
        let process = try ChildProcess(
            name: "bash", executable: "/bin/bash", arguments: ["-c", tools + script], environment: all,
            logPath: "\(folder)/script-\(UInt32.random(in: 0...UInt32.max)).log")
        guard process.waitForEnd(milliseconds: 60_000) != nil else {
            process.stop(milliseconds: 1)
            throw Timeout(what: script)
        }
        let output = process.logTail(lines: 1000)
        #expect(process.exitCode == 0, "\(script): \(output)", sourceLocation: sourceLocation)
        return output
    }
}
