import KafkaClient

/// What a consumer of several partitions has come to in each of them, for a `StallGuard`. It belongs to the consumer's
/// thread.
final class ReadingMarks {
    private struct Slot {
        let place: TopicPartition
        let mark: ReadingMark
        var next: Int64
        /// Something came with the present poll.
        var hasMoved = false
    }

    private let stallGuard: StallGuard?
    private let topics: [String]
    private var slots: [Slot] = []
    private var index: [Int: Int] = [:]

    /// - Parameters:
    ///   - stallGuard: nil where nobody watches.
    ///   - topics: those that the consumer reads, by whose numbers `read` is called.
    init(_ stallGuard: StallGuard?, topics: [String]) {
        self.stallGuard = stallGuard
        self.topics = topics
    }

    /// The consumer reads these from there on, besides what it reads.
    func place(_ offsets: [TopicPartitionOffset]) {
        guard let stallGuard else { return }
        forget(offsets.map(\.partition))
        for offset in offsets {
            let slot = Slot(place: offset.partition, mark: ReadingMark(), next: max(0, offset.offset))
            slot.mark.start(at: slot.next)
            slots.append(slot)
            stallGuard.watch(slot.place, slot.mark)
        }
        makeIndex()
    }

    func forget(_ places: some Sequence<TopicPartition>) {
        guard let stallGuard else { return }
        let places = Set(places)
        for place in places { stallGuard.forget(place) }
        slots.removeAll { places.contains($0.place) }
        makeIndex()
    }

    func forgetAll() { forget(slots.map(\.place)) }

    /// The consumer has what stands before that offset.
    func read(topic: Int, _ partition: Int32, next: Int64) {
        guard let slot = index[Self.key(topic, partition)] else { return }
        slots[slot].next = next
        slots[slot].hasMoved = true
    }

    /// A poll has ended.
    /// - Parameter isFull: It gave as much as it was to give; there may be more of other partitions before some.
    func polled(isFull: Bool) {
        for slot in slots.indices where slots[slot].hasMoved || !isFull {
            slots[slot].mark.polled(next: slots[slot].next)
            slots[slot].hasMoved = false
        }
    }

    private func makeIndex() {
        index = [:]
        for (number, slot) in slots.enumerated() {
            guard let topic = topics.firstIndex(of: slot.place.topic) else { continue }
            index[Self.key(topic, slot.place.partition)] = number
        }
    }

    private static func key(_ topic: Int, _ partition: Int32) -> Int { topic << 32 | Int(partition) }
}
