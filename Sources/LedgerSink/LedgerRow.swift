import InventoryCore

/// One record of `stock.ledger`, and where it stands.
package struct LedgerRow: Equatable, Sendable {
    package var partition: Int32
    package var offset: Int64
    package var entry: LedgerEntry

    package init(partition: Int32, offset: Int64, entry: LedgerEntry) {
        self.partition = partition
        self.offset = offset
        self.entry = entry
    }
}

/// What one transaction of the sink stores: rows, and how far they take each partition.
package struct LedgerBatch: Equatable, Sendable {
    /// From where to where a partition was read; `next` is the offset to read next.
    package struct Span: Equatable, Sendable {
        package var expected: Int64
        package var next: Int64
    }

    /// Ascending by offset in each partition.
    package private(set) var rows: [LedgerRow] = []
    package private(set) var spans: [Int32: Span]

    /// An empty batch that begins where the last one ended.
    package init(from offsets: [Int32: Int64]) {
        spans = offsets.mapValues { Span(expected: $0, next: $0) }
    }

    package var isEmpty: Bool { rows.isEmpty }

    /// Where the next batch begins.
    package var nextOffsets: [Int32: Int64] { spans.mapValues(\.next) }

    package mutating func add(_ row: LedgerRow) {
        rows.append(row)
        passed(row.partition, next: row.offset + 1)
    }

    /// Everything before `next` was read: also markers and aborted records, which are never given.
    package mutating func passed(_ partition: Int32, next: Int64) {
        guard let span = spans[partition], next > span.next else { return }
        spans[partition]!.next = next
    }
}
