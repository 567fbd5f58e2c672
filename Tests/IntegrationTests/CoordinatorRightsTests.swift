import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import OrderCore
import Testing

@Suite(
    "The coordinator with the rights of deploy/acls.txt", .serialized,
    .enabled(if: RealServers.canStartServers, Comment(rawValue: RealServers.serversReason)))
struct CoordinatorRightsTests {
    private func place(_ id: ID, _ skus: [ID]) -> OrderEvent {
        let lines = skus.map { OrderEvent.Line(sku: $0, quantity: 1) }
        return OrderEvent(
            id: "placed-\(id)", orderID: id, at: Timestamp(milliseconds: 0),
            body: .placed(OrderEvent.Placed(lines: lines)))
    }

    private func pay(_ id: ID) -> OrderEvent {
        OrderEvent(id: "paid-\(id)", orderID: id, at: Timestamp(milliseconds: 0), body: .paid([]))
    }

    @Test(
        "With its lines alone, and a processor with the processor's, an order is reserved, paid and confirmed, and another is refused",
        .timeLimit(.minutes(3)))
    func works() throws {
        let secured = try SecuredServers.shared()
        let stage = try Stage(secured: secured)
        defer { stage.endAll() }
        try stage.start("process")
        let coordinator = try stage.start("coordinate", ["--unknown-order-ms", "500"])
        try stage.publish([receive("i1", 5, "A"), receive("i2", 5, "B")])
        try stage.publish([place("o1", ["A", "B"]), place("o2", ["A", "C"]), pay("ghost")])
        try stage.awaitStory("o1", ["reserved"])
        try stage.awaitStory("o2", ["rejected!"])
        try stage.publish([pay("o1")])
        try stage.awaitStory("o1", ["reserved", "confirmed!"])
        // It writes `orders`, where it tells what is due, and `dead.letters`.
        try eventually("the ghost's payment is a dead letter") { try !stage.deadLetters().isEmpty }
        #expect(coordinator.process.stop(milliseconds: 5_000) == 0)
        secured.expectNoSecret(in: coordinator.process.logTail(lines: 100_000), "coordinate")
        // The next one reads its state, and goes on where the first has committed.
        try stage.start("coordinate")
        try stage.publish([place("o3", ["A", "B"])])
        try stage.awaitStory("o3", ["reserved"])
        try stage.checkBooks()
    }

    /// Operations and kind of the lines of acls.txt that are left out, and what is told then.
    private struct Right {
        let without: String
        let told: [String]
    }

    private static let rights = [
        Right(
            without: "Read topic", told: ["PREFIXorder.replies", "ACL on the topic"]),
        Right(
            without: "Write topic", told: ["PREFIXorder.outcomes", "ACL on the topic"]),
        Right(
            without: "Read group",
            told: ["group PREFIXholdfast-coordinate", "ACL on the group"]),
        Right(
            without: "Write transactional-id",
            told: ["transactional id PREFIXholdfast-orders-0", "ACL on the transactional id"]),
        Right(
            without: "Describe group",
            told: ["group PREFIXholdfast-reader", "ACL on the group"]),
        Right(
            without: "Describe topic",
            told: ["PREFIXwarehouses", "ACL on the topic"]),
    ]

    @Test(
        "A coordinator without one of its rights ends with 2, and names the user and what the ACL is missing for",
        .timeLimit(.minutes(3)))
    func missing() throws {
        let secured = try SecuredServers.shared()
        var started: [(right: Right, stage: Stage, role: Stage.Role, user: String)] = []
        defer { for one in started { one.stage.endAll() } }
        // The first are SecurityTests', the last OperatorRightsTests'.
        for (right, user) in zip(Self.rights, SecuredServers.spareUsers.dropFirst(11)) {
            let stage = try Stage(partitions: 1, secured: secured)
            let file = try secured.acls(
                of: "coordinator", without: right.without, for: user, stage.folder)
            let applied = try stage.run(["acls", "apply", "--acl-file", file])
            try #require(applied.code == 0, "\(applied.output)")
            try stage.publish([place("o1", ["A"])])
            let role = try stage.start(
                "coordinate", ["--config", secured.configuration(of: user)], awaitReady: false)
            started.append((right, stage, role, user))
        }
        for (right, stage, role, user) in started {
            let code = role.process.waitForEnd(milliseconds: 30_000)
            let log = role.process.logTail(lines: 1000)
            #expect(code == 2, "\(right.without): \(log)")
            let errors = log.split(separator: "\n").filter { $0.contains(" ERROR ") }
            for part in right.told + ["user \(user)"] {
                let part = part.replacing("PREFIX", with: stage.prefix)
                #expect(errors.contains { $0.contains(part) }, "\(right.without): \(part) in \(log)")
            }
            secured.expectNoSecret(in: log, right.without)
        }
    }

    @Test(
        "A processor that may not write order.replies decides as before, and counts the replies that went nowhere",
        .timeLimit(.minutes(3)))
    func processor() throws {
        let secured = try SecuredServers.shared()
        let stage = try Stage(partitions: 1, secured: secured)
        defer { stage.endAll() }
        let user = SecuredServers.spareUsers[17]
        let file = try secured.acls(
            of: "processor", without: "Write topic order.replies", for: user, stage.folder)
        let applied = try stage.run(["acls", "apply", "--acl-file", file])
        try #require(applied.code == 0, "\(applied.output)")
        let processor = try stage.start("process", ["--config", secured.configuration(of: user)])
        let address = OrderAddress(partition: 0, orderID: "o", line: 1, attempt: 1)
        try stage.publish([receive("i1", 5, "A"), reserve(for: address, 1, "A"), reserve("r1", 1, "A")])
        try stage.awaitResults()
        #expect(processor.metric("holdfast_unplaced_replies_total") == 1)
        #expect(try stage.outcome(of: "c-r1").kind == .reserved)
    }
}
