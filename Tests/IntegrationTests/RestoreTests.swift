import Foundation
import InventoryCore
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
        let milliseconds: Int

        init?(_ log: String) {
            guard let line = log.split(separator: "\n").last(where: { $0.contains("restored") }) else {
                return nil
            }
            func value(_ name: String) -> Int? {
                line.split(separator: " ").first { $0.hasPrefix(name + "=") }.flatMap {
                    Int($0.dropFirst(name.count + 1))
                }
            }
            guard let skus = value("skus"), let reservations = value("reservations"),
                let milliseconds = value("milliseconds")
            else { return nil }
            (self.skus, self.reservations, self.milliseconds) = (skus, reservations, milliseconds)
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

    @Test(
        "Levels and live reservations are there again in seconds, at no less than half of the bare reading rate",
        .timeLimit(.minutes(15)))
    func speed() throws {
        let count = ProcessInfo.processInfo.environment["HOLDFAST_TEST_RESTORE"].flatMap { Int($0) } ?? 20_000
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        let first = try stage.start("process", ["--instance-id", "one"])
        for number in 0..<count {
            let sku = "SKU-\(number)-OF-A-USUAL-LENGTH"
            try stage.publishSoon(receive("receive-\(number)", 10, sku))
            try stage.publishSoon(reserve("reservation-of-a-usual-length-\(number)", 2, sku, ttl: 86_400_000))
        }
        try stage.flush()
        try eventually("all are decided", seconds: 600) {
            first.metric("holdfast_commands_total") >= Double(2 * count)
        }
        first.process.send(SIGKILL)
        _ = first.process.waitForEnd(milliseconds: 5_000)
        let raw = try readRaw(stage, tail: Int64(Limits.dedupeWindow) * 9 / 8)
        let second = try stage.start("process", ["--instance-id", "one"])
        let log = second.process.logTail(lines: 50)
        let restored = try #require(Restored(log), "\(log)")
        let seconds = Double(restored.milliseconds) / 1000
        print(
            "restore of \(restored.skus) SKUs and \(restored.reservations) reservations: \(seconds) s; "
                + "the bare consumer read the same \(raw.records) records, \(raw.bytes >> 20) MiB, in \(raw.seconds) s; "
                + "resident memory \(try residentMiB(of: second.process)) MiB")
        #expect(restored.skus == count && restored.reservations == count)
        #expect(seconds < 10)
    }

    private func residentMiB(of process: ChildProcess) throws -> Int {
        let statm = try String(contentsOfFile: "/proc/\(process.identifier)/statm", encoding: .utf8)
        return (Int(statm.split(separator: " ")[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) >> 20
    }
}
