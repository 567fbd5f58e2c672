import Foundation
import InventoryCore
import InventoryWire
import Operations
import Testing

@Suite(
    "Audits of long topics", .serialized,
    .enabled(
        if: RealServers.kafka != nil && RealServers.database != nil,
        Comment(rawValue: RealServers.bothReason)),
    .enabled(
        if: ProcessInfo.processInfo.environment["HOLDFAST_TEST_AUDIT"] != nil,
        "it takes minutes: HOLDFAST_TEST_AUDIT=900000, or more, runs it"))
struct AuditScaleTests {
    /// Commands of the long topic. A third of them must fill what an audit reads ahead of each topic (16 MiB), or the
    /// short topic would be the one that needs less.
    private static let size =
        ProcessInfo.processInfo.environment["HOLDFAST_TEST_AUDIT"].flatMap { Int($0) } ?? 900_000
    private static let skus = 200
    /// What a command more may cost, in bytes: the allocator does not give back all at once. In memory it would take
    /// more than ten times that.
    private static let tolerance = 60

    private struct Measured {
        let seconds: Double
        /// Most resident bytes.
        let peak: Int
        let output: String
    }

    private func measure(
        _ stage: Stage, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> Measured {
        let start = MonotonicTime.now()
        let process = try stage.begin(arguments + ["--log-level", "warning"], environment: environment)
        var peak = 0
        try eventually("\(arguments[0]) ends", seconds: 1_200) {
            let status = try? String(contentsOfFile: "/proc/\(process.identifier)/status", encoding: .utf8)
            let line = status?.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
            let kilobytes = line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
            peak = max(peak, (kilobytes ?? 0) << 10)
            return !process.isRunning
        }
        let seconds = MonotonicTime.seconds(since: start)
        #expect(process.exitCode == 0, "\(arguments): \(process.logTail())")
        return Measured(seconds: seconds, peak: peak, output: process.logTail(lines: 1000))
    }

    /// Reservations that begin and end, so that the state stays as small as it is.
    private func publish(_ numbers: Range<Int>, to stage: Stage) throws {
        for number in numbers {
            let sku = "SKU-\(number / 2 % Self.skus)"
            if number % 2 == 0 {
                try stage.publishSoon(reserve("reservation-\(number)", 1, ID(sku), ttl: 86_400_000))
            } else {
                try stage.publishSoon(confirm("reservation-\(number - 1)", ID(sku)))
            }
        }
        try stage.flush()
    }

    @Test(
        "verify, replay and show need no more memory for a topic that is three times as long",
        .timeLimit(.minutes(30)))
    func memory() throws {
        let database = try TestDatabase()
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        let processor = try stage.start("process")
        let sink = try stage.start("sink", ["--migrate"], environment: ["DATABASE_URL": database.url])
        // A window that is full early: what is remembered is state, too.
        let book = Command(
            id: "settings", sku: "@holdfast/partition/0", body: .setSettings(Settings(dedupeCount: 1_000)))
        var writer = RecordWriter()
        writer.write(command: book)
        try stage.publish(
            key: book.sku.bytes, value: writer.withBytes { Array($0) }, partition: .number(0))
        for number in 0..<Self.skus {
            try stage.publishSoon(receive("in-\(number)", 1_000_000, "SKU-\(number)"))
        }
        let audits: [(name: String, arguments: [String])] = [
            ("verify", ["verify", "--without-database"]), ("verify with PostgreSQL", ["verify"]),
            ("replay", ["replay"]), ("show sku", ["show", "sku", "SKU-7"]),
            ("show command", ["show", "command", "in-7"]),
            ("show order", ["show", "order", "o-reservation-8"]),
        ]
        var short: [String: Measured] = [:]
        var published = 0
        for count in [Self.size / 3, Self.size] {
            try publish(published..<count, to: stage)
            published = count
            try eventually("all are decided", seconds: 1_200) {
                try #require(processor.metric("holdfast_dead_letters_total") == 0)
                return processor.metric("holdfast_commands_total") >= Double(count + Self.skus + 1)
                    && processor.metric("holdfast_lag") == 0
            }
            try eventually("all are in PostgreSQL", seconds: 1_200) {
                sink.metric("holdfast_sink_rows_total") >= Double(count + Self.skus + 1)
            }
            for (name, arguments) in audits {
                let measured = try measure(stage, arguments, environment: ["DATABASE_URL": database.url])
                print(
                    "\(name) of \(count) commands: \(String(format: "%.1f", measured.seconds)) s, "
                        + "\(Int(Double(count) / measured.seconds)) a second, at most \(measured.peak >> 20) MiB resident"
                )
                guard let before = short[name] else {
                    short[name] = measured
                    continue
                }
                #expect(
                    measured.peak <= before.peak + Self.tolerance * (Self.size - Self.size / 3),
                    "\(name): \(before.peak >> 20) MiB of \(Self.size / 3), \(measured.peak >> 20) MiB of \(count)"
                )
            }
        }
    }
}
