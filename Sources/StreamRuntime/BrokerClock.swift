/// The broker's clock, as it is learnt from append times: times are due by it, and ours may be wrong. Ours must not jump.
package struct BrokerClock: Equatable, Sendable {
    /// The broker's clock less ours, in milliseconds; never more than the truth once anything was measured, so that what
    /// it says to be due is due.
    package private(set) var offset: Int64 = 0
    /// Whether it was measured, and not only bounded.
    package private(set) var isMeasured = false

    package init() {}

    /// A record was read: the broker's clock is at least where it was when it appended the record.
    /// - Parameters:
    ///   - appendedAt: the broker's append time, in milliseconds since 1970; never a producer's time.
    ///   - now: our clock when the record was read.
    package mutating func heard(appendedAt: Int64, at now: Int64) {
        offset = max(offset, Self.leastOffset(appendedAt, now))
    }

    /// A record of ours was appended, and we know of it: that was just now.
    package mutating func measured(appendedAt: Int64, at now: Int64) {
        offset = Self.leastOffset(appendedAt, now)
        isMeasured = true
    }

    /// Our clock tells whole milliseconds and may be almost one further than it says, and the broker's may have just
    /// begun its own.
    private static func leastOffset(_ appendedAt: Int64, _ now: Int64) -> Int64 { appendedAt - (now + 1) }
}
