import CRdKafka

extension Consumer {
    /// The offset after a partition's last record, as the last fetch told it; nil before the first
    /// (`rd_kafka_get_watermark_offsets`). Asks nobody.
    package func knownEnd(_ partition: TopicPartition) -> Int64? {
        var low: Int64 = -1
        var high: Int64 = -1
        let code = rd_kafka_get_watermark_offsets(
            client.pointer, partition.topic, partition.partition, &low, &high)
        return code == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 ? high : nil
    }

    /// Places a partition before `offset`; what was fetched of it is dropped (`rd_kafka_seek_partitions`).
    ///
    /// It must not run while another thread consumes from the partition: let the thread that reads it seek.
    /// - Throws: `_STATE` while the partition is not being fetched, as right after its assignment; `_TIMED_OUT`.
    package func seek(_ place: TopicPartitionOffset, timeoutMilliseconds: Int) throws(KafkaError) {
        let list = PartitionListHandle([place])
        let operation = "seek in \(place)"
        try KafkaError.check(
            rd_kafka_seek_partitions(client.pointer, list.pointer, Int32(clamping: timeoutMilliseconds)),
            operation: operation, client: client.pointer)
        try list.checkEach(operation: operation, client: client.pointer)
    }
}
