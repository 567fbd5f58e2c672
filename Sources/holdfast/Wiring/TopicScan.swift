import Foundation
import KafkaClient
import Operations

/// Reads topics from outside: from given offsets to where they end.
struct TopicScan {
    private static let timeout = 20_000

    let settings: KafkaSettings
    let events: ClientEvents

    /// The end of every partition of a topic, as `isolation` shows it.
    func ends(
        of topic: Topic, isolation: KafkaSettings.Isolation = .committed
    ) throws(KafkaError) -> [Int32: Int64] {
        let consumer = try Consumer(configuration: settings.reader(isolation: isolation), events: events)
        return try ends(of: topic, consumer)
    }

    private func ends(of topic: Topic, _ consumer: Consumer) throws(KafkaError) -> [Int32: Int64] {
        var ends: [Int32: Int64] = [:]
        for partition in try partitions(of: topic) {
            let place = TopicPartition(settings.name(topic), partition)
            ends[partition] = try retrying { () throws(KafkaError) in
                try consumer.watermarks(place, timeoutMilliseconds: Self.timeout).high
            }
        }
        return ends
    }

    /// Asks again while the answer is "not yet", as of a topic that was created a moment ago.
    private func retrying<Result>(_ body: () throws(KafkaError) -> Result) throws(KafkaError) -> Result {
        let deadline = Deadline(milliseconds: Self.timeout)
        while true {
            do throws(KafkaError) {
                return try body()
            } catch {
                guard error.recovery == .retry, !deadline.isPast else { throw error }
                usleep(50_000)
            }
        }
    }

    func partitions(of topic: Topic) throws(KafkaError) -> Range<Int32> {
        let admin = try Admin(configuration: settings.common(), events: events)
        let name = settings.name(topic)
        let found = try admin.describeTopics([name], timeoutMilliseconds: Self.timeout)
        return 0..<Int32(found[name]?.partitionCount ?? 0)
    }

    /// Gives every record from `starts` to the end that the topic has now.
    func read(
        _ topic: Topic, from starts: [Int32: Int64], isolation: KafkaSettings.Isolation = .committed,
        _ body: (borrowing Message) -> Void
    ) throws(KafkaError) {
        let consumer = try Consumer(configuration: settings.reader(isolation: isolation), events: events)
        try consumer.assign(
            starts.map { TopicPartitionOffset(settings.name(topic), $0.key, offset: $0.value) })
        var unread = Set(starts.keys)
        var failure: KafkaError?
        let deadline = Deadline(milliseconds: 120_000)
        while !unread.isEmpty, failure == nil, !deadline.isPast {
            consumer.consumeBatch(maxMessages: 20_000, timeoutMilliseconds: 200) { message in
                switch message.kind {
                case .record: body(message)
                case .endOfPartition: unread.remove(message.partition)
                case .failure(let error): if error.recovery != .retry { failure = error }
                }
            }
        }
        if let failure { throw failure }
    }
}
