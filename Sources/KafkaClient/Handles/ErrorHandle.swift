import CRdKafka

/// Owns an `rd_kafka_error_t`.
struct ErrorHandle: ~Copyable {
    private let pointer: OpaquePointer

    init(taking pointer: OpaquePointer) { self.pointer = pointer }

    /// The error with its flags (`rd_kafka_error_code`, `rd_kafka_error_is_fatal` and the like).
    func described(operation: String, client: OpaquePointer?) -> KafkaError {
        let code = rd_kafka_error_code(pointer)
        let message = KafkaError.naming(code, String(cString: rd_kafka_error_string(pointer)), client)
        guard code != RD_KAFKA_RESP_ERR__FATAL else {
            return KafkaError(code: code, message: message, operation: operation, client: client)
        }
        var flags: Recovery.Flags = []
        if rd_kafka_error_is_fatal(pointer) != 0 { flags.insert(.isFatal) }
        if rd_kafka_error_is_retriable(pointer) != 0 { flags.insert(.isRetriable) }
        if rd_kafka_error_txn_requires_abort(pointer) != 0 { flags.insert(.requiresAbort) }
        return KafkaError(code: code, message: message, operation: operation, flags: flags)
    }

    deinit { rd_kafka_error_destroy(pointer) }
}
