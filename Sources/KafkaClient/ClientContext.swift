import CRdKafka

/// What librdkafka's callbacks find behind their opaque pointer.
///
/// It must not hold the client, for the client holds it until its last callback has returned.
final class ClientContext: Sendable {
    let events: ClientEvents
    let trouble = ConnectionTrouble()
    /// Under which names the client stands before the broker, for errors; no secrets.
    let names: Names

    struct Names: Sendable {
        var user, certificate, group, transactionalID: String?
    }

    // The two handlers below are set and called only by the thread that uses the client at the time: librdkafka
    // runs these callbacks inside the calls of that thread (poll, close, flush, commit).

    /// Looks at a rebalance, while a consumer polls or closes.
    nonisolated(unsafe) var rebalance: ((Rebalance) -> Void)?
    /// Whether the handler of the present rebalance has answered it with an assignment.
    nonisolated(unsafe) var rebalanceAnswered = false
    /// How many rebalances were seen, so that a poll can end after one.
    nonisolated(unsafe) var rebalances = 0
    /// Takes the delivery reports of a producer.
    nonisolated(unsafe) var deliver: ((DeliveryReport) -> Void)?

    init(events: ClientEvents, configuration: KafkaConfiguration) {
        self.events = events
        names = Names(
            user: configuration["sasl.username"], certificate: configuration["ssl.certificate.location"],
            group: configuration["group.id"], transactionalID: configuration["transactional.id"])
    }

    /// The context behind an opaque pointer, without taking it over.
    static func behind(_ opaque: UnsafeMutableRawPointer) -> ClientContext {
        Unmanaged<ClientContext>.fromOpaque(opaque).takeUnretainedValue()
    }
}

/// The functions that librdkafka calls.
enum ClientCallbacks {
    /// Routes logs, errors and statistics (`rd_kafka_conf_set_log_cb` and the like).
    static func install(on configuration: OpaquePointer) {
        rd_kafka_conf_set_log_cb(configuration) { client, level, facility, message in
            guard let client, let facility, let message, let opaque = rd_kafka_opaque(client) else { return }
            let (source, text) = (String(cString: facility), String(cString: message))
            let context = ClientContext.behind(opaque)
            context.trouble.note(facility: source, text)
            context.events.log(Int(level), source, text)
        }
        rd_kafka_conf_set_error_cb(configuration) { client, code, reason, opaque in
            guard let opaque else { return }
            let context = ClientContext.behind(opaque)
            let (message, operation) = (reason.map { String(cString: $0) }, "keep the connection to Kafka")
            let error =
                CertificateCheck.refusal(alertIn: message ?? "", of: context.names.certificate).map {
                    KafkaError(
                        code: RD_KAFKA_RESP_ERR__SSL, message: $0, operation: operation, flags: .isFatal)
                }
                ?? KafkaError(
                    code: rd_kafka_resp_err_t(rawValue: code), message: message, operation: operation,
                    client: client)
            context.trouble.note(error)
            context.events.error(error)
        }
        rd_kafka_conf_set_stats_cb(configuration) { _, json, length, opaque in
            guard let opaque, let json else { return 0 }
            ClientContext.behind(opaque).events.statistics(UnsafeRawBufferPointer(start: json, count: length))
            // Zero leaves the bytes to librdkafka, which frees them.
            return 0
        }
    }

    /// `rd_kafka_conf_set_rebalance_cb`
    static func installRebalance(on configuration: OpaquePointer) {
        rd_kafka_conf_set_rebalance_cb(configuration) { client, code, list, opaque in
            guard let client, let list, let opaque else { return }
            let context = ClientContext.behind(opaque)
            let rebalance = Rebalance(code: code, list: list, client: client)
            context.rebalances += 1
            context.rebalanceAnswered = false
            context.rebalance?(rebalance)
            // librdkafka waits for an assignment before the group can go on, so that silence must not be the answer.
            if !context.rebalanceAnswered { Assignment.follow(rebalance, client: client, context: context) }
        }
    }

    /// `rd_kafka_conf_set_dr_msg_cb`
    static func installDeliveries(on configuration: OpaquePointer) {
        rd_kafka_conf_set_dr_msg_cb(configuration) { client, message, opaque in
            guard let message, let opaque, let deliver = ClientContext.behind(opaque).deliver else { return }
            deliver(DeliveryReport(message, client: client))
        }
    }
}
