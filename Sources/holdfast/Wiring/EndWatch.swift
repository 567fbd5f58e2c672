import KafkaClient

/// Tells when a consumer has given all that its partitions held when they were placed, without waiting until it is told
/// their ends: a broker holds the answer without records, which says that, back for `fetch.wait.max.ms`.
///
/// A consumer's position counts the markers of transactions, so it comes to the end where no record stands there. It is
/// forgotten a moment after the consumer was told to stop reading a partition, so one that is given back and taken
/// again within that moment could be said to be read too early: what follows from `passed` must bear that.
struct EndWatch {
    /// How long the question where partitions end may take, in milliseconds.
    private static let timeout = 1_000
    /// The longest time between two looks, in milliseconds: a marker that moves the position ends no poll.
    private static let step = 20

    private let consumer: Consumer
    private var ends: [TopicPartition: Int64] = [:]

    init(_ consumer: Consumer) { self.consumer = consumer }

    /// How long a poll may wait that would wait for so long.
    func timeout(_ milliseconds: Int) -> Int { ends.isEmpty ? milliseconds : min(milliseconds, Self.step) }

    /// Watches partitions that the consumer was just assigned. Where nobody says where they end they are not
    /// watched: the consumer tells it a little later.
    mutating func place(_ partitions: [TopicPartition]) {
        guard let found = try? consumer.ends(of: partitions, timeoutMilliseconds: Self.timeout) else {
            return
        }
        place(found)
    }

    /// The same, of whoever knows the ends.
    mutating func place(_ ends: [TopicPartitionOffset]) {
        for end in ends { self.ends[end.partition] = end.offset }
    }

    mutating func forget(_ partitions: [TopicPartition]) { for place in partitions { ends[place] = nil } }

    /// Those that were read to their ends since the last call, with the offset that comes next.
    mutating func passed() -> [TopicPartitionOffset] {
        guard !ends.isEmpty, let positions = try? consumer.position(ends.keys.sorted()) else { return [] }
        var passed: [TopicPartitionOffset] = []
        for position in positions {
            // Nothing ever stood in it, or all of it was given.
            let end = ends[position.partition]!
            guard end == 0 || position.isSet && position.offset >= end else { continue }
            ends[position.partition] = nil
            passed.append(TopicPartitionOffset(position.partition, offset: max(end, position.offset)))
        }
        return passed
    }
}
