import InventoryWire

/// Records of `stock.reservations` or `stock.transfers` whose keys do not name what they hold. Earlier versions wrote
/// the id alone. Such a record counts for nothing, and the next record of its key takes it away: a tombstone, or one that
/// the key names, where an id looked like a key of today.
package struct StrangeKeys: Equatable, Sendable {
    private var offsets: [[UInt8]: Int64] = [:]
    /// Some came since `takeNews` was called last.
    private var areNews = false

    package init() {}

    package var isEmpty: Bool { offsets.isEmpty }

    package mutating func add(_ key: UnsafeRawBufferPointer?, offset: Int64) {
        offsets[key.map { Array($0) } ?? []] = offset
        areNews = true
    }

    /// A tombstone was read, or a record that the key names.
    package mutating func end(_ key: UnsafeRawBufferPointer) {
        if !offsets.isEmpty { offsets[Array(key)] = nil }
    }

    /// What there is, if some came since the last call.
    mutating func takeNews() -> StrangeKeys? {
        defer { areNews = false }
        return areNews && !isEmpty ? self : nil
    }

    /// What is wrong, and what to run.
    package func told(of topic: Topic) -> String {
        guard let (key, offset) = offsets.min(by: { $0.value < $1.value }) else { return "" }
        let text = String(decoding: key.prefix(64).map { $0 < 0x20 || $0 == 0x7F ? 0x3F : $0 }, as: UTF8.self)
        return
            "\(topic.rawValue) has \(offsets.count) records under keys that do not name their SKU and id, such as "
            + "\(text) at offset \(offset): an earlier version wrote them. Stop all processors, run `holdfast rebuild "
            + "--from-ledger --in-place`, and start them again"
    }
}
