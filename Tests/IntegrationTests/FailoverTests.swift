import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Testing

/// What happens after `kill -9`, and how long each step takes: the figures are in docs/chaos.md.
@Suite(
    "Failover", .serialized,
    .enabled(if: RealServers.canStartServers, Comment(rawValue: RealServers.serversReason)))
struct FailoverTests {
    /// How many SKUs, each with a live reservation; more by hand.
    private static let size =
        ProcessInfo.processInfo.environment["HOLDFAST_TEST_RESTORE"].flatMap { Int($0) } ?? 20_000

    /// The steps from the SIGKILL to the next result, in milliseconds.
    private struct Split {
        /// Until the group has dropped the dead member, or has its successor in its place, as the broker's log says.
        let detection: Int64
        /// Until the new owner has its partition, and its worker begins.
        let assignment: Int64
        let restored: RestoredLine
        /// From a worker that is ready to the result that a reader has.
        let first: Int64
        let total: Int64

        init(killed: Int64, noticed: Int64, answered: Int64, by successor: ChildProcess) throws {
            restored = try RestoredLine(successor)
            let began = restored.time - Int64(restored.fencing + restored.locating + restored.restoring)
            detection = noticed - killed
            assignment = began - noticed
            first = answered - restored.time
            total = answered - killed
        }

        var text: String {
            "detection \(detection) ms, assignment \(assignment) ms, fencing \(restored.fencing) ms, committed offset "
                + "\(restored.locating) ms, restore \(restored.restoring) ms (\(restored.skus) SKUs), first transaction "
                + "\(first) ms; in all \(total) ms"
        }
    }

    /// Publishes a command after the kill, and waits for its answer.
    /// - Parameters:
    ///   - notice: what the broker logs when its group coordinator has noticed.
    ///   - successor: who takes over.
    private func follow(
        _ stage: Stage, _ kafka: OwnKafka, _ results: Consumer, killed: Int64, notice: String,
        by successor: ChildProcess
    ) throws -> Split {
        var answered: Int64?
        var outcome: Outcome?
        var reader = RecordReader()
        try stage.publish([confirm("late-1", ID(Stage.sku(1)))])
        try eventually("the confirm has a result; \(successor.logTail(lines: 5))", seconds: 120) {
            results.consumeBatch(maxMessages: 1, timeoutMilliseconds: 100) { message in
                // What was decided before the kill may be committed after it.
                guard case .record = message.kind,
                    let found = message.value.flatMap({ try? reader.outcome($0).outcome }),
                    found.commandID == "p-late-1"
                else { return }
                answered = WallClock.milliseconds()
                outcome = found
            }
            return answered != nil
        }
        let found = try #require(outcome)
        #expect(found.kind == .confirmed)
        return try Split(
            killed: killed,
            noticed: try kafka.time(of: notice, and: stage.prefix + "holdfast", after: killed),
            answered: try #require(answered), by: successor)
    }

    private func group(_ stage: Stage) throws -> GroupDescription {
        try Admin(configuration: ["bootstrap.servers": stage.bootstrap]).describeConsumerGroup(
            stage.prefix + "holdfast", timeoutMilliseconds: 10_000)
    }

    @Test(
        "A killed processor that is no static member is missed after its session; another takes over, exactly once",
        .timeLimit(.minutes(15)), arguments: [false, true])
    func takeover(isStandby: Bool) throws {
        let kafka = try OwnKafka()
        defer { kafka.end() }
        let stage = try Stage(partitions: 1, bootstrap: kafka.bootstrap)
        defer { stage.endAll() }
        let first = try stage.start("process")
        // It joins a group whose only partition is taken, so it has none and is not asked to be ready.
        let second = try stage.start("process", isStandby ? ["--standby"] : [], awaitReady: false)
        try eventually("both are members") {
            let group = try group(stage)
            return group.members.count == 2 && group.state == "Stable"
        }
        try stage.fill(Self.size, first)
        if isStandby {
            try eventually("the standby follows", seconds: 120) {
                second.metric("holdfast_standby_partitions") == 1
            }
        }
        try stage.publish((0..<500).map { reserve("late-\($0)", 1, ID(Stage.sku($0))) })
        try eventually("the late ones are decided") {
            first.metric("holdfast_commands_total") >= Double(2 * Self.size + 500)
        }
        let results = try stage.resultsFromNowOn()
        let killed = WallClock.milliseconds()
        first.process.send(SIGKILL)
        let split = try follow(
            stage, kafka, results, killed: killed, notice: "has failed, removing it from the group",
            by: second.process)
        print("failover of a dynamic member\(isStandby ? ", to a standby" : ""): \(split.text)")
        // Its session lasts for 6 s from its last heartbeat, which it sends every 1.5 s.
        #expect(split.detection > 1_000 && split.detection <= split.total)
        #expect(split.restored.isWarm == isStandby && split.restored.skus == Self.size)
        // A level and a reservation of each SKU, and two entries. A standby has read them before; how long the rest
        // takes depends on what else the machine does.
        let state = 4 * Self.size
        #expect(isStandby ? split.restored.recordsRead < state / 4 : split.restored.recordsRead >= state)
        try stage.checkBooks()
    }

    @Test(
        "A killed static member that is started again has its partitions without being missed",
        .timeLimit(.minutes(15)))
    func restart() throws {
        let kafka = try OwnKafka()
        defer { kafka.end() }
        let stage = try Stage(partitions: 1, bootstrap: kafka.bootstrap)
        defer { stage.endAll() }
        let first = try stage.start("process", ["--instance-id", "one"])
        try stage.fill(Self.size, first)
        try stage.publish([reserve("late-1", 1, ID(Stage.sku(1)))])
        try eventually("the late one is decided") {
            first.metric("holdfast_commands_total") >= Double(2 * Self.size + 1)
        }
        let results = try stage.resultsFromNowOn()
        let killed = WallClock.milliseconds()
        first.process.send(SIGKILL)
        _ = first.process.waitForEnd(milliseconds: 5_000)
        let second = try stage.start("process", ["--instance-id", "one"], awaitReady: false)
        let split = try follow(
            stage, kafka, results, killed: killed, notice: "Replacing previously mapped member",
            by: second.process)
        print("failover of a static member that is started again: \(split.text)")
        #expect(
            try kafka.lines(with: "has failed, removing it", and: stage.prefix + "holdfast").isEmpty,
            "the group has missed nobody")
        #expect(split.restored.skus == Self.size && !split.restored.isWarm)
        try stage.checkBooks()
    }
}
