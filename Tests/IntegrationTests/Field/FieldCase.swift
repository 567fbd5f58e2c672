import Foundation
import InventoryWire
import KafkaClient
import Operations
import PostgresClient
import Testing

/// A case of the field on real servers: a whole system on topics and a database of its own, the inputs, and what came of
/// them beside what is right.
final class FieldCase {
    /// The number and the words of the case's folder.
    let name: String
    let stage: Stage
    let database: TestDatabase
    private(set) var roles: [String: Stage.Role] = [:]
    private let log: FieldLog
    private var offsets: [String: Consumer] = [:]

    /// - Parameters:
    ///   - name: of the folder of its inputs, if it has some.
    ///   - coordinating: flags of the coordinator.
    init(_ name: String, partitions: Int32 = 2, coordinating: [String] = []) throws {
        self.name = name
        database = try TestDatabase()
        stage = try Stage(partitions: partitions)
        log = FieldLog(stage)
        let starts = [
            ("process", []), ("coordinate", coordinating), ("relay", []), ("delay", []),
            ("sink", ["--migrate"]),
        ]
        for (role, arguments) in starts {
            roles[role] = try stage.start(
                role, arguments, environment: ["DATABASE_URL": database.url], awaitReady: false)
        }
        for role in roles.values { try role.awaitReady() }
    }

    func end() {
        for process in stage.processes { process.send(SIGTERM) }
        stage.endAll()
    }

    /// Ends a role in order; `start` starts it again.
    func stop(_ role: String) { roles[role]?.process.stop(milliseconds: 10_000) }

    func start(_ role: String) throws { roles[role] = try stage.start(role) }

    // MARK: Inputs

    private static let folder = RealServers.root + "/Tests/IntegrationTests/Field/Cases/"

    func path(_ file: String) -> String { Self.folder + "\(name)/\(file)" }

    /// Publishes the records of a step: of the file whose name begins with it, lines `KEY|VALUE`, to the topic that its
    /// name ends with. A line without a value is a tombstone.
    ///
    /// - Parameter words: of the file, with what is written for them.
    /// - Parameter partitions: by how many keys are placed, where it is not the topic's own number.
    func send(_ step: String, replacing words: [String: String] = [:], partitions: Int32? = nil) throws {
        let file = try self.file(step)
        let topic = try #require(
            Topic.allCases.filter { file.hasSuffix(".\($0.rawValue).jsonl") }
                .max { $0.rawValue.count < $1.rawValue.count }, "\(file) names no topic")
        var text = try String(contentsOfFile: path(file), encoding: .utf8)
        for (word, other) in words { text = text.replacing(word, with: other) }
        let bytes = Array(text.utf8)
        try publish(
            bytes.split(separator: UInt8(ascii: "\n")).map { line in
                let bar = try #require(line.firstIndex(of: UInt8(ascii: "|")))
                return (Array(line[..<bar]), Array(line[(bar + 1)...]))
            }, to: topic, partitions)
    }

    private func file(_ step: String) throws -> String {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder + name)
        return try #require(files.first { $0.hasPrefix(step + ".") }, "\(name) has no step \(step)")
    }

    /// A field of each command of a step, by its command_id.
    func texts(_ step: String, named field: String) throws -> [String: String] {
        var texts: [String: String] = [:]
        for line in try String(contentsOfFile: path(try file(step)), encoding: .utf8).split(separator: "\n") {
            let json = Data(line[line.index(after: line.firstIndex(of: "|")!)...].utf8)
            let record = try JSONSerialization.jsonObject(with: json) as? [String: Any] ?? [:]
            texts[record["command_id"] as? String ?? ""] = record[field].map { "\($0)" }
        }
        return texts
    }

    /// Publishes records that are written in the test, to the partitions of their keys.
    func publish(_ topic: Topic, _ records: [(String, String)]) throws {
        try publish(records.map { (Array($0.0.utf8), Array($0.1.utf8)) }, to: topic)
    }

    private func publish(
        _ records: [(key: [UInt8], value: [UInt8])], to topic: Topic, _ partitions: Int32? = nil
    ) throws {
        let count = partitions ?? log.partitions(of: topic)
        try stage.publish(
            records.map { key, value in
                Stage.Record(
                    partition: key.withUnsafeBytes { murmur2Partition(key: $0, partitionCount: count) },
                    offset: 0, timestamp: 0, key: key, value: value.isEmpty ? nil : value)
            }, to: topic,
            by: try partitions.map { _ in try Producer(configuration: ["bootstrap.servers": stage.bootstrap])
            })
    }

    private func partitions(of topic: Topic) -> Int32 {
        Topic.published.contains(topic) ? 1 : stage.partitions
    }

    // MARK: Waiting

    /// Which group takes which topics.
    private static let taken: [(role: String, group: String, topics: [Topic])] = [
        ("relay", "holdfast-relay", Topic.published), ("coordinate", "holdfast-coordinate", [.orders]),
        ("process", "holdfast", [.commands]), ("coordinate", "holdfast-coordinate", [.orderReplies]),
    ]

    /// Waits until every record was taken by its role, and nothing came of that which was not taken too.
    ///
    /// - Parameter without: a role that is stopped.
    func settle(without stopped: String? = nil, seconds: Double = 30) throws {
        var before: [Int64] = []
        var last = ""
        try eventually("all that was published is taken; \(last)", seconds: seconds) {
            var ends: [Int64] = []
            var isTaken = true
            for (role, group, topics) in Self.taken where role != stopped {
                for topic in topics {
                    let places = log.places(of: topic)
                    let committed = try holder(group).committed(places, timeoutMilliseconds: 10_000)
                    for (place, next) in zip(places, try log.next(topic)) {
                        let taken = committed.first { $0.partition == place }?.offset ?? -1
                        ends.append(next)
                        if next > 0, taken < next {
                            isTaken = false
                            last = "\(place): \(taken) of \(next)"
                        }
                    }
                }
            }
            defer { before = ends }
            return isTaken && ends == before
        }
    }

    private func holder(_ group: String) throws -> Consumer {
        if let known = offsets[group] { return known }
        let made = try Consumer(configuration: [
            "bootstrap.servers": stage.bootstrap, "group.id": stage.prefix + group,
            "enable.auto.commit": "false",
        ])
        offsets[group] = made
        return made
    }

    // MARK: Reading

    /// All committed records of a topic.
    func read(_ topic: Topic) throws -> [Stage.Record] { try log.read(topic) }

    private let decoder = {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }()

    private func values<Value: Decodable>(
        _ topic: Topic, _ type: Value.Type, where isWanted: (Stage.Record) -> Bool = { _ in true }
    ) throws -> [Value] {
        try read(topic).filter { $0.value != nil && isWanted($0) }.map {
            try decoder.decode(type, from: Data($0.value ?? []))
        }
    }

    /// - Parameter text: that the records hold, where they are many.
    func answers(holding text: String = "") throws -> [FieldRecord.Answer] {
        try values(.results, FieldRecord.Answer.self) { text.isEmpty || $0.text.contains(text) }
    }

    /// What was answered to a command, each time that it was sent, or the reason of its dead letter.
    func answer(_ commandID: FieldName) throws -> String {
        let answers = try answers().filter { $0.commandId == commandID }.map(\.shown)
        return (answers + (try letters(holding: "\"\(commandID.text)\"").map { "dead letter \($0)" }))
            .joined(separator: ", then ")
    }

    /// What was answered to each of some commands.
    func answers(_ ids: [FieldName]) throws -> String {
        try ids.map { try answer($0) }.joined(separator: "; ")
    }

    /// The newest levels of a SKU in its warehouses, such as `BER 5 on hand, 2 reserved, 3 available`.
    func levels(of sku: FieldName) throws -> String {
        guard let newest = try newestLevels(of: sku) else { return "none" }
        let shown = newest.levels.map {
            "\($0.warehouse) \($0.onHand) on hand, \($0.reserved) reserved, \($0.available) available"
        }
        return (shown + (newest.backordered.map { ["\($0) backordered"] } ?? [])).joined(separator: "; ")
    }

    func newestLevels(of sku: FieldName) throws -> FieldRecord.Levels? {
        try values(.levels, FieldRecord.Levels.self).last { $0.sku == sku }
    }

    /// What each partition knows as the longest TTL.
    func longestTTLs() throws -> [Int64] {
        var known: [FieldName: Int64] = [:]
        for levels in try values(.levels, FieldRecord.Levels.self) {
            if let settings = levels.settings { known[levels.sku] = settings.longestTtlMs }
        }
        return known.sorted { $0.key < $1.key }.map(\.value)
    }

    /// What a live reservation keeps, such as `HAM 5`, or how it ended.
    func reservation(_ id: FieldName) throws -> String {
        let rows = try sql(
            """
            SELECT r.status, r.remaining, (SELECT string_agg(warehouse_id || ' ' || quantity, ', '
                ORDER BY warehouse_id COLLATE "C") FROM holdfast.reservation_allocations a
                WHERE a.sku = r.sku AND a.reserved_sequence = r.reserved_sequence)
            FROM holdfast.reservations r WHERE r.id = '\(id.text)' ORDER BY r.sku COLLATE "C", r.reserved_sequence
            """)
        return rows.map { $0.joined(separator: ", ") }.joined(separator: "; ")
    }

    func alerts() throws -> [FieldRecord.Alert] { try values(.alerts, FieldRecord.Alert.self) }

    /// The reasons of the dead letters whose record holds a text.
    func letters(holding text: String = "") throws -> [String] {
        try values(.deadLetters, FieldRecord.Letter.self).filter { letter in
            let parts = [letter.keyBase64, letter.valueBase64].map { part in
                String(decoding: Data(base64Encoded: part ?? "") ?? Data(), as: UTF8.self)
            }
            return letter.redriven == nil
                && (text.isEmpty || parts.contains { Array($0.utf8).holds(Array(text.utf8)) })
        }.map { $0.reason ?? "" }
    }

    // MARK: Orders

    func outcomes(of order: FieldName) throws -> [FieldRecord.Outcome] {
        try values(.orderOutcomes, FieldRecord.Outcome.self).filter {
            $0.orderId == order && $0.version != nil
        }
    }

    /// What was told of an order, in a word each; `released!` is final.
    func story(of order: FieldName) throws -> String {
        try outcomes(of: order).map { ($0.outcome ?? "") + ($0.final == true ? "!" : "") }.joined(
            separator: ", ")
    }

    /// Where the money and the units of an order are at last: as its newest outcome tells it, and what the ledger says
    /// has shipped for it.
    func money(of order: FieldName) throws -> String {
        let newest = try outcomes(of: order).last
        let shipped = try values(.ledger, FieldRecord.Entry.self)
            .filter { $0.orderId == order && $0.movement == "ship" }.reduce(0) { $0 + ($1.quantity ?? 0) }
        guard let newest else { return "nothing was told" }
        return "paid \(newest.sum(\.paid)), shipped \(newest.sum(\.shipped)) (ledger \(shipped)), "
            + "kept \(newest.sum(\.reserved)), missing \(newest.sum(\.backordered)), refund \(newest.sum(\.refund))"
    }

    /// The same as it should be; what ships stands in the ledger too.
    static func money(
        paid: Int64, shipped: Int64 = 0, kept: Int64 = 0, missing: Int64 = 0, refund: Int64 = 0
    ) -> String {
        "paid \(paid), shipped \(shipped) (ledger \(shipped)), kept \(kept), missing \(missing), refund \(refund)"
    }

    /// Why an event was refused: in a record of `order.outcomes` that is no version of the order, or in a dead letter.
    func refusal(of eventID: FieldName) throws -> String {
        let refusals = try values(.orderOutcomes, FieldRecord.Outcome.self)
            .filter { $0.version == nil && $0.eventId == eventID }.map { $0.reason ?? "refused" }
        return Set(refusals + (try letters(holding: "\"\(eventID.text)\""))).sorted().joined(separator: ", ")
    }

    // MARK: PostgreSQL

    /// The rows of a query, their columns as texts.
    func sql(_ query: String) throws -> [[String]] {
        let connection = try Connection(url: database.url, applicationName: "holdfast tests")
        let result = try connection.execute(query)
        return try (0..<result.rowCount).map { row in
            try (0..<result.columnCount).map { try result.text(row, $0) ?? "" }
        }
    }

    /// Waits until PostgreSQL has every entry of the ledger.
    func awaitRows() throws {
        let entries = try read(.ledger).count
        try eventually("PostgreSQL has \(entries) entries", seconds: 20) {
            try sql("SELECT count(*) FROM holdfast.inventory_transactions") == [["\(entries)"]]
        }
    }

    // MARK: What is right

    /// Compares what came with what is right, and tells both. What came may take a moment.
    func check(
        _ what: String, expected: String, seconds: Double = 5,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ outcome: () throws -> String
    ) throws {
        try check(
            what, expected: expected, seconds: seconds, isRight: { $0 == expected },
            sourceLocation: sourceLocation,
            outcome)
    }

    /// The same where more than one outcome is right.
    func check(
        _ what: String, expected: String, seconds: Double = 5, isRight: (String) -> Bool,
        sourceLocation: SourceLocation = #_sourceLocation, _ outcome: () throws -> String
    ) throws {
        let end = Date().addingTimeInterval(seconds)
        var last = try outcome()
        while !isRight(last), Date() < end {
            usleep(100_000)
            last = try outcome()
        }
        let row = FieldTable.Row(
            name: name, what: what, expected: expected, outcome: last, isRight: isRight(last))
        FieldTable.add(row)
        #expect(row.isRight, "\(row.shown)", sourceLocation: sourceLocation)
    }

    /// All audits: of PostgreSQL by itself, and of topics and PostgreSQL by `holdfast verify`.
    func checkAudits(sourceLocation: SourceLocation = #_sourceLocation) throws {
        try settle()
        try awaitRows()
        try check(
            "all audits", expected: "check_ledger 0, check_chain 0, inventory_differences 0, verify 0",
            sourceLocation: sourceLocation
        ) {
            let counts = try ["check_ledger()", "check_chain()", "inventory_differences"].map { name in
                let count = try sql("SELECT count(*) FROM holdfast.\(name)")[0][0]
                return "\(name.replacing("()", with: "")) \(count)"
            }
            let verified = try stage.run(["verify"], environment: ["DATABASE_URL": database.url])
            if verified.code != 0 { print(verified.output) }
            return (counts + ["verify \(verified.code)"]).joined(separator: ", ")
        }
    }
}

extension [UInt8] {
    /// Whether the bytes stand in it as they are.
    func holds(_ part: [UInt8]) -> Bool {
        indices.contains { count - $0 >= part.count && self[$0..<($0 + part.count)].elementsEqual(part) }
    }
}
