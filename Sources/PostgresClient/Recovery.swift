/// What follows from an error.
package enum Recovery: Equatable, Sendable {
    /// The transaction did not happen. Connect again if needed, and do it again from the start.
    case retry
    /// The connection went away during COMMIT: the transaction happened or did not. Look before doing it again.
    case unknownCommit
    /// Doing it again would fail again: a person must change something first.
    case stop

    /// What to do next, as a sentence.
    package var advice: String {
        switch self {
        case .retry: "Nothing was stored; it can be tried again"
        case .unknownCommit:
            "Whether it was committed is not known; read back what is stored before going on"
        case .stop: "Trying again will not help; mend the cause first"
        }
    }
}

extension Recovery {
    /// One class or code of SQLSTATE (the longest prefix that fits counts), what follows, and why.
    package typealias Rule = (prefix: String, recovery: Recovery, reason: String)

    package static let rules: [Rule] = [
        ("08", .retry, "the connection failed; the server rolls back what was open"),
        ("08004", .stop, "the server refuses this client by its rules"),
        (
            "08P01", .stop,
            "the two sides don't understand each other: not a PostgreSQL server, or a defect here"
        ),
        ("22", .stop, "a value that the column cannot hold stays one"),
        ("23", .stop, "a constraint refuses the row, and will refuse it again"),
        ("25006", .retry, "a standby answered: a failover is under way and a primary will come"),
        ("25P03", .retry, "the server ended a session that was idle in its transaction for too long"),
        ("25P04", .retry, "the server ended a transaction that took too long"),
        ("28", .stop, "the user or its password is refused"),
        ("3D000", .stop, "the database does not exist"),
        ("3F000", .stop, "the schema does not exist: the migrations have not run"),
        ("40001", .retry, "serialization failure: another transaction came in between"),
        ("40P01", .retry, "deadlock: the server chose this transaction to give way"),
        ("40003", .unknownCommit, "the server itself does not know whether the statement completed"),
        ("42", .stop, "wrong SQL, a missing object, or a missing privilege"),
        ("53100", .retry, "the disk is full: space may be freed, and nothing of the transaction was stored"),
        ("53200", .retry, "out of memory: the moment may pass"),
        ("53300", .retry, "too many connections: one will end"),
        ("55P03", .retry, "a lock was not to be had in time"),
        ("57014", .retry, "the statement took longer than its limit, or was cancelled by hand"),
        ("57P01", .retry, "the administrator ended the session or shuts the server down"),
        ("57P02", .retry, "another backend crashed and the server restarts"),
        ("57P03", .retry, "the server starts or stops and takes no connection now"),
        ("57P04", .stop, "the database was dropped"),
        ("57P05", .retry, "the server ended a session that was idle for too long"),
        ("58030", .stop, "the server cannot read or write its files"),
        ("XX", .stop, "an internal error or corrupt data of the server"),
    ]

    /// What follows from `sqlState`. What no rule names is not known to get better by itself: stop.
    package static func of(sqlState: String) -> Recovery {
        rules.filter { sqlState.hasPrefix($0.prefix) }
            .max { $0.prefix.utf8.count < $1.prefix.utf8.count }?.recovery ?? .stop
    }

    /// The same for an error of COMMIT. `isConnectionGone` when no further statement can follow.
    static func ofCommit(sqlState: String?, isConnectionGone: Bool) -> Recovery {
        if isConnectionGone { return .unknownCommit }
        return sqlState.map(of(sqlState:)) ?? .unknownCommit
    }
}
