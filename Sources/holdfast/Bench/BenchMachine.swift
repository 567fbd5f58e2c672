import Foundation
import KafkaClient
import Operations

/// What was measured on, a line of the report: the machine, and the versions of what took part.
struct BenchMachine: Codable, Equatable, Sendable {
    enum Kind: String, Codable {
        case machine
    }

    var kind = Kind.machine
    var cpu: String
    var cores: Int
    var memoryMegabytes: Int
    var kernel: String
    /// By program; those alone that are known.
    var versions: [String: String]

    enum CodingKeys: String, CodingKey {
        case kind, cpu, cores, kernel, versions
        case memoryMegabytes = "memory_mib"
    }

    /// In the order in which they are told, and how they are called.
    private static let programs = [
        ("holdfast", "Holdfast"), ("kafka", "Kafka"), ("librdkafka", "librdkafka"),
        ("postgresql", "PostgreSQL"), ("valkey", "Valkey"), ("java", "Java"),
    ]

    /// This machine.
    /// - Parameter others: versions of what is not of this program, as HOLDFAST_BENCH_VERSIONS has them: NAME=VERSION,
    ///   with a space between.
    static func this(others: String) -> BenchMachine {
        var versions = Self.versions(others)
        versions["holdfast"] = Version.number
        versions["librdkafka"] = LibraryVersion.name
        return BenchMachine(
            cpu: field("model name", of: "/proc/cpuinfo") ?? "unknown",
            cores: Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))),
            memoryMegabytes: (field("MemTotal", of: "/proc/meminfo")?.split(separator: " ").first
                .flatMap { Int($0) } ?? 0) / 1024,
            kernel: line("/proc/sys/kernel/osrelease") ?? "unknown", versions: versions)
    }

    static func versions(_ text: String) -> [String: String] {
        var versions: [String: String] = [:]
        for pair in text.split(separator: " ") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            if parts.count == 2 { versions[String(parts[0])] = String(parts[1]) }
        }
        return versions
    }

    /// For who reads the tables.
    var text: String {
        let told = Self.programs.compactMap { name, title in versions[name].map { "\(title) \($0)" } }
        return "\(cpu), \(cores) \(cores == 1 ? "core" : "cores"), "
            + String(format: "%.1f GiB", Double(memoryMegabytes) / 1024)
            + ", Linux \(kernel); " + told.joined(separator: ", ")
    }

    /// One line of JSON.
    func line() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }

    /// The value of the first line `NAME : VALUE` of a file.
    private static func field(_ name: String, of path: String) -> String? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
        return line?.split(separator: ":", maxSplits: 1).last.map {
            $0.trimmingCharacters(in: .whitespaces)
        }
    }

    private static func line(_ path: String) -> String? {
        (try? String(contentsOfFile: path, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
