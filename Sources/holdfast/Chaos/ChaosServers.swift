import Foundation
import Operations
import PostgresClient

/// The servers that `holdfast chaos` does harm to, started by the scripts below `deploy/lib`, with all their data in
/// one folder.
final class ChaosServers {
    /// How many Kafka nodes there are.
    enum Kafka: Sendable, CaseIterable {
        /// One, which a fault leaves alone.
        case one
        /// Three, each broker and controller, of which any may be lost.
        case cluster
    }

    /// What PostgreSQL's and the third Kafka node's disks hold at first: more than they need.
    private static let diskMegabytes = 2048

    let folder: String
    /// The address that brokers listen on: the loopback's, or one that a cut-off room can reach too.
    let host: String
    private let scripts: String
    private(set) var kafka: Kafka?
    /// Who starts anew starts in a folder of its own: what failed stays to be looked at.
    private var generation = 0
    private var postgresGeneration = 0
    private(set) var bootstrap = ""
    private(set) var databaseURL = ""
    /// File systems of our own, which can be made small.
    private(set) var disks: [String] = []
    /// Why there are none.
    private(set) var noDisksReason: String?

    init(configuration: Configuration, host: String) throws {
        // A process's id alone would name the folder of an earlier run in another container.
        let time = String(UInt64(Date().timeIntervalSince1970), radix: 36)
        folder =
            configuration.optionalString("folder")
            ?? NSTemporaryDirectory() + "holdfast-chaos-\(time)-\(ProcessInfo.processInfo.processIdentifier)"
        self.host = host
        scripts = try TopicContract.shareDirectory(configuration) + "/deploy/lib"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        guard FileManager.default.fileExists(atPath: scripts + "/kafka-server.sh") else {
            throw RoleFailure(
                .usage,
                "there is no \(scripts)/kafka-server.sh; name the project's checkout with --share-directory")
        }
    }

    /// Makes a database of its own for a fault, which holds its ledger alone, as `holdfast verify` wants it.
    /// - Returns: its URL.
    func makeDatabase(_ name: String) throws -> String {
        do throws(PostgresError) {
            let connection = try Connection(url: databaseURL, applicationName: "holdfast chaos")
            _ = try connection.execute("CREATE DATABASE \(try connection.quoted(identifier: name))")
        } catch {
            throw RoleFailure(.internalFault, "the database \(name) cannot be made: \(error)")
        }
        guard let end = databaseURL.lastIndex(of: "/") else {
            throw RoleFailure(.internalFault, "no database in \(databaseURL)")
        }
        return databaseURL[...end] + name
    }

    /// Starts what is not there yet.
    func start(_ kafka: Kafka) throws {
        if databaseURL.isEmpty {
            postgresGeneration += 1
            makeDisk(postgresFolder)
            databaseURL = try script("postgres-server.sh", "start", postgresFolder, "0")
        }
        guard kafka != self.kafka else { return }
        endKafka()
        self.kafka = kafka
        generation += 1
        switch kafka {
        case .one:
            bootstrap = try script("kafka-server.sh", "start", nodeFolder(1), "0")
        case .cluster:
            makeDisk(nodeFolder(3))
            bootstrap = try script("kafka-cluster.sh", "start", kafkaFolder, host)
        }
    }

    var postgresFolder: String { "\(folder)/postgres-\(postgresGeneration)" }
    private var kafkaFolder: String { folder + "/kafka-\(kafka == .cluster ? "cluster-" : "")\(generation)" }
    func nodeFolder(_ node: Int) -> String { "\(kafkaFolder)/\(node)" }
    private var nodes: ClosedRange<Int> { kafka == .cluster ? 1...3 : 1...1 }

    func startNode(_ node: Int) throws { _ = try script("kafka-server.sh", "start", nodeFolder(node), "0") }
    /// SIGKILL, to the end of which no process of it is left.
    func killNode(_ node: Int) throws { _ = try script("kafka-server.sh", "kill", nodeFolder(node)) }
    func sendNode(_ node: Int, _ signal: Int32) throws { kill(try identifier(nodeFolder(node)), signal) }
    func isNodeRunning(_ node: Int) -> Bool { isRunning(nodeFolder(node)) }

    func startPostgres() throws { _ = try script("postgres-server.sh", "start", postgresFolder, "0") }
    /// A signal to its first process; the others follow it.
    func sendPostgres(_ signal: Int32) throws { kill(try postgresIdentifier(), signal) }
    func postgresIdentifier() throws -> pid_t { try identifier(postgresFolder) }
    /// Waits until none of its processes is left.
    func awaitPostgresEnd() throws {
        guard run("flock -s -w 30 '\(postgresFolder)/lock' true") == 0 else {
            throw RoleFailure(.internalFault, "some process of PostgreSQL does not end")
        }
    }
    var isPostgresRunning: Bool { isRunning(postgresFolder) }

    /// Makes a file system of its own for a server's folder, as small as a fault needs it later.
    private func makeDisk(_ path: String) {
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let options = "size=\(Self.diskMegabytes)m,mode=755"
        guard run("mount -t tmpfs -o \(options) holdfast-chaos '\(path)'") == 0 else {
            noDisksReason = "this user may not mount a tmpfs: \(lastOutput)"
            return
        }
        disks.append(path)
    }

    /// Leaves only so many bytes free on a file system of ours.
    func shrinkDisk(_ path: String, leaving free: UInt64) throws {
        // The server writes meanwhile, and the kernel refuses a size below what is in use by then.
        var attempts = 0
        while true {
            var about = statvfs()
            guard statvfs(path, &about) == 0 else { throw RoleFailure(.internalFault, "statvfs of \(path)") }
            let used = UInt64(about.f_blocks - about.f_bfree) * UInt64(about.f_frsize)
            do {
                return try resizeDisk(path, "\((used + free) / 1024)k")
            } catch {
                attempts += 1
                if attempts == 50 { throw error }
            }
        }
    }

    func growDisk(_ path: String) throws { try resizeDisk(path, "\(Self.diskMegabytes)m") }

    private func resizeDisk(_ path: String, _ size: String) throws {
        guard run("mount -o remount,size=\(size) '\(path)'") == 0 else {
            throw RoleFailure(.internalFault, "the tmpfs \(path) cannot be resized: \(lastOutput)")
        }
    }

    /// The number of the node that is the active controller.
    func activeController() throws -> Int {
        let libraries = ProcessInfo.processInfo.environment["HOLDFAST_KAFKA_LIBS"] ?? ""
        let command =
            "timeout 30 java -XX:TieredStopAtLevel=1 -Xmx64m -cp '\(libraries)/*' org.apache.kafka.tools.MetadataQuorumCommand "
            + "--bootstrap-server \(bootstrap) describe --status"
        guard run(command) == 0,
            let line = lastOutput.split(separator: "\n").first(where: { $0.hasPrefix("LeaderId:") }),
            let node = Int(line.split(separator: ":")[1].trimmingCharacters(in: .whitespaces))
        else { throw RoleFailure(.internalFault, "nobody says who the controller is: \(lastOutput)") }
        return node
    }

    /// The last warnings and errors of each broker's log.
    func brokersTrouble(lines: Int) -> String {
        nodes.map { node in
            _ = run(
                "grep -hE ' (WARN|ERROR|FATAL) ' '\(nodeFolder(node))/server.log' | tail -n \(lines) | cut -c 1-300"
            )
            return "    node \(node)'s last warnings:\n\(lastOutput)"
        }.joined()
    }

    /// Ends all servers; their data goes with the folder, so they need no orderly stop.
    func end() {
        endKafka()
        if !databaseURL.isEmpty { _ = try? script("postgres-server.sh", "kill", postgresFolder) }
        databaseURL = ""
        for disk in disks {
            // Logs outlive the disk that they are on.
            let logs = "\(folder)/log/disks/\(disk.dropFirst(folder.count + 1).replacing("/", with: "-"))"
            _ = run("mkdir -p '\(logs)' && cp '\(disk)'/*.log* '\(logs)'; umount '\(disk)'")
        }
        disks = []
    }

    private func endKafka() {
        guard kafka != nil else { return }
        for node in nodes { _ = try? killNode(node) }
        kafka = nil
    }

    private func identifier(_ folder: String) throws -> pid_t {
        let text = try String(contentsOfFile: folder + "/pid", encoding: .utf8)
        guard let identifier = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)), identifier > 1
        else {
            throw RoleFailure(.internalFault, "\(folder)/pid holds no process's id")
        }
        return identifier
    }

    /// Whether any process of the server holds its lock.
    private func isRunning(_ folder: String) -> Bool { run("flock -s -n '\(folder)/lock' true") != 0 }

    private var lastOutput = ""

    /// - Returns: the last line of its output.
    private func script(_ name: String, _ words: String...) throws -> String {
        let arguments = words.map { "'\($0)'" }.joined(separator: " ")
        guard run("timeout 120 bash '\(scripts)/\(name)' \(arguments)") == 0 else {
            throw RoleFailure(.temporaryFailure, "\(name) \(words.joined(separator: " ")): \(lastOutput)")
        }
        return lastOutput.split(separator: "\n").last.map(String.init) ?? ""
    }

    /// Through `system(3)`: Foundation's Process waits for the server, too, which outlives the script.
    private func run(_ command: String) -> Int32 {
        let output = folder + "/script.out"
        let code = system("\(command) >'\(output)' 2>&1 </dev/null")
        lastOutput = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
        return code
    }
}
