import Foundation
import Synchronization

/// A process of ours, run beside us: its standard error goes to a file, and it is ended by its id.
package final class ChildProcess: @unchecked Sendable {
    /// The process as Foundation has it. Thread-safe for what is used here: state queries and signals.
    private let process = Process()
    package let name: String
    package let logPath: String

    /// Starts the executable. The log is appended to, so that a restart keeps what came before.
    package init(
        name: String, executable: String, arguments: [String], environment: [String: String]? = nil,
        logPath: String
    ) throws {
        self.name = name
        self.logPath = logPath
        if !FileManager.default.fileExists(atPath: logPath) {
            _ = FileManager.default.createFile(atPath: logPath, contents: nil)
        }
        let log = try FileHandle(forWritingTo: URL(filePath: logPath))
        try log.seekToEnd()
        process.executableURL = URL(filePath: executable)
        process.arguments = arguments
        if let environment { process.environment = environment }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = log
        process.standardError = log
        try process.run()
        try? log.close()
    }

    package var identifier: Int32 { process.processIdentifier }
    package var isRunning: Bool { process.isRunning }

    /// How it ended; nil while it runs. A signal is told as 128 and its number, as shells do.
    package var exitCode: Int32? {
        guard !process.isRunning else { return nil }
        return process.terminationReason == .exit
            ? process.terminationStatus : 128 + process.terminationStatus
    }

    package func send(_ signal: Int32) {
        if process.isRunning { kill(process.processIdentifier, signal) }
    }

    /// Waits for its end.
    /// - Returns: how it ended; nil if it still runs after the time.
    package func waitForEnd(milliseconds: Int) -> Int32? {
        let deadline = Deadline(milliseconds: milliseconds)
        while process.isRunning && !deadline.isPast { usleep(5_000) }
        return exitCode
    }

    /// Asks it to end, and makes it end after the time.
    /// - Returns: how it ended.
    @discardableResult
    package func stop(milliseconds: Int) -> Int32 {
        send(SIGTERM)
        if let code = waitForEnd(milliseconds: milliseconds) { return code }
        send(SIGKILL)
        process.waitUntilExit()
        return exitCode ?? -1
    }

    /// The last lines of its log.
    package func logTail(lines: Int = 15) -> String {
        let text = (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(lines).joined(separator: "\n")
    }
}

/// Ports that `freeLoopbackPort` gives: below the range from which Linux takes the ports of outgoing connections
/// (`net.ipv4.ip_local_port_range`), so that none of them can take one before the server that it is for listens on it;
/// and beside those of `deploy/lib/server.sh`.
package let loopbackPorts: ClosedRange<Int> = 10_000...19_999

private let portsGiven = Mutex<Set<Int>>([])

/// A port of the loopback interface on which nobody listens, and that this process was not given lately.
///
/// - Throws: `HTTPServerError` if a hundred that it tried were all taken.
package func freeLoopbackPort() throws -> Int {
    var attempts = 0
    while true {
        let port = Int.random(in: loopbackPorts)
        let isNew = portsGiven.withLock { given in
            if given.count >= loopbackPorts.count / 2 { given = [] }
            return given.insert(port).inserted
        }
        guard isNew else { continue }
        attempts += 1
        do {
            let socket = try ListeningSocket.open(address: "127.0.0.1", port: UInt16(port))
            close(socket.descriptor)
            return port
        } catch {
            if attempts == 100 { throw error }
        }
    }
}
