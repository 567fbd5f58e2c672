extension ConfigurationSchema {
    private static let width = 100

    /// The help of the whole program: what it is, its roles, exit codes.
    package var helpText: String {
        let longest = roles.map(\.name.count).max() ?? 0
        let list = roles.map { role in
            "  " + role.name + String(repeating: " ", count: longest - role.name.count + 3) + role.summary
        }
        return """
            \(program): \(summary)

            Usage: \(program) ROLE [--SETTING VALUE ...]

            Roles:
            \(list.joined(separator: "\n"))

            \(program) ROLE --help tells what a role does and which settings it has.

            \(exitCodes)

            """
    }

    /// The help of one role: what it does, its settings with default, allowed values and names, exit codes.
    package func helpText(role name: String) -> String {
        guard let role = role(name) else { preconditionFailure("no role is called \(name)") }
        let head = """
            \(program) \(role.name): \(role.summary)

            Usage: \(program) \(role.name)\(role.takesSettings ? " [--SETTING VALUE ...]" : "")

            \(Self.wrapped(role.details, indent: 0))

            """
        guard role.takesSettings else { return head + "\n" + exitCodes + "\n" }
        let used = keys.filter { $0.isUsed(by: name) }
        return head + """

            Settings, from flags over environment over file over default. In the file they are named as
            flags are, with _ for -: {"commit_interval_ms": 10}

              --config FILE
                  The file, one JSON object.
                  Environment: \(ConfigurationReading.fileVariable).
            \(used.map { Self.describe($0, for: role.name) }.joined(separator: "\n"))
              --kafka.NAME VALUE
                  A setting of librdkafka by its own name, such as --kafka.security.protocol SASL_SSL; in the
                  file, an object "kafka" of such names. Give secrets in the file or the environment: other
                  users of the machine can see flags.
                  Environment: \(Self.kafkaEnvironmentPrefix)NAME, in capitals and with _ for each dot.

            \(exitCodes)

            """
    }

    private var exitCodes: String {
        let lines = ExitCode.allCases.map { code in
            let number = String(code.rawValue)
            return String(repeating: " ", count: 5 - number.count) + number + "  " + code.meaning
        }
        return (["Exit codes:"] + lines).joined(separator: "\n")
    }

    private static func describe(_ key: ConfigurationKey, for role: String) -> String {
        var facts: [String] = []
        if case .boolean = key.kind {
            facts.append(
                "Default \(key.defaultValue(for: role) ?? "false"); --no-\(key.flag.dropFirst(2)) turns it off."
            )
        } else {
            let value = key.defaultValue(for: role).map { $0.isEmpty ? "empty" : key.shown($0) }
            facts.append("Default \(value ?? "none"). Allowed: \(key.kind.allowed).")
        }
        if key.repeats { facts.append("It may be given several times.") }
        if !key.isFlagOnly {
            let names = [key.environmentName] + key.environmentAliases
            facts.append("Environment: \(names.joined(separator: ", or else ")).")
        }
        let placeholder = key.kind.placeholder
        let title = "  " + key.flag + (placeholder.isEmpty ? "" : " " + placeholder)
        return ([title] + ([key.help] + facts).map { wrapped($0, indent: 6) }).joined(separator: "\n")
    }

    /// The text in lines of at most `width` characters; line breaks in it stay.
    private static func wrapped(_ text: String, indent: Int) -> String {
        let margin = String(repeating: " ", count: indent)
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { paragraph in
            var lines: [String] = []
            var line = ""
            for word in paragraph.split(separator: " ") {
                if !line.isEmpty, indent + line.count + 1 + word.count > width {
                    lines.append(margin + line)
                    line = ""
                }
                line += (line.isEmpty ? "" : " ") + word
            }
            return (lines + [line.isEmpty ? "" : margin + line]).joined(separator: "\n")
        }.joined(separator: "\n")
    }
}
