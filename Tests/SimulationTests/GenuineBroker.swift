import Foundation
import KafkaClient
import Simulation
import Testing

/// A genuine broker, as scripts see it; with topics, a group and a transactional id of its own.
final class GenuineScriptTarget {
    static let bootstrap: String? = ProcessInfo.processInfo.environment["KAFKA_BOOTSTRAP"].flatMap {
        $0.isEmpty ? nil : $0
    }
    static let whyNone =
        ProcessInfo.processInfo.environment["HOLDFAST_NO_KAFKA_REASON"] ?? "KAFKA_BOOTSTRAP is not set"

    private static let limit = 20_000
    /// All but the newest segment is compacted as soon as the broker's cleaner comes by, every 15 s.
    private static let compaction = [
        "cleanup.policy": "compact", "segment.ms": "\(segmentAge)", "min.cleanable.dirty.ratio": "0",
    ]
    private static let segmentAge = 200

    private final class Client {
        let producer: TransactionalProducer
        let topics: [String: Topic]

        init(
            _ configuration: KafkaConfiguration, names: [String: String]
        ) throws {
            let reports = Reports()
            producer = try TransactionalProducer(configuration: configuration) { reports.take($0) }
            var topics: [String: Topic] = [:]
            for (topic, name) in names { topics[topic] = try producer.topic(name) }
            self.topics = topics
            self.reports = reports
        }

        let reports: Reports
    }

    private final class Reports {
        var failure: KafkaError?
        func take(_ report: DeliveryReport) { failure = report.error ?? failure }
    }

    private let unique = String(UInt64.random(in: 0 ... .max), radix: 36)
    private let admin: Admin
    private let transactionTimeout: Int
    private var names: [String: String] = [:]
    private var producers: [String: Client] = [:]
    private var members: [String: (consumer: Consumer, metadata: GroupMetadata)] = [:]
    private var rolls = 0
    /// Producers whose commit was answered though nobody waited for it.
    private var heard: Set<String> = []
    private let plain: Producer
    private let committedReader: Consumer
    private let uncommittedReader: Consumer

    init(transactionTimeout: Int) throws {
        self.transactionTimeout = transactionTimeout
        admin = try Admin(configuration: Self.configuration())
        for topic in BrokerScript.topics + ["input"] { names[topic] = "script-\(topic)-\(unique)" }
        let topics = names.map { topic, name in
            NewTopic(
                name: name, partitionCount: topic == "input" ? 2 : 1, replicationFactor: 1,
                settings: topic == BrokerScript.topics.last ? Self.compaction : [:])
        }
        _ = try admin.createTopics(topics, timeoutMilliseconds: Self.limit)
        plain = try Producer(configuration: Self.configuration(["linger.ms": "0"]))
        committedReader = try Consumer(configuration: Self.reader("read_committed", unique))
        uncommittedReader = try Consumer(configuration: Self.reader("read_uncommitted", unique))
        for reader in [committedReader, uncommittedReader] { try assign(reader) }
    }

    private func assign(_ reader: Consumer) throws {
        try reader.assign(BrokerScript.topics.map { TopicPartitionOffset(names[$0]!, 0, offset: 0) })
    }

    deinit {
        for (_, member) in members { try? member.consumer.close(timeoutMilliseconds: 5_000) }
        _ = try? admin.deleteTopics(Array(names.values), timeoutMilliseconds: Self.limit)
    }

    private static func configuration(_ more: KafkaConfiguration = [:]) -> KafkaConfiguration {
        KafkaConfiguration(dictionaryLiteral: ("bootstrap.servers", bootstrap ?? "")).merging(more)
    }

    private static func reader(_ isolation: String, _ unique: String) -> KafkaConfiguration {
        configuration([
            "group.id": "script-\(unique)", "enable.partition.eof": "true", "isolation.level": isolation,
            "enable.auto.commit": "false", "auto.offset.reset": "error",
            // Each observation reads to the end, which is told by an answer without records; a broker holds that
            // back for half a second by default.
            "fetch.wait.max.ms": "20",
        ])
    }

    /// Runs a step; an observation is repeated for a while until it is what was expected, because a marker may be on
    /// its way.
    func run(_ step: BrokerScript.Step, expecting expected: String) throws -> String {
        let deadline = ContinuousClock.now + .seconds(rolls > 0 ? 90 : 10)
        while true {
            let seen = try run(step)
            guard step.isObservation, seen != expected, ContinuousClock.now < deadline else { return seen }
            usleep(20_000)
        }
    }

    private func run(_ step: BrokerScript.Step) throws -> String {
        do {
            return try perform(step)
        } catch let error as KafkaError {
            guard case .put = step else { return Self.word(error) }
            return "refused"
        }
    }

    /// As `KafkaPartitionLog` tells the loss of the id from all else.
    private static func word(_ error: KafkaError) -> String {
        let owner = ["_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH"].contains(error.code.name)
        return error.recovery == .fenced && owner ? "fenced" : "refused"
    }

    private func perform(_ step: BrokerScript.Step) throws -> String {
        switch step {
        case .initialise(let who):
            let client = try Client(
                Self.configuration([
                    "transactional.id": "script-\(unique)", "linger.ms": "0",
                    "transaction.timeout.ms": "\(transactionTimeout)",
                ]), names: names)
            try client.producer.initTransactions(timeoutMilliseconds: Self.limit)
            producers[who] = client
        case .begin(let who): try producers[who]!.producer.begin()
        case .put(let who, let topic, let key): try put(who, topic, key)
        case .drop(let topic, let key): try append(topic, key, isTombstone: true)
        case .delete(let topic, let offset):
            try admin.deleteRecords(
                before: [TopicPartitionOffset(names[topic]!, 0, offset: offset)],
                timeoutMilliseconds: Self.limit)
        case .compact(let topic):
            // The record after the segment's time begins the next one, which is not compacted with those before: a
            // key that came before would keep its older record.
            usleep(UInt32(Self.segmentAge * 2) * 1000)
            rolls += 1
            try append(topic, "roll\(rolls)")
        case .at(let topic, let offset): return try first(topic, offset)
        case .offset(let who, let offset, let member):
            let metadata = try member.map { members[$0]!.metadata } ?? committedReader.groupMetadata()
            try producers[who]!.producer.sendOffsets(
                [TopicPartitionOffset(names["input"]!, 0, offset: offset)], groupMetadata: metadata,
                timeoutMilliseconds: Self.limit)
        case .commit(let who) where heard.remove(who) != nil: break
        case .commit(let who):
            try producers[who]!.producer.commit(timeoutMilliseconds: Self.limit)
            try settle()
        case .commitUnheard(let who):
            let commit: Void? = try? producers[who]!.producer.commit(timeoutMilliseconds: 1)
            // A quick broker is heard all the same; then the client has nothing left to commit.
            if commit != nil { heard.insert(who) }
            try settle()
        case .abort(let who):
            try producers[who]!.producer.abort(timeoutMilliseconds: Self.limit)
            try settle()
        case .read(let topic): return try read(topic, committedReader)
        case .peek(let topic): return try read(topic, uncommittedReader)
        case .ends(let topic):
            let place = TopicPartition(names[topic]!, 0)
            let stable = try committedReader.watermarks(place, timeoutMilliseconds: Self.limit)
            let end = try uncommittedReader.watermarks(place, timeoutMilliseconds: Self.limit).high
            return "start \(stable.low), stable \(stable.high), end \(end)"
        case .committed: return try committed()
        case .join(let member): try join(member)
        case .leave(let member):
            try members[member]!.consumer.close(timeoutMilliseconds: Self.limit)
        case .timeOut: usleep(UInt32(transactionTimeout + 500) * 1000)
        }
        return "ok"
    }

    private func put(_ who: String?, _ topic: String, _ key: String) throws {
        guard let who else { return try append(topic, key) }
        let bytes = Array(key.utf8)
        let client = producers[who]!
        _ = try bytes.withUnsafeBytes {
            try client.producer.produce(client.topics[topic]!, partition: .number(0), key: $0, value: $0)
        }
        try client.producer.flush(timeoutMilliseconds: Self.limit)
        if let failure = client.reports.failure { throw failure }
    }

    private func append(_ topic: String, _ key: String, isTombstone: Bool = false) throws {
        let handle = try plain.topic(names[topic]!)
        _ = try Array(key.utf8).withUnsafeBytes {
            try plain.produce(handle, partition: .number(0), key: $0, value: isTombstone ? nil : $0)
        }
        try plain.flush(timeoutMilliseconds: Self.limit)
    }

    private func read(_ topic: String, _ consumer: Consumer) throws -> String {
        let place = TopicPartition(names[topic]!, 0)
        let start = try consumer.watermarks(place, timeoutMilliseconds: Self.limit).low
        return try records(of: topic, from: start, consumer).joined(separator: " ")
    }

    /// The first record that a reader finds who goes to an offset.
    private func first(_ topic: String, _ offset: Int64) throws -> String {
        do throws(KafkaError) {
            return try records(of: topic, from: offset, committedReader).first ?? "nothing"
        } catch {
            guard error.code.name == "_AUTO_OFFSET_RESET" else { throw error }
            // The client has stopped reading the partition.
            try assign(committedReader)
            return "out of range"
        }
    }

    private func records(
        of topic: String, from offset: Int64, _ consumer: Consumer
    ) throws(KafkaError) -> [String] {
        let deadline = ContinuousClock.now + .seconds(10)
        try go(to: offset, of: topic, consumer, deadline)
        var seen: [String] = []
        var isAtEnd = false
        while !isAtEnd, ContinuousClock.now < deadline {
            try consumer.consumeBatch(maxMessages: 100, timeoutMilliseconds: 100) {
                message throws(KafkaError) in
                guard message.topicName == names[topic] else { return }
                switch message.kind {
                case .record:
                    let key = message.key.map { String(decoding: $0, as: UTF8.self) } ?? ""
                    seen.append("\(key)@\(message.offset)")
                case .endOfPartition: isAtEnd = true
                case .failure(let error): if error.recovery != .retry { throw error }
                }
            }
        }
        return seen
    }

    /// Right after its assignment a partition cannot be placed yet.
    private func go(
        to offset: Int64, of topic: String, _ consumer: Consumer, _ deadline: ContinuousClock.Instant
    ) throws(KafkaError) {
        let place = TopicPartitionOffset(names[topic]!, 0, offset: offset)
        while true {
            do throws(KafkaError) {
                return try consumer.seek(place, timeoutMilliseconds: Self.limit)
            } catch {
                guard error.code.name == "_STATE", ContinuousClock.now < deadline else { throw error }
                usleep(2_000)
            }
        }
    }

    /// The end of a transaction is answered before its markers are written; what a script does next comes after them.
    private func settle() throws {
        let deadline = ContinuousClock.now + .seconds(10)
        for topic in BrokerScript.topics {
            let place = TopicPartition(names[topic]!, 0)
            while try committedReader.watermarks(place, timeoutMilliseconds: Self.limit).high
                < uncommittedReader.watermarks(place, timeoutMilliseconds: Self.limit).high
            {
                try #require(ContinuousClock.now < deadline, "a marker was not written")
                usleep(2_000)
            }
        }
    }

    private func committed() throws -> String {
        let place = TopicPartition(names["input"]!, 0)
        do throws(KafkaError) {
            let found = try committedReader.committed([place], timeoutMilliseconds: 400)
            return found.first.flatMap { $0.isSet ? String($0.offset) : nil } ?? "none"
        } catch {
            return error.recovery == .retry ? "not yet" : "\(error)"
        }
    }

    /// Each partition of the input has a member when this returns; the others have been told too.
    private func join(_ name: String) throws {
        let consumer = try Consumer(
            configuration: Self.configuration([
                "group.id": "script-\(unique)", "enable.auto.commit": "false",
                "auto.offset.reset": "earliest",
                "partition.assignment.strategy": "range", "heartbeat.interval.ms": "200",
            ]))
        try consumer.subscribe(topics: [names["input"]!])
        let deadline = ContinuousClock.now + .seconds(20)
        while try consumer.assignment().isEmpty {
            try #require(ContinuousClock.now < deadline, "\(name) did not join")
            for (_, member) in members {
                member.consumer.consumeBatch(maxMessages: 10, timeoutMilliseconds: 20) { _ in }
            }
            consumer.consumeBatch(maxMessages: 10, timeoutMilliseconds: 50) { _ in }
        }
        members[name] = (consumer, try consumer.groupMetadata())
    }
}

/// Runs a script on both, and fails at the first line in which they differ: what follows differs because of it.
func expectAlike(
    _ script: BrokerScript, transactionTimeout: Int = 60_000,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let model = ModelScriptTarget()
    let genuine = try GenuineScriptTarget(transactionTimeout: transactionTimeout)
    for (number, step) in script.steps.enumerated() {
        let expected = model.run(step)
        let seen = try genuine.run(step, expecting: expected)
        guard seen != expected else { continue }
        let lines = script.steps.prefix(number + 1).map(\.description).joined(separator: "\n")
        Issue.record(
            "the broker says '\(seen)', the model '\(expected)', at the end of\n\(lines)",
            sourceLocation: sourceLocation)
        return
    }
}
