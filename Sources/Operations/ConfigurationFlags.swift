/// The command line, taken apart but not yet checked against the kinds of the keys.
struct ConfigurationFlags {
    private(set) var configurationFile: String?
    private(set) var values: [(key: ConfigurationKey, text: String)] = []
    private(set) var kafka: [(name: String, text: String)] = []
    private(set) var mistakes: [ConfigurationMistake] = []
    private let schema: ConfigurationSchema
    private let role: String

    /// Reads `--name value`, `--name=value`, `--boolean`, `--no-boolean` and `--kafka.NAME value`. Of a flag
    /// that is given twice the last counts, unless its key takes several.
    init(arguments: [String], schema: ConfigurationSchema, role: String) {
        self.schema = schema
        self.role = role
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--") else {
                report(argument, "is not a flag", "flags begin with --; nothing else is expected here")
                continue
            }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            read(flag: String(parts[0]), attached: parts.count == 2 ? String(parts[1]) : nil, &rest)
        }
    }

    private mutating func read(flag: String, attached: String?, _ rest: inout ArraySlice<String>) {
        if flag.hasPrefix(ConfigurationSchema.kafkaFlagPrefix) {
            let name = String(flag.dropFirst(ConfigurationSchema.kafkaFlagPrefix.count))
            if let text = value(flag, attached, &rest) { kafka.append((name, text)) }
        } else if flag == "--config" {
            if let text = value(flag, attached, &rest) { configurationFile = text }
        } else if let (key, negated) = key(flag) {
            if !key.isUsed(by: role) {
                let users = key.roles.sorted().joined(separator: ", ")
                report(flag, "is not a setting of \(role)", "it is one of: \(users)")
            }
            if case .boolean = key.kind {
                readBoolean(key, flag, negated, attached)
            } else if let text = value(flag, attached, &rest) {
                values.append((key, text))
            }
        } else {
            reportUnknown(flag)
            // What follows is most likely the unknown flag's value and not a mistake of its own.
            if attached == nil, let next = rest.first, !next.hasPrefix("--") { rest.removeFirst() }
        }
    }

    private mutating func readBoolean(
        _ key: ConfigurationKey, _ flag: String, _ negated: Bool, _ attached: String?
    ) {
        if negated, attached != nil {
            report(flag, "takes no value", "write \(flag) or \(key.flag)=true|false")
        } else {
            values.append((key, attached ?? (negated ? "false" : "true")))
        }
    }

    /// The key of a flag, and whether the flag is its `--no-` form.
    private func key(_ flag: String) -> (ConfigurationKey, Bool)? {
        for key in schema.keys {
            if key.flag == flag { return (key, false) }
            if case .boolean = key.kind, flag == "--no-" + key.flag.dropFirst(2) { return (key, true) }
        }
        return nil
    }

    /// The flag's value, behind `=` or as the next argument. One that begins with `--` can only stand behind `=`.
    private mutating func value(
        _ flag: String, _ attached: String?, _ rest: inout ArraySlice<String>
    ) -> String? {
        if let attached { return attached }
        if let next = rest.first, !next.hasPrefix("--") { return rest.popFirst() }
        report(flag, "has no value", "write \(flag) VALUE or \(flag)=VALUE")
        return nil
    }

    private mutating func reportUnknown(_ flag: String) {
        let known = schema.keys.filter { $0.isUsed(by: role) }.map(\.flag) + ["--config"]
        let suggestion = NearestName.find(flag.replacing("_", with: "-"), among: known)
        report(flag, "is not a flag of \(role)", suggestion.map { "did you mean \($0)?" } ?? "leave it out")
    }

    private mutating func report(_ flag: String, _ problem: String, _ remedy: String) {
        mistakes.append(
            ConfigurationMistake(key: flag, value: nil, source: .flag(flag), problem: problem, remedy: remedy)
        )
    }
}

extension ConfigurationReading {
    mutating func enterFlags(_ flags: ConfigurationFlags) {
        for mistake in flags.mistakes {
            report(mistake)
        }
        var repeated: [String: [String]] = [:]
        for (key, text) in flags.values {
            enter(key, text, .flag(key.flag))
            guard key.repeats else { continue }
            repeated[key.name, default: []].append(text)
            enterAll(key, repeated[key.name]!, .flag(key.flag))
        }
        for (name, text) in flags.kafka {
            enterKafka(name, text, .flag(ConfigurationSchema.kafkaFlagPrefix + name))
        }
    }
}
