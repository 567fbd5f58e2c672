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
    /// How many SKUs, each with a live reservation; a million by hand.
    private static let size =
        ProcessInfo.processInfo.environment["HOLDFAST_TEST_RESTORE"].flatMap { Int($0) } ?? 20_000

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
                "auto.offset.reset": "error", "queued.min.messages": "100000",
                // As a restore: the end is told by an answer without records, which a broker holds back so long.
                "fetch.wait.max.ms": "5",
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
        try stage.fill(Self.size, first)
        first.process.send(SIGKILL)
        _ = first.process.waitForEnd(milliseconds: 5_000)
        let raw = try readRaw(stage, tail: Int64(Limits.dedupeWindow) * 9 / 8)
        let second = try stage.start("process", ["--instance-id", "one"])
        let restored = try RestoredLine(second.process)
        print(
            "restore of \(restored.skus) SKUs and \(restored.reservations) reservations: \(restored.restoring) ms; "
                + "the bare consumer read the same \(raw.records) records, \(raw.bytes >> 20) MiB, in "
                + "\(Int(raw.seconds * 1000)) ms; resident memory "
                + "\(Int(second.metric("process_resident_memory_bytes")) >> 20) MiB")
        #expect(restored.skus == Self.size && restored.reservations == Self.size && !restored.isWarm)
        #expect(restored.restoring < 10_000)
        #expect(second.metric("holdfast_restored_records") >= Double(2 * Self.size / 20_000 * 20_000))
    }
}
