/// One mistake in the configuration, without secrets.
package struct ConfigurationMistake: Sendable, Equatable, CustomStringConvertible {
    /// The key, as in the table, or what was written where there is no such key.
    package let key: String
    /// The value as it may be shown; nil where the mistake is not in the value.
    package let value: String?
    package let source: ConfigurationSource
    /// What is wrong.
    package let problem: String
    /// What is allowed, or what to do.
    package let remedy: String

    /// `commit_interval_ms = "0" (flag --commit-interval-ms) is out of range; allowed: ...`
    package var description: String {
        let shown = value.map { " = \"\($0)\"" } ?? ""
        return "\(key)\(shown) (\(source)) \(problem); \(remedy)"
    }
}

/// All mistakes of a configuration at once. Nothing has been started.
package struct ConfigurationErrors: Error, CustomStringConvertible {
    package let mistakes: [ConfigurationMistake]
    /// How to see what is allowed.
    package let hint: String

    package var description: String {
        let count = mistakes.count == 1 ? "1 mistake" : "\(mistakes.count) mistakes"
        let lines = mistakes.map { "  - \($0)" }
        return (["\(count) in the configuration:"] + lines + [hint]).joined(separator: "\n")
    }
}
