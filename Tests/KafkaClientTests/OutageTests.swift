import KafkaClient
import Synchronization
import Testing

/// A broker that is not there: these need none.
@Suite(.serialized) struct OutageTests {
    /// Nothing listens on port 1.
    private let nowhere: KafkaConfiguration = ["bootstrap.servers": "127.0.0.1:1"]

    /// The call fails within its limit and a second more, with an error that says to try again.
    private func expectTimeout(_ limit: Int, _ call: () throws -> Void) {
        let began = ContinuousClock.now
        do {
            try call()
            Issue.record("the call succeeded without a broker")
        } catch let error as KafkaError {
            #expect(error.recovery == .retry, "\(error)")
        } catch {
            Issue.record("\(error)")
        }
        #expect(ContinuousClock.now - began < .milliseconds(limit + 2000))
    }

    /// The end of the client is quick.
    private func expectQuick(_ end: () -> Void) {
        let began = ContinuousClock.now
        end()
        #expect(ContinuousClock.now - began < .seconds(2))
    }

    @Test("A transactional producer gives up in time, and ends at once")
    func transactional() throws {
        var producer: TransactionalProducer? = try TransactionalProducer(
            configuration: nowhere.merging(["transactional.id": "nobody"]))
        expectTimeout(500) { try producer?.initTransactions(timeoutMilliseconds: 500) }
        expectQuick { producer = nil }
    }

    @Test("A producer with records that cannot be delivered gives up in time, and ends at once")
    func producer() throws {
        let reports = Reports()
        var producer: Producer? = try Producer(configuration: nowhere) { reports.all.append($0) }
        if let topic = try producer?.topic("nowhere") {
            try producer?.send(topic, key: "k", value: "v")
        }
        expectTimeout(300) { try producer?.flush(timeoutMilliseconds: 300) }
        #expect(producer?.outstanding == 1)
        expectQuick { producer = nil }
        #expect(reports.all.isEmpty, "no report comes after the end")
    }

    @Test("Who asks for ends and is cancelled need not wait for the answer; who asks for none has it at once")
    func cancelled() throws {
        let consumer = try Consumer(configuration: nowhere.merging(["group.id": "nobody"]))
        expectTimeout(1_500) {
            _ = try consumer.ends(
                of: [TopicPartition("nowhere", 0)], timeoutMilliseconds: 11_000, isCancelled: { true })
        }
        #expect(try consumer.ends(of: [], timeoutMilliseconds: 1_000) == [])
        #expect(try consumer.offsets(of: [], atMilliseconds: 0, timeoutMilliseconds: 1_000) == [])
    }

    @Test("A consumer gives up in time, and ends at once, closed or not")
    func consumer() throws {
        var consumer: Consumer? = try Consumer(
            configuration: nowhere.merging(["group.id": "nobody", "enable.partition.eof": "true"]))
        try consumer?.subscribe(topics: ["nowhere"])
        let place = TopicPartition("nowhere", 0)
        expectTimeout(300) { _ = try consumer?.watermarks(place, timeoutMilliseconds: 300) }
        expectTimeout(300) { _ = try consumer?.committed([place], timeoutMilliseconds: 300) }
        consumer?.consumeBatch(maxMessages: 10, timeoutMilliseconds: 100) { message in
            let isRecord = message.isRecord
            #expect(!isRecord)
        }
        let began = ContinuousClock.now
        try? consumer?.close(timeoutMilliseconds: 1000)
        #expect(ContinuousClock.now - began < .seconds(3))
        expectQuick { consumer = nil }
        var other: Consumer? = try Consumer(configuration: nowhere.merging(["group.id": "nobody"]))
        try other?.subscribe(topics: ["nowhere"])
        expectQuick { other = nil }
    }

    @Test("An admin request gives up in time")
    func admin() throws {
        let admin = try Admin(configuration: nowhere)
        let topic = NewTopic(name: "nowhere", partitionCount: 1, replicationFactor: 1)
        expectTimeout(500) { _ = try admin.createTopics([topic], timeoutMilliseconds: 500) }
        expectTimeout(500) { _ = try admin.listTopics(timeoutMilliseconds: 500) }
        expectTimeout(500) { _ = try admin.describeConfigs(topics: ["nowhere"], timeoutMilliseconds: 500) }
    }

    @Test("Logs, errors and statistics come to the client's events, and the filter tells an outage once")
    func events() throws {
        struct Seen { var logs = 0, errors = 0, statistics = 0, told = 0 }
        let seen = Mutex((Seen(), ConnectionNoiseFilter()))
        let events = ClientEvents(
            log: { _, facility, message in
                seen.withLock {
                    $0.0.logs += 1
                    if $0.1.judge(facility: facility, message: message, now: 0) == .tell { $0.0.told += 1 }
                }
            },
            error: { error in
                seen.withLock {
                    $0.0.errors += 1
                    if $0.1.judge(error, now: 0) == .tell { $0.0.told += 1 }
                }
            },
            statistics: { json in
                seen.withLock {
                    $0.0.statistics += 1
                    #expect(json.first == UInt8(ascii: "{"))
                    #expect($0.1.statistics(json).isEmpty)
                }
            })
        let producer = try Producer(
            configuration: nowhere.merging([
                "statistics.interval.ms": "100", "reconnect.backoff.ms": "50",
                "reconnect.backoff.max.ms": "50",
                // Else librdkafka itself keeps repeated errors of one broker back for half a minute.
                "log.connection.close": "true",
            ]), events: events)
        try Broker.repeating(upTo: 10, "logs, errors and statistics") {
            producer.poll(timeoutMilliseconds: 100)
            return seen.withLock { $0.0.logs >= 1 && $0.0.errors >= 2 && $0.0.statistics >= 3 }
        }
        // One for the broker, one for the fact that every broker is down.
        #expect(seen.withLock { $0.0.told } <= 2)
        #expect(seen.withLock { $0.1.isOutage })
    }
}
