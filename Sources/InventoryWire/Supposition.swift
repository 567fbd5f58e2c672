import InventoryCore

/// What a replay supposes instead of what was laid down: policies and settings, field by field.
package struct Supposition: Equatable, Sendable {
    /// The fields of a policy that are supposed; the others stay as they were laid down.
    package struct PolicyFields: Equatable, Sendable {
        var policy = Policy()
        var countsInTransit: Bool?

        package var isEmpty: Bool { policy == Policy() && countsInTransit == nil }

        /// - Parameter other: what was laid down; nil for nothing.
        package func over(_ other: Policy?) -> Policy {
            var result = other ?? Policy()
            result.safetyStock = policy.safetyStock ?? result.safetyStock
            result.reorderPoint = policy.reorderPoint ?? result.reorderPoint
            result.rearmPoint = policy.rearmPoint ?? result.rearmPoint
            result.reorderUpTo = policy.reorderUpTo ?? result.reorderUpTo
            result.countsInTransit = countsInTransit ?? result.countsInTransit
            result.backorderLimit = policy.backorderLimit ?? result.backorderLimit
            result.strategy = policy.strategy ?? result.strategy
            result.unitsPerOrder = policy.unitsPerOrder ?? result.unitsPerOrder
            return result
        }
    }

    package struct SettingsFields: Equatable, Sendable {
        var defaultTTL: Int64?
        var shortestTTL: Int64?
        var longestTTL: Int64?
        var dedupeCount: Int64?
        var dedupeAge: Int64?
        var strategy: Strategy?

        package func over(_ other: Settings) -> Settings {
            Settings(
                defaultTTL: defaultTTL ?? other.defaultTTL, shortestTTL: shortestTTL ?? other.shortestTTL,
                longestTTL: longestTTL ?? other.longestTTL,
                dedupeCount: dedupeCount.map { Int($0) } ?? other.dedupeCount,
                dedupeAge: dedupeAge ?? other.dedupeAge, strategy: strategy ?? other.strategy,
                earlierLog: other.earlierLog, partitions: other.partitions)
        }
    }

    /// A SKU, or a SKU in a warehouse.
    package struct Subject: Hashable, Sendable {
        package var sku: ID
        package var warehouse: ID?

        package init(sku: ID, warehouse: ID?) {
            self.sku = sku
            self.warehouse = warehouse
        }
    }

    /// Of every SKU.
    package var all = PolicyFields()
    /// Of these alone; they go over those of every SKU.
    package var some: [Subject: PolicyFields] = [:]
    package var settings = SettingsFields()

    package init() {}

    /// What a SKU, or a SKU in a warehouse, has instead of what was laid down for it.
    package func policy(of subject: Subject, insteadOf laidDown: Policy?) -> Policy {
        let general = subject.warehouse == nil ? all.over(laidDown) : laidDown ?? Policy()
        return some[subject]?.over(general) ?? general
    }
}

extension RecordReader {
    private static let suppositionBytes = 16 << 20

    /// Reads what `holdfast replay --policy` takes: an object with fields of `set_policy`, and perhaps `settings` and
    /// `policies`.
    package mutating func supposition(_ bytes: [UInt8]) throws(DecodingFailure) -> Supposition {
        var result: Swift.Result<Supposition, DecodingFailure>?
        bytes.withUnsafeBytes { bytes in
            do throws(DecodingFailure) {
                let supposition = try read(bytes, limit: Self.suppositionBytes) {
                    object throws(DecodingFailure) in try Self.supposition(object)
                }
                result = .success(supposition)
            } catch {
                result = .failure(error)
            }
        }
        return try result!.get()
    }

    private static let policyNames: [StaticString] = [
        "safety_stock", "reorder_point", "rearm_point", "reorder_up_to", "count_in_transit",
        "backorder_limit", "strategy", "units_per_order",
    ]
    private static let settingsNames: [StaticString] = [
        "default_ttl_ms", "shortest_ttl_ms", "longest_ttl_ms", "dedupe_count", "dedupe_age_ms", "strategy",
    ]

    private static func supposition(_ object: JSONObject) throws(DecodingFailure) -> Supposition {
        try object.checkFields(limit: Limits.commandFields)
        try object.checkNames(policyNames + ["settings", "policies"])
        var supposition = Supposition()
        supposition.all = try policyFields(object)
        if let settings = try object.optionalObject("settings") {
            try settings.checkFields(limit: Limits.commandFields)
            try settings.checkNames(settingsNames)
            let ttl = 1...Limits.longestTTL
            supposition.settings = Supposition.SettingsFields(
                defaultTTL: try settings.optionalInteger("default_ttl_ms", ttl),
                shortestTTL: try settings.optionalInteger("shortest_ttl_ms", ttl),
                longestTTL: try settings.optionalInteger("longest_ttl_ms", ttl),
                dedupeCount: try settings.optionalInteger("dedupe_count", Limits.dedupeCounts),
                dedupeAge: try settings.optionalInteger("dedupe_age_ms", Limits.dedupeAges),
                strategy: try settings.optionalWord("strategy", Strategy.self))
        }
        for element in try object.optionalObjects("policies") {
            try element.checkFields(limit: Limits.commandFields)
            try element.checkNames(policyNames + ["sku", "warehouse"])
            let subject = Supposition.Subject(
                sku: try element.id("sku"), warehouse: try element.optionalID("warehouse"))
            let fields = try policyFields(element)
            if subject.warehouse != nil {
                guard
                    fields.policy.backorderLimit == nil && fields.policy.strategy == nil
                        && fields.policy.unitsPerOrder == nil
                else {
                    throw DecodingFailure(
                        .conflictingFields,
                        "backorder_limit, strategy and units_per_order are of the SKU; leave out warehouse")
                }
            }
            guard supposition.some.updateValue(fields, forKey: subject) == nil else {
                throw DecodingFailure(.conflictingFields, "policies names \(subject.sku) twice")
            }
        }
        return supposition
    }

    private static func policyFields(
        _ object: JSONObject
    ) throws(DecodingFailure) -> Supposition.PolicyFields {
        let units = 0...Limits.onHand
        return Supposition.PolicyFields(
            policy: Policy(
                safetyStock: try object.optionalInteger("safety_stock", units),
                reorderPoint: try object.optionalInteger("reorder_point", units),
                rearmPoint: try object.optionalInteger("rearm_point", units),
                reorderUpTo: try object.optionalInteger("reorder_up_to", units),
                backorderLimit: try object.optionalInteger("backorder_limit", units),
                strategy: try object.optionalWord("strategy", Strategy.self),
                unitsPerOrder: try object.optionalInteger("units_per_order", 1...Limits.onHand)),
            countsInTransit: try object.optionalBoolean("count_in_transit"))
    }
}
