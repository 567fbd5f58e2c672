import Foundation

/// Faults of the roles themselves.
extension ChaosFault {
    static let roles = [
        ChaosFault(
            name: "kill",
            summary:
                "SIGKILL to a processor, the delay service, the relay, the coordinator or the sink, and a new one in its place",
            measured:
                "from SIGKILL until every partition has a result of a command published after it, and the new one is ready",
            rounds: 200, shortRounds: 8,
            play: { stage, _ in
                let victim = stage.nextVictim()
                try stage.pass(milliseconds: Int.random(in: 0...300, using: &stage.random))
                stage.detail = "\(victim), "
                let start = stage.moment()
                try stage.cast.killAndRestart(victim)
                return try stage.recovery(since: start, ready: [victim])
            }),
        ChaosFault(
            name: "zombie",
            summary: "SIGSTOP to a processor until others have long had its partitions, then SIGCONT",
            measured: "from SIGSTOP until every partition has a result of a command published after it",
            rounds: 10, shortRounds: 1,
            play: { stage, _ in
                let victim = ChaosStage.processors.randomElement(using: &stage.random)!
                stage.detail = "\(victim), "
                let session = stage.service.configuration.integer("session_timeout_ms")
                let start = stage.moment()
                stage.cast.send(SIGSTOP, to: victim)
                let seconds = try stage.recovery(since: start)
                try stage.pass(milliseconds: max(2_000, session + 2_000 - Int(seconds * 1000)))
                stage.cast.send(SIGCONT, to: victim)
                _ = try stage.recovery(since: stage.moment(), ready: [victim])
                try stage.pass(milliseconds: 1_000)
                return seconds
            }),
        ChaosFault(
            name: "rebalance",
            summary: "processors join the group, leave it and are killed, 1 to 4 at a time",
            measured:
                "from the start or end of a member until every partition has a result of a command published after it",
            rounds: 50, shortRounds: 4,
            begin: { stage in
                for number in 1...2 { try stage.startMember(number) }
                try stage.startOthers()
            },
            play: { stage, round in try stage.changeMembers(round) }),
    ]
}

extension ChaosStage {
    /// All roles in turn, in an order that is drawn for each time round.
    func nextVictim() -> String {
        if victims.isEmpty {
            victims = (Self.processors + ["delay", "relay", "coordinator", "sink"]).shuffled(using: &random)
        }
        return victims.removeLast()
    }

    /// A processor that is no static member: who leaves is missed at once.
    func startMember(_ number: Int) throws { try cast.start("member-\(number)", ["process"]) }

    /// One member more or fewer.
    func changeMembers(_ round: Int) throws -> Double {
        let members = cast.parts.map(\.name).filter { $0.hasPrefix("member-") }
        let start: Moment
        let mayJoin = members.count < 4
        let mayLeave = members.count > 1
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<5 where mayJoin, _ where !mayLeave:
            detail = "one more than \(members.count), "
            start = moment()
            try startMember(round + 3)
            return try recovery(since: start, ready: ["member-\(round + 3)"])
        case 9:
            detail = "one of \(members.count) killed, "
            start = moment()
            cast.kill(members.randomElement(using: &random)!)
        default:
            detail = "one of \(members.count) leaves, "
            start = moment()
            stopInOrder(members.randomElement(using: &random)!)
        }
        return try recovery(since: start)
    }
}
