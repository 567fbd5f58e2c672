import KafkaClient
import Testing

extension BrokerTests {
    @Suite(.serialized) struct Looks {
        private func reader() throws -> Consumer {
            try Consumer(
                configuration: Broker.configuration([
                    "group.id": Broker.unique("look"), "enable.partition.eof": "true",
                    "isolation.level": "read_committed", "enable.auto.commit": "false",
                    "auto.offset.reset": "error",
                ]))
        }

        private func look(_ reader: Consumer, _ topic: String, from offset: Int64) throws -> Consumer.Sight {
            try reader.firstRecord(
                from: TopicPartitionOffset(topic, 0, offset: offset), timeoutMilliseconds: Broker.limit)
        }

        @Test(
            "A look tells records from the markers of committed and aborted transactions, and from what was aborted"
        )
        func markers() throws {
            try Broker.withTopic("look") { name in
                let producer = try TransactionalProducer(
                    configuration: Broker.configuration([
                        "transactional.id": Broker.unique("txn"), "transaction.timeout.ms": "10000",
                    ]))
                try producer.initTransactions(timeoutMilliseconds: Broker.limit)
                let topic = try producer.topic(name)
                let reader = try reader()
                let place = TopicPartition(name, 0)
                #expect(try look(reader, name, from: 0) == .nothing)

                // Offsets 0 and 1 are records, 2 is the marker.
                try producer.begin()
                for value in ["one", "two"] { try producer.send(topic, key: "k", value: value) }
                try producer.commit(timeoutMilliseconds: Broker.limit)
                #expect(try look(reader, name, from: 0) == .record(at: 0))
                #expect(try look(reader, name, from: 1) == .record(at: 1))
                try Broker.repeating("the marker stands") {
                    try reader.ends(of: [place], timeoutMilliseconds: Broker.limit).first?.offset == 3
                }
                #expect(try look(reader, name, from: 2) == .nothing)

                // 3 is aborted, 4 is the marker.
                try producer.begin()
                try producer.send(topic, key: "k", value: "three")
                try producer.flush(timeoutMilliseconds: Broker.limit)
                #expect(try look(reader, name, from: 2) == .nothing, "it is not committed")
                try producer.abort(timeoutMilliseconds: Broker.limit)
                try Broker.repeating("the marker stands") {
                    try reader.ends(of: [place], timeoutMilliseconds: Broker.limit).first?.offset == 5
                }
                #expect(try look(reader, name, from: 2) == .nothing)

                // 5 is a record behind all that.
                try producer.begin()
                try producer.send(topic, key: "k", value: "four")
                try producer.commit(timeoutMilliseconds: Broker.limit)
                try Broker.repeating("the marker stands") {
                    try reader.ends(of: [place], timeoutMilliseconds: Broker.limit).first?.offset == 7
                }
                #expect(try look(reader, name, from: 2) == .record(at: 5))
            }
        }

        @Test("A place that is not there is unknown, not empty")
        func outOfRange() throws {
            try Broker.withTopic("look-range") { name in
                let producer = try Producer(configuration: Broker.configuration())
                let topic = try producer.topic(name)
                try producer.send(topic, key: "k", value: "one")
                try producer.flush(timeoutMilliseconds: Broker.limit)
                #expect(try look(try reader(), name, from: 100) == .unknown)
            }
        }
    }
}
