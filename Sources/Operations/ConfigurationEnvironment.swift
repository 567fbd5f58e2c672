extension ConfigurationReading {
    static let fileVariable = "HOLDFAST_CONFIG"

    func configurationFile(in environment: [String: String]) -> String? {
        environment[Self.fileVariable].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Enters what the environment says. Variables in the program's namespace that mean nothing are mistakes,
    /// since a mistyped name would otherwise leave a default at work in silence.
    mutating func enterEnvironment(_ environment: [String: String]) {
        let variables = environment.filter { !$0.value.isEmpty }
        for key in schema.keys where !key.isFlagOnly {
            let name = ([key.environmentName] + key.environmentAliases).first { variables[$0] != nil }
            if let name, let value = variables[name] {
                enter(key, value, .environment(name))
            }
        }
        let settable = schema.keys.filter { !$0.isFlagOnly }
        let known = Set(
            settable.flatMap { [$0.environmentName] + $0.environmentAliases } + [Self.fileVariable])
        for (name, value) in variables.sorted(by: { $0.key < $1.key })
        where name.hasPrefix(ConfigurationSchema.environmentPrefix) && !known.contains(name)
            && !isOthers(name)
        {
            if name.hasPrefix(ConfigurationSchema.kafkaEnvironmentPrefix) {
                let rest = name.dropFirst(ConfigurationSchema.kafkaEnvironmentPrefix.count)
                enterKafka(rest.lowercased().replacing("_", with: "."), value, .environment(name))
            } else {
                report(unknownVariable(name, known))
            }
        }
    }

    private func isOthers(_ name: String) -> Bool {
        schema.otherEnvironmentNames.contains { other in
            other.hasSuffix("*") ? name.hasPrefix(other.dropLast()) : name == other
        }
    }

    private func unknownVariable(_ name: String, _ known: Set<String>) -> ConfigurationMistake {
        let flagOnly = schema.keys.first { $0.isFlagOnly && $0.environmentName == name }
        let suggestion = NearestName.find(name, among: Array(known)).map { "did you mean \($0)?" }
        return ConfigurationMistake(
            key: name, value: nil, source: .environment(name), problem: "is not a setting",
            remedy: flagOnly.map { "only the flag \($0.flag) sets it" } ?? suggestion ?? "unset it")
    }
}
