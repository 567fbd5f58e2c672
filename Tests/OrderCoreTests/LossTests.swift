import InventoryCore
import OrderCore
import Testing

@Suite("Cancellations and losses")
struct LossTests {
    private func one(_ quantity: Int64) -> [LineUnits] { [LineUnits(sku: "A", quantity: quantity)] }

    @Test("A cancellation takes from what is missing first")
    func missingFirst() {
        var shop = Shop(stock: ["A": 6])
        shop.place("o", .partial, [("A", 10)])
        shop.run()
        shop.cancel("o", one(4))
        shop.run()
        #expect(shop.story() == ["partially_reserved", "released"])
        #expect(shop.held() == 6)
        #expect(shop.told().last?.lines[0].quantity == 6 && shop.told().last?.lines[0].reserved == 6)
        shop.cancel("o", one(1))
        shop.run()
        #expect(shop.held() == 5)
    }

    @Test("A part cancellation that meets a loss: what was not cancelled stays")
    func meetsLoss() {
        for mode in [OrderMode.partial, .allOrNothing] {
            var shop = Shop(stock: ["A": 10])
            shop.place("o", mode, [("A", 10)])
            shop.run()
            // The stock decides the loss first; the order knows nothing of it yet.
            shop.cancel("o", one(6))
            shop.decide("A", .damage(warehouse: "BER", quantity: 5, reference: nil))
            shop.run()
            #expect(shop.held() == 4)
            #expect(shop.told().last?.lines[0].reserved == 4)
            shop.pay()
            shop.run()
            #expect(shop.story().last == "confirmed!")
            #expect(shop.shipped() == 4)
        }
    }

    @Test("A part payment that meets a loss ships what was paid, as far as it is there, and no more")
    func paymentMeetsLoss() {
        var shop = Shop(stock: ["A": 10])
        shop.place("o", .partial, [("A", 10)])
        shop.run()
        shop.pay("o", one(6))
        shop.decide("A", .damage(warehouse: "BER", quantity: 3, reference: nil))
        shop.run()
        #expect(shop.shipped() == 6 && shop.held() == 1)
        shop.pay("o", one(1))
        shop.run()
        #expect(shop.shipped() == 7)
        #expect(shop.told().last?.lines[0].refund == 0)
    }

    @Test("A claim that lost units twice while it was asked about is asked again each time")
    func twice() {
        var shop = Shop(stock: ["A": 10])
        shop.place("o", .partial, [("A", 10)])
        shop.run()
        shop.cancel("o", one(9))
        shop.decide("A", .damage(warehouse: "BER", quantity: 2, reference: nil))
        shop.decideNext(0)
        shop.decide("A", .damage(warehouse: "BER", quantity: 2, reference: nil))
        shop.run()
        #expect(shop.held() == 1)
        #expect(shop.order()?.isStuck == false)
    }

    @Test("What the order was never told of is asked for: the stock says how many units there are")
    func untold() {
        var shop = Shop(stock: ["A": 10])
        shop.place("o", .partial, [("A", 10)])
        shop.run()
        shop.decide("A", .damage(warehouse: "BER", quantity: 5, reference: nil))
        shop.replies = []
        shop.cancel("o", one(6))
        shop.run()
        #expect(shop.held() == 4)
        #expect(shop.told().last?.lines[0].reserved == 4)
        #expect(shop.order()?.isStuck == false)
    }

    @Test("An order may live as long as a reservation may")
    func longest() {
        let longest = Limits.standardLongestTTL
        for ttl in [longest, longest - 60_000, longest - 600_000, 1_000] {
            var shop = Shop(stock: ["A": 5])
            shop.place("o", .allOrNothing, [("A", 1)], ttl: ttl)
            shop.now += 5
            shop.run()
            #expect(shop.story() == ["reserved"])
            #expect(shop.stock.allReservations[0].expiresAt.milliseconds >= 1_000_000 + ttl)
        }
    }

    @Test("Where the settings let reservations live less long, an order may live as long as they may")
    func longestBySettings() {
        var shop = Shop()
        shop.stock = Stock(settings: Settings(longestTTL: 86_400_000))
        shop.decide("A", .receive(warehouse: "BER", quantity: 1, reference: nil))
        shop.place("o", .allOrNothing, [("A", 1)], ttl: 86_400_000)
        shop.run()
        #expect(shop.story() == ["reserved"])
        shop.change("o", [], expiry: .after(milliseconds: 86_400_000))
        shop.run()
        #expect(shop.story() == ["reserved", "changed"])
        #expect(shop.told().last?.lines[0].reason == nil)
    }

    /// The stock answers the next command so, as if it had forgotten whether it was decided.
    private func forget(_ shop: inout Shop, isDone: Bool) {
        let command = shop.commands[0].queue[0]
        if isDone {
            shop.decideNext(0)
            shop.replies = []
        } else {
            shop.commands[0].queue.removeFirst()
            if shop.commands[0].queue.isEmpty { shop.commands.remove(at: 0) }
        }
        let outcome = Outcome(
            kind: .rejected, command: command.kind, commandID: command.id, sku: command.sku,
            rejection: .commandTooOld, reservationID: command.reservationID, orderID: "o",
            sequence: 1, at: Timestamp(milliseconds: shop.now))
        shop.replies = [(command.sku, [.result(outcome)])]
    }

    @Test("A command that is too old to be known again neither hangs its order nor is done twice")
    func tooOld() {
        for isDone in [true, false] {
            var shop = Shop(stock: ["A": 10])
            shop.place("o", .allOrNothing, [("A", 6)])
            #expect(shop.commands[0].queue[0].issuedAt?.milliseconds == shop.now)
            forget(&shop, isDone: isDone)
            shop.run()
            #expect(shop.story() == ["reserved"] && shop.held() == 6)
            // A part.
            shop.cancel("o", one(2))
            forget(&shop, isDone: isDone)
            shop.run()
            #expect(shop.held() == 4)
            #expect(shop.told().last?.lines[0].reserved == 4)
            shop.pay("o", one(1))
            forget(&shop, isDone: isDone)
            shop.run()
            #expect(shop.shipped() == 1 && shop.held() == 3)
            #expect(shop.told().last?.lines[0].shipped == 1)
            // The whole.
            shop.pay()
            forget(&shop, isDone: isDone)
            shop.run()
            #expect(shop.story().last == "confirmed!")
            #expect(shop.shipped() == 4 && shop.held() == 0)
        }
    }

    @Test("Whether a part is done is found out also where no reservation may live until the shipment")
    func tooOldAndRefused() {
        for isDone in [true, false] {
            var shop = Shop(OrderSettings(shipsOnShipped: true))
            shop.stock = Stock(settings: Settings(longestTTL: 86_400_000))
            shop.decide("A", .receive(warehouse: "BER", quantity: 10, reference: nil))
            shop.place("o", .allOrNothing, [("A", 6)])
            shop.run()
            shop.pay()
            shop.run()
            #expect(shop.told().last?.lines[0].reason == .expiryOutOfRange)
            shop.cancel("o", one(2))
            forget(&shop, isDone: isDone)
            shop.run()
            #expect(shop.held() == 4)
            #expect(shop.order()?.isStuck == false)
            shop.ship("o", one(1))
            forget(&shop, isDone: isDone)
            shop.run()
            #expect(shop.shipped() == 1 && shop.held() == 3)
            #expect(shop.told().last?.lines[0].shipped == 1)
            #expect(shop.told().last?.lines[0].refund == 2)
        }
    }

    @Test("A command that is sent again is the same, with the time that led to it first")
    func sameAgain() {
        var shop = Shop(stock: ["A": 10])
        shop.place("o", .allOrNothing, [("A", 6)])
        let first = shop.commands[0].queue[0]
        shop.wait(30_000)
        #expect(shop.commands[0].queue == [first, first])
        shop.run()
        #expect(shop.held() == 6)
    }
}
