import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Testing

/// Here a topic is one of the system's.
typealias Topic = InventoryWire.Topic

/// Topics of a test's own on a genuine broker, with the processes that the test starts on them.
final class Stage {
    let bootstrap: String
    let prefix: String
    let partitions: Int32
    private(set) var processes: [ChildProcess] = []
    let folder: String
    /// Where the broker asks who one is.
    private let secured: SecuredServers?
    private var producer: Producer!
    private var commands: KafkaClient.Topic!
    private var writer = RecordWriter()
    private(set) var published = 0

    /// - Parameter prefix: of its topics; without one a stage of its own on a shared broker.
    init(
        partitions: Int32 = 2, bootstrap: String? = nil, secured: SecuredServers? = nil,
        prefix: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        self.secured = secured
        self.bootstrap = try #require(
            bootstrap ?? secured?.bootstrap ?? RealServers.kafka, sourceLocation: sourceLocation)
        self.partitions = partitions
        let name = "t\(UInt32.random(in: 0...UInt32.max))."
        self.prefix = prefix ?? name
        folder = NSTemporaryDirectory() + "holdfast-\(name)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        if secured != nil {
            // 1 where the users have rights on other stages, too.
            let allowed = try run(["acls", "apply"])
            try #require(allowed.code <= 1, "\(allowed.output)", sourceLocation: sourceLocation)
        }
        let created = try run(["topics", "apply", "--partitions", "\(partitions)"])
        try #require(created.code == 0, "\(created.output)", sourceLocation: sourceLocation)
        // Only now: the producer would remember that it had no right, and that there was no topic.
        let client: KafkaConfiguration = ["bootstrap.servers": self.bootstrap, "linger.ms": "2"]
        producer = try Producer(configuration: client.merging(secured?.client("upstream") ?? [:]))
        commands = try producer.topic(self.prefix + "stock.commands")
    }

    /// The topics of another prefix, which a stage's were grown into.
    init(grownFrom other: Stage, prefix: String, partitions: Int32) throws {
        secured = other.secured
        bootstrap = other.bootstrap
        self.partitions = partitions
        self.prefix = prefix
        folder = NSTemporaryDirectory() + "holdfast-\(prefix)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let client: KafkaConfiguration = ["bootstrap.servers": bootstrap, "linger.ms": "2"]
        producer = try Producer(configuration: client.merging(secured?.client("upstream") ?? [:]))
        commands = try producer.topic(prefix + "stock.commands")
    }

    deinit { endAll() }

    /// Ends what still runs; each test does so, also when it fails.
    func endAll() {
        for process in processes { process.stop(milliseconds: 5_000) }
        processes = []
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// The last lines of each role's log, for a test that waited in vain.
    private func tails() -> String {
        processes.map { "\n\($0.name), \($0.isRunning ? "runs" : "ended"):\n\($0.logTail(lines: 40))" }
            .joined()
    }

    /// The partition of a key.
    func place(of key: String) -> Int32 {
        Array(key.utf8).withUnsafeBytes { murmur2Partition(key: $0, partitionCount: partitions) }
    }

    func name(_ topic: Topic) -> String { prefix + topic.rawValue }

    /// Runs a subcommand to its end.
    func run(
        _ arguments: [String], environment: [String: String] = [:], seconds: Int = 60
    ) throws -> (code: Int32, output: String) {
        let log = "\(folder)/run-\(UInt32.random(in: 0...UInt32.max)).log"
        let process = try ChildProcess(
            name: arguments[0], executable: RealServers.binary, arguments: flags(arguments),
            environment: environment, logPath: log)
        guard let code = process.waitForEnd(milliseconds: seconds * 1000) else {
            process.stop(milliseconds: 1)
            throw Timeout(what: arguments.joined(separator: " "))
        }
        return (code, process.logTail(lines: 1000))
    }

    /// Starts a subcommand that ends by itself.
    func begin(_ arguments: [String], environment: [String: String] = [:]) throws -> ChildProcess {
        let process = try ChildProcess(
            name: arguments[0], executable: RealServers.binary, arguments: flags(arguments),
            environment: environment, logPath: "\(folder)/run-\(UInt32.random(in: 0...UInt32.max)).log")
        processes.append(process)
        return process
    }

    private func flags(_ arguments: [String]) -> [String] {
        // The prefix alone keeps the stages of a cluster apart: groups and transactional ids have it too.
        let words = arguments.prefix { !$0.hasPrefix("-") }
        let security = arguments.contains("--config") ? [] : secured?.flags(for: Array(words)) ?? []
        let address = arguments.contains("--bootstrap-servers") ? [] : ["--bootstrap-servers", bootstrap]
        return arguments + security + address + ["--topic-prefix", prefix]
    }

    /// Starts a role as a process of its own, and waits until it is ready.
    @discardableResult
    func start(
        _ role: String, _ arguments: [String] = [], environment: [String: String] = [:],
        awaitReady: Bool = true
    ) throws -> Role {
        let port = try freeLoopbackPort()
        let process = try ChildProcess(
            name: role, executable: RealServers.binary,
            arguments: flags([role] + arguments + ["--http-port", "\(port)", "--log-format", "text"]),
            environment: environment, logPath: "\(folder)/\(role)-\(processes.count).log")
        processes.append(process)
        let started = Role(process: process, port: port)
        if awaitReady { try started.awaitReady() }
        return started
    }

    struct Role {
        let process: ChildProcess
        let port: Int

        func awaitReady(seconds: Double = 60) throws {
            try eventually(
                "\(process.name) is ready; its log ends: \(process.logTail(lines: 8))", seconds: seconds
            ) {
                if let code = process.exitCode {
                    Issue.record("\(process.name) ended with \(code): \(process.logTail())")
                    throw Timeout(what: process.name)
                }
                return HTTPProbe.status(port: port, path: "/readyz") == 200
            }
        }

        /// The value of a metric, summed over its labels.
        func metric(_ name: String) -> Double {
            let lines = (HTTPProbe.get(port: port, path: "/metrics") ?? "").split(separator: "\n")
            return lines.filter { $0.hasPrefix(name + " ") || $0.hasPrefix(name + "{") }
                .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
        }
    }

    // MARK: Publishing

    func publish(_ commands: [Command]) throws {
        for command in commands { try publishSoon(command) }
        try producer.flush(timeoutMilliseconds: 60_000)
    }

    /// Without waiting for the broker's word.
    func publishSoon(_ command: Command) throws {
        writer.write(command: command)
        try writer.withBytes { value in try publish(key: command.sku.bytes, value: Array(value)) }
    }

    /// The same for any bytes.
    func publish(key: [UInt8]?, value: [UInt8]?, partition: PartitionChoice = .byKey) throws {
        published += 1
        while true {
            let outcome = try withBytes(key) { key in
                try withBytes(value) { value in
                    try producer.produce(commands, partition: partition, key: key, value: value)
                }
            }
            if outcome == .queued { break }
            producer.poll(timeoutMilliseconds: 10)
        }
        producer.poll(timeoutMilliseconds: 0)
    }

    /// A record of a topic that people publish: `warehouses`, `products` or `settings`.
    func publish(
        to topic: Topic, key: String, value: [UInt8]?, partition: PartitionChoice = .byKey
    ) throws {
        let handle = try producer.topic(name(topic))
        _ = try Array(key.utf8).withUnsafeBytes { key in
            try withBytes(value) { value in
                try producer.produce(handle, partition: partition, key: key, value: value)
            }
        }
        try producer.flush(timeoutMilliseconds: 60_000)
    }

    /// Records of another stage's topic, in their order; keys place them where they were.
    ///
    /// - Parameter other: a producer that has seen the topic as it is now.
    func publish(_ records: [Record], to topic: Topic, by other: Producer? = nil) throws {
        let producer: Producer = other ?? self.producer
        let handle = try producer.topic(name(topic))
        for record in records {
            while try withBytes(
                record.key,
                { key in
                    try withBytes(record.value) { value in
                        try producer.produce(
                            handle, partition: .number(record.partition), key: key, value: value)
                    }
                }) != .queued
            { producer.poll(timeoutMilliseconds: 10) }
        }
        try producer.flush(timeoutMilliseconds: 60_000)
    }

    func publish(warehouse record: WarehouseRecord) throws {
        writer.write(warehouse: record)
        try publish(to: .warehouses, key: record.warehouse.id.text, value: writer.withBytes { Array($0) })
    }

    func publish(product: ProductRecord) throws {
        writer.write(product: product)
        try publish(to: .products, key: product.sku.text, value: writer.withBytes { Array($0) })
    }

    func publish(settings: Settings) throws {
        writer.write(settings: settings)
        try publish(to: .settings, key: RecordReader.settingsKey, value: writer.withBytes { Array($0) })
    }

    func flush() throws { try producer.flush(timeoutMilliseconds: 60_000) }

    private func withBytes<Result>(
        _ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) throws -> Result
    ) rethrows -> Result {
        guard let bytes else { return try body(nil) }
        return try bytes.withUnsafeBytes { try body($0) }
    }

    // MARK: Reading

    struct Record: Equatable {
        var partition: Int32
        var offset: Int64
        var timestamp: Int64
        var key: [UInt8]?
        var value: [UInt8]?

        var keyID: ID { ID(decoding: key ?? []) }
        var keyText: String { keyID.text }
        var text: String { String(decoding: value ?? [], as: UTF8.self) }
    }

    /// All records that a topic has now.
    func read(
        _ topic: Topic, isolation: String = "read_committed", prefix other: String? = nil
    ) throws -> [Record] {
        let name = (other ?? prefix) + topic.rawValue
        let client: KafkaConfiguration = [
            "bootstrap.servers": bootstrap, "group.id": prefix + "reader", "isolation.level": isolation,
            "enable.auto.commit": "false", "enable.partition.eof": "true", "auto.offset.reset": "error",
            // Tests read to the end hundreds of times. It is told by an answer without records, which a broker
            // holds back for half a second by default.
            "fetch.wait.max.ms": "5",
        ]
        let consumer = try Consumer(
            configuration: client.merging(secured?.client("administrator") ?? [:]))
        try consumer.assign(
            (0..<partitions).map {
                TopicPartitionOffset(name, $0, offset: TopicPartitionOffset.beginning)
            })
        var records: [Record] = []
        var unread = Set(0..<partitions)
        try eventually("\(topic.rawValue) is read to its end") {
            consumer.consumeBatch(maxMessages: 10_000, timeoutMilliseconds: 100) { message in
                switch message.kind {
                case .record:
                    records.append(
                        Record(
                            partition: message.partition, offset: message.offset,
                            timestamp: message.timestampMilliseconds, key: message.key.map { Array($0) },
                            value: message.value.map { Array($0) }))
                case .endOfPartition: unread.remove(message.partition)
                case .failure: break
                }
            }
            return unread.isEmpty
        }
        return records
    }

    /// The newest value of each key that has one, by partition and key.
    func newest(_ topic: Topic, prefix other: String? = nil) throws -> [String: [UInt8]] {
        var newest: [String: [UInt8]] = [:]
        for record in try read(topic, prefix: other) {
            newest["\(record.partition) \(record.keyID)"] = record.value
        }
        return newest
    }

    func results(isolation: String = "read_committed") throws -> [(
        outcome: Outcome, source: Source, bytes: [UInt8]
    )] {
        var reader = RecordReader()
        return try read(.results, isolation: isolation).compactMap { record in
            guard try record.value!.withUnsafeBytes({ try reader.notice($0) }) == nil else { return nil }
            let (outcome, source) = try record.value!.withUnsafeBytes { try reader.outcome($0) }
            return (outcome, source, record.value!)
        }
    }

    /// What orders were told besides the results of commands.
    func notices(isolation: String = "read_committed") throws -> [Notice] {
        var reader = RecordReader()
        return try read(.results, isolation: isolation).compactMap { record in
            try record.value!.withUnsafeBytes { try reader.notice($0) }
        }
    }

    func alerts() throws -> [Alert] {
        var reader = RecordReader()
        return try read(.alerts).map { try $0.value!.withUnsafeBytes { try reader.alert($0) } }
    }

    func ledger() throws -> [LedgerEntry] {
        var reader = RecordReader()
        return try read(.ledger).map { try $0.value!.withUnsafeBytes { try reader.ledgerEntry($0) } }
    }

    /// The newest levels of each SKU.
    func levels() throws -> [ID: LevelsSnapshot] {
        var reader = RecordReader()
        var levels: [ID: LevelsSnapshot] = [:]
        for record in try read(.levels) {
            levels[record.keyID] = try record.value.map { try $0.withUnsafeBytes { try reader.levels($0) } }
        }
        return levels
    }

    /// The key of a record of `stock.reservations` or `stock.transfers`.
    static func key(_ name: OwnedID) -> [UInt8] {
        var key = OwnedKey()
        key.set(name)
        return key.withBytes { Array($0) }
    }

    private static func name(_ record: Record, _ reader: inout RecordReader) throws -> OwnedID {
        var name: OwnedID?
        (record.key ?? []).withUnsafeBytes { name = reader.ownedID(key: $0) }
        return try #require(name, "the key \(record.keyText)")
    }

    /// The newest record of each key that is no tombstone.
    private func newest(of topic: Topic) throws -> [Record] {
        var newest: [[UInt8]: Record] = [:]
        for record in try read(topic) { newest[record.key ?? []] = record }
        return newest.values.filter { $0.value != nil }
    }

    /// The reservations that live.
    func liveReservations() throws -> [OwnedID: ReservationSnapshot] {
        var reader = RecordReader()
        var live: [OwnedID: ReservationSnapshot] = [:]
        for record in try newest(of: .reservations) {
            live[try Self.name(record, &reader)] = try record.value!.withUnsafeBytes {
                try reader.reservation($0)
            }
        }
        return live
    }

    /// The transfers that live.
    func liveTransfers() throws -> [OwnedID: TransferSnapshot] {
        var reader = RecordReader()
        var live: [OwnedID: TransferSnapshot] = [:]
        for record in try newest(of: .transfers) {
            live[try Self.name(record, &reader)] = try record.value!.withUnsafeBytes {
                try reader.transfer($0)
            }
        }
        return live
    }

    /// The outcome of a command, once there is one.
    func outcome(of commandID: ID, seconds: Double = 60) throws -> Outcome {
        var found: Outcome?
        try eventually("a result of \(commandID)", seconds: seconds) {
            found = try results().first { $0.outcome.commandID == commandID }?.outcome
            return found != nil
        }
        return found!
    }

    /// Waits until as many records have a result or a dead letter as were published.
    func awaitResults(_ count: Int? = nil, seconds: Double = 120) throws {
        let wanted = count ?? published
        try eventually("\(wanted) results\(tails())", seconds: seconds) {
            try results().count + read(.deadLetters).count >= wanted
        }
    }

    /// Waits until every command that is in the log has its answer, those of the relay and the delay service too.
    func awaitAnswers(seconds: Double = 120) throws {
        try eventually("every command has an answer\(tails())", seconds: seconds) {
            let letters = try deadLetters().filter { $0.topic == Topic.commands.rawValue }.count
            return try results().count + letters >= read(.commands).count
        }
    }

    func deadLetters() throws -> [DeadLetter] {
        var reader = RecordReader()
        return try read(.deadLetters).compactMap { record in
            try record.value!.withUnsafeBytes {
                try reader.redriveMark($0) == nil ? reader.deadLetter($0) : nil
            }
        }
    }

    /// The marks of letters that were redriven.
    func redriveMarks() throws -> [RedriveMark] {
        var reader = RecordReader()
        return try read(.deadLetters).compactMap { record in
            try record.value!.withUnsafeBytes { try reader.redriveMark($0) }
        }
    }

    /// What must hold whatever happened: one result for each command, no two that differ, a ledger without gaps
    /// whose sums are the levels, and live reservations that are what is reserved.
    func checkBooks(sourceLocation: SourceLocation = #_sourceLocation) throws {
        struct Place: Hashable {
            let partition: Int32
            let offset: Int64
        }
        let commands = Set(try read(.commands).map { Place(partition: $0.partition, offset: $0.offset) })
        var answers: [Place: Int] = [:]
        for (_, source, _) in try results() {
            answers[Place(partition: source.partition, offset: source.offset), default: 0] += 1
        }
        for letter in try deadLetters() where letter.topic == Topic.commands.rawValue {
            answers[Place(partition: letter.partition, offset: letter.offset), default: 0] += 1
        }
        #expect(Set(answers.keys) == commands, "each record has an answer", sourceLocation: sourceLocation)
        #expect(
            answers.values.allSatisfy { $0 == 1 },
            "none has two; \(processes.map { "\($0.name): \($0.logTail(lines: 100))" }.joined(separator: "\n"))",
            sourceLocation: sourceLocation)

        var speculative: [Place: [UInt8]] = [:]
        var contradictions = 0
        for (_, source, bytes) in try results(isolation: "read_uncommitted") {
            let place = Place(partition: source.partition, offset: source.offset)
            if let before = speculative.updateValue(bytes, forKey: place), before != bytes {
                contradictions += 1
            }
        }
        #expect(contradictions == 0, "aborted results say the same", sourceLocation: sourceLocation)

        // Folding the ledger refuses gaps, wrong balances and overselling by itself.
        var folded: [Int32: Stock] = [:]
        var notices: [Notice] = []
        var alerts: [Alert] = []
        var withinEarlierLog: Set<Int32> = []
        var reader = RecordReader()
        for record in try read(.ledger) {
            let entry = try record.value!.withUnsafeBytes { try reader.ledgerEntry($0) }
            if entry.beginsEarlierLog { withinEarlierLog.insert(record.partition) }
            if entry.endsEarlierLog { withinEarlierLog.remove(record.partition) }
            let raised = folded[record.partition, default: Stock()].fold(entry)
            // What came of an earlier log's commands was told in its own topics.
            if withinEarlierLog.contains(record.partition), !entry.sku.text.hasPrefix(PartitionBook.prefix) {
                continue
            }
            alerts += raised
            if let notice = Notice(of: entry) { notices.append(notice) }
        }
        let levels = try levels()
        #expect(
            folded.values.flatMap(\.allLevels).sorted { $0.sku < $1.sku }
                == levels.values.sorted { $0.sku < $1.sku }, "the ledger's sums are the levels",
            sourceLocation: sourceLocation)
        let live = try liveReservations().values.sorted { $0.id < $1.id }
        #expect(
            folded.values.flatMap(\.allReservations).sorted { $0.id < $1.id } == live,
            "the ledger's reservations are the live ones", sourceLocation: sourceLocation)
        let underWay = try liveTransfers().values.sorted { $0.id < $1.id }
        #expect(
            folded.values.flatMap(\.allTransfers).sorted { $0.id < $1.id } == underWay,
            "the ledger's transfers are those under way", sourceLocation: sourceLocation)
        func place(_ sku: ID, _ sequence: Int64) -> String { "\(sku) \(sequence)" }
        #expect(
            try self.notices().map { place($0.sku, $0.sequence) }.sorted()
                == notices.map { place($0.sku, $0.sequence) }.sorted(),
            "orders are told once what the ledger says", sourceLocation: sourceLocation)
        #expect(
            try self.alerts().map { "\($0)" }.sorted() == alerts.map { "\($0)" }.sorted(),
            "alerts are raised once, as the ledger says", sourceLocation: sourceLocation)
        let verified = try run(["verify", "--without-database"])
        #expect(verified.code == 0, "verify: \(verified.output)", sourceLocation: sourceLocation)
    }
}

/// Commands in short.
func receive(_ id: ID, _ quantity: Int64, _ sku: ID, in warehouse: ID = "BER") -> Command {
    Command(id: id, sku: sku, body: .receive(warehouse: warehouse, quantity: quantity, reference: nil))
}

func reserve(_ id: ID, _ quantity: Int64, _ sku: ID, ttl: Int64 = 600_000) -> Command {
    Command(
        id: "c-\(id)", sku: sku,
        body: .reserve(
            Command.Reserve(
                reservationID: id, orderID: "o-\(id)", quantity: quantity, expiry: .after(milliseconds: ttl)))
    )
}

func confirm(_ id: ID, _ sku: ID, as commandID: ID? = nil) -> Command {
    Command(id: commandID ?? "p-\(id)", sku: sku, body: .confirm(reservationID: id, quantity: nil))
}

func release(_ id: ID, _ sku: ID) -> Command {
    Command(id: "x-\(id)", sku: sku, body: .release(reservationID: id, quantity: nil))
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
