import CRdKafka

/// A client that topics and queues keep alive until they are freed, as librdkafka demands.
///
/// The functions of librdkafka that take an `rd_kafka_t` may be called from any thread, so this is Sendable.
final class Client: Sendable {
    // The pointer never changes, and the library behind it locks for itself.
    private nonisolated(unsafe) let handle: ClientHandle
    let context: ClientContext

    init(
        _ kind: ClientHandle.Kind, configuration: KafkaConfiguration, events: ClientEvents
    ) throws(KafkaError) {
        let context = ClientContext(events: events, configuration: configuration)
        handle = try ClientHandle(kind, configuration: configuration, context: context)
        self.context = context
    }

    var pointer: OpaquePointer { handle.pointer }

    /// `rd_kafka_topic_new`
    func topic(_ name: String) throws(KafkaError) -> Topic {
        guard let pointer = rd_kafka_topic_new(pointer, name, nil) else {
            throw KafkaError(code: rd_kafka_last_error(), operation: "use topic \(name)", client: pointer)
        }
        return Topic(taking: pointer, of: self)
    }

    /// The cluster's id (`rd_kafka_clusterid`), or nil if no broker told it in time.
    func clusterID(timeoutMilliseconds: Int) -> String? {
        guard let text = rd_kafka_clusterid(pointer, Int32(clamping: timeoutMilliseconds)) else { return nil }
        defer { rd_kafka_mem_free(pointer, text) }
        return String(cString: text)
    }
}

/// A topic as one client knows it. It keeps that client alive.
package final class Topic: Sendable {
    nonisolated(unsafe) let pointer: OpaquePointer
    private let client: Client

    init(taking pointer: OpaquePointer, of client: Client) {
        self.pointer = pointer
        self.client = client
    }

    /// `rd_kafka_topic_name`
    package var name: String { String(cString: rd_kafka_topic_name(pointer)) }

    /// `rd_kafka_topic_destroy`
    deinit { rd_kafka_topic_destroy(pointer) }
}
