import CRdKafka

/// A topic to be created.
package struct NewTopic: Sendable, Equatable {
    package let name: String
    /// 1 or more, or -1 for the broker's own default.
    package let partitionCount: Int32
    /// 1 or more, or -1 for the broker's own default.
    package let replicationFactor: Int32
    /// Settings under Kafka's names, such as `cleanup.policy`.
    package let settings: [String: String]

    package init(
        name: String, partitionCount: Int32, replicationFactor: Int32, settings: [String: String] = [:]
    ) {
        self.name = name
        self.partitionCount = partitionCount
        self.replicationFactor = replicationFactor
        self.settings = settings
    }
}

/// What became of a topic that was to be created.
package enum TopicCreation: Sendable, Equatable {
    case created
    /// A topic of this name was there before; it may differ from the wanted one.
    case alreadyExists
    case failed(KafkaError)
}

/// A topic of the cluster.
package struct TopicDescription: Sendable, Equatable {
    package let name: String
    package let partitionCount: Int

    package init(name: String, partitionCount: Int) {
        self.name = name
        self.partitionCount = partitionCount
    }
}

extension Admin {
    /// Creates topics; each has its own outcome (`rd_kafka_CreateTopics`).
    package func createTopics(
        _ topics: [NewTopic], timeoutMilliseconds: Int
    ) throws(KafkaError) -> [String: TopicCreation] {
        guard !topics.isEmpty else { return [:] }
        var list = ArrayHandle(free: { rd_kafka_NewTopic_destroy($0) })
        for topic in topics { list.append(try makeNewTopic(topic)) }
        let answer = try request(
            RD_KAFKA_ADMIN_OP_CREATETOPICS, "create topics", timeoutMilliseconds: timeoutMilliseconds
        ) { options, queue in
            list.withPointers { rd_kafka_CreateTopics(client.pointer, $0, $1, options, queue) }
        }
        var count = 0
        let results = rd_kafka_CreateTopics_result_topics(
            rd_kafka_event_CreateTopics_result(answer.pointer), &count)
        var outcomes: [String: TopicCreation] = [:]
        for (name, error) in topicResults(results, count, operation: "create topic") {
            if error?.code == KafkaError.Code(RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
                outcomes[name] = .alreadyExists
            } else {
                outcomes[name] = error.map { .failed($0) } ?? .created
            }
        }
        return outcomes
    }

    /// Deletes topics with all records; returns the errors of those that could not be deleted
    /// (`rd_kafka_DeleteTopics`).
    @discardableResult
    package func deleteTopics(
        _ names: [String], timeoutMilliseconds: Int
    ) throws(KafkaError) -> [String: KafkaError] {
        guard !names.isEmpty else { return [:] }
        var list = ArrayHandle(free: { rd_kafka_DeleteTopic_destroy($0) })
        for name in names { list.append(rd_kafka_DeleteTopic_new(name)) }
        let answer = try request(
            RD_KAFKA_ADMIN_OP_DELETETOPICS, "delete topics", timeoutMilliseconds: timeoutMilliseconds
        ) { options, queue in
            list.withPointers { rd_kafka_DeleteTopics(client.pointer, $0, $1, options, queue) }
        }
        var count = 0
        let results = rd_kafka_DeleteTopics_result_topics(
            rd_kafka_event_DeleteTopics_result(answer.pointer), &count)
        var errors: [String: KafkaError] = [:]
        for (name, error) in topicResults(results, count, operation: "delete topic") { errors[name] = error }
        return errors
    }

    /// Every topic of the cluster, those of Kafka itself included, by name (`rd_kafka_metadata`).
    package func listTopics(timeoutMilliseconds: Int) throws(KafkaError) -> [TopicDescription] {
        try client.awaitBroker(for: "list topics", timeoutMilliseconds: timeoutMilliseconds)
        var pointer: UnsafePointer<rd_kafka_metadata>?
        try KafkaError.check(
            rd_kafka_metadata(client.pointer, 1, nil, &pointer, Int32(clamping: timeoutMilliseconds)),
            operation: "list topics", client: client.pointer)
        guard let metadata = pointer else { return [] }
        defer { rd_kafka_metadata_destroy(metadata) }
        return (0..<Int(metadata.pointee.topic_cnt)).compactMap { index in
            let topic = metadata.pointee.topics[index]
            guard topic.err == RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
            return TopicDescription(
                name: String(cString: topic.topic), partitionCount: Int(topic.partition_cnt))
        }.sorted { $0.name < $1.name }
    }

    /// Those of the named topics that exist (`rd_kafka_DescribeTopics`, which creates none).
    ///
    /// - Throws: `TOPIC_AUTHORIZATION_FAILED` with the names of those that this user may not even see; else the
    ///   first topic's error.
    package func describeTopics(
        _ names: [String], timeoutMilliseconds: Int
    ) throws(KafkaError) -> [String: TopicDescription] {
        guard !names.isEmpty else { return [:] }
        let collection = TopicCollectionHandle(names)
        let answer = try request(
            RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, "describe topics", timeoutMilliseconds: timeoutMilliseconds
        ) { options, queue in
            rd_kafka_DescribeTopics(client.pointer, collection.pointer, options, queue)
        }
        var count = 0
        let results = rd_kafka_DescribeTopics_result_topics(
            rd_kafka_event_DescribeTopics_result(answer.pointer), &count)
        var found: [String: TopicDescription] = [:]
        var forbidden: [String] = []
        for index in 0..<count {
            guard let topic = results?[index] else { continue }
            let name = String(cString: rd_kafka_TopicDescription_name(topic))
            let code = rd_kafka_error_code(rd_kafka_TopicDescription_error(topic))
            switch code {
            case RD_KAFKA_RESP_ERR_NO_ERROR:
                var partitions = 0
                _ = rd_kafka_TopicDescription_partitions(topic, &partitions)
                found[name] = TopicDescription(name: name, partitionCount: partitions)
            case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: continue
            case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED: forbidden.append(name)
            default:
                throw KafkaError(code: code, operation: "describe topic \(name)", client: client.pointer)
            }
        }
        guard forbidden.isEmpty else {
            throw KafkaError(
                code: RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                operation: "describe topics \(forbidden.sorted().joined(separator: ", "))",
                client: client.pointer)
        }
        return found
    }

    private func topicResults(
        _ results: UnsafeMutablePointer<OpaquePointer?>?, _ count: Int, operation: String
    ) -> [(name: String, error: KafkaError?)] {
        guard let results else { return [] }
        return (0..<count).map { index in
            let name = String(cString: rd_kafka_topic_result_name(results[index]))
            let code = rd_kafka_topic_result_error(results[index])
            guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return (name, nil) }
            let message = rd_kafka_topic_result_error_string(results[index]).map { String(cString: $0) }
            return (
                name,
                KafkaError(
                    code: code, message: message, operation: "\(operation) \(name)", client: client.pointer)
            )
        }
    }
}
