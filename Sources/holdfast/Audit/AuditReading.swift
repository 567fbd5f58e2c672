import Audit
import Foundation
import InventoryWire
import KafkaClient
import Operations

/// The topics of a running system as an audit reads them: to ends that belong together.
final class AuditReading {
    let scan: TopicScan
    let partitions: [Int32]
    let partitionCount: Int32
    /// Of each partition, the offset of the first command that is not looked at: all before it are decided, and what
    /// came of them is committed.
    private(set) var cuts: [Int32: Int64] = [:]
    private(set) var extents: [Topic: [Int32: Range<Int64>]] = [:]
    private let service: Service
    private var cursors: [Topic: TopicCursor] = [:]
    private var due = Deadline(milliseconds: 2_000)

    /// - Parameter topics: what will be read besides `stock.commands`.
    init(service: Service, topics: [Topic]) throws {
        self.service = service
        let shutdown = service.shutdown
        scan = TopicScan(
            settings: KafkaSettings(service.configuration), events: service.kafkaEvents(),
            isCancelled: { shutdown.isRequested })
        partitionCount = try Self.partitionCount(scan, topics)
        partitions = try Self.chosen(service.configuration, partitionCount)
        // First what was decided, then what came of it: so that all of the former is in the latter.
        let committed = try committed()
        extents[.commands] = try scan.extents(of: .commands)
        extents.merge(try scan.settledExtents(topics)) { $1 }
        for partition in partitions {
            cuts[partition] =
                try committed[partition] ?? lastSource(partition, topics).map { $0 + 1 } ?? 0
        }
    }

    private static func partitionCount(_ scan: TopicScan, _ topics: [Topic]) throws -> Int32 {
        let count = try scan.partitions(of: .commands).count
        for topic in [.commands] + topics where try scan.partitions(of: topic).isEmpty {
            throw RoleFailure(
                .usage,
                "there is no topic \(scan.settings.name(topic)); create it with holdfast topics apply, or give "
                    + "--topic-prefix")
        }
        return Int32(count)
    }

    /// How many partitions there are, before anything is read.
    static func partitionCount(_ service: Service) throws -> Int32 {
        let scan = TopicScan(settings: KafkaSettings(service.configuration), events: service.kafkaEvents())
        return try partitionCount(scan, [.ledger])
    }

    static func chosen(_ configuration: Configuration, _ count: Int32) throws -> [Int32] {
        guard let partition = configuration.optionalInteger("partition") else { return Array(0..<count) }
        guard partition < count else {
            throw RoleFailure(.usage, "--partition \(partition): there are the partitions 0 to \(count - 1)")
        }
        return [Int32(partition)]
    }

    /// Where the processors' group is, in each partition where it has committed anything.
    private func committed() throws -> [Int32: Int64] {
        // Who may not see the group is told so here; offsets that may not be read look like a broker that is away.
        _ = try Admin(configuration: scan.settings.common(), events: scan.events)
            .describeConsumerGroup(scan.settings.group(nil), timeoutMilliseconds: 20_000)
        var configuration = scan.settings.readerToEnd(isolation: .committed)
        configuration["group.id"] = scan.settings.group(nil)
        let consumer = try Consumer(configuration: configuration, events: scan.events)
        let places = partitions.map { TopicPartition(scan.settings.name(.commands), $0) }
        var offsets: [Int32: Int64] = [:]
        for place in try consumer.committed(places, timeoutMilliseconds: 20_000) where place.isSet {
            offsets[place.partition.partition] = place.offset
        }
        return offsets
    }

    /// The last command that ledger or results speak of, for a group that has lost its offsets.
    private func lastSource(_ partition: Int32, _ topics: [Topic]) throws -> Int64? {
        var last: Int64?
        var reader = RecordReader()
        for topic in [Topic.ledger, .results] where topics.contains(topic) {
            let extent = extents[topic]![partition] ?? 0..<0
            var span: Int64 = 1_000
            var found: Int64?
            while found == nil, !extent.isEmpty {
                let start = max(extent.lowerBound, extent.upperBound - span)
                let cursor = try cursor(topic, partition, from: start)
                while let record = try cursor.next() {
                    let source = record.value?.withUnsafeBytes { bytes -> Int64? in
                        guard topic == .ledger else { return (try? reader.outcome(bytes))?.source.offset }
                        guard let entry = try? reader.ledgerEntry(bytes) else { return nil }
                        // What was seen before it has places of an earlier log.
                        if entry.endsEarlierLog { found = nil }
                        return entry.skipped.map { $0.upperBound - 1 } ?? entry.source.offset
                    }
                    found = max(found ?? -1, (source ?? nil) ?? -1)
                }
                if start == extent.lowerBound { break }
                span *= 4
            }
            if let found { last = max(last ?? -1, found) }
        }
        return last
    }

    /// Reads a partition of a topic from `offset`, or its first, to the end that was taken, or to `end` before it.
    func cursor(
        _ topic: Topic, _ partition: Int32, from offset: Int64? = nil, to end: Int64 = .max
    ) throws -> TopicCursor {
        let cursor = try cursors[topic] ?? TopicCursor(scan, topic)
        cursors[topic] = cursor
        let extent = extents[topic]?[partition] ?? 0..<0
        let last = min(max(end, extent.lowerBound), extent.upperBound)
        try cursor.move(
            to: partition, min(max(offset ?? extent.lowerBound, extent.lowerBound), last)..<last)
        return cursor
    }

    /// Batches that nobody can read, of all topics but the commands, where the ledger says what was stepped over.
    var unreadable: [Difference] {
        cursors.filter { $0.key != .commands }.sorted { $0.key.rawValue < $1.key.rawValue }.flatMap {
            topic, cursor in
            cursor.unreadable.map { unread in
                Difference(
                    .unreadable, place: topic.rawValue, partition: unread.partition, offset: unread.offset,
                    found:
                        "\(unread.batch.offsets) offsets that nobody can read (\(unread.batch.reason.rawValue))",
                    expected: "records of \(topic.rawValue)",
                    next: "see docs/operations.md#a-batch-cannot-be-read")
            }
        }
    }

    /// Takes the extent of a partition anew: it holds all that was committed before the call.
    @discardableResult
    func refresh(_ topic: Topic, _ partition: Int32) throws -> Range<Int64> {
        let extent = try scan.settledExtent(topic, partition)
        extents[topic, default: [:]][partition] = extent
        return extent
    }

    /// Commands that the cut is moved down to.
    func limitCut(_ partition: Int32, to offset: Int64) {
        cuts[partition] = min(cuts[partition] ?? offset, offset)
    }

    func lowest(_ topic: Topic, _ partition: Int32) -> Int64 {
        extents[topic]?[partition]?.lowerBound ?? 0
    }

    /// Whether a key belongs into a partition, as Java's producers place it.
    func ownsKey(_ partition: Int32) -> (UnsafeRawBufferPointer) -> Bool {
        let count = partitionCount
        return { murmur2Partition(key: $0, partitionCount: count) == partition }
    }

    /// Tells how far it is, every two seconds.
    func progress(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> LogFields) {
        guard due.isPast else { return }
        due = Deadline(milliseconds: 2_000)
        service.logger.info(message(), fields())
    }
}

/// Nothing to read.
final class EmptyCursor: RecordCursor {
    func next() -> AuditRecord? { nil }
}
