extension ConfigurationSchema {
    /// Reads the file, the environment and the flags, and checks all that they say; flags win over environment
    /// over file over default.
    ///
    /// - Parameters:
    ///   - arguments: what stands after the subcommand.
    ///   - environment: variables that are set but empty count as not set.
    ///   - readFile: gives the bytes of the file that `--config` or HOLDFAST_CONFIG names.
    ///   - role: the subcommand, one of `roles`.
    ///   - kafkaProblem: what librdkafka has against a setting of its own, by name and value; nil if nothing.
    /// - Throws: every mistake at once, those in values that another source overrides included.
    package func load(
        arguments: [String], environment: [String: String], readFile: (String) throws -> [UInt8],
        role: String, kafkaProblem: @escaping (String, String) -> String? = { _, _ in nil }
    ) throws(ConfigurationErrors) -> Configuration {
        var reading = ConfigurationReading(schema: self, role: role, kafkaProblem: kafkaProblem)
        // Each source overwrites what the earlier ones said. The flags are gathered first, as they may name
        // the file, and entered last.
        let flags = ConfigurationFlags(arguments: arguments, schema: self, role: role)
        if let path = flags.configurationFile ?? reading.configurationFile(in: environment) {
            reading.enterFile(path, readFile)
        }
        reading.enterEnvironment(environment)
        reading.enterFlags(flags)
        return try reading.finish()
    }
}

/// A configuration while it is being read: values so far, mistakes so far.
struct ConfigurationReading {
    let schema: ConfigurationSchema
    let role: String
    private var values: [String: ConfigurationValue] = [:]
    private var kafka: [String: ConfigurationValue] = [:]
    private(set) var mistakes: [ConfigurationMistake] = []
    /// Keys with a mistake: no relation is judged by them.
    private var mistakenKeys: Set<String> = []

    private let kafkaProblem: (String, String) -> String?

    init(
        schema: ConfigurationSchema, role: String, kafkaProblem: @escaping (String, String) -> String?
    ) {
        self.kafkaProblem = kafkaProblem
        self.schema = schema
        self.role = role
        for key in schema.keys {
            values[key.name] = key.defaultValue(for: role).map {
                ConfigurationValue(text: $0, source: .standard)
            }
        }
    }

    mutating func report(_ mistake: ConfigurationMistake) {
        mistakes.append(mistake)
        mistakenKeys.insert(mistake.key)
    }

    /// Takes a value for a key, or notes what is wrong with it.
    mutating func enter(_ key: ConfigurationKey, _ text: String, _ source: ConfigurationSource) {
        if let problem = key.kind.problem(with: text) {
            report(
                ConfigurationMistake(
                    key: key.name, value: key.shown(text), source: source, problem: problem,
                    remedy: "allowed: \(key.kind.allowed)"))
        }
        values[key.name] = ConfigurationValue(text: text, source: source)
    }

    /// Takes the values of a key that was given several times, each of which was entered by itself.
    mutating func enterAll(_ key: ConfigurationKey, _ texts: [String], _ source: ConfigurationSource) {
        values[key.name] = ConfigurationValue(
            text: texts.joined(separator: Configuration.separator), source: source)
    }

    /// Takes a setting of librdkafka, or notes what is wrong with it.
    mutating func enterKafka(_ name: String, _ text: String, _ source: ConfigurationSource) {
        if let reason = schema.ownedKafkaSettings[name] {
            report(
                ConfigurationMistake(
                    key: "kafka.\(name)", value: Redaction.kafkaSetting(name, text), source: source,
                    problem: "is set by the program itself", remedy: reason))
        } else if let problem = kafkaProblem(name, text) {
            report(
                ConfigurationMistake(
                    key: "kafka.\(name)", value: Redaction.kafkaSetting(name, text), source: source,
                    problem: "is refused by librdkafka: \(problem)",
                    remedy: "allowed is what its CONFIGURATION.md says"))
        }
        kafka[name] = ConfigurationValue(text: text, source: source)
    }

    /// The checked whole, or all mistakes.
    func finish() throws(ConfigurationErrors) -> Configuration {
        let configuration = Configuration(role: role, schema: schema, values: values, kafkaValues: kafka)
        let broken = schema.relations.filter { relation in
            mistakenKeys.isDisjoint(with: relation.keys) && !relation.holds(configuration)
        }
        let all = mistakes + broken.map { describe($0) }
        guard all.isEmpty else {
            throw ConfigurationErrors(
                mistakes: all, hint: "See \(schema.program) \(role) --help for what is allowed.")
        }
        return configuration
    }

    private func describe(_ relation: ConfigurationRelation) -> ConfigurationMistake {
        let first = relation.keys[0]
        let others = relation.keys.dropFirst().map { name in
            let value = values[name]
            let shown = schema.key(name)?.shown(value?.text ?? "none") ?? ""
            return "\(name) = \"\(shown)\" (\(value?.source ?? .standard))"
        }
        return ConfigurationMistake(
            key: first, value: schema.key(first)?.shown(values[first]?.text ?? "none"),
            source: values[first]?.source ?? .standard,
            problem: "does not go with " + others.joined(separator: ", "), remedy: relation.rule)
    }
}
