import Foundation

/// A network of its own that a process can be put into, with one link to ours, which can be cut. deploy/lib/chaos.sh
/// makes it.
struct ChaosRoom: Sendable {
    /// A process that keeps the room.
    let keeper: Int32
    /// Our end of the link, and its address.
    let link: String
    let outerAddress: String

    /// The room that the script tells of; nil if it made none.
    static func fromEnvironment() -> ChaosRoom? {
        let words = (ProcessInfo.processInfo.environment["HOLDFAST_CHAOS_ROOM"] ?? "").split(separator: " ")
        guard words.count == 3, let keeper = Int32(words[0]) else { return nil }
        return ChaosRoom(keeper: keeper, link: String(words[1]), outerAddress: String(words[2]))
    }
}
