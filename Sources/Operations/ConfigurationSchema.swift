/// The table of all settings and what is known beside it. Holdfast's own stands in `HoldfastConfiguration.swift`.
package struct ConfigurationSchema: Sendable {
    package static let environmentPrefix = "HOLDFAST_"
    static let kafkaFlagPrefix = "--kafka."
    static let kafkaEnvironmentPrefix = "HOLDFAST_KAFKA_"

    /// The command that people type.
    package let program: String
    /// One line about the program, for the top of the help.
    package let summary: String
    package let roles: [ConfigurationRole]
    package let keys: [ConfigurationKey]
    package let relations: [ConfigurationRelation]
    /// librdkafka's settings that the program sets itself, each with the reason or the key to use instead.
    package let ownedKafkaSettings: [String: String]
    /// Environment variables with the prefix that belong to someone else; a `*` at the end stands for any rest.
    package let otherEnvironmentNames: [String]

    package init(
        program: String = "holdfast", summary: String = "", roles: [ConfigurationRole] = [],
        keys: [ConfigurationKey], relations: [ConfigurationRelation] = [],
        ownedKafkaSettings: [String: String] = [:], otherEnvironmentNames: [String] = []
    ) {
        self.program = program
        self.summary = summary
        self.roles = roles
        self.keys = keys
        self.relations = relations
        self.ownedKafkaSettings = ownedKafkaSettings
        self.otherEnvironmentNames = otherEnvironmentNames
        checkTable()
    }

    func key(_ name: String) -> ConfigurationKey? {
        keys.first { $0.name == name }
    }

    package func role(_ name: String) -> ConfigurationRole? {
        roles.first { $0.name == name }
    }

    /// Whether the arguments ask for help; ask before `load`, which takes `--help` for unknown.
    package static func asksForHelp(_ arguments: [String]) -> Bool {
        arguments.contains { $0 == "--help" || $0 == "-h" }
    }

    /// A mistake in the table is one of the program: it must not wait until somebody sets that key.
    private func checkTable() {
        var names: Set<String> = []
        for key in keys {
            precondition(names.insert(key.name).inserted, "the key \(key.name) stands twice in the table")
            precondition(key.name != "config" && key.name != "kafka", "\(key.name) has a meaning of its own")
            for value in [key.defaultValue].compactMap({ $0 }) + key.roleDefaults.values {
                precondition(
                    key.kind.problem(with: value) == nil, "the default of \(key.name) is not allowed")
            }
            for role in key.roles.union(key.roleDefaults.keys) {
                precondition(self.role(role) != nil, "\(key.name) is for the unknown role \(role)")
            }
        }
        for name in relations.flatMap(\.keys) {
            precondition(names.contains(name), "a relation speaks of the unknown key \(name)")
        }
    }
}

/// A subcommand, as the help describes it.
package struct ConfigurationRole: Sendable {
    /// As it is typed, such as `topics apply`.
    package let name: String
    /// One line for the list of all.
    package let summary: String
    /// A few lines about what it does.
    package let details: String
    /// Whether it reads settings at all.
    package let takesSettings: Bool

    package init(_ name: String, summary: String, details: String, takesSettings: Bool = true) {
        self.name = name
        self.summary = summary
        self.details = details
        self.takesSettings = takesSettings
    }
}

/// What must hold between the values of several keys. Looked at only when each of them is right by itself.
package struct ConfigurationRelation: Sendable {
    package let keys: [String]
    /// For a person: what must hold, and why.
    package let rule: String
    let holds: @Sendable (Configuration) -> Bool

    package init(keys: [String], rule: String, holds: @escaping @Sendable (Configuration) -> Bool) {
        self.keys = keys
        self.rule = rule
        self.holds = holds
    }

    /// `key` must be more than `factor` times `other`; both are whole numbers that have a value.
    package static func exceeds(_ key: String, _ other: String, times factor: Int = 1, because reason: String)
        -> ConfigurationRelation
    {
        let many = factor == 1 ? "" : "\(factor) times "
        return ConfigurationRelation(
            keys: [key, other], rule: "\(key) must be more than \(many)\(other): \(reason)"
        ) { $0.integer(key) > $0.integer(other) * factor }
    }
}
