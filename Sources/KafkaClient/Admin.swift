import CRdKafka

/// Looks after topics and their settings. Any thread may use it; each call waits for its answer.
package final class Admin: Sendable {
    let client: Client

    /// Makes an admin client (`rd_kafka_new`); it connects in the background.
    package init(configuration: KafkaConfiguration, events: ClientEvents = .ignored) throws(KafkaError) {
        client = try Client(.producer, configuration: configuration, events: events)
    }

    /// The cluster's id (`rd_kafka_clusterid`), or nil if no broker told it in time.
    package func clusterID(timeoutMilliseconds: Int) -> String? {
        client.clusterID(timeoutMilliseconds: timeoutMilliseconds)
    }

    /// Sends an admin request and waits for its answer (`rd_kafka_queue_poll`).
    func request(
        _ kind: rd_kafka_admin_op_t, _ operation: String, timeoutMilliseconds: Int,
        submit: (_ options: OpaquePointer, _ queue: OpaquePointer) -> Void
    ) throws(KafkaError) -> EventHandle {
        try client.awaitBroker(for: operation, timeoutMilliseconds: timeoutMilliseconds)
        let options = try AdminOptionsHandle(
            kind, client: client.pointer, timeoutMilliseconds: timeoutMilliseconds)
        guard let pointer = rd_kafka_queue_new(client.pointer) else {
            throw KafkaError(code: RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, operation: operation)
        }
        let queue = QueueHandle(taking: pointer)
        submit(options.pointer, queue.pointer)
        // librdkafka keeps the limit by itself; the wait is a little longer so that its own answer comes.
        let wait = Int32(clamping: timeoutMilliseconds + 1000)
        guard let event = rd_kafka_queue_poll(queue.pointer, wait) else {
            throw KafkaError(code: RD_KAFKA_RESP_ERR__TIMED_OUT, operation: operation)
        }
        let handle = EventHandle(taking: event)
        let code = rd_kafka_event_error(handle.pointer)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw KafkaError(
                code: code, message: rd_kafka_event_error_string(handle.pointer).map { String(cString: $0) },
                operation: operation, client: client.pointer)
        }
        return handle
    }
}
