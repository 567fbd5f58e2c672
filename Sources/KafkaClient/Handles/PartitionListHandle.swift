import CRdKafka

/// Owns an `rd_kafka_topic_partition_list_t`.
struct PartitionListHandle: ~Copyable {
    let pointer: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

    /// The partitions with their offsets (`rd_kafka_topic_partition_list_add`).
    init(_ offsets: [TopicPartitionOffset]) {
        pointer = rd_kafka_topic_partition_list_new(Int32(clamping: offsets.count))
        for entry in offsets {
            let element = rd_kafka_topic_partition_list_add(
                pointer, entry.partition.topic, entry.partition.partition)
            element?.pointee.offset = entry.offset
        }
    }

    /// The partitions without an offset.
    init(_ partitions: [TopicPartition]) {
        self.init(partitions.map { TopicPartitionOffset($0, offset: TopicPartitionOffset.none) })
    }

    init(taking pointer: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>) { self.pointer = pointer }

    var offsets: [TopicPartitionOffset] { Self.offsets(of: pointer) }

    /// The entries of a list that librdkafka owns.
    static func offsets(
        of list: UnsafePointer<rd_kafka_topic_partition_list_t>
    ) -> [TopicPartitionOffset] {
        (0..<Int(list.pointee.cnt)).map { index in
            let element = list.pointee.elems[index]
            return TopicPartitionOffset(
                TopicPartition(String(cString: element.topic), element.partition), offset: element.offset)
        }
    }

    /// Throws the first error that stands beside a partition.
    func checkEach(operation: String, client: OpaquePointer?) throws(KafkaError) {
        for index in 0..<Int(pointer.pointee.cnt) {
            let element = pointer.pointee.elems[index]
            guard element.err != RD_KAFKA_RESP_ERR_NO_ERROR else { continue }
            throw KafkaError(
                code: element.err,
                operation: "\(operation) (\(String(cString: element.topic))[\(element.partition)])",
                client: client)
        }
    }

    deinit { rd_kafka_topic_partition_list_destroy(pointer) }
}
