import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import OrderCore
import PostgresClient
import Testing

@Suite(
    "The runbook", .serialized,
    .enabled(if: RealServers.canStartServers, Comment(rawValue: RealServers.serversReason)))
struct RunbookTests {
    /// Commands of the page that are not run, and why.
    private static let leftOut: [String: String] = Dictionary(
        uniqueKeysWithValues: [
            "holdfast topics grow --to-prefix v2. --partitions 8 --dry-run",
            "holdfast topics grow --to-prefix v2. --partitions 8",
            "holdfast verify --without-database --topic-prefix v2.",
            "holdfast acls apply --topic-prefix v2.",
            "holdfast sink --rebuild --topic-prefix v2.",
        ].map {
            ($0, "GrowTests, OperatorRightsTests: it is of a system that stands still, and another one after")
        })

    @Test(
        "Every command of docs/operations.md ends and prints as the page says, on a system with traffic in it",
        .timeLimit(.minutes(12)))
    func everyCommand() throws {
        let system = try RunbookSystem()
        defer { system.end() }
        try system.start()
        let book = system.book
        try book.run("First look", before: traffic(system))
        try book.run("Answers come late", before: traffic(system))
        try book.run("One partition is late, the others are not", before: [0: system.publishHotSKU])
        try book.run("A partition is read no more", before: traffic(system))
        try areTheBooksRight(system)
        try askHistory(system)
        try mendLetters(system)
        try stickOrders(system)
        try endHangingTransaction(system)
        try mendPostgres(system)
        try book.run("A warehouse has counted, and the levels are others", before: traffic(system))
        try book.run("A disk is full", before: traffic(system))
        try book.run("The topics are not as they should be")
        try book.run("A clock is wrong", before: traffic(system))
        try losePostgres(system)
        try loseProcess(system)
        try loseOffsets(system)
        try breakLevels(system)
        try makeCommandsAnew(system)
        book.expectAllRan(but: Self.leftOut)
        // After all of it.
        try system.settle()
        let verified = try system.book.shell("holdfast verify")
        #expect(verified.code == 0, "\(verified.output)")
    }

    private func traffic(_ system: RunbookSystem) -> [Int: () throws -> Void] { [0: system.publish] }

    // MARK: The scenes

    private func areTheBooksRight(_ system: RunbookSystem) throws {
        try system.publish()
        try system.book.run(
            "Are the books right?",
            before: [
                2: {
                    system.stop("sink")
                    try system.publish()
                    try system.stage.awaitAnswers()
                },
                3: {
                    try system.startSink()
                    try system.plantLevelInPostgres()
                },
            ])
    }

    private func askHistory(_ system: RunbookSystem) throws {
        let place = try system.place(ofCommand: "c-1")
        system.book.values["PARTITION"] = "\(place.partition)"
        system.book.values["OFFSET"] = "\(place.offset)"
        system.book.values["TIME"] = system.begun
        try system.publish()
        try system.book.run("Was it decided right?")
        try system.book.run("What would another policy have done?")
        try system.book.run("Where are the units? Why was this order refused?")
    }

    private func mendLetters(_ system: RunbookSystem) throws {
        try system.publishLetters()
        try system.publish()
        let edited = system.folder + "/letter.json"
        try system.book.run(
            "A record went to `dead.letters`",
            before: [
                7: {
                    let text = try String(contentsOfFile: edited, encoding: .utf8)
                    try text.replacing("\"five\"", with: "5").write(
                        toFile: edited, atomically: true, encoding: .utf8)
                }
            ])
    }

    private func stickOrders(_ system: RunbookSystem) throws {
        try system.publishOrders()
        let loseReply = { try system.loseReply(ofPayment: "o-9") }
        try system.book.run(
            "An order gets no outcome",
            before: [0: loseReply, 6: loseReply, 8: system.publishPaymentBeforeOrder])
        try system.book.run("What ships from where? Who waits, and who gets money back?")
    }

    private func endHangingTransaction(_ system: RunbookSystem) throws {
        let producer = try TransactionalProducer(configuration: [
            "bootstrap.servers": system.stage.bootstrap, "transactional.id": "someone-else",
            "transaction.timeout.ms": "600000",
        ])
        try producer.initTransactions(timeoutMilliseconds: 30_000)
        try producer.begin()
        let letter = try #require(try system.stage.read(.deadLetters).first { $0.partition == 0 })
        let topic = try producer.topic(system.stage.name(.deadLetters))
        _ = try letter.value!.withUnsafeBytes {
            try producer.produce(topic, partition: .number(0), key: nil, value: $0)
        }
        try producer.flush(timeoutMilliseconds: 30_000)
        let written = try system.stage.read(.deadLetters, isolation: "read_uncommitted")
        system.book.values["PARTITION"] = "0"
        system.book.values["OFFSET"] = "\(written.filter { $0.partition == 0 }.map(\.offset).max() ?? -1)"
        system.book.values["BROKER"] = "1"
        try system.book.run("A transaction hangs")
    }

    private func mendPostgres(_ system: RunbookSystem) throws {
        try system.book.run(
            "PostgreSQL is wrong, or lost",
            before: [0: system.plantLevelInPostgres, 3: system.followRebuild])
    }

    private func losePostgres(_ system: RunbookSystem) throws {
        try system.postgres.kill()
        try system.publish()
        try system.book.run(
            "PostgreSQL is away, or behind", before: [2: { try system.postgres.start() }])
    }

    private func loseProcess(_ system: RunbookSystem) throws {
        try system.startStandby()
        try system.publish()
        try system.book.run("A process died", before: [1: { system.kill("process") }])
        system.standbyBecomesProcess()
    }

    private func loseOffsets(_ system: RunbookSystem) throws {
        try system.stage.awaitAnswers()
        system.stop("process")
        let lost = try system.book.shell(
            "kafka-consumer-groups.sh --bootstrap-server \"$KAFKA_BOOTSTRAP\" --group holdfast "
                + "--topic stock.commands:0 --delete-offsets")
        #expect(lost.code == 0, "\(lost.output)")
        try system.startProcess(awaitReady: false)
        let port = try #require(system.port(of: "process"))
        var offset: Substring?
        try eventually("the partition stops; \(system.logTail(of: "process"))") {
            let told = HTTPProbe.get(port: port, path: "/readyz") ?? ""
            offset = told.firstMatch(of: /set its offset to (\d+)/)?.1
            return offset != nil
        }
        system.book.values["PARTITION"] = "0"
        system.book.values["OFFSET"] = "\(offset!)"
        let results = try system.stage.read(.results).filter { $0.partition == 0 }
        let last = try #require(results.last?.text.matches(of: /"offset":(\d+)}/).last?.1)
        system.book.values["LAST"] = "\(last)"
        system.book.values["NEXT"] = "\(max(try #require(Int(offset!)), try #require(Int(last)) + 1))"
        try system.book.run(
            "The group has lost its offsets", before: [2: { system.stop("process") }])
        try system.startProcess()
        try system.publish()
        try system.stage.awaitAnswers()
    }

    private func breakLevels(_ system: RunbookSystem) throws {
        system.stop("process")
        let level = try #require(try system.stage.read(.levels).last { $0.keyText == "TEA-250" })
        let wrong = level.text.replacing("\"on_hand\":118", with: "\"on_hand\":119")
        try #require(wrong != level.text, "\(level.text)")
        try system.stage.publish(to: .levels, key: "TEA-250", value: Array(wrong.utf8))
        try system.book.run("Levels, reservations and ledger disagree")
        try system.startProcess()
    }

    /// The topic of the commands goes, and another of its name has come.
    private func makeCommandsAnew(_ system: RunbookSystem) throws {
        try system.stage.awaitAnswers()
        for role in ["delay", "relay", "process"] { system.stop(role) }
        var ends: [Int32: Int64] = [:]
        for entry in try system.stage.ledger() {
            ends[entry.source.partition] = max(ends[entry.source.partition] ?? 0, entry.source.offset + 1)
        }
        let anew = try system.book.shell(
            "kafka-topics.sh --bootstrap-server \"$KAFKA_BOOTSTRAP\" --delete --topic stock.commands && sleep 5 && "
                + "holdfast topics apply")
        #expect(anew.code == 0, "\(anew.output)")
        // What nobody has decided yet.
        let sku = try #require((0...).lazy.map { "ANEW-\($0)" }.first { system.stage.place(of: $0) == 0 })
        try system.stage.publish([receive("anew-in", 7, ID(sku))])
        try system.startProcess(awaitReady: false)
        let port = try #require(system.port(of: "process"))
        let (first, second) = (try #require(ends[0]), try #require(ends[1]))
        try eventually("the partition stops; \(system.logTail(of: "process"))") {
            (HTTPProbe.get(port: port, path: "/readyz") ?? "").contains("must begin at \(first)")
        }
        (system.book.values["PARTITION"], system.book.values["OFFSET"]) = ("0", "\(first)")
        try system.book.run(
            "The commands were made anew, or are a mirror",
            before: [
                1: { system.stop("process") },
                7: { try system.fill(partition: 1, second) },
                8: {
                    try system.startProcess()
                    _ = try system.stage.outcome(of: "anew-in")
                },
            ])
        try system.startOthers()
        try system.publish()
        try system.stage.awaitAnswers()
    }

    // MARK: Other pages

    /// Blocks of docs/security.md that are no commands, or commands that are not run as they stand.
    private static let noCommands = [
        "security.protocol=SASL_SSL": "what a file holds",
        "DATABASE_URL='postgresql://holdfast_sink": "what the environment holds",
        "hostssl stock": "what a file holds",
    ]

    @Test("Every block of docs/security.md is run by the security tests, or is no command")
    func securityBlocks() throws {
        let text = try String(contentsOfFile: RealServers.root + "/docs/security.md", encoding: .utf8)
        var last = ""
        var isInBlock = false
        for line in text.split(separator: "\n") {
            if line.hasPrefix("    ") {
                let content = line.dropFirst(4)
                if !isInBlock, !last.hasPrefix("<!-- tested: ") {
                    #expect(
                        Self.noCommands.keys.contains { content.hasPrefix($0) },
                        "docs/security.md has a block that nothing runs: \(content)")
                }
                isInBlock = true
            } else {
                isInBlock = false
                last = String(line)
            }
        }
    }
}

/// A whole system under the names that it has in production: a broker, a PostgreSQL and the roles, with traffic.
private final class RunbookSystem {
    let stage: Stage
    let book: Runbook
    let postgres: OwnPostgres
    let folder: String
    /// When what the page names had been decided, RFC 3339.
    private(set) var begun = ""
    private let kafka: OwnKafka
    private var roles: [String: Stage.Role] = [:]
    private var random = SplitMix(state: 7)
    private var published = 0

    init() throws {
        // The transaction that hangs must do so for longer than a loaded machine takes to look at it.
        kafka = try OwnKafka(environment: ["HOLDFAST_KAFKA_SETTINGS": "transaction.max.timeout.ms=900000"])
        postgres = try OwnPostgres(port: freeLoopbackPort())
        stage = try Stage(bootstrap: kafka.bootstrap, prefix: "")
        folder = stage.folder
        book = try Runbook(
            page: "docs/operations.md", folder: folder,
            environment: [
                "KAFKA_BOOTSTRAP": kafka.bootstrap, "DATABASE_URL": postgres.url,
                // What this system's topics were made with.
                "HOLDFAST_PARTITIONS": "2",
            ])
        book.values["LOG-DIRS"] = kafka.logs
    }

    func end() {
        stage.endAll()
        postgres.end()
        kafka.end()
    }

    // MARK: Roles

    func start() throws {
        try startProcess()
        try startOthers()
        try startSink()
        try stage.publish([
            receive("tea-in", 120, "TEA-250"),
            Command(
                id: "c-1", sku: "TEA-250",
                body: .reserve(
                    Command.Reserve(
                        reservationID: "r-1", orderID: "o-1", quantity: 2,
                        expiry: .after(milliseconds: 3_000_000)))),
        ])
        _ = try stage.outcome(of: "c-1")
        begun = RFC3339.text(Timestamp(milliseconds: try place(ofCommand: "c-1").timestamp + 1))
    }

    func startOthers() throws {
        for role in ["delay", "relay"] { roles[role] = try stage.start(role) }
        book.values["DELAY-PORT"] = "\(roles["delay"]!.port)"
    }

    /// As the page does it for one partition.
    func fill(partition: Int, _ offset: Int64) throws {
        let filled = try book.shell(
            """
            seq \(offset) | kcat -P -b "$KAFKA_BOOTSTRAP" -t stock.commands -p \(partition)
            echo '{"version":1,"partitions":[{"topic":"stock.commands","partition":\(partition),"offset":-1}]}' >more.json
            kafka-delete-records.sh --bootstrap-server "$KAFKA_BOOTSTRAP" --offset-json-file more.json
            kafka-consumer-groups.sh --bootstrap-server "$KAFKA_BOOTSTRAP" --group holdfast \
                --topic stock.commands:\(partition) --reset-offsets --to-earliest --execute
            """)
        #expect(filled.code == 0, "\(filled.output)")
    }

    func startProcess(awaitReady: Bool = true) throws {
        let role = try stage.start("process", awaitReady: awaitReady)
        roles["process"] = role
        book.values["PORT"] = "\(role.port)"
    }

    func startSink() throws {
        let role = try stage.start("sink", ["--migrate"], environment: ["DATABASE_URL": postgres.url])
        roles["sink"] = role
        book.values["SINK-PORT"] = "\(role.port)"
    }

    func startStandby() throws {
        let role = try stage.start("process", ["--standby"], awaitReady: false)
        roles["standby"] = role
        book.values["STANDBY-PORT"] = "\(role.port)"
    }

    /// It asks for a reply once, so that a page tells what becomes of it.
    func startCoordinator() throws {
        roles["coordinate"] = try stage.start(
            "coordinate", ["--reply-limit-ms", "3600000", "--unknown-order-ms", "300"])
    }

    func standbyBecomesProcess() { roles["process"] = roles.removeValue(forKey: "standby") }

    func stop(_ name: String) {
        #expect(roles[name]?.process.stop(milliseconds: 10_000) == 0, "\(name): \(logTail(of: name))")
    }

    func kill(_ name: String) { roles[name]?.process.send(SIGKILL) }
    func port(of name: String) -> Int? { roles[name]?.port }
    func logTail(of name: String) -> String { roles[name]?.process.logTail() ?? "" }

    // MARK: Traffic

    /// Some commands about other SKUs than those that the page names.
    func publish() throws {
        for _ in 0..<60 {
            published += 1
            let sku = "SKU-\(Int.random(in: 0..<8, using: &random))"
            switch Int.random(in: 0..<5, using: &random) {
            case 0: try stage.publishSoon(receive("in-\(published)", 20, ID(sku)))
            case 1: try stage.publishSoon(reserve("r-short-\(published)", 1, ID(sku), ttl: 300))
            case 2: try stage.publishSoon(confirm("r-long-\(published - 3)", ID(sku), as: "pay-\(published)"))
            default: try stage.publishSoon(reserve("r-long-\(published)", 2, ID(sku)))
            }
        }
        try stage.flush()
    }

    func publishHotSKU() throws {
        try publish()
        try stage.publishSoon(receive("hot", 1_000, "HOT-1"))
        for number in 0..<300 { try stage.publishSoon(reserve("hot-\(number)", 1, "HOT-1")) }
        try stage.flush()
        book.values["PARTITION"] = "\(stage.place(of: "HOT-1"))"
    }

    /// Records that no processor takes, of each kind that the page mends.
    func publishLetters() throws {
        func publish(_ key: String, _ value: String, astray: Bool = false) throws {
            let partition = stage.place(of: key)
            try stage.publish(
                key: Array(key.utf8), value: Array(value.utf8),
                partition: .number(astray ? 1 - partition : partition))
        }
        let before = try stage.deadLetters().count
        func receipt(_ id: ID, _ field: String = #""quantity":5"#) -> String {
            #"{"command_id":"\#(id)","type":"receive","sku":"SKU-1","warehouse":"BER",\#(field)}"#
        }
        try publish("SKU-1", receipt("astray-1"), astray: true)
        try publish("SKU-1", receipt("astray-2"), astray: true)
        try publish("SKU-1", receipt("amount", #""amount":5"#))
        try publish("SKU-1", receipt("broken", #""quantity":"five""#))
        try publish(
            "300",
            #"{"command_id":"mendable","type":"reserve","sku":300,"reservation_id":"r-300","order_id":"o-300","#
                + #""quantity":1,"hint":"north","ship_to":{"latitude":"north","longitude":13.4}}"#)
        try publish(
            "TEA",
            #"{"command_id":"other","type":"reserve","sku":"TEA-250","reservation_id":"r-9","order_id":"o-9","#
                + #""quantity":1}"#)
        try eventually("six letters more") { try stage.deadLetters().count == before + 6 }
        var reader = RecordReader()
        for record in try stage.read(.deadLetters) {
            guard let letter = try? record.value!.withUnsafeBytes({ try reader.deadLetter($0) }) else {
                continue
            }
            let text = String(decoding: letter.value ?? [], as: UTF8.self)
            for (name, id) in [
                ("LETTER", "astray-1"), ("BROKEN", "broken"), ("MENDABLE", "mendable"),
                ("OTHER-KEY", "other"),
            ] where text.contains("\"command_id\":\"\(id)\"") {
                book.values[name] = "\(record.partition)/\(record.offset)"
            }
        }
    }

    /// Orders that ship, that wait for their payment, and whose payment must go back.
    func publishOrders() throws {
        try startCoordinator()
        try stage.publish([receive("mug-in", 50, "MUG")])
        for (id, units) in [("o-9", 2 as Int64), ("o-11", 1), ("o-12", 1)] {
            try stage.publish([event("placed", ID(id), .placed(Self.placed(units)))])
        }
        try stage.awaitStory("o-11", ["reserved"])
        try stage.awaitStory("o-12", ["reserved"])
        try stage.awaitStory("o-9", ["reserved"])
        try stage.publish([
            event("paid", "o-9", .paid([])), event("cancelled", "o-12", .cancelled([])),
            event("paid", "o-12", .paid([])),
        ])
        try stage.awaitStory("o-9", ["reserved", "confirmed!"])
        try stage.awaitStory("o-12", ["reserved", "released!", "refund_required"])
    }

    private static func placed(_ units: Int64) -> OrderEvent.Placed {
        OrderEvent.Placed(
            lines: [OrderEvent.Line(sku: "MUG", quantity: units)], expiry: .after(milliseconds: 3_000_000))
    }

    private func event(_ name: String, _ id: ID, _ body: OrderEvent.Body) -> OrderEvent {
        OrderEvent(id: "e-\(name)-\(id)", orderID: id, at: Timestamp(milliseconds: 0), body: body)
    }

    func loseReply(ofPayment id: ID) throws {
        stop("coordinate")
        let order = try stage.loseReply(ofPayment: id)
        let command = try #require(order.unanswered.first?.command)
        book.values["PARTITION"] = "\(order.partition)"
        book.values["COMMAND"] = command.id.text
        book.values["RESERVATION"] = command.reservationID?.text
        try startCoordinator()
    }

    /// The payment is a dead letter when its order comes.
    func publishPaymentBeforeOrder() throws {
        try stage.publish([
            OrderEvent(id: "e-paid-early", orderID: "o-13", at: Timestamp(milliseconds: 0), body: .paid([]))
        ])
        try eventually("the payment is a dead letter") {
            try stage.deadLetters().contains { $0.reason == .unknownOrder }
        }
        try stage.publish([event("placed", "o-13", .placed(Self.placed(1)))])
        try stage.awaitStory("o-13", ["reserved"])
    }

    func place(ofCommand id: ID) throws -> Stage.Record {
        try #require(try stage.read(.commands).first { $0.text.contains("\"command_id\":\"\(id)\"") })
    }

    // MARK: Damage

    /// Once the sink has all that there is of the SKU.
    func plantLevelInPostgres() throws {
        let connection = try Connection(url: postgres.url, applicationName: "holdfast tests")
        try eventually("the sink has the level") {
            try connection.query(
                "SELECT quantity_on_hand = 120 FROM holdfast.inventory WHERE sku = 'TEA-250'"
            ).bool(0, 0) == true
        }
        try connection.execute("UPDATE holdfast.inventory SET quantity_on_hand = 121 WHERE sku = 'TEA-250'")
    }

    /// The sink that ran either finds that another has moved the offsets, or goes on in the new tables.
    func followRebuild() throws {
        try publish()
        try stage.awaitAnswers()
        let entries = try stage.ledger().count
        let connection = try Connection(url: postgres.url, applicationName: "holdfast tests")
        try eventually("the sink has ended, or has all rows; \(logTail(of: "sink"))") {
            if let code = roles["sink"]?.process.exitCode {
                #expect(code == 70, "\(logTail(of: "sink"))")
                try startSink()
            }
            return try connection.query("SELECT count(*) FROM holdfast.inventory_transactions").int64(0, 0)
                ?? 0 >= Int64(entries)
        }
    }

    /// Until every command has its answer, and what was reserved for a moment has expired.
    func settle() throws { try stage.awaitAnswers() }
}
