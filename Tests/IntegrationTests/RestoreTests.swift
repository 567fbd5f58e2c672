import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Testing

@Suite(
    "The restore of a partition", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct RestoreTests {
    /// What `restored` says in the log of a processor.
    private struct Restored {
        let skus: Int
        let reservations: Int
        /// Milliseconds.
        let fencing: Int
        let locating: Int
        let restoring: Int
        let isWarm: Bool

        init(_ process: ChildProcess) throws {
            let line = try RestoreTests.line("restored", of: process)
            func value(_ name: String) throws -> Int {
                try #require(
                    line.split(separator: " ").first { $0.hasPrefix(name + "=") }
                        .flatMap { Int($0.dropFirst(name.count + 1)) }, "\(name) in \(line)")
            }
            skus = try value("skus")
            reservations = try value("reservations")
            fencing = try value("fencing_ms")
            locating = try value("locating_ms")
            restoring = try value("restoring_ms")
            isWarm = line.contains("standby=true")
        }
    }

    /// The newest line of a process's log that has the word.
    private static func line(_ word: String, of process: ChildProcess) throws -> String {
        var found: Substring?
        try eventually("\(word) is told; \(process.logTail(lines: 5))") {
            found = process.logTail(lines: 200).split(separator: "\n").last { $0.contains(word) }
            return found != nil
        }
        return String(found!)
    }

    /// How many SKUs, each with a live reservation; a million by hand.
    private static let size =
        ProcessInfo.processInfo.environment["HOLDFAST_TEST_RESTORE"].flatMap { Int($0) } ?? 20_000

    private func fill(_ stage: Stage, _ processor: Stage.Role) throws {
        for number in 0..<Self.size {
            let sku = "SKU-\(number)-OF-A-USUAL-LENGTH"
            try stage.publishSoon(receive("receive-\(number)", 10, sku))
            try stage.publishSoon(reserve("reservation-of-a-usual-length-\(number)", 2, sku, ttl: 86_400_000))
        }
        try stage.flush()
        try eventually("all are decided", seconds: 600) {
            processor.metric("holdfast_commands_total") >= Double(2 * Self.size)
        }
    }

    /// Reads as a restore reads, and does nothing with what it reads.
    /// - Returns: how many records, of how many bytes, in how many seconds.
    private func readRaw(_ stage: Stage, tail: Int64) throws -> (records: Int, bytes: Int, seconds: Double) {
        var (records, bytes) = (0, 0)
        let start = MonotonicTime.now()
        for topic in [Topic.levels, .reservations, .transfers, .ledger] {
            let consumer = try Consumer(configuration: [
                "bootstrap.servers": stage.bootstrap, "group.id": stage.prefix + "raw",
                "isolation.level": "read_committed", "enable.auto.commit": "false",
                "enable.partition.eof": "true",
                "auto.offset.reset": "error", "fetch.wait.max.ms": "5", "queued.min.messages": "100000",
                "queued.max.messages.kbytes": "131072", "fetch.queue.backoff.ms": "2",
            ])
            let place = TopicPartition(stage.name(topic), 0)
            let ends = try consumer.watermarks(place, timeoutMilliseconds: 10_000)
            let first = topic == .ledger ? max(ends.low, ends.high - tail) : ends.low
            try consumer.assign([TopicPartitionOffset(place.topic, 0, offset: first)])
            var isAtEnd = false
            try eventually("\(topic.rawValue) is read") {
                consumer.consumeBatch(maxMessages: 10_000, timeoutMilliseconds: 100) { message in
                    switch message.kind {
                    case .record:
                        records += 1
                        bytes += message.value?.count ?? 0
                    case .endOfPartition: isAtEnd = true
                    case .failure: break
                    }
                }
                return isAtEnd
            }
        }
        return (records, bytes, Double(MonotonicTime.now() - start) / 1e9)
    }

    @Test("Levels and live reservations are there again within seconds", .timeLimit(.minutes(15)))
    func speed() throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        let first = try stage.start("process", ["--instance-id", "one"])
        try fill(stage, first)
        first.process.send(SIGKILL)
        _ = first.process.waitForEnd(milliseconds: 5_000)
        let raw = try readRaw(stage, tail: Int64(Limits.dedupeWindow) * 9 / 8)
        let second = try stage.start("process", ["--instance-id", "one"])
        let restored = try Restored(second.process)
        print(
            "restore of \(restored.skus) SKUs and \(restored.reservations) reservations: \(restored.restoring) ms; "
                + "the bare consumer read the same \(raw.records) records, \(raw.bytes >> 20) MiB, in "
                + "\(Int(raw.seconds * 1000)) ms; resident memory "
                + "\(Int(second.metric("process_resident_memory_bytes")) >> 20) MiB")
        #expect(restored.skus == Self.size && restored.reservations == Self.size && !restored.isWarm)
        #expect(restored.restoring < 10_000)
        #expect(second.metric("holdfast_restored_records") >= Double(2 * Self.size / 20_000 * 20_000))
    }

    /// A consumer of the results that come after those that are there.
    private func resultsFromNowOn(_ stage: Stage) throws -> Consumer {
        let consumer = try Consumer(configuration: [
            "bootstrap.servers": stage.bootstrap, "group.id": stage.prefix + "results",
            "isolation.level": "read_committed", "enable.auto.commit": "false", "fetch.wait.max.ms": "5",
        ])
        let place = TopicPartition(stage.name(.results), 0)
        let ends = try consumer.watermarks(place, timeoutMilliseconds: 10_000)
        try consumer.assign([TopicPartitionOffset(place, offset: ends.high)])
        return consumer
    }

    @Test(
        "A standby takes the partitions of a killed processor over without a full restore, exactly once",
        .timeLimit(.minutes(15)))
    func standby() throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        let first = try stage.start("process")
        // It joins a group whose only partition is taken, so it has none and is not asked to be ready.
        let second = try stage.start("process", ["--standby"], awaitReady: false)
        try fill(stage, first)
        try eventually("the standby follows", seconds: 120) {
            second.metric("holdfast_standby_partitions") == 1
        }
        try stage.publish((0..<500).map { reserve("late-\($0)", 1, "SKU-\($0)-OF-A-USUAL-LENGTH") })
        try eventually("the late ones are decided") {
            first.metric("holdfast_commands_total") >= Double(2 * Self.size + 500)
        }
        let results = try resultsFromNowOn(stage)
        first.process.send(SIGKILL)
        let killed = WallClock.milliseconds()
        _ = first.process.waitForEnd(milliseconds: 5_000)
        try stage.publish([confirm("late-1", "SKU-1-OF-A-USUAL-LENGTH")])
        var found: Outcome?
        var reader = RecordReader()
        try eventually("the confirm has a result") {
            results.consumeBatch(maxMessages: 1, timeoutMilliseconds: 100) { message in
                if case .record = message.kind {
                    found = message.value.flatMap { try? reader.outcome($0).outcome }
                }
            }
            return found != nil
        }
        let answered = WallClock.milliseconds()
        let outcome = try #require(found)
        let restored = try Restored(second.process)
        let assigned = try #require(
            try Self.line("assigned partitions=0", of: second.process).split(separator: " ").first
                .flatMap { Array($0.utf8).withUnsafeBytes { RFC3339.parse($0) } })
        print(
            "takeover of \(restored.skus) SKUs: assigned \(assigned.milliseconds - killed) ms after the SIGKILL, "
                + "fenced in \(restored.fencing) ms, located in \(restored.locating) ms, restored in "
                + "\(restored.restoring) ms, first result read \(answered - killed) ms after the SIGKILL")
        #expect(outcome.kind == .confirmed && outcome.commandID == "p-late-1" && restored.isWarm)
        #expect(restored.skus == Self.size)
        #expect(restored.fencing + restored.locating + restored.restoring < 2_000)
        try stage.checkBooks()
    }
}
