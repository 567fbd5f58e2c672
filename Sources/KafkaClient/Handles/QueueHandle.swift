import CRdKafka

/// Owns a reference to an `rd_kafka_queue_t`.
struct QueueHandle: ~Copyable {
    let pointer: OpaquePointer

    init(taking pointer: OpaquePointer) { self.pointer = pointer }

    deinit { rd_kafka_queue_destroy(pointer) }
}
