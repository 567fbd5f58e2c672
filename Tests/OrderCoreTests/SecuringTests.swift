import InventoryCore
import OrderCore
import Testing

@Suite("Reservations of paid orders that ship later")
struct SecuringTests {
    @Test(
        "An extension that comes too late to be one does not hold up the order: it is told, and made up for")
    func tooLate() {
        var shop = Shop(
            OrderSettings(grace: 5_000, shipsOnShipped: true, shipWithin: 900), stock: ["A": 1])
        shop.place("o", .allOrNothing, [("A", 1)])
        shop.run()
        shop.pay()
        // Until the stock decides it, the moment has passed to which it was to be extended.
        shop.now += 1_000
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed"])
        #expect(shop.told().last?.lines.map(\.reason) == [.expiryOutOfRange])
        #expect(shop.order()?.isStuck == false)
        shop.wait(1)
        shop.run()
        #expect(shop.stock.allReservations.map(\.expiresAt.milliseconds) == [shop.now + 900])
        shop.ship()
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed", "confirmed!"])
        #expect(shop.shipped() == 1)
    }

    @Test("Where the settings let no reservation live so long, a paid order is confirmed, and says so")
    func neverSoLong() {
        var shop = Shop(OrderSettings(shipsOnShipped: true), stock: ["A": 1])
        shop.stock = Stock(settings: Settings(longestTTL: 86_400_000))
        shop.decide("A", .receive(warehouse: "BER", quantity: 1, reference: nil))
        shop.place("o", .allOrNothing, [("A", 1)])
        shop.run()
        shop.pay()
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed"])
        #expect(shop.told().last?.lines.map(\.reason) == [.expiryOutOfRange])
        shop.ship()
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed", "confirmed!"])
    }
}
