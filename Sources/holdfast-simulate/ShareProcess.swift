import Foundation

/// A share in a process of its own, so that a run that stops its process is a finding like others.
enum ShareProcess {
    enum Line {
        case failed(seed: UInt64, problem: String)
        case ran(Sums)
        /// The most that the process has had in memory.
        case memory(kilobytes: Int)
    }

    /// Runs a share, and goes on after a seed at which its process stopped.
    static func run(_ options: Options, _ take: (Line) -> Void) {
        var options = options
        while options.seeds > 0, let stopped = runOnce(options, take), options.mutant == nil {
            let next = stopped + options.stride
            let end = options.firstSeed + options.seeds
            guard next < end else { return }
            (options.firstSeed, options.seeds) = (next, end - next)
        }
    }

    /// - Returns: the seed at which the process stopped, if it did.
    private static func runOnce(_ options: Options, _ take: (Line) -> Void) -> UInt64? {
        let process = Process()
        process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments(options)
        let pipe = Pipe()
        process.standardOutput = pipe
        // What a failed precondition says of itself is told by --seed.
        process.standardError = FileHandle.nullDevice
        do { try process.run() } catch {
            take(.failed(seed: options.firstSeed, problem: "cannot start a process: \(error)"))
            return nil
        }
        var rest = Data()
        var stopped: UInt64?
        while case let data = pipe.fileHandleForReading.availableData, !data.isEmpty {
            rest.append(data)
            while let end = rest.firstIndex(of: 0x0A) {
                let line = String(decoding: rest[rest.startIndex..<end], as: UTF8.self)
                rest = Data(rest[rest.index(after: end)...])
                if let seed = read(line, take) { stopped = seed }
            }
        }
        process.waitUntilExit()
        return stopped
    }

    private static func arguments(_ options: Options) -> [String] {
        var arguments = ["--share", "--first-seed", "\(options.firstSeed)", "--seeds", "\(options.seeds)"]
        arguments += ["--stride", "\(options.stride)"]
        if let mutant = options.mutant { arguments += ["--mutant", mutant.name] }
        if options.areOrdersWanted { arguments.append("--orders") }
        if let faults = options.faults { arguments += ["--faults", Options.list(faults)] }
        return arguments
    }

    private static func read(_ line: String, _ take: (Line) -> Void) -> UInt64? {
        let words = line.split(separator: " ")
        switch words.first {
        case "failed":
            guard words.count > 1, let seed = UInt64(words[1]) else { return nil }
            take(.failed(seed: seed, problem: words.dropFirst(2).joined(separator: " ")))
        case "stopped":
            guard words.count == 2, let seed = UInt64(words[1]) else { return nil }
            take(
                .failed(
                    seed: seed, problem: "the production code stopped itself: a precondition did not hold"))
            return seed
        case "ran":
            if let sums = Sums(Array(words.dropFirst())) { take(.ran(sums)) }
        case "memory":
            if let kilobytes = words.dropFirst().first.flatMap({ Int($0) }) {
                take(.memory(kilobytes: kilobytes))
            }
        default: break
        }
        return nil
    }
}
