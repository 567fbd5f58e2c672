import Foundation

/// Takes secrets out of what is printed.
enum Redaction {
    static let mark = "***"

    /// The URL with its passwords replaced: the one before the `@`, and parameters such as `?password=`.
    ///
    /// A password with characters that should have been escaped makes the URL ambiguous. Then rather too much
    /// is hidden: everything from the first `:` to the last `@`.
    static func url(_ text: String) -> String {
        guard let scheme = text.range(of: "://") else { return text.isEmpty ? "" : mark }
        var rest = text[scheme.upperBound...]
        var result = String(text[..<scheme.upperBound])
        if let at = rest.lastIndex(of: "@") {
            let user = rest[..<at]
            result += user.firstIndex(of: ":").map { "\(user[..<$0]):\(mark)" } ?? String(user)
            rest = rest[at...]
        }
        return result + parametersHidden(String(rest))
    }

    /// The value of a librdkafka setting, hidden where its name says that it is a secret.
    static func kafkaSetting(_ name: String, _ value: String) -> String {
        let secretParts = [
            "password", "secret", "key.pem", "private.key", "oauthbearer.config", "token", "credentials",
            "jaas", "passphrase",
        ]
        return secretParts.contains { name.contains($0) } && !value.isEmpty ? mark : value
    }

    private static func parametersHidden(_ text: String) -> String {
        guard let question = text.firstIndex(of: "?") else { return text }
        let parameters = text[text.index(after: question)...].split(
            separator: "&", omittingEmptySubsequences: false)
        let hidden = parameters.map { parameter -> String in
            guard let equals = parameter.firstIndex(of: "=") else { return String(parameter) }
            let name = parameter[..<equals]
            // The name may be escaped, too, and still be understood by the server's library.
            let plain = (String(name).removingPercentEncoding ?? String(name)).lowercased()
            return plain.contains("password") ? "\(name)=\(mark)" : String(parameter)
        }
        return text[...question] + hidden.joined(separator: "&")
    }
}
