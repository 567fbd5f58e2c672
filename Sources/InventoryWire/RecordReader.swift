import CYyjson
import InventoryCore

/// Bytes to words: reads the records of all topics, with memory that it uses again from record to record.
///
/// The field names of the topics stand in this module, and nowhere else.
package struct RecordReader: ~Copyable {
    /// Records of our own may be as large as a topic lets them: a level has a line for each warehouse.
    static let recordBytes = 16 << 20

    private var pool: UnsafeMutableRawBufferPointer
    /// Those of the last command.
    private var ids: PackedIDs?
    private var ownedKey = OwnedKey()

    package init() { pool = .allocate(byteCount: 1 << 16, alignment: 16) }

    deinit { pool.deallocate() }

    /// Reads a command of `stock.commands`. The reasons are looked for in the order of `DecodingFailure.Reason`.
    package mutating func command(
        key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(DecodingFailure) -> Command {
        var ids = self.ids.take() ?? PackedIDs()
        defer { self.ids = ids }
        let command = try read(value, limit: Limits.commandBytes) { object throws(DecodingFailure) in
            try object.checkFields(limit: Limits.commandFields)
            return try CommandFields.command(object.indexed(), &ids)
        }
        let isKey = command.packedSKU.withBytes { Self.areEqual(key, $0) }
        guard isKey else {
            throw DecodingFailure(.keyMismatch, "the record's key must be its sku, byte for byte")
        }
        return command
    }

    private static func areEqual(_ key: UnsafeRawBufferPointer?, _ sku: UnsafeRawBufferPointer) -> Bool {
        guard let key, key.count == sku.count else { return false }
        var index = 0
        while index + 8 <= key.count {
            let word = key.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if word != sku.loadUnaligned(fromByteOffset: index, as: UInt64.self) { return false }
            index += 8
        }
        while index < key.count {
            if key[index] != sku[index] { return false }
            index += 1
        }
        return true
    }

    /// Reads an entry of `stock.ledger`.
    package mutating func ledgerEntry(_ value: UnsafeRawBufferPointer) throws(DecodingFailure) -> LedgerEntry
    {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) in
            try LedgerFields.entry(object)
        }
    }

    /// Reads a message of `stock.levels`.
    package mutating func levels(_ value: UnsafeRawBufferPointer) throws(DecodingFailure) -> LevelsSnapshot {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) in
            try LevelsFields.snapshot(object)
        }
    }

    /// Reads a message of `stock.reservations` that is no tombstone.
    package mutating func reservation(
        _ value: UnsafeRawBufferPointer
    ) throws(DecodingFailure) -> ReservationSnapshot {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) in
            ReservationSnapshot(
                id: try object.id("reservation_id"), orderID: try object.id("order_id"),
                sku: try object.id("sku"), allocations: try Shared.allocations(object),
                backordered: try object.optionalInteger("backordered", 0...Limits.onHand) ?? 0,
                channel: try object.optionalID("channel"), warehouse: try object.optionalID("warehouse"),
                allowSplit: try object.optionalBoolean("allow_split") ?? true,
                isExtended: try object.boolean("extended"), reservedAt: try object.time("reserved_at"),
                expiresAt: try object.time("expires_at"),
                reservedSequence: try object.integer("reserved_sequence", 1 ... .max),
                sequence: try object.integer("ledger_sequence", 1 ... .max),
                commandHash: try object.hexadecimal("command_hash"))
        }
    }

    /// The reservation or transfer that the key of a record of `stock.reservations` or `stock.transfers` names.
    ///
    /// - Returns: nil for bytes that are no such key: earlier versions wrote the id alone.
    package mutating func ownedID(key: UnsafeRawBufferPointer) -> OwnedID? {
        guard key.first == 0x5B, let (sku, id) = try? pair(key) else { return nil }
        ownedKey.set(sku: sku, id: id)
        // Written otherwise it would be another key of the same name.
        guard ownedKey.withBytes({ $0.elementsEqual(key) }) else { return nil }
        return OwnedID(sku: sku.id, id: id.id)
    }

    private mutating func pair(
        _ text: UnsafeRawBufferPointer
    ) throws(DecodingFailure) -> (PackedID, PackedID) {
        try parse(text, limit: OwnedKey.room) { document throws(DecodingFailure) in
            guard let root = yyjson_doc_get_root(document), yyjson_is_arr(root), yyjson_arr_size(root) == 2
            else { throw DecodingFailure(.wrongType, "the key is no array of two texts") }
            return (
                try JSONObject.packedID(yyjson_arr_get(root, 0), "sku"),
                try JSONObject.packedID(yyjson_arr_get(root, 1), "id")
            )
        }
    }

    /// Reads a message of `stock.transfers` that is no tombstone.
    package mutating func transfer(
        _ value: UnsafeRawBufferPointer
    ) throws(DecodingFailure) -> TransferSnapshot {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) in
            TransferSnapshot(
                id: try object.id("transfer_id"), sku: try object.id("sku"), from: try object.id("from"),
                to: try object.id("to"), quantity: try object.integer("quantity", 1...Limits.quantity),
                remaining: try object.integer("remaining", 1...Limits.quantity),
                dispatchedAt: try object.time("dispatched_at"),
                expectedAt: try object.optionalTime("expected_at"),
                isOverdue: try object.boolean("overdue"),
                dispatchedSequence: try object.integer("dispatched_sequence", 1 ... .max),
                sequence: try object.integer("ledger_sequence", 1 ... .max),
                commandHash: try object.hexadecimal("command_hash"))
        }
    }

    /// Reads an alert of `stock.alerts`.
    package mutating func alert(_ value: UnsafeRawBufferPointer) throws(DecodingFailure) -> Alert {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) in
            var alert = Alert(
                kind: try object.word("alert", Alert.Kind.self), sku: try object.id("sku"),
                warehouse: try object.optionalID("warehouse"),
                quantity: try object.integer("quantity", 0 ... .max),
                reorderPoint: try object.optionalInteger("reorder_point", 0 ... .max),
                suggestedQuantity: try object.optionalInteger("suggested_quantity", 0 ... .max),
                sequence: try object.integer("ledger_sequence", 1 ... .max), at: try object.time("at"))
            alert.bookSequence = try object.optionalInteger("book_sequence", 1 ... .max)
            alert.transferID = try object.optionalID("transfer_id")
            alert.from = try object.optionalID("from")
            alert.expectedAt = try object.optionalTime("expected_at")
            return alert
        }
    }

    /// Reads a notice of `stock.results`; nil if the record is the result of a command.
    package mutating func notice(_ value: UnsafeRawBufferPointer) throws(DecodingFailure) -> Notice? {
        try read(value, limit: Self.recordBytes) { object throws(DecodingFailure) in
            guard let kind = try object.optionalWord("notice", Notice.Kind.self) else { return nil }
            let cause = try object.object("cause")
            return Notice(
                kind: kind, sku: try object.id("sku"), reservationID: try object.id("reservation_id"),
                orderID: try object.id("order_id"),
                quantity: try object.integer("quantity", 1...Limits.onHand),
                remaining: try object.integer("remaining", 0...Limits.onHand),
                warehouse: try object.optionalID("warehouse"), formerly: try object.optionalID("formerly"),
                sequence: try object.integer("ledger_sequence", 1 ... .max), at: try object.time("at"),
                command: try cause.word("type", CommandKind.self), commandID: try cause.id("command_id"),
                source: try Shared.source(try object.object("source")))
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
            outcome.transferID = try object.optionalID("transfer_id")
            outcome.channel = try object.optionalID("channel")
            outcome.warehouse = try object.optionalID("warehouse")
            outcome.quantity = try object.optionalInteger("quantity", 0...Limits.onHand) ?? 0
            outcome.requested = try object.optionalInteger("requested", 1...Limits.onHand)
            outcome.allocations = try Shared.allocations(object)
            outcome.backordered = try object.optionalInteger("backordered", 0...Limits.onHand) ?? 0
            outcome.remaining = try object.optionalInteger("remaining", 0...Limits.onHand)
            outcome.delta = try object.optionalInteger("delta", -Limits.onHand...Limits.onHand)
            outcome.isReacquired = try object.boolean("reacquired")
            outcome.isRefundRequired = try object.boolean("refund_required")
            outcome.expiresAt = try object.optionalTime("expires_at")
            outcome.generation = try object.optionalInteger("generation", 2 ... .max)
            outcome.sequence = try object.optionalInteger("ledger_sequence", 1 ... .max)
            outcome.bookSequence = try object.optionalInteger("book_sequence", 1 ... .max)
            outcome.isDuplicate = try object.boolean("duplicate")
            return (outcome, try Shared.source(try object.object("source")))
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
                isTruncated: try object.boolean("truncated"),
                valueSHA256: try object.optionalID("value_sha256")?.text,
                keySHA256: try object.optionalID("key_sha256")?.text)
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

    /// Parses one JSON object in the pool, and gives it to `body`.
    mutating func read<Result>(
        _ value: UnsafeRawBufferPointer?, limit: Int,
        _ body: (JSONObject) throws(DecodingFailure) -> Result
    ) throws(DecodingFailure) -> Result {
        try readDocument(value, limit: limit) { document throws(DecodingFailure) in
            try body(JSONObject(yyjson_doc_get_root(document)))
        }
    }

    /// The same, for who needs the document whose root is the object.
    mutating func readDocument<Result>(
        _ value: UnsafeRawBufferPointer?, limit: Int,
        _ body: (UnsafeMutablePointer<yyjson_doc>) throws(DecodingFailure) -> Result
    ) throws(DecodingFailure) -> Result {
        try parse(value, limit: limit) { document throws(DecodingFailure) in
            guard let root = yyjson_doc_get_root(document), yyjson_is_obj(root) else {
                throw DecodingFailure(.notAnObject, "the value is JSON, but no object")
            }
            return try body(document)
        }
    }

    /// The same of any JSON.
    private mutating func parse<Result>(
        _ value: UnsafeRawBufferPointer?, limit: Int,
        _ body: (UnsafeMutablePointer<yyjson_doc>) throws(DecodingFailure) -> Result
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
        return try body(document)
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
