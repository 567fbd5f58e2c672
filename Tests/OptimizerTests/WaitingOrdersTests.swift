import InventoryCore
import Optimizer
import OrderCore
import Testing

private func outcome(
    _ lines: [OrderOutcome.Line], id: ID = "o", version: Int64 = 1, kind: OrderOutcomeKind = .reserved,
    isFinal: Bool = false, allowSplit: Bool = true
) -> OrderOutcome {
    OrderOutcome(
        orderID: id, version: version, kind: kind, isFinal: isFinal, mode: .allOrNothing,
        allowSplit: allowSplit, lines: lines, deadline: Timestamp(milliseconds: 900_000),
        at: Timestamp(milliseconds: 1_000))
}

private func reserved(
    _ sku: ID, _ warehouse: ID, backordered: Int64 = 0, paid: Int64 = 0, bound: ID? = nil
) -> OrderOutcome.Line {
    OrderOutcome.Line(
        sku: sku, warehouse: bound, quantity: 1 + backordered, reserved: 1, backordered: backordered,
        allocations: [Allocation(warehouse: warehouse, quantity: 1)], paid: paid)
}

private func order(_ id: ID, version: Int64 = 1) -> WaitingOrders.Order {
    WaitingOrders.Order(outcome([reserved("A", "BER")], id: id, version: version))!
}

@Suite("Orders that wait to be looked at")
struct WaitingOrdersTests {
    @Test("An order is looked at once its outcome has settled, and once")
    func settles() {
        var waiting = WaitingOrders(settleTime: 5_000, limit: 10)
        waiting.saw(order("a"), partition: 0, at: 1_000)
        #expect(waiting.nextDue() == 6_000)
        #expect(waiting.takeSettled(at: 5_999) == nil)
        #expect(waiting.takeSettled(at: 6_000) == order("a"))
        #expect(waiting.takeSettled(at: 60_000) == nil)
    }

    @Test("A newer outcome takes the place of the older one, and settles anew")
    func newer() {
        var waiting = WaitingOrders(settleTime: 5_000, limit: 10)
        let isKnown = [
            waiting.saw(order("a"), partition: 0, at: 1_000),
            waiting.saw(order("a", version: 2), partition: 0, at: 4_000),
        ]
        #expect(isKnown == [false, true])
        #expect(waiting.takeSettled(at: 6_000) == nil)
        #expect(waiting.takeSettled(at: 9_000)?.version == 2)
        #expect(waiting.count == 0)
    }

    @Test("An order that was paid, cancelled or expired meanwhile is not looked at")
    func ended() {
        var waiting = WaitingOrders(settleTime: 5_000, limit: 10)
        waiting.saw(order("a"), partition: 0, at: 1_000)
        let ends = [waiting.sawEnd(of: "a"), waiting.sawEnd(of: "a")]
        #expect(ends == [true, false])
        #expect(waiting.takeSettled(at: 60_000) == nil)
    }

    @Test("Orders of a partition that went to another are not looked at")
    func revoked() {
        var waiting = WaitingOrders(settleTime: 0, limit: 10)
        waiting.saw(order("a"), partition: 0, at: 1_000)
        waiting.saw(order("b"), partition: 1, at: 1_000)
        waiting.revoked(0)
        #expect(waiting.takeSettled(at: 1_000)?.id == "b")
        #expect(waiting.takeSettled(at: 1_000) == nil)
    }

    @Test("When too many wait the oldest go, and are counted; places of orders that went are given back")
    func limit() {
        var waiting = WaitingOrders(settleTime: 0, limit: 3)
        for number in 0..<5 { waiting.saw(order("o\(number)"), partition: 0, at: Int64(number)) }
        #expect(waiting.count == 3 && waiting.dropped == 2)
        for number in 0..<10_000 {
            waiting.saw(order("x\(number)"), partition: 0, at: Int64(number))
            waiting.sawEnd(of: "x\(number)")
        }
        #expect(waiting.count <= 3)
        waiting.saw(order("last"), partition: 0, at: 10_000)
        var taken: [String] = []
        while let order = waiting.takeSettled(at: 10_000) { taken.append(order.id.text) }
        #expect(taken.last == "last" && taken.count <= 3)
    }

    @Test("Only what is reserved and not paid can be made better; bound and backordered lines stay")
    func outcomes() throws {
        let lines = [reserved("A", "BER"), reserved("B", "HAM")]
        let kept = try #require(WaitingOrders.Order(outcome(lines, version: 3, allowSplit: false)))
        #expect(kept.version == 3 && !kept.served.allowSplit && kept.served.lines.map(\.sku) == ["A", "B"])
        #expect(WaitingOrders.Order(outcome([reserved("A", "BER", paid: 1)], kind: .confirmed)) == nil)
        #expect(WaitingOrders.Order(outcome(lines, kind: .expired, isFinal: true)) == nil)
        #expect(
            WaitingOrders.Order(outcome([OrderOutcome.Line(sku: "A", quantity: 1)], kind: .rejected)) == nil)
        #expect(WaitingOrders.Order(outcome([reserved("A", "BER", bound: "BER")])) == nil)
        let mixed = [reserved("A", "BER", backordered: 2), reserved("B", "HAM")]
        #expect(WaitingOrders.Order(outcome(mixed))?.served.lines.map(\.isBound) == [true, false])
    }

    @Test("A proposal has the version it was made from, in its id too, the lines that move and what it saves")
    func proposal() throws {
        let waiting = try #require(
            WaitingOrders.Order(outcome([reserved("A", "BER"), reserved("B", "HAM")], version: 3)))
        var network = Network()
        for sku in ["A", "B"] {
            // BER has nothing left to give.
            let levels = [
                Level(warehouse: "BER", onHand: 1, reserved: 1), Level(warehouse: "HAM", onHand: 5),
            ]
            network.set(LevelsSnapshot(sku: ID(sku), sequence: 1, levels: levels))
        }
        let at = Timestamp(milliseconds: 2_000)
        let review = Optimizer().review(waiting.served, in: network)
        #expect(
            waiting.proposal(review, at: at)
                == OrderEvent(
                    id: "@holdfast/optimize/o/3", orderID: "o", at: at,
                    body: .reallocate(
                        Reallocation(
                            version: 3,
                            lines: [
                                ReallocatedLine(
                                    sku: "A", allocations: [Allocation(warehouse: "HAM", quantity: 1)])
                            ], saving: Saving(shipments: 1, kilometres: 0, late: 0)))))
        network.remove("A")
        #expect(waiting.proposal(Optimizer().review(waiting.served, in: network), at: at) == nil)
    }
}
