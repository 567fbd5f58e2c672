import KafkaClient
import Testing

extension BrokerTests {
    @Suite(.serialized) struct Transactions {
        private func producer(_ id: String) throws -> TransactionalProducer {
            try TransactionalProducer(
                configuration: Broker.configuration([
                    "transactional.id": id, "transaction.timeout.ms": "10000",
                ]))
        }

        @Test("Aborted records are invisible to read_committed, and visible to read_uncommitted")
        func aborted() throws {
            try Broker.withTopic("aborted") { name in
                let producer = try producer(Broker.unique("txn"))
                try producer.initTransactions(timeoutMilliseconds: Broker.limit)
                let topic = try producer.topic(name)
                try producer.begin()
                try producer.send(topic, key: "k", value: "aborted")
                try producer.flush(timeoutMilliseconds: Broker.limit)
                try producer.abort(timeoutMilliseconds: Broker.limit)
                try producer.begin()
                try producer.send(topic, key: "k", value: "committed")
                try producer.commit(timeoutMilliseconds: Broker.limit)
                #expect(try readToEnd(name).map(\.value) == ["committed"])
                #expect(
                    try readToEnd(name, isolation: "read_uncommitted").map(\.value) == [
                        "aborted", "committed",
                    ])
            }
        }

        @Test("A fenced producer's commit fails, and says that the worker is to start again")
        func fenced() throws {
            try Broker.withTopic("fenced") { name in
                let id = Broker.unique("txn")
                let first = try producer(id)
                try first.initTransactions(timeoutMilliseconds: Broker.limit)
                try first.begin()
                let topic = try first.topic(name)
                try first.send(topic, key: "k", value: "zombie")
                try first.flush(timeoutMilliseconds: Broker.limit)
                let second = try producer(id)
                try second.initTransactions(timeoutMilliseconds: Broker.limit)
                do throws(KafkaError) {
                    try first.commit(timeoutMilliseconds: Broker.limit)
                    Issue.record("the fenced producer committed")
                } catch {
                    #expect(error.recovery == .fenced, "\(error)")
                }
                do throws(KafkaError) {
                    try first.begin()
                    Issue.record("the fenced producer began again")
                } catch {
                    #expect(error.recovery == .fenced, "\(error)")
                }
                #expect(try readToEnd(name).isEmpty)
            }
        }

        @Test("Offsets commit with the transaction, and not without it")
        func offsets() throws {
            try Broker.withTopic("offsets") { name in
                let place = TopicPartition(name, 0)
                let plain = try Producer(configuration: Broker.configuration())
                let input = try plain.topic(name)
                for index in 0..<3 { try plain.send(input, key: "k", value: "\(index)") }
                try plain.flush(timeoutMilliseconds: Broker.limit)
                let consumer = try member(of: Broker.unique("group"))
                try consumer.subscribe(topics: [name])
                var next: Int64 = 0
                try Broker.repeating("three records") {
                    consumer.consumeBatch(maxMessages: 3, timeoutMilliseconds: 100) { next = $0.offset + 1 }
                    return next == 3
                }
                #expect(try consumer.position([place]).map(\.offset) == [3])
                let producer = try producer(Broker.unique("txn"))
                try producer.initTransactions(timeoutMilliseconds: Broker.limit)

                try producer.begin()
                try send(3, of: place, by: producer, for: consumer)
                try producer.abort(timeoutMilliseconds: Broker.limit)
                let before = try consumer.committed([place], timeoutMilliseconds: Broker.limit)
                #expect(before == [TopicPartitionOffset(place, offset: TopicPartitionOffset.none)])

                try producer.begin()
                try send(3, of: place, by: producer, for: consumer)
                try producer.commit(timeoutMilliseconds: Broker.limit)
                let after = try consumer.committed([place], timeoutMilliseconds: Broker.limit)
                #expect(after == [TopicPartitionOffset(place, offset: 3)])
                let marks = try consumer.watermarks(place, timeoutMilliseconds: Broker.limit)
                #expect(marks == (0, 3))
                try consumer.close(timeoutMilliseconds: Broker.limit)
            }
        }

        @Test("A member that has left the group cannot commit offsets: its worker is to start again")
        func stale() throws {
            try Broker.withTopic("stale") { name in
                let group = Broker.unique("group")
                let old = try member(of: group)
                try join(old, name)
                let metadata = try old.groupMetadata()
                try old.close(timeoutMilliseconds: Broker.limit)
                let new = try member(of: group)
                try join(new, name)
                let producer = try producer(Broker.unique("txn"))
                try producer.initTransactions(timeoutMilliseconds: Broker.limit)
                try producer.begin()
                do throws(KafkaError) {
                    try producer.sendOffsets(
                        [TopicPartitionOffset(name, 0, offset: 1)], groupMetadata: metadata,
                        timeoutMilliseconds: Broker.limit)
                    Issue.record("a member that has left committed")
                } catch {
                    #expect(error.recovery == .fenced, "\(error)")
                }
                try new.close(timeoutMilliseconds: Broker.limit)
            }
        }

        private func member(of group: String) throws -> Consumer {
            try Consumer(
                configuration: Broker.configuration([
                    "group.id": group, "enable.auto.commit": "false", "auto.offset.reset": "earliest",
                    "isolation.level": "read_committed",
                ]))
        }

        private func join(_ consumer: Consumer, _ topic: String) throws {
            try consumer.subscribe(topics: [topic])
            try Broker.repeating("the join") {
                consumer.consumeBatch(maxMessages: 10, timeoutMilliseconds: 100) { _ in }
                return try !consumer.assignment().isEmpty
            }
        }

        private func send(
            _ offset: Int64, of place: TopicPartition, by producer: TransactionalProducer,
            for consumer: Consumer
        ) throws {
            let metadata = try consumer.groupMetadata()
            try producer.sendOffsets(
                [TopicPartitionOffset(place, offset: offset)], groupMetadata: metadata,
                timeoutMilliseconds: Broker.limit)
        }
    }
}
