import InventoryCore

/// Words to bytes: writes the records of all topics as compact JSON, always with the same fields in the same
/// order, into a buffer that it uses again from record to record.
package struct RecordWriter: Sendable {
    /// A dead letter is cut to so many bytes: what `dead.letters` takes, less its key.
    package static let deadLetterBytes = 2_000_000

    private var json = JSONBuffer()

    package init() {}

    /// The bytes of the record that was written last.
    package func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try json.withBytes(body)
    }

    /// A command, for `stock.commands`.
    package mutating func write(command: Command) {
        json.begin()
        json.string("command_id", command.id)
        json.string("type", command.kind.rawValue)
        json.string("sku", command.sku)
        switch command.body {
        case .reserve(let id, let orderID, let quantity, let warehouse, let expiry):
            json.string("reservation_id", id)
            json.string("order_id", orderID)
            json.integer("quantity", quantity)
            json.string("warehouse", warehouse)
            switch expiry {
            case .after(let milliseconds): json.integer("ttl_ms", milliseconds)
            case .at(let moment): json.time("expires_at", moment)
            }
        case .confirm(let id), .release(let id), .expire(let id):
            json.string("reservation_id", id)
        case .receive(let warehouse, let quantity, let reference):
            json.string("warehouse", warehouse)
            json.integer("quantity", quantity)
            json.string("reference", reference)
        }
        json.end()
    }

    /// The result of the command at `source`, for `stock.results`.
    package mutating func write(outcome: Outcome, source: Source) {
        json.begin()
        json.string("command_id", outcome.commandID)
        json.string("type", outcome.command.rawValue)
        json.string("sku", outcome.sku)
        json.string("outcome", outcome.kind.rawValue)
        json.string("reason", outcome.rejection?.rawValue ?? outcome.noOp?.rawValue)
        if outcome.isDuplicate { json.boolean("duplicate", true) }
        json.string("reservation_id", outcome.reservationID)
        json.string("order_id", outcome.orderID)
        if outcome.quantity > 0 { json.integer("quantity", outcome.quantity) }
        if let warehouse = outcome.warehouse {
            switch outcome.kind {
            case .reserved, .confirmed, .released, .expired: allocations(warehouse, outcome.quantity)
            case .received, .rejected, .ignored: json.string("warehouse", warehouse)
            }
        }
        json.time("expires_at", outcome.expiresAt)
        json.integer("ledger_sequence", outcome.sequence)
        json.time("at", outcome.at)
        write(source: source, topic: nil)
        json.end()
    }

    /// An entry, for `stock.ledger`.
    package mutating func write(entry: LedgerEntry) {
        json.begin()
        json.string("sku", entry.sku)
        json.integer("sequence", entry.sequence)
        json.string("movement", entry.movement.rawValue)
        json.time("at", entry.at)
        json.string("command", entry.command.rawValue)
        json.string("command_id", entry.commandID)
        write(source: entry.source, topic: .commands)
        json.string("reservation_id", entry.reservationID)
        json.string("order_id", entry.orderID)
        json.string("warehouse", entry.warehouse)
        json.integer("quantity", entry.quantity)
        json.time("expires_at", entry.expiresAt)
        if entry.movement != .rejection {
            json.integer("on_hand_delta", entry.onHandDelta)
            json.integer("reserved_delta", entry.reservedDelta)
            json.integer("on_hand", entry.onHand)
            json.integer("reserved", entry.reserved)
        }
        json.string("reason", entry.reason?.rawValue)
        json.string("reference", entry.reference)
        json.end()
    }

    /// The levels of a SKU, for `stock.levels`.
    package mutating func write(levels snapshot: LevelsSnapshot) {
        json.begin()
        json.string("sku", snapshot.sku)
        json.integer("sequence", snapshot.sequence)
        json.beginArray("levels")
        for level in snapshot.levels {
            json.beginElement()
            json.string("warehouse", level.warehouse)
            json.integer("on_hand", level.onHand)
            json.integer("reserved", level.reserved)
            json.integer("available", level.available)
            json.endElement()
        }
        json.endArray()
        json.end()
    }

    /// A live reservation, for `stock.reservations`.
    package mutating func write(reservation: ReservationSnapshot) {
        json.begin()
        json.string("reservation_id", reservation.id)
        json.string("order_id", reservation.orderID)
        json.string("sku", reservation.sku)
        json.integer("quantity", reservation.quantity)
        allocations(reservation.warehouse, reservation.quantity)
        json.time("reserved_at", reservation.reservedAt)
        json.time("expires_at", reservation.expiresAt)
        json.integer("ledger_sequence", reservation.sequence)
        json.end()
    }

    /// A letter for `dead.letters`. A value that would take it over the limit is cut, and said to be.
    package mutating func write(
        deadLetter failure: DecodingFailure, origin: RecordOrigin, key: UnsafeRawBufferPointer?,
        value: UnsafeRawBufferPointer?, limit: Int = RecordWriter.deadLetterBytes
    ) {
        json.begin()
        json.string("reason", failure.reason.rawValue)
        json.string("detail", failure.detail)
        json.string("topic", origin.topic.rawValue)
        json.integer("partition", Int64(origin.partition))
        json.integer("offset", origin.offset)
        json.time("timestamp", origin.timestamp)
        // A quarter for the key leaves room for the rest, whatever the limit is.
        let keyRoom = limit / 4 / 4 * 3
        let kept = key.map { UnsafeRawBufferPointer(rebasing: $0.prefix(keyRoom)) }
        json.base64("key_base64", kept)
        let room = max(0, (limit - json.count - 128) / 4 * 3)
        json.base64("value_base64", value.map { UnsafeRawBufferPointer(rebasing: $0.prefix(room)) })
        json.integer("value_bytes", Int64(value?.count ?? 0))
        if value?.count ?? 0 > room || key?.count ?? 0 > keyRoom { json.boolean("truncated", true) }
        json.end()
    }

    private mutating func allocations(_ warehouse: String, _ quantity: Int64) {
        json.beginArray("allocations")
        json.beginElement()
        json.string("warehouse", warehouse)
        json.integer("quantity", quantity)
        json.endElement()
        json.endArray()
    }

    private mutating func write(source: Source, topic: Topic?) {
        json.beginObject("source")
        json.string("topic", topic?.rawValue)
        json.integer("partition", Int64(source.partition))
        json.integer("offset", source.offset)
        json.endElement()
    }
}
