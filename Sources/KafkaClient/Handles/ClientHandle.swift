import CRdKafka

/// Owns an `rd_kafka_t` and the context of its callbacks.
struct ClientHandle: ~Copyable {
    enum Kind {
        case producer, consumer

        var native: rd_kafka_type_t { self == .producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER }
    }

    let pointer: OpaquePointer
    private let kind: Kind
    private let context: Unmanaged<ClientContext>

    /// Makes a client (`rd_kafka_new`). It connects in the background.
    init(_ kind: Kind, configuration: KafkaConfiguration, context: ClientContext) throws(KafkaError) {
        try LibraryVersion.check()
        let native =
            try configuration
            // Off unless asked for: a broker that takes no metrics makes each close wait a second for nothing.
            .withDefault("enable.metrics.push", "false")
            // librdkafka warns of each that is not the client's.
            .ofClients(kind)
            .makeHandle()
        let retained = Unmanaged.passRetained(context)
        rd_kafka_conf_set_opaque(native.pointer, retained.toOpaque())
        ClientCallbacks.install(on: native.pointer)
        // Where certificates are not to be looked at, none is refused.
        if configuration["enable.ssl.certificate.verification"] != "false" {
            CertificateCheck.install(on: native.pointer)
        }
        switch kind {
        case .producer: ClientCallbacks.installDeliveries(on: native.pointer)
        case .consumer: ClientCallbacks.installRebalance(on: native.pointer)
        }
        var text = [CChar](repeating: 0, count: 512)
        guard let client = rd_kafka_new(kind.native, native.pointer, &text, text.count) else {
            retained.release()
            throw KafkaError(
                code: RD_KAFKA_RESP_ERR__INVALID_ARG, message: string(text), operation: "make a Kafka client")
        }
        native.relinquish()
        pointer = client
        self.kind = kind
        self.context = retained
    }

    /// How long the end of a producer waits for the purge to reach the broker threads, in milliseconds.
    private static let purgeLimitMilliseconds: Int32 = 200

    /// Ends the client at once, whether or not a broker is there: records that were not delivered are given up,
    /// and the group is not told (`Consumer.close` does that). `rd_kafka_purge`, `rd_kafka_destroy_flags`.
    deinit {
        if kind == .producer {
            rd_kafka_purge(
                pointer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING)
            rd_kafka_flush(pointer, Self.purgeLimitMilliseconds)
        }
        rd_kafka_destroy_flags(pointer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
        // Only now has the last callback returned.
        context.release()
    }
}
