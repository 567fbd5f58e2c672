import Foundation
import Operations
import Testing

@Suite("How a process ends")
struct ExitTests {
    @Test("It ends with its code and its last words, and runs no library's clean-up beside its own threads")
    func cleanUp() throws {
        let path = RealServers.root + "/.local/exit-\(UInt32.random(in: 0...UInt32.max))"
        let (source, library, log) = (path + ".c", path + ".so", path + ".log")
        defer { for file in [source, library, log] { try? FileManager.default.removeItem(atPath: file) } }
        // What OpenSSL's clean-up is to a thread that still does TLS.
        try "#include <stdlib.h>\nstatic void __attribute__((destructor)) crash(void) { abort(); }\n"
            .write(toFile: source, atomically: true, encoding: .utf8)
        try #require(system("cc -shared -fPIC -o '\(library)' '\(source)'") == 0)
        let process = try ChildProcess(
            name: "sink", executable: RealServers.binary,
            arguments: [
                "sink", "--topic-prefix", "a.", "--database-url", "postgresql://127.0.0.1:1/none",
                "--no-such-setting", "1",
            ],
            environment: ["LD_PRELOAD": library], logPath: log)
        #expect(process.waitForEnd(milliseconds: 20_000) == ExitCode.usage.rawValue)
        #expect(process.logTail(lines: 100).contains("no-such-setting"))
    }
}
