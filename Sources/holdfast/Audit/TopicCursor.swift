import Audit
import Foundation
import KafkaClient
import Operations
import StreamRuntime

/// One partition of a topic, read record by record to an end that was taken before. It can be moved to another
/// partition, so that a topic needs one consumer.
final class TopicCursor: RecordCursor {
    /// A batch that cannot be read.
    struct Unread {
        let partition: Int32
        let offset: Int64
        let batch: UnreadableBatch
    }

    /// Records taken from the client at once.
    private static let batch = 2_000
    /// How long the reading may see nothing new, in milliseconds.
    private static let patience = 60_000

    private let topic: String
    private let needsAppendTime: Bool
    private let consumer: Consumer
    private let isCancelled: @Sendable () -> Bool
    private let finder: BatchFinder
    /// What nobody can read, and was stepped over: it is given with what comes behind it.
    private(set) var unreadable: [Unread] = []
    private var records: [AuditRecord] = []
    private var index = 0
    private var partition: Int32 = 0
    private var end: Int64 = 0
    private var isAtEnd = true

    /// - Parameter kilobytes: what may be held ready.
    init(_ scan: TopicScan, _ topic: Topic, kilobytes: Int = 16_384) throws(KafkaError) {
        self.topic = scan.settings.name(topic)
        needsAppendTime = TopicRules.needsAppendTime(topic)
        isCancelled = scan.isCancelled
        finder = BatchFinder(settings: scan.settings, events: scan.events)
        var configuration = scan.settings.readerToEnd(isolation: .committed)
        // Several are open at once, and what they hold ready is memory.
        configuration["queued.max.messages.kbytes"] = "\(kilobytes)"
        consumer = try Consumer(configuration: configuration, events: scan.events)
    }

    /// Reads these offsets of a partition next.
    func move(to partition: Int32, _ offsets: Range<Int64>) throws(KafkaError) {
        records.removeAll(keepingCapacity: true)
        index = 0
        (self.partition, end, isAtEnd) = (partition, offsets.upperBound, offsets.isEmpty)
        if offsets.isEmpty { return }
        try consumer.assign([TopicPartitionOffset(topic, partition, offset: offsets.lowerBound)])
    }

    /// - Throws: `KafkaError`, or `RoleFailure` if the reading was cancelled or nothing new came for long.
    func next() throws -> AuditRecord? {
        if index == records.count, !isAtEnd { try fill() }
        guard index < records.count else { return nil }
        index += 1
        return records[index - 1]
    }

    private func fill() throws {
        records.removeAll(keepingCapacity: true)
        index = 0
        let deadline = Deadline(milliseconds: Self.patience)
        var failure: KafkaError?
        var unread: Int64?
        while records.isEmpty, !isAtEnd {
            consumer.consumeBatch(maxMessages: Self.batch, timeoutMilliseconds: 200) { message in
                guard message.partition == partition, unread == nil else { return }
                switch message.kind {
                case .record where message.offset < end:
                    let timestamp =
                        needsAppendTime ? message.appendMilliseconds : message.timestampMilliseconds
                    records.append(
                        AuditRecord(
                            partition: partition, offset: message.offset,
                            timestamp: timestamp < 0 ? nil : timestamp,
                            key: message.key.map { Array($0) }, value: message.value.map { Array($0) }))
                    if message.offset >= end - 1 { isAtEnd = true }
                case .record, .endOfPartition: isAtEnd = true
                case .failure(let error) where error.scope == .batch: unread = message.offset
                case .failure(let error): if error.recovery != .retry { failure = error }
                }
            }
            if let failure { throw failure }
            if let offset = unread { try step(over: offset) }
            unread = nil
            if isCancelled() { throw RoleFailure(.interrupted, "interrupted") }
            guard records.isEmpty, !isAtEnd, deadline.isPast else { continue }
            throw RoleFailure(
                .temporaryFailure,
                "nothing came from \(topic)[\(partition)] for \(Self.patience / 1000) s; try again")
        }
    }
}

extension TopicCursor {
    private func step(over offset: Int64) throws(KafkaError) {
        let place = TopicPartition(topic, partition)
        var next = offset
        if let found = try finder.find(at: TopicPartitionOffset(place, offset: offset)) {
            unreadable.append(Unread(partition: partition, offset: found.offset, batch: found.batch))
            next = found.offset + found.batch.offsets
        }
        isAtEnd = next >= end
        if !isAtEnd { try consumer.assign([TopicPartitionOffset(place, offset: next)]) }
    }
}

extension TopicScan {
    /// How long an open transaction may take to end, in milliseconds: longer than any may stay open.
    private static let settling = 90_000

    /// The committed offsets of topics' partitions, which hold all that was committed before the call: what was
    /// open then has ended.
    func settledExtents(_ topics: [Topic]) throws -> [Topic: [Int32: Range<Int64>]] {
        var ends: [Topic: [Int32: Range<Int64>]] = [:]
        for topic in topics {
            ends[topic] = try settled(topic) { try extents(of: topic, isolation: $0) }
        }
        return ends
    }

    /// The same of one partition.
    func settledExtent(_ topic: Topic, _ partition: Int32) throws -> Range<Int64> {
        try settled(topic) { isolation in
            [partition: try extent(of: topic, partition, isolation: isolation)]
        }[partition]!
    }

    private func settled(
        _ topic: Topic, _ look: (KafkaSettings.Isolation) throws -> [Int32: Range<Int64>]
    ) throws -> [Int32: Range<Int64>] {
        let written = try look(.uncommitted)
        let deadline = Deadline(milliseconds: Self.settling)
        while true {
            let committed = try look(.committed)
            let open = written.filter { committed[$0.key]?.upperBound ?? 0 < $0.value.upperBound }
            guard let hanging = open.keys.min() else { return committed }
            guard !deadline.isPast else {
                throw RoleFailure(
                    .temporaryFailure,
                    "a transaction in \(settings.name(topic))[\(hanging)] does not end; see \"A transaction "
                        + "that hangs\" in docs/faults.md")
            }
            if isCancelled() { throw RoleFailure(.interrupted, "interrupted") }
            usleep(50_000)
        }
    }
}
