import InventoryCore
import OrderCore
import Testing

/// What fulfilment says that it has sent leaves the books, each parcel once.
@Suite("Parcels")
struct ParcelTests {
    private func units(_ quantity: Int64, from warehouse: ID? = nil) -> [LineUnits] {
        [LineUnits(sku: "A", quantity: quantity, warehouse: warehouse)]
    }

    private func backordered(
        _ settings: OrderSettings = OrderSettings(), _ quantity: Int64 = 2
    ) -> Shop {
        var shop = Shop(settings, stock: ["A": 1])
        shop.decide("A", .setPolicy(warehouse: nil, Policy(backorderLimit: 10)))
        shop.place("o", .wait, [("A", quantity)], ttl: 1_000)
        shop.run()
        shop.pay()
        shop.run()
        return shop
    }

    @Test("A parcel of what is there ships, and the next one ships when the stock learns of its units")
    func inParts() {
        for shipsOnShipped in [false, true] {
            var shop = backordered(OrderSettings(shipsOnShipped: shipsOnShipped))
            shop.ship("o", units(1))
            shop.run()
            #expect(shop.shipped() == 1)
            #expect(shop.told().last?.kind == .confirmed)
            shop.ship("o", units(1))
            shop.run()
            #expect(shop.shipped() == 1)
            #expect(shop.told().last?.kind == .confirmed)
            shop.decide("A", .receive(warehouse: "BER", quantity: 1, reference: nil))
            shop.run()
            #expect(shop.shipped() == 2 && shop.held() == 0)
            #expect(shop.told().last?.isFinal == true)
            #expect(shop.told().last?.lines[0].refund == 0)
        }
    }

    @Test("A parcel whose units the books have lost already is no second one")
    func once() {
        var shop = Shop(stock: ["A": 4])
        shop.place("o", .allOrNothing, [("A", 2), ("A", 1)])
        shop.run()
        shop.pay("o", units(2))
        shop.run()
        #expect(shop.shipped() == 2)
        shop.ship("o", units(1))
        shop.ship("o", units(1))
        shop.run()
        #expect(shop.shipped() == 2)
        #expect(shop.declined() == ["already_shipped", "already_shipped"])
        shop.pay()
        shop.run()
        #expect(shop.shipped() == 3)
    }

    @Test("A parcel leaves the warehouse that it names")
    func named() {
        var shop = Shop(OrderSettings(shipsOnShipped: true), stock: ["A": 2])
        shop.decide("A", .receive(warehouse: "HAM", quantity: 2, reference: nil))
        shop.place("o", .allOrNothing, [("A", 4)])
        shop.run()
        shop.pay()
        shop.run()
        shop.ship("o", units(1, from: "HAM"))
        shop.run()
        #expect(shop.shipments("o", "A") == [Allocation(warehouse: "HAM", quantity: 1)])
        shop.ship("o", units(2, from: "BER") + units(1, from: "HAM"))
        shop.run()
        #expect(
            shop.shipments("o", "A") == [
                Allocation(warehouse: "BER", quantity: 2), Allocation(warehouse: "HAM", quantity: 2),
            ])
        #expect(shop.story().last == "confirmed!")
    }

    @Test("A parcel that left another warehouse: its units move there first, and leave from there")
    func elsewhere() {
        var shop = Shop(OrderSettings(shipsOnShipped: true), stock: ["A": 4])
        shop.place("o", .allOrNothing, [("A", 4)])
        shop.run()
        shop.decide("A", .receive(warehouse: "HAM", quantity: 2, reference: nil))
        shop.pay()
        shop.run()
        shop.ship("o", units(2, from: "HAM"))
        shop.run()
        #expect(shop.shipments("o", "A") == [Allocation(warehouse: "HAM", quantity: 2)])
        #expect(shop.allocations("o", "A") == [Allocation(warehouse: "BER", quantity: 2)])
        // There is nothing more there: the books take the units from where they are.
        shop.ship("o", units(1, from: "HAM"))
        shop.run()
        #expect(shop.shipped() == 3 && shop.held() == 1)
        #expect(shop.shipments("o", "A").map(\.quantity) == [1, 2])
    }

    @Test("A parcel of an order that is not paid is refused aloud")
    func unpaid() {
        var shop = Shop(OrderSettings(shipsOnShipped: true), stock: ["A": 4])
        shop.place("o", .allOrNothing, [("A", 4)])
        shop.run()
        shop.ship("o", units(1))
        #expect(shop.declined() == ["not_paid"])
        #expect(shop.held() == 4)
    }

    @Test("A parcel that came before its order's payment may be sent again, under its id, and ships then")
    func again() {
        var shop = Shop(OrderSettings(shipsOnShipped: true), stock: ["A": 4])
        shop.place("o", .allOrNothing, [("A", 4)])
        shop.run()
        let parcel = shop.send("o", .shipped(units(4)))
        #expect(shop.declined() == ["not_paid"])
        shop.pay()
        shop.run()
        #expect(shop.shipped() == 0)
        shop.send(parcel)
        shop.run()
        #expect(shop.shipped() == 4 && shop.held() == 0)
        shop.send(parcel)
        shop.run()
        #expect(shop.shipped() == 4, "a parcel that was booked counts once")
    }

    @Test("A parcel of more than is paid ships what is paid, and the rest when that is paid")
    func paidLater() {
        var shop = Shop(OrderSettings(shipsOnShipped: true), stock: ["A": 4])
        shop.place("o", .allOrNothing, [("A", 4)])
        shop.run()
        shop.pay("o", units(1))
        shop.run()
        shop.ship("o", units(3))
        shop.run()
        #expect(shop.shipped() == 1)
        shop.pay("o", units(1))
        shop.run()
        #expect(shop.shipped() == 2 && shop.held() == 2)
    }

    @Test(
        "What left in a parcel is neither cancelled nor given up at the deadline, while the stock may learn of it"
    )
    func kept() {
        var shop = backordered(OrderSettings(shipWithin: 9_000))
        shop.ship("o", units(2))
        shop.run()
        #expect(shop.shipped() == 1)
        shop.cancel()
        #expect(shop.declined() == ["nothing_to_cancel"])
        shop.wait(1_001)
        shop.run()
        shop.expireDue()
        shop.run()
        #expect(shop.held() == 1)
        shop.decide("A", .receive(warehouse: "BER", quantity: 1, reference: nil))
        shop.run()
        #expect(shop.shipped() == 2)
        #expect(shop.told().last?.lines[0].refund == 0)
        #expect(shop.told().last?.isFinal == true)
    }

    @Test("What left in a parcel and never came into stock goes back in the end, and nothing stays reserved")
    func givenUp() {
        var shop = backordered(OrderSettings(shipWithin: 9_000))
        shop.ship("o", units(2))
        shop.run()
        for _ in 0..<20 {
            shop.wait(1_000)
            shop.run()
            shop.expireDue()
        }
        #expect(shop.shipped() == 1 && shop.held() == 0)
        #expect(shop.told().last?.lines[0].refund == 1)
        #expect(shop.told().last?.isFinal == true)
    }

    @Test("A parcel that is reported while units of it are lost ships what is left, and the rest goes back")
    func lost() {
        var shop = Shop(OrderSettings(shipsOnShipped: true), stock: ["A": 4])
        shop.place("o", .allOrNothing, [("A", 4)])
        shop.run()
        shop.pay()
        shop.run()
        shop.ship("o", units(3))
        shop.decide("A", .damage(warehouse: "BER", quantity: 2, reference: nil))
        shop.run()
        #expect(shop.shipped() == 2)
        #expect(shop.told().last?.lines[0].refund == 2)
        #expect(shop.held() == 0)
    }
}
