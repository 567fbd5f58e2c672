import KafkaClient
import Testing

extension BrokerTests {
    @Suite(.serialized) struct Administration {
        @Test("A group tells its members, and one that there is not has none")
        func groups() throws {
            let admin = try Admin(configuration: Broker.configuration())
            let group = Broker.unique("group")
            var none = GroupDescription(state: "", members: [])
            // A broker that has just started may still be loading the groups that it coordinates.
            try Broker.repeating("the coordinator answers") {
                do throws(KafkaError) {
                    none = try admin.describeConsumerGroup(group, timeoutMilliseconds: Broker.limit)
                    return true
                } catch {
                    guard error.recovery == .retry else { throw error }
                    return false
                }
            }
            #expect(none == GroupDescription(state: "Dead", members: []))
            let topic = Broker.unique("grouped")
            _ = try admin.createTopics(
                [NewTopic(name: topic, partitionCount: 1, replicationFactor: 1)],
                timeoutMilliseconds: Broker.limit)
            let consumer = try Consumer(
                configuration: Broker.configuration(["group.id": group, "client.id": "a member"]))
            try consumer.subscribe(topics: [topic])
            var found = none
            let end = ContinuousClock.now + .milliseconds(Broker.limit)
            while found.members.isEmpty, ContinuousClock.now < end {
                consumer.consumeBatch(maxMessages: 1, timeoutMilliseconds: 50) { _ in }
                found = try admin.describeConsumerGroup(group, timeoutMilliseconds: Broker.limit)
            }
            #expect(found.members.map(\.clientID) == ["a member"])
            try consumer.close(timeoutMilliseconds: Broker.limit)
            let empty = try admin.describeConsumerGroup(group, timeoutMilliseconds: Broker.limit)
            #expect(empty == GroupDescription(state: "Empty", members: []))
        }

        @Test("A topic is created once, described, altered and deleted")
        func lifeOfATopic() throws {
            let admin = try Admin(configuration: Broker.configuration())
            let name = Broker.unique("admin")
            let topic = NewTopic(
                name: name, partitionCount: 3, replicationFactor: 1, settings: ["cleanup.policy": "compact"])
            #expect(try admin.createTopics([topic], timeoutMilliseconds: Broker.limit) == [name: .created])
            #expect(
                try admin.createTopics([topic], timeoutMilliseconds: Broker.limit) == [name: .alreadyExists])
            let missing = Broker.unique("missing")
            // A broker may hear of a topic a moment after its controller has created it.
            var described: [String: TopicDescription] = [:]
            try Broker.repeating(upTo: 10, "the topic is known") {
                described = try admin.describeTopics([name, missing], timeoutMilliseconds: Broker.limit)
                return described[name] != nil
            }
            #expect(described[name]?.partitionCount == 3)
            #expect(described[missing] == nil)

            let before = try #require(
                try admin.describeConfigs(topics: [name], timeoutMilliseconds: Broker.limit)[name])
            #expect(before["cleanup.policy"] == setting("compact", isDefault: false))
            #expect(before["max.message.bytes"]?.isDefault == true)

            try admin.incrementalAlterConfigs(
                topic: name, settings: ["cleanup.policy": nil, "retention.ms": "1000"],
                timeoutMilliseconds: Broker.limit)
            // So with a setting that the controller has taken.
            var after: [String: TopicSetting] = [:]
            try Broker.repeating(upTo: 10, "the setting is known") {
                after =
                    try admin.describeConfigs(topics: [name], timeoutMilliseconds: Broker.limit)[name] ?? [:]
                return after["retention.ms"]?.isDefault == false
            }
            #expect(after["cleanup.policy"] == setting("delete", isDefault: true))
            #expect(after["retention.ms"] == setting("1000", isDefault: false))

            #expect(
                try admin.deleteTopics([name, missing], timeoutMilliseconds: Broker.limit).keys.sorted() == [
                    missing
                ])
            try Broker.repeating(upTo: 10, "the topic is gone") {
                try admin.listTopics(timeoutMilliseconds: Broker.limit).contains { $0.name == name } == false
            }
        }

        @Test("Of several topics each has its own outcome, and a wrong setting is a typed error")
        func outcomes() throws {
            let admin = try Admin(configuration: Broker.configuration())
            let good = Broker.unique("good")
            let bad = Broker.unique("bad")
            let outcomes = try admin.createTopics(
                [
                    NewTopic(name: good, partitionCount: 1, replicationFactor: 1),
                    NewTopic(
                        name: bad, partitionCount: 1, replicationFactor: 1,
                        settings: ["cleanup.policy": "shred"]),
                ], timeoutMilliseconds: Broker.limit)
            defer { _ = try? admin.deleteTopics([good], timeoutMilliseconds: Broker.limit) }
            #expect(outcomes[good] == .created)
            guard case .failed(let error) = outcomes[bad] else {
                Issue.record("a topic with a wrong setting: \(String(describing: outcomes[bad]))")
                return
            }
            #expect(error.code.name == "INVALID_CONFIG")
            #expect(throws: KafkaError.self) {
                try admin.incrementalAlterConfigs(
                    topic: good, settings: ["retention.ms": "soon"], timeoutMilliseconds: Broker.limit)
            }
            #expect(throws: KafkaError.self) {
                try admin.describeConfigs(topics: [bad], timeoutMilliseconds: Broker.limit)
            }
            #expect(admin.clusterID(timeoutMilliseconds: Broker.limit) != nil)
        }

        private func setting(_ value: String, isDefault: Bool) -> TopicSetting {
            TopicSetting(value: value, isDefault: isDefault)
        }
    }
}
