import Foundation
import InventoryWire
import KafkaClient
import Operations
import Testing

/// Batches that nobody can read, and topics that someone has altered.
extension FieldTests {
    @Test(
        "Case 07: a batch that nobody can unpack is stepped over and noted, and stops nobody",
        .timeLimit(.minutes(3)))
    func packedTooWell() throws {
        let field = try FieldCase("07-zstd-batch")
        defer { field.end() }
        try field.pack(120_000_000, with: "zstd", into: .commands, key: "A")
        try field.send("2")
        try field.check(
            "the commands behind it, and others", expected: "received; received; received", seconds: 60
        ) {
            try field.answers(["b07-1", "b07-2", "b07-3"])
        }
        try field.check("dead letters", expected: "unreadable") {
            try field.letters().joined(separator: ", ")
        }
        try field.check("what the ledger notes", expected: "1 offset, compression") {
            try field.skips().joined(separator: "; ")
        }
        try field.check("the processor", expected: "runs, with less than 700 MB") {
            try field.memory(of: "process")
        }
        // Others are unpacked, however large they are, and are no commands.
        for (codec, bytes) in [("gzip", 120_000_000), ("lz4", 120_000_000), ("snappy", 15_000_000)] {
            try field.pack(bytes, with: codec, into: .commands, key: "A")
        }
        try field.publish(
            .commands,
            [("A", #"{"command_id":"b07-4","type":"receive","sku":"A","warehouse":"BER","quantity":1}"#)])
        try field.check("a command behind other large records", expected: "received", seconds: 60) {
            try field.answer("b07-4")
        }
        try field.check("dead letters then", expected: "unreadable, too_large, too_large, too_large") {
            try field.letters().joined(separator: ", ")
        }
        // The inputs of the other roles.
        try field.pack(120_000_000, with: "zstd", into: .warehouses, key: "BER")
        try field.publish(.warehouses, [("HAM", #"{"warehouse":"HAM","active":true}"#)])
        try field.pack(120_000_000, with: "zstd", into: .orders, key: "o-1")
        try field.publish(
            .orders,
            [
                (
                    "o-1",
                    #"{"event_id":"b07-e1","type":"order.placed","order_id":"o-1","lines":[{"sku":"A","quantity":1},{"sku":"B","quantity":1}]}"#
                )
            ])
        try field.check("an order behind another such batch", expected: "reserved", seconds: 60) {
            try field.story(of: "o-1")
        }
        try field.check("unreadable letters of all inputs", expected: "3", seconds: 30) {
            "\(try field.letters().filter { $0 == "unreadable" }.count)"
        }
        try field.check("every role", expected: "runs") {
            field.roles.values.allSatisfy(\.process.isRunning) ? "runs" : "has ended"
        }
        // It begins again, and finds the same.
        field.stop("process")
        try field.start("process")
        try field.check("replay", expected: "0") { "\(try field.stage.run(["replay"]).code)" }
        try field.checkAudits()
    }

    @Test(
        "Case 08: added partitions stop every role by name, and topics grow takes the system over",
        .enabled(if: RealServers.canStartServers, Comment(rawValue: RealServers.serversReason)),
        .timeLimit(.minutes(6)))
    func addedPartitions() throws {
        let field = try FieldCase("08-partitions-altered", partitions: 6)
        defer { field.end() }
        try field.send("1")
        try field.settle()
        let reservations = (0..<10).map { FieldName("b08-r\($0)") }
        let granted = Array(repeating: "reserved 3", count: 10).joined(separator: "; ")
        try field.check("ten reservations", expected: granted) { try field.answers(reservations) }
        try field.alterPartitions(["stock.commands"], to: 12)
        for role in ["process", "delay", "relay", "coordinate"] {
            try field.check(
                "\(role), which was at work", expected: "ends with 2, and names the topic", seconds: 30
            ) {
                field.end(of: role, naming: "stock.commands has 12 partitions")
            }
        }
        // Publishers place by twelve at once.
        try field.send("4", partitions: 12)
        try field.check("a processor that starts", expected: "ends with 2, and names what to run") {
            try field.refusal(of: "process", naming: "topics grow")
        }
        try field.alterPartitions(
            ["results", "ledger", "levels", "alerts", "reservations", "transfers"].map { "stock.\($0)" }
                + ["dead.letters"], to: 12)
        try field.check(
            "a processor that starts when all topics have twelve",
            expected: "ends with 2, and names what to run"
        ) {
            try field.refusal(of: "process", naming: "its keys were placed by 6")
        }
        field.stop("sink")
        let prefix = "\(field.stage.prefix)v2."
        let grown = try field.stage.run(
            ["topics", "grow", "--to-prefix", prefix, "--partitions", "12"], seconds: 120)
        try field.check("topics grow", expected: "0") { "\(grown.code)" }
        #expect(grown.output.contains("10 records that nobody had decided"), "\(grown.output)")
        let stage = try Stage(grownFrom: field.stage, prefix: prefix, partitions: 12)
        defer { stage.endAll() }
        try stage.start("process")
        try field.check("ten more reservations, in the grown system", expected: "10 reserved", seconds: 30) {
            let results = try stage.results().filter { $0.outcome.commandID.text.hasPrefix("b08-s") }
            return "\(results.count) "
                + Set(results.map(\.outcome.kind.rawValue)).sorted().joined(separator: ", ")
        }
        try field.check("verify of the grown system", expected: "0") {
            let verified = try stage.run(["verify", "--without-database"])
            return verified.code == 0 ? "0" : verified.output
        }
    }

    @Test(
        "Case 20: a topic of commands that was made anew goes on behind what was decided, as the runbook says",
        .timeLimit(.minutes(4)))
    func commandsMadeAnew() throws {
        let field = try FieldCase("20-commands-topic-made-anew")
        defer { field.end() }
        try field.send("1")
        try field.settle()
        for role in ["delay", "relay", "coordinate", "process"] { field.stop(role) }
        let ends = try field.decidedEnds()
        let admin = try Admin(configuration: ["bootstrap.servers": field.stage.bootstrap])
        let name = field.stage.name(.commands)
        #expect(try admin.deleteTopics([name], timeoutMilliseconds: 30_000).isEmpty)
        try eventually("the topic is gone") {
            try admin.describeTopics([name], timeoutMilliseconds: 10_000).isEmpty
        }
        let applied = try field.stage.run(["topics", "apply", "--partitions", "2"])
        try #require(applied.code == 0, "\(applied.output)")
        let stopped = try field.stage.start("process", awaitReady: false)
        for (partition, end) in ends {
            try field.check(
                "partition \(partition)", expected: "says where the topic must begin", seconds: 30
            ) {
                stopped.process.logTail(lines: 200).contains("must begin at \(end)")
                    ? "says where the topic must begin" : stopped.process.logTail(lines: 20)
            }
        }
        stopped.process.stop(milliseconds: 10_000)
        try field.fillCommands(ends)
        try field.start("process")
        try field.publish(
            .commands,
            [("A", #"{"command_id":"b20-n","type":"receive","sku":"A","warehouse":"BER","quantity":1}"#)])
        try field.check("a command of the new topic", expected: "received", seconds: 30) {
            try field.answer("b20-n")
        }
        try field.check("the stock", expected: "BER 11 on hand, 0 reserved, 11 available") {
            try field.levels(of: "A")
        }
        try field.check("verify", expected: "0") {
            let verified = try field.stage.run(["verify", "--without-database"])
            return verified.code == 0 ? "0" : verified.output
        }
    }

    @Test(
        "Case 29: commands whose time is left to producers are not decided, and every role that rests on it stops by name",
        .timeLimit(.minutes(4)))
    func producersTime() throws {
        let field = try FieldCase("29-create-time")
        defer { field.end() }
        try field.send("2")
        try field.check("a reservation", expected: "reserved 1") { try field.answer("b29-2") }
        try field.alter(.commands, ["message.timestamp.type": "CreateTime"])
        try field.send("3")
        for role in ["process", "delay", "relay", "coordinate"] {
            try field.check(
                "\(role), which was at work", expected: "ends with 2, and names the topic", seconds: 30
            ) {
                field.end(of: role, naming: "message.timestamp.type is CreateTime")
            }
        }
        try field.check("a processor that starts", expected: "ends with 2, and names what to run") {
            try field.refusal(of: "process", naming: "topics apply --alter")
        }
        try field.send("4")
        let mended = try field.stage.run(["topics", "apply", "--partitions", "2", "--alter"])
        #expect(mended.code == 0, "\(mended.output)")
        for role in ["process", "delay", "relay", "coordinate"] { try field.start(role) }
        try field.send("5")
        try field.check("the reservation is paid", expected: "confirmed", seconds: 30) {
            try field.answer("b29-5")
        }
        try field.check("what came meanwhile", expected: "dead letter invalid_time; dead letter invalid_time")
        {
            try field.answers(["b29-3", "b29-4"])
        }
        let redriven = try field.stage.run(["dead-letters", "redrive", "--reason", "invalid_time"])
        #expect(redriven.code == 0, "\(redriven.output)")
        try field.check("the same, sent again", expected: "true", seconds: 30) {
            let answers = try field.answers(["b29-3", "b29-4"])
            return "\(answers.components(separatedBy: "reserved 1").count == 3)"
        }
        try field.checkAudits()
    }

    @Test(
        "What must be compacted and is not, or must not be and is, stops whoever rests on it",
        arguments: [
            (Topic.ledger, "compact", ["process", "sink"]), (.levels, "delete", ["process"]),
            (.orderState, "compact,delete", ["coordinate"]), (.reservations, "delete", ["process", "delay"]),
            (.settings, "delete", ["relay"]),
        ])
    func cleanup(_ topic: Topic, _ policy: String, _ roles: [String]) throws {
        let stage = try Stage()
        defer { stage.endAll() }
        let admin = try Admin(configuration: ["bootstrap.servers": stage.bootstrap])
        try admin.incrementalAlterConfigs(
            topic: stage.name(topic), settings: ["cleanup.policy": policy], timeoutMilliseconds: 30_000)
        for role in roles {
            let ended = try stage.run([role], environment: ["DATABASE_URL": "postgresql://localhost:1/none"])
            #expect(ended.code == 2, "\(role): \(ended.output)")
            #expect(
                ended.output.contains("\(stage.name(topic)): cleanup.policy is \(policy)"),
                "\(role): \(ended.output)")
        }
    }
}

extension FieldCase {
    /// Publishes one record of so many blanks, packed by a codec to a fraction of them.
    func pack(_ bytes: Int, with codec: String, into topic: Topic, key: String) throws {
        let producer = try Producer(configuration: [
            "bootstrap.servers": stage.bootstrap, "compression.codec": codec,
            "message.max.bytes": "200000000",
            "batch.size": "200000000", "linger.ms": "0",
        ])
        let handle = try producer.topic(stage.name(topic))
        let blanks = [UInt8](repeating: UInt8(ascii: " "), count: bytes)
        let outcome = try Array(key.utf8).withUnsafeBytes { key in
            try blanks.withUnsafeBytes { try producer.produce(handle, key: key, value: $0) }
        }
        try #require(outcome == .queued)
        try producer.flush(timeoutMilliseconds: 60_000)
    }

    /// What the partitions' books note of records that nobody can read.
    func skips() throws -> [String] {
        try read(.ledger).compactMap { record in
            let json =
                try JSONSerialization.jsonObject(with: Data(record.value ?? [])) as? [String: Any] ?? [:]
            guard json["movement"] as? String == "skip" else { return nil }
            let count = json["quantity"] as? Int ?? 0
            return "\(count) \(count == 1 ? "offset" : "offsets"), \(json["note"] as? String ?? "")"
        }
    }

    func memory(of role: String) throws -> String {
        guard let running = roles[role], running.process.isRunning else { return "has ended" }
        let metrics = HTTPProbe.get(port: running.port, path: "/metrics") ?? ""
        let bytes =
            metrics.firstMatch(of: /process_resident_memory_bytes ([0-9.e+]+)/).flatMap { Double($0.1) } ?? 0
        return bytes > 0 && bytes < 700e6 ? "runs, with less than 700 MB" : "runs, with \(bytes / 1e6) MB"
    }

    func alter(_ topic: Topic, _ settings: [String: String?]) throws {
        try Admin(configuration: ["bootstrap.servers": stage.bootstrap]).incrementalAlterConfigs(
            topic: stage.name(topic), settings: settings, timeoutMilliseconds: 30_000)
    }

    /// By Kafka's own tool, as an operator does it.
    func alterPartitions(_ topics: [String], to count: Int) throws {
        for topic in topics {
            let libs = ProcessInfo.processInfo.environment["HOLDFAST_KAFKA_LIBS"] ?? ""
            let tool = try ChildProcess(
                name: "kafka-topics", executable: "/bin/bash",
                arguments: [
                    "-c",
                    "exec java -XX:TieredStopAtLevel=1 -cp '\(libs)/*' org.apache.kafka.tools.TopicCommand "
                        + "--bootstrap-server '\(stage.bootstrap)' --alter --topic '\(stage.prefix)\(topic)' "
                        + "--partitions \(count)",
                ],
                environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? ""],
                logPath: "\(stage.folder)/kafka-topics.log")
            let code = tool.waitForEnd(milliseconds: 60_000)
            try #require(code == 0, "\(tool.logTail())")
        }
    }

    /// Whether a role that was at work has ended as it should.
    func end(of role: String, naming words: String) -> String {
        guard let code = roles[role]?.process.exitCode else { return "is at work" }
        let log = roles[role]?.process.logTail(lines: 10) ?? ""
        return code == 2 && log.contains(words)
            ? "ends with 2, and names the topic" : "ends with \(code): \(log)"
    }

    /// Whether a role that is started now ends as it should.
    func refusal(of role: String, naming words: String) throws -> String {
        let ended = try stage.run([role])
        return ended.code == 2 && ended.output.contains(words)
            ? "ends with 2, and names what to run" : "ends with \(ended.code): \(ended.output)"
    }

    /// By partition, the offset behind the last command that stands in the ledger.
    func decidedEnds() throws -> [Int32: Int64] {
        var ends: [Int32: Int64] = [:]
        for record in try read(.ledger) {
            let json =
                try JSONSerialization.jsonObject(with: Data(record.value ?? [])) as? [String: Any] ?? [:]
            guard let source = json["source"] as? [String: Any], let offset = source["offset"] as? Int64
            else {
                continue
            }
            ends[record.partition] = max(ends[record.partition] ?? 0, offset + 1)
        }
        return ends
    }

    /// As docs/operations.md does it with Kafka's tools: the topic gets as many offsets as were used, they are taken away
    /// again, and the group's offset stands behind them.
    func fillCommands(_ ends: [Int32: Int64]) throws {
        let name = stage.name(.commands)
        for (partition, end) in ends {
            for _ in 0..<end { try stage.publish(key: nil, value: [0x30], partition: .number(partition)) }
        }
        try stage.flush()
        let places = ends.map { TopicPartitionOffset(name, $0.key, offset: $0.value) }
        try Admin(configuration: ["bootstrap.servers": stage.bootstrap]).deleteRecords(
            before: places, timeoutMilliseconds: 30_000)
        try Consumer(configuration: [
            "bootstrap.servers": stage.bootstrap, "group.id": stage.prefix + "holdfast",
            "enable.auto.commit": "false",
        ]).commit(places)
    }
}
