import InventoryCore
import OrderCore
import Testing

@Suite("Events that are refused")
struct RefusalTests {
    @Test("An event that is refused can be sent again under its id, and is heeded once")
    func again() {
        var shop = Shop(stock: ["A": 5, "B": 5])
        shop.place("o", .allOrNothing, [("A", 1)])
        shop.run()
        let cancelled = shop.send("o", .cancelled([LineUnits(sku: "B")]))
        #expect(shop.refused.map(\.reason) == [.unknownLine])
        shop.change("o", [("B", 2)])
        shop.run()
        shop.send(cancelled)
        shop.run()
        shop.send(cancelled)
        shop.run()
        #expect(shop.story() == ["reserved", "changed", "released"])
        #expect(shop.held() == 1)
        #expect(shop.refused.count == 1 && shop.repeats == 1)
    }

    @Test("An event for which there was no room can be sent again under its id")
    func noRoom() {
        var shop = Shop(stock: ["A": 5])
        shop.place("o", .allOrNothing, [("A", 1)])
        for _ in 0..<OrderLimits.waitingEvents { shop.send("o", .shipped([])) }
        let paid = shop.send("o", .paid([]))
        #expect(shop.refused.map(\.reason) == [.tooManyEvents])
        shop.run()
        #expect(shop.story() == ["reserved"])
        shop.send(paid)
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed!"])
    }

    @Test("Events that would make an order's records too large are refused by name, and a payment is not")
    func tooLarge() {
        var shop = Shop(stock: ["A": 5])
        shop.place("o", .allOrNothing, [("A", 1)])
        let name = String(repeating: "x", count: Limits.idBytes - 4)
        let lines: [(ID, Int64)] = (0..<OrderLimits.linesPerEvent).map { (ID("\(name)\(1_000 + $0)"), 1) }
        for _ in 0..<20 { shop.change("o", lines) }
        #expect(Set(shop.refused.map(\.reason)) == [.tooLarge])
        #expect(shop.orders[0].encodedBytes <= OrderLimits.recordBytes)
        let before = shop.refused.count
        shop.run()
        shop.cancel("o", lines.map { LineUnits(sku: $0.0) })
        shop.run()
        shop.pay("o", [LineUnits(sku: "A", quantity: 1)])
        shop.run()
        #expect(shop.refused.count == before && shop.shipments("o", "A").map(\.quantity) == [1])
    }
}
