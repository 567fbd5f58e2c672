import InventoryCore

/// The key of a record: an id as bytes, in memory that is used again and again.
package struct RecordKey: Sendable {
    @usableFromInline private(set) var bytes = ByteBuffer(capacity: Limits.idBytes)

    package init() {}

    package mutating func set(_ id: ID) {
        bytes.removeAll()
        bytes.append(utf8: id.text)
    }

    package mutating func set(_ id: PackedID) {
        bytes.removeAll()
        bytes.extend(atMost: PackedID.room) { place in
            id.write(to: place)
            return id.count
        }
    }

    @inlinable @inline(__always)
    package func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try bytes.withBytes(body)
    }
}

/// Words to bytes: writes the records of all topics as compact JSON, always with the same fields in the same
/// order, into a buffer that it uses again from record to record.
package struct RecordWriter: Sendable {
    /// A dead letter is cut to so many bytes: what `dead.letters` takes, less its key.
    package static let deadLetterBytes = 2_000_000

    @usableFromInline var json = JSONBuffer()

    package init() {}

    /// The bytes of the record that was written last.
    @inlinable @inline(__always)
    package func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try json.withBytes(body)
    }

    /// A command, for `stock.commands`.
    package mutating func write(command: Command) { json.command(command) }

    /// The result of the command at `source`, for `stock.results`.
    package mutating func write(outcome: Outcome, source: Source) {
        withUnsafePointer(to: outcome) { write(outcome: $0, source) }
    }

    /// By its place: a field of a large value is read there at once, and else through a call.
    private mutating func write(outcome: UnsafePointer<Outcome>, _ source: Source) {
        let ids = outcome.pointee.packed
        json.begin()
        json.string("command_id", ids.command)
        json.word("type", outcome.pointee.command)
        json.string("sku", ids.sku)
        json.integer("generation", outcome.pointee.generation)
        json.word("outcome", outcome.pointee.kind)
        json.string("reason", outcome.pointee.rejection?.rawValue ?? outcome.pointee.noOp?.rawValue)
        json.flag("duplicate", outcome.pointee.isDuplicate)
        json.string("reservation_id", ids.reservation)
        json.string("order_id", ids.order)
        json.string("transfer_id", outcome.pointee.transferID)
        json.string("channel", outcome.pointee.channel)
        json.string("warehouse", outcome.pointee.warehouse)
        json.units("quantity", outcome.pointee.quantity)
        json.integer("requested", outcome.pointee.requested)
        json.allocations(outcome.pointee.parts)
        json.units("backordered", outcome.pointee.backordered)
        json.integer("remaining", outcome.pointee.remaining)
        json.integer("delta", outcome.pointee.delta)
        json.flag("reacquired", outcome.pointee.isReacquired)
        json.flag("refund_required", outcome.pointee.isRefundRequired)
        json.time("expires_at", outcome.pointee.expiresAt)
        json.integer("ledger_sequence", outcome.pointee.sequence)
        json.integer("book_sequence", outcome.pointee.bookSequence)
        json.time("at", outcome.pointee.at)
        json.source(source, topic: nil)
        json.end()
    }

    /// What befell a reservation, for `stock.results`.
    package mutating func write(notice: Notice) {
        json.begin()
        json.string("notice", notice.kind.rawValue)
        json.string("sku", notice.sku)
        json.string("reservation_id", notice.reservationID)
        json.string("order_id", notice.orderID)
        json.integer("quantity", notice.quantity)
        json.integer("remaining", notice.remaining)
        json.string("warehouse", notice.warehouse)
        json.string("formerly", notice.formerly)
        json.integer("ledger_sequence", notice.sequence)
        json.time("at", notice.at)
        json.beginObject("cause")
        json.string("command_id", notice.commandID)
        json.string("type", notice.command.rawValue)
        json.endElement()
        json.source(notice.source, topic: nil)
        json.end()
    }

    /// An entry, for `stock.ledger`.
    package mutating func write(entry: LedgerEntry) { json.entry(entry) }

    /// One of several entries, which is not copied for it.
    package mutating func write(entry place: Int, of entries: [LedgerEntry]) {
        entries.withUnsafeBufferPointer { entries in
            precondition(entries.indices.contains(place), "there is no such entry")
            if let start = entries.baseAddress { json.entry(start + place) }
        }
    }

    /// The levels of a SKU, for `stock.levels`.
    package mutating func write(levels snapshot: LevelsSnapshot) { json.levels(snapshot) }

    /// An alert, for `stock.alerts`.
    package mutating func write(alert: Alert) {
        json.begin()
        json.string("alert", alert.kind.rawValue)
        json.string("sku", alert.sku)
        json.string("warehouse", alert.warehouse)
        json.integer("quantity", alert.quantity)
        json.integer("reorder_point", alert.reorderPoint)
        json.integer("suggested_quantity", alert.suggestedQuantity)
        json.string("transfer_id", alert.transferID)
        json.string("from", alert.from)
        json.time("expected_at", alert.expectedAt)
        json.integer("ledger_sequence", alert.sequence)
        json.integer("book_sequence", alert.bookSequence)
        json.time("at", alert.at)
        json.end()
    }

    /// A live reservation, for `stock.reservations`.
    package mutating func write(reservation: ReservationSnapshot) {
        withUnsafePointer(to: reservation) { write(reservation: $0) }
    }

    private mutating func write(reservation: UnsafePointer<ReservationSnapshot>) {
        json.begin()
        json.string("reservation_id", reservation.pointee.id)
        json.string("order_id", reservation.pointee.orderID)
        json.string("sku", reservation.pointee.sku)
        json.integer("quantity", reservation.pointee.parts.units + reservation.pointee.backordered)
        json.allocations(reservation.pointee.parts)
        json.units("backordered", reservation.pointee.backordered)
        json.string("channel", reservation.pointee.channel)
        json.string("warehouse", reservation.pointee.warehouse)
        if !reservation.pointee.allowSplit { json.boolean("allow_split", false) }
        json.flag("extended", reservation.pointee.isExtended)
        json.time("reserved_at", reservation.pointee.reservedAt)
        json.time("expires_at", reservation.pointee.expiresAt)
        json.integer("reserved_sequence", reservation.pointee.reservedSequence)
        json.integer("ledger_sequence", reservation.pointee.sequence)
        json.hexadecimal("command_hash", reservation.pointee.commandHash)
        json.end()
    }

    /// The same, from the state itself.
    package mutating func write(reservation: borrowing Reservation, of sku: PackedID) {
        json.begin()
        json.string("reservation_id", reservation.packed.reservation)
        json.string("order_id", reservation.packed.order)
        json.string("sku", sku)
        json.integer("quantity", reservation.quantity)
        json.allocations(reservation.allocations)
        json.units("backordered", reservation.backordered)
        json.string("channel", reservation.channel)
        json.string("warehouse", reservation.named)
        if !reservation.allowSplit { json.boolean("allow_split", false) }
        json.flag("extended", reservation.isExtended)
        json.time("reserved_at", reservation.reservedAt)
        json.time("expires_at", reservation.expiresAt)
        json.integer("reserved_sequence", reservation.sequence)
        json.integer("ledger_sequence", reservation.changed)
        json.hexadecimal("command_hash", reservation.commandHash)
        json.end()
    }

    /// A live transfer, for `stock.transfers`.
    package mutating func write(transfer: TransferSnapshot) {
        json.begin()
        json.string("transfer_id", transfer.id)
        json.string("sku", transfer.sku)
        json.string("from", transfer.from)
        json.string("to", transfer.to)
        json.integer("quantity", transfer.quantity)
        json.integer("remaining", transfer.remaining)
        json.time("dispatched_at", transfer.dispatchedAt)
        json.time("expected_at", transfer.expectedAt)
        json.flag("overdue", transfer.isOverdue)
        json.integer("dispatched_sequence", transfer.dispatchedSequence)
        json.integer("ledger_sequence", transfer.sequence)
        json.hexadecimal("command_hash", transfer.commandHash)
        json.end()
    }

    /// A letter for `dead.letters`. A key or value that would take it over the limit is cut, and said to be, with
    /// the SHA-256 of the whole: that and the origin tell the record, wherever a copy of it turns up.
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
        let room = max(0, (limit - json.count - 256) / 4 * 3)
        json.base64("value_base64", value.map { UnsafeRawBufferPointer(rebasing: $0.prefix(room)) })
        json.integer("value_bytes", Int64(value?.count ?? 0))
        let isValueCut = value?.count ?? 0 > room
        let isKeyCut = key?.count ?? 0 > keyRoom
        if isValueCut || isKeyCut { json.boolean("truncated", true) }
        if isValueCut { json.string("value_sha256", value.map(SHA256Digest.hexadecimal)) }
        if isKeyCut { json.string("key_sha256", key.map(SHA256Digest.hexadecimal)) }
        json.end()
    }
}
