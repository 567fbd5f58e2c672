import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Testing

/// Bytes that a disk has changed, in the broker's own file.
@Suite(
    "Damaged bytes in a log segment", .serialized,
    .enabled(if: RealServers.canStartServers, Comment(rawValue: RealServers.serversReason)))
struct DamageTests {
    @Test(
        "A batch whose bytes were changed on the disk is stepped over and noted, packed by any codec or not, and what stands before and behind it is decided",
        .timeLimit(.minutes(6)))
    func damaged() throws {
        let kafka = try OwnKafka()
        defer { kafka.end() }
        let codecs = ["none", "gzip", "snappy", "lz4", "zstd"]
        var stages: [Stage] = []
        defer { for stage in stages { stage.endAll() } }
        for codec in codecs {
            let stage = try Stage(partitions: 1, bootstrap: kafka.bootstrap)
            stages.append(stage)
            for batch in [["before"], ["lost-1", "lost-2", "lost-3"], ["behind"]] {
                try publish(batch, to: stage, codec)
            }
        }
        try kafka.stop()
        for stage in stages {
            let folder = "\(kafka.logs)/\(stage.name(.commands))-0"
            try damage(batch: 1, of: "\(folder)/00000000000000000000.log")
        }
        try kafka.start()
        for (codec, stage) in zip(codecs, stages) {
            let processor = try stage.start("process", ["--stall-timeout-ms", "0"])
            try stage.publish([receive("then", 1, "A")])
            _ = try stage.outcome(of: "then")
            let results = try stage.results().map(\.outcome.commandID.text)
            #expect(results == ["before", "behind", "then"], "\(codec): \(processor.process.logTail())")
            let skips = try stage.ledger().filter { $0.movement == .skip }
            #expect(skips.map(\.skipped) == [1..<4], "\(codec)")
            #expect(skips.map(\.note) == ["damaged"], "\(codec)")
            let letters = try stage.deadLetters()
            #expect(letters.map(\.reason) == [.unreadable] && letters.map(\.offset) == [1], "\(codec)")
            // Another one finds the same, and nothing more.
            #expect(processor.process.stop(milliseconds: 10_000) == 0)
            let next = try stage.start("process")
            #expect(next.process.stop(milliseconds: 10_000) == 0)
            for audit in [["verify", "--without-database"], ["replay"]] {
                let told = try stage.run(audit)
                #expect(told.code == 0, "\(codec): \(told.output)")
            }
        }
    }

    @Test(
        "A damaged batch of levels halts its partition and no other, and goes with the runbook's commands",
        .timeLimit(.minutes(4)))
    func damagedState() throws {
        let kafka = try OwnKafka()
        defer { kafka.end() }
        let stage = try Stage(partitions: 2, bootstrap: kafka.bootstrap)
        defer { stage.endAll() }
        var processor = try stage.start("process")
        let (bad, good) = (sku(0, of: stage), sku(1, of: stage))
        for (id, name) in [("b1", bad), ("g1", good)] { try stage.publish([receive(ID(id), 5, ID(name))]) }
        _ = try (stage.outcome(of: "b1"), stage.outcome(of: "g1"))
        #expect(processor.process.stop(milliseconds: 10_000) == 0)
        try kafka.stop()
        try damage(batch: 0, of: "\(kafka.logs)/\(stage.name(.levels))-0/00000000000000000000.log")
        try kafka.start()
        processor = try stage.start("process", awaitReady: false)
        try stage.publish([receive("g2", 1, ID(good)), receive("b2", 1, ID(bad))])
        _ = try stage.outcome(of: "g2")
        try eventually("partition 0 is stopped") {
            processor.process.logTail(lines: 100).contains("stock.levels[0] holds a batch at offset 0")
        }
        #expect(processor.process.isRunning)
        #expect(processor.process.stop(milliseconds: 10_000) == 0)
        let admin = try Admin(configuration: ["bootstrap.servers": kafka.bootstrap])
        #expect(try admin.deleteTopics([stage.name(.levels)], timeoutMilliseconds: 30_000).isEmpty)
        try eventually("the topic is gone") {
            try admin.describeTopics([stage.name(.levels)], timeoutMilliseconds: 10_000).isEmpty
        }
        for command in [
            ["topics", "apply", "--partitions", "2"], ["rebuild", "--from-ledger", "--in-place"],
        ] {
            let done = try stage.run(command)
            #expect(done.code == 0, "\(done.output)")
        }
        try stage.start("process")
        _ = try stage.outcome(of: "b2")
        let verified = try stage.run(["verify", "--without-database"])
        #expect(verified.code == 0, "\(verified.output)")
    }

    private func sku(_ partition: Int32, of stage: Stage) -> String {
        (0...).lazy.map { "SKU-\($0)" }.first { stage.place(of: $0) == partition }!
    }

    /// Publishes commands as one batch.
    private func publish(_ ids: [String], to stage: Stage, _ codec: String) throws {
        let producer = try Producer(configuration: [
            "bootstrap.servers": stage.bootstrap, "compression.codec": codec, "linger.ms": "500",
        ])
        let topic = try producer.topic(stage.name(.commands))
        var writer = RecordWriter()
        for id in ids {
            writer.write(command: receive(ID(id), 1, "A"))
            let outcome = try Array("A".utf8).withUnsafeBytes { key in
                try writer.withBytes { value in
                    try producer.produce(topic, partition: .number(0), key: key, value: value)
                }
            }
            #expect(outcome == .queued)
        }
        try producer.flush(timeoutMilliseconds: 30_000)
    }

    /// Changes a byte in the midst of a batch's records.
    private func damage(batch number: Int, of path: String) throws {
        var bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
        func length(at place: Int) -> Int {
            bytes[(place + 8)..<(place + 12)].reduce(0) { $0 << 8 | Int($1) }
        }
        var start = 0
        for _ in 0..<number { start += 12 + length(at: start) }
        // Behind the batch's head of 61 bytes.
        let middle = start + 61 + (12 + length(at: start) - 61) / 2
        bytes[middle] ^= 0x55
        try Data(bytes).write(to: URL(filePath: path))
    }
}
