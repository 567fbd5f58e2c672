import CRdKafka

extension Consumer {
    /// The partitions that this consumer has (`rd_kafka_assignment`).
    package func assignment() throws(KafkaError) -> [TopicPartition] {
        var pointer: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
        try KafkaError.check(
            rd_kafka_assignment(client.pointer, &pointer), operation: "read the assignment",
            client: client.pointer)
        guard let pointer else { return [] }
        return PartitionListHandle(taking: pointer).offsets.map(\.partition)
    }

    /// How the group rebalances (`rd_kafka_rebalance_protocol`).
    package var rebalanceProtocol: RebalanceProtocol { RebalanceProtocol.of(client.pointer) }

    /// Does what the group decided, by its protocol, inside the rebalance handler.
    ///
    /// - Parameter offsets: where to begin the assigned partitions, instead of at what the group has committed.
    package func follow(
        _ rebalance: Rebalance, from offsets: [TopicPartitionOffset]? = nil
    ) throws(KafkaError) {
        try Assignment.apply(rebalance, from: offsets, client: client.pointer, context: client.context)
    }

    /// Reads exactly these partitions from these offsets (`rd_kafka_assign`).
    package func assign(_ offsets: [TopicPartitionOffset]) throws(KafkaError) {
        try Assignment.assign(offsets, client: client.pointer, context: client.context)
    }

    /// Reads no partition (`rd_kafka_assign` with NULL).
    package func unassign() throws(KafkaError) {
        try Assignment.assign(nil, client: client.pointer, context: client.context)
    }

    /// Reads these partitions as well (`rd_kafka_incremental_assign`).
    package func incrementalAssign(_ offsets: [TopicPartitionOffset]) throws(KafkaError) {
        try Assignment.add(offsets, client: client.pointer, context: client.context)
    }

    /// No longer reads these partitions (`rd_kafka_incremental_unassign`).
    package func incrementalUnassign(_ partitions: [TopicPartition]) throws(KafkaError) {
        try Assignment.remove(partitions, client: client.pointer, context: client.context)
    }

    /// Stops fetching (`rd_kafka_pause_partitions`). It must not run while a batch is consumed from one of these
    /// partitions on another thread: records would be lost to the reader.
    package func pause(_ partitions: [TopicPartition]) throws(KafkaError) {
        let list = PartitionListHandle(partitions)
        try KafkaError.check(
            rd_kafka_pause_partitions(client.pointer, list.pointer), operation: "pause",
            client: client.pointer)
        try list.checkEach(operation: "pause", client: client.pointer)
    }

    /// Fetches again (`rd_kafka_resume_partitions`).
    package func resume(_ partitions: [TopicPartition]) throws(KafkaError) {
        let list = PartitionListHandle(partitions)
        try KafkaError.check(
            rd_kafka_resume_partitions(client.pointer, list.pointer), operation: "resume",
            client: client.pointer)
        try list.checkEach(operation: "resume", client: client.pointer)
    }

    /// Fetches a partition again, at once.
    ///
    /// librdkafka's thread for the leader is not told that a partition was resumed: where no fetch is under way it sleeps
    /// for up to a second. A question to the leader wakes it.
    /// - Parameter timeoutMilliseconds: for the question. Where nobody answers it, nothing can be fetched either.
    package func resumeAtOnce(_ partition: TopicPartition, timeoutMilliseconds: Int) throws(KafkaError) {
        try resume([partition])
        _ = try? watermarks(partition, timeoutMilliseconds: timeoutMilliseconds)
    }

    /// Takes a partition off the consumer queue, so that a thread of its own can read it.
    ///
    /// Make it before the partition is assigned (in the rebalance handler, before `follow`), else records that
    /// were fetched in between stay with the consumer queue.
    /// (`rd_kafka_queue_get_partition`, `rd_kafka_queue_forward` to NULL)
    package func partitionQueue(_ partition: TopicPartition) throws(KafkaError) -> PartitionQueue {
        guard
            let pointer = rd_kafka_queue_get_partition(
                client.pointer, partition.topic, partition.partition)
        else {
            throw KafkaError(
                code: RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, operation: "read \(partition) by itself",
                client: client.pointer)
        }
        return PartitionQueue(QueueHandle(taking: pointer), partition: partition, consumer: self)
    }
}
