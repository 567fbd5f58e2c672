import Foundation
import KafkaClient
import Testing

/// The broker that the tests use, named by `KAFKA_BOOTSTRAP`.
enum Broker {
    static let bootstrap: String? = set("KAFKA_BOOTSTRAP")
    static let isCI = set("CI") != nil
    static let whyNone = set("HOLDFAST_NO_KAFKA_REASON") ?? "KAFKA_BOOTSTRAP is not set"

    /// How long any call may take.
    static let limit = 20_000

    static func configuration(_ more: KafkaConfiguration = [:]) -> KafkaConfiguration {
        KafkaConfiguration(dictionaryLiteral: ("bootstrap.servers", bootstrap ?? "")).merging(more)
    }

    /// A name that no other test uses.
    static func unique(_ name: String) -> String {
        "test-\(name)-\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
    }

    /// Runs `body` with a topic of its own, and deletes it.
    static func withTopic(
        _ name: String, partitions: Int32 = 1, settings: [String: String] = [:],
        _ body: (String) throws -> Void
    ) throws {
        let admin = try Admin(configuration: configuration())
        let topic = unique(name)
        let outcome = try admin.createTopics(
            [NewTopic(name: topic, partitionCount: partitions, replicationFactor: 1, settings: settings)],
            timeoutMilliseconds: limit)
        try #require(outcome[topic] == .created)
        defer { _ = try? admin.deleteTopics([topic], timeoutMilliseconds: limit) }
        try body(topic)
    }

    /// Repeats `step` until it says that it is done; fails the test after `seconds`.
    static func repeating(
        upTo seconds: Int = 30, _ what: String, _ step: () throws -> Bool
    ) throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while try !step() {
            try #require(ContinuousClock.now < deadline, "\(what) did not happen within \(seconds) s")
        }
    }

    private static func set(_ name: String) -> String? {
        let value = ProcessInfo.processInfo.environment[name]
        return value?.isEmpty == false ? value : nil
    }
}

/// Tests against a real broker, one after another.
@Suite(
    .serialized, .enabled(if: Broker.bootstrap != nil, Comment(rawValue: Broker.whyNone)),
    .timeLimit(.minutes(5)))
struct BrokerTests {}

@Test("In CI the tests of the broker must run", .enabled(if: Broker.isCI, "not in CI"))
func brokerIsThereInCI() {
    #expect(Broker.bootstrap != nil, "set KAFKA_BOOTSTRAP: in CI the broker's tests may not be skipped")
}

/// A record as it was read, copied.
struct Record: Equatable {
    var partition: Int32
    var offset: Int64
    var key: String?
    var value: String?
}

extension Record {
    init(_ message: borrowing Message) {
        self.init(
            partition: message.partition, offset: message.offset,
            key: message.key.map { String(decoding: $0, as: UTF8.self) },
            value: message.value.map { String(decoding: $0, as: UTF8.self) })
    }
}

/// Takes delivery reports.
final class Reports {
    var all: [DeliveryReport] = []
}

extension Producer {
    /// Produces text, and polls while the queue is full.
    func send(
        _ topic: Topic, partition: PartitionChoice = .byKey, key: String?, value: String?, tag: UInt64 = 0
    ) throws(KafkaError) {
        var outcome = ProduceOutcome.queueFull
        while outcome == .queueFull {
            outcome = try withBytes(key) { (key) throws(KafkaError) in
                try withBytes(value) { (value) throws(KafkaError) in
                    try produce(topic, partition: partition, key: key, value: value, tag: tag)
                }
            }
            if outcome == .queueFull { poll(timeoutMilliseconds: 10) }
        }
    }
}

/// Calls `body` with the bytes of a text, or with nil.
func withBytes<Result>(
    _ text: String?, _ body: (UnsafeRawBufferPointer?) throws(KafkaError) -> Result
) throws(KafkaError) -> Result {
    guard let text else { return try body(nil) }
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
    defer { bytes.deallocate() }
    bytes.copyBytes(from: text.utf8)
    return try body(UnsafeRawBufferPointer(bytes))
}

/// Reads a partition from its start to its end.
func readToEnd(
    _ topic: String, partition: Int32 = 0, isolation: String = "read_committed"
) throws -> [Record] {
    let consumer = try Consumer(
        configuration: Broker.configuration([
            "group.id": Broker.unique("reader"), "enable.partition.eof": "true", "isolation.level": isolation,
            "enable.auto.commit": "false", "auto.offset.reset": "error",
        ]))
    try consumer.assign([TopicPartitionOffset(topic, partition, offset: TopicPartitionOffset.beginning)])
    var records: [Record] = []
    var atEnd = false
    try Broker.repeating("the end of \(topic)[\(partition)]") {
        try consumer.consumeBatch(maxMessages: 100, timeoutMilliseconds: 200) { message in
            switch message.kind {
            case .record: records.append(Record(message))
            case .endOfPartition: atEnd = true
            case .failure(let error): throw error
            }
        }
        return atEnd
    }
    try consumer.close(timeoutMilliseconds: Broker.limit)
    return records
}
