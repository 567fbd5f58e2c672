/// What is laid down for a SKU or, in part, for a SKU in one warehouse. What is nil has no effect.
package struct Policy: Equatable, Sendable {
    /// Units withheld from sale. Of a SKU: in each warehouse that lays down nothing of its own.
    package var safetyStock: Int64?
    /// An alert is raised at or under so many units. Of a SKU: over all warehouses.
    package var reorderPoint: Int64?
    /// The alert is taken back above so many units; at least, and without it, the reorder point.
    package var rearmPoint: Int64?
    /// Up to how many units to reorder; at least, and without it, the re-arm point.
    package var reorderUpTo: Int64?
    /// Whether units in transit count for the alerts.
    package var countsInTransit: Bool
    /// The most units of the SKU that may be backordered at once; only of a SKU.
    package var backorderLimit: Int64?
    /// How warehouses are picked; only of a SKU.
    package var strategy: Strategy?
    /// The most units that one order may have; only of a SKU.
    package var unitsPerOrder: Int64?
    /// Units set apart for channels, ordered by channel; only of a SKU in a warehouse.
    package var channels: [ChannelShare]
    /// Whether a `set_policies` laid it down: then the next one that does not name it withdraws it.
    package var isPublished = false

    package init(
        safetyStock: Int64? = nil, reorderPoint: Int64? = nil, rearmPoint: Int64? = nil,
        reorderUpTo: Int64? = nil, countsInTransit: Bool = false, backorderLimit: Int64? = nil,
        strategy: Strategy? = nil, unitsPerOrder: Int64? = nil, channels: [ChannelShare] = []
    ) {
        self.safetyStock = safetyStock
        self.reorderPoint = reorderPoint
        self.rearmPoint = rearmPoint
        self.reorderUpTo = reorderUpTo
        self.countsInTransit = countsInTransit
        self.backorderLimit = backorderLimit
        self.strategy = strategy
        self.unitsPerOrder = unitsPerOrder
        self.channels = channels
    }
}

/// What is laid down for a SKU in one warehouse.
package struct WarehousePolicy: Equatable, Sendable {
    package var warehouse: ID
    package var policy: Policy

    package init(warehouse: ID, policy: Policy) {
        self.warehouse = warehouse
        self.policy = policy
    }
}

/// The whole of what a product's record lays down.
package struct PublishedPolicies: Equatable, Sendable {
    /// Of the SKU; nil where the record names none.
    package var policy: Policy?
    /// At most `Limits.warehousesPerSKU`, none of them twice.
    package var warehouses: [WarehousePolicy]

    package init(policy: Policy? = nil, warehouses: [WarehousePolicy] = []) {
        self.policy = policy
        self.warehouses = warehouses
    }

    package var isEmpty: Bool { policy == nil && warehouses.isEmpty }
}

/// Units that are given to a channel, and that others cannot take.
package struct ChannelShare: Equatable, Sendable {
    package var channel: ID
    package var quantity: Int64

    package init(channel: ID, quantity: Int64) {
        self.channel = channel
        self.quantity = quantity
    }
}

/// What decisions must know of a warehouse.
package struct Warehouse: Equatable, Sendable {
    package var id: ID
    /// Nil where it is not known: such a warehouse is the last for `nearest`, and cannot promise a delivery time.
    package var location: Point?
    /// 1 is served from first.
    package var priority: Int64
    /// From the order to the parcel, in hours.
    package var handlingHours: Int64
    /// How far a parcel comes in an hour, in km along the great circle.
    package var kilometresPerHour: Int64
    /// Whether it takes new allocations.
    package var isActive: Bool

    package init(
        id: ID, location: Point? = nil, priority: Int64 = Limits.standardPriority,
        handlingHours: Int64 = 0, kilometresPerHour: Int64 = Limits.standardKilometresPerHour,
        isActive: Bool = true
    ) {
        self.id = id
        self.location = location
        self.priority = priority
        self.handlingHours = handlingHours
        self.kilometresPerHour = kilometresPerHour
        self.isActive = isActive
    }
}

/// What settings say of a ledger that holds entries of an earlier log: of other partitions of `stock.commands`, from
/// before there were more partitions. Only `holdfast topics grow` lays it down.
package enum EarlierLog: String, CaseIterable, Sendable {
    /// What follows in the ledger is from an earlier log, but for the entries of the partition's own book.
    case follows
    /// It ends here: what follows was decided in this log.
    case ended
}

/// The settings that decisions depend on. They come into each partition as a command, so that a command that
/// is decided again gets the same outcome (DESIGN.md, rule 11).
package struct Settings: Equatable, Sendable {
    /// Of a reservation that names no expiry, in milliseconds.
    package var defaultTTL: Int64
    /// The least and the most of a reservation's TTL, in milliseconds.
    package var shortestTTL: Int64
    package var longestTTL: Int64
    /// How many of the partition's newest commands are remembered to recognise repeats.
    package var dedupeCount: Int
    /// For how long they are, in milliseconds of record time.
    package var dedupeAge: Int64
    /// For SKUs whose policy names none.
    package var strategy: Strategy
    /// Nil in all settings but those that begin and end the copying of an earlier log's entries.
    package var earlierLog: EarlierLog?
    /// By how many partitions of `stock.commands` the keys of this one were placed: 1 or more. Nil where that is not laid
    /// down yet; settings that do not say it leave it as it is.
    package var partitions: Int64?

    package init(
        defaultTTL: Int64 = Limits.defaultTTL, shortestTTL: Int64 = 1,
        longestTTL: Int64 = Limits.standardLongestTTL, dedupeCount: Int = Limits.dedupeWindow,
        dedupeAge: Int64 = Limits.dedupeAge, strategy: Strategy = .mostStock, earlierLog: EarlierLog? = nil,
        partitions: Int64? = nil
    ) {
        self.defaultTTL = defaultTTL
        self.shortestTTL = shortestTTL
        self.longestTTL = longestTTL
        self.dedupeCount = dedupeCount
        self.dedupeAge = dedupeAge
        self.strategy = strategy
        self.earlierLog = earlierLog
        self.partitions = partitions
    }
}
