import InventoryCore
import OrderCore
import Testing

/// For each line: what was paid has shipped, is claimed, or is told as what must go back; to the unit.
@Suite("What was paid")
struct PaymentTests {
    private func one(_ sku: ID, _ quantity: Int64? = nil) -> [LineUnits] {
        [LineUnits(sku: sku, quantity: quantity)]
    }

    @Test("The second part of a payment that comes late must go back, and only that part")
    func secondPartLate() {
        var shop = Shop(stock: ["A": 20])
        shop.place("o", .allOrNothing, [("A", 2)], ttl: 1_000)
        shop.run()
        shop.pay("o", one("A", 1))
        shop.run()
        shop.wait(1_001)
        shop.run()
        shop.pay("o", one("A", 1))
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed", "confirmed!", "refund_required"])
        #expect(shop.told().map { $0.lines[0].paid } == [0, 1, 1, 2])
        #expect(shop.told().map { $0.lines[0].refundAdded } == [0, 0, 0, 1])
        #expect(shop.shipped() == 1 && shop.held() == 0)
    }

    @Test("Two parts that come before the deadline is looked at, the second after it, are each counted")
    func secondPartLateUnlooked() {
        var shop = Shop(stock: ["A": 20])
        shop.place("o", .allOrNothing, [("A", 2)], ttl: 1_000)
        shop.run()
        shop.pay("o", one("A", 1))
        shop.now += 1_001
        shop.pay("o", one("A", 1))
        shop.run()
        #expect(shop.told().last?.lines[0].paid == 2)
        #expect(shop.told().last?.lines[0].refund == 1)
        #expect(shop.shipped() == 1 && shop.held() == 0)
    }

    @Test("A cancelled order that is paid in two parts: each part must go back, and their sum is told")
    func cancelledPaidInParts() {
        var shop = Shop(stock: ["A": 20])
        shop.place("o", .allOrNothing, [("A", 2)])
        shop.run()
        shop.cancel()
        shop.run()
        shop.pay("o", one("A", 1))
        shop.pay("o", one("A", 1))
        #expect(shop.story() == ["reserved", "released!", "refund_required", "refund_required"])
        #expect(shop.told().map { $0.lines[0].refundAdded } == [0, 0, 1, 1])
        #expect(shop.told().last?.lines[0].refund == 2)
        shop.pay()
        #expect(shop.declined() == ["nothing_to_pay"])
    }

    @Test("Paid in two parts in time, both ship")
    func partsInTime() {
        var shop = Shop(stock: ["A": 20])
        shop.place("o", .allOrNothing, [("A", 2)])
        shop.run()
        shop.pay("o", one("A", 1))
        shop.pay("o", one("A", 1))
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed", "confirmed!"])
        #expect(shop.shipped() == 2)
        #expect(shop.told().last?.lines[0].refund == 0)
    }

    @Test("A payment of the whole order pays what is claimed; again it adds nothing, and is answered")
    func wholeTwice() {
        var shop = Shop(stock: ["A": 6])
        shop.place("o", .partial, [("A", 10), ("NONE", 3)])
        shop.run()
        shop.pay()
        shop.run()
        shop.pay()
        shop.run()
        #expect(shop.story() == ["partially_reserved", "confirmed!"])
        #expect(shop.told().last?.lines.map(\.paid) == [6, 0])
        #expect(shop.told().last?.lines.map(\.refund) == [0, 0])
        #expect(shop.declined() == ["nothing_to_pay"])
        #expect(shop.answers[0].event == .paid && shop.answers[0].eventID != nil)
    }

    @Test("A payment of more units than are claimed: what is over must go back")
    func tooMuch() {
        var shop = Shop(stock: ["A": 20])
        shop.place("o", .allOrNothing, [("A", 2)])
        shop.run()
        shop.pay("o", one("A", 5))
        shop.run()
        #expect(shop.story() == ["reserved", "refund_required!"])
        #expect(shop.shipped() == 2)
        #expect(shop.told().last?.lines[0].refund == 3)
    }

    @Test(
        "An expired partial order that is paid late: what was claimed goes back, and not what was asked for")
    func partialLate() {
        var shop = Shop(stock: ["A": 6])
        shop.place("o", .partial, [("A", 10)], ttl: 1_000)
        shop.run()
        shop.wait(1_001)
        shop.run()
        shop.pay()
        shop.pay()
        #expect(shop.story() == ["partially_reserved", "expired!", "refund_required"])
        #expect(shop.told().last?.lines[0].refund == 6)
        #expect(shop.declined() == ["nothing_to_pay"])
    }

    @Test("A rejected order that is paid gets back what it asked for; once")
    func rejectedPaid() {
        var shop = Shop(stock: ["A": 6])
        shop.place("o", .allOrNothing, [("A", 10), ("B", 1)])
        shop.pay()
        shop.run()
        shop.pay()
        #expect(shop.story() == ["rejected!", "refund_required"])
        #expect(shop.told().last?.lines.map(\.refund) == [10, 1])
        #expect(shop.declined() == ["nothing_to_pay"])
    }

    @Test("Where orders ship on the word, a part that comes late for a kept order must go back")
    func keptPaidLate() {
        var shop = Shop(OrderSettings(shipsOnShipped: true), stock: ["A": 4, "B": 4])
        shop.place("o", .allOrNothing, [("A", 2), ("B", 1)], ttl: 1_000)
        shop.run()
        shop.pay("o", one("A", 2))
        shop.run()
        shop.wait(1_001)
        shop.run()
        #expect(shop.held() == 2)
        shop.pay()
        shop.run()
        #expect(shop.told().last?.kind == .refundRequired)
        #expect(shop.told().last?.lines.map(\.refund) == [0, 1])
        #expect(shop.held() == 2)
        shop.ship()
        shop.run()
        #expect(shop.shipped() == 2)
        #expect(shop.told().last?.isFinal == true)
    }

    @Test("Units that were paid and are lost go back once, and what is paid afterwards ships")
    func lostAfterPayment() {
        var shop = Shop(OrderSettings(shipsOnShipped: true), stock: ["A": 10])
        shop.place("o", .partial, [("A", 10)])
        shop.run()
        shop.pay("o", one("A", 6))
        shop.run()
        shop.decide("A", .damage(warehouse: "BER", quantity: 5, reference: nil))
        shop.run()
        #expect(shop.told().last?.lines[0].refund == 1)
        shop.pay()
        shop.run()
        #expect(shop.declined() == ["nothing_to_pay"])
        shop.ship()
        shop.run()
        #expect(shop.shipped() == 5)
        #expect(shop.told().last?.lines[0].paid == 6)
        #expect(shop.told().last?.lines[0].refund == 1)
        #expect(shop.told().reduce(0) { $0 + $1.lines[0].refundAdded } == 1)
    }

    @Test("A payment that is only backordered is answered, and ships when it is filled")
    func backorderedPaid() {
        var shop = Shop(stock: ["A": 1])
        shop.decide("A", .setPolicy(warehouse: nil, Policy(backorderLimit: 10)))
        shop.place("o", .wait, [("A", 2)])
        shop.run()
        shop.pay()
        shop.run()
        #expect(shop.story() == ["partially_reserved", "confirmed"])
        #expect(shop.told().last?.lines[0].paid == 2 && shop.told().last?.lines[0].shipped == 0)
        shop.decide("A", .receive(warehouse: "BER", quantity: 1, reference: nil))
        shop.run()
        #expect(shop.story() == ["partially_reserved", "confirmed", "confirmed!"])
        #expect(shop.shipped() == 2)
    }
}
