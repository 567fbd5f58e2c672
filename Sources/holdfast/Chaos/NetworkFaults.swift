import Foundation

/// Faults of the network.
extension ChaosFault {
    static let networks = [
        ChaosFault(
            name: "network",
            summary:
                "a processor loses every packet to and from the brokers, for longer than a transaction may last",
            measured: "from the cut until every partition has a result of a command published after it",
            rounds: 10, shortRounds: 1, kafka: .cluster, needs: .room,
            begin: { stage in
                let room = ChaosRoom.fromEnvironment()!
                try stage.startProcessor(ChaosStage.processors[0], in: room.surroundings)
                try stage.startProcessor(ChaosStage.processors[1])
                try stage.startOthers()
            },
            play: { stage, _ in
                let room = ChaosRoom.fromEnvironment()!
                let lost = ChaosStage.processors[0]
                let configuration = stage.service.configuration
                let longest = max(
                    configuration.integer("transaction_timeout_ms"),
                    configuration.integer("session_timeout_ms"))
                try stage.pass(milliseconds: Int.random(in: 0...500, using: &stage.random))
                let start = stage.moment()
                try room.setLink(up: false)
                defer { try? room.setLink(up: true) }
                let seconds = try stage.recovery(since: start)
                try stage.pass(milliseconds: max(0, longest + 3_000 - Int(seconds * 1000)))
                try room.setLink(up: true)
                _ = try stage.recovery(since: stage.moment(), ready: [lost])
                try stage.pass(milliseconds: 1_000)
                return seconds
            })
    ]
}
