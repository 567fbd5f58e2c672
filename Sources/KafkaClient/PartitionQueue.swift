import CRdKafka

/// One partition of a consumer, read by a thread of its own.
///
/// The consumer must still be polled by its own thread: rebalances come there alone. On revocation, first let the
/// reading thread stop, then drop the queue, then follow the rebalance. A partition that is assigned again without
/// a queue comes to the consumer queue, from the consumer's next poll on. A queue keeps its consumer alive.
package final class PartitionQueue: Sendable {
    package let partition: TopicPartition
    // The queue's functions lock for themselves.
    private nonisolated(unsafe) let queue: QueueHandle
    private let consumer: Consumer

    init(_ queue: consuming QueueHandle, partition: TopicPartition, consumer: Consumer) {
        consumer.detached.detach(partition, queue: queue)
        self.queue = queue
        self.partition = partition
        self.consumer = consumer
    }

    /// Waits for a message at most `timeoutMilliseconds` (-1: for ever), then gives it and those that are ready,
    /// in order, up to `maxMessages`; returns how many (`rd_kafka_consume_queue`, then
    /// `rd_kafka_consume_batch_queue`, which by itself waits until the batch is full). It allocates once a batch.
    ///
    /// - Parameter body: gets each message. If it throws, the rest of the batch is dropped: seek, or start the
    ///   partition again from its committed offset.
    @discardableResult
    package func consumeBatch<Failure: Error>(
        maxMessages: Int, timeoutMilliseconds: Int, _ body: (borrowing Message) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        guard maxMessages > 0,
            let first = rd_kafka_consume_queue(queue.pointer, Int32(clamping: timeoutMilliseconds))
        else { return 0 }
        try withMessage(first, client: consumer.client.pointer, body)
        guard maxMessages > 1 else { return 1 }
        return 1 + (try consumeReady(maxMessages: maxMessages - 1, body))
    }

    private func consumeReady<Failure: Error>(
        maxMessages: Int, _ body: (borrowing Message) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        let buffer = UnsafeMutablePointer<UnsafeMutablePointer<rd_kafka_message_t>?>.allocate(
            capacity: maxMessages)
        defer { buffer.deallocate() }
        let count = rd_kafka_consume_batch_queue(queue.pointer, 0, buffer, maxMessages)
        guard count > 0 else { return 0 }
        var next = 0
        defer {
            for index in next..<count { rd_kafka_message_destroy(buffer[index]) }
        }
        while next < count {
            let message = buffer[next]
            next += 1
            if let message { try withMessage(message, client: consumer.client.pointer, body) }
        }
        return count
    }

    /// Ends a `consumeBatch` that waits on another thread (`rd_kafka_queue_yield`).
    package func wake() { rd_kafka_queue_yield(queue.pointer) }

    /// Without a queue the partition comes to the consumer queue again.
    deinit { consumer.detached.release(partition) }
}
