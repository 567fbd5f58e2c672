import CRdKafka

/// When a record's timestamp was taken.
package enum TimestampType: Sendable, Equatable {
    /// The broker gave none.
    case none
    /// By the producer.
    case create
    /// By the broker, on append (`message.timestamp.type=LogAppendTime`).
    case logAppend

    init(_ type: rd_kafka_timestamp_type_t) {
        switch type {
        case RD_KAFKA_TIMESTAMP_CREATE_TIME: self = .create
        case RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME: self = .logAppend
        default: self = .none
        }
    }
}

/// A view of what a consumer read: a record, the end of a partition, or an error. It is valid during the callback
/// that gets it, and so are its bytes.
package struct Message: ~Copyable {
    private let pointer: UnsafeMutablePointer<rd_kafka_message_t>
    private let client: OpaquePointer

    init(_ pointer: UnsafeMutablePointer<rd_kafka_message_t>, client: OpaquePointer) {
        self.pointer = pointer
        self.client = client
    }

    package enum Kind: Sendable, Equatable {
        case record
        /// Every record up to here was given; with `enable.partition.eof` only. `offset` is the next one's. Under
        /// `read_committed` this end is the last stable offset.
        case endOfPartition
        /// The consumer or a partition failed. librdkafka goes on by itself where the recovery is `.retry`.
        case failure(KafkaError)
    }

    package var kind: Kind {
        switch pointer.pointee.err {
        case RD_KAFKA_RESP_ERR_NO_ERROR: .record
        case RD_KAFKA_RESP_ERR__PARTITION_EOF: .endOfPartition
        default: .failure(failure)
        }
    }

    /// Whether this is a record; cheaper than `kind` when it fails.
    package var isRecord: Bool { pointer.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR }

    /// The topic's name, or "" in an error that belongs to no topic. It makes a String, so prefer `isFrom` where
    /// each record is asked (`rd_kafka_topic_name`).
    package var topicName: String {
        pointer.pointee.rkt.map { String(cString: rd_kafka_topic_name($0)) } ?? ""
    }

    /// Whether it is of `topic`, which must be of the same consumer (`Consumer.topic`).
    package func isFrom(_ topic: Topic) -> Bool { pointer.pointee.rkt == topic.pointer }

    package var partition: Int32 { pointer.pointee.partition }

    package var offset: Int64 { pointer.pointee.offset }

    /// Milliseconds since 1970 UTC, or -1 if there is none (`rd_kafka_message_timestamp`).
    package var timestampMilliseconds: Int64 { rd_kafka_message_timestamp(pointer, nil) }

    /// `rd_kafka_message_timestamp`
    package var timestampType: TimestampType {
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        _ = rd_kafka_message_timestamp(pointer, &type)
        return TimestampType(type)
    }

    /// When the broker appended it, in milliseconds since 1970 UTC, or -1 if the topic leaves the time to producers
    /// (`rd_kafka_message_timestamp`).
    package var appendMilliseconds: Int64 {
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let timestamp = rd_kafka_message_timestamp(pointer, &type)
        return type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? timestamp : -1
    }

    /// The key's bytes, or nil if the record has no key or this is no record.
    package var key: UnsafeRawBufferPointer? {
        guard isRecord, let key = pointer.pointee.key else { return nil }
        return UnsafeRawBufferPointer(start: key, count: pointer.pointee.key_len)
    }

    /// The value's bytes, or nil if the record is a tombstone or this is no record.
    package var value: UnsafeRawBufferPointer? {
        guard isRecord, let payload = pointer.pointee.payload else { return nil }
        return UnsafeRawBufferPointer(start: payload, count: pointer.pointee.len)
    }

    private var failure: KafkaError {
        KafkaError(
            code: pointer.pointee.err,
            message: rd_kafka_message_errstr(pointer).map { String(cString: $0) },
            operation: pointer.pointee.rkt == nil ? "consume" : "consume \(topicName)[\(partition)]",
            client: client)
    }
}

/// Calls `body` with a message and frees it, also when `body` throws (`rd_kafka_message_destroy`).
func withMessage<Failure: Error>(
    _ pointer: UnsafeMutablePointer<rd_kafka_message_t>, client: OpaquePointer,
    _ body: (borrowing Message) throws(Failure) -> Void
) throws(Failure) {
    defer { rd_kafka_message_destroy(pointer) }
    try body(Message(pointer, client: client))
}
