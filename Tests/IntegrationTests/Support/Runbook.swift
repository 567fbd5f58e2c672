import Foundation
import Operations
import Testing

/// The commands of a page of docs/, and what the page says of each.
///
/// A block of code there is of commands: a line that begins with `$ ` is one, what stands below is what it prints, and
/// `[N]` how it ends, if not with 0. `...` stands for anything, in a line; of the lines that a command prints the page
/// has some, in their order. `<NAME>` is put in by who runs it.
final class Runbook {
    struct Command {
        let section: String
        let line: Int
        let text: String
        var output: [String] = []
        var exitCode: Int32 = 0
    }

    let commands: [Command]
    /// What is put in for `<NAME>`.
    var values: [String: String] = [:]
    private(set) var ran: Set<Int> = []
    private let page: String
    private let folder: String
    private let environment: [String: String]

    /// - Parameters:
    ///   - page: such as `docs/operations.md`.
    ///   - folder: where the commands run.
    init(page: String, folder: String, environment: [String: String]) throws {
        self.page = page
        self.folder = folder
        var all = environment
        for name in ["PATH", "HOLDFAST_KAFKA_LIBS", "HOME"] {
            all[name] = ProcessInfo.processInfo.environment[name]
        }
        self.environment = all
        commands = try Self.parse(
            String(contentsOfFile: "\(RealServers.root)/\(page)", encoding: .utf8), page)
    }

    private static func parse(_ text: String, _ page: String) throws -> [Command] {
        var commands: [Command] = []
        var section = ""
        var isInBlock = false
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.hasPrefix("#") { section = line.drop { $0 == "#" || $0 == " " }.description }
            guard line.hasPrefix("    ") else {
                isInBlock = false
                continue
            }
            let content = line.dropFirst(4)
            if content.hasPrefix("$ ") {
                commands.append(
                    Command(section: section, line: index + 1, text: content.dropFirst(2).description))
            } else if !isInBlock {
                Issue.record("\(page):\(index + 1): a block of code that does not begin with a command")
            } else if content.hasPrefix("["), content.hasSuffix("]"),
                let code = Int32(content.dropFirst().dropLast())
            {
                commands[commands.count - 1].exitCode = code
            } else {
                commands[commands.count - 1].output.append(content.description)
            }
            isInBlock = true
        }
        return commands
    }

    // MARK: Running

    /// Runs the commands of a section in their order.
    /// - Parameter before: what has to happen before one of them, by its number in the section, from 0.
    func run(
        _ section: String, before: [Int: () throws -> Void] = [:],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let own = commands.indices.filter { commands[$0].section == section }
        try #require(!own.isEmpty, "\(page) has no commands in \(section)", sourceLocation: sourceLocation)
        for (number, index) in own.enumerated() {
            try before[number]?()
            try run(index, sourceLocation)
        }
    }

    private func run(_ index: Int, _ sourceLocation: SourceLocation) throws {
        let command = commands[index]
        let text = try filled(command.text, command)
        ran.insert(index)
        // What only looks may look again: a group or a role needs a moment to be what the page says.
        let mayRepeat = ["curl", "--describe", "SELECT", "holdfast orders"].contains { text.contains($0) }
        let deadline = Deadline(milliseconds: 60_000)
        while true {
            let (code, output) = try shell(text)
            let missing = try missing(command, in: output)
            if code == command.exitCode, missing == nil { return }
            if mayRepeat, !deadline.isPast {
                usleep(200_000)
                continue
            }
            Issue.record(
                """
                \(page):\(command.line): \(text)
                ended with \(code), the page says \(command.exitCode); the page has the line: \(missing ?? "-")
                \(output)
                """, sourceLocation: sourceLocation)
            return
        }
    }

    private func filled(_ text: String, _ command: Command) throws -> String {
        var text = text
        for (name, value) in values { text = text.replacing("<\(name)>", with: value) }
        let left = text.matches(of: /<[A-Z][A-Z-]*>/).map(\.output)
        try #require(left.isEmpty, "\(page):\(command.line): nothing is put in for \(left)")
        return text
    }

    /// The first line of the page that the output does not have behind the one before it.
    private func missing(_ command: Command, in output: String) throws -> String? {
        var lines = output.split(separator: "\n").map(Self.words)[...]
        for expected in command.output {
            let pattern = Self.words(try filled(expected, command))
            guard let found = lines.firstIndex(where: { Self.matches(pattern, $0) }) else { return expected }
            lines = lines[(found + 1)...]
        }
        return nil
    }

    /// With one blank between words.
    private static func words(_ line: some StringProtocol) -> String {
        line.split { $0 == " " || $0 == "\t" }.joined(separator: " ")
    }

    private static func matches(_ pattern: String, _ line: String) -> Bool {
        let parts = pattern.split(separator: "...", omittingEmptySubsequences: false).map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        guard parts.count > 1 else { return line == pattern }
        var rest = line[...]
        for (number, part) in parts.enumerated() where !part.isEmpty {
            if number == 0 {
                guard rest.hasPrefix(part) else { return false }
                rest = rest.dropFirst(part.count)
            } else if number == parts.count - 1 {
                return rest.hasSuffix(part)
            } else {
                guard let found = rest.range(of: part) else { return false }
                rest = rest[found.upperBound...]
            }
        }
        return true
    }

    /// Kafka's tools by the names that Kafka gives them, and curl, which the reference environment does not have.
    private static let tools = """
        set -o pipefail
        kafka_tool() { java -XX:TieredStopAtLevel=1 -cp "$HOLDFAST_KAFKA_LIBS/*" "$@"; }
        kafka-configs.sh() { kafka_tool kafka.admin.ConfigCommand "$@"; }
        kafka-consumer-groups.sh() { kafka_tool org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "$@"; }
        kafka-transactions.sh() { kafka_tool org.apache.kafka.tools.TransactionsCommand "$@"; }
        kafka-topics.sh() { kafka_tool org.apache.kafka.tools.TopicCommand "$@"; }
        kafka-delete-records.sh() { kafka_tool org.apache.kafka.tools.DeleteRecordsCommand "$@"; }
        kafka-log-dirs.sh() { kafka_tool org.apache.kafka.tools.LogDirsCommand "$@"; }
        curl() {
            local address=${2#http://} line
            exec 3<>"/dev/tcp/${address%%:*}/$(sed 's|^[^:]*:||; s|/.*||' <<<"$address")" || return 7
            printf 'GET /%s HTTP/1.0\\r\\n\\r\\n' "${address#*/}" >&3
            sed '1,/^\\r$/d' <&3
            exec 3<&-
        }

        """

    /// Runs a script as the page's reader would.
    func shell(_ script: String, seconds: Int = 120) throws -> (code: Int32, output: String) {
        var environment = environment
        environment["PATH"] =
            "\(URL(filePath: RealServers.binary).deletingLastPathComponent().path):\(environment["PATH"] ?? "")"
        let log = "\(folder)/runbook-\(UInt32.random(in: 0...UInt32.max)).log"
        let process = try ChildProcess(
            name: "bash", executable: "/bin/bash",
            arguments: ["-c", Self.tools + "cd '\(folder)'\n" + script],
            environment: environment, logPath: log)
        guard let code = process.waitForEnd(milliseconds: seconds * 1000) else {
            process.stop(milliseconds: 1)
            throw Timeout(what: script)
        }
        return (code, process.logTail(lines: 10_000))
    }

    // MARK: Whether all of it ran

    /// Every command of the page was run, but those that are left out with a reason.
    func expectAllRan(but leftOut: [String: String], sourceLocation: SourceLocation = #_sourceLocation) {
        for (index, command) in commands.enumerated() where !ran.contains(index) {
            #expect(
                leftOut[command.text] != nil, "\(page):\(command.line) was not run: \(command.text)",
                sourceLocation: sourceLocation)
        }
        let known = Set(commands.map(\.text))
        for text in leftOut.keys {
            #expect(known.contains(text), "\(page) does not have: \(text)", sourceLocation: sourceLocation)
        }
    }
}
