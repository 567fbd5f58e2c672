import InventoryCore
import OrderCore
import Testing

/// Dialogues about proposals of the optimizer (docs/orders.md), with the genuine stock as the counterpart.
@Suite("A proposal of the optimizer")
struct MoveTests {
    private func ber(_ quantity: Int64) -> [Allocation] { [Allocation(warehouse: "BER", quantity: quantity)] }
    private func ham(_ quantity: Int64) -> [Allocation] { [Allocation(warehouse: "HAM", quantity: quantity)] }

    /// An order of two of A and one of B, both from BER; HAM has some of A, and of B as said.
    private func shop(
        _ mode: OrderMode = .allOrNothing, b: Int64 = 5, _ settings: OrderSettings = OrderSettings()
    ) -> Shop {
        var shop = Shop(settings, stock: ["A": 10, "B": 10])
        shop.place("o", mode, [("A", 2), ("B", 1)])
        shop.run()
        shop.decide("A", .receive(warehouse: "HAM", quantity: 5, reference: nil))
        if b > 0 { shop.decide("B", .receive(warehouse: "HAM", quantity: b, reference: nil)) }
        return shop
    }

    /// Where the lines are, as they were told last; and so they are in stock.
    private func expect(
        _ shop: Shop, _ a: [Allocation], _ b: [Allocation],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(shop.told().last?.lines.map(\.allocations) == [a, b], sourceLocation: sourceLocation)
        #expect(shop.allocations("o", "A") == a, sourceLocation: sourceLocation)
        #expect(shop.allocations("o", "B") == b, sourceLocation: sourceLocation)
    }

    @Test("Both lines of a proposal move, and it is told once both have")
    func moves() {
        var shop = shop()
        shop.propose("o", [("A", ham(2)), ("B", ham(1))])
        #expect(shop.commands.map(\.sku) == ["A", "B"])
        shop.decideNext(0)
        shop.readNext(0)
        #expect(shop.story() == ["reserved"])
        shop.run()
        #expect(shop.story() == ["reserved", "changed"])
        #expect(shop.told().map(\.version) == [1, 2])
        expect(shop, ham(2), ham(1))
        #expect(shop.proposals == [.taken: 1])
        shop.pay()
        shop.run()
        #expect(shop.told().last?.lines.map(\.shipments) == [ham(2), ham(1)])
        #expect(shop.shipped() == 3)
    }

    @Test("A line may be split over warehouses, and be put together again")
    func splits() {
        var shop = shop()
        let split = [Allocation(warehouse: "BER", quantity: 1), Allocation(warehouse: "HAM", quantity: 1)]
        shop.propose("o", [("A", split)])
        shop.run()
        expect(shop, split, ber(1))
        shop.propose("o", [("A", ham(2))])
        shop.run()
        expect(shop, ham(2), ber(1))
        #expect(shop.story() == ["reserved", "changed", "changed"])
    }

    @Test("One line cannot be had: what has moved goes back, the order is as before, and nothing is told")
    func refused() {
        for first in ["A", "B"] {
            var shop = shop(b: 0)
            shop.propose("o", [("A", ham(2)), ("B", ham(1))])
            // Whichever is answered first.
            shop.decideNext(first == "A" ? 0 : 1)
            shop.run()
            #expect(shop.story() == ["reserved"])
            expect(shop, ber(2), ber(1))
            #expect(shop.order()?.phase == .settled && shop.order()?.version == 1)
            #expect(shop.proposals == [.refused: 1])
            shop.pay()
            shop.run()
            #expect(shop.story() == ["reserved", "confirmed!"])
        }
    }

    @Test("What has moved and cannot go back stays where it is, and that is told")
    func cannotGoBack() {
        var shop = shop(b: 0)
        shop.propose("o", [("A", ham(2)), ("B", ham(1))])
        shop.decideNext(0)
        shop.decide("A", .damage(warehouse: "BER", quantity: 10, reference: nil))
        shop.run()
        #expect(shop.story() == ["reserved", "changed"])
        expect(shop, ham(2), ber(1))
        #expect(shop.told().last?.lines.allSatisfy { $0.reason == nil } == true)
    }

    @Test("A proposal from another outcome than the newest is ignored; so is a repeat")
    func stale() {
        var shop = shop()
        for version: Int64 in [0, 2, .max] { shop.propose("o", [("A", ham(2))], version: version) }
        #expect(shop.ignored == 3 && shop.commands.isEmpty)
        let event = shop.send(
            "o",
            .reallocate(Reallocation(version: 1, lines: [ReallocatedLine(sku: "A", allocations: ham(2))])))
        shop.run()
        shop.send(event)
        #expect(shop.repeats == 1 && shop.commands.isEmpty)
        #expect(shop.story() == ["reserved", "changed"])
    }

    @Test("An order that is busy or has ended, and one that nobody knows, do not move, and nothing is kept")
    func notSettled() {
        var shop = shop()
        shop.propose("ghost", [("A", ham(2))])
        #expect(shop.order("ghost") == nil && shop.ignored == 1)
        shop.pay("early")
        shop.propose("early", [("A", ham(2))])
        #expect(shop.order("early")?.waiting.count == 1 && shop.ignored == 2)
        shop.cancel()
        shop.propose("o", [("A", ham(2))])
        #expect(shop.order()?.waiting.isEmpty == true && shop.ignored == 3)
        shop.run()
        shop.propose("o", [("A", ham(2))])
        #expect(shop.ignored == 4 && shop.proposals == [.ignored: 4] && shop.refused.isEmpty)
        #expect(shop.story() == ["reserved", "released!"])
    }

    @Test("What is paid does not move, nor what is left of an order that is paid in part")
    func paid() {
        for shipsOnShipped in [false, true] {
            for units in [[], [LineUnits(sku: "A", quantity: 1)]] {
                var shop = shop(.allOrNothing, OrderSettings(shipsOnShipped: shipsOnShipped))
                shop.pay("o", units)
                shop.run()
                let (story, version) = (shop.story(), shop.order()?.version)
                shop.propose("o", [("B", ham(1))], version: version)
                #expect(shop.ignored == 1 && shop.commands.isEmpty)
                #expect(shop.story() == story)
            }
        }
    }

    @Test("A proposal that comes after the deadline is ignored")
    func late() {
        var shop = shop()
        shop.now += 60_001
        shop.propose("o", [("A", ham(2))])
        #expect(shop.ignored == 1 && shop.commands.isEmpty)
    }

    @Test(
        "A proposal with a line that is not so is ignored as a whole",
        arguments: [
            [], [("A", 2), ("X", 1)], [("A", 2), ("B", 2)], [("A", 1), ("B", 1)], [("A", 3)],
        ] as [[(ID, Int64)]])
    func impossible(_ lines: [(ID, Int64)]) {
        var shop = shop()
        shop.propose("o", lines.map { ($0.0, ham($0.1)) })
        #expect(shop.ignored == 1 && shop.commands.isEmpty && shop.refused.isEmpty)
    }

    @Test("A line that would stay where it is makes the whole proposal one of another order")
    func noDifference() {
        var shop = shop()
        shop.propose("o", [("A", ham(2)), ("B", ber(1))])
        #expect(shop.ignored == 1 && shop.commands.isEmpty)
    }

    @Test("A line that names its warehouse stays there, and one that may not be split is not split")
    func bound() {
        for (allowSplit, warehouse) in [(true, "BER" as ID?), (false, nil)] {
            var shop = Shop(stock: ["A": 10])
            shop.send(
                "o",
                .placed(
                    OrderEvent.Placed(
                        lines: [OrderEvent.Line(sku: "A", quantity: 2, warehouse: warehouse)],
                        allowSplit: allowSplit)))
            shop.run()
            shop.decide("A", .receive(warehouse: "HAM", quantity: 20, reference: nil))
            #expect(shop.told()[0].allowSplit == allowSplit)
            #expect(shop.told()[0].lines[0].warehouse == warehouse)
            shop.propose(
                "o",
                [
                    (
                        "A",
                        [
                            Allocation(warehouse: "HAM", quantity: 1),
                            Allocation(warehouse: "BER", quantity: 1),
                        ]
                    )
                ]
            )
            #expect(shop.ignored == 1)
            shop.propose("o", [("A", ham(2))])
            shop.run()
            #expect(shop.allocations("o", "A") == (warehouse == nil ? ham(2) : ber(2)))
            #expect(shop.ignored == (warehouse == nil ? 1 : 2))
        }
    }

    @Test("A line that is backordered in part, and one of several reservations, do not move")
    func severalClaims() {
        var shop = shop(.wait)
        shop.decide("A", .setPolicy(warehouse: nil, Policy(backorderLimit: 100)))
        shop.change("o", [("A", 3)])
        shop.run()
        // As a whole, or as one of them.
        shop.propose("o", [("A", ham(3))])
        shop.propose("o", [("A", ham(2))])
        #expect(shop.ignored == 2 && shop.commands.isEmpty)
        shop.place("w", .wait, [("A", 15)])
        shop.run()
        #expect(shop.told("w").last?.lines[0].backordered == 3)
        shop.propose("w", [("A", ham(12))])
        #expect(shop.ignored == 3 && shop.commands.isEmpty)
    }

    @Test("Events wait while it moves: a payment ships from where the units are then")
    func paidMeanwhile() {
        for b: Int64 in [5, 0] {
            var shop = shop(b: b)
            shop.propose("o", [("A", ham(2)), ("B", ham(1))])
            shop.pay()
            #expect(shop.commands.map(\.queue.count) == [1, 1])
            shop.run()
            #expect(
                shop.story() == (b > 0 ? ["reserved", "changed", "confirmed!"] : ["reserved", "confirmed!"]))
            #expect(
                shop.told().last?.lines.map(\.shipments) == (b > 0 ? [ham(2), ham(1)] : [ber(2), ber(1)]))
            #expect(shop.held() == 0)
        }
    }

    @Test("The deadline passes while it moves: then all goes back")
    func expiresMeanwhile() {
        var shop = shop()
        shop.propose("o", [("A", ham(2)), ("B", ham(1))])
        shop.now += 60_001
        shop.run()
        shop.lookAtDue()
        shop.run()
        #expect(shop.story() == ["reserved", "changed", "expired!"])
        #expect(shop.held() == 0)
    }

    @Test("Its reservations expire while it moves: the order expires")
    func expiresInStock() {
        var shop = shop(.allOrNothing, OrderSettings(grace: 1_000))
        shop.propose("o", [("A", ham(2)), ("B", ham(1))])
        shop.decideNext(0)
        shop.now += 70_000
        shop.expireDue()
        shop.run()
        #expect(shop.story() == ["reserved", "expired!"])
        #expect(shop.held() == 0)
    }

    @Test("Units are lost while it moves: all_or_nothing is lost, and nothing is stranded")
    func lost() {
        for decided in [0, 1] {
            var shop = shop()
            shop.propose("o", [("A", ham(2)), ("B", ham(1))])
            if decided == 1 { shop.decideNext(0) }
            shop.decide("A", .damage(warehouse: "BER", quantity: 10, reference: nil))
            shop.decide("A", .damage(warehouse: "HAM", quantity: 4, reference: nil))
            shop.run()
            #expect(shop.story() == ["reserved", "lost!"])
            #expect(shop.held() == 0)
        }
    }

    @Test("Units of partial are lost while it moves: what was taken goes back, and the loss is told")
    func lostInPart() {
        var shop = shop(.partial, b: 1)
        shop.propose("o", [("A", ham(2)), ("B", ham(1))])
        shop.decideNext(1)
        // B's only unit is lost in HAM after it has moved there, and A cannot move any more.
        shop.decide("B", .damage(warehouse: "BER", quantity: 10, reference: nil))
        shop.decide("B", .damage(warehouse: "HAM", quantity: 1, reference: nil))
        shop.decide("A", .damage(warehouse: "HAM", quantity: 4, reference: nil))
        shop.run()
        #expect(shop.story() == ["reserved", "lost"])
        expect(shop, ber(2), [])
    }

    @Test("What has lost units after it moved stays where it is, and is not asked back")
    func lostAfterwards() {
        var shop = shop(.partial, b: 0)
        shop.propose("o", [("A", ham(2)), ("B", ham(1))])
        shop.decideNext(0)
        shop.decide("A", .damage(warehouse: "BER", quantity: 10, reference: nil))
        shop.decide("A", .damage(warehouse: "HAM", quantity: 4, reference: nil))
        for _ in 0..<2 { shop.readNext(0) }
        // B, which cannot move.
        shop.decideNext(0)
        shop.readNext(0)
        #expect(shop.commands.isEmpty)
        shop.run()
        #expect(shop.story() == ["reserved", "lost"])
        expect(shop, ham(1), ber(1))
    }

    @Test(
        "The reply to a move is lost, and then all of its units are: the reply that comes again moves nothing"
    )
    func lostBeforeTheReply() {
        var shop = shop(.partial)
        shop.propose("o", [("A", ham(2))])
        shop.decideNext(0)
        shop.replies = []
        shop.decide("A", .damage(warehouse: "BER", quantity: 10, reference: nil))
        shop.decide("A", .damage(warehouse: "HAM", quantity: 5, reference: nil))
        shop.readNext(0)
        shop.wait(30_000)
        #expect(shop.commands.map(\.sku) == ["A"])
        shop.run()
        #expect(shop.story() == ["reserved", "lost"])
        expect(shop, [], ber(1))
    }

    @Test(
        "The reply to a move is lost, and then its reservation expires: the reply that comes again moves nothing"
    )
    func expiredBeforeTheReply() {
        var shop = shop(.allOrNothing, OrderSettings(grace: 1_000))
        shop.propose("o", [("A", ham(2))])
        shop.decideNext(0)
        shop.replies = []
        shop.now += 70_000
        shop.expireDue()
        while !shop.replies.isEmpty { shop.readNext(0) }
        #expect(shop.order()?.lines[0].claims.allSatisfy { $0.held == 0 } == true)
        shop.lookAtDue()
        shop.decideNext(0)
        shop.readNext(0)
        #expect(shop.order()?.lines[0].claims.allSatisfy { $0.held == 0 } == true)
        shop.run()
        #expect(shop.story() == ["reserved", "expired!"])
        #expect(shop.held() == 0)
    }

    @Test("The reply to a move is lost, and then the stock moves units itself: they are where the stock says")
    func movedBeforeTheReply() {
        var shop = shop()
        shop.decide("A", .receive(warehouse: "MUC", quantity: 9, reference: nil))
        shop.propose("o", [("A", ham(2))])
        shop.decideNext(0)
        shop.replies = []
        shop.decide("A", .damage(warehouse: "HAM", quantity: 5, reference: nil))
        let there = shop.allocations("o", "A")
        #expect(there.allSatisfy { $0.warehouse != "HAM" } && there.reduce(0) { $0 + $1.quantity } == 2)
        shop.readNext(0)
        shop.wait(30_000)
        shop.run()
        #expect(shop.story() == ["reserved", "changed"])
        expect(shop, there, ber(1))
    }

    @Test("The stock moves units first: the proposal goes on from there")
    func movedMeanwhile() {
        var shop = shop()
        shop.decide("A", .receive(warehouse: "MUC", quantity: 9, reference: nil))
        shop.propose("o", [("A", ham(2)), ("B", ham(1))])
        // To MUC, which has most.
        shop.decide("A", .damage(warehouse: "BER", quantity: 10, reference: nil))
        #expect(shop.allocations("o", "A") == [Allocation(warehouse: "MUC", quantity: 2)])
        shop.run()
        #expect(shop.story() == ["reserved", "changed"])
        expect(shop, ham(2), ham(1))
    }

    @Test("The stock moves units after the proposal did: they are where the stock says")
    func movedAfterwards() {
        var shop = shop()
        shop.propose("o", [("A", ham(2)), ("B", ham(1))])
        shop.decideNext(0)
        shop.decide("A", .damage(warehouse: "HAM", quantity: 5, reference: nil))
        shop.run()
        expect(shop, ber(2), ham(1))
        #expect(shop.story().last == "changed")
    }

    @Test("A reply that never comes: the same is asked again, on the way there and on the way back")
    func askedAgain() {
        for b: Int64 in [5, 0] {
            var shop = shop(b: b)
            shop.propose("o", [("A", ham(2)), ("B", ham(1))])
            shop.decideNext(0)
            shop.replies = []
            shop.run()
            #expect(shop.story() == ["reserved"])
            shop.wait(30_000)
            #expect(shop.commands.map(\.sku) == ["A"])
            shop.decideNext(0)
            if b == 0 {
                shop.readNext(0)
                shop.decideNext(0)
                shop.replies = []
                shop.wait(30_000)
            }
            shop.run()
            if b > 0 { expect(shop, ham(2), ham(1)) } else { expect(shop, ber(2), ber(1)) }
            #expect(shop.order()?.phase == .settled)
        }
    }
}
