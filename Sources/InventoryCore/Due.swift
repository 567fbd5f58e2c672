/// When a reservation comes due. Reservations due at once come in the order in which they were made.
struct Due: Equatable, Comparable, Sendable {
    var expiresAt: Timestamp
    var sequence: Int64
    /// Where the reservation stands in the partition's state, or stood: another may be there now.
    var place: Int

    static func < (left: Due, right: Due) -> Bool {
        left.expiresAt == right.expiresAt
            ? left.sequence < right.sequence : left.expiresAt < right.expiresAt
    }
}
