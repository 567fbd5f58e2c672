/// Every bound of the domain, in one place. What goes over one is refused by its name.
///
/// These are constants: a decision depends on the log of its partition alone (DESIGN.md, rule 11), so what
/// bounds a decision may not differ from machine to machine. What people may choose within these bounds comes
/// into the partition as a command (`Settings`, `Policy`).
package enum Limits {
    /// The longest id (SKU, warehouse, order, reservation, command, channel, reference), in bytes of UTF-8.
    package static let idBytes = 128

    /// The longest note of an adjustment, in bytes of UTF-8.
    package static let noteBytes = 512

    /// The most units that one command may name. The least is 1.
    package static let quantity: Int64 = 1_000_000_000

    /// The most units on hand, in transit, damaged or backordered of one SKU in one warehouse, and the most
    /// that a policy or a count may name. Below 2^53, so that any JSON reader keeps it exact.
    package static let onHand: Int64 = 1_000_000_000_000

    /// The TTL of a reservation where the settings say nothing else: 15 minutes, in milliseconds.
    package static let defaultTTL: Int64 = 15 * 60 * 1000

    /// The longest TTL where the settings say nothing else: 30 days, in milliseconds.
    package static let standardLongestTTL: Int64 = 30 * 24 * 60 * 60 * 1000

    /// The longest TTL that the settings may allow: 366 days, in milliseconds. The shortest is 1 ms.
    package static let longestTTL: Int64 = 366 * 24 * 60 * 60 * 1000

    /// How many of the partition's newest commands are remembered to recognise repeats, where the settings say nothing
    /// else, and what the settings may say.
    package static let dedupeWindow = 1_048_576
    package static let dedupeCounts: ClosedRange<Int64> = 16...16_777_216

    /// For how long they are remembered, where the settings say nothing else: 24 hours, in milliseconds; and
    /// what the settings may say: a second to 30 days.
    package static let dedupeAge: Int64 = 24 * 60 * 60 * 1000
    package static let dedupeAges: ClosedRange<Int64> = 1_000...(30 * 24 * 60 * 60 * 1000)

    /// How far a command's `issued_at` may be ahead of its record's time, in milliseconds: so far the clocks of senders
    /// and brokers may differ.
    package static let clockLead: Int64 = 1_000

    /// The most warehouses that one SKU may stand in, and the most that a partition may know. A SKU's levels
    /// are one record, which must fit into its topic.
    package static let warehousesPerSKU = 200
    package static let warehouses = 1_000

    /// The most channels that units of a SKU are set apart for in one warehouse.
    package static let channels = 8

    /// The most warehouses that a `reallocate` may name.
    package static let allocations = 100

    /// A warehouse's place in the order of `priority`: 1 comes first.
    package static let priorities: ClosedRange<Int64> = 1...1_000_000
    package static let standardPriority: Int64 = 1_000

    /// Hours for handling, and for a delivery.
    package static let handlingHours: ClosedRange<Int64> = 0...8_760
    package static let deliveryHours: ClosedRange<Int64> = 1...8_760

    /// How far a parcel comes in an hour.
    package static let kilometresPerHour: ClosedRange<Int64> = 1...1_000
    package static let standardKilometresPerHour: Int64 = 40

    /// How many partitions `stock.commands` may have.
    package static let partitions: ClosedRange<Int64> = 1...1_000_000

    /// The most fields that a command may have, unknown ones included.
    package static let commandFields = 64

    /// The largest command, in bytes. Kafka's own default for a topic's `max.message.bytes`.
    package static let commandBytes = 1_048_588

    /// How far a record's time may lie from 1970, in milliseconds: the end of the year 9999.
    package static let latestTime: Int64 = 253_402_300_799_999
}
