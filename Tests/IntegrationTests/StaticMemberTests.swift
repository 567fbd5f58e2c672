import Foundation
import KafkaClient
import Operations
import Testing

/// Roles with an `instance_id`, and whoever joins their group under the same one.
@Suite(
    "Static members", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct StaticMemberTests {
    /// A bare member of a role's group, under the instance id that the role has; it joins, and goes away without a word,
    /// as a request does whose answer was lost with the coordinator.
    private func joinOnce(_ stage: Stage, group: String, _ topics: [Topic], as instance: String) throws {
        let consumer = try Consumer(configuration: [
            "bootstrap.servers": stage.bootstrap, "group.id": stage.prefix + group,
            "group.instance.id": instance, "session.timeout.ms": "6000",
            "partition.assignment.strategy": "cooperative-sticky", "enable.auto.commit": "false",
        ])
        try consumer.subscribe(topics: topics.map(stage.name))
        try eventually("the other member has joined") {
            consumer.consumeBatch(maxMessages: 1, timeoutMilliseconds: 100) { _ in }
            return consumer.memberID != nil
        }
    }

    private func isFenced(_ role: Stage.Role) -> Bool {
        role.process.logTail(lines: 1_000).contains("FENCED_INSTANCE_ID")
    }

    @Test(
        "A processor that is fenced by a member that is gone joins again by itself, as often as it happens",
        .timeLimit(.minutes(4)))
    func processor() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        let processor = try stage.start("process", ["--instance-id", "one"])
        try stage.publish([receive("c1", 50, "A"), receive("c2", 50, "B")])
        try stage.awaitResults()
        for round in 1...2 {
            try joinOnce(stage, group: "holdfast", [.commands], as: "one")
            try eventually("it has joined again, \(round); \(processor.process.logTail(lines: 5))") {
                guard processor.process.exitCode == nil else {
                    throw Timeout(what: processor.process.logTail())
                }
                let log = processor.process.logTail(lines: 1_000)
                return isFenced(processor)
                    && log.split(separator: "\n").count { $0.contains("assigned partitions=0,1") } == 1
                        + round
            }
            try stage.publish([reserve("r\(round)", 1, "A"), reserve("s\(round)", 1, "B")])
            try stage.awaitResults()
        }
        try processor.awaitReady()
        #expect(processor.process.stop(milliseconds: 5_000) == 0)
        try stage.checkBooks()
    }

    @Test(
        "A delay service that is fenced by a member that is gone joins again by itself",
        .timeLimit(.minutes(4)))
    func delay() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        let delay = try stage.start("delay", ["--instance-id", "one"])
        try joinOnce(stage, group: "holdfast-delay", [.reservations, .transfers], as: "one")
        try eventually("it was fenced; \(delay.process.logTail(lines: 5))") { isFenced(delay) }
        try stage.publish([receive("c1", 5, "A"), reserve("r1", 2, "A", ttl: 1_000)])
        try eventually("the reservation has expired; \(delay.process.logTail(lines: 5))") {
            try stage.liveReservations().isEmpty && stage.read(.commands).count == 3
        }
        #expect(delay.process.stop(milliseconds: 5_000) == 0, "\(delay.process.logTail())")
        try stage.awaitAnswers()
        try stage.checkBooks()
    }

    @Test(
        "Of two processors with one instance id, one ends with 70 and names the other, which works on",
        .timeLimit(.minutes(4)))
    func duplicate() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        let first = try stage.start("process", ["--instance-id", "one"])
        try stage.publish([receive("c1", 50, "A"), receive("c2", 50, "B")])
        let second = try stage.start("process", ["--instance-id", "one"], awaitReady: false)
        var ended: [Stage.Role] = []
        try eventually("one of them ends") {
            ended = [first, second].filter { $0.process.exitCode != nil }
            return !ended.isEmpty
        }
        #expect(ended.count == 1)
        let lost = ended[0]
        let left = lost.process === first.process ? second : first
        #expect(lost.process.exitCode == 70)
        let log = lost.process.logTail()
        #expect(log.contains("instance_id one") && log.contains("127.0.0.1"), "\(log)")
        try left.awaitReady()
        try stage.publish([reserve("r1", 1, "A"), reserve("s1", 1, "B")])
        try stage.awaitResults()
        #expect(left.process.stop(milliseconds: 5_000) == 0, "\(left.process.logTail())")
        try stage.checkBooks()
    }
}
