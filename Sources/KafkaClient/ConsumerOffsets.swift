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

    /// The first attempt to ask a partition's leader, in milliseconds; the next are twice as long each.
    private static let firstAttempt = 2_000
    /// The longest attempt of who may be cancelled, in milliseconds.
    private static let cancellableAttempt = 1_500

    /// Asks the broker for the oldest offset of a partition and for the one after its last record
    /// (`rd_kafka_query_watermark_offsets`). Under `read_committed` the latter is the last stable offset.
    ///
    /// librdkafka asks the leader that it remembers, for as long as it is let, and never asks anew who leads a topic
    /// that it does not read: when that broker is gone, it would ask it for a quarter of an hour
    /// (`metadata.max.age.ms`). So after an attempt that failed the metadata are read again.
    package func watermarks(
        _ partition: TopicPartition, timeoutMilliseconds: Int
    ) throws(KafkaError) -> (low: Int64, high: Int64) {
        try askingAnew(partition.topic, timeoutMilliseconds: timeoutMilliseconds) {
            limit throws(KafkaError) in
            try askWatermarks(partition, timeoutMilliseconds: limit)
        }
    }

    /// Asks for the offset after the last record of each partition, of all of them in one request to each leader
    /// (`rd_kafka_offsets_for_times`, with the time that stands for the end). Under `read_committed` it is the last
    /// stable offset. As with `watermarks`, leaders are looked up anew after an attempt that failed.
    /// - Parameter isCancelled: whether who asks does not want to know any more; looked at between two attempts, of which
    ///   none then takes more than a second and a half.
    package func ends(
        of partitions: [TopicPartition], timeoutMilliseconds: Int, isCancelled: (() -> Bool)? = nil
    ) throws(KafkaError) -> [TopicPartitionOffset] {
        guard let topic = partitions.first?.topic else { return [] }
        return try askingAnew(topic, timeoutMilliseconds: timeoutMilliseconds, isCancelled) {
            limit throws(KafkaError) in
            let ends = try askEnds(of: partitions, timeoutMilliseconds: limit)
            // What has no number must not become a place to read from.
            guard ends.allSatisfy(\.isSet) else {
                throw KafkaError(
                    code: RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, operation: "read the ends of \(topic)")
            }
            return ends
        }
    }

    /// - Throws: `LEADER_NOT_AVAILABLE` for a partition that the client knows nothing of, too: that is what it says of
    ///   one that has no leader for the moment.
    private func askEnds(
        of partitions: [TopicPartition], timeoutMilliseconds: Int
    ) throws(KafkaError) -> [TopicPartitionOffset] {
        do throws(KafkaError) {
            return try offsets(
                of: partitions, atMilliseconds: TopicPartitionOffset.end,
                timeoutMilliseconds: timeoutMilliseconds)
        } catch {
            guard error.code.native == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION else { throw error }
            throw KafkaError(
                code: RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, message: error.message,
                operation: error.operation)
        }
    }

    /// Asks in attempts, and after each that failed for who leads the topic.
    private func askingAnew<Answer>(
        _ topic: String, timeoutMilliseconds: Int, _ isCancelled: (() -> Bool)? = nil,
        _ ask: (_ limit: Int) throws(KafkaError) -> Answer
    ) throws(KafkaError) -> Answer {
        let deadline = ContinuousClock.now + .milliseconds(timeoutMilliseconds)
        let longest = isCancelled == nil ? Int.max : Self.cancellableAttempt
        var attempt = min(Self.firstAttempt, longest)
        while true {
            let left = Int((deadline - ContinuousClock.now) / .milliseconds(1))
            do throws(KafkaError) {
                return try ask(max(1, min(attempt, left)))
            } catch {
                guard error.recovery == .retry, left > attempt, isCancelled?() != true else { throw error }
            }
            // Where nobody answers yet, the next attempt tells.
            try? readMetadata(of: topic, timeoutMilliseconds: min(Self.firstAttempt, longest))
            attempt = min(2 * attempt, longest)
        }
    }

    private func askWatermarks(
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

    /// Asks a broker who leads the topic's partitions, which the client then remembers (`rd_kafka_metadata`).
    private func readMetadata(of topic: String, timeoutMilliseconds: Int) throws(KafkaError) {
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let handle = try client.topic(topic)
        try KafkaError.check(
            rd_kafka_metadata(
                client.pointer, 0, handle.pointer, &metadata, Int32(clamping: timeoutMilliseconds)),
            operation: "ask who leads \(topic)", client: client.pointer)
        metadata.map { rd_kafka_metadata_destroy($0) }
    }

    /// The first offset of each partition whose timestamp is at or after `milliseconds` since 1970 UTC, or
    /// `TopicPartitionOffset.end` if there is none (`rd_kafka_offsets_for_times`).
    package func offsets(
        of partitions: [TopicPartition], atMilliseconds milliseconds: Int64, timeoutMilliseconds: Int
    ) throws(KafkaError) -> [TopicPartitionOffset] {
        // librdkafka refuses to ask for nothing.
        if partitions.isEmpty { return [] }
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
