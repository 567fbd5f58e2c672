import InventoryCore

/// The fields of a record of `stock.commands`.
enum CommandFields {
    /// - Parameter ids: memory for the command's.
    static func command(_ object: JSONObject, _ ids: inout PackedIDs) throws(DecodingFailure) -> Command {
        let kind = try kind(object)
        ids.renew()
        let id = try object.packedID("command_id")
        ids.set(sku: try object.packedID("sku"), command: id)
        let generation = try object.optionalInteger("generation", 1 ... .max)
        let issuedAt = try object.optionalTime("issued_at")
        if kind != .reserve { ids.set(reservation: .none, order: .none) }
        let body = try body(kind, object, &ids)
        let command = Command(CommandIDs(ids), generation: generation, issuedAt: issuedAt, body: body)
        let isOfBook = kind == .setWarehouse || kind == .setSettings
        guard isOfBook == PartitionBook.isBook(command.packedSKU) else {
            throw DecodingFailure(
                .invalidID,
                isOfBook
                    ? "sku must be \(PartitionBook.prefix)N for a command to partition N"
                    : "sku begins with \(PartitionBook.prefix), which is kept for the partitions' own books")
        }
        return command
    }

    /// Most commands are of few kinds, which are looked for first.
    private static func kind(_ object: JSONObject) throws(DecodingFailure) -> CommandKind {
        let text = try object.text("type")
        if text.count == 7 {
            // Seven bytes as two words that overlap.
            let first = text.loadUnaligned(as: UInt32.self).littleEndian
            let last = text.loadUnaligned(fromByteOffset: 3, as: UInt32.self).littleEndian
            switch (first, last) {
            case (0x6573_6572, 0x6576_7265): return .reserve
            case (0x666E_6F63, 0x6D72_6966): return .confirm
            case (0x656C_6572, 0x6573_6165): return .release
            default: break
            }
        }
        // Nobody sends a note of the processor.
        return try object.word("type", CommandKind.self, but: .skip)
    }

    private static func body(
        _ kind: CommandKind, _ object: JSONObject, _ ids: inout PackedIDs
    ) throws(DecodingFailure) -> Command.Body {
        switch kind {
        case .reserve: return .reserve(try reserve(object, &ids))
        case .confirm:
            return .confirm(
                reservationID: try object.id("reservation_id"), quantity: try optionalQuantity(object),
                warehouse: try object.optionalID("warehouse"))
        case .release:
            return .release(
                reservationID: try object.id("reservation_id"), quantity: try optionalQuantity(object))
        case .extend:
            let expiry = try expiry(object)
            guard expiry != .standard else {
                throw DecodingFailure(.missingField, "ttl_ms or expires_at is missing")
            }
            return .extend(reservationID: try object.id("reservation_id"), expiry: expiry)
        case .expire: return .expire(reservationID: try object.id("reservation_id"))
        case .reallocate: return try reallocate(object)
        case .receive:
            return .receive(
                warehouse: try object.id("warehouse"), quantity: try quantity(object),
                reference: try object.optionalID("reference"))
        case .return:
            return .return(
                Command.Return(
                    warehouse: try object.id("warehouse"), quantity: try quantity(object),
                    condition: try object.optionalWord("condition", Condition.self) ?? .sellable,
                    orderID: try object.optionalID("order_id"),
                    reference: try object.optionalID("reference")))
        case .damage:
            return .damage(
                warehouse: try object.id("warehouse"), quantity: try quantity(object),
                reference: try object.optionalID("reference"))
        case .adjust: return .adjust(try adjust(object))
        case .transferDispatch: return .transferDispatch(try dispatch(object))
        case .transferReceive: return try transferReceive(object)
        case .transferCancel: return .transferCancel(transferID: try object.id("transfer_id"))
        case .transferDue: return .transferDue(transferID: try object.id("transfer_id"))
        case .setPolicy:
            let warehouse = try object.optionalID("warehouse")
            return .setPolicy(
                warehouse: warehouse, try Shared.policy(object, inWarehouse: warehouse != nil))
        case .setPolicies: return .setPolicies(try Shared.policies(object))
        case .retire: return .retire
        case .setWarehouse:
            return .setWarehouse(
                try Shared.warehouse(object), isWithdrawn: try object.boolean("withdrawn"))
        case .setSettings: return .setSettings(try Shared.settings(object))
        case .skip: preconditionFailure("a note of the processor is no record of stock.commands")
        }
    }

    private static func quantity(_ object: JSONObject) throws(DecodingFailure) -> Int64 {
        try object.integer("quantity", 1...Limits.quantity)
    }

    private static func optionalQuantity(_ object: JSONObject) throws(DecodingFailure) -> Int64? {
        try object.optionalInteger("quantity", 1...Limits.quantity)
    }

    private static func reserve(
        _ object: JSONObject, _ ids: inout PackedIDs
    ) throws(DecodingFailure) -> Command.Reserve {
        let id = try object.packedID("reservation_id")
        ids.set(reservation: id, order: try object.packedID("order_id"))
        let reserve = Command.Reserve(
            ReservationIDs(ids), quantity: try quantity(object),
            warehouse: try object.optionalID("warehouse"),
            expiry: try expiry(object), strategy: try object.optionalWord("strategy", Strategy.self),
            allowPartial: try object.boolean("allow_partial"),
            allowSplit: try object.optionalBoolean("allow_split") ?? true,
            allowBackorder: try object.optionalBoolean("allow_backorder") ?? true,
            channel: try object.optionalID("channel"), shipTo: try Shared.point("ship_to", object),
            deliverWithinHours: try object.optionalInteger("deliver_within_hours", Limits.deliveryHours))
        if reserve.deliverWithinHours != nil && reserve.shipTo == nil {
            throw DecodingFailure(.missingField, "deliver_within_hours needs ship_to, which is missing")
        }
        if reserve.warehouse != nil && reserve.strategy != nil {
            throw DecodingFailure(
                .conflictingFields, "warehouse and strategy exclude each other; give one")
        }
        return reserve
    }

    private static func expiry(_ object: JSONObject) throws(DecodingFailure) -> Command.Expiry {
        let ttl = try object.optionalInteger("ttl_ms", 1...Limits.longestTTL)
        let moment = try object.optionalTime("expires_at")
        switch (ttl, moment) {
        case (nil, nil): return .standard
        case (let ttl?, nil): return .after(milliseconds: ttl)
        case (nil, let moment?): return .at(moment)
        case (.some, .some):
            throw DecodingFailure(.conflictingFields, "ttl_ms and expires_at exclude each other; give one")
        }
    }

    private static func reallocate(_ object: JSONObject) throws(DecodingFailure) -> Command.Body {
        let allocations = try Shared.wantedAllocations(object)
        return .reallocate(reservationID: try object.id("reservation_id"), allocations: allocations)
    }

    private static func adjust(_ object: JSONObject) throws(DecodingFailure) -> Command.Adjust {
        let delta = try object.optionalInteger("delta", -Limits.quantity...Limits.quantity)
        let counted = try object.optionalInteger("counted", 0...Limits.onHand)
        let expected = try object.optionalInteger("expected", 0...Limits.onHand)
        let change: Command.Adjust.Change
        switch (delta, counted) {
        case (nil, nil): throw DecodingFailure(.missingField, "delta or counted is missing")
        case (.some, .some):
            throw DecodingFailure(.conflictingFields, "delta and counted exclude each other; give one")
        case (let delta?, nil):
            if delta == 0 { throw DecodingFailure(.outOfRange, "delta is 0; give how much to correct") }
            if expected != nil {
                throw DecodingFailure(.conflictingFields, "expected goes with counted alone")
            }
            change = .delta(delta)
        case (nil, let counted?): change = .count(counted, expected: expected)
        }
        let reason = try object.word("reason_code", ReasonCode.self)
        let note = try object.optionalNote("note")
        if reason == .other && note == nil {
            throw DecodingFailure(.missingField, "note is missing; reason_code other needs one")
        }
        return Command.Adjust(
            warehouse: try object.id("warehouse"), change: change,
            condition: try object.optionalWord("condition", Condition.self) ?? .sellable,
            reasonCode: reason, note: note, reference: try object.optionalID("reference"))
    }

    private static func dispatch(_ object: JSONObject) throws(DecodingFailure) -> Command.TransferDispatch {
        let dispatch = Command.TransferDispatch(
            transferID: try object.id("transfer_id"), from: try object.id("from"), to: try object.id("to"),
            quantity: try quantity(object), expectedAt: try object.optionalTime("expected_at"),
            reference: try object.optionalID("reference"))
        if dispatch.from == dispatch.to {
            throw DecodingFailure(.conflictingFields, "from and to are the same warehouse")
        }
        return dispatch
    }

    private static func transferReceive(_ object: JSONObject) throws(DecodingFailure) -> Command.Body {
        let quantity = try object.optionalInteger("quantity", 0...Limits.quantity) ?? 0
        let damaged = try object.optionalInteger("damaged", 0...Limits.quantity) ?? 0
        if quantity + damaged == 0 {
            throw DecodingFailure(.missingField, "quantity or damaged is missing; give what has arrived")
        }
        return .transferReceive(
            transferID: try object.id("transfer_id"), quantity: quantity, damaged: damaged)
    }
}

extension JSONBuffer {
    mutating func command(_ command: Command) {
        begin()
        string("command_id", command.id)
        string("type", command.kind.rawValue)
        string("sku", command.sku)
        integer("generation", command.generation)
        time("issued_at", command.issuedAt)
        switch command.body {
        case .reserve(let body): reserve(body)
        case .confirm(let id, let quantity, let warehouse):
            string("reservation_id", id)
            integer("quantity", quantity)
            string("warehouse", warehouse)
        case .release(let id, let quantity):
            string("reservation_id", id)
            integer("quantity", quantity)
        case .extend(let id, let expiry):
            string("reservation_id", id)
            self.expiry(expiry)
        case .expire(let id): string("reservation_id", id)
        case .reallocate(let id, let allocations):
            string("reservation_id", id)
            self.allocations(allocations)
        case .receive(let warehouse, let quantity, let reference),
            .damage(let warehouse, let quantity, let reference):
            string("warehouse", warehouse)
            integer("quantity", quantity)
            string("reference", reference)
        case .return(let back):
            string("warehouse", back.warehouse)
            integer("quantity", back.quantity)
            if back.condition != .sellable { string("condition", back.condition.rawValue) }
            string("order_id", back.orderID)
            string("reference", back.reference)
        case .adjust(let body): adjust(body)
        case .transferDispatch(let dispatch):
            string("transfer_id", dispatch.transferID)
            string("from", dispatch.from)
            string("to", dispatch.to)
            integer("quantity", dispatch.quantity)
            time("expected_at", dispatch.expectedAt)
            string("reference", dispatch.reference)
        case .transferReceive(let id, let quantity, let damaged):
            string("transfer_id", id)
            units("quantity", quantity)
            units("damaged", damaged)
        case .transferCancel(let id), .transferDue(let id): string("transfer_id", id)
        case .setPolicy(let warehouse, let policy):
            string("warehouse", warehouse)
            policyFields(policy)
        case .setPolicies(let published): policies(published)
        case .retire: break
        case .setWarehouse(let warehouse, let isWithdrawn):
            warehouseFields(warehouse)
            flag("withdrawn", isWithdrawn)
        case .setSettings(let settings): settingsFields(settings)
        case .skip: preconditionFailure("a note of the processor is no record of stock.commands")
        }
        end()
    }

    private mutating func reserve(_ reserve: Command.Reserve) {
        string("reservation_id", reserve.reservationID)
        string("order_id", reserve.orderID)
        integer("quantity", reserve.quantity)
        string("warehouse", reserve.warehouse)
        expiry(reserve.expiry)
        string("strategy", reserve.strategy?.rawValue)
        flag("allow_partial", reserve.allowPartial)
        if !reserve.allowSplit { boolean("allow_split", false) }
        if !reserve.allowBackorder { boolean("allow_backorder", false) }
        string("channel", reserve.channel)
        point("ship_to", reserve.shipTo)
        integer("deliver_within_hours", reserve.deliverWithinHours)
    }

    private mutating func expiry(_ expiry: Command.Expiry) {
        switch expiry {
        case .standard: break
        case .after(let milliseconds): integer("ttl_ms", milliseconds)
        case .at(let moment): time("expires_at", moment)
        }
    }

    private mutating func adjust(_ adjust: Command.Adjust) {
        string("warehouse", adjust.warehouse)
        switch adjust.change {
        case .delta(let delta): integer("delta", delta)
        case .count(let counted, let expected):
            integer("counted", counted)
            integer("expected", expected)
        }
        if adjust.condition != .sellable { string("condition", adjust.condition.rawValue) }
        string("reason_code", adjust.reasonCode.rawValue)
        string("note", adjust.note)
        string("reference", adjust.reference)
    }
}
