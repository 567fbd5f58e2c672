import CRdKafka

/// A topic's setting as the broker has it.
package struct TopicSetting: Sendable, Equatable {
    /// Nil for a value that the broker keeps secret.
    package let value: String?
    /// Whether it comes from the broker and not from the topic.
    package let isDefault: Bool

    package init(value: String?, isDefault: Bool) {
        self.value = value
        self.isDefault = isDefault
    }
}

extension Admin {
    /// The settings of topics, by topic and name (`rd_kafka_DescribeConfigs`).
    ///
    /// - Throws: the first topic's error, such as `UNKNOWN_TOPIC_OR_PART`.
    package func describeConfigs(
        topics: [String], timeoutMilliseconds: Int
    ) throws(KafkaError) -> [String: [String: TopicSetting]] {
        guard !topics.isEmpty else { return [:] }
        var list = Self.resources()
        for topic in topics { list.append(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic)) }
        let operation = "describe the settings of topic"
        let answer = try request(
            RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, operation, timeoutMilliseconds: timeoutMilliseconds
        ) { options, queue in
            list.withPointers { rd_kafka_DescribeConfigs(client.pointer, $0, $1, options, queue) }
        }
        var count = 0
        let results = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(answer.pointer), &count)
        try checkEach(results, count, operation: operation)
        var settings: [String: [String: TopicSetting]] = [:]
        for index in 0..<count {
            guard let resource = results?[index] else { continue }
            settings[String(cString: rd_kafka_ConfigResource_name(resource))] = Self.entries(of: resource)
        }
        return settings
    }

    /// Changes settings of a topic and leaves its others as they are; nil gives one back to the broker's default
    /// (`rd_kafka_IncrementalAlterConfigs`).
    package func incrementalAlterConfigs(
        topic: String, settings: [String: String?], timeoutMilliseconds: Int
    ) throws(KafkaError) {
        guard !settings.isEmpty else { return }
        let operation = "change the settings of topic"
        var list = Self.resources()
        let resource: OpaquePointer = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic)
        list.append(resource)
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) {
            let kind =
                value == nil ? RD_KAFKA_ALTER_CONFIG_OP_TYPE_DELETE : RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET
            try KafkaError.check(
                rd_kafka_ConfigResource_add_incremental_config(resource, name, kind, value),
                operation: "\(operation) \(topic)", client: client.pointer)
        }
        let answer = try request(
            RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS, operation, timeoutMilliseconds: timeoutMilliseconds
        ) { options, queue in
            list.withPointers { rd_kafka_IncrementalAlterConfigs(client.pointer, $0, $1, options, queue) }
        }
        var count = 0
        let results = rd_kafka_IncrementalAlterConfigs_result_resources(
            rd_kafka_event_IncrementalAlterConfigs_result(answer.pointer), &count)
        try checkEach(results, count, operation: operation)
    }

    private static func resources() -> ArrayHandle {
        ArrayHandle(free: { rd_kafka_ConfigResource_destroy($0) })
    }

    private static func entries(of resource: OpaquePointer) -> [String: TopicSetting] {
        var count = 0
        guard let entries = rd_kafka_ConfigResource_configs(resource, &count) else { return [:] }
        var settings: [String: TopicSetting] = [:]
        for index in 0..<count {
            guard let entry = entries[index] else { continue }
            settings[String(cString: rd_kafka_ConfigEntry_name(entry))] = TopicSetting(
                value: rd_kafka_ConfigEntry_value(entry).map { String(cString: $0) },
                isDefault: rd_kafka_ConfigEntry_is_default(entry) == 1)
        }
        return settings
    }

    private func checkEach(
        _ results: UnsafeMutablePointer<OpaquePointer?>?, _ count: Int, operation: String
    ) throws(KafkaError) {
        for index in 0..<count {
            guard let resource = results?[index] else { continue }
            let code = rd_kafka_ConfigResource_error(resource)
            guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { continue }
            throw KafkaError(
                code: code,
                message: rd_kafka_ConfigResource_error_string(resource).map { String(cString: $0) },
                operation: "\(operation) \(String(cString: rd_kafka_ConfigResource_name(resource)))",
                client: client.pointer)
        }
    }
}
