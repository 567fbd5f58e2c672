/// One setting: everything that is known about it. Reading, checking, printing and help all go by it.
package struct ConfigurationKey: Sendable {
    package let name: String
    package let kind: ConfigurationKind
    /// As it would be written; nil where there is none and the program does without.
    package let defaultValue: String?
    /// Roles whose default is another one.
    package let roleDefaults: [String: String]
    package let secrecy: Secrecy
    /// The roles that use it; empty for all. Only they take its flag and show it in their help.
    package let roles: Set<String>
    /// Whether it is a flag alone: a wish for one run, which must not lie about in a file or an environment.
    package let isFlagOnly: Bool
    /// Whether its flag may be given several times; its values are then read with `Configuration.strings`.
    package let repeats: Bool
    /// Environment variables that are read when the key's own is not set.
    package let environmentAliases: [String]
    package let help: String

    /// What of a value must never be printed.
    package enum Secrecy: Sendable {
        case open
        /// Nothing of it is printed.
        case whole
        /// The password inside a URL is not printed.
        case password
    }

    package init(
        _ name: String, _ kind: ConfigurationKind, default defaultValue: String? = nil,
        roleDefaults: [String: String] = [:], secrecy: Secrecy = .open, roles: Set<String> = [],
        isFlagOnly: Bool = false, repeats: Bool = false,
        environmentAliases: [String] = [], help: String
    ) {
        self.name = name
        self.kind = kind
        self.defaultValue = defaultValue
        self.roleDefaults = roleDefaults
        self.secrecy = secrecy
        self.roles = roles
        self.isFlagOnly = isFlagOnly
        self.repeats = repeats
        self.environmentAliases = environmentAliases
        self.help = help
    }

    /// The default for a role.
    package func defaultValue(for role: String) -> String? { roleDefaults[role] ?? defaultValue }

    /// `--commit-interval-ms`
    package var flag: String {
        "--" + name.replacing("_", with: "-")
    }

    /// `HOLDFAST_COMMIT_INTERVAL_MS`
    package var environmentName: String {
        ConfigurationSchema.environmentPrefix + name.uppercased()
    }

    func isUsed(by role: String) -> Bool {
        roles.isEmpty || roles.contains(role)
    }

    /// The value as it may be shown.
    func shown(_ value: String) -> String {
        switch secrecy {
        case .open: value
        case .whole: value.isEmpty ? "" : Redaction.mark
        case .password: Redaction.url(value)
        }
    }
}

/// What values a key takes.
package enum ConfigurationKind: Sendable {
    /// Any text of so many bytes, without control characters.
    case text(ClosedRange<Int>)
    /// Letters, digits, `.`, `_` and `-`, so many bytes: what Kafka takes for names.
    case name(ClosedRange<Int>)
    /// A role or table of PostgreSQL: lower-case letters, digits and `_`, no digit first, 1 to 63 bytes.
    case sqlName
    case integer(ClosedRange<Int>, unit: String?)
    case boolean
    case enumeration([String])
    /// `host:port`, or several with commas between.
    case hostPorts
    case url(schemes: [String])

    /// For a person: what is allowed.
    package var allowed: String {
        switch self {
        case .text(let bytes): "text of \(Self.describe(bytes)) bytes without control characters"
        case .name(let bytes): "\(Self.describe(bytes)) characters of a-z A-Z 0-9 . _ -"
        case .sqlName: "1 to 63 characters of a-z 0-9 _, not beginning with a digit"
        case .integer(let range, let unit):
            "a whole number from \(range.lowerBound) to \(range.upperBound)" + (unit.map { " (\($0))" } ?? "")
        case .boolean: "true or false"
        case .enumeration(let values): "one of " + values.joined(separator: ", ")
        case .hostPorts: "host:port, or several with commas between"
        case .url(let schemes):
            schemes.map { "\($0)://[user[:password]@]host[:port][/database]" }.first ?? "a URL"
        }
    }

    /// What stands for the value in a line of help.
    var placeholder: String {
        switch self {
        case .text: "TEXT"
        case .name, .sqlName: "NAME"
        case .integer: "N"
        case .boolean: ""
        case .enumeration(let values): values.joined(separator: "|")
        case .hostPorts: "HOST:PORT"
        case .url: "URL"
        }
    }

    /// What is wrong with `text`; nil if nothing is.
    func problem(with text: String) -> String? {
        switch self {
        case .text(let bytes):
            if text.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }) {
                return "has a control character"
            }
            return Self.lengthProblem(text, bytes)
        case .name(let bytes):
            if !text.utf8.allSatisfy(Self.isNameByte) { return "has a character that is not allowed" }
            return Self.lengthProblem(text, bytes)
        case .sqlName:
            let first = text.utf8.first
            if let first, (0x30...0x39).contains(first) { return "begins with a digit" }
            let fits = text.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F
            }
            if !fits { return "has a character that is not allowed" }
            return Self.lengthProblem(text, 1...63)
        case .integer(let range, _):
            guard let number = Int(text) else { return "is not a whole number" }
            return range.contains(number) ? nil : "is out of range"
        case .boolean: return Self.boolean(text) == nil ? "is neither true nor false" : nil
        case .enumeration(let values): return values.contains(text) ? nil : "is not one of the choices"
        case .hostPorts: return Self.hostPortsProblem(text)
        case .url(let schemes): return Self.urlProblem(text, schemes)
        }
    }

    static func boolean(_ text: String) -> Bool? {
        switch text {
        case "true", "1": true
        case "false", "0": false
        default: nil
        }
    }

    private static func describe(_ range: ClosedRange<Int>) -> String {
        range.lowerBound == 0 ? "at most \(range.upperBound)" : "\(range.lowerBound) to \(range.upperBound)"
    }

    private static func lengthProblem(_ text: String, _ bytes: ClosedRange<Int>) -> String? {
        if text.utf8.count > bytes.upperBound { return "is too long" }
        return text.utf8.count < bytes.lowerBound ? (text.isEmpty ? "is empty" : "is too short") : nil
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2E, 0x5F, 0x2D: true
        default: false
        }
    }

    /// Each part is host:port; an IPv6 address stands in brackets, as librdkafka wants it.
    private static func hostPortsProblem(_ text: String) -> String? {
        if text.isEmpty { return "is empty" }
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let colon = part.lastIndex(of: ":") else { return "has a part without a port" }
            let host = part[..<colon]
            let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
            if host.isEmpty || (host.contains(":") && !isBracketed)
                || host.unicodeScalars.contains(where: { $0.value <= 0x20 || $0.value == 0x7F })
            {
                return "has a part without a right host name"
            }
            guard let port = Int(part[part.index(after: colon)...]), (1...65535).contains(port) else {
                return "has a part whose port is not 1 to 65535"
            }
        }
        return nil
    }

    private static func urlProblem(_ text: String, _ schemes: [String]) -> String? {
        if !schemes.contains(where: { text.hasPrefix($0 + "://") }) { return "has the wrong scheme" }
        if text.unicodeScalars.contains(where: { $0.value <= 0x20 || $0.value == 0x7F }) {
            return "has a space or a control character (write a space as %20)"
        }
        return nil
    }
}
