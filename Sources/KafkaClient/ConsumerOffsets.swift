import CRdKafka

extension Consumer {
    /// What the group has committed of each partition; `TopicPartitionOffset.none` where nothing is
    /// (`rd_kafka_committed`).
    ///
    /// Under `read_committed` it waits for offsets that belong to an open transaction, up to the time limit.
    package func committed(
        _ partitions: [TopicPartition], timeoutMilliseconds: Int
    ) throws(KafkaError) -> [TopicPartitionOffset] {
        let list = PartitionListHandle(partitions)
        let operation = "read committed offsets"
        try KafkaError.check(
            rd_kafka_committed(client.pointer, list.pointer, Int32(clamping: timeoutMilliseconds)),
            operation: operation, client: client.pointer)
        try list.checkEach(operation: operation, client: client.pointer)
        return list.offsets
    }

    /// Commits for the group, outside any transaction, and waits for the answer (`rd_kafka_commit`, whose limit is
    /// `socket.timeout.ms`).
    package func commit(_ offsets: [TopicPartitionOffset]) throws(KafkaError) {
        guard !offsets.isEmpty else { return }
        let list = PartitionListHandle(offsets)
        try KafkaError.check(
            rd_kafka_commit(client.pointer, list.pointer, 0), operation: "commit offsets",
            client: client.pointer)
        try list.checkEach(operation: "commit offsets", client: client.pointer)
    }

    /// The offset after the last message that was given, of each partition; `TopicPartitionOffset.none` before the
    /// first (`rd_kafka_position`).
    package func position(_ partitions: [TopicPartition]) throws(KafkaError) -> [TopicPartitionOffset] {
        let list = PartitionListHandle(partitions)
        try KafkaError.check(
            rd_kafka_position(client.pointer, list.pointer), operation: "read positions",
            client: client.pointer)
        try list.checkEach(operation: "read positions", client: client.pointer)
        return list.offsets
    }

    /// Asks the broker for the oldest offset of a partition and for the one after its last record
    /// (`rd_kafka_query_watermark_offsets`). Under `read_committed` the latter is the last stable offset.
    package func watermarks(
        _ partition: TopicPartition, timeoutMilliseconds: Int
    ) throws(KafkaError) -> (low: Int64, high: Int64) {
        var low: Int64 = 0
        var high: Int64 = 0
        try KafkaError.check(
            rd_kafka_query_watermark_offsets(
                client.pointer, partition.topic, partition.partition, &low, &high,
                Int32(clamping: timeoutMilliseconds)),
            operation: "read the offsets of \(partition)", client: client.pointer)
        return (low, high)
    }

    /// The first offset of each partition whose timestamp is at or after `milliseconds` since 1970 UTC, or
    /// `TopicPartitionOffset.end` if there is none (`rd_kafka_offsets_for_times`).
    package func offsets(
        of partitions: [TopicPartition], atMilliseconds milliseconds: Int64, timeoutMilliseconds: Int
    ) throws(KafkaError) -> [TopicPartitionOffset] {
        let list = PartitionListHandle(partitions.map { TopicPartitionOffset($0, offset: milliseconds) })
        let operation = "look offsets up by time"
        try KafkaError.check(
            rd_kafka_offsets_for_times(client.pointer, list.pointer, Int32(clamping: timeoutMilliseconds)),
            operation: operation, client: client.pointer)
        try list.checkEach(operation: operation, client: client.pointer)
        return list.offsets
    }

    /// The group's metadata of this moment, which a transactional producer commits offsets with
    /// (`rd_kafka_consumer_group_metadata`). Ask anew for each transaction: a rebalance makes it stale. Any
    /// thread may ask.
    package func groupMetadata() throws(KafkaError) -> GroupMetadata {
        guard let pointer = rd_kafka_consumer_group_metadata(client.pointer) else {
            throw KafkaError(
                code: RD_KAFKA_RESP_ERR__NOT_CONFIGURED, message: "the consumer has no group.id",
                operation: "read the group's metadata")
        }
        return GroupMetadata(GroupMetadataHandle(taking: pointer))
    }
}
