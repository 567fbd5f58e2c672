import InventoryCore
import OrderCore
import Testing

/// Every event is answered: by an outcome, by a refusal, or by a dead letter.
@Suite("Answers to events")
struct AnswerTests {
    @Test("The same id with another content is a conflict: a dead letter, and an answer")
    func conflict() {
        var shop = Shop(stock: ["A": 5])
        shop.place("o", .allOrNothing, [("A", 1)])
        shop.run()
        let first = shop.send("o", .cancelled([LineUnits(sku: "A", quantity: 9)]))
        shop.send(
            OrderEvent(id: first.id, orderID: "o", at: Timestamp(milliseconds: shop.now), body: .paid([])))
        #expect(shop.refused.map(\.reason) == [.eventIDConflict])
        #expect(shop.declined().last == "event_id_conflict")
        #expect(shop.answers.last?.eventID == first.id && shop.answers.last?.event == .paid)
        shop.send(first)
        #expect(shop.repeats == 1)
        shop.run()
        #expect(shop.story() == ["reserved", "released!"])
    }

    @Test("An order that cannot be read is rejected with the reason, and its payments must go back")
    func unreadable() {
        var shop = Shop(stock: ["A": 5])
        shop.sendUnreadable("o", .placed, [("A", 2), ("B", 1)])
        #expect(shop.story() == ["rejected!"])
        #expect(shop.told()[0].unreadable?.reason == "out_of_range")
        #expect(shop.told()[0].lines.map(\.quantity) == [2, 1])
        shop.pay()
        shop.pay()
        #expect(shop.story() == ["rejected!", "refund_required"])
        #expect(shop.told().last?.lines.map(\.refund) == [2, 1])
        #expect(shop.declined() == ["nothing_to_pay"])
    }

    @Test("Of an order whose lines cannot be read either, a payment must go back as a whole, or by its lines")
    func unreadableLines() {
        var shop = Shop()
        shop.sendUnreadable("o")
        shop.pay()
        shop.pay()
        #expect(shop.story() == ["rejected!", "refund_required"])
        #expect(shop.told().last?.lines.isEmpty == true)
        #expect(shop.declined() == ["nothing_to_pay"])
        shop.pay("o", [LineUnits(sku: "A", quantity: 3)])
        #expect(shop.told().last?.lines.map(\.refundAdded) == [3])
    }

    @Test("Payments of lines that could not be read are told without units, each line's and the whole's once")
    func linesWithoutUnits() {
        var shop = Shop()
        shop.sendUnreadable("o")
        shop.pay("o", [LineUnits(sku: "A", quantity: 3)])
        for _ in 0..<2 { shop.pay("o", [LineUnits(sku: "B")]) }
        for _ in 0..<2 { shop.pay() }
        #expect(shop.story() == ["rejected!", "refund_required", "refund_required", "refund_required"])
        #expect(shop.told().map { $0.lines.map(\.refundAdded) } == [[], [3], [0, 0], [0, 0]])
        #expect(shop.declined() == ["nothing_to_pay", "nothing_to_pay"])
        shop.sendUnreadable("o", .paid)
        #expect(shop.declined().last == "unreadable")
    }

    @Test("Of an order that could be read in part, a payment of the whole is not told as one of that part")
    func partlyReadable() {
        for isReadable in [true, false] {
            var shop = Shop()
            shop.sendUnreadable("o", .placed, [("A", 2)], hasAllLines: false)
            if isReadable { shop.pay() } else { shop.sendUnreadable("o", .paid) }
            #expect(shop.story() == ["rejected!", "refund_required"])
            #expect(shop.told().last?.lines.map(\.refundAdded) == [0])
            shop.pay("o", [LineUnits(sku: "A")])
            #expect(shop.told().last?.lines.map(\.refundAdded) == [2])
            shop.pay("o", [LineUnits(sku: "B", quantity: 1)])
            #expect(shop.told().last?.lines.map(\.refundAdded) == [0, 1])
            #expect(shop.declined() == [])
        }
    }

    @Test("A payment that cannot be read, of an order that could not, must go back as a whole, once")
    func unreadablePayment() {
        var shop = Shop()
        shop.sendUnreadable("o", .placed, [("A", 2)])
        shop.sendUnreadable("o", .paid)
        shop.sendUnreadable("o", .paid)
        #expect(shop.story() == ["rejected!", "refund_required"])
        #expect(shop.told().last?.lines.map(\.refund) == [2])
        #expect(shop.declined() == ["unreadable"])
    }

    @Test("A payment that came before an order that cannot be read goes back, too")
    func paidBeforeUnreadable() {
        var shop = Shop()
        shop.pay()
        shop.sendUnreadable("o", .placed, [("A", 2)])
        #expect(shop.story() == ["rejected!", "refund_required"])
        #expect(shop.told().map(\.version) == [1, 2])
    }

    @Test(
        "An event of a known order that cannot be read is answered, and nothing is kept of one of an unknown order"
    )
    func unreadableEvent() {
        var shop = Shop(stock: ["A": 5])
        shop.place("o", .allOrNothing, [("A", 1)])
        shop.run()
        shop.sendUnreadable("o", .changed)
        shop.sendUnreadable("o")
        #expect(shop.declined() == ["unreadable", "unreadable"])
        #expect(shop.answers[0].unreadable?.reason == "out_of_range")
        shop.sendUnreadable("ghost", .paid)
        #expect(shop.order("ghost") == nil && shop.answers.count == 2)
    }

    @Test("After a part payment a change applies to what is not paid")
    func changedAfterPart() {
        var shop = Shop(stock: ["A": 20, "B": 20])
        shop.place("o", .allOrNothing, [("A", 2), ("B", 1)])
        shop.run()
        shop.pay("o", [LineUnits(sku: "B", quantity: 1)])
        shop.run()
        shop.change("o", [("A", 3)])
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed", "changed"])
        #expect(shop.told().last?.lines.map(\.quantity) == [3, 1])
        #expect(shop.held() == 3)
        shop.change("o", [], expiry: .after(milliseconds: 3_600_000))
        shop.run()
        #expect(shop.story().last == "changed")
        #expect(shop.told().last?.deadline.milliseconds == shop.now + 3_600_000)
        shop.pay()
        shop.run()
        #expect(shop.story().last == "confirmed!")
        #expect(shop.shipped() == 4)
    }

    @Test("A change to fewer units than were paid is refused aloud, as a whole")
    func changedBelowPaid() {
        var shop = Shop(stock: ["A": 20, "B": 20])
        shop.place("o", .allOrNothing, [("A", 2), ("B", 2)])
        shop.run()
        shop.pay("o", [LineUnits(sku: "B", quantity: 2)])
        shop.run()
        shop.change("o", [("A", 1), ("B", 1)])
        shop.run()
        #expect(shop.declined() == ["units_paid"])
        #expect(shop.held() == 2)
    }

    @Test("A change of a line's warehouse is refused aloud, as a whole; what the line has may be said again")
    func changedWarehouse() {
        var shop = Shop(stock: ["A": 20])
        shop.decide("A", .receive(warehouse: "HAM", quantity: 20, reference: nil))
        func change(_ quantity: Int64, _ warehouse: ID?, _ sku: ID = "A") {
            let line = OrderEvent.Line(sku: sku, quantity: quantity, warehouse: warehouse)
            shop.send("o", .changed(OrderEvent.Changed(lines: [line])))
            shop.run()
        }
        let placed = OrderEvent.Line(sku: "A", quantity: 2, warehouse: "BER")
        shop.send("o", .placed(OrderEvent.Placed(lines: [placed])))
        shop.run()
        change(3, "HAM")
        #expect(shop.declined() == ["other_warehouse"])
        #expect(shop.allocations("o", "A") == [Allocation(warehouse: "BER", quantity: 2)])
        change(3, "BER")
        change(4, nil)
        #expect(shop.story() == ["reserved", "changed", "changed"])
        #expect(shop.allocations("o", "A") == [Allocation(warehouse: "BER", quantity: 4)])
        change(0, "HAM")
        #expect(shop.story().last == "released!")
    }

    @Test("What comes after the end is answered")
    func ended() {
        var shop = Shop(stock: ["A": 20])
        shop.place("o", .allOrNothing, [("A", 2)])
        shop.run()
        shop.cancel()
        shop.run()
        shop.cancel()
        shop.change("o", [("A", 1)])
        shop.ship()
        shop.place("o", .allOrNothing, [("A", 2)])
        shop.pay("o", [LineUnits(sku: "X")])
        #expect(
            shop.declined() == [
                "order_ended", "order_ended", "order_ended", "already_placed", "unknown_line",
            ])
        #expect(shop.refused.map(\.reason) == [.unknownLine])
    }

    @Test("Each event has one answer at least, whatever it is")
    func allAnswered() {
        for body: OrderEvent.Body in [
            .paid([]), .paid([LineUnits(sku: "A", quantity: 1)]), .cancelled([]),
            .cancelled([LineUnits(sku: "A", quantity: 1)]), .shipped([]),
            .changed(OrderEvent.Changed(lines: [OrderEvent.Line(sku: "A", quantity: 2)])),
        ] {
            for shipsOnShipped in [false, true] {
                var shop = Shop(OrderSettings(shipsOnShipped: shipsOnShipped), stock: ["A": 20])
                shop.place("o", .allOrNothing, [("A", 2)])
                shop.run()
                for _ in 0..<4 {
                    let before = shop.outcomes.count + shop.answers.count
                    shop.send("o", body)
                    shop.run()
                    #expect(shop.outcomes.count + shop.answers.count > before, "\(body)")
                }
            }
        }
    }
}
