import InventoryCore

/// Every bound of orders, in one place. What goes over one is refused by its name.
package enum OrderLimits {
    /// The longest id of an order, in bytes of UTF-8: the ids of its reservations and commands hold it and may have 128.
    package static let idBytes = Limits.Address.orderIDBytes

    /// The most lines of an event, and the most that an order may have had, removed ones included.
    package static let linesPerEvent = 100
    package static let lines = Limits.Address.lines.upperBound

    /// The most reservations that a line may have had, and the most commands about one of them.
    package static let attempts = Limits.Address.attempts.upperBound
    package static let commands = Limits.Address.commands.upperBound

    /// From so many commands about a reservation on, or reservations of a line, events of the order are refused: the
    /// others are for what time and the stock bring about.
    package static let commandsByEvents = 900_000

    /// The most events of an order that wait until it can heed them, and how many of the newest it remembers in order
    /// to know repeats.
    package static let waitingEvents = 32
    package static let rememberedEvents = 256

    /// Up to so many bytes the records of an order may grow by what people and the stock say of it: what goes beyond is
    /// refused. Only units that the stock moves by itself, and that lie in more warehouses then, are not asked for; so
    /// `max.message.bytes` of `order.state` and `order.outcomes` and the producers' `message.max.bytes` are
    /// `Limits.recordBytes`.
    package static let recordBytes = 1_000_000

    /// The most of what befell a claim that is kept while it moves.
    package static let befallen = 200

    /// What the settings may say, in milliseconds.
    package static let times: ClosedRange<Int64> = 1...(366 * 24 * 60 * 60 * 1000)
}
