import InventoryCore

extension Timestamp {
    /// When a command is issued by a sender that goes by its own clock.
    ///
    /// It stays behind that clock by what a clock may be ahead (`Limits.clockLead`): a command that is issued in the
    /// future is not decided, and one that is issued a second early is as good.
    ///
    /// - Parameters:
    ///   - now: by its clock, in milliseconds since 1970.
    ///   - record: the broker's time of what it follows from; it is not issued before that.
    package static func issued(at now: Int64, after record: Int64? = nil) -> Timestamp {
        Timestamp(milliseconds: min(max(now - Limits.clockLead, record ?? 0, 0), Limits.latestTime))
    }
}
