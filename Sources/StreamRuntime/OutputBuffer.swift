import InventoryWire

/// Records that are in no transaction yet, in order: their bytes one after another, in memory that is used again.
package final class OutputBuffer {
    private struct Record {
        let topic: Topic
        let partition: Int32?
        /// How many bytes each has; -1 for none at all.
        let keyCount: Int32
        let valueCount: Int32
    }

    /// More memory than this is given back when the buffer is empty, in bytes.
    private static let keptBytes = 32 << 20

    private var records: [Record] = []
    private var bytes: UnsafeMutableRawPointer
    private var capacity: Int
    /// What the records have, in bytes.
    package private(set) var byteCount = 0

    package init(capacity: Int = 1 << 16) {
        bytes = .allocate(byteCount: capacity, alignment: 1)
        self.capacity = capacity
    }

    deinit { bytes.deallocate() }

    package var isEmpty: Bool { records.isEmpty }

    /// Keeps a copy of a record.
    /// - Parameter partition: nil for the worker's own.
    package func append(
        _ topic: Topic, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, partition: Int32? = nil
    ) {
        records.append(
            Record(topic: topic, partition: partition, keyCount: append(key), valueCount: append(value)))
    }

    private func append(_ part: UnsafeRawBufferPointer?) -> Int32 {
        guard let part else { return -1 }
        let end = byteCount + part.count
        if end > capacity { replace(with: max(end, 2 * capacity)) }
        if let start = part.baseAddress { (bytes + byteCount).copyMemory(from: start, byteCount: part.count) }
        byteCount = end
        return Int32(part.count)
    }

    private func replace(with larger: Int) {
        let other = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 1)
        other.copyMemory(from: bytes, byteCount: byteCount)
        bytes.deallocate()
        (bytes, capacity) = (other, larger)
    }

    /// Gives each record to `body`, in order, and is empty then. If `body` throws, the rest is dropped.
    package func take(
        _ body: (
            _ topic: Topic, _ partition: Int32?, _ key: UnsafeRawBufferPointer?,
            _ value: UnsafeRawBufferPointer?
        ) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        defer { removeAll() }
        var place = 0
        for record in records {
            let key = part(&place, record.keyCount)
            try body(record.topic, record.partition, key, part(&place, record.valueCount))
        }
    }

    private func part(_ place: inout Int, _ count: Int32) -> UnsafeRawBufferPointer? {
        guard count >= 0 else { return nil }
        defer { place += Int(count) }
        return UnsafeRawBufferPointer(start: bytes + place, count: Int(count))
    }

    private func removeAll() {
        records.removeAll(keepingCapacity: true)
        byteCount = 0
        guard capacity > Self.keptBytes else { return }
        bytes.deallocate()
        capacity = 1 << 16
        bytes = .allocate(byteCount: capacity, alignment: 1)
    }
}
