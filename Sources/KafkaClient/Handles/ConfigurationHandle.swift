import CRdKafka

/// Owns an `rd_kafka_conf_t` until a client takes it over.
struct ConfigurationHandle: ~Copyable {
    let pointer: OpaquePointer

    /// `rd_kafka_conf_new`
    init() { pointer = rd_kafka_conf_new() }

    /// Gives up the ownership, as `rd_kafka_new` takes the configuration when it succeeds.
    consuming func relinquish() { discard self }

    deinit { rd_kafka_conf_destroy(pointer) }
}
