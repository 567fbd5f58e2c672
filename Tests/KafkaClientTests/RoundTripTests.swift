import KafkaClient
import Testing

extension BrokerTests {
    @Suite(.serialized) struct RoundTrip {
        @Test("What is produced is read back, with absent and empty keys and values kept apart, then the end")
        func roundTrip() throws {
            try Broker.withTopic("round-trip") { name in
                let reports = Reports()
                let producer = try Producer(configuration: Broker.configuration()) { reports.all.append($0) }
                let topic = try producer.topic(name)
                try producer.send(topic, key: "a", value: "1", tag: 11)
                try producer.send(topic, key: "a", value: nil, tag: 12)
                try producer.send(topic, key: nil, value: "", tag: 13)
                try producer.send(topic, key: "", value: "4", tag: UInt64.max)
                try producer.flush(timeoutMilliseconds: Broker.limit)
                #expect(producer.outstanding == 0)
                #expect(reports.all.map(\.tag) == [11, 12, 13, UInt64.max])
                #expect(reports.all.map(\.offset) == [0, 1, 2, 3])
                #expect(reports.all.allSatisfy { $0.error == nil && $0.timestampType == .create })
                #expect(
                    try readToEnd(name) == [
                        Record(partition: 0, offset: 0, key: "a", value: "1"),
                        Record(partition: 0, offset: 1, key: "a", value: nil),
                        Record(partition: 0, offset: 2, key: nil, value: ""),
                        Record(partition: 0, offset: 3, key: "", value: "4"),
                    ])
            }
        }

        @Test("A key lands where murmur2Partition says")
        func placement() throws {
            let count: Int32 = 7
            try Broker.withTopic("placement", partitions: count) { name in
                let reports = Reports()
                let producer = try Producer(configuration: Broker.configuration()) { reports.all.append($0) }
                let topic = try producer.topic(name)
                let keys = (0..<200).map { "sku-\($0)" }
                for (index, key) in keys.enumerated() {
                    try producer.send(topic, key: key, value: "x", tag: UInt64(index))
                }
                try producer.flush(timeoutMilliseconds: Broker.limit)
                try #require(reports.all.count == keys.count)
                for report in reports.all {
                    let key = Array(keys[Int(report.tag)].utf8)
                    #expect(
                        report.partition
                            == key.withUnsafeBytes { murmur2Partition(key: $0, partitionCount: count) })
                }
            }
        }

        @Test(
            "The end of a partition that is unknown, as one is that nobody leads, may be asked for again"
        )
        func unknownEnd() throws {
            try Broker.withTopic("unknown-end") { name in
                let consumer = try Consumer(configuration: Broker.configuration(["group.id": name]))
                var found: KafkaError?
                do throws(KafkaError) {
                    _ = try consumer.ends(of: [TopicPartition(name, 7)], timeoutMilliseconds: 1_500)
                } catch {
                    found = error
                }
                #expect(found?.recovery == .retry && found?.code.name == "LEADER_NOT_AVAILABLE")
                #expect(
                    try consumer.ends(of: [TopicPartition(name, 0)], timeoutMilliseconds: Broker.limit)
                        .map(\.offset) == [0])
            }
        }

        @Test("On a topic with LogAppendTime the delivery report has the broker's time of append")
        func appendTime() throws {
            try Broker.withTopic("append-time", settings: ["message.timestamp.type": "LogAppendTime"]) {
                name in
                let reports = Reports()
                // The record waits in the producer, so that its append is later than its making.
                let producer = try Producer(configuration: Broker.configuration(["linger.ms": "300"])) {
                    reports.all.append($0)
                }
                let topic = try producer.topic(name)
                try producer.send(topic, partition: .number(0), key: "k", value: "v")
                // A poll and not a flush, which would send at once.
                try Broker.repeating("the delivery") {
                    producer.poll(timeoutMilliseconds: 100)
                    return !reports.all.isEmpty
                }
                let report = try #require(reports.all.first)
                #expect(report.timestampType == .logAppend)
                var read: Int64 = 0
                let consumer = try Consumer(configuration: Broker.configuration(["group.id": "none"]))
                let place = TopicPartition(name, 0)
                try consumer.assign([TopicPartitionOffset(place, offset: 0)])
                try Broker.repeating("the record") {
                    try consumer.consumeBatch(maxMessages: 1, timeoutMilliseconds: 200) { message in
                        if case .failure(let error) = message.kind { throw error }
                        read = message.timestampMilliseconds
                        let type = message.timestampType
                        #expect(type == .logAppend)
                    }
                    return read != 0
                }
                #expect(read == report.timestampMilliseconds)
                let found = try consumer.offsets(
                    of: [place], atMilliseconds: read, timeoutMilliseconds: Broker.limit)
                #expect(found.map(\.offset) == [0])
            }
        }

        @Test("A full queue is an answer, not an error, and what was purged is reported")
        func queueFull() throws {
            let reports = Reports()
            let producer = try Producer(
                configuration: ["bootstrap.servers": "127.0.0.1:1", "queue.buffering.max.messages": "10"]
            ) { reports.all.append($0) }
            let topic = try producer.topic("nowhere")
            var outcomes: [ProduceOutcome] = []
            for _ in 0..<11 {
                outcomes.append(
                    try withBytes("x") { (bytes) throws(KafkaError) in
                        try producer.produce(topic, key: nil, value: bytes)
                    })
            }
            #expect(outcomes == Array(repeating: .queued, count: 10) + [.queueFull])
            try producer.purge()
            try producer.flush(timeoutMilliseconds: Broker.limit)
            #expect(reports.all.count == 10)
            #expect(reports.all.allSatisfy { $0.error?.code.name == "_PURGE_QUEUE" && $0.offset == nil })
        }

        @Test("A record that is too large is refused with a typed error")
        func tooLarge() throws {
            let producer = try Producer(configuration: Broker.configuration(["message.max.bytes": "1000"]))
            let topic = try producer.topic("any")
            do throws(KafkaError) {
                try producer.send(topic, key: nil, value: String(repeating: "x", count: 2000))
                Issue.record("a record that is too large was taken")
            } catch {
                #expect(error.code.name == "MSG_SIZE_TOO_LARGE")
            }
            #expect(producer.outstanding == 0)
        }
    }
}
