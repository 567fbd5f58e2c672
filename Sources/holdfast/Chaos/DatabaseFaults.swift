import Foundation
import Operations
import PostgresClient

/// Faults of PostgreSQL.
extension ChaosFault {
    private static let written = "until PostgreSQL holds all that the ledger held at that moment"

    static let databases = [
        ChaosFault(
            name: "postgres",
            summary:
                "PostgreSQL is killed (SIGKILL to its first process, or an immediate stop) and started again",
            measured: "from when PostgreSQL takes connections again \(written)",
            rounds: 50, shortRounds: 3,
            play: { stage, _ in
                let signal = [SIGKILL, SIGQUIT].randomElement(using: &stage.random)!
                stage.detail = signal == SIGKILL ? "SIGKILL, " : "immediate stop, "
                try stage.pass(milliseconds: Int.random(in: 0...500, using: &stage.random))
                try stage.servers.sendPostgres(signal)
                try stage.servers.awaitPostgresEnd()
                try stage.servers.startPostgres()
                return try stage.storing(since: stage.moment())
            }),
        ChaosFault(
            name: "commit",
            summary:
                "the answer to a COMMIT of the sink is lost: its connection is cut, or PostgreSQL is killed",
            measured: "from the cut, or from when PostgreSQL takes connections again, \(written)",
            rounds: 50, shortRounds: 3,
            begin: { stage in
                for name in ChaosStage.processors { try stage.startProcessor(name) }
                try stage.startOthers(sink: try stage.proxied())
            },
            play: { stage, round in
                // In turn, so that three rounds have each.
                let harm = CommitProxy.Harm.allCases[round % CommitProxy.Harm.allCases.count]
                stage.detail = "\(harm), "
                return try stage.loseCommit(harm)
            }),
        ChaosFault(
            name: "postgres-disk", summary: "PostgreSQL's disk is full for a while",
            measured: "from when there is room again \(written)",
            rounds: 5, shortRounds: 1, needs: .disks,
            play: { stage, _ in
                let servers = stage.servers
                try servers.shrinkDisk(servers.postgresFolder, leaving: 64 << 10)
                try stage.wait("the sink to find that there is no room") { !stage.cast.isReady("sink") }
                try stage.pass(milliseconds: 2_000)
                try servers.growDisk(servers.postgresFolder)
                let start = stage.moment()
                if !servers.isPostgresRunning {
                    stage.detail = "it had ended, "
                    try servers.startPostgres()
                }
                return try stage.storing(since: start)
            }),
    ]
}

extension ChaosStage {
    /// Puts a proxy between the sink and PostgreSQL.
    func proxied() throws -> DemoCast.Surroundings {
        let url = service.configuration.string("database_url")
        guard let range = url.firstRange(of: /:[0-9]+\//), let port = Int(url[range].dropFirst().dropLast())
        else { throw RoleFailure(.internalFault, "no port in \(url)") }
        let proxy = try CommitProxy(server: port)
        self.proxy = proxy
        return DemoCast.Surroundings(
            environment: ["DATABASE_URL": url.replacing(":\(port)/", with: ":\(proxy.port)/")])
    }

    func loseCommit(_ harm: CommitProxy.Harm) throws -> Double {
        let signal = [SIGKILL, SIGQUIT].randomElement(using: &random)!
        let postgres = try servers.postgresIdentifier()
        proxy!.arm(harm) { kill(postgres, signal) }
        try wait("the next COMMIT") { self.proxy!.isDone }
        if harm == .kill {
            try servers.awaitPostgresEnd()
            try servers.startPostgres()
        }
        return try storing(since: moment())
    }

    /// Waits until PostgreSQL holds all that the ledger holds now.
    /// - Returns: how long that took, in seconds.
    func storing(since start: Moment) throws -> Double {
        let ends = try ledgerEnds()
        var connection: Connection?
        try wait("PostgreSQL to hold the ledger") {
            do {
                if connection == nil {
                    connection = try Connection(
                        url: service.configuration.string("database_url"), applicationName: "holdfast chaos")
                }
                return try holds(ends, connection!)
            } catch let error as PostgresError where error.recovery != .stop {
                connection = nil
                return false
            }
        }
        let seconds = MonotonicTime.seconds(since: start.time)
        // The others work on.
        _ = try recovery(since: moment(), ready: ["sink"])
        return seconds
    }

    private func holds(_ ends: [Int32: Int64], _ connection: Connection) throws -> Bool {
        let stored = try connection.query(
            "SELECT partition, next_offset FROM holdfast.sink_offsets WHERE topic = $1",
            [.text(name(.ledger))])
        var behind = ends
        for row in 0..<stored.rowCount {
            guard let partition = try stored.int32(row, 0), let next = try stored.int64(row, 1),
                let end = ends[partition]
            else { continue }
            if next >= end { behind[partition] = nil }
        }
        return behind.isEmpty
    }
}
