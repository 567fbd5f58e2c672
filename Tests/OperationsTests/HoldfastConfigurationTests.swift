import Foundation
import Operations
import Testing

private let schema = HoldfastConfiguration.schema

private func load(_ arguments: [String] = [], _ environment: [String: String] = [:], role: String = "process")
    throws(ConfigurationErrors) -> Configuration
{
    try schema.load(arguments: arguments, environment: environment, readFile: { _ in [] }, role: role)
}

@Suite("Holdfast's settings")
struct HoldfastConfigurationTests {
    @Test("Every role starts with the defaults alone", arguments: schema.roles.map(\.name))
    func defaults(role: String) throws {
        let configuration = try load(role: role)
        #expect(configuration.string("bootstrap_servers") == "127.0.0.1:9092")
        #expect(configuration.integer("commit_interval_ms") == (role == "relay" ? 10 : 25))
        #expect(configuration.integer("http_port") == 0)
        #expect(configuration.optionalString("instance_id") == nil)
        // The demo has topics of its own, with as many partitions as it has processors by default.
        #expect(configuration.optionalInteger("partitions") == (["demo": 2, "bench": 2, "scale": 4][role]))
        #expect(configuration.string("topic_prefix") == (role == "demo" ? "demo." : ""))
    }

    @Test("The usual names for the broker and the database are understood")
    func usualNames() throws {
        let environment = ["KAFKA_BOOTSTRAP": "kafka:9092", "DATABASE_URL": "postgresql://u:p@db/x"]
        let configuration = try load([], environment, role: "sink")
        #expect(configuration.string("bootstrap_servers") == "kafka:9092")
        #expect(configuration.string("database_url") == "postgresql://u:p@db/x")
        #expect(!configuration.description.contains(":p@"))
    }

    @Test("Time-outs that would end what only waits are refused")
    func relations() {
        #expect(throws: ConfigurationErrors.self) {
            try load(["--commit-interval-ms=1000", "--transaction-timeout-ms=10000"])
        }
        #expect(throws: ConfigurationErrors.self) {
            try load(["--watchdog-timeout-ms=10000"])
        }
        // Two calls of 11 s each: a watchdog that waits as long as a transaction would end who only waits.
        #expect(throws: ConfigurationErrors.self) { try load(["--watchdog-timeout-ms=22000"]) }
        #expect(throws: ConfigurationErrors.self) { try load(["--transaction-timeout-ms=15000"]) }
    }

    @Test("Settings that exactly once rests on cannot be changed", arguments: ["acks", "isolation.level"])
    func ownedSettings(name: String) {
        #expect(throws: ConfigurationErrors.self) { try load(["--kafka.\(name)=x"]) }
    }

    @Test("The help of a role lists each of its keys with flag, default, allowed values and environment name")
    func helpOfRoles() {
        for role in schema.roles where role.takesSettings {
            let help = schema.helpText(role: role.name)
            for key in schema.keys {
                let isUsed = key.roles.isEmpty || key.roles.contains(role.name)
                #expect(
                    (help.contains("\n  \(key.flag) ") || help.contains("\n  \(key.flag)\n")) == isUsed,
                    "\(key.name) in the help of \(role.name)")
                guard isUsed, !key.isFlagOnly else { continue }
                #expect(help.contains("Environment: \(key.environmentName)"))
            }
            #expect(help.contains("Usage: holdfast \(role.name) "))
            for code in ExitCode.allCases {
                #expect(help.contains("\(code.rawValue)  \(code.meaning)"))
            }
        }
    }

    @Test("A key's help tells its default, what is allowed and its environment name")
    func helpOfKey() {
        #expect(
            schema.helpText(role: "process").contains(
                """
                  --commit-interval-ms N
                      The shortest time from one commit of a partition to the next while commands come in. What
                      comes to an idle partition is committed at once. (For the relay: how long a transaction stays
                      open at most.)
                      Default 25. Allowed: a whole number from 1 to 1000 (ms).
                      Environment: HOLDFAST_COMMIT_INTERVAL_MS.
                """))
    }

    @Test("No line of help is wider than 110 characters")
    func helpWidth() {
        let texts = [schema.helpText] + schema.roles.map { schema.helpText(role: $0.name) }
        for line in texts.joined(separator: "\n").split(separator: "\n") {
            #expect(line.count <= 110, "\(line)")
        }
    }

    @Test("The help of the program lists each role and each exit code")
    func helpOfProgram() {
        for role in schema.roles {
            #expect(schema.helpText.contains("\n  \(role.name) "))
        }
        for code in ExitCode.allCases {
            #expect(schema.helpText.contains(code.meaning))
        }
    }

    @Test("Help is asked for by --help or -h, anywhere")
    func asksForHelp() {
        #expect(ConfigurationSchema.asksForHelp(["--alter", "--help"]))
        #expect(ConfigurationSchema.asksForHelp(["-h"]))
        #expect(!ConfigurationSchema.asksForHelp(["--alter"]))
    }

    @Test("A file that is not there is told with the system's reason")
    func missingFile() {
        do {
            _ = try HoldfastConfiguration.load(
                arguments: ["--config=/nowhere/holdfast.json"], role: "process")
            Issue.record("a missing file must be refused")
        } catch {
            #expect(error.description.contains("/nowhere/holdfast.json"))
            #expect(error.description.contains("No such file or directory"))
        }
    }

    @Test("A file on disk is read")
    func fileOnDisk() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("holdfast-\(UUID()).json")
            .path
        defer { unlink(path) }
        #expect(
            FileManager.default.createFile(atPath: path, contents: Data(#"{"commit_interval_ms": 7}"#.utf8)))
        let configuration = try HoldfastConfiguration.load(arguments: ["--config", path], role: "process")
        #expect(configuration.integer("commit_interval_ms") == 7)
    }
}

@Suite("The directory of topics and SQL")
struct ShareDirectoryTests {
    private func locate(_ existing: Set<String>, configured: String? = nil) throws(ShareDirectoryError)
        -> String
    {
        try ShareDirectory.locate(
            configured: configured, executable: "/work/app/.build/release/holdfast",
            workingDirectory: "/home/me/repo/x",
            isDirectory: { existing.contains($0) })
    }

    @Test("It is found on the way up from the executable")
    func fromExecutable() throws {
        #expect(
            try locate([
                "/work/app/topics", "/work/app/deploy/sql", "/home/me/repo/topics",
                "/home/me/repo/deploy/sql",
            ]) == "/work/app")
    }

    @Test("It is found on the way up from the working directory where the executable stands elsewhere")
    func fromWorkingDirectory() throws {
        #expect(
            try locate(["/work/app/topics", "/home/me/repo/topics", "/home/me/repo/deploy/sql"])
                == "/home/me/repo")
    }

    @Test("It is found where packages put such files")
    func installed() throws {
        #expect(
            try locate(["/work/share/holdfast/topics", "/work/share/holdfast/deploy/sql"])
                == "/work/share/holdfast")
    }

    @Test("A configured directory that does not hold them is refused, and no other is taken")
    func configured() {
        #expect(throws: ShareDirectoryError.self) {
            try locate(["/work/app/topics", "/work/app/deploy/sql"], configured: "/elsewhere")
        }
    }

    @Test("The error names where it was looked for and the setting that helps")
    func notFound() {
        do {
            _ = try locate([])
            Issue.record("nothing was there to be found")
        } catch {
            #expect(error.description.hasPrefix("share_directory: "))
            #expect(error.description.contains("/work/app,"))
        }
    }
}
