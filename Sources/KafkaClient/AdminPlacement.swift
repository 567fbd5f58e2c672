import CRdKafka

/// Which brokers hold a partition.
package struct PartitionPlacement: Sendable, Equatable {
    /// The broker that leads it; -1 where none does.
    package let leader: Int32
    package let replicas: [Int32]
    package let inSync: [Int32]
}

extension Admin {
    /// Where the partitions of every topic are, those of Kafka itself included (`rd_kafka_metadata`).
    package func placements(
        timeoutMilliseconds: Int
    ) throws(KafkaError) -> [String: [Int32: PartitionPlacement]] {
        var pointer: UnsafePointer<rd_kafka_metadata>?
        try KafkaError.check(
            rd_kafka_metadata(client.pointer, 1, nil, &pointer, Int32(clamping: timeoutMilliseconds)),
            operation: "ask where partitions are", client: client.pointer)
        guard let metadata = pointer else { return [:] }
        defer { rd_kafka_metadata_destroy(metadata) }
        var topics: [String: [Int32: PartitionPlacement]] = [:]
        for index in 0..<Int(metadata.pointee.topic_cnt) {
            let topic = metadata.pointee.topics[index]
            var partitions: [Int32: PartitionPlacement] = [:]
            for index in 0..<Int(topic.partition_cnt) {
                let partition = topic.partitions[index]
                partitions[partition.id] = PartitionPlacement(
                    leader: partition.leader,
                    replicas: (0..<Int(partition.replica_cnt)).map { partition.replicas[$0] },
                    inSync: (0..<Int(partition.isr_cnt)).map { partition.isrs[$0] })
            }
            topics[String(cString: topic.topic)] = partitions
        }
        return topics
    }
}
