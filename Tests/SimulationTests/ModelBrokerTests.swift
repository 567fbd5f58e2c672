import Simulation
import Testing

@Suite("The model of Kafka")
struct ModelBrokerTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func keys(_ partition: ModelPartition, _ isolation: ModelIsolation) -> [String] {
        partition.records.filter {
            $0.offset < partition.limit(isolation) && ModelPartition.isVisible($0.state, isolation)
        }.map { String(decoding: $0.key ?? [], as: UTF8.self) }
    }

    @Test("Compaction keeps the newest record of each key, and never looks beyond the last stable offset")
    func compaction() throws {
        let broker = ModelBroker(partitionCount: 1, transactionTimeout: 100)
        for key in ["a", "b", "a", "b", "c"] { broker.append(0, key: bytes(key), value: []) }
        let producer = try broker.initProducer("id")
        try broker.produce(producer, 0, key: bytes("c"), value: [])
        broker.append(0, key: bytes("a"), value: [])
        broker.partitions[0].compact(tombstonesBefore: 0)
        #expect(broker.partitions[0].records.map(\.offset) == [2, 3, 4, 5, 6])
        #expect(keys(broker.partitions[0], .committed) == ["a", "b", "c"])
        try broker.endTransaction(producer, commit: true)
        broker.finishMarkers(producer)
        broker.partitions[0].compact(tombstonesBefore: 0)
        #expect(keys(broker.partitions[0], .committed) == ["b", "c", "a"])
        #expect(broker.partitions[0].everything.map(\.offset) == Array(0..<8))
    }

    @Test("A tombstone outlives its key by the retention, and no longer")
    func tombstones() {
        let broker = ModelBroker(partitionCount: 1, transactionTimeout: 100)
        broker.now = 10
        broker.append(0, key: bytes("a"), value: [])
        broker.append(0, key: bytes("a"), value: nil)
        broker.append(0, key: bytes("b"), value: [])
        broker.partitions[0].compact(tombstonesBefore: 10)
        #expect(keys(broker.partitions[0], .committed) == ["a", "b"])
        broker.partitions[0].compact(tombstonesBefore: 11)
        #expect(keys(broker.partitions[0], .committed) == ["b"])
    }

    @Test("A marker that is not written yet holds back readers of that partition, and of no other")
    func markers() throws {
        let broker = ModelBroker(partitionCount: 2, transactionTimeout: 100)
        let producer = try broker.initProducer("id")
        try broker.produce(producer, 0, key: bytes("x"), value: [])
        try broker.produce(producer, 1, key: bytes("y"), value: [])
        try broker.endTransaction(producer, commit: true)
        var random = SeededGenerator(seed: 1)
        broker.writeMarker(&random)
        let visible = broker.partitions.map { keys($0, .committed).count }
        #expect(visible.reduce(0, +) == 1)
        #expect(throws: BrokerError.concurrentTransactions) { try broker.initProducer("id") }
        broker.writeMarker(&random)
        #expect(broker.partitions.map { keys($0, .committed).count } == [1, 1])
        #expect(try broker.initProducer("id").epoch == 1)
    }

    @Test("A member of an older generation commits no offsets, and one that was dropped neither")
    func generations() throws {
        let broker = ModelBroker(partitionCount: 1, transactionTimeout: 100)
        let first = broker.group.join()
        let producer = try broker.initProducer("id")
        try broker.sendOffsets(producer, [0: 1], member: first)
        let second = broker.group.join()
        #expect(throws: BrokerError.illegalGeneration) {
            try broker.sendOffsets(producer, [0: 2], member: first)
        }
        broker.group.remove(second.id)
        #expect(throws: BrokerError.unknownMember) {
            try broker.sendOffsets(producer, [0: 2], member: second)
        }
    }
}
