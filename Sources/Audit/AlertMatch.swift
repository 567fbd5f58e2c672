import InventoryCore
import InventoryWire

/// The alerts of a partition against those that the ledger raises, in order. Alerts name the ledger's sequence, and
/// not the command.
struct AlertMatch {
    private let partition: Int32
    private var alerts: Peeking<Recorded<Alert>>
    /// Alerts from before the first that is there are gone by retention.
    private var isAligned: Bool
    private var writer = RecordWriter()
    private(set) var compared = 0

    /// - Parameter isWhole: whether the topic has all alerts from where the audit begins.
    init(partition: Int32, alerts: any RecordCursor, isWhole: Bool) {
        self.partition = partition
        isAligned = isWhole
        let reader = AlertReader()
        self.alerts = Peeking(alerts) { record in
            reader.alert(record.value ?? []).map {
                Recorded(offset: record.offset, value: $0, bytes: record.value ?? [])
            }
        }
    }

    private final class AlertReader {
        private var reader = RecordReader()

        func alert(_ bytes: [UInt8]) -> Alert? {
            try? decode(bytes) { bytes throws(DecodingFailure) in try reader.alert(bytes) }
        }
    }

    /// - Parameters:
    ///   - sequence: how far a SKU's ledger was followed.
    ///   - isSkipped: SKUs that are not followed any more.
    mutating func expect(
        _ expected: Alert, command: Int64, sequence: (ID) -> Int64, isSkipped: (ID) -> Bool,
        _ differences: inout Differences
    ) throws {
        try dropSkipped(isSkipped)
        while let found = try alerts.peek() {
            if found.value == expected {
                _ = try alerts.next()
                (compared, isAligned) = (compared + 1, true)
                return
            }
            if Self.isSame(found.value, expected) {
                _ = try alerts.next()
                writer.write(alert: expected)
                let fields = FieldDifference.between(found.bytes, writer.withBytes { Array($0) })
                return differences.add(
                    difference(found.value, found.offset, command, fields.found, fields.expected))
            }
            if !isAligned { return }
            // What lies behind is one too many; what lies ahead is waited for.
            let isBehind =
                found.value.sku == expected.sku
                ? Self.isBefore(found.value, expected) : isFollowed(found.value, sequence)
            guard isBehind else { break }
            try addSurplus(&differences)
            try dropSkipped(isSkipped)
        }
        guard isAligned else { return }
        differences.add(difference(expected, nil, command, "no alert", Self.text(expected)))
    }

    /// The offset of the next alert, if the topic ends at `end`.
    mutating func position(end: Int64) throws -> Int64 { try alerts.peek()?.offset ?? end }

    /// What is left of what the ledger was followed to.
    mutating func finish(
        sequence: (ID) -> Int64, isSkipped: (ID) -> Bool, _ differences: inout Differences
    ) throws {
        try dropSkipped(isSkipped)
        while isAligned, let found = try alerts.peek(), isFollowed(found.value, sequence) {
            try addSurplus(&differences)
            try dropSkipped(isSkipped)
        }
    }

    /// Whether the ledger was followed to what caused the alert: an entry of the SKU or, where a warehouse was opened or
    /// closed, of the partition's own book.
    private func isFollowed(_ alert: Alert, _ sequence: (ID) -> Int64) -> Bool {
        alert.sequence <= sequence(alert.sku)
            && alert.bookSequence ?? 0 <= sequence(PartitionBook.sku(partition))
    }

    /// Of two alerts of one SKU.
    private static func isBefore(_ left: Alert, _ right: Alert) -> Bool {
        (left.sequence, left.bookSequence ?? 0) < (right.sequence, right.bookSequence ?? 0)
    }

    private mutating func dropSkipped(_ isSkipped: (ID) -> Bool) throws {
        while let found = try alerts.peek(), isSkipped(found.value.sku) { _ = try alerts.next() }
    }

    private mutating func addSurplus(_ differences: inout Differences) throws {
        guard let found = try alerts.next() else { return }
        differences.add(difference(found.value, found.offset, nil, Self.text(found.value), "no such alert"))
    }

    private static func isSame(_ left: Alert, _ right: Alert) -> Bool {
        left.sku == right.sku && left.sequence == right.sequence && left.kind == right.kind
            && left.warehouse == right.warehouse && left.transferID == right.transferID
            && left.bookSequence == right.bookSequence
    }

    private static func text(_ alert: Alert) -> String {
        "\(alert.kind.rawValue)" + (alert.warehouse.map { " in \($0)" } ?? "") + " at \(alert.quantity)"
    }

    private func difference(
        _ alert: Alert, _ offset: Int64?, _ command: Int64?, _ found: String, _ expected: String
    ) -> Difference {
        Difference(
            .alert, place: Topic.alerts.rawValue, partition: partition, offset: offset, command: command,
            sku: alert.sku, sequence: alert.sequence, found: found, expected: expected,
            next: "holdfast show sku \(alert.sku)")
    }
}
