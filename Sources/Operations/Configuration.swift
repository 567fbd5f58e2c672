/// Where a value came from.
package enum ConfigurationSource: Sendable, Equatable, CustomStringConvertible {
    case standard
    case file(String)
    case environment(String)
    case flag(String)

    package var description: String {
        switch self {
        case .standard: "default"
        case .file(let path): "file \(path)"
        case .environment(let name): "environment \(name)"
        case .flag(let flag): "flag \(flag)"
        }
    }
}

/// A value as it was written, and where.
struct ConfigurationValue: Sendable, Equatable {
    let text: String
    let source: ConfigurationSource
}

/// The settings of a run: read once, checked whole, then only read.
///
/// Asking for a key that the table does not have, or for another type than the table's, is a fault of the
/// program and stops it.
package struct Configuration: Sendable {
    /// The role that was asked for.
    package let role: String
    let schema: ConfigurationSchema
    let values: [String: ConfigurationValue]
    let kafkaValues: [String: ConfigurationValue]

    /// librdkafka's own settings, by its own names.
    package var kafka: [String: String] {
        kafkaValues.mapValues(\.text)
    }

    /// The text of a key that has a default or was set.
    package func string(_ name: String) -> String {
        required(optionalString(name), name)
    }

    /// The text of a key, nil where it has neither a default nor was set.
    package func optionalString(_ name: String) -> String? {
        key(name)
        return values[name]?.text
    }

    /// Between the values of a key that takes several: no text of the configuration has it.
    static let separator = "\n"

    /// The texts of a key that takes several, in the order in which they were given.
    package func strings(_ name: String) -> [String] {
        guard key(name).repeats else { preconditionFailure("\(name) takes one value") }
        guard let value = values[name] else { return [] }
        return value.text.split(separator: Self.separator, omittingEmptySubsequences: false).map(String.init)
    }

    /// The whole number of a key that has a default or was set, within the table's range.
    package func integer(_ name: String) -> Int {
        required(optionalInteger(name), name)
    }

    /// The same, nil where the key has neither a default nor was set.
    package func optionalInteger(_ name: String) -> Int? {
        guard case .integer = key(name).kind else { preconditionFailure("\(name) is not a whole number") }
        return values[name].flatMap { Int($0.text) }
    }

    /// Whether a boolean key is true; one without a value is false.
    package func boolean(_ name: String) -> Bool {
        guard case .boolean = key(name).kind else { preconditionFailure("\(name) is not a boolean") }
        return values[name].flatMap { ConfigurationKind.boolean($0.text) } ?? false
    }

    /// The same with another value of a key, which must be one that is allowed. For a program that learns an address
    /// only when it has started the server.
    package func with(_ name: String, _ text: String) -> Configuration {
        guard let key = schema.key(name), key.kind.problem(with: text) == nil else {
            preconditionFailure("\(name) cannot be \(text)")
        }
        var values = values
        values[name] = ConfigurationValue(text: text, source: .standard)
        return Configuration(role: role, schema: schema, values: values, kafkaValues: kafkaValues)
    }

    /// Where the key's value came from.
    package func source(_ name: String) -> ConfigurationSource {
        key(name)
        return values[name]?.source ?? .standard
    }

    /// What the role uses, in the table's order, then `kafka.*` by name; without secrets. For the log at start.
    package var shown: [(name: String, value: String, source: ConfigurationSource)] {
        let own = schema.keys.filter { $0.isUsed(by: role) }.map { key in
            let value = values[key.name]
            return (key.name, value.map { key.shown($0.text) } ?? "none", value?.source ?? .standard)
        }
        let kafka = kafkaValues.sorted { $0.key < $1.key }.map { name, value in
            ("kafka." + name, Redaction.kafkaSetting(name, value.text), value.source)
        }
        return own + kafka
    }

    /// `shown` as lines of `name = value (source)`.
    package var description: String {
        shown.map { "\($0.name) = \($0.value) (\($0.source))" }.joined(separator: "\n")
    }

    @discardableResult
    private func key(_ name: String) -> ConfigurationKey {
        guard let key = schema.key(name) else { preconditionFailure("no setting is called \(name)") }
        return key
    }

    private func required<Value>(_ value: Value?, _ name: String) -> Value {
        guard let value else { preconditionFailure("\(name) has no value: ask for the optional one") }
        return value
    }
}
