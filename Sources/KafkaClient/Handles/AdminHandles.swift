import CRdKafka
import Glibc

/// Owns an `rd_kafka_AdminOptions_t`.
struct AdminOptionsHandle: ~Copyable {
    let pointer: OpaquePointer

    /// Options with a time limit in milliseconds, 1 to 3,600,000 (`rd_kafka_AdminOptions_set_request_timeout`).
    init(
        _ kind: rd_kafka_admin_op_t, client: OpaquePointer, timeoutMilliseconds: Int
    ) throws(KafkaError) {
        let options: OpaquePointer = rd_kafka_AdminOptions_new(client, kind)
        var text = [CChar](repeating: 0, count: 512)
        let limit = Int32(clamping: timeoutMilliseconds)
        var code = rd_kafka_AdminOptions_set_request_timeout(options, limit, &text, text.count)
        let waitsForTopics = kind == RD_KAFKA_ADMIN_OP_CREATETOPICS || kind == RD_KAFKA_ADMIN_OP_DELETETOPICS
        if code == RD_KAFKA_RESP_ERR_NO_ERROR, waitsForTopics {
            code = rd_kafka_AdminOptions_set_operation_timeout(options, limit, &text, text.count)
        }
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            rd_kafka_AdminOptions_destroy(options)
            throw KafkaError(
                code: code, message: string(text), operation: "set an admin request's time limit")
        }
        pointer = options
    }

    deinit { rd_kafka_AdminOptions_destroy(pointer) }
}

/// Owns an `rd_kafka_event_t`: the answer to an admin request.
struct EventHandle: ~Copyable {
    let pointer: OpaquePointer

    init(taking pointer: OpaquePointer) { self.pointer = pointer }

    deinit { rd_kafka_event_destroy(pointer) }
}

/// Owns an `rd_kafka_TopicCollection_t`.
struct TopicCollectionHandle: ~Copyable {
    let pointer: OpaquePointer

    /// `rd_kafka_TopicCollection_of_topic_names`, which copies them.
    init(_ names: [String]) {
        var copies: [UnsafePointer<CChar>?] = names.map { UnsafePointer(strdup($0)) }
        defer { for copy in copies { free(UnsafeMutablePointer(mutating: copy)) } }
        pointer = rd_kafka_TopicCollection_of_topic_names(&copies, copies.count)
    }

    deinit { rd_kafka_TopicCollection_destroy(pointer) }
}

/// Makes an `rd_kafka_NewTopic_t`, which the caller frees (`rd_kafka_NewTopic_new`,
/// `rd_kafka_NewTopic_set_config`).
func makeNewTopic(_ topic: NewTopic) throws(KafkaError) -> OpaquePointer {
    let operation = "create topic \(topic.name)"
    var text = [CChar](repeating: 0, count: 512)
    guard
        let created = rd_kafka_NewTopic_new(
            topic.name, topic.partitionCount, topic.replicationFactor, &text, text.count)
    else {
        throw KafkaError(code: RD_KAFKA_RESP_ERR__INVALID_ARG, message: string(text), operation: operation)
    }
    for (name, value) in topic.settings.sorted(by: { $0.key < $1.key }) {
        let code = rd_kafka_NewTopic_set_config(created, name, value)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
            rd_kafka_NewTopic_destroy(created)
            throw KafkaError(code: code, operation: "\(operation) with \(name)=\(value)")
        }
    }
    return created
}

/// Owns an array of C objects, each freed by `free`.
struct ArrayHandle: ~Copyable {
    private var elements: [OpaquePointer?] = []
    private let free: (OpaquePointer) -> Void

    init(free: @escaping (OpaquePointer) -> Void) { self.free = free }

    var count: Int { elements.count }

    mutating func append(_ element: OpaquePointer) { elements.append(element) }

    /// The array as C functions take it.
    mutating func withPointers(_ body: (UnsafeMutablePointer<OpaquePointer?>?, Int) -> Void) {
        elements.withUnsafeMutableBufferPointer { body($0.baseAddress, $0.count) }
    }

    deinit { for case let element? in elements { free(element) } }
}
