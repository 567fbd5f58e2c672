import CLibpq

/// The owner of a `PGconn`; ends it with `PQfinish`.
struct ConnectionHandle: ~Copyable {
    let raw: OpaquePointer

    deinit { PQfinish(raw) }
}

/// The opening of a connection, and the reading of its errors.
enum Connecting {
    /// What holds unless the URL says otherwise. Keepalives find a dead machine within about 20 s even while
    /// nothing is sent; `tcp_user_timeout` finds one while something is.
    private static let defaults: KeyValuePairs = [
        "keepalives": "1", "keepalives_idle": "10", "keepalives_interval": "3", "keepalives_count": "3",
        "tcp_user_timeout": "15000",
    ]

    /// Opens a connection that does not block; wraps `PQconnectStartParams`, `PQconnectPoll` and
    /// `PQsetnonblocking`.
    static func open(
        _ parameters: ConnectionParameters, url: String, applicationName: String, _ deadline: Deadline
    ) throws(PostgresError) -> ConnectionHandle {
        // In libpq the last one counts: before `dbname` stands what the URL may override, after it what not.
        let keywords = defaults.map(\.key) + ["application_name", "dbname", "client_encoding"]
        let values = defaults.map(\.value) + [applicationName, url, "UTF8"]
        guard let raw = start(keywords, values) else {
            throw PostgresError(
                message: "out of memory", operation: "connect", recovery: .stop)
        }
        let handle = ConnectionHandle(raw: raw)
        // Messages then start with their SQLSTATE, which libpq gives in no other way while connecting.
        PQsetErrorVerbosity(raw, PQERRORS_VERBOSE)
        try poll(raw, parameters, deadline)
        PQsetErrorVerbosity(raw, PQERRORS_DEFAULT)
        PQsetnonblocking(raw, 1)
        return handle
    }

    private static func start(_ keywords: [String], _ values: [String]) -> OpaquePointer? {
        withCStrings(keywords) { keywords in
            withCStrings(values) { values in PQconnectStartParams(keywords, values, 1) }
        }
    }

    private static func poll(
        _ raw: OpaquePointer, _ parameters: ConnectionParameters, _ deadline: Deadline
    ) throws(PostgresError) {
        guard PQstatus(raw) != CONNECTION_BAD else { throw failure(of: raw, parameters) }
        var state = PGRES_POLLING_WRITING
        while state != PGRES_POLLING_OK {
            guard state != PGRES_POLLING_FAILED else { throw failure(of: raw, parameters) }
            let isReady = deadline.wait(
                for: PQsocket(raw), reading: state == PGRES_POLLING_READING,
                writing: state == PGRES_POLLING_WRITING)
            guard isReady else {
                throw PostgresError(
                    message: "no answer in time from \(parameters)", operation: "connect", recovery: .retry)
            }
            state = PQconnectPoll(raw)
        }
    }

    private static func failure(
        of raw: OpaquePointer, _ parameters: ConnectionParameters
    ) -> PostgresError {
        let text = String(cString: PQerrorMessage(raw))
        let isPasswordMissing = PQconnectionNeedsPassword(raw) == 1
        let sqlState = sqlState(in: text)
        let remedy: String?
        let recovery: Recovery
        if let sqlState, !isPasswordMissing {
            remedy = PostgresError.remedy(
                sqlState: sqlState, message: text, certificate: parameters["sslcert"])
            recovery = Recovery.of(sqlState: sqlState)
        } else if isPasswordMissing {
            (remedy, recovery) = ("Give the password in the URL, or in a file that passfile names", .stop)
        } else {
            remedy = PostgresError.remedy(distrustIn: text)
            recovery = remedy == nil ? .retry : .stop
        }
        return PostgresError(
            sqlState: sqlState, message: tidy(text, without: parameters.password), detail: remedy,
            operation: "connect", recovery: recovery)
    }

    /// The last `FATAL:  28P01: ...` of the message: where a host has several addresses, of the last one.
    static func sqlState(in message: String) -> String? {
        for line in message.split(separator: "\n").reversed() {
            for part in line.split(separator: " ").reversed() where part.utf8.count == 6 && part.last == ":" {
                let code = part.dropLast()
                let isCode = code.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) }
                if isCode && code != "FATAL" && code != "ERROR" { return String(code) }
            }
        }
        return nil
    }

    /// One line, without the place in the server's source and, whatever happens, without the password.
    static func tidy(_ message: String, without password: String?) -> String {
        let lines = message.split(separator: "\n").filter { !$0.hasPrefix("LOCATION:") }
        let text = lines.map { $0.drop { $0.isWhitespace } }.joined(separator: "; ")
        guard let password, !password.isEmpty else { return text }
        return text.replacing(password, with: "********")
    }
}

/// Calls `body` with a NULL-terminated array of C strings.
private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
    var bytes: [CChar] = []
    let offsets = strings.map { string in
        defer { bytes.append(contentsOf: string.utf8CString) }
        return bytes.count
    }
    return bytes.withUnsafeBufferPointer { bytes in
        var pointers: [UnsafePointer<CChar>?] = offsets.map { bytes.baseAddress! + $0 }
        pointers.append(nil)
        return pointers.withUnsafeBufferPointer { body($0.baseAddress!) }
    }
}
