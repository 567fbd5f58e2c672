/// Every bound of orders, in one place. What goes over one is refused by its name.
package enum OrderLimits {
    /// The longest id of an order, in bytes of UTF-8: the ids of its reservations and commands hold it and may have 128.
    package static let idBytes = 80

    /// The most lines of an event, and the most that an order may have had, removed ones included.
    package static let linesPerEvent = 100
    package static let lines = 200

    /// The most events of an order that wait until it can heed them, and how many of the newest it remembers in order
    /// to know repeats.
    package static let waitingEvents = 32
    package static let rememberedEvents = 256

    /// What the settings may say, in milliseconds.
    package static let times: ClosedRange<Int64> = 1...(366 * 24 * 60 * 60 * 1000)
}
