import Operations
import Testing

/// A small table with a key of each kind.
private let schema = ConfigurationSchema(
    roles: [
        ConfigurationRole("run", summary: "runs", details: "Runs."),
        ConfigurationRole("mend", summary: "mends", details: "Mends."),
    ],
    keys: [
        ConfigurationKey(
            "servers", .hostPorts, default: "127.0.0.1:9092", environmentAliases: ["SERVERS"], help: "."),
        ConfigurationKey("database", .url(schemes: ["postgresql"]), secrecy: .password, help: "."),
        ConfigurationKey("licence", .text(0...20), secrecy: .whole, help: "."),
        ConfigurationKey("interval_ms", .integer(1...1000, unit: "ms"), default: "10", help: "."),
        ConfigurationKey("timeout_ms", .integer(100...60_000, unit: "ms"), default: "5000", help: "."),
        ConfigurationKey("prefix", .name(0...8), default: "", help: "."),
        ConfigurationKey("owner", .sqlName, help: "."),
        ConfigurationKey("level", .enumeration(["low", "high"]), default: "low", help: "."),
        ConfigurationKey("eager", .boolean, default: "true", help: "."),
        ConfigurationKey("depth", .integer(1...9, unit: nil), roles: ["mend"], help: "."),
        ConfigurationKey("force", .boolean, roles: ["mend"], isFlagOnly: true, help: "."),
    ],
    relations: [.exceeds("timeout_ms", "interval_ms", times: 10, because: "a wait must end in time")],
    ownedKafkaSettings: ["acks": "leave it out: exactly once rests on it"],
    otherEnvironmentNames: ["HOLDFAST_CACHE", "HOLDFAST_TEST_*", "HOLDFAST_KAFKA_LIBS"])

private struct NoSuchFile: Error, CustomStringConvertible {
    let description = "No such file or directory"
}

private func load(
    _ arguments: [String] = [], _ environment: [String: String] = [:], file: String? = nil,
    role: String = "run"
) throws(ConfigurationErrors) -> Configuration {
    try schema.load(
        arguments: file == nil ? arguments : ["--config", "c.json"] + arguments, environment: environment,
        readFile: { _ throws(NoSuchFile) in
            guard let file else { throw NoSuchFile() }
            return Array(file.utf8)
        }, role: role)
}

/// The mistakes of a configuration that must not load.
private func mistakes(
    _ arguments: [String] = [], _ environment: [String: String] = [:], file: String? = nil,
    role: String = "run"
) -> [String] {
    do {
        _ = try load(arguments, environment, file: file, role: role)
        return []
    } catch {
        return error.mistakes.map(\.description)
    }
}

@Suite("Sources of settings")
struct ConfigurationSourceTests {
    @Test("Without anything said, defaults hold, and a key without one has no value")
    func defaults() throws {
        let configuration = try load()
        #expect(configuration.integer("interval_ms") == 10)
        #expect(configuration.source("interval_ms") == .standard)
        #expect(configuration.boolean("eager"))
        #expect(configuration.string("prefix") == "")
        #expect(configuration.optionalString("owner") == nil)
        #expect(configuration.optionalInteger("depth") == nil)
        #expect(!configuration.boolean("force"))
    }

    @Test("Flags win over the environment, the environment over the file, the file over the default")
    func precedence() throws {
        let file = #"{"interval_ms": 20, "timeout_ms": 6000, "level": "high", "kafka": {"linger.ms": 1}}"#
        let environment = [
            "HOLDFAST_INTERVAL_MS": "30", "HOLDFAST_TIMEOUT_MS": "7000", "HOLDFAST_KAFKA_LINGER_MS": "2",
        ]
        let configuration = try load(["--interval-ms", "40"], environment, file: file)
        #expect(configuration.integer("interval_ms") == 40)
        #expect(configuration.source("interval_ms") == .flag("--interval-ms"))
        #expect(configuration.integer("timeout_ms") == 7000)
        #expect(configuration.source("timeout_ms") == .environment("HOLDFAST_TIMEOUT_MS"))
        #expect(configuration.string("level") == "high")
        #expect(configuration.source("level") == .file("c.json"))
        #expect(configuration.kafka == ["linger.ms": "2"])
        #expect(try load(["--kafka.linger.ms=3"], environment, file: file).kafka == ["linger.ms": "3"])
    }

    @Test("The environment can name the file, and the flag wins over it")
    func fileFromEnvironment() throws {
        var asked: [String] = []
        let read = { (path: String) -> [UInt8] in
            asked.append(path)
            return Array("{}".utf8)
        }
        let environment = ["HOLDFAST_CONFIG": "a.json"]
        _ = try schema.load(arguments: [], environment: environment, readFile: read, role: "run")
        _ = try schema.load(
            arguments: ["--config=b.json"], environment: environment, readFile: read, role: "run")
        #expect(asked == ["a.json", "b.json"])
    }

    @Test("An alias is read when the key's own variable is not set")
    func alias() throws {
        let own = ["HOLDFAST_SERVERS": "a:1", "SERVERS": "b:2"]
        #expect(try load([], own).string("servers") == "a:1")
        let configuration = try load([], ["SERVERS": "b:2"])
        #expect(configuration.string("servers") == "b:2")
        #expect(configuration.source("servers") == .environment("SERVERS"))
    }

    @Test("A variable that is set but empty counts as not set")
    func emptyVariable() throws {
        #expect(
            try load([], ["HOLDFAST_INTERVAL_MS": "", "SERVERS": "", "HOLDFAST_CONFIG": ""]).integer(
                "interval_ms") == 10)
    }

    @Test("A flag's value stands behind a space or an equals sign, and of two the last counts")
    func flagForms() throws {
        #expect(try load(["--interval-ms", "11"]).integer("interval_ms") == 11)
        #expect(try load(["--interval-ms=12"]).integer("interval_ms") == 12)
        #expect(try load(["--interval-ms=12", "--interval-ms", "13"]).integer("interval_ms") == 13)
        #expect(try load(["--licence=--a=b"]).string("licence") == "--a=b")
    }

    @Test("A boolean is turned on by its flag and off by its no- form")
    func booleanFlags() throws {
        #expect(try !load(["--no-eager"]).boolean("eager"))
        #expect(try !load(["--eager=false"]).boolean("eager"))
        #expect(try load(["--no-eager", "--eager"]).boolean("eager"))
        #expect(try !load([], ["HOLDFAST_EAGER": "0"]).boolean("eager"))
        #expect(try !load(file: #"{"eager": false}"#).boolean("eager"))
        #expect(try load(["--force"], role: "mend").boolean("force"))
    }

    @Test("librdkafka's settings pass through from the file, the environment and flags, by its own names")
    func kafkaSettings() throws {
        let configuration = try load(
            ["--kafka.sasl.mechanism", "PLAIN", "--kafka.linger.ms=5"],
            ["HOLDFAST_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "HOLDFAST_KAFKA_LIBS": "/libs"],
            file:
                #"{"kafka": {"socket.nagle.disable": true, "queued.min.messages": 100, "ssl.ca.location": "/ca"}}"#
        )
        #expect(
            configuration.kafka == [
                "sasl.mechanism": "PLAIN", "linger.ms": "5", "security.protocol": "SASL_SSL",
                "socket.nagle.disable": "true", "queued.min.messages": "100", "ssl.ca.location": "/ca",
            ])
    }

    @Test("Null in the file leaves a key as if it were not there")
    func nullInFile() throws {
        #expect(try load(file: #"{"interval_ms": null, "kafka": {"a": null}}"#).integer("interval_ms") == 10)
    }

    @Test("A value of another role's key may stand in the file and the environment that all roles share")
    func otherRolesKeys() throws {
        #expect(try load(file: #"{"depth": 3}"#).optionalInteger("depth") == 3)
        #expect(try load([], ["HOLDFAST_DEPTH": "4"]).optionalInteger("depth") == 4)
    }
}

@Suite("Mistakes in settings")
struct ConfigurationMistakeTests {
    @Test("Every mistake of every source is reported at once, with key, value, source and what is allowed")
    func allAtOnce() {
        let found = mistakes(
            ["--level=middle", "--colour", "red", "extra", "--owner"],
            ["HOLDFAST_INTERVAL_MS": "0", "HOLDFAST_TIMOUT_MS": "1"],
            file: #"{"timeout_ms": "soon", "prefix": "a/b", "eagre": true, "kafka": {"acks": "1"}}"#)
        #expect(
            Set(found) == [
                #"level = "middle" (flag --level) is not one of the choices; allowed: one of low, high"#,
                "--colour (flag --colour) is not a flag of run; leave it out",
                "extra (flag extra) is not a flag; flags begin with --; nothing else is expected here",
                "--owner (flag --owner) has no value; write --owner VALUE or --owner=VALUE",
                #"interval_ms = "0" (environment HOLDFAST_INTERVAL_MS) is out of range; "#
                    + "allowed: a whole number from 1 to 1000 (ms)",
                "HOLDFAST_TIMOUT_MS (environment HOLDFAST_TIMOUT_MS) is not a setting; "
                    + "did you mean HOLDFAST_TIMEOUT_MS?",
                #"timeout_ms = "soon" (file c.json) is a string of JSON; "#
                    + "allowed: a whole number from 100 to 60000 (ms)",
                #"prefix = "a/b" (file c.json) has a character that is not allowed; "#
                    + "allowed: at most 8 characters of a-z A-Z 0-9 . _ -",
                "eagre (file c.json) is not a setting; did you mean eager?",
                #"kafka.acks = "1" (file c.json) is set by the program itself; leave it out: exactly once rests on it"#,
            ])
    }

    @Test("A wrong value is a mistake also where another source overrides it")
    func overriddenMistake() {
        #expect(mistakes(["--interval-ms=5"], ["HOLDFAST_INTERVAL_MS": "x"]).count == 1)
    }

    @Test(
        "Values out of their kind are refused",
        arguments: [
            ("interval-ms", "1001"), ("interval-ms", "1.5"), ("interval-ms", ""), ("prefix", "ninechars"),
            ("owner", "1st"), ("owner", "Owner"), ("owner", ""), ("eager", "maybe"), ("servers", "localhost"),
            ("servers", "a:0"), ("servers", "a:1,"), ("servers", "::1:9092"), ("servers", "a b:1"),
            ("database", "mysql://h"), ("database", "postgresql://h/a b"), ("licence", "a\nb"),
        ])
    func wrongValues(flag: String, value: String) {
        #expect(mistakes(["--\(flag)=\(value)"]).count == 1)
    }

    @Test("Values at the edge of their kind are taken")
    func rightValues() {
        #expect(mistakes(["--interval-ms=1", "--prefix=12345678", "--owner=_a1"]) == [])
        #expect(
            mistakes(["--servers=[::1]:9092,kafka.example:65535", "--database=postgresql://h1:1,h2/db"]) == []
        )
    }

    @Test("A relation between two keys is checked and told with both values and their sources")
    func relation() {
        #expect(
            mistakes(["--timeout-ms=1000"], ["HOLDFAST_INTERVAL_MS": "100"]) == [
                #"timeout_ms = "1000" (flag --timeout-ms) does not go with interval_ms = "100" "#
                    + "(environment HOLDFAST_INTERVAL_MS); "
                    + "timeout_ms must be more than 10 times interval_ms: a wait must end in time"
            ])
        #expect(mistakes(["--timeout-ms=1001", "--interval-ms=100"]) == [])
    }

    @Test("A relation is not judged where one of its keys is wrong by itself")
    func relationOfWrongKeys() {
        #expect(mistakes(["--interval-ms=5000"]).count == 1)
        #expect(mistakes(["--interval-ms=1000"], file: #"{"timeout_ms": true}"#).count == 1)
    }

    @Test("A flag of another role is refused with the roles that take it")
    func flagOfAnotherRole() {
        #expect(
            mistakes(["--depth", "3"]) == [
                "--depth (flag --depth) is not a setting of run; it is one of: mend"
            ])
    }

    @Test("A key that is a flag alone is refused in the file and the environment")
    func flagOnly() {
        #expect(
            mistakes([], ["HOLDFAST_FORCE": "true"], file: #"{"force": true}"#, role: "mend") == [
                "force (file c.json) is not a setting; only the flag --force sets it",
                "HOLDFAST_FORCE (environment HOLDFAST_FORCE) is not a setting; only the flag --force sets it",
            ])
    }

    @Test("Variables of the scripts around the program are no mistakes")
    func foreignVariables() {
        #expect(
            mistakes([], ["HOLDFAST_CACHE": "1", "HOLDFAST_TEST_SEED": "2", "HOLDFASTER": "3", "PATH": "/"])
                == [])
    }

    @Test("A mistyped flag is suggested right, with underscores as well")
    func suggestions() {
        #expect(mistakes(["--interval_ms=5"]).first?.contains("did you mean --interval-ms?") == true)
        #expect(mistakes(["--timeuot-ms", "5"]).first?.contains("did you mean --timeout-ms?") == true)
    }

    @Test("A file that cannot be read is a mistake beside the others")
    func unreadableFile() {
        let found = mistakes(["--config", "gone.json", "--level=x"])
        #expect(found.count == 2)
        #expect(
            found.first
                == #"config = "gone.json" (file gone.json) cannot be read: No such file or directory; "#
                + "give the path of a file that this user may read")
    }

    @Test(
        "A file that is not one JSON object is a mistake",
        arguments: ["", "{", "[]", "7", #"{"a": 1,}x"#, "\u{FEFF}nonsense"])
    func notAnObject(file: String) {
        #expect(mistakes(file: file).count == 1)
    }

    @Test("A key that stands twice in the file is a mistake, at any depth")
    func repeatedKey() {
        let file = #"{"level": "low", "kafka": {"a": "{\"level\":", "a": "2"}, "level": "high"}"#
        #expect(
            mistakes(file: file) == [
                "a (file c.json) stands twice in the same object; keep one of them",
                "level (file c.json) stands twice in the same object; keep one of them",
            ])
        #expect(mistakes(file: #"{"kafka": {"level": "1", "x": ":"}, "level": "low"}"#) == [])
    }

    @Test("A value of the wrong type of JSON is a mistake")
    func wrongJSONType() {
        #expect(mistakes(file: #"{"interval_ms": 1.5, "eager": 1, "prefix": 7, "kafka": []}"#).count == 4)
        #expect(mistakes(file: #"{"interval_ms": true, "level": ["low"], "kafka": {"a": {}}}"#).count == 3)
    }

    @Test("The whole message counts the mistakes and says where to read on")
    func message() {
        do {
            _ = try load(["--level=x"])
            Issue.record("a wrong level must be refused")
        } catch {
            #expect(
                error.description == """
                    1 mistake in the configuration:
                      - level = "x" (flag --level) is not one of the choices; allowed: one of low, high
                    See holdfast run --help for what is allowed.
                    """)
        }
    }
}

@Suite("Secrets in settings")
struct ConfigurationSecretTests {
    @Test(
        "A password in a URL is never printed",
        arguments: [
            ("postgresql://u:hunter2@h/db", "postgresql://u:***@h/db"),
            ("postgresql://u@h/db", "postgresql://u@h/db"),
            ("postgresql://h:5432/db", "postgresql://h:5432/db"),
            ("postgresql://u:hunter2/@h/db", "postgresql://u:***@h/db"),
            ("postgresql://u:a@hunter2@h:1/db?x=1", "postgresql://u:***@h:1/db?x=1"),
            ("postgresql://u:hunter2?a@h/db", "postgresql://u:***@h/db"),
            ("postgresql://h/db?password=hunter2&a=b", "postgresql://h/db?password=***&a=b"),
            ("postgresql://h/db?sslpassword=hunter2", "postgresql://h/db?sslpassword=***"),
            ("postgresql://h/db?pass%77ord=hunter2", "postgresql://h/db?pass%77ord=***"),
        ])
    func urlPassword(url: String, shown: String) throws {
        let configuration = try load(["--database", url])
        #expect(configuration.string("database") == url)
        #expect(configuration.description.contains("database = \(shown) (flag --database)"))
        #expect(!configuration.description.contains("hunter2"))
    }

    @Test("Secrets of librdkafka are never printed, and what is no secret is")
    func kafkaSecrets() throws {
        let configuration = try load([
            "--kafka.sasl.password=hunter2", "--kafka.ssl.key.pem=hunter2", "--kafka.sasl.username=joe",
            "--kafka.sasl.oauthbearer.client.secret=hunter2", "--kafka.ssl.keystore.password=hunter2",
        ])
        #expect(!configuration.description.contains("hunter2"))
        #expect(configuration.description.contains("kafka.sasl.password = *** (flag --kafka.sasl.password)"))
        #expect(configuration.description.contains("kafka.sasl.username = joe"))
    }

    @Test("A mistake in a secret does not print it")
    func mistakesHideSecrets() {
        let found = mistakes([
            "--database=mysql://u:hunter2@h", "--licence", "hunter2-hunter2-hunter2", "--kafka.acks=1",
        ])
        #expect(found.count == 3)
        #expect(!found.joined().contains("hunter2"))
        #expect(mistakes(["--database=u:hunter2@h"]).joined().contains("hunter2") == false)
    }
}

@Suite("Printing settings")
struct ConfigurationPrintingTests {
    @Test("What a role uses is printed in the table's order, each with its source")
    func printed() throws {
        let configuration = try load(
            ["--interval-ms=20"], file: #"{"licence": "hunter2", "kafka": {"b": 1, "a": 2}}"#)
        #expect(
            configuration.description == """
                servers = 127.0.0.1:9092 (default)
                database = none (default)
                licence = *** (file c.json)
                interval_ms = 20 (flag --interval-ms)
                timeout_ms = 5000 (default)
                prefix =  (default)
                owner = none (default)
                level = low (default)
                eager = true (default)
                kafka.a = 2 (file c.json)
                kafka.b = 1 (file c.json)
                """)
    }
}
