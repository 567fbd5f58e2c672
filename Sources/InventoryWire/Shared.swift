import InventoryCore

/// What several topics say in the same words.
enum Shared {
    static func source(_ object: JSONObject) throws(DecodingFailure) -> Source {
        Source(
            partition: Int32(truncatingIfNeeded: try object.integer("partition", 0...Int64(Int32.max))),
            offset: try object.integer("offset", 0 ... .max))
    }

    /// None where the field is missing.
    static func allocations(_ object: JSONObject) throws(DecodingFailure) -> [Allocation] {
        var allocations: [Allocation] = []
        for element in try object.optionalObjects("allocations") {
            allocations.append(
                Allocation(
                    warehouse: try element.id("warehouse"),
                    quantity: try element.integer("quantity", 1...Limits.quantity)))
        }
        return allocations
    }

    /// Which warehouses are to serve a reservation: 1 to `Limits.allocations`, none of them twice.
    static func wantedAllocations(_ object: JSONObject) throws(DecodingFailure) -> [Allocation] {
        for element in try object.objects("allocations") {
            try element.checkFields(limit: Limits.commandFields)
        }
        let allocations = try Self.allocations(object)
        guard (1...Limits.allocations).contains(allocations.count) else {
            throw DecodingFailure(
                .outOfRange,
                "allocations has \(allocations.count) elements; 1 to \(Limits.allocations) are allowed")
        }
        guard Set(allocations.map(\.warehouse)).count == allocations.count else {
            throw DecodingFailure(.conflictingFields, "allocations names a warehouse twice")
        }
        return allocations
    }

    static func point(_ name: StaticString, _ object: JSONObject) throws(DecodingFailure) -> Point? {
        guard let point = try object.optionalObject(name) else { return nil }
        try point.checkFields(limit: Limits.commandFields)
        return Point(
            latitude: try point.degrees("latitude", limit: 90),
            longitude: try point.degrees("longitude", limit: 180))
    }

    /// What is laid down for a SKU or, `inWarehouse`, for a SKU there.
    static func policy(_ object: JSONObject, inWarehouse: Bool) throws(DecodingFailure) -> Policy {
        let units = 0...Limits.onHand
        var policy = Policy(
            safetyStock: try object.optionalInteger("safety_stock", units),
            reorderPoint: try object.optionalInteger("reorder_point", units),
            rearmPoint: try object.optionalInteger("rearm_point", units),
            reorderUpTo: try object.optionalInteger("reorder_up_to", units),
            countsInTransit: try object.boolean("count_in_transit"),
            backorderLimit: try object.optionalInteger("backorder_limit", units),
            strategy: try object.optionalWord("strategy", Strategy.self),
            unitsPerOrder: try object.optionalInteger("units_per_order", 1...Limits.onHand))
        policy.channels = try channels(object)
        try check(policy, inWarehouse: inWarehouse)
        return policy
    }

    /// All that is published of the policies of a SKU: of the SKU, and in warehouses.
    static func policies(_ object: JSONObject) throws(DecodingFailure) -> PublishedPolicies {
        PublishedPolicies(policy: try wholePolicy(object), warehouses: try warehousePolicies(object))
    }

    private static func wholePolicy(_ object: JSONObject) throws(DecodingFailure) -> Policy? {
        guard let policy = try object.optionalObject("policy") else { return nil }
        try policy.checkFields(limit: Limits.commandFields)
        return try Shared.policy(policy, inWarehouse: false)
    }

    private static func warehousePolicies(
        _ object: JSONObject
    ) throws(DecodingFailure) -> [WarehousePolicy] {
        var policies: [WarehousePolicy] = []
        for policy in try object.optionalObjects("warehouse_policies") {
            try policy.checkFields(limit: Limits.commandFields)
            policies.append(
                WarehousePolicy(
                    warehouse: try policy.id("warehouse"),
                    policy: try Shared.policy(policy, inWarehouse: true)))
        }
        guard policies.count <= Limits.warehousesPerSKU else {
            throw DecodingFailure(
                .outOfRange,
                "warehouse_policies has \(policies.count) elements; at most \(Limits.warehousesPerSKU) are allowed"
            )
        }
        guard Set(policies.map(\.warehouse)).count == policies.count else {
            throw DecodingFailure(.conflictingFields, "warehouse_policies names a warehouse twice")
        }
        return policies
    }

    private static func channels(_ object: JSONObject) throws(DecodingFailure) -> [ChannelShare] {
        var channels: [ChannelShare] = []
        for element in try object.optionalObjects("channels") {
            try element.checkFields(limit: Limits.commandFields)
            channels.append(
                ChannelShare(
                    channel: try element.id("channel"),
                    quantity: try element.integer("quantity", 0...Limits.onHand)))
        }
        guard channels.count <= Limits.channels else {
            throw DecodingFailure(
                .outOfRange, "channels has \(channels.count) elements; at most \(Limits.channels) are allowed"
            )
        }
        channels.sort { $0.channel < $1.channel }
        for (left, right) in zip(channels, channels.dropFirst()) where left.channel == right.channel {
            throw DecodingFailure(.conflictingFields, "channels names \(left.channel) twice")
        }
        return channels
    }

    private static func check(_ policy: Policy, inWarehouse: Bool) throws(DecodingFailure) {
        if inWarehouse {
            guard policy.backorderLimit == nil, policy.strategy == nil, policy.unitsPerOrder == nil else {
                throw DecodingFailure(
                    .conflictingFields,
                    "backorder_limit, strategy and units_per_order are of the SKU; leave out warehouse")
            }
        } else if !policy.channels.isEmpty {
            throw DecodingFailure(.conflictingFields, "channels are of a warehouse; name it")
        }
        guard let point = policy.reorderPoint else {
            guard policy.rearmPoint == nil, policy.reorderUpTo == nil, !policy.countsInTransit else {
                throw DecodingFailure(
                    .conflictingFields,
                    "rearm_point, reorder_up_to and count_in_transit need a reorder_point")
            }
            return
        }
        let rearm = policy.rearmPoint ?? point
        guard rearm >= point else {
            throw DecodingFailure(.outOfRange, "rearm_point must be at least reorder_point, \(point)")
        }
        guard policy.reorderUpTo ?? rearm >= rearm else {
            throw DecodingFailure(.outOfRange, "reorder_up_to must be at least rearm_point, \(rearm)")
        }
    }

    static func warehouse(_ object: JSONObject) throws(DecodingFailure) -> Warehouse {
        Warehouse(
            id: try object.id("warehouse"), location: try point("location", object),
            priority: try object.optionalInteger("priority", Limits.priorities) ?? Limits.standardPriority,
            handlingHours: try object.optionalInteger("handling_hours", Limits.handlingHours) ?? 0,
            kilometresPerHour: try object.optionalInteger("km_per_hour", Limits.kilometresPerHour)
                ?? Limits.standardKilometresPerHour,
            isActive: try object.optionalBoolean("active") ?? true)
    }

    static func settings(_ object: JSONObject) throws(DecodingFailure) -> Settings {
        let ttl = 1...Limits.longestTTL
        let standard = Settings()
        let settings = Settings(
            defaultTTL: try object.optionalInteger("default_ttl_ms", ttl) ?? standard.defaultTTL,
            shortestTTL: try object.optionalInteger("shortest_ttl_ms", ttl) ?? standard.shortestTTL,
            longestTTL: try object.optionalInteger("longest_ttl_ms", ttl) ?? standard.longestTTL,
            dedupeCount: Int(
                try object.optionalInteger("dedupe_count", Limits.dedupeCounts)
                    ?? Int64(standard.dedupeCount)),
            dedupeAge: try object.optionalInteger("dedupe_age_ms", Limits.dedupeAges) ?? standard.dedupeAge,
            strategy: try object.optionalWord("strategy", Strategy.self) ?? standard.strategy,
            earlierLog: try object.optionalWord("earlier_log", EarlierLog.self),
            partitions: try object.optionalInteger("partitions", Limits.partitions))
        guard settings.shortestTTL <= settings.defaultTTL, settings.defaultTTL <= settings.longestTTL else {
            throw DecodingFailure(
                .outOfRange,
                "default_ttl_ms, \(settings.defaultTTL), must be between shortest_ttl_ms, "
                    + "\(settings.shortestTTL), and longest_ttl_ms, \(settings.longestTTL)")
        }
        return settings
    }
}

extension JSONBuffer {
    /// Left out where there are none.
    mutating func allocations(_ allocations: [Allocation]) {
        if allocations.isEmpty { return }
        beginArray("allocations")
        for allocation in allocations { element(allocation) }
        endArray()
    }

    /// Left out where there are none.
    mutating func allocations(_ allocations: Allocations) {
        let count = allocations.count
        if count == 0 { return }
        beginArray("allocations")
        for index in 0..<count { element(allocations[index]) }
        endArray()
    }

    private mutating func element(_ allocation: Allocation) {
        beginElement()
        string("warehouse", allocation.warehouse)
        integer("quantity", allocation.quantity)
        endElement()
    }

    mutating func point(_ name: StaticString, _ point: Point?) {
        guard let point else { return }
        beginObject(name)
        degrees("latitude", point.latitude)
        degrees("longitude", point.longitude)
        endElement()
    }

    private static let commands = PackedID(ID(Topic.commands.rawValue))

    mutating func source(_ source: Source, topic: Topic?) {
        beginObject("source")
        if let topic {
            // Most records name the commands' topic.
            if topic == .commands { string("topic", Self.commands) } else { string("topic", topic.rawValue) }
        }
        integer("partition", Int64(source.partition))
        integer("offset", source.offset)
        endElement()
    }

    /// The fields of a policy, without an object around them.
    mutating func policyFields(_ policy: Policy) {
        integer("safety_stock", policy.safetyStock)
        integer("reorder_point", policy.reorderPoint)
        integer("rearm_point", policy.rearmPoint)
        integer("reorder_up_to", policy.reorderUpTo)
        flag("count_in_transit", policy.countsInTransit)
        integer("backorder_limit", policy.backorderLimit)
        string("strategy", policy.strategy?.rawValue)
        integer("units_per_order", policy.unitsPerOrder)
        if policy.channels.isEmpty { return }
        beginArray("channels")
        for share in policy.channels {
            beginElement()
            string("channel", share.channel)
            integer("quantity", share.quantity)
            endElement()
        }
        endArray()
    }

    mutating func policy(_ policy: Policy?) {
        guard let policy else { return }
        beginObject("policy")
        policyFields(policy)
        endElement()
    }

    /// The fields that say all that is published of the policies of a SKU.
    mutating func policies(_ published: PublishedPolicies) {
        policy(published.policy)
        if published.warehouses.isEmpty { return }
        beginArray("warehouse_policies")
        for local in published.warehouses {
            beginElement()
            string("warehouse", local.warehouse)
            policyFields(local.policy)
            endElement()
        }
        endArray()
    }

    /// The fields of a warehouse, without an object around them.
    mutating func warehouseFields(_ warehouse: Warehouse) {
        string("warehouse", warehouse.id)
        point("location", warehouse.location)
        integer("priority", warehouse.priority)
        integer("handling_hours", warehouse.handlingHours)
        integer("km_per_hour", warehouse.kilometresPerHour)
        boolean("active", warehouse.isActive)
    }

    /// The fields of settings, without an object around them.
    mutating func settingsFields(_ settings: Settings) {
        integer("default_ttl_ms", settings.defaultTTL)
        integer("shortest_ttl_ms", settings.shortestTTL)
        integer("longest_ttl_ms", settings.longestTTL)
        integer("dedupe_count", Int64(settings.dedupeCount))
        integer("dedupe_age_ms", settings.dedupeAge)
        string("strategy", settings.strategy.rawValue)
        string("earlier_log", settings.earlierLog?.rawValue)
        integer("partitions", settings.partitions)
    }
}
