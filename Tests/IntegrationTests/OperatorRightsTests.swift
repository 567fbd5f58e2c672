import Foundation
import InventoryCore
import InventoryWire
import Operations
import PostgresClient
import Testing

@Suite(
    "Operators' commands with the rights of deploy/acls.txt", .serialized,
    .enabled(if: RealServers.canStartServers, Comment(rawValue: RealServers.serversReason)))
struct OperatorRightsTests {
    private static let rebuild = ["rebuild", "--from-ledger", "--in-place"]

    /// A stage with something of everything: traffic, a letter, a sink that has come along.
    private func system(_ secured: SecuredServers, _ database: TestDatabase) throws -> Stage {
        let stage = try Stage(partitions: 1, secured: secured)
        try stage.start("process")
        try stage.start("sink", ["--migrate"], environment: ["DATABASE_URL": database.url])
        try stage.publish([receive("c1", 10, "TEA"), reserve("r1", 3, "TEA")])
        try stage.publish(
            key: Array("TEA".utf8),
            value: Array(
                #"{"command_id":"m","type":"receive","sku":"TEA","warehouse":"BER","amount":5}"#.utf8))
        try stage.awaitResults()
        return stage
    }

    @Test("Each command works with the lines of its user alone", .timeLimit(.minutes(4)))
    func works() throws {
        let secured = try SecuredServers.shared()
        let database = try TestDatabase()
        let stage = try system(secured, database)
        defer { stage.endAll() }
        let count = stage.folder + "/count.csv"
        try "sku,warehouse,counted\nTEA,BER,9\n".write(toFile: count, atomically: true, encoding: .utf8)
        func expect(_ code: Int32, _ arguments: [String], environment: [String: String] = [:]) throws {
            let ended = try stage.run(arguments, environment: environment)
            #expect(ended.code == code, "\(arguments.joined(separator: " ")): \(ended.output)")
            secured.expectNoSecret(in: ended.output, arguments[0])
        }
        let postgres = ["DATABASE_URL": database.url]
        try expect(0, ["topics", "apply", "--partitions", "1"])
        try expect(0, ["dead-letters", "list"])
        try expect(
            0, ["dead-letters", "redrive", "--reason", "missing_field", "--rename", "amount=quantity"])
        try stage.awaitAnswers()
        try plantLetter(stage, secured)
        try expect(0, ["dead-letters", "redrive", "--reason", "unknown_order"])
        #expect(try stage.read(.orders).map(\.keyText) == ["o-1"])
        try expect(0, ["verify"], environment: postgres)
        try expect(0, ["replay"])
        try expect(0, ["show", "sku", "TEA"])
        try expect(0, ["show", "reservation", "r1"])
        try expect(0, ["show", "order", "o-r1"])
        try expect(0, ["show", "command", "c1"])
        try expect(0, ["orders", "stuck"])
        try expect(1, ["orders", "show", "o-1"])
        try expect(0, ["reconcile"], environment: postgres)
        try expect(0, ["reconcile", "--count", count, "--apply"])
        // The sink's user reads the ledger for this, too; in PostgreSQL it is the owner.
        try expect(0, ["sink", "--rebuild"], environment: postgres)
        // A processor is in the group, which only who may see it can tell.
        try expect(1, Self.rebuild)
        for process in stage.processes where process.name == "process" { process.stop(milliseconds: 5_000) }
        // A level that is wrong, so that something has to be written.
        try damage(stage, secured)
        try expect(1, Self.rebuild + ["--dry-run"])
        try expect(0, Self.rebuild)
        try expect(0, Self.rebuild + ["--dry-run"])
        try stage.start("process")
        try stage.publish([reserve("r2", 1, "TEA")])
        try stage.awaitAnswers()
        try expect(0, ["verify", "--without-database"])
    }

    /// A letter as the coordinator writes it.
    private func plantLetter(_ stage: Stage, _ secured: SecuredServers) throws {
        var writer = RecordWriter()
        let paid = Array(#"{"event_id":"e","type":"order.paid","order_id":"o-1"}"#.utf8)
        Array("o-1".utf8).withUnsafeBytes { key in
            paid.withUnsafeBytes { value in
                writer.write(
                    deadLetter: DecodingFailure(.unknownOrder, "the order was not placed"),
                    origin: RecordOrigin(topic: .orders, partition: 0, offset: 0, timestamp: nil), key: key,
                    value: value)
            }
        }
        try secured.publish(stage.name(.deadLetters), key: "o-1", value: writer.withBytes { Array($0) })
    }

    /// As the administrator, who alone may.
    private func damage(_ stage: Stage, _ secured: SecuredServers) throws {
        let level = try #require(try stage.read(.levels).last { $0.keyText == "TEA" })
        let wrong = level.text.replacing("\"reserved\":3", with: "\"reserved\":2")
        try #require(wrong != level.text, "\(level.text)")
        try secured.publish(stage.name(.levels), key: "TEA", value: Array(wrong.utf8))
    }

    // MARK: A right that is missing

    private struct Right {
        let role: String
        let command: [String]
        /// Operations and kind of the lines of acls.txt that are left out.
        let without: String
        let told: [String]
    }

    private static let redrive = [
        "dead-letters", "redrive", "--reason", "missing_field", "--rename", "amount=quantity",
    ]
    private static let reading = "Create,Read,DescribeConfigs,AlterConfigs topic"
    private static let rights = [
        Right(
            role: "operator", command: redrive, without: reading,
            told: ["PREFIXdead.letters", "ACL on the topic"]),
        Right(
            role: "operator", command: redrive, without: "Write topic",
            told: ["PREFIXstock.commands", "ACL on the topic"]),
        Right(
            role: "operator", command: redrive, without: "Write transactional-id",
            told: ["transactional id PREFIXholdfast-redrive", "ACL on the transactional id"]),
        Right(
            role: "operator", command: ["verify", "--without-database"], without: reading,
            told: ["ACL on the topic"]),
        Right(
            role: "operator", command: ["verify", "--without-database"],
            without: "Read group",
            told: ["group PREFIXholdfast", "ACL on the group"]),
        Right(role: "operator", command: ["replay"], without: reading, told: ["ACL on the topic"]),
        Right(
            role: "operator", command: ["show", "sku", "TEA"], without: "Read group",
            told: ["group PREFIXholdfast", "ACL on the group"]),
        Right(role: "operator", command: ["orders", "stuck"], without: reading, told: ["ACL on the topic"]),
        Right(
            role: "operator", command: ["orders", "show", "o-1"], without: reading, told: ["ACL on the topic"]
        ),
        Right(
            role: "operator", command: ["reconcile", "--count", "COUNT", "--apply"],
            without: "Write topic", told: ["PREFIXstock.commands", "ACL on the topic"]),
        Right(
            role: "rebuild", command: rebuild, without: "Create,Read,Write topic",
            told: ["ACL on the topic"]),
        Right(
            role: "rebuild", command: rebuild, without: "Read topic",
            told: ["ACL on the topic"]),
        Right(
            role: "rebuild", command: rebuild, without: "Describe group",
            told: ["group PREFIXholdfast", "ACL on the group"]),
        Right(
            role: "rebuild", command: rebuild, without: "Write transactional-id",
            told: ["transactional id PREFIXholdfast-stock-0", "ACL on the transactional id"]),
        // The operator, who reads, may not rebuild.
        Right(
            role: "operator", command: rebuild, without: "", told: ["transactional id PREFIXholdfast-stock-0"]
        ),
    ]

    @Test(
        "A command without one of its rights ends with 2, and names the user and what the ACL is missing for",
        .timeLimit(.minutes(4)))
    func missing() throws {
        let secured = try SecuredServers.shared()
        let database = try TestDatabase()
        let stage = try system(secured, database)
        defer { stage.endAll() }
        for process in stage.processes { process.stop(milliseconds: 5_000) }
        let count = stage.folder + "/count.csv"
        try "sku,warehouse,counted\nTEA,BER,9\n".write(toFile: count, atomically: true, encoding: .utf8)
        for (right, user) in zip(Self.rights, SecuredServers.spareUsers.reversed()) {
            let file = try secured.acls(
                of: right.role, without: right.without.isEmpty ? nil : right.without, for: user, stage.folder)
            let applied = try stage.run(["acls", "apply", "--acl-file", file])
            try #require(applied.code <= 1, "\(applied.output)")
            let ended = try stage.run(
                right.command.map { $0 == "COUNT" ? count : $0 }
                    + ["--config", secured.configuration(of: user), "--log-format", "text"], seconds: 90)
            let what = "\(right.command.joined(separator: " ")), \(right.without)"
            #expect(ended.code == 2, "\(what): \(ended.output)")
            for part in right.told + ["user \(user)"] {
                let part = part.replacing("PREFIX", with: stage.prefix)
                #expect(ended.output.contains(part), "\(what): \(part) in \(ended.output)")
            }
            secured.expectNoSecret(in: ended.output, what)
        }
    }
}
