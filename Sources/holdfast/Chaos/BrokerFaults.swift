import Foundation
import KafkaClient
import Operations

/// Faults of the brokers. They are killed on three nodes: one that is broker and controller alone may itself leave a
/// transaction hanging (docs/faults.md).
extension ChaosFault {
    private static let killed =
        "from SIGKILL until every partition has a result of a command published after it"

    static let brokers = [
        ChaosFault(
            name: "leader", summary: "SIGKILL to the broker that leads a partition of stock.commands",
            measured: killed, rounds: 10, shortRounds: 1, kafka: .cluster,
            play: { stage, _ in
                let partition = ChaosStage.partitions.randomElement(using: &stage.random)!
                let node = try stage.leader(of: stage.name(.commands), partition)
                stage.detail = "node \(node) led partition \(partition), "
                return try stage.killBroker(node)
            }),
        ChaosFault(
            name: "controller", summary: "SIGKILL to the node that is the active controller",
            measured: killed, rounds: 10, shortRounds: 1, kafka: .cluster,
            play: { stage, _ in
                let node = try stage.servers.activeController()
                stage.detail = "node \(node), "
                return try stage.killBroker(node)
            }),
        ChaosFault(
            name: "coordinator",
            summary:
                "SIGKILL to the broker that coordinates a partition's transactions, or the processors' group",
            measured: killed, rounds: 10, shortRounds: 1, kafka: .cluster,
            play: { stage, _ in
                let partition = ChaosStage.partitions.randomElement(using: &stage.random)!
                let node: Int
                if Bool.random(using: &stage.random) {
                    node = try stage.coordinator(of: stage.group, in: "__consumer_offsets")
                    stage.detail = "node \(node), of the group, "
                } else {
                    node = try stage.coordinator(
                        of: stage.transactionalID(partition), in: "__transaction_state")
                    stage.detail = "node \(node), of partition \(partition)'s transactions, "
                }
                return try stage.killBroker(node)
            }),
        ChaosFault(
            name: "broker-pause",
            summary:
                "SIGSTOP to a broker, for less or more than its session with the controller; then SIGCONT",
            measured: "from SIGCONT until every partition has a result of a command published after it",
            rounds: 10, shortRounds: 1, kafka: .cluster,
            play: { stage, _ in
                let partition = ChaosStage.partitions.randomElement(using: &stage.random)!
                let node = try stage.leader(of: stage.name(.results), partition)
                let milliseconds = Int.random(in: 200...8_000, using: &stage.random)
                stage.detail =
                    "node \(node), which led partition \(partition) of the results, stood still for "
                    + "\(milliseconds) ms, "
                try stage.servers.sendNode(node, SIGSTOP)
                do {
                    try stage.pass(milliseconds: milliseconds)
                } catch {
                    try stage.servers.sendNode(node, SIGCONT)
                    throw error
                }
                let start = stage.moment()
                try stage.servers.sendNode(node, SIGCONT)
                let seconds = try stage.recovery(since: start)
                try stage.restoreBroker(node)
                return seconds
            }),
        ChaosFault(
            name: "broker-disk", summary: "the disk of a broker is full; later it has room again",
            measured:
                "from the end of that broker until every partition has a result of a command published after it",
            rounds: 5, shortRounds: 1, kafka: .cluster, needs: .disks,
            play: { stage, _ in
                let node = 3
                let disk = stage.servers.nodeFolder(node)
                try stage.servers.shrinkDisk(disk, leaving: 256 << 10)
                try stage.wait("node \(node) to end for want of room") { !stage.servers.isNodeRunning(node) }
                let seconds = try stage.recovery(since: stage.moment())
                try stage.servers.growDisk(disk)
                try stage.restoreBroker(node)
                return seconds
            }),
    ]
}

extension ChaosStage {
    func leader(of topic: String, _ partition: Int32) throws -> Int {
        guard let placement = try placements()[topic]?[partition], placement.leader > 0 else {
            throw RoleFailure(.internalFault, "nobody leads partition \(partition) of \(topic)")
        }
        return Int(placement.leader)
    }

    /// The broker that leads the partition of Kafka's own topic in which the group or transactional id is kept.
    func coordinator(of id: String, in topic: String) throws -> Int {
        let count = Int32(try placements()[topic]?.count ?? 0)
        guard count > 0 else { throw RoleFailure(.internalFault, "there is no topic \(topic)") }
        return try leader(of: topic, Self.javaHash(id) % count)
    }

    /// Kafka takes the absolute value of `String.hashCode`.
    private static func javaHash(_ text: String) -> Int32 {
        let hash = text.utf16.reduce(Int32(0)) { $0 &* 31 &+ Int32($1) }
        return hash == .min ? 0 : abs(hash)
    }

    /// SIGKILL to a broker; when all works without it, it comes back, and the next round finds all replicas in sync.
    /// - Returns: the time to recover, in seconds.
    func killBroker(_ node: Int) throws -> Double {
        let start = moment()
        try servers.killNode(node)
        let seconds = try recovery(since: start)
        try restoreBroker(node)
        return seconds
    }

    func restoreBroker(_ node: Int) throws {
        if !servers.isNodeRunning(node) { try servers.startNode(node) }
        try wait("all replicas to be in sync") {
            let all = try placements().values.flatMap(\.values)
            return !all.isEmpty && all.allSatisfy { $0.leader > 0 && $0.inSync.count == $0.replicas.count }
        }
        _ = try recovery(since: moment())
    }
}
