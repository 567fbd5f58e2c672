import CRdKafka

/// What librdkafka or the broker refused, and what follows from it.
package struct KafkaError: Error, Sendable, Equatable, CustomStringConvertible {
    /// An error's number and name, as librdkafka has them: negative for the client's own, positive for the broker's.
    package struct Code: Sendable, Hashable, CustomStringConvertible {
        /// librdkafka's number (`rd_kafka_resp_err_t`), such as -185.
        package let number: Int32

        package init(number: Int32) { self.number = number }

        init(_ code: rd_kafka_resp_err_t) { number = code.rawValue }

        /// The name without its prefix, such as `_TIMED_OUT` (`rd_kafka_err2name`).
        package var name: String { String(cString: rd_kafka_err2name(native)) }

        package var description: String { "\(name) (\(number))" }

        var native: rd_kafka_resp_err_t { rd_kafka_resp_err_t(rawValue: number) }
    }

    package let code: Code
    /// What happened, in librdkafka's words.
    package let message: String
    /// What was being done, such as "commit the transaction".
    package let operation: String
    /// What the caller is to do now.
    package let recovery: Recovery

    /// An error whose recovery follows from its code and from what librdkafka says of it.
    init(
        code: rd_kafka_resp_err_t, message: String? = nil, operation: String,
        flags: Recovery.Flags = []
    ) {
        self.code = Code(code)
        self.message = message ?? String(cString: rd_kafka_err2str(code))
        self.operation = operation
        recovery = Recovery.following(from: self.code, flags: flags)
    }

    /// An error as it would come of its code alone, for tests of what follows from it.
    package init(code: Code, message: String, operation: String) {
        self.init(code: code.native, message: message, operation: operation)
    }

    /// What a broker answers that does not know a topic.
    package static func unknownTopic(_ name: String) -> KafkaError {
        KafkaError(code: RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, operation: "find the topic \(name)")
    }

    package var description: String {
        "could not \(operation): \(message) [\(code)]; \(remedy ?? recovery.advice)"
    }

    /// The same error, of another operation.
    func during(_ operation: String) -> KafkaError {
        KafkaError(code: code, message: message, operation: operation, recovery: recovery)
    }

    private init(code: Code, message: String, operation: String, recovery: Recovery) {
        self.code = code
        self.message = message
        self.operation = operation
        self.recovery = recovery
    }
}

extension KafkaError {
    /// Reads an error from a code, and looks behind `_FATAL`, which only says that the true error stands in the
    /// client (`rd_kafka_fatal_error`).
    init(code: rd_kafka_resp_err_t, message: String? = nil, operation: String, client: OpaquePointer?) {
        guard code == RD_KAFKA_RESP_ERR__FATAL, let client else {
            self.init(
                code: code, message: Self.naming(code, message, client), operation: operation)
            return
        }
        var text = [CChar](repeating: 0, count: 512)
        let original = rd_kafka_fatal_error(client, &text, text.count)
        guard original != RD_KAFKA_RESP_ERR_NO_ERROR else {
            self.init(code: code, message: message, operation: operation, flags: .isFatal)
            return
        }
        self.init(
            code: original, message: Self.naming(original, string(text), client), operation: operation,
            flags: .isFatal)
    }

    /// Throws if `code` is an error.
    static func check(
        _ code: rd_kafka_resp_err_t, operation: @autoclosure () -> String, client: OpaquePointer?
    ) throws(KafkaError) {
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        throw KafkaError(code: code, operation: operation(), client: client)
    }

    /// Throws what a C function returned as an error object, and frees the object. A null pointer is no error.
    static func check(
        _ error: OpaquePointer?, operation: @autoclosure () -> String, client: OpaquePointer?
    ) throws(KafkaError) {
        guard let error else { return }
        throw ErrorHandle(taking: error).described(operation: operation(), client: client)
    }
}

/// The text of a C buffer up to its end mark.
func string(_ buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
