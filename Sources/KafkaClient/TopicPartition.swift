/// One partition of a topic.
package struct TopicPartition: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let topic: String
    package let partition: Int32

    package init(_ topic: String, _ partition: Int32) {
        self.topic = topic
        self.partition = partition
    }

    package static func < (one: TopicPartition, other: TopicPartition) -> Bool {
        (one.topic, one.partition) < (other.topic, other.partition)
    }

    package var description: String { "\(topic)[\(partition)]" }
}

/// A place in a partition: that of the next record to read.
package struct TopicPartitionOffset: Sendable, Hashable, CustomStringConvertible {
    package let partition: TopicPartition
    /// A record's offset, zero or more, or one of `beginning`, `end`, `committed` and `none`.
    package let offset: Int64

    package init(_ partition: TopicPartition, offset: Int64) {
        self.partition = partition
        self.offset = offset
    }

    package init(_ topic: String, _ partition: Int32, offset: Int64) {
        self.init(TopicPartition(topic, partition), offset: offset)
    }

    /// The oldest record (`RD_KAFKA_OFFSET_BEGINNING`).
    package static let beginning: Int64 = -2
    /// The next record to be written (`RD_KAFKA_OFFSET_END`).
    package static let end: Int64 = -1
    /// What the group has committed, else what `auto.offset.reset` says (`RD_KAFKA_OFFSET_STORED`).
    package static let committed: Int64 = -1000
    /// No offset: nothing committed, or nothing consumed yet (`RD_KAFKA_OFFSET_INVALID`).
    package static let none: Int64 = -1001

    /// Whether the offset is that of a record.
    package var isSet: Bool { offset >= 0 }

    package var description: String { "\(partition)@\(offset)" }
}
