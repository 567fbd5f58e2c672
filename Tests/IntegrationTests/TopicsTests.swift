import Foundation
import KafkaClient
import Testing

@Suite(
    "holdfast topics apply on a genuine broker", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct TopicsTests {
    private func setting(_ name: String, of topic: String, _ admin: Admin) throws -> String? {
        try admin.describeConfigs(topics: [topic], timeoutMilliseconds: 20_000)[topic]?[name]?.value
    }

    @Test(
        "What is there already is left as it is, and a second run changes nothing", .timeLimit(.minutes(2)))
    func again() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        let (code, output) = try stage.run(["topics", "apply", "--partitions", "2"])
        #expect(code == 0, "\(output)")
        for topic in Topic.allCases { #expect(output.contains("\(stage.name(topic)): as it should be")) }
    }

    @Test(
        "Drift is told and ends with 1; only --alter mends it, and nothing is deleted",
        .timeLimit(.minutes(2)))
    func drift() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        let admin = try Admin(configuration: ["bootstrap.servers": stage.bootstrap])
        let name = stage.name(.results)
        try admin.incrementalAlterConfigs(
            topic: name, settings: ["retention.ms": "1234567"], timeoutMilliseconds: 20_000)
        try eventually("the broker knows what its controller has taken") {
            try setting("retention.ms", of: name, admin) == "1234567"
        }
        let other = stage.prefix + "stock.other"
        _ = try admin.createTopics(
            [NewTopic(name: other, partitionCount: 1, replicationFactor: -1, settings: [:])],
            timeoutMilliseconds: 20_000)

        let told = try stage.run(["topics", "apply", "--partitions", "2"])
        #expect(told.code == 1)
        #expect(told.output.contains("\(name): retention.ms is 1234567, the contract says 604800000"))
        #expect(try setting("retention.ms", of: name, admin) == "1234567")

        let altered = try stage.run(["topics", "apply", "--partitions", "2", "--alter"])
        #expect(altered.code == 0, "\(altered.output)")
        #expect(altered.output.contains("retention.ms is 1234567, the contract says 604800000: changed"))
        try eventually("the setting is what the contract says") {
            try setting("retention.ms", of: name, admin) == "604800000"
        }
        #expect(try stage.run(["topics", "apply", "--partitions", "2"]).code == 0)

        // A number of partitions is never changed: keys would go elsewhere.
        let more = try stage.run(["topics", "apply", "--partitions", "3", "--alter"])
        #expect(more.code == 1)
        #expect(more.output.contains("\(name): 2 partitions, the contract says 3"))
        let found = try admin.describeTopics([name, other], timeoutMilliseconds: 20_000)
        #expect(found[name]?.partitionCount == 2 && found[other]?.partitionCount == 1)
    }
}

@Suite("The program's configuration")
struct ProgramTests {
    @Test("Every mistake is told at once, with key, value and what is allowed, and ends with 2")
    func mistakes() throws {
        let log = NSTemporaryDirectory() + "holdfast-mistakes-\(UInt32.random(in: 0...UInt32.max)).log"
        defer { try? FileManager.default.removeItem(atPath: log) }
        let arguments = [
            "process", "--commit-interval-ms", "0", "--kafka.no.such.setting", "1", "--kafka.linger.ms",
            "soon", "--kafka.acks", "1", "--kafka.sasl.password", "secret-one", "--bootstrap-servers",
            "nowhere",
        ].map { "'\($0)'" }.joined(separator: " ")
        let code = system("timeout 20 '\(RealServers.binary)' \(arguments) >'\(log)' 2>&1")
        let output = try String(contentsOfFile: log, encoding: .utf8)
        #expect(code >> 8 == 2, "\(output)")
        #expect(output.contains("5 mistakes"), "\(output)")
        for part in [
            "commit_interval_ms = \"0\"", "1 to 1000", "kafka.no.such.setting = \"1\"",
            "kafka.linger.ms = \"soon\"", "kafka.acks", "bootstrap_servers = \"nowhere\"",
        ] {
            #expect(output.contains(part), "\(part) in \(output)")
        }
        #expect(!output.contains("secret-one"))
    }
}
