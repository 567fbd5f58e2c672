import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// Finds where a batch ends that nobody can read, with a client of its own, which lives as long as the search.
struct BatchFinder {
    let settings: KafkaSettings
    let events: ClientEvents

    /// - Parameters:
    ///   - place: where reading met the batch.
    ///   - beat: is called at least every few seconds.
    /// - Returns: what is to be stepped over, from the offset at which it begins; nil if the batch can be read after all, or
    ///   if that cannot be told now.
    func find(
        at place: TopicPartitionOffset, beat: () -> Void = {}
    ) throws(KafkaError) -> (offset: Int64, batch: UnreadableBatch)? {
        let consumer = try Consumer(configuration: settings.batchSearch(), events: events)
        let found = try consumer.unreadableBatch(
            at: place, timeoutMilliseconds: settings.callTimeout, beat: beat)
        guard let found else { return nil }
        return (
            found.offsets.lowerBound,
            UnreadableBatch(offsets: Int64(found.offsets.count), reason: SkipReason(found.fault))
        )
    }
}

extension BatchFinder {
    /// Has a consumer go on behind batches that nobody can read, and says so. It is for readers that can do without: what
    /// they read says again what stands elsewhere, or only proposes.
    ///
    /// - Parameter batches: where it met each partition's.
    func stepOver(
        _ batches: [TopicPartition: Int64], of consumer: Consumer, _ logger: Logger, _ consequence: String
    ) throws(KafkaError) {
        for (place, offset) in batches.sorted(by: { $0.key < $1.key }) {
            var next = offset
            if let found = try find(at: TopicPartitionOffset(place, offset: offset)) {
                next = found.offset + found.batch.offsets
                logger.error(
                    "stepped over records that nobody can read: \(consequence)",
                    [
                        "topic": place.topic, "partition": place.partition, "from": found.offset,
                        "to": next - 1, "reason": found.batch.reason.rawValue,
                    ])
            }
            try consumer.seek(
                TopicPartitionOffset(place, offset: next), timeoutMilliseconds: settings.callTimeout)
        }
    }
}

extension SkipReason {
    init(_ fault: BatchFault) {
        switch fault {
        case .compression: self = .compression
        case .damaged: self = .damaged
        case .format: self = .format
        case .size: self = .size
        }
    }
}
