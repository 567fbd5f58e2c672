import Foundation
import InventoryCore
import InventoryWire
import OrderCore
import Testing

/// A proposal of the optimizer, published by hand.
private func proposal(
    _ id: ID, version: Int64 = 1, _ lines: [(ID, [Allocation])], _ name: String = "proposal"
) -> OrderEvent {
    event(
        "\(name)-\(version)", id,
        .reallocate(
            Reallocation(
                version: version, lines: lines.map { ReallocatedLine(sku: ID($0.0.text), allocations: $0.1) },
                saving: Saving(shipments: 1, kilometres: 312, late: 0))))
}

/// An order of what does not exist.
private func nothing(_ id: ID) -> OrderEvent { place(id, [("NOTHING", 1)]) }

extension Stage {
    /// What was told last of each order.
    fileprivate func newestOutcomes() throws -> [ID: OrderOutcome] {
        try orderOutcomes().reduce(into: [:]) { $0[$1.orderID] = $1 }
    }

    /// Every settled order has in stock what was told of it, in the warehouses that were told, and knows that.
    fileprivate func checkAllocations(
        _ ids: [ID], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        var live: [ID: [ID: Int64]] = [:]
        for reservation in try liveReservations().values {
            for part in reservation.allocations {
                live["\(reservation.orderID) \(reservation.sku)", default: [:]][part.warehouse, default: 0] +=
                    part.quantity
            }
        }
        let (told, orders) = (try newestOutcomes(), try orders())
        for id in ids {
            for (place, line) in (told[id]?.lines ?? []).enumerated() {
                let inStock = live["\(id) \(line.sku)"] ?? [:]
                #expect(
                    Self.units(line.allocations) == inStock, "\(id) \(line)", sourceLocation: sourceLocation)
                let known = orders[id.text]?.lines[place].claims.flatMap(\.parts) ?? []
                #expect(Self.units(known) == inStock, "\(id) \(line)", sourceLocation: sourceLocation)
            }
            #expect(orders[id.text]?.version == told[id]?.version, sourceLocation: sourceLocation)
        }
    }

    private static func units(_ allocations: [Allocation]) -> [ID: Int64] {
        allocations.reduce(into: [:]) { $0[ID($1.warehouse.text), default: 0] += $1.quantity }
    }

    /// Waits until all that was published to `orders` has been read, and these orders have settled.
    fileprivate func awaitSettled(_ ids: [ID], _ name: String) throws {
        // One in each partition: when it is rejected, all before it was read.
        let markers = (0..<partitions).map { partition in
            (0...).lazy.map { "\(name)-\($0)" }.first { self.place(of: $0) == partition }!
        }
        try publish(markers.map { nothing(ID($0)) })
        try eventually("the markers \(markers) are rejected") {
            let told = try newestOutcomes()
            return markers.allSatisfy { told[ID($0)]?.kind == .rejected }
        }
        try eventually("all orders have settled") {
            let orders = try orders()
            return ids.allSatisfy { orders[$0.text]?.phase == .settled }
        }
    }
}

@Suite(
    "Proposals of the optimizer on a genuine broker", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct OrderMoveTests {
    @Test(
        "A proposal moves both lines of an order to one warehouse, or leaves it as it was, to the unit",
        .timeLimit(.minutes(3)))
    func moves() throws {
        let stage = try Stage(partitions: 3)
        defer { stage.endAll() }
        try stage.start("process")
        let coordinator = try stage.start("coordinate")
        try stage.publish([receive("i1", 5, "A"), receive("i2", 5, "B", in: "HAM"), receive("i3", 5, "C")])
        try stage.publish([place("moves", [("A", 2), ("B", 1)]), place("stays", [("A", 1), ("C", 1)])])
        for id in ["moves", "stays"] { try stage.awaitStory(ID(id), ["reserved"]) }
        let munich = { (quantity: Int64) in [Allocation(warehouse: "MUC", quantity: quantity)] }
        try stage.publish([receive("i4", 5, "A", in: "MUC"), receive("i5", 5, "B", in: "MUC")])
        try stage.awaitAnswers()
        try stage.publish([
            proposal("moves", [("A", munich(2)), ("B", munich(1))]),
            // C is not in Munich: A goes there and back.
            proposal("stays", [("A", munich(1)), ("C", munich(1))]),
        ])
        try stage.awaitStory("moves", ["reserved", "changed"])
        try stage.awaitSettled(["moves", "stays"], "marker")
        let told = try stage.newestOutcomes()
        #expect(told["moves"]?.lines.map(\.allocations) == [munich(2), munich(1)])
        #expect(told["stays"]?.version == 1)
        try stage.checkAllocations(["moves", "stays"])
        let moved = try stage.ledger().filter { $0.movement == .reallocate && $0.deltas.reserved > 0 }
        #expect(moved.filter { $0.orderID == "stays" }.map(\.warehouse) == ["MUC", "BER"])
        // A proposal that comes too late is ignored, and no dead letter.
        try stage.publish([
            event("paid", "moves", .paid([])), event("paid", "stays", .paid([])),
            proposal("moves", version: 2, [("A", [Allocation(warehouse: "BER", quantity: 2)])]),
            proposal("nobody", [("A", munich(1))]),
        ])
        try stage.awaitStory("moves", ["reserved", "changed", "confirmed!"])
        try stage.awaitStory("stays", ["reserved", "confirmed!"])
        let shipped = try stage.newestOutcomes()
        #expect(shipped["moves"]?.lines.map(\.shipments) == [munich(2), munich(1)])
        #expect(try stage.deadLetters().isEmpty)
        // One taken, one refused in a line, two too late.
        try eventually("four proposals are counted") {
            coordinator.metric("holdfast_order_proposals_total") == 4
        }
        try stage.checkBooks()
    }

    @Test(
        "The coordinator is killed in the middle of proposals: every order agrees with the stock, and ships whole",
        .timeLimit(.minutes(5)))
    func kills() throws {
        let stage = try Stage(partitions: 2)
        defer { stage.endAll() }
        let skus: [ID] = (0..<6).map { "S\($0)" }
        try stage.publish(skus.map { receive("ber-\($0)", 100, $0) })
        let coordinating = ["--instance-id", "one", "--reply-limit-ms", "3000"]
        var processor = try stage.start("process", ["--instance-id", "one"])
        var coordinator = try stage.start("coordinate", coordinating)
        let ids: [ID] = (0..<24).map { "o\($0)" }
        try stage.publish(
            ids.enumerated().map { number, id in
                place(id, [(skus[number % 6], 1), (skus[(number + 1) % 6], 2)])
            })
        try eventually("all are reserved") {
            let told = try stage.newestOutcomes()
            return ids.allSatisfy { told[$0]?.kind == .reserved }
        }
        // Of the last two SKUs Hamburg has too few for all.
        try stage.publish(skus.enumerated().map { receive("ham-\($1)", $0 < 4 ? 100 : 5, $1, in: "HAM") })
        try stage.awaitAnswers()
        var inTheMiddle = 0
        for round in 0..<6 {
            let proposals = try proposals(stage, ids, to: round % 2 == 0 ? "HAM" : "BER", round)
            let before = try moves(stage)
            // Without a processor nothing is answered, and all are in the middle.
            let isAlone = round % 3 == 0
            if isAlone {
                processor.process.send(SIGKILL)
                _ = processor.process.waitForEnd(milliseconds: 5_000)
            }
            try stage.publish(proposals)
            try eventually("round \(round): commands of \(proposals.count) proposals") {
                try moves(stage) > before
            }
            coordinator.process.send(SIGKILL)
            _ = coordinator.process.waitForEnd(milliseconds: 5_000)
            inTheMiddle += try stage.orders().values.filter {
                $0.phase == .busy(.moving) || $0.phase == .busy(.returning)
            }.count
            coordinator = try stage.start("coordinate", coordinating, awaitReady: false)
            if isAlone {
                processor = try stage.start("process", ["--instance-id", "one"], awaitReady: false)
            }
            try stage.awaitSettled(ids, "round\(round)")
            try stage.checkAllocations(ids)
        }
        #expect(inTheMiddle > 0)
        let refused = try stage.results().filter { $0.outcome.rejection == .insufficientStock }
        #expect(refused.contains { $0.outcome.command == .reallocate }, "some proposals could not be had")
        let changed = try stage.orderOutcomes().filter { $0.kind == .changed }.count
        print("proposals: \(changed) taken, \(inTheMiddle) orders in the middle of one at a kill")
        #expect(changed > 0)
        try stage.publish(ids.map { event("paid", $0, .paid([])) })
        try eventually("all are confirmed") {
            let told = try stage.newestOutcomes()
            return ids.allSatisfy { told[$0]?.kind == .confirmed }
        }
        for (id, told) in try stage.newestOutcomes() where ids.contains(id) {
            #expect(told.lines.map(\.shipped) == [1, 2], "\(id)")
        }
        #expect(try stage.liveReservations().isEmpty)
        try stage.checkBooks()
    }

    private func moves(_ stage: Stage) throws -> Int {
        try stage.read(.commands).filter { $0.text.contains("/move-") }.count
    }

    /// For each order that is not all there.
    private func proposals(
        _ stage: Stage, _ ids: [ID], to warehouse: ID, _ round: Int
    ) throws -> [OrderEvent] {
        let told = try stage.newestOutcomes()
        return ids.compactMap { id in
            guard let outcome = told[id] else { return nil }
            let lines = outcome.lines.filter { $0.allocations.contains { $0.warehouse != warehouse } }
            if lines.isEmpty { return nil }
            return proposal(
                id, version: outcome.version,
                lines.map { ($0.sku, [Allocation(warehouse: warehouse, quantity: $0.reserved)]) },
                "round\(round)")
        }
    }

    @Test(
        "README's events are published as they are printed, and the order is confirmed",
        .timeLimit(.minutes(3)))
    func readme() throws {
        let readme = try String(
            contentsOf: URL(filePath: RealServers.root).appending(path: "README.md"), encoding: .utf8)
        let lines = readme.split(separator: "\n").map { $0.drop { $0 == " " } }
            .filter { $0.hasPrefix(#"{"event_id""#) }
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        try stage.start("coordinate")
        try stage.publish([receive("i1", 5, "TEA-250"), receive("i2", 5, "MUG")])
        try stage.awaitAnswers()
        for line in lines { try stage.publish(to: .orders, key: "o-1", value: Array(line.utf8)) }
        try stage.awaitStory("o-1", ["reserved", "confirmed!"])
        #expect(try stage.newestOutcomes()["o-1"]?.lines.map(\.shipped) == [2, 1])
        #expect(try stage.deadLetters().isEmpty)
    }
}
