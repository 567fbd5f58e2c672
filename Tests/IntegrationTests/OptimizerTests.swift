import Foundation
import InventoryCore
import InventoryWire
import Operations
import OrderCore
import Testing

extension Stage {
    /// The proposals in `orders`, repeats too.
    fileprivate func proposals() throws -> [OrderEvent] {
        var reader = RecordReader()
        return try read(.orders).compactMap { record in
            let event = try record.key!.withUnsafeBytes { key in
                try record.value!.withUnsafeBytes { value in
                    try reader.orderRecord(
                        key: key, value: value, at: Timestamp(milliseconds: record.timestamp),
                        offset: record.offset)
                }
            }
            guard case .event(let event) = event, case .reallocate = event.body else { return nil }
            return event
        }
    }

    /// From where the newest outcome of an order says that its lines come.
    fileprivate func warehouses(of id: ID) throws -> [[ID]] {
        let newest = try orderOutcomes().filter { $0.orderID == id }.max { $0.version < $1.version }
        return (newest?.lines ?? []).map { $0.allocations.map(\.warehouse) }
    }

    /// A has most units in HAM, and B is in BER alone: so that an order of both comes from two, and could from one.
    fileprivate func receiveGoods(tag: String = "i") throws {
        try publish([
            receive("\(tag)1", 50, "A", in: "HAM"), receive("\(tag)2", 20, "A", in: "BER"),
            receive("\(tag)3", 50, "B", in: "BER"),
        ])
        try awaitAnswers()
    }

    fileprivate func place(_ ids: ID...) throws { try place(ids) }

    fileprivate func place(_ ids: [ID]) throws {
        try publish(
            ids.map { id in
                event(
                    "placed", id,
                    .placed(
                        OrderEvent.Placed(
                            lines: ["A", "B"].map { OrderEvent.Line(sku: $0, quantity: 1) },
                            expiry: .after(milliseconds: 600_000))))
            })
    }

    fileprivate func pay(_ id: ID) throws { try publish([event("paid", id, .paid([]))]) }
}

@Suite(
    "The optimizer on a genuine broker", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct OptimizerTests {
    @Test("One that gets no partition waits until there is one for it", .timeLimit(.minutes(3)))
    func spare() throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        let first = try stage.start("optimize")
        let second = try stage.start("optimize", ["--kafka.fetch.min.bytes=1"], awaitReady: false)
        try eventually("the group has told the second one what it has: \(second.process.logTail(lines: 5))") {
            second.process.logTail(lines: 100).contains("assigned")
        }
        #expect(first.process.stop(milliseconds: 5_000) == 0)
        try second.awaitReady()
        // A setting of consumers alone makes no warning of the producer.
        #expect(!second.process.logTail(lines: 1_000).contains("onfiguration property"))
    }

    @Test(
        "An order over two warehouses comes from the one that has both, is paid and ships from there",
        .timeLimit(.minutes(3)))
    func moves() throws {
        let stage = try Stage(partitions: 3)
        defer { stage.endAll() }
        try stage.start("process")
        try stage.start("coordinate")
        try stage.receiveGoods()
        let optimizer = try stage.start("optimize", ["--settle-ms", "200"])
        try stage.place("o1")
        try stage.awaitStory("o1", ["reserved", "changed"])
        #expect(try stage.warehouses(of: "o1") == [["BER"], ["BER"]])
        let live = try stage.liveReservations().values
        #expect(live.count == 2 && live.allSatisfy { $0.allocations.map(\.warehouse) == ["BER"] })
        let proposal = try #require(stage.proposals().first)
        #expect(proposal.id == "@holdfast/optimize/o1/1")
        guard case .reallocate(let reallocation) = proposal.body else { return }
        #expect(reallocation.saving == Saving(shipments: 1, kilometres: 0, late: 0))
        #expect(reallocation.lines.map(\.sku) == ["A"])
        #expect(optimizer.metric("holdfast_optimizer_saved_shipments_total") == 1)
        // Another optimizer begins with the same outcomes, and o1's last leaves nothing to be made better.
        optimizer.process.send(SIGTERM)
        #expect(optimizer.process.waitForEnd(milliseconds: 5_000) == 0, "\(optimizer.process.logTail())")
        let second = try stage.start("optimize", ["--settle-ms", "200"])
        try stage.place("o2")
        try stage.awaitStory("o2", ["reserved", "changed"])
        try eventually("the second optimizer has looked at all") {
            second.metric("holdfast_optimizer_orders_total") >= 2
                && second.metric("holdfast_optimizer_waiting_orders") == 0
        }
        #expect(try stage.proposals().filter { $0.orderID == "o1" }.count == 1)
        for id in ["o1", "o2"] {
            try stage.pay(ID(id))
            try stage.awaitStory(ID(id), ["reserved", "changed", "confirmed!"])
        }
        #expect(
            try stage.orderOutcomes().last?.lines.flatMap(\.shipments).map(\.warehouse) == ["BER", "BER"])
        #expect(try stage.deadLetters().isEmpty)
        try stage.checkBooks()
    }

    @Test(
        "The optimizer is killed six times in the middle of proposals: every order moves once, and the books are right",
        .timeLimit(.minutes(3)))
    func kills() throws {
        let stage = try Stage(partitions: 2)
        defer { stage.endAll() }
        try stage.start("process")
        try stage.start("coordinate")
        try stage.publish([
            receive("i1", 300, "A", in: "HAM"), receive("i2", 100, "A", in: "BER"),
            receive("i3", 100, "B", in: "BER"),
        ])
        try stage.awaitAnswers()
        let arguments = ["--instance-id", "one", "--settle-ms", "50"]
        var optimizer = try stage.start("optimize", arguments)
        var ids: [ID] = []
        for round in 0..<6 {
            let some: [ID] = (0..<10).map { "o\(round)-\($0)" }
            try stage.place(some)
            ids += some
            try eventually("some of round \(round) are proposed; \(optimizer.process.logTail(lines: 5))") {
                try stage.proposals().contains { some.contains($0.orderID) }
            }
            optimizer.process.send(SIGKILL)
            _ = optimizer.process.waitForEnd(milliseconds: 5_000)
            optimizer = try stage.start("optimize", arguments, awaitReady: false)
        }
        func moved() throws -> [ID] {
            let told = Dictionary(grouping: try stage.orderOutcomes(), by: \.orderID)
            return ids.filter { told[$0]?.map(\.kind) == [.reserved, .changed] }
        }
        try eventually("all have moved; \(optimizer.process.logTail(lines: 5))") { try moved() == ids }
        try eventually("it has looked at all; \(optimizer.process.logTail(lines: 5))") {
            optimizer.metric("holdfast_optimizer_orders_total") >= 1
                && optimizer.metric("holdfast_optimizer_waiting_orders") == 0
        }
        #expect(try moved() == ids)
        let live = try stage.liveReservations().values
        #expect(live.count == 2 * ids.count && live.allSatisfy { $0.allocations.map(\.warehouse) == ["BER"] })
        let proposals = try stage.proposals()
        print("an optimizer killed six times: \(ids.count) orders, \(proposals.count) proposals")
        #expect(Set(proposals.map(\.orderID)) == Set(ids))
        // One that is made twice is the same event.
        #expect(Set(proposals.map(\.id)).count == ids.count)
        #expect(try stage.deadLetters().isEmpty)
        try stage.checkBooks()
    }

    @Test(
        "An order that is paid and has not shipped is never moved, nor is one that names its warehouses",
        .timeLimit(.minutes(3)))
    func stays() throws {
        let stage = try Stage(partitions: 2)
        defer { stage.endAll() }
        try stage.start("process")
        let coordinator = try stage.start("coordinate", ["--ship-on", "shipped"])
        try stage.receiveGoods()
        try stage.place("paid")
        try stage.pay("paid")
        try stage.awaitStory("paid", ["reserved", "confirmed"])
        let lines = [("A", "HAM"), ("B", "BER")].map {
            OrderEvent.Line(sku: $0.0, quantity: 1, warehouse: $0.1)
        }
        try stage.publish([
            event(
                "placed", "named",
                .placed(OrderEvent.Placed(lines: lines, expiry: .after(milliseconds: 600_000))))
        ])
        try stage.awaitStory("named", ["reserved"])
        try stage.start("optimize", ["--settle-ms", "0"])
        try stage.place("free")
        try stage.awaitStory("free", ["reserved", "changed"])
        #expect(try Set(stage.proposals().map(\.orderID)) == ["free"])
        for id: ID in ["paid", "named"] {
            #expect(try stage.warehouses(of: id) == [["HAM"], ["BER"]])
            // Not even where somebody proposes it.
            let version = try #require(stage.orderOutcomes().filter { $0.orderID == id }.last?.version)
            let line = ReallocatedLine(sku: "A", allocations: [Allocation(warehouse: "BER", quantity: 1)])
            try stage.publish([
                event("moved", id, .reallocate(Reallocation(version: version, lines: [line])))
            ])
        }
        try eventually("both proposals are ignored") {
            coordinator.metric("holdfast_order_ignored_total") >= 2
        }
        try stage.awaitStory("paid", ["reserved", "confirmed"])
        try stage.awaitStory("named", ["reserved"])
        try stage.checkBooks()
    }

    @Test(
        "A dry run tells what it would have saved with the stock as it was, and publishes nothing",
        .timeLimit(.minutes(3)))
    func dryRun() throws {
        let stage = try Stage(partitions: 2)
        defer { stage.endAll() }
        try stage.start("process")
        try stage.start("coordinate")
        // For the first order there is nothing better while it settles.
        try stage.publish([receive("h1", 50, "A", in: "HAM"), receive("h2", 50, "B", in: "BER")])
        try stage.awaitAnswers()
        try stage.place("early")
        try stage.awaitStory("early", ["reserved"])
        let reserved = try #require(stage.orderOutcomes().last).at.milliseconds
        try eventually("the first order has settled") {
            Int64(Date().timeIntervalSince1970 * 1000) > reserved + 300
        }
        try stage.receiveGoods()
        try stage.place("late")
        try stage.awaitStory("late", ["reserved"])
        let last = try #require(stage.orderOutcomes().last).at.milliseconds
        try eventually("the second order has settled") {
            Int64(Date().timeIntervalSince1970 * 1000) > last + 300
        }
        // What happens afterwards is not the stock as it was.
        try stage.publish([
            Command(
                id: "d1", sku: "A", body: .damage(warehouse: "BER", quantity: 20, reference: nil))
        ])
        try stage.awaitAnswers()
        let before = try stage.read(.orders).count
        let times = ["--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z"]
        let told = try stage.run(["optimize", "--dry-run", "--settle-ms", "200"] + times)
        #expect(told.code == 0, "\(told.output)")
        #expect(told.output.contains("2 orders looked at, 1 of them with a proposal"), "\(told.output)")
        #expect(
            told.output.split(separator: "\n").contains { line in
                line.split(separator: " ") == ["shipments", "4", "3", "1"]
            }, "\(told.output)")
        let json = try stage.run(["optimize", "--dry-run", "--settle-ms", "200", "--json"] + times)
        #expect(json.code == 0 && json.output.contains("\"proposals\" : 1"), "\(json.output)")
        #expect(try stage.read(.orders).count == before, "nothing was published")
        let none = try stage.run(
            ["optimize", "--dry-run", "--from", "2020-01-01T00:00:00Z", "--to", "2020-01-02T00:00:00Z"])
        #expect(none.output.contains("0 orders looked at"), "\(none.output)")
        for mistake in [
            ["--dry-run"], ["--from", "2020-01-01T00:00:00Z"], ["--dry-run", "--from", "monday"],
        ] {
            #expect(try stage.run(["optimize"] + mistake).code == 2, "\(mistake)")
        }
        try stage.checkBooks()
    }
}

@Suite(
    "The optimizer's rights", .serialized,
    .enabled(if: RealServers.canStartServers, Comment(rawValue: RealServers.serversReason)))
struct OptimizerRightsTests {
    @Test(
        "The rights of its role are all that the optimizer needs; without the one to write orders it ends with 2",
        .timeLimit(.minutes(3)))
    func rights() throws {
        let secured = try SecuredServers.shared()
        let stage = try Stage(partitions: 1, secured: secured)
        defer { stage.endAll() }
        try stage.start("process")
        try stage.receiveGoods()
        var writer = RecordWriter()
        let now = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
        writer.write(
            orderOutcome: OrderOutcome(
                orderID: "o1", version: 1, kind: .reserved, isFinal: false, mode: .allOrNothing,
                lines: [("A", "HAM"), ("B", "BER")].map {
                    OrderOutcome.Line(
                        sku: $0.0, quantity: 1, reserved: 1,
                        allocations: [Allocation(warehouse: $0.1, quantity: 1)])
                }, deadline: Timestamp(milliseconds: now.milliseconds + 600_000), at: now))
        try secured.publish(stage.name(.orderOutcomes), key: "o1", value: writer.withBytes { Array($0) })
        for (without, user) in zip(
            [nil, "Write topic"], SecuredServers.spareUsers[14...15])
        {
            let file = try secured.acls(of: "optimizer", without: without, for: user, stage.folder)
            let applied = try stage.run(["acls", "apply", "--acl-file", file])
            // 1 where the user has rights on other stages, too.
            try #require(applied.code <= 1, "\(applied.output)")
            let optimizer = try stage.start(
                "optimize", ["--config", secured.configuration(of: user), "--settle-ms", "0"],
                awaitReady: false)
            if without == nil {
                try eventually("a proposal") { try !stage.proposals().isEmpty }
                optimizer.process.send(SIGTERM)
                #expect(optimizer.process.waitForEnd(milliseconds: 5_000) == 0)
            } else {
                let code = optimizer.process.waitForEnd(milliseconds: 30_000)
                let log = optimizer.process.logTail(lines: 1000)
                #expect(code == 2 && log.contains(stage.name(.orders)), "\(log)")
                secured.expectNoSecret(in: log, "optimize")
            }
        }
        #expect(try stage.proposals().map(\.id) == ["@holdfast/optimize/o1/1"])
    }
}
