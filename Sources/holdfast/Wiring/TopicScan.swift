import Foundation
import KafkaClient
import Operations

/// Reads topics from outside: from given offsets to where they end.
struct TopicScan {
    private static let timeout = 20_000
    /// How long a read may see nothing new, in milliseconds.
    private static let patience = 60_000
    /// How long a topic may be missing before there is none, in milliseconds.
    private static let grace = 3_000

    /// Those that others write, or that say again what stands elsewhere: a reader steps over what of them nobody can read.
    private static let passable: Set<Topic> = [
        .commands, .orders, .orderReplies, .orderOutcomes, .results, .alerts, .deadLetters, .warehouses,
        .products, .settings,
    ]

    let settings: KafkaSettings
    let events: ClientEvents
    /// Whether whoever waits for the reading wishes it to end.
    var isCancelled: @Sendable () -> Bool = { false }

    /// The end of every partition of a topic, as `isolation` shows it.
    func ends(
        of topic: Topic, isolation: KafkaSettings.Isolation = .committed
    ) throws(KafkaError) -> [Int32: Int64] {
        try extents(of: topic, isolation: isolation).mapValues(\.upperBound)
    }

    /// The offsets that every partition of a topic has, as `isolation` shows them; none if there is no such topic.
    func extents(
        of topic: Topic, isolation: KafkaSettings.Isolation = .committed
    ) throws(KafkaError) -> [Int32: Range<Int64>] {
        let consumer = try Consumer(configuration: settings.readerToEnd(isolation: isolation), events: events)
        var extents: [Int32: Range<Int64>] = [:]
        for partition in try partitions(of: topic) {
            extents[partition] = try extent(of: topic, partition, consumer)
        }
        return extents
    }

    /// The same of one partition, which must be there.
    func extent(
        of topic: Topic, _ partition: Int32, isolation: KafkaSettings.Isolation
    ) throws(KafkaError) -> Range<Int64> {
        try extent(
            of: topic, partition,
            try Consumer(configuration: settings.readerToEnd(isolation: isolation), events: events))
    }

    private func extent(
        of topic: Topic, _ partition: Int32, _ consumer: Consumer
    ) throws(KafkaError) -> Range<Int64> {
        let place = TopicPartition(settings.name(topic), partition)
        let marks = try retrying { () throws(KafkaError) in
            try consumer.watermarks(place, timeoutMilliseconds: Self.timeout)
        }
        return marks.low..<max(marks.low, marks.high)
    }

    /// The offsets of a topic, once all that stands there now is decided: an open transaction hides what was
    /// committed behind its beginning.
    /// - Throws: `RoleFailure` if a transaction stays open for longer than the broker lets ours.
    func settledExtents(of topic: Topic) throws -> [Int32: Range<Int64>] {
        let ends = try ends(of: topic, isolation: .uncommitted)
        let deadline = Deadline(milliseconds: 2 * settings.callTimeout)
        while true {
            let settled = try extents(of: topic)
            let open = ends.filter { settled[$0.key]?.upperBound ?? 0 < $0.value }
            if open.isEmpty { return settled }
            if isCancelled() { throw RoleFailure(.interrupted, "interrupted") }
            guard !deadline.isPast else {
                throw RoleFailure(
                    .temporaryFailure,
                    "a transaction is open in \(settings.name(topic)), partitions "
                        + open.keys.sorted().map { "\($0)" }.joined(separator: ", ")
                        + "; try again (if this goes on, it hangs: docs/faults.md)")
            }
            usleep(200_000)
        }
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

    /// The partitions of a topic; none if there is no such topic.
    func partitions(of topic: Topic) throws(KafkaError) -> Range<Int32> {
        let admin = try Admin(configuration: settings.common(), events: events)
        let name = settings.name(topic)
        // A broker may not yet know topics that its controller has created a moment ago.
        let grace = Deadline(milliseconds: Self.grace)
        while true {
            let found = try admin.describeTopics([name], timeoutMilliseconds: Self.timeout)
            if let found = found[name] { return 0..<Int32(found.partitionCount) }
            if grace.isPast || isCancelled() { return 0..<0 }
            usleep(100_000)
        }
    }

    /// The first offset of each partition whose record is of that time or later, in milliseconds since 1970; none
    /// for a partition without one.
    func offsets(
        of topic: Topic, _ partitions: [Int32], at milliseconds: Int64
    ) throws(KafkaError) -> [Int32: Int64] {
        let consumer = try Consumer(
            configuration: settings.readerToEnd(isolation: .committed), events: events)
        let places = partitions.map { TopicPartition(settings.name(topic), $0) }
        var offsets: [Int32: Int64] = [:]
        for found in try consumer.offsets(
            of: places, atMilliseconds: milliseconds, timeoutMilliseconds: Self.timeout) where found.isSet
        {
            offsets[found.partition.partition] = found.offset
        }
        return offsets
    }

    /// Gives every record from `starts` to the end that the topic has now.
    /// - Parameter last: ends earlier, once a partition is past that offset.
    /// - Throws: `KafkaError`, or `RoleFailure` if the reading was cancelled, nothing new came for long, or the ledger or a
    ///   state made of it holds a batch that nobody can read.
    func read(
        _ topic: Topic, from starts: [Int32: Int64], through last: Int64 = .max,
        isolation: KafkaSettings.Isolation = .committed, _ body: (borrowing Message) -> Void
    ) throws {
        let consumer = try Consumer(configuration: settings.readerToEnd(isolation: isolation), events: events)
        try consumer.assign(
            starts.map { TopicPartitionOffset(settings.name(topic), $0.key, offset: $0.value) })
        var unread = Set(starts.keys)
        var failure: KafkaError?
        var deadline = Deadline(milliseconds: Self.patience)
        while !unread.isEmpty, failure == nil {
            var isMoving = false
            var unreadable: [Int32: Int64] = [:]
            consumer.consumeBatch(maxMessages: 20_000, timeoutMilliseconds: 200) { message in
                switch message.kind {
                case .record:
                    isMoving = true
                    if message.offset <= last { body(message) }
                    if message.offset >= last { unread.remove(message.partition) }
                case .endOfPartition:
                    isMoving = true
                    unread.remove(message.partition)
                case .failure(let error) where error.scope == .batch:
                    unreadable[message.partition] = unreadable[message.partition] ?? message.offset
                case .failure(let error): if error.recovery != .retry { failure = error }
                }
            }
            for (partition, offset) in unreadable {
                isMoving = true
                if try step(over: topic, partition, offset, consumer, past: last) { unread.remove(partition) }
            }
            if isMoving { deadline = Deadline(milliseconds: Self.patience) }
            if isCancelled() { throw RoleFailure(.interrupted, "interrupted") }
            guard !deadline.isPast else {
                throw RoleFailure(
                    .temporaryFailure,
                    "nothing came from \(settings.name(topic)) for \(Self.patience / 1000) s; try again")
            }
        }
        if let failure { throw failure }
    }

    /// - Returns: whether nothing is wanted of what comes behind the batch.
    private func step(
        over topic: Topic, _ partition: Int32, _ offset: Int64, _ consumer: Consumer, past last: Int64
    ) throws -> Bool {
        let place = TopicPartition(settings.name(topic), partition)
        let found = try BatchFinder(settings: settings, events: events).find(
            at: TopicPartitionOffset(place, offset: offset))
        if let found, !Self.passable.contains(topic) {
            throw RoleFailure(
                .differenceFound,
                "\(place.topic)[\(partition)] holds \(found.batch.offsets) offsets from \(found.offset) on that nobody "
                    + "can read (\(found.batch.reason.rawValue)): docs/operations.md#a-batch-cannot-be-read")
        }
        let next = found.map { $0.offset + $0.batch.offsets } ?? offset
        try consumer.seek(
            TopicPartitionOffset(place, offset: next), timeoutMilliseconds: Self.timeout)
        return next > last
    }
}
