import CRdKafka

/// What became of a record that was produced.
package struct DeliveryReport: Sendable {
    /// The caller's own, as it was given to `produce`.
    package let tag: UInt64
    package let partition: Int32
    /// The record's offset, or nil if the broker did not tell: the record failed, or it was found to be stored
    /// already when it was sent once more.
    package let offset: Int64?
    /// Milliseconds since 1970 UTC, or -1 if the record failed. With `.logAppend` it is the broker's time of
    /// append, with `.create` the producer's own.
    package let timestampMilliseconds: Int64
    /// `.logAppend` only if the topic says so and the broker told the time.
    package let timestampType: TimestampType
    /// Why the record was not delivered, or nil if it was.
    package let error: KafkaError?

    init(_ message: UnsafePointer<rd_kafka_message_t>, client: OpaquePointer?) {
        let record = message.pointee
        tag = UInt64(UInt(bitPattern: record._private))
        partition = record.partition
        offset = record.offset >= 0 ? record.offset : nil
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        timestampMilliseconds = rd_kafka_message_timestamp(message, &type)
        // The producer's own time stands in the record without a type.
        timestampType =
            record.err != RD_KAFKA_RESP_ERR_NO_ERROR
            ? .none : type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? .logAppend : .create
        error =
            record.err == RD_KAFKA_RESP_ERR_NO_ERROR
            ? nil
            : KafkaError(
                code: record.err,
                message: rd_kafka_message_produce_errstr(message).map { String(cString: $0) },
                operation: "deliver a record"
                    + (record.rkt.map { " to \(String(cString: rd_kafka_topic_name($0)))" } ?? ""),
                client: client)
    }
}
