import InventoryCore

/// The fields of a record of `stock.levels`.
enum LevelsFields {
    static func snapshot(_ object: JSONObject) throws(DecodingFailure) -> LevelsSnapshot {
        var levels: [Level] = []
        for level in try object.objects("levels") { levels.append(try self.level(level)) }
        return LevelsSnapshot(
            sku: try object.id("sku"), sequence: try object.integer("sequence", 1 ... .max),
            chainHash: try object.chainHash("ledger_hash"),
            generation: try object.optionalInteger("generation", 1 ... .max) ?? 1,
            isRetired: try object.boolean("retired"),
            backordered: try object.optionalInteger("backordered", 0 ... .max) ?? 0,
            alert: try object.optionalWord("alert", AlertState.self) ?? .calm,
            policy: try policy(object, inWarehouse: false), levels: levels, book: try book(object))
    }

    private static func policy(
        _ object: JSONObject, inWarehouse: Bool
    ) throws(DecodingFailure) -> Policy? {
        guard let fields = try object.optionalObject("policy") else { return nil }
        var policy = try Shared.policy(fields, inWarehouse: inWarehouse)
        policy.isPublished = try fields.boolean("published")
        return policy
    }

    private static func level(_ object: JSONObject) throws(DecodingFailure) -> Level {
        var channels: [Channel] = []
        for channel in try object.optionalObjects("channels") {
            channels.append(
                Channel(
                    channel: try channel.id("channel"),
                    setApart: try channel.integer("set_apart", 0 ... .max),
                    reserved: try channel.integer("reserved", 0 ... .max)))
        }
        return Level(
            warehouse: try object.id("warehouse"), onHand: try object.integer("on_hand", 0 ... .max),
            reserved: try object.integer("reserved", 0 ... .max),
            inTransit: try object.optionalInteger("in_transit", 0 ... .max) ?? 0,
            damaged: try object.optionalInteger("damaged", 0 ... .max) ?? 0,
            safetyStock: try object.optionalInteger("safety_stock", 0 ... .max) ?? 0,
            policy: try policy(object, inWarehouse: true), channels: channels,
            alert: try object.optionalWord("alert", AlertState.self) ?? .calm,
            isClosed: try object.boolean("closed"))
    }

    private static func book(_ object: JSONObject) throws(DecodingFailure) -> LevelsSnapshot.Book? {
        guard let settings = try object.optionalObject("settings") else { return nil }
        var warehouses: [Warehouse] = []
        for warehouse in try object.objects("warehouses") {
            warehouses.append(try Shared.warehouse(warehouse))
        }
        return LevelsSnapshot.Book(
            settings: try Shared.settings(settings),
            rememberedFrom: try object.integer(
                "remembered_from", -Limits.dedupeCounts.upperBound ... .max), warehouses: warehouses)
    }
}

extension JSONBuffer {
    mutating func levels(_ snapshot: LevelsSnapshot) {
        begin()
        string("sku", snapshot.sku)
        if snapshot.generation > 1 { integer("generation", snapshot.generation) }
        integer("sequence", snapshot.sequence)
        hexadecimal("ledger_hash", snapshot.chainHash)
        flag("retired", snapshot.isRetired)
        units("backordered", snapshot.backordered)
        if snapshot.alert != .calm { string("alert", snapshot.alert.rawValue) }
        policyOfLevels(snapshot.policy)
        beginArray("levels")
        for level in snapshot.levels { self.level(level) }
        endArray()
        book(snapshot.book)
        end()
    }

    private mutating func level(_ level: Level) {
        beginElement()
        string("warehouse", level.warehouse)
        integer("on_hand", level.onHand)
        integer("reserved", level.reserved)
        integer("available", level.available)
        flag("closed", level.isClosed)
        units("in_transit", level.inTransit)
        units("damaged", level.damaged)
        units("safety_stock", level.safetyStock)
        if !level.channels.isEmpty {
            beginArray("channels")
            for channel in level.channels {
                beginElement()
                string("channel", channel.channel)
                integer("set_apart", channel.setApart)
                integer("reserved", channel.reserved)
                integer("available", level.available(to: channel.channel))
                endElement()
            }
            endArray()
        }
        if level.alert != .calm { string("alert", level.alert.rawValue) }
        policyOfLevels(level.policy)
        endElement()
    }

    /// With where it comes from, which a restored state must know.
    private mutating func policyOfLevels(_ policy: Policy?) {
        guard let policy else { return }
        beginObject("policy")
        policyFields(policy)
        flag("published", policy.isPublished)
        endElement()
    }

    private mutating func book(_ book: LevelsSnapshot.Book?) {
        guard let book else { return }
        beginObject("settings")
        settingsFields(book.settings)
        endElement()
        integer("remembered_from", book.rememberedFrom)
        beginArray("warehouses")
        for warehouse in book.warehouses {
            beginElement()
            warehouseFields(warehouse)
            endElement()
        }
        endArray()
    }
}
