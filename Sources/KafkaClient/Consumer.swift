import CRdKafka

/// A consumer, member of a group or with partitions assigned by hand.
///
/// One thread polls it (`consumeBatch`, `close`), and that thread alone assigns partitions. All else may be called
/// from any thread: worker threads ask for `groupMetadata` and read their `PartitionQueue`s.
package final class Consumer: Sendable {
    let client: Client
    // The queue's functions lock for themselves.
    private nonisolated(unsafe) let queue: QueueHandle
    let detached = DetachedPartitions()

    /// Makes a consumer (`rd_kafka_new`); it connects in the background.
    ///
    /// - Parameter configuration: needs `group.id`, also for partitions assigned by hand.
    /// - Throws: `_INVALID_ARG` for settings that librdkafka refuses.
    package init(configuration: KafkaConfiguration, events: ClientEvents = .ignored) throws(KafkaError) {
        let client = try Client(.consumer, configuration: configuration, events: events)
        // Errors, logs and statistics then come with the polls of the consumer queue.
        rd_kafka_poll_set_consumer(client.pointer)
        guard let pointer = rd_kafka_queue_get_consumer(client.pointer) else {
            throw KafkaError(
                code: RD_KAFKA_RESP_ERR__NOT_CONFIGURED, message: "group.id is not set",
                operation: "make a consumer")
        }
        queue = QueueHandle(taking: pointer)
        self.client = client
    }

    /// The member's id, or nil before it has joined (`rd_kafka_memberid`).
    package var memberID: String? {
        guard let text = rd_kafka_memberid(client.pointer) else { return nil }
        defer { rd_kafka_mem_free(client.pointer, text) }
        let id = String(cString: text)
        return id.isEmpty ? nil : id
    }

    /// The cluster's id (`rd_kafka_clusterid`), or nil if no broker told it in time.
    package func clusterID(timeoutMilliseconds: Int) -> String? {
        client.clusterID(timeoutMilliseconds: timeoutMilliseconds)
    }

    /// A topic, to compare messages with (`rd_kafka_topic_new`).
    package func topic(_ name: String) throws(KafkaError) -> Topic { try client.topic(name) }

    /// Joins the group for these topics (`rd_kafka_subscribe`). The join itself happens while polling.
    package func subscribe(topics: [String]) throws(KafkaError) {
        let list = PartitionListHandle(topics.map { TopicPartition($0, -1) })
        try KafkaError.check(
            rd_kafka_subscribe(client.pointer, list.pointer), operation: "subscribe to \(topics)",
            client: client.pointer)
    }

    /// Leaves the subscription (`rd_kafka_unsubscribe`).
    package func unsubscribe() throws(KafkaError) {
        try KafkaError.check(
            rd_kafka_unsubscribe(client.pointer), operation: "unsubscribe", client: client.pointer)
    }

    /// Waits for a message at most `timeoutMilliseconds` (-1: for ever), then gives it and those that are ready,
    /// in order, up to `maxMessages`; returns how many (`rd_kafka_consumer_poll`).
    ///
    /// - Parameters:
    ///   - rebalance: is called on this thread when the group decides. It may answer with `follow`, `assign` and
    ///     the like; if it does not, the default answer follows. The call returns after a rebalance, so that the
    ///     caller can act on it.
    ///   - body: gets each message. If it throws, that message counts as read.
    /// - Note: each message is taken after the one before was handled, so none is given after its partition was
    ///   revoked. `rd_kafka_consume_batch_queue` would not ensure that, and waits until the batch is full.
    @discardableResult
    package func consumeBatch<Failure: Error>(
        maxMessages: Int, timeoutMilliseconds: Int, rebalance: (Rebalance) -> Void = { _ in },
        _ body: (borrowing Message) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        detached.giveBack(to: queue, client: client.pointer)
        var failure: Failure?
        let count = handling(rebalance) {
            var count = 0
            var timeout = Int32(clamping: timeoutMilliseconds)
            let rebalances = client.context.rebalances
            while count < maxMessages, failure == nil, client.context.rebalances == rebalances,
                let message = rd_kafka_consumer_poll(client.pointer, timeout)
            {
                count += 1
                timeout = 0
                do throws(Failure) {
                    try withMessage(message, client: client.pointer, body)
                } catch {
                    failure = error
                }
            }
            return count
        }
        if let failure { throw failure }
        return count
    }

    /// Ends a `consumeBatch` that waits on another thread (`rd_kafka_queue_yield`).
    package func wake() { rd_kafka_queue_yield(queue.pointer) }

    /// Leaves the group, after a last rebalance that takes all partitions away (`rd_kafka_consumer_close_queue`).
    ///
    /// Without it the group notices after `session.timeout.ms` that the member has gone. Every `PartitionQueue`
    /// must be out of use by then.
    /// - Throws: `_TIMED_OUT` when it takes longer, as with a broker that does not answer. The consumer is then to
    ///   be dropped as it is, which waits for the rest of the five seconds that librdkafka gives to leaving.
    package func close(
        timeoutMilliseconds: Int, rebalance: (Rebalance) -> Void = { _ in }
    ) throws(KafkaError) {
        guard rd_kafka_consumer_closed(client.pointer) == 0 else { return }
        try KafkaError.check(
            rd_kafka_consumer_close_queue(client.pointer, queue.pointer), operation: "close the consumer",
            client: client.pointer)
        let deadline = ContinuousClock.now + .milliseconds(timeoutMilliseconds)
        let closed = handling(rebalance) {
            while rd_kafka_consumer_closed(client.pointer) == 0 {
                guard ContinuousClock.now < deadline else { return false }
                guard let message = rd_kafka_consume_queue(queue.pointer, Self.closeStepMilliseconds) else {
                    continue
                }
                // Fetched before the close: unread, and so not lost for whoever reads next.
                rd_kafka_message_destroy(message)
            }
            return true
        }
        guard closed else {
            throw KafkaError(code: RD_KAFKA_RESP_ERR__TIMED_OUT, operation: "close the consumer")
        }
    }

    /// How often `close` looks whether it is done.
    private static let closeStepMilliseconds: Int32 = 20

    /// Runs `body`, in which librdkafka may call the rebalance handler.
    private func handling<Result>(_ rebalance: (Rebalance) -> Void, _ body: () -> Result) -> Result {
        withoutActuallyEscaping(rebalance) { handler in
            client.context.rebalance = { [client] decision in
                handler(decision)
                // Ends the present poll: the caller may have to act on the new assignment first.
                rd_kafka_yield(client.pointer)
            }
            defer { client.context.rebalance = nil }
            return body()
        }
    }
}
