import InventoryCore

/// The fields of a record of `stock.ledger`.
enum LedgerFields {
    static func entry(_ object: JSONObject) throws(DecodingFailure) -> LedgerEntry {
        let movement = try object.word("movement", Movement.self)
        let ids = PackedIDs(
            sku: try object.packedID("sku"), command: try object.packedID("command_id"),
            reservation: try object.optionalPackedID("reservation_id") ?? .none,
            order: try object.optionalPackedID("order_id") ?? .none)
        var entry = LedgerEntry(
            ids,
            generation: try object.optionalInteger("generation", 1 ... .max) ?? 1,
            sequence: try object.integer("sequence", 1 ... .max), more: try object.boolean("more"),
            movement: movement, at: try object.time("at"),
            source: try Shared.source(try object.object("source")),
            command: try object.word("command", CommandKind.self),
            commandHash: try object.hexadecimal("command_hash"),
            quantity: try object.integer("quantity", 0 ... .max))
        entry.transferID = try object.optionalID("transfer_id")
        entry.origin = try object.optionalInteger("origin", 1 ... .max)
        entry.channel = try object.optionalID("channel")
        entry.warehouse = try object.optionalID("warehouse")
        entry.counterpart = try object.optionalID("counterpart")
        entry.requested = try object.optionalInteger("requested", 1 ... .max)
        entry.remaining = try object.optionalInteger("remaining", 0 ... .max)
        entry.expiresAt = try object.optionalTime("expires_at")
        entry.expectedAt = try object.optionalTime("expected_at")
        entry.isNamed = try object.boolean("named")
        entry.allowSplit = try object.optionalBoolean("allow_split") ?? true
        entry.condition = try object.optionalWord("condition", Condition.self)
        entry.reasonCode = try object.optionalWord("reason_code", ReasonCode.self)
        entry.note = try object.optionalNote("note")
        entry.reference = try object.optionalID("reference")
        entry.chainHash = try object.chainHash("hash")
        if movement == .rejection {
            entry.reason = try object.word("reason", Rejection.self)
        } else {
            try balances(&entry, object)
            entry.details = try details(movement, isInWarehouse: entry.warehouse != nil, object)
        }
        return entry
    }

    private static func balances(_ entry: inout LedgerEntry, _ object: JSONObject) throws(DecodingFailure) {
        entry.deltas.backordered = try object.optionalInteger("backordered_delta") ?? 0
        entry.balances.backordered = try object.optionalInteger("backordered", 0 ... .max) ?? 0
        entry.deltas.reserved = try object.optionalInteger("reserved_delta") ?? 0
        guard entry.hasBalances else { return }
        entry.deltas.onHand = try object.integer("on_hand_delta")
        entry.deltas.reserved = try object.integer("reserved_delta")
        entry.deltas.inTransit = try object.optionalInteger("in_transit_delta") ?? 0
        entry.deltas.damaged = try object.optionalInteger("damaged_delta") ?? 0
        entry.balances.onHand = try object.integer("on_hand", 0 ... .max)
        entry.balances.reserved = try object.integer("reserved", 0 ... .max)
        entry.balances.inTransit = try object.optionalInteger("in_transit", 0 ... .max) ?? 0
        entry.balances.damaged = try object.optionalInteger("damaged", 0 ... .max) ?? 0
        entry.setApart = try object.optionalInteger("set_apart", 0 ... .max) ?? 0
    }

    private static func details(
        _ movement: Movement, isInWarehouse: Bool, _ object: JSONObject
    ) throws(DecodingFailure) -> LedgerEntry.Details? {
        switch movement {
        case .setPolicy:
            return .policy(try Shared.policy(try object.object("policy"), inWarehouse: isInWarehouse))
        case .setWarehouse: return try warehouse(try object.object("facts"))
        case .setSettings: return .settings(try Shared.settings(try object.object("settings")))
        default: return nil
        }
    }

    fileprivate static func warehouse(
        _ facts: JSONObject
    ) throws(DecodingFailure) -> LedgerEntry.Details {
        .warehouse(try Shared.warehouse(facts), isSwitch: try facts.boolean("switched"))
    }
}

extension JSONBuffer {
    mutating func entry(_ entry: LedgerEntry) { withUnsafePointer(to: entry) { self.entry($0) } }

    /// By its place: a field of a large value is read there at once, and else through a call.
    mutating func entry(_ entry: UnsafePointer<LedgerEntry>) {
        // Most entries have nothing of what is rare, and are asked for it once.
        let rare = entry.pointee.rare
        begin()
        let ids = entry.pointee.packed
        string("sku", ids.sku)
        if entry.pointee.generation > 1 { integer("generation", entry.pointee.generation) }
        integer("sequence", entry.pointee.sequence)
        flag("more", entry.pointee.more)
        word("movement", entry.pointee.movement)
        time("at", entry.pointee.at)
        word("command", entry.pointee.command)
        string("command_id", ids.command)
        hexadecimal("command_hash", entry.pointee.commandHash)
        source(entry.pointee.source, topic: .commands)
        string("reservation_id", ids.reservation)
        string("order_id", ids.order)
        if let rare { string("transfer_id", rare.value.transferID) }
        integer("origin", entry.pointee.origin)
        string("channel", entry.pointee.channel)
        string("warehouse", entry.pointee.warehouse)
        if let rare { string("counterpart", rare.value.counterpart) }
        integer("quantity", entry.pointee.quantity)
        if let rare { integer("requested", rare.value.requested) }
        integer("remaining", entry.pointee.remaining)
        time("expires_at", entry.pointee.expiresAt)
        if let rare { time("expected_at", rare.value.expectedAt) }
        flag("named", entry.pointee.isNamed)
        if !entry.pointee.allowSplit { boolean("allow_split", false) }
        balances(entry)
        string("reason", entry.pointee.reason?.rawValue)
        if let rare { self.rare(rare.value) }
        hexadecimal("hash", entry.pointee.chainHash)
        end()
    }

    private mutating func rare(_ rare: LedgerEntry.Rare) {
        string("condition", rare.condition?.rawValue)
        string("reason_code", rare.reasonCode?.rawValue)
        string("note", rare.note)
        string("reference", rare.reference)
        details(rare.details)
    }

    private mutating func balances(_ entry: UnsafePointer<LedgerEntry>) {
        let (movement, deltas) = (entry.pointee.movement, entry.pointee.deltas)
        if LedgerEntry.hasBalances(movement, in: entry.pointee.warehouse, deltas) {
            integer("on_hand_delta", entry.pointee.deltas.onHand)
            integer("reserved_delta", entry.pointee.deltas.reserved)
            units("in_transit_delta", entry.pointee.deltas.inTransit)
            units("damaged_delta", entry.pointee.deltas.damaged)
            integer("on_hand", entry.pointee.balances.onHand)
            integer("reserved", entry.pointee.balances.reserved)
            units("in_transit", entry.pointee.balances.inTransit)
            units("damaged", entry.pointee.balances.damaged)
            units("set_apart", entry.pointee.setApart)
        }
        if entry.pointee.deltas.backordered != 0 {
            integer("backordered_delta", entry.pointee.deltas.backordered)
            integer("backordered", entry.pointee.balances.backordered)
        }
    }

    private mutating func details(_ details: LedgerEntry.Details?) {
        switch details {
        case nil: return
        case .policy(let policy): self.policy(policy)
        case .warehouse(let warehouse, let isSwitch):
            beginObject("facts")
            warehouseFields(warehouse)
            flag("switched", isSwitch)
            endElement()
        case .settings(let settings):
            beginObject("settings")
            settingsFields(settings)
            endElement()
        }
    }
}

extension RecordReader {
    /// What an entry lays down, from what `RecordWriter.details` made of it.
    package mutating func details(
        of entry: LedgerEntry, _ text: [UInt8]
    ) throws(DecodingFailure) -> LedgerEntry.Details? {
        var result: Swift.Result<LedgerEntry.Details?, DecodingFailure>?
        text.withUnsafeBytes { bytes in
            do throws(DecodingFailure) {
                let details = try read(bytes, limit: Self.recordBytes) { object throws(DecodingFailure) in
                    switch entry.movement {
                    case .setPolicy:
                        LedgerEntry.Details?.some(
                            .policy(try Shared.policy(object, inWarehouse: entry.warehouse != nil)))
                    case .setWarehouse: LedgerEntry.Details?.some(try LedgerFields.warehouse(object))
                    case .setSettings: LedgerEntry.Details?.some(.settings(try Shared.settings(object)))
                    default: LedgerEntry.Details?.none
                    }
                }
                result = .success(details)
            } catch {
                result = .failure(error)
            }
        }
        return try result!.get()
    }
}

extension RecordWriter {
    /// What an entry lays down, as one JSON object; nil for one that lays down nothing.
    package mutating func details(of entry: LedgerEntry) -> String? {
        guard let details = entry.details else { return nil }
        return json.object { json in
            switch details {
            case .policy(let policy): json.policyFields(policy)
            case .warehouse(let warehouse, let isSwitch):
                json.warehouseFields(warehouse)
                json.flag("switched", isSwitch)
            case .settings(let settings): json.settingsFields(settings)
            }
        }
    }
}

extension JSONBuffer {
    /// An object of its own, as text.
    fileprivate mutating func object(_ fields: (inout JSONBuffer) -> Void) -> String {
        begin()
        fields(&self)
        end()
        return withBytes { String(decoding: $0, as: UTF8.self) }
    }
}
