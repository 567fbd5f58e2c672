import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import OrderCore
import PostgresClient
import Testing

extension Stage {
    private var admin: Admin { get throws { try Admin(configuration: ["bootstrap.servers": bootstrap]) } }

    private func reader(group: String) throws -> Consumer {
        try Consumer(
            configuration: [
                "bootstrap.servers": bootstrap, "group.id": group, "isolation.level": "read_committed",
                "enable.auto.commit": "false",
            ])
    }

    /// Where a partition ends for who reads what is committed, markers included.
    func end(of topic: Topic, _ partition: Int32 = 0) throws -> Int64 {
        try reader(group: prefix + "reader").watermarks(
            TopicPartition(name(topic), partition), timeoutMilliseconds: 20_000
        ).high
    }

    /// The offset that a role's group has committed; nil for none.
    func committed(_ group: String, _ topic: Topic, _ partition: Int32 = 0) throws -> Int64? {
        let found = try reader(group: prefix + group).committed(
            [TopicPartition(name(topic), partition)], timeoutMilliseconds: 20_000)
        return found.first.flatMap { $0.isSet ? $0.offset : nil }
    }

    /// Retention has taken all that there is of a partition.
    func deleteAll(of topic: Topic, _ partition: Int32 = 0) throws {
        try admin.deleteRecords(
            before: [TopicPartitionOffset(name(topic), partition, offset: TopicPartitionOffset.end)],
            timeoutMilliseconds: 20_000)
    }

    /// The broker forgets what a group has committed.
    func forget(group: String) throws {
        try eventually("the group \(group) is empty and deleted") {
            do {
                try admin.deleteConsumerGroup(prefix + group, timeoutMilliseconds: 20_000)
                return true
            } catch let error as KafkaError where error.code.name == "NON_EMPTY_GROUP" {
                return false
            }
        }
    }

    /// A transaction of somebody else's, with one record.
    func transaction(_ topic: Topic, key: String, value: String) throws -> TransactionalProducer {
        let producer = try TransactionalProducer(
            configuration: [
                "bootstrap.servers": bootstrap, "transactional.id": "\(prefix)\(topic.rawValue).\(key)",
                "linger.ms": "0", "transaction.timeout.ms": "60000",
            ])
        try producer.initTransactions(timeoutMilliseconds: 20_000)
        try producer.begin()
        let handle = try producer.topic(name(topic))
        try Array(key.utf8).withUnsafeBytes { key in
            try Array(value.utf8).withUnsafeBytes { value in
                _ = try producer.produce(handle, partition: .number(0), key: key, value: value)
            }
        }
        try producer.flush(timeoutMilliseconds: 20_000)
        return producer
    }
}

@Suite(
    "What idleness, retention and lost offsets leave, on a genuine broker", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct IdleLogTests {
    private func warehouse(_ id: ID) -> WarehouseRecord { WarehouseRecord(warehouse: Warehouse(id: id)) }

    @Test(
        "Markers behind the last command that retention takes are no lost commands", .timeLimit(.minutes(3)))
    func commands() throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        try stage.start("relay")
        var processor = try stage.start("process")
        try stage.publish(warehouse: warehouse("BER"))
        try eventually("the warehouse has its answer") { try stage.results().count == 1 }
        // Whoever is killed now has committed behind the marker of the relay's transaction.
        processor.process.send(SIGKILL)
        #expect(try stage.end(of: .commands) == 2)
        try stage.deleteAll(of: .commands)
        processor = try stage.start("process")
        // What is aborted later is passed too.
        let aborted = try stage.transaction(.commands, key: "A", value: "{}")
        try aborted.abort(timeoutMilliseconds: 20_000)
        try eventually("the place is behind what was aborted") {
            try stage.committed("holdfast", .commands) == stage.end(of: .commands)
        }
        #expect(processor.process.stop(milliseconds: 5_000) == 0)
        try stage.deleteAll(of: .commands)
        try stage.start("process")
        try stage.publish([receive("c1", 5, "A", in: "BER")])
        #expect(try stage.outcome(of: "c1").kind == .received)
    }

    @Test(
        "Markers behind the last order and the last reply that retention takes are no lost records",
        .timeLimit(.minutes(3)))
    func orders() throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        try stage.start("process")
        try stage.publish([receive("c1", 5, "A")])
        var coordinator = try stage.start("coordinate")
        try stage.publish([place("o1", [("A", 1)])])
        try stage.awaitStory("o1", ["reserved"])
        let aborted = try stage.transaction(.orders, key: "o2", value: "{}")
        try aborted.abort(timeoutMilliseconds: 20_000)
        for topic in [Topic.orders, .orderReplies] {
            try eventually("the place is at the end of \(topic.rawValue)") {
                try stage.committed("holdfast-coordinate", topic) == stage.end(of: topic)
            }
        }
        coordinator.process.send(SIGKILL)
        for topic in [Topic.orders, .orderReplies] { try stage.deleteAll(of: topic) }
        coordinator = try stage.start("coordinate")
        try stage.publish([event("paid", "o1", .paid([]))])
        try stage.awaitStory("o1", ["reserved", "confirmed!"])
    }

    @Test(
        "Orders that were heeded are not carried out again when the coordinators' group has lost its offsets",
        .timeLimit(.minutes(3)))
    func lostGroup() throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        try stage.start("process")
        try stage.publish([receive("c1", 5, "A"), receive("c2", 5, "B")])
        var coordinator = try stage.start("coordinate")
        try stage.publish([
            place("o1", [("A", 1), ("B", 1)]), place("o2", [("A", 2)]), event("paid", "o1", .paid([])),
        ])
        try stage.awaitStory("o1", ["reserved", "confirmed!"])
        try stage.awaitStory("o2", ["reserved"])
        let commands = try stage.read(.commands).count
        #expect(coordinator.process.stop(milliseconds: 5_000) == 0)
        try stage.forget(group: "holdfast-coordinate")
        #expect(try stage.committed("holdfast-coordinate", .orders) == nil)
        coordinator = try stage.start("coordinate")
        // Whoever watches the group sees it again, though nothing has come.
        try eventually("the group has its offsets again") {
            try stage.committed("holdfast-coordinate", .orders) == 3
        }
        #expect(try stage.read(.commands).count == commands)
        try stage.publish([event("paid", "o2", .paid([]))])
        try stage.awaitStory("o2", ["reserved", "confirmed!"])
        #expect(try stage.story("o1") == ["reserved", "confirmed!"])
        #expect(try stage.orderOutcomes().count == 4)
        try stage.awaitAnswers()
        try stage.checkBooks()
    }

    @Test(
        "A state of an earlier version without the group's offsets stops the partition by name",
        .timeLimit(.minutes(3)))
    func lostGroupOfEarlierVersion() throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        let settled = Order(id: "o1", partition: 0, phase: .settled)
        var writer = RecordWriter()
        writer.write(order: settled)
        try stage.publish(
            [
                Stage.Record(
                    partition: 0, offset: 0, timestamp: 0, key: Array("o1".utf8),
                    value: writer.withBytes { Array($0) })
            ], to: .orderState)
        let coordinator = try stage.start("coordinate", awaitReady: false)
        try eventually("it stops, and says why: \(coordinator.process.logTail(lines: 5))") {
            coordinator.process.logTail(lines: 100).contains("the group's offsets were lost")
        }
        #expect(HTTPProbe.status(port: coordinator.port, path: "/readyz") != 200)
    }

    @Test(
        "What the relay has carried is not carried again when its group has lost its offsets, or begins to keep a state",
        .timeLimit(.minutes(3)))
    func relay() throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        try stage.start("process")
        var relay = try stage.start("relay")
        try stage.publish(warehouse: warehouse("BER"))
        try stage.publish(product: ProductRecord(sku: "A", name: "a thing"))
        try eventually("both are carried") { try stage.read(.commands).count == 2 }
        #expect(relay.process.stop(milliseconds: 5_000) == 0)
        try stage.forget(group: "holdfast-relay")
        relay = try stage.start("relay")
        try eventually("the group has its offsets again") {
            try stage.committed("holdfast-relay", .warehouses) == 1
                && stage.committed("holdfast-relay", .products) == 1
        }
        try stage.publish(warehouse: warehouse("HAM"))
        try eventually("the next one is carried") { try stage.read(.commands).count >= 3 }
        try stage.awaitAnswers()
        #expect(try stage.read(.commands).count == 3)
        #expect(relay.process.stop(milliseconds: 5_000) == 0)
        // As if an earlier version had run: the group knows, and there is no state yet.
        let state = try stage.newest(.relayState)
        try stage.publish(
            state.map { place, _ in
                Stage.Record(
                    partition: 0, offset: 0, timestamp: 0, key: Array(place.dropFirst(2).utf8), value: nil)
            }, to: .relayState)
        #expect(try stage.newest(.relayState).isEmpty)
        relay = try stage.start("relay")
        try eventually("it has written its state") { try stage.newest(.relayState) == state }
        #expect(try stage.read(.commands).count == 3)
    }

    @Test(
        "A state whose last records are hidden by a transaction without an end is not worked with until it has one",
        .timeLimit(.minutes(3)), arguments: [("process", Topic.levels), ("coordinate", Topic.orderState)])
    func hidden(role: String, topic: Topic) throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        let hanging = try stage.transaction(topic, key: "nobody", value: "")
        let started = try stage.start(role, awaitReady: false)
        try eventually("it waits, and says for what: \(started.process.logTail(lines: 5))") {
            started.process.logTail(lines: 100).contains("\(topic.rawValue) can be read up to offset 0 of 1")
        }
        #expect(HTTPProbe.status(port: started.port, path: "/readyz") != 200)
        try hanging.abort(timeoutMilliseconds: 20_000)
        try started.awaitReady()
    }

    @Test(
        "Markers behind the last outcome that retention takes are nothing that the sink has not read",
        .timeLimit(.minutes(3)))
    func outcomes() throws {
        let database = try TestDatabase()
        let environment = ["DATABASE_URL": database.url]
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        try stage.start("process")
        try stage.start("coordinate")
        try stage.publish([receive("c1", 50, "A")])
        var sink = try stage.start("sink", ["--migrate"], environment: environment)
        try stage.publish([place("o1", [("A", 1)])])
        func orders(_ count: Int) throws {
            try eventually("\(count) orders are stored; \(sink.process.logTail(lines: 5))") {
                try Connection(url: database.url, applicationName: "holdfast tests").query("SELECT count(*) FROM holdfast.orders").int64(0, 0)
                    == Int64(count)
            }
        }
        try orders(1)
        #expect(sink.process.stop(milliseconds: 5_000) == 0)
        try stage.deleteAll(of: .orderOutcomes)
        sink = try stage.start("sink", environment: environment)
        #expect(!sink.process.logTail(lines: 1000).contains("never read are gone"), "\(sink.process.logTail())")
        try stage.publish([place("o2", [("A", 1)])])
        try orders(2)
    }
}
