import Foundation

/// Faults of PostgreSQL.
extension ChaosFault {
    static let databases = [
        ChaosFault(
            name: "postgres",
            summary: "PostgreSQL is killed (SIGKILL to its first process, or an immediate stop) and started again",
            measured: "from when PostgreSQL takes connections again until the sink has written all there is",
            rounds: 50, shortRounds: 3,
            play: { stage, _ in
                let signal = [SIGKILL, SIGQUIT].randomElement(using: &stage.random)!
                stage.detail = signal == SIGKILL ? "SIGKILL, " : "immediate stop, "
                try stage.pass(milliseconds: Int.random(in: 0...500, using: &stage.random))
                try stage.servers.sendPostgres(signal)
                try stage.servers.awaitPostgresEnd()
                try stage.servers.startPostgres()
                return try stage.recovery(since: stage.moment(), ready: ["sink"])
            }),
    ]
}
