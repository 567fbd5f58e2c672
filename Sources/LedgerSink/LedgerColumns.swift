import InventoryCore
import InventoryWire
import PostgresClient

/// Rows of `holdfast.inventory_transactions` as ledger entries again: what `LedgerStore` wrote.
package struct LedgerColumns: ~Copyable {
    /// What to select, in this order, from the first column on.
    package static let names = """
        sku, sequence, generation, more, movement, warehouse_id, counterpart_id, quantity, requested, remaining,
        on_hand_delta, reserved_delta, in_transit_delta, damaged_delta, backordered_delta, on_hand, reserved,
        in_transit, damaged, set_apart, backordered, at, command, command_id, command_hash, reservation_id,
        order_id, transfer_id, origin, channel, expires_at, expected_at, reason, condition, reason_code, note,
        reference, details, source_partition, source_offset, named, allow_split, hash
        """

    /// How many columns that are.
    package static let count = 43

    private var reader = RecordReader()

    package init() {}

    /// - Returns: nil for a row that stands for no entry.
    package mutating func entry(_ page: borrowing QueryResult, _ row: Int) throws -> LedgerEntry? {
        func number(_ column: Int) throws -> Int64? { try page.int64(row, column) }
        func text(_ column: Int) throws -> String? { try page.text(row, column) }
        func id(_ column: Int) throws -> ID? { try text(column).map { ID($0) } }
        func time(_ column: Int) throws -> Timestamp? {
            try page.timestampMilliseconds(row, column).map { Timestamp(milliseconds: $0) }
        }
        guard let sku = try id(0), let sequence = try number(1), let generation = try number(2),
            let more = try page.bool(row, 3), let movement = try text(4).flatMap(Movement.init(rawValue:)),
            let quantity = try number(7), let at = try time(21),
            let command = try text(22).flatMap(CommandKind.init(rawValue:)), let commandID = try id(23),
            let hash = try text(24).flatMap({ UInt64($0, radix: 16) }),
            let partition = try page.int32(row, 38), let offset = try number(39),
            let chainHash = try text(42).flatMap(ChainHash.init(hexadecimal:))
        else { return nil }
        var entry = LedgerEntry(
            sku: sku, generation: generation, sequence: sequence, more: more, movement: movement, at: at,
            source: Source(partition: partition, offset: offset), command: command, commandID: commandID,
            commandHash: hash, quantity: quantity)
        (entry.warehouse, entry.counterpart) = (try id(5), try id(6))
        (entry.requested, entry.remaining) = (try number(8), try number(9))
        entry.deltas = LedgerEntry.Deltas(
            onHand: try number(10) ?? 0, reserved: try number(11) ?? 0, inTransit: try number(12) ?? 0,
            damaged: try number(13) ?? 0, backordered: try number(14) ?? 0)
        entry.balances = LedgerEntry.Deltas(
            onHand: try number(15) ?? 0, reserved: try number(16) ?? 0, inTransit: try number(17) ?? 0,
            damaged: try number(18) ?? 0, backordered: try number(20) ?? 0)
        entry.setApart = try number(19) ?? 0
        (entry.reservationID, entry.orderID) = (try id(25), try id(26))
        (entry.transferID, entry.origin) = (try id(27), try number(28))
        entry.channel = try id(29)
        (entry.expiresAt, entry.expectedAt) = (try time(30), try time(31))
        entry.reason = try text(32).flatMap(Rejection.init(rawValue:))
        entry.condition = try text(33).flatMap(Condition.init(rawValue:))
        entry.reasonCode = try text(34).flatMap(ReasonCode.init(rawValue:))
        (entry.note, entry.reference) = (try text(35), try id(36))
        if let details = try text(37) {
            entry.details = try reader.details(of: entry, Array(details.utf8))
        }
        entry.isNamed = try page.bool(row, 40) ?? false
        entry.allowSplit = try page.bool(row, 41) ?? true
        entry.chainHash = chainHash
        return entry
    }
}
