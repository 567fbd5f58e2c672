import InventoryCore
import InventoryWire

/// The ledger's rows in a database, in the order of the topic.
package protocol LedgerRows: AnyObject {
    /// The next row of the partition, and the place that it names; nil at the end. An entry of nil stands for a row
    /// that is none of ours.
    func next() throws -> (offset: Int64, entry: LedgerEntry?)?
}

/// The rows of the ledger's table against the entries of the topic, each at its offset.
struct RowAudit {
    private let partition: Int32
    private let rows: any LedgerRows
    /// The database holds what is before this offset of the topic.
    private let end: Int64
    private var row: (offset: Int64, entry: LedgerEntry?)?
    private var last: Int64 = -1
    private var writer = RecordWriter()
    private(set) var compared = 0

    init(partition: Int32, rows: any LedgerRows, end: Int64) throws {
        self.partition = partition
        self.rows = rows
        self.end = end
        row = try rows.next()
    }

    /// An entry of the topic.
    mutating func expect(_ entry: Recorded<LedgerEntry>, _ differences: inout Differences) throws {
        try passSurplus(before: entry.offset, &differences)
        guard entry.offset < end else { return }
        guard let found = row, found.offset == entry.offset else {
            differences.add(
                difference(entry.offset, entry.value, "no row", "the row of \(Self.text(entry.value))"))
            return
        }
        row = try rows.next()
        compared += 1
        last = entry.offset
        guard found.entry != entry.value else { return }
        writer.write(entry: entry.value)
        let expected = writer.withBytes { Array($0) }
        guard let other = found.entry else {
            differences.add(
                difference(entry.offset, entry.value, "a row that is no entry", Self.text(entry.value)))
            return
        }
        writer.write(entry: other)
        let fields = FieldDifference.between(writer.withBytes { Array($0) }, expected)
        differences.add(difference(entry.offset, entry.value, fields.found, fields.expected))
    }

    /// A record of the topic that was told already; whatever the row says of it.
    mutating func ignore(_ offset: Int64, _ differences: inout Differences) throws {
        try passSurplus(before: offset, &differences)
        if row?.offset == offset { row = try rows.next() }
    }

    /// Rows that name a place before which the topic was read.
    mutating func finish(before offset: Int64, _ differences: inout Differences) throws {
        try passSurplus(before: offset, &differences)
    }

    private mutating func passSurplus(before offset: Int64, _ differences: inout Differences) throws {
        while let found = row, found.offset < offset {
            row = try rows.next()
            differences.add(
                difference(
                    found.offset, found.entry,
                    found.offset == last
                        ? "a second row of this place"
                        : "a row" + (found.entry.map { " of " + Self.text($0) } ?? ""),
                    found.offset == last ? "one row" : "no row: the topic has no such entry"))
        }
    }

    private static func text(_ entry: LedgerEntry) -> String {
        "\(entry.movement.rawValue) of \(entry.quantity), sequence \(entry.sequence) of \(entry.sku)"
    }

    private func difference(
        _ offset: Int64, _ entry: LedgerEntry?, _ found: String, _ expected: String
    ) -> Difference {
        Difference(
            .row, place: "holdfast.inventory_transactions", partition: partition, offset: offset,
            command: entry?.source.offset, sku: entry?.sku, sequence: entry?.sequence, found: found,
            expected: expected,
            next: "SELECT * FROM holdfast.inventory_transactions WHERE ledger_partition = \(partition) AND "
                + "ledger_offset = \(offset)")
    }
}
