import CRdKafka

/// A producer whose records become visible together with the offsets of its input, or not at all.
///
/// One thread uses it at a time. After an error, `KafkaError.recovery` says how to go on; with `.fenced`, drop it.
package final class TransactionalProducer: Producer {
    /// Makes a producer; see `Producer`.
    ///
    /// - Parameter configuration: needs `transactional.id`.
    package override init(
        configuration: KafkaConfiguration, events: ClientEvents = .ignored,
        deliveries: @escaping (DeliveryReport) -> Void = { _ in }
    ) throws(KafkaError) {
        guard configuration["transactional.id"] != nil else {
            throw KafkaError(
                code: RD_KAFKA_RESP_ERR__NOT_CONFIGURED, message: "transactional.id is not set",
                operation: "make a transactional producer")
        }
        try super.init(configuration: configuration, events: events, deliveries: deliveries)
    }

    /// Fences every earlier producer of this transactional.id and ends its open transaction
    /// (`rd_kafka_init_transactions`). Once, before all else.
    package func initTransactions(timeoutMilliseconds: Int) throws(KafkaError) {
        try check(
            rd_kafka_init_transactions(client.pointer, Int32(clamping: timeoutMilliseconds)),
            "initialise transactions")
    }

    /// Begins a transaction; nothing is sent yet (`rd_kafka_begin_transaction`).
    package func begin() throws(KafkaError) {
        try check(rd_kafka_begin_transaction(client.pointer), "begin a transaction")
    }

    /// Adds the input's offsets to the transaction, each that of the next record to read (KIP-447,
    /// `rd_kafka_send_offsets_to_transaction`).
    ///
    /// - Note: librdkafka does not keep this call's time limit: with a broker that does not answer it waits for
    ///   `socket.timeout.ms`, which for transactional producers is 100 ms less than `transaction.timeout.ms` unless
    ///   it is set. Set them short, and watch the thread that calls.
    /// - Throws: `.fenced` if the group has given the partitions to another member.
    package func sendOffsets(
        _ offsets: [TopicPartitionOffset], groupMetadata: GroupMetadata, timeoutMilliseconds: Int
    ) throws(KafkaError) {
        let list = PartitionListHandle(offsets)
        try check(
            rd_kafka_send_offsets_to_transaction(
                client.pointer, list.pointer, groupMetadata.pointer, Int32(clamping: timeoutMilliseconds)),
            "add offsets to the transaction")
    }

    /// Delivers what is outstanding, then commits (`rd_kafka_commit_transaction`). Delivery reports come during
    /// the call.
    ///
    /// - Throws: `_TIMED_OUT` with `.retry` if the outcome is unknown: commit again to learn it, or drop this
    ///   producer and read what was committed.
    package func commit(timeoutMilliseconds: Int) throws(KafkaError) {
        try check(
            rd_kafka_commit_transaction(client.pointer, Int32(clamping: timeoutMilliseconds)),
            "commit the transaction")
    }

    /// Gives up what is outstanding, then aborts (`rd_kafka_abort_transaction`).
    package func abort(timeoutMilliseconds: Int) throws(KafkaError) {
        try check(
            rd_kafka_abort_transaction(client.pointer, Int32(clamping: timeoutMilliseconds)),
            "abort the transaction")
    }

    private func check(_ error: OpaquePointer?, _ operation: String) throws(KafkaError) {
        try KafkaError.check(error, operation: operation, client: client.pointer)
    }
}
