import CRdKafka

/// A consumer group and who is in it.
package struct GroupDescription: Sendable, Equatable {
    package struct Member: Sendable, Equatable {
        /// The `client.id` of the member.
        package let clientID: String
        /// The address that it speaks from, as the broker writes it.
        package let host: String
        /// What the group calls it; another one each time it joins anew.
        package let memberID: String
        /// Its `group.instance.id`; nil for one that is no static member.
        package let instanceID: String?
    }

    /// Kafka's word: `Stable`, `Empty`, `Dead` (no such group), `PreparingRebalance`, `CompletingRebalance`.
    package let state: String
    package let members: [Member]

    package init(state: String, members: [Member]) {
        self.state = state
        self.members = members
    }
}

extension Admin {
    /// Asks the group's coordinator who is in it (`rd_kafka_DescribeConsumerGroups`). A group that there is not has
    /// no members.
    package func describeConsumerGroup(
        _ group: String, timeoutMilliseconds: Int
    ) throws(KafkaError) -> GroupDescription {
        let operation = "describe the group \(group)"
        let answer = try request(
            RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, operation, timeoutMilliseconds: timeoutMilliseconds
        ) { options, queue in
            group.withCString { name in
                var names: [UnsafePointer<CChar>?] = [name]
                rd_kafka_DescribeConsumerGroups(client.pointer, &names, 1, options, queue)
            }
        }
        var count = 0
        let groups = rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(answer.pointer), &count)
        guard count == 1, let found = groups?[0] else {
            throw KafkaError(code: RD_KAFKA_RESP_ERR__BAD_MSG, operation: operation)
        }
        if let error = rd_kafka_ConsumerGroupDescription_error(found) {
            let code = rd_kafka_error_code(error)
            // So answer brokers from 4.0 on for a group that there is not.
            if code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND {
                return GroupDescription(state: "Dead", members: [])
            }
            throw KafkaError(
                code: code, message: String(cString: rd_kafka_error_string(error)), operation: operation,
                client: client.pointer)
        }
        let state = rd_kafka_ConsumerGroupDescription_state(found)
        return GroupDescription(
            state: String(cString: rd_kafka_consumer_group_state_name(state)),
            members: (0..<rd_kafka_ConsumerGroupDescription_member_count(found)).compactMap { index in
                rd_kafka_ConsumerGroupDescription_member(found, index).map(Self.member)
            })
    }

    /// Deletes a group that has no members, with its offsets, as the broker does with one that was idle for long
    /// (`rd_kafka_DeleteGroups`).
    ///
    /// - Throws: `NON_EMPTY_GROUP` for one that has members; `GROUP_ID_NOT_FOUND` where there is none.
    package func deleteConsumerGroup(_ group: String, timeoutMilliseconds: Int) throws(KafkaError) {
        let operation = "delete the group \(group)"
        var list = ArrayHandle(free: { rd_kafka_DeleteGroup_destroy($0) })
        list.append(rd_kafka_DeleteGroup_new(group))
        let answer = try request(
            RD_KAFKA_ADMIN_OP_DELETEGROUPS, operation, timeoutMilliseconds: timeoutMilliseconds
        ) { options, queue in
            list.withPointers { rd_kafka_DeleteGroups(client.pointer, $0, $1, options, queue) }
        }
        var count = 0
        let results = rd_kafka_DeleteGroups_result_groups(
            rd_kafka_event_DeleteGroups_result(answer.pointer), &count)
        for index in 0..<count {
            guard let error = results?[index].flatMap({ rd_kafka_group_result_error($0) }) else { continue }
            throw KafkaError(
                code: rd_kafka_error_code(error), message: String(cString: rd_kafka_error_string(error)),
                operation: operation, client: client.pointer)
        }
    }

    private static func member(_ member: OpaquePointer) -> GroupDescription.Member {
        GroupDescription.Member(
            clientID: String(cString: rd_kafka_MemberDescription_client_id(member)),
            host: String(cString: rd_kafka_MemberDescription_host(member)),
            memberID: String(cString: rd_kafka_MemberDescription_consumer_id(member)),
            instanceID: rd_kafka_MemberDescription_group_instance_id(member).flatMap {
                let id = String(cString: $0)
                return id.isEmpty ? nil : id
            })
    }
}
