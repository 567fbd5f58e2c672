import Foundation
import Operations

/// Which cores belong to whom.
struct ScaleCores {
    /// Those that this process may use.
    let all: [Int]

    init() {
        let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
        all = Self.numbers(line?.split(separator: ":").last ?? "")
    }

    /// `0-3,7` as numbers.
    static func numbers(_ text: Substring) -> [Int] {
        text.trimmingCharacters(in: .whitespaces).split(separator: ",").flatMap { part in
            let ends = part.split(separator: "-").compactMap { Int($0) }
            return ends.count == 2 && ends[0] <= ends[1] ? Array(ends[0]...ends[1]) : ends
        }
    }

    /// Whether there is more than one.
    var canPin: Bool { all.count > 1 }
    /// Half of them, and the rest for processors and for who reads.
    var broker: [Int] { Array(all.prefix(all.count / 2)) }
    var others: [Int] { Array(all.dropFirst(all.count / 2)) }

    static func list(_ cores: [Int]) -> String { cores.map(String.init).joined(separator: ",") }

    /// Binds all threads of a process, and those that they will start.
    static func bind(_ process: Int32, to cores: [Int]) throws {
        let task = Process()
        task.executableURL = URL(filePath: "/usr/bin/taskset")
        task.arguments = ["-a", "-p", "-c", list(cores), String(process)]
        task.standardOutput = FileHandle.nullDevice
        task.standardError = FileHandle.nullDevice
        try task.run()
        task.waitUntilExit()
        guard task.terminationStatus == 0 else {
            throw RoleFailure(
                .internalFault,
                "taskset cannot bind process \(process) to the cores \(list(cores)); is util-linux installed?"
            )
        }
    }
}
