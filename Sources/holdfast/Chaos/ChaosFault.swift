/// A fault that `holdfast chaos` does to the system, in rounds.
struct ChaosFault: Sendable {
    /// What a fault needs besides servers, and not every machine has.
    enum Need: Sendable {
        /// A room for a process with a network of its own, whose link can be cut.
        case room
        /// File systems that can be made small.
        case disks
        /// A library that turns the clock of a process.
        case clock
    }

    let name: String
    /// What is done.
    let summary: String
    /// From when to when the time to recover is measured.
    let measured: String
    let rounds: Int
    let shortRounds: Int
    var kafka = ChaosServers.Kafka.one
    var needs: Need?
    /// Starts the roles.
    var begin: @Sendable (ChaosStage) throws -> Void = { try $0.startRoles() }
    /// Does it once, and waits until all works again.
    /// - Returns: the time to recover, in seconds.
    let play: @Sendable (ChaosStage, _ round: Int) throws -> Double

    /// In the order in which they are tried: those of one Kafka node first.
    static let all = roles + databases + clocks + brokers + networks
}
