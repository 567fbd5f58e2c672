import CLibpq

/// A PostgreSQL connection URL or `key=value` string, taken apart.
///
/// Its description is for logs and never holds a secret.
package struct ConnectionParameters: Sendable {
    private var values: [String: String]

    /// Takes `url` apart; wraps `PQconninfoParse`.
    ///
    /// - Throws: `PostgresError` (stop) when it is not well formed. libpq's own words are left out, because
    ///   they quote the part that it stumbled over, which may be the password.
    package init(_ url: String) throws(PostgresError) {
        try Self.checkShape(of: url)
        var message: UnsafeMutablePointer<CChar>?
        guard let options = PQconninfoParse(url, &message) else {
            PQfreemem(message)
            throw Self.malformed("it is no connection URL (postgres://user:password@host:port/database)")
        }
        defer { PQconninfoFree(options) }
        values = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
    }

    /// The value that the URL gives for one of libpq's keywords, such as `host` or `dbname`.
    package subscript(keyword: String) -> String? {
        get { values[keyword] }
        set { values[keyword] = newValue }
    }

    /// The same as a `key=value` string that libpq reads. Holds the password.
    package var connectionString: String {
        values.sorted { $0.key < $1.key }.map { key, value in
            let quoted = value.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
            return "\(key)='\(quoted)'"
        }.joined(separator: " ")
    }

    var password: String? { values["password"] }

    /// A special character that was not percent-encoded moves the end of the password into the host or the
    /// port, which error messages show. Such a URL is refused before libpq sees it.
    private static func checkShape(of url: String) throws(PostgresError) {
        guard let scheme = ["postgres://", "postgresql://"].first(where: url.hasPrefix) else { return }
        let rest = url.dropFirst(scheme.count).prefix { $0 != "?" }
        guard let lastAt = rest.lastIndex(of: "@") else { return }
        if rest[..<lastAt].contains(where: { "@/#".contains($0) }) {
            throw malformed("a special character in its user or password is not percent-encoded (@ is %40)")
        }
    }

    private static func malformed(_ problem: String) -> PostgresError {
        PostgresError(
            message: "the connection URL cannot be used: \(problem)", operation: "connect", recovery: .stop)
    }
}

extension ConnectionParameters: CustomStringConvertible {
    package var description: String {
        let shown = ["host", "hostaddr", "port", "dbname", "user", "sslmode"]
        return shown.compactMap { key in values[key].map { "\(key)=\($0)" } }.joined(separator: " ")
    }
}
