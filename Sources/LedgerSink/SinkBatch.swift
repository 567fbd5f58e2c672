import InventoryWire

/// One record of a topic that the sink keeps in PostgreSQL, and where it stands.
package protocol SinkRow: Sendable {
    /// What a record of the topic is called.
    static var noun: String { get }
    /// Whether the topic keeps its records for ever; if not, those before its first offset are gone.
    static var isKeptForEver: Bool { get }

    var partition: Int32 { get }
    var offset: Int64 { get }

    /// Nil for a record that is nothing to be kept.
    init?(
        _ value: UnsafeRawBufferPointer, partition: Int32, offset: Int64, _ reader: inout RecordReader
    ) throws(DecodingFailure)
}

/// What one transaction of the sink stores: rows, and how far they take each partition.
package struct SinkBatch<Row: SinkRow>: Sendable {
    /// Ascending by offset in each partition.
    package private(set) var rows: [Row] = []
    package private(set) var spans: [Int32: SinkSpan]
    /// Records that were read and are not kept.
    private var passedOver = 0

    /// An empty batch that begins where the last one ended.
    package init(from offsets: [Int32: Int64]) {
        spans = offsets.mapValues { SinkSpan(expected: $0, next: $0) }
    }

    /// How many records were read, those that are not kept included: PostgreSQL's offset moves behind these too.
    package var records: Int { rows.count + passedOver }

    package var isEmpty: Bool { records == 0 }

    /// Whether it takes PostgreSQL's offsets further, if only over markers and aborted records.
    package var isFurther: Bool { spans.values.contains { $0.next != $0.expected } }

    /// Where the next batch begins.
    package var nextOffsets: [Int32: Int64] { spans.mapValues(\.next) }

    package mutating func add(_ row: Row) {
        rows.append(row)
        passed(row.partition, next: row.offset + 1)
    }

    /// A record that is not kept.
    package mutating func passOver(_ partition: Int32, offset: Int64) {
        passedOver += 1
        passed(partition, next: offset + 1)
    }

    /// Everything before `next` was read: also markers and aborted records, which are never given.
    package mutating func passed(_ partition: Int32, next: Int64) {
        guard let span = spans[partition], next > span.next else { return }
        spans[partition]!.next = next
    }
}

extension SinkBatch: Equatable where Row: Equatable {}

/// From where to where a partition was read; `next` is the offset to read next.
package struct SinkSpan: Equatable, Sendable {
    package var expected: Int64
    package var next: Int64
}

/// A topic's tables in PostgreSQL, over one connection.
package protocol SinkStore {
    associatedtype Row: SinkRow

    /// The next offset of each partition; 0 for one that was never read.
    func offsets(of partitions: Range<Int32>) throws -> [Int32: Int64]

    /// Stores a batch and its offsets in one transaction.
    /// - Returns: How many rows were news to PostgreSQL.
    /// - Throws: `SinkFault` for what a person must look at; else `PostgresError`.
    func store(_ batch: SinkBatch<Row>) throws -> Int
}
