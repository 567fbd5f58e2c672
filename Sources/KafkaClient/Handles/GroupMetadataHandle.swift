import CRdKafka

/// Owns an `rd_kafka_consumer_group_metadata_t`.
struct GroupMetadataHandle: ~Copyable {
    let pointer: OpaquePointer

    init(taking pointer: OpaquePointer) { self.pointer = pointer }

    deinit { rd_kafka_consumer_group_metadata_destroy(pointer) }
}
