/// Every bound of the domain, in one place. What goes over one is refused by its name.
///
/// These are constants and no settings: a decision depends on the log of its partition alone (DESIGN.md,
/// rule 11), so what bounds a decision may not differ from machine to machine.
package enum Limits {
    /// The longest id (SKU, warehouse, order, reservation, command, reference), in bytes of UTF-8.
    package static let idBytes = 128

    /// The most units that one command may name. The least is 1.
    package static let quantity: Int64 = 1_000_000_000

    /// The most units on hand of one SKU in one warehouse. Below 2^53, so that any JSON reader keeps it exact.
    package static let onHand: Int64 = 1_000_000_000_000

    /// The TTL of a reservation that names neither `ttl_ms` nor `expires_at`: 15 minutes, in milliseconds.
    package static let defaultTTL: Int64 = 15 * 60 * 1000

    /// The longest TTL of a reservation: 30 days, in milliseconds. The shortest is 1 ms.
    package static let longestTTL: Int64 = 30 * 24 * 60 * 60 * 1000

    /// How many of the partition's newest ledger entries are remembered to recognise repeats: the dedupe
    /// window, by count.
    package static let dedupeWindow = 65_536

    /// The most fields that a command may have, unknown ones included.
    package static let commandFields = 64

    /// The largest command, in bytes. Kafka's own default for a topic's `max.message.bytes`.
    package static let commandBytes = 1_048_588

    /// How far a record's time may lie from 1970, in milliseconds: the end of the year 9999.
    package static let latestTime: Int64 = 253_402_300_799_999
}
