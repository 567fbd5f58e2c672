import InventoryCore

/// How far the relay has carried a partition of what people publish: a record of `relay.state`.
package struct RelayPlace: Equatable, Sendable {
    /// One of `Topic.published`.
    package var topic: Topic
    package var partition: Int32
    /// The offset to carry next.
    package var next: Int64

    package init(topic: Topic, partition: Int32, next: Int64) {
        self.topic = topic
        self.partition = partition
        self.next = next
    }

    /// The record's key.
    package var key: [UInt8] { Array("\(topic.rawValue)/\(partition)".utf8) }
}

extension RecordReader {
    /// Reads a record of `relay.state`.
    package mutating func relayPlace(_ value: UnsafeRawBufferPointer) throws(DecodingFailure) -> RelayPlace {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) in
            let topic = try object.word("topic", Topic.self)
            guard Topic.published.contains(topic) else {
                throw DecodingFailure(.outOfRange, "topic is \(topic.rawValue), which the relay does not carry")
            }
            return RelayPlace(
                topic: topic,
                partition: Int32(truncatingIfNeeded: try object.integer("partition", 0...Int64(Int32.max))),
                next: try object.integer("next_offset", 0 ... .max))
        }
    }
}

extension RecordWriter {
    /// How far the relay has come, for `relay.state`.
    package mutating func write(relayPlace place: RelayPlace) {
        json.begin()
        json.string("topic", place.topic.rawValue)
        json.integer("partition", Int64(place.partition))
        json.integer("next_offset", place.next)
        json.end()
    }
}
