extension PostgresError {
    /// Whether it came while connecting and trying again will not help: the server does not take this user, or
    /// this side does not take the server for genuine, or the address is none.
    package var isRefusal: Bool { operation == "connect" && recovery == .stop }

    /// What a person is to do about a connection that the server refused with this SQLSTATE; nil if only its
    /// words say it.
    ///
    /// - Parameters:
    ///   - message: what the server says.
    ///   - certificate: the client's, if it has one.
    static func remedy(sqlState: String, message: String = "", certificate: String? = nil) -> String? {
        switch sqlState {
        case "28000" where message.contains("client certificate"):
            "Set sslcert and sslkey in the URL to a certificate of this user"
        // The server says so of a certificate of another user, too, once the password was right.
        case "28P01" where certificate != nil:
            "Set user and password in the URL to what the server knows, and sslcert to a certificate of this user"
        case "28P01": "Set user and password in the URL to what the server knows"
        case "28000":
            "The server's pg_hba.conf must let this user into this database from this host, and a role must have LOGIN"
        case "3D000": "Name a database that exists, or create it"
        case "42501": "GRANT CONNECT on the database to the user"
        default: nil
        }
    }

    /// libpq's words, which have no code of their own, for what it has against the server, and what a person is
    /// to do about it. They are in English: the program sets no locale.
    static let distrust: [(words: String, remedy: String)] = [
        (
            "certificate verify failed",
            "Set sslrootcert in the URL to the certificate of the authority that signed the server's"
        ),
        ("does not match host name", "Name the host in the URL as the server's certificate does"),
        ("root certificate file", "Set sslrootcert in the URL to a file that is there"),
        ("server does not support SSL", "Turn ssl on in the server, or ask for less with sslmode in the URL"),
        ("certificate file", "Set sslcert and sslkey in the URL to files that can be read"),
        ("private key file", "Set sslcert and sslkey in the URL to files that can be read"),
        // Of this side's certificate the server tells by an alert of TLS alone.
        (
            "alert unknown ca",
            "Set sslcert in the URL to a certificate of an authority that the server trusts"
        ),
        ("alert bad certificate", "Set sslcert in the URL to a certificate that the server takes"),
        ("alert certificate", "Set sslcert in the URL to a certificate that the server takes"),
        ("invalid sslmode", "Set sslmode in the URL to verify-full"),
    ]

    /// The remedy for the last of the addresses that were tried: those before it did not answer either, and the
    /// last one decides, as with SQLSTATEs.
    static func remedy(distrustIn message: String) -> String? {
        guard let last = message.split(separator: "\n").last(where: { !$0.hasPrefix("LOCATION:") }) else {
            return nil
        }
        return distrust.first { last.contains($0.words) }?.remedy
    }
}
