import CCallgrind
import Foundation

/// The instructions of a command, counted by callgrind: the same number at each run, and on every machine whose
/// processor has the same instruction set.
enum Instructions {
    /// Loads that are counted; each takes some seconds under valgrind.
    static let loads: [Load] = [.hot, .soldOut, .mix]
    private static let valgrind = "/usr/bin/valgrind"
    private static let count = 4_000
    private static let skus = 1_000
    /// The dedupe window is full then.
    private static let warmUp = 70_000

    /// Why they cannot be counted here; nil if they can.
    static var obstacle: String? {
        #if arch(x86_64)
            FileManager.default.isExecutableFile(atPath: valgrind) ? nil : "there is no \(valgrind)"
        #else
            "the file has those of x86-64"
        #endif
    }

    /// What processors do differently is left out, so that the same code runs on each: libcrypto's SHA-256 is the one
    /// without vectors, and glibc's copying the one of every x86-64. Swift's hash tables have the same seed each time.
    private static let environment = [
        "OPENSSL_ia32cap": "0:0",
        "GLIBC_TUNABLES":
            "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-AVX_Fast_Unaligned_Load,-BMI2,-ERMS,-FSRM,"
            + "-MOVBE,-RTM,-SSSE3,-SSE4_1,-SSE4_2",
        "SWIFT_DETERMINISTIC_HASHING": "1",
        "LC_ALL": "C",
    ]

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Runs this program under callgrind, which runs the load.
    static func count(_ load: Load) throws -> Double {
        let process = Process()
        process.executableURL = URL(filePath: valgrind)
        process.arguments = [
            "--tool=callgrind", "--callgrind-out-file=/dev/null", "--instr-atstart=no",
            "--collect-atstart=no",
            URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().path, "--under-callgrind",
            load.rawValue,
        ]
        process.environment = environment
        let errors = Pipe()
        process.standardError = errors
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        // The summary: "==123== Collected : 1234567"
        guard process.terminationStatus == 0,
            let line = text.split(separator: "\n").last(where: { $0.contains("Collected :") }),
            let total = line.split(separator: " ").last.flatMap({ Double($0) })
        else { throw Failure(description: "callgrind failed:\n\(text)") }
        return total / Double(count)
    }

    /// What this program does under callgrind.
    static func run(_ load: Load) {
        precondition(callgrind_is_there() != 0, "not under valgrind, or built without its headers")
        var bench = Bench(load, skuCount: skus)
        _ = bench.run(warmUp)
        callgrind_instrument(1)
        _ = bench.run(count, counted: true)
        callgrind_instrument(0)
    }
}
