import CYyjson
import InventoryCore

/// Bytes to words: reads the records of all topics, with memory that it uses again from record to record.
///
/// The field names of the topics stand here and in `RecordWriter`, and nowhere else.
package struct RecordReader: ~Copyable {
    /// Records of our own may be as large as a topic lets them: a level has a line for each warehouse.
    private static let recordBytes = 16 << 20

    private var pool: UnsafeMutableRawBufferPointer

    package init() { pool = .allocate(byteCount: 1 << 16, alignment: 16) }

    deinit { pool.deallocate() }

    /// Reads a command of `stock.commands`. The reasons are looked for in the order of `DecodingFailure.Reason`.
    package mutating func command(
        key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(DecodingFailure) -> Command {
        let command = try read(value, limit: Limits.commandBytes) { object throws(DecodingFailure) in
            try object.checkFields(limit: Limits.commandFields)
            let kind = try object.word("type", CommandKind.self)
            return Command(
                id: try object.id("command_id"), sku: try object.id("sku"), body: try Self.body(kind, object))
        }
        var sku = command.sku
        let isKey = sku.withUTF8 { bytes in key?.elementsEqual(bytes) ?? false }
        guard isKey else {
            throw DecodingFailure(.keyMismatch, "the record's key must be its sku, byte for byte")
        }
        return command
    }

    private static func body(
        _ kind: CommandKind, _ object: JSONObject
    ) throws(DecodingFailure) -> Command.Body {
        switch kind {
        case .reserve:
            return .reserve(
                reservationID: try object.id("reservation_id"), orderID: try object.id("order_id"),
                quantity: try object.integer("quantity", 1...Limits.quantity),
                warehouse: try object.optionalID("warehouse"), expiry: try expiry(object))
        case .confirm: return .confirm(reservationID: try object.id("reservation_id"))
        case .release: return .release(reservationID: try object.id("reservation_id"))
        case .expire: return .expire(reservationID: try object.id("reservation_id"))
        case .receive:
            return .receive(
                warehouse: try object.id("warehouse"),
                quantity: try object.integer("quantity", 1...Limits.quantity),
                reference: try object.optionalID("reference"))
        }
    }

    private static func expiry(_ object: JSONObject) throws(DecodingFailure) -> Command.Expiry {
        let ttl = try object.optionalInteger("ttl_ms", 1...Limits.longestTTL)
        let moment = try object.optionalTime("expires_at")
        switch (ttl, moment) {
        case (nil, nil): return .after(milliseconds: Limits.defaultTTL)
        case (let ttl?, nil): return .after(milliseconds: ttl)
        case (nil, let moment?): return .at(moment)
        case (.some, .some):
            throw DecodingFailure(.conflictingFields, "ttl_ms and expires_at exclude each other; give one")
        }
    }

    /// Reads an entry of `stock.ledger`.
    package mutating func ledgerEntry(_ value: UnsafeRawBufferPointer) throws(DecodingFailure) -> LedgerEntry
    {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) in
            let movement = try object.word("movement", Movement.self)
            var entry = LedgerEntry(
                sku: try object.id("sku"), sequence: try object.integer("sequence", 1 ... .max),
                movement: movement, at: try object.time("at"),
                source: try Self.source(try object.object("source")),
                command: try object.word("command", CommandKind.self),
                commandID: try object.id("command_id"), quantity: try object.integer("quantity", 0 ... .max))
            entry.reservationID = try object.optionalID("reservation_id")
            entry.orderID = try object.optionalID("order_id")
            entry.warehouse = try object.optionalID("warehouse")
            entry.expiresAt = try object.optionalTime("expires_at")
            entry.reference = try object.optionalID("reference")
            if movement == .rejection {
                entry.reason = try object.word("reason", Rejection.self)
            } else {
                entry.onHandDelta = try object.integer("on_hand_delta")
                entry.reservedDelta = try object.integer("reserved_delta")
                entry.onHand = try object.integer("on_hand", 0 ... .max)
                entry.reserved = try object.integer("reserved", 0 ... .max)
            }
            return entry
        }
    }

    /// Reads a message of `stock.levels`.
    package mutating func levels(_ value: UnsafeRawBufferPointer) throws(DecodingFailure) -> LevelsSnapshot {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) in
            var levels: [Level] = []
            for level in try object.objects("levels") {
                levels.append(
                    Level(
                        warehouse: try level.id("warehouse"),
                        onHand: try level.integer("on_hand", 0 ... .max),
                        reserved: try level.integer("reserved", 0 ... .max)))
            }
            return LevelsSnapshot(
                sku: try object.id("sku"), sequence: try object.integer("sequence", 1 ... .max),
                levels: levels)
        }
    }

    /// Reads a message of `stock.reservations` that is no tombstone.
    package mutating func reservation(
        _ value: UnsafeRawBufferPointer
    ) throws(DecodingFailure) -> ReservationSnapshot {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) in
            ReservationSnapshot(
                id: try object.id("reservation_id"), orderID: try object.id("order_id"),
                sku: try object.id("sku"), warehouse: try Self.allocation(object),
                quantity: try object.integer("quantity", 1...Limits.quantity),
                reservedAt: try object.time("reserved_at"), expiresAt: try object.time("expires_at"),
                sequence: try object.integer("ledger_sequence", 1 ... .max))
        }
    }

    /// Reads a result of `stock.results`, and of which command it is.
    package mutating func outcome(
        _ value: UnsafeRawBufferPointer
    ) throws(DecodingFailure) -> (outcome: Outcome, source: Source) {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) in
            var outcome = Outcome(
                kind: try object.word("outcome", Outcome.Kind.self),
                command: try object.word("type", CommandKind.self), commandID: try object.id("command_id"),
                sku: try object.id("sku"), at: try object.time("at"))
            switch outcome.kind {
            case .rejected: outcome.rejection = try object.word("reason", Rejection.self)
            case .ignored: outcome.noOp = try object.word("reason", NoOp.self)
            default: break
            }
            outcome.reservationID = try object.optionalID("reservation_id")
            outcome.orderID = try object.optionalID("order_id")
            outcome.warehouse =
                object.has("allocations")
                ? try Self.allocation(object) : try object.optionalID("warehouse")
            outcome.quantity = try object.optionalInteger("quantity", 0 ... .max) ?? 0
            outcome.expiresAt = try object.optionalTime("expires_at")
            outcome.sequence = try object.optionalInteger("ledger_sequence", 1 ... .max)
            outcome.isDuplicate = try object.boolean("duplicate")
            return (outcome, try Self.source(try object.object("source")))
        }
    }

    /// Reads a letter of `dead.letters`.
    package mutating func deadLetter(_ value: UnsafeRawBufferPointer) throws(DecodingFailure) -> DeadLetter {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) in
            DeadLetter(
                reason: try object.word("reason", DecodingFailure.Reason.self),
                detail: String(decoding: try object.text("detail"), as: UTF8.self),
                topic: String(decoding: try object.text("topic"), as: UTF8.self),
                partition: Int32(truncatingIfNeeded: try object.integer("partition", 0...Int64(Int32.max))),
                offset: try object.integer("offset", 0 ... .max),
                timestamp: try object.optionalTime("timestamp"),
                key: try Self.base64("key_base64", object), value: try Self.base64("value_base64", object),
                valueBytes: Int(try object.integer("value_bytes", 0 ... .max)),
                isTruncated: try object.boolean("truncated"))
        }
    }

    private static func base64(_ name: StaticString, _ object: JSONObject) throws(DecodingFailure) -> [UInt8]?
    {
        guard object.has(name) else { return nil }
        guard let bytes = Base64.decode(try object.text(name)) else {
            throw DecodingFailure(.wrongType, "\(name) is no base64")
        }
        return bytes
    }

    private static func source(_ object: JSONObject) throws(DecodingFailure) -> Source {
        Source(
            partition: Int32(truncatingIfNeeded: try object.integer("partition", 0...Int64(Int32.max))),
            offset: try object.integer("offset", 0 ... .max))
    }

    /// The one warehouse that serves a reservation; more than one is not written yet, so not read either.
    private static func allocation(_ object: JSONObject) throws(DecodingFailure) -> String {
        let allocations = try object.objects("allocations")
        guard let first = allocations.first, allocations.count == 1 else {
            throw DecodingFailure(
                .outOfRange, "allocations has \(allocations.count) elements; exactly 1 is allowed")
        }
        return try first.id("warehouse")
    }

    /// Parses one JSON object in the pool, and gives it to `body`.
    private mutating func read<Result>(
        _ value: UnsafeRawBufferPointer?, limit: Int,
        _ body: (JSONObject) throws(DecodingFailure) -> Result
    ) throws(DecodingFailure) -> Result {
        guard let value, let start = value.baseAddress, !value.isEmpty else {
            throw DecodingFailure(.emptyValue, "the record has no value")
        }
        guard value.count <= limit else {
            throw DecodingFailure(.tooLarge, "\(value.count) bytes; at most \(limit) are allowed")
        }
        let flags = yyjson_read_flag(YYJSON_READ_BIGNUM_AS_RAW)
        reserve(yyjson_read_max_memory_usage(value.count, flags))
        var allocator = yyjson_alc()
        guard yyjson_alc_pool_init(&allocator, pool.baseAddress, pool.count) else {
            preconditionFailure("the pool is larger than any pool may be small")
        }
        var failure = yyjson_read_err()
        // Without the flag for reading in place the parser does not write to its input.
        let text = UnsafeMutablePointer(mutating: start.assumingMemoryBound(to: CChar.self))
        guard let document = yyjson_read_opts(text, value.count, flags, &allocator, &failure) else {
            throw Self.parseFailure(value, failure)
        }
        defer { yyjson_doc_free(document) }
        guard let root = yyjson_doc_get_root(document), yyjson_is_obj(root) else {
            throw DecodingFailure(.notAnObject, "the value is JSON, but no object")
        }
        return try body(JSONObject(root))
    }

    private mutating func reserve(_ bytes: Int) {
        // Room for the pool's own bookkeeping.
        let needed = bytes + 4096
        guard pool.count < needed else { return }
        pool.deallocate()
        pool = .allocate(byteCount: max(needed, 2 * pool.count), alignment: 16)
    }

    private static func parseFailure(
        _ value: UnsafeRawBufferPointer, _ failure: yyjson_read_err
    ) -> DecodingFailure {
        guard String(validating: value, as: UTF8.self) != nil else {
            return DecodingFailure(.invalidUTF8, "the value is no UTF-8")
        }
        let message = failure.msg.map { String(cString: $0) } ?? "it is no JSON"
        return DecodingFailure(.invalidJSON, "at byte \(failure.pos): \(message)")
    }
}
