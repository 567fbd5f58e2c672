import InventoryWire
import KafkaClient
import Testing

/// The committed records of a stage's topics, each read once.
final class FieldLog {
    private let stage: Stage
    private let consumer: Consumer
    private var records: [String: [Stage.Record]] = [:]
    /// Up to where each partition was read.
    private var reached: [TopicPartition: Int64] = [:]

    init(_ stage: Stage) throws {
        self.stage = stage
        consumer = try Consumer(configuration: [
            "bootstrap.servers": stage.bootstrap, "group.id": stage.prefix + "field",
            "isolation.level": "read_committed", "enable.auto.commit": "false",
            "enable.partition.eof": "true",
            "auto.offset.reset": "error", "fetch.wait.max.ms": "5",
        ])
        try consumer.assign(
            Topic.allCases.flatMap { places(of: $0) }.map {
                TopicPartitionOffset($0, offset: TopicPartitionOffset.beginning)
            })
    }

    func partitions(of topic: Topic) -> Int32 { Topic.published.contains(topic) ? 1 : stage.partitions }

    func places(of topic: Topic) -> [TopicPartition] {
        (0..<partitions(of: topic)).map { TopicPartition(stage.name(topic), $0) }
    }

    /// All records of a topic that are committed by now.
    func read(_ topic: Topic) throws -> [Stage.Record] {
        let ends = try consumer.ends(of: places(of: topic), timeoutMilliseconds: 20_000)
        try eventually("\(topic.rawValue) is read to its end") {
            if ends.allSatisfy({ $0.offset <= reached[$0.partition] ?? 0 }) { return true }
            consumer.consumeBatch(maxMessages: 10_000, timeoutMilliseconds: 50) { message in
                let place = TopicPartition(message.topicName, message.partition)
                switch message.kind {
                case .record:
                    records[message.topicName, default: []].append(
                        Stage.Record(
                            partition: message.partition, offset: message.offset,
                            timestamp: message.timestampMilliseconds, key: message.key.map { Array($0) },
                            value: message.value.map { Array($0) }))
                    reached[place] = message.offset + 1
                case .endOfPartition: reached[place] = message.offset
                case .failure: break
                }
            }
            return ends.allSatisfy { $0.offset <= reached[$0.partition] ?? 0 }
        }
        return records[stage.name(topic)] ?? []
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
