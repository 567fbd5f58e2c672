import Foundation
import InventoryWire
import Operations
import StreamRuntime

/// What a rebuild found and did, by topic.
struct RebuildCounts {
    var entries = 0
    /// Keys that live.
    var live: [Topic: Int] = [:]
    /// Records that were missing or another.
    var put: [Topic: Int] = [:]
    /// Keys that should not have been there.
    var removed: [Topic: Int] = [:]

    var written: Int { put.values.reduce(0, +) + removed.values.reduce(0, +) }

    mutating func add(_ other: RebuildCounts) {
        entries += other.entries
        live.merge(other.live, uniquingKeysWith: +)
        put.merge(other.put, uniquingKeysWith: +)
        removed.merge(other.removed, uniquingKeysWith: +)
    }
}

/// A line a partition, and one of all; for a person, or as JSON.
struct RebuildReport {
    private let isJSON: Bool

    init(_ configuration: Configuration) { isJSON = configuration.boolean("json") }

    private struct Line: Encodable {
        struct Entry: Encodable {
            var live: Int
            var written: Int
            var removed: Int
        }

        /// Left out for the sum of all.
        var partition: Int32?
        var entries: Int
        var topics: [String: Entry]
        var written: Int
        var isTrial: Bool

        enum CodingKeys: String, CodingKey {
            case partition, entries, topics, written
            case isTrial = "dry_run"
        }
    }

    /// - Parameter partition: nil for all.
    func tell(_ counts: RebuildCounts, of partition: Int32?, isTrial: Bool) {
        if isJSON { return tellJSON(counts, partition, isTrial) }
        let parts = LedgerRebuild.topics.map { topic in
            let put = counts.put[topic] ?? 0
            let removed = counts.removed[topic] ?? 0
            return "\(topic.rawValue) \(counts.live[topic] ?? 0) live, "
                + (put + removed == 0
                    ? "all as they should be"
                    : "\(put) \(isTrial ? "to write" : "written"), \(removed) \(isTrial ? "to remove" : "removed")")
        }
        print(
            (partition.map { "partition \($0): " } ?? "all: ") + "\(counts.entries) ledger entries; "
                + parts.joined(separator: "; "))
    }

    private func tellJSON(_ counts: RebuildCounts, _ partition: Int32?, _ isTrial: Bool) {
        let line = Line(
            partition: partition, entries: counts.entries,
            topics: Dictionary(
                uniqueKeysWithValues: LedgerRebuild.topics.map {
                    (
                        $0.rawValue,
                        Line.Entry(
                            live: counts.live[$0] ?? 0, written: counts.put[$0] ?? 0,
                            removed: counts.removed[$0] ?? 0)
                    )
                }), written: counts.written, isTrial: isTrial)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if let data = try? encoder.encode(line) { print(String(decoding: data, as: UTF8.self)) }
    }
}
