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

    /// As `Producer.produce`.
    ///
    /// - Throws: where librdkafka only says `_STATE`, for the transaction can no longer commit, the reason of that.
    package override func produce(
        _ topic: Topic, partition: PartitionChoice = .byKey, key: UnsafeRawBufferPointer?,
        value: UnsafeRawBufferPointer?, tag: UInt64 = 0
    ) throws(KafkaError) -> ProduceOutcome {
        do throws(KafkaError) {
            return try super.produce(topic, partition: partition, key: key, value: value, tag: tag)
        } catch {
            throw cause(of: error)
        }
    }

    /// Why the transaction can no longer commit, where librdkafka only says `_STATE`, or that it has purged records.
    package func cause(of error: KafkaError) -> KafkaError {
        let consequences = [
            RD_KAFKA_RESP_ERR__STATE, RD_KAFKA_RESP_ERR__PURGE_QUEUE, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT,
        ]
        guard consequences.contains(error.code.native) else { return error }
        // To begin once more changes nothing, and is refused with the reason.
        do throws(KafkaError) { try begin() } catch let reason { return reason.during(error.operation) }
        return error
    }

    /// Adds the input's offsets to the transaction, each that of the next record to read (KIP-447,
    /// `rd_kafka_send_offsets_to_transaction`).
    ///
    /// - Note: librdkafka does not keep this call's time limit: with a broker that does not answer it waits for
    ///   `socket.timeout.ms`, which for transactional producers is 100 ms less than `transaction.timeout.ms` unless
    ///   it is set. Set them short, and watch the thread that calls.
    /// - Throws: `.fenced` if the group has given the partitions to another member; the reason, if the transaction
    ///   can no longer commit.
    package func sendOffsets(
        _ offsets: [TopicPartitionOffset], groupMetadata: GroupMetadata, timeoutMilliseconds: Int
    ) throws(KafkaError) {
        let list = PartitionListHandle(offsets)
        do throws(KafkaError) {
            try check(
                rd_kafka_send_offsets_to_transaction(
                    client.pointer, list.pointer, groupMetadata.pointer, Int32(clamping: timeoutMilliseconds)),
                "add offsets to the transaction")
        } catch {
            throw cause(of: error)
        }
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
