import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import OrderCore
import PostgresClient
import Testing

/// What a processor does whose client reads a partition no more. It is made to by a library that pauses the partition
/// in the client (deploy/lib/deaf-partition.c).
@Suite(
    "A partition that is read no more", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct StallTests {
    /// The library, compiled, and the file that switches it on.
    private struct Deafness {
        let file = RealServers.root + "/.local/deaf-\(UInt32.random(in: 0...UInt32.max))"
        var library: String { file + ".so" }
        var environment: [String: String] { ["LD_PRELOAD": library, "DEAF_PARTITION_FILE": file] }

        /// Of the first consumer that is assigned that topic.
        func environment(topic: String) -> [String: String] {
            environment.merging(["DEAF_PARTITION_TOPIC": topic]) { $1 }
        }

        init() throws {
            let source = RealServers.root + "/deploy/lib/deaf-partition.c"
            let code = system("cc -shared -fPIC -O2 -o '\(library)' '\(source)' -lrdkafka -ldl")
            try #require(code == 0, "\(source) does not compile")
            try Data().write(to: URL(filePath: file))
        }

        func end() {
            for path in [file, library] { try? FileManager.default.removeItem(atPath: path) }
        }
    }

    @Test("It ends with 70 and says where; the next process decides what was left", .timeLimit(.minutes(3)))
    func stalled() throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        let deafness = try Deafness()
        defer { deafness.end() }
        let processor = try stage.start(
            "process", ["--stall-timeout-ms", "2000"], environment: deafness.environment)
        try stage.publish([receive("c1", 5, "A"), reserve("r1", 2, "A")])
        #expect(processor.process.waitForEnd(milliseconds: 60_000) == 70, "\(processor.process.logTail())")
        let log = processor.process.logTail(lines: 50)
        #expect(
            log.contains("\(stage.name(.commands)) [0] is read no more: nothing came from offset 0 on"),
            "\(log)")
        #expect(log.contains("another client reads a record at offset 0"), "\(log)")
        #expect(try stage.read(.results).isEmpty)

        try FileManager.default.removeItem(atPath: deafness.file)
        try stage.start("process", ["--stall-timeout-ms", "2000"])
        try stage.awaitResults()
        #expect(try stage.results().map(\.outcome.kind) == [.received, .reserved])
        try stage.checkBooks()
    }

    @Test(
        "Every other role that reads ends with 70 as well, and its next process reads on",
        .enabled(if: RealServers.database != nil, Comment(rawValue: RealServers.databaseReason)),
        .timeLimit(.minutes(3)), arguments: ["coordinate", "delay", "relay", "sink"])
    func others(role: String) throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        let database = try TestDatabase()
        let deafness = try Deafness()
        defer { deafness.end() }
        let topics: [String: Topic] = [
            "coordinate": .orderReplies, "delay": .reservations, "relay": .warehouses, "sink": .ledger,
        ]
        let topic = try #require(topics[role])
        let arguments = ["--stall-timeout-ms", "1000"] + (role == "sink" ? ["--migrate"] : [])
        let environment = role == "sink" ? ["DATABASE_URL": database.url] : [:]
        try stage.start("process")
        let deaf = try stage.start(
            role, arguments,
            environment: deafness.environment(topic: stage.name(topic)).merging(environment) { $1 },
            awaitReady: false)
        try stage.publish([receive("c1", 5, "A"), reserve("r1", 2, "A", ttl: 1)])
        try stage.publish([
            event(
                "placed", "o1",
                .placed(
                    OrderEvent.Placed(
                        lines: [OrderEvent.Line(sku: "A", quantity: 1)], expiry: .after(milliseconds: 600_000)
                    )))
        ])
        try stage.publish(warehouse: WarehouseRecord(warehouse: Warehouse(id: "BER", priority: 1)))
        #expect(deaf.process.waitForEnd(milliseconds: 60_000) == 70, "\(deaf.process.logTail())")
        let log = deaf.process.logTail(lines: 50)
        #expect(log.contains("[0] is read no more: nothing came from offset 0 on"), "\(log)")

        try FileManager.default.removeItem(atPath: deafness.file)
        let next = try stage.start(role, arguments, environment: environment)
        switch role {
        case "coordinate": try stage.awaitStory("o1", ["reserved"])
        case "delay":
            try eventually("the reservation has expired; \(next.process.logTail(lines: 5))") {
                try stage.results().contains { $0.outcome.kind == .expired }
            }
        case "relay":
            try eventually("the warehouse is carried; \(next.process.logTail(lines: 5))") {
                try stage.ledger().contains { $0.movement == .setWarehouse }
            }
        default:
            try eventually("the ledger is stored; \(next.process.logTail(lines: 5))") {
                try Connection(url: database.url, applicationName: "holdfast tests")
                    .query("SELECT count(*) FROM holdfast.inventory_transactions").int64(0, 0) ?? 0 >= 2
            }
        }
        try stage.checkBooks()
    }

    @Test(
        "A reader that gets nothing because there is nothing but markers goes on", .timeLimit(.minutes(3)))
    func markersOnly() throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        let processor = try stage.start("process", ["--stall-timeout-ms", "1000"])
        try stage.publish([receive("c1", 5, "A")])
        try stage.awaitResults()
        // A transaction that is aborted: a record that nobody gets, and a marker.
        let producer = try TransactionalProducer(configuration: [
            "bootstrap.servers": stage.bootstrap, "transactional.id": stage.prefix + "aborting",
        ])
        try producer.initTransactions(timeoutMilliseconds: 20_000)
        try producer.begin()
        let bytes = Array("{}".utf8)
        let topic = try producer.topic(stage.name(.commands))
        let outcome = try bytes.withUnsafeBytes {
            try producer.produce(topic, partition: .number(0), key: $0, value: $0)
        }
        #expect(outcome == .queued)
        try producer.flush(timeoutMilliseconds: 20_000)
        try producer.abort(timeoutMilliseconds: 20_000)
        let asked = processor.metric("holdfast_stall_questions_total")
        try eventually("the broker was asked often enough to end; \(processor.process.logTail(lines: 5))") {
            processor.metric("holdfast_stall_questions_total") >= asked + 4
        }
        #expect(processor.process.isRunning)
        try stage.publish([reserve("r1", 2, "A")])
        try stage.awaitResults()
        #expect(try stage.results().map(\.outcome.kind) == [.received, .reserved])
    }
}
