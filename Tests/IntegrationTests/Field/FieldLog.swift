import InventoryWire
import KafkaClient
import Testing

/// The committed records of a stage's topics, each read once.
final class FieldLog {
    private let stage: Stage
    private var topics: [String: FieldTopic] = [:]

    init(_ stage: Stage) { self.stage = stage }

    func partitions(of topic: Topic) -> Int32 { Topic.published.contains(topic) ? 1 : stage.partitions }

    func places(of topic: Topic) -> [TopicPartition] {
        (0..<partitions(of: topic)).map { TopicPartition(stage.name(topic), $0) }
    }

    /// All records of a topic that are committed by now.
    func read(_ topic: Topic) throws -> [Stage.Record] {
        let name = stage.name(topic)
        let known = try topics[name] ?? FieldTopic(places(of: topic), stage)
        topics[name] = known
        try known.readOn()
        return known.records
    }

    /// Behind the last record of each partition.
    func next(_ topic: Topic) throws -> [Int64] {
        var next = [Int64](repeating: 0, count: Int(partitions(of: topic)))
        for record in try read(topic) {
            next[Int(record.partition)] = max(next[Int(record.partition)], record.offset + 1)
        }
        return next
    }
}

/// One topic.
private final class FieldTopic {
    private let places: [TopicPartition]
    private let consumer: Consumer
    private let configuration: KafkaConfiguration
    private(set) var records: [Stage.Record] = []
    /// Up to where each partition was read.
    private var reached: [Int32: Int64] = [:]

    init(_ places: [TopicPartition], _ stage: Stage) throws {
        self.places = places
        configuration = [
            "bootstrap.servers": stage.bootstrap, "group.id": stage.prefix + "field",
            "isolation.level": "read_committed", "enable.auto.commit": "false",
            "enable.partition.eof": "true",
            "auto.offset.reset": "error", "fetch.wait.max.ms": "5", "fetch.error.backoff.ms": "10",
            "check.crcs": "true", "fetch.max.bytes": "16777216", "receive.message.max.bytes": "16778240",
        ]
        consumer = try Consumer(configuration: configuration)
        try consumer.assign(
            places.map { TopicPartitionOffset($0, offset: TopicPartitionOffset.beginning) })
    }

    /// Reads what has come, to the ends of now.
    func readOn() throws {
        let ends = try consumer.ends(of: places, timeoutMilliseconds: 20_000)
        func isRead() -> Bool { ends.allSatisfy { $0.offset <= reached[$0.partition.partition] ?? 0 } }
        guard !isRead() else { return }
        var unreadable: [Int32: Int64] = [:]
        try eventually("\(places) are read to their ends") {
            consumer.consumeBatch(maxMessages: 10_000, timeoutMilliseconds: 50) { message in
                switch message.kind {
                case .record:
                    add(
                        Stage.Record(
                            partition: message.partition, offset: message.offset,
                            timestamp: message.timestampMilliseconds, key: message.key.map { Array($0) },
                            value: message.value.map { Array($0) }))
                case .endOfPartition: reach(message.partition, message.offset)
                case .failure(let error) where error.scope == .batch:
                    unreadable[message.partition] = message.offset
                case .failure: break
                }
            }
            for (partition, offset) in unreadable { try step(over: partition, offset) }
            unreadable = [:]
            return isRead()
        }
    }

    /// Goes on behind a batch that nobody can read.
    private func step(over partition: Int32, _ offset: Int64) throws {
        let place = TopicPartition(places[0].topic, partition)
        let finder = try Consumer(configuration: configuration)
        let found = try finder.unreadableBatch(
            at: TopicPartitionOffset(place, offset: offset), timeoutMilliseconds: 20_000, beat: {})
        let next = found?.offsets.upperBound ?? offset
        reach(partition, next)
        try consumer.seek(TopicPartitionOffset(place, offset: next), timeoutMilliseconds: 20_000)
    }

    private func add(_ record: Stage.Record) {
        records.append(record)
        reach(record.partition, record.offset + 1)
    }

    private func reach(_ partition: Int32, _ offset: Int64) { reached[partition] = offset }
}
