/// What a static member does when the group says that another has its instance id: it joins anew, or gives way.
///
/// The other is mostly itself: a join whose answer was lost, as when the coordinator goes down, went through all the
/// same; the client joins again, the broker takes that for another member of the same instance id, and fences the
/// first. So the first time it joins again at once. If that does not last, it looks who has the id: one that
/// nobody is behind is gone when its session is over, and one that outlives it is somebody else's.
///
///     fenced -> join                       the first time in a while
///     fenced -> look -> ... -> join        nobody has the id
///                       ... -> giveWay     somebody lives under it
package struct InstanceClaim: Sendable {
    /// Who has an instance id, as the group's coordinator knows it.
    package struct Holder: Sendable, Equatable {
        package let memberID: String
        package let clientID: String
        /// The address that it speaks from, as the broker writes it.
        package let host: String

        package init(memberID: String, clientID: String, host: String) {
            self.memberID = memberID
            self.clientID = clientID
            self.host = host
        }
    }

    package enum Action: Sendable, Equatable {
        /// Drop the member, and join as a new one.
        case join
        /// Ask who has the instance id, and tell it with `saw`, or `sawNothing` if nobody answers.
        case look
        /// End: the id is somebody else's, or nobody could tell for long.
        case giveWay(to: Holder?)
    }

    /// In milliseconds: a member that is not heard of for so long is dropped by the group.
    private let sessionTimeout: Int64
    private var fencedAt: Int64?
    private var holder: Holder?
    private var heldSince: Int64 = 0
    private var lookedSince: Int64 = 0

    /// How long the broker may take to drop a member after its session, in milliseconds.
    private static let margin: Int64 = 2_000
    /// How long nobody may know who has the id, in milliseconds.
    private static let lookLimit: Int64 = 120_000
    /// Two processes of one id fence one another within a session. A supervisor's restarts may lie in between.
    private static let memory: Int64 = 60_000

    /// - Parameter sessionTimeout: of the group's members, in milliseconds.
    package init(sessionTimeout: Int64) { self.sessionTimeout = sessionTimeout }

    /// The group has fenced this member.
    /// - Parameter now: milliseconds of a clock that never goes back, as in all that follows.
    package mutating func fenced(at now: Int64) -> Action {
        defer { fencedAt = now }
        guard let before = fencedAt, now - before < sessionTimeout + Self.memory else { return .join }
        holder = nil
        lookedSince = now
        return .look
    }

    /// Who has the id now; nil if nobody.
    /// - Parameter isStable: whether the group is at rest: while it rebalances, the sessions of those who wait for
    ///   its word do not end.
    package mutating func saw(_ holder: Holder?, isStable: Bool, at now: Int64) -> Action {
        guard let holder else {
            // Whoever fences this one from now on began after it had looked.
            return .join
        }
        if holder != self.holder || !isStable {
            self.holder = holder
            heldSince = now
        }
        if now - heldSince >= sessionTimeout + Self.margin { return .giveWay(to: holder) }
        return sawNothing(at: now)
    }

    /// The question got no answer.
    package func sawNothing(at now: Int64) -> Action {
        now - lookedSince < Self.lookLimit + sessionTimeout ? .look : .giveWay(to: holder)
    }
}
