import InventoryCore
import OrderCore
import Testing

/// Dialogues from the table of docs/orders.md, with the genuine stock as the counterpart.
@Suite("The life of an order")
struct DialogueTests {
    private let plenty: [ID: Int64] = ["A": 10, "B": 10, "C": 10]

    private func shop(_ settings: OrderSettings = OrderSettings()) -> Shop { Shop(settings, stock: plenty) }

    @Test("An order of three lines is reserved when all have been granted, and confirmed when it is paid")
    func wholeLife() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 1), ("B", 2), ("C", 3)])
        #expect(shop.commands.map(\.sku) == ["A", "B", "C"])
        #expect(shop.outcomes.isEmpty)
        shop.run()
        #expect(shop.story() == ["reserved"])
        #expect(shop.told()[0].lines.map(\.reserved) == [1, 2, 3])
        #expect(shop.told()[0].lines[0].allocations == [Allocation(warehouse: "BER", quantity: 1)])
        shop.pay()
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed!"])
        #expect(shop.told()[1].lines.map(\.shipped) == [1, 2, 3])
        #expect(shop.told().map(\.version) == [1, 2])
        #expect(shop.held() == 0)
        #expect(shop.shipped() == 6)
    }

    @Test("Lines of the same SKU are summed first")
    func sums() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 1), ("B", 1), ("A", 4)])
        #expect(shop.commands.map(\.queue.count) == [1, 1])
        shop.run()
        #expect(shop.told()[0].lines.map(\.reserved) == [5, 1])
    }

    @Test("Reservations live longer than the order by the grace")
    func grace() {
        var shop = shop(OrderSettings(grace: 5_000))
        shop.place("o", .allOrNothing, [("A", 1)], ttl: 60_000)
        shop.run()
        #expect(shop.told()[0].deadline.milliseconds == shop.now + 60_000)
        #expect(shop.stock.allReservations[0].expiresAt.milliseconds == shop.now + 65_000)
    }

    @Test("One refused line refuses all_or_nothing, and what was granted goes back")
    func refused() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 1), ("B", 11), ("C", 3)])
        shop.run()
        #expect(shop.story() == ["rejected!"])
        #expect(shop.told()[0].lines.map(\.reason) == [nil, .insufficientStock, nil])
        #expect(shop.held() == 0)
    }

    @Test("A granted line goes back as soon as another is refused, before the last reply")
    func refusedAtOnce() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 1), ("B", 11), ("C", 3)])
        shop.decideNext(0)  // A is granted
        shop.decideNext(0)  // B is refused
        shop.readNext(0)
        shop.readNext(0)
        #expect(shop.commands.map(\.sku) == ["C", "A"])
        #expect(shop.outcomes.isEmpty)
        shop.run()
        #expect(shop.story() == ["rejected!"])
        #expect(shop.held() == 0)
    }

    @Test("partial keeps what is there")
    func partial() {
        var shop = shop()
        shop.place("o", .partial, [("A", 12), ("X", 1), ("C", 3)])
        shop.run()
        #expect(shop.story() == ["partially_reserved"])
        #expect(shop.told()[0].lines.map(\.reserved) == [10, 0, 3])
        #expect(shop.told()[0].lines[1].reason == .insufficientStock)
        shop.pay()
        shop.run()
        #expect(shop.story() == ["partially_reserved", "confirmed!"])
        #expect(shop.told()[1].lines.map(\.shipped) == [10, 0, 3])
    }

    @Test("partial with nothing at all is rejected")
    func partialNothing() {
        var shop = shop()
        shop.place("o", .partial, [("X", 1), ("Y", 1)])
        shop.run()
        #expect(shop.story() == ["rejected!"])
    }

    @Test("wait is backordered, told when it is filled, and ships whole lines once it is paid")
    func waits() {
        var shop = shop()
        shop.decide("A", .setPolicy(warehouse: nil, Policy(backorderLimit: 100)))
        shop.place("o", .wait, [("A", 12), ("B", 1)])
        shop.run()
        #expect(shop.story() == ["partially_reserved"])
        #expect(shop.told()[0].lines[0].backordered == 2)
        shop.pay()
        shop.run()
        #expect(shop.story() == ["partially_reserved", "confirmed"])
        #expect(shop.told()[1].lines.map(\.shipped) == [0, 1])
        shop.decide("A", .receive(warehouse: "HAM", quantity: 5, reference: nil))
        shop.run()
        #expect(shop.story().last == "confirmed!")
        #expect(shop.told().last?.lines.map(\.shipped) == [12, 1])
    }

    @Test("wait that is not paid yet is reserved once it is filled")
    func waitsFilled() {
        var shop = shop()
        shop.decide("A", .setPolicy(warehouse: nil, Policy(backorderLimit: 100)))
        shop.place("o", .wait, [("A", 12)])
        shop.run()
        shop.decide("A", .receive(warehouse: "HAM", quantity: 5, reference: nil))
        shop.run()
        #expect(shop.story() == ["partially_reserved", "reserved"])
    }

    @Test("A backorder that is filled right before a command about it is decided counts as filled")
    func waitsFilledByItsCommand() {
        var shop = Shop(OrderSettings(grace: 1_000), stock: ["A": 10])
        shop.decide("A", .setPolicy(warehouse: nil, Policy(backorderLimit: 100)))
        shop.place("other", .allOrNothing, [("A", 8)], ttl: 1_000)
        shop.run()
        shop.place("o", .wait, [("A", 6)])
        shop.run()
        #expect(shop.told().last?.lines[0].backordered == 4)
        // The other's units have expired, and nobody has said so yet.
        shop.now += 5_000
        shop.change("o", [], expiry: .after(milliseconds: 90_000))
        shop.run()
        #expect(shop.story() == ["partially_reserved", "changed", "reserved"])
        #expect(shop.told().last?.lines[0].reserved == 6)
        #expect(shop.told().last?.lines[0].allocations == shop.allocations("o", "A"))
    }

    @Test("wait that is paid and not filled by its deadline gets its payment back")
    func waitsInVain() {
        var shop = shop()
        shop.decide("A", .setPolicy(warehouse: nil, Policy(backorderLimit: 100)))
        shop.place("o", .wait, [("A", 12)], ttl: 1_000)
        shop.run()
        shop.pay()
        shop.run()
        shop.wait(1_001)
        shop.run()
        #expect(shop.story() == ["partially_reserved", "confirmed", "refund_required!"])
        #expect(shop.told().last?.lines[0].refund == 12)
        #expect(shop.held() == 0)
    }

    @Test("Nothing is paid by the deadline: it expires, and its units go back at once")
    func expires() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 1), ("B", 2)], ttl: 1_000)
        shop.run()
        shop.wait(1_000)
        #expect(shop.commands.isEmpty)
        shop.wait(1)
        shop.run()
        #expect(shop.story() == ["reserved", "expired!"])
        #expect(shop.held() == 0)
    }

    @Test("A payment at the deadline counts; after it the payment must go back")
    func paidLate() {
        for (wait, story) in [
            (1_000 as Int64, ["reserved", "confirmed!"]),
            (1_001, ["reserved", "expired!", "refund_required"]),
        ] {
            var shop = shop()
            shop.place("o", .allOrNothing, [("A", 1), ("B", 2)], ttl: 1_000)
            shop.run()
            shop.now += wait
            shop.pay()
            shop.run()
            #expect(shop.story() == story)
            #expect(shop.held() == 0)
        }
    }

    @Test("Cancelled before the results came: all results are awaited, then all goes back")
    func cancelledEarly() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 1), ("B", 2)])
        shop.cancel()
        #expect(shop.outcomes.isEmpty)
        shop.run()
        #expect(shop.story() == ["reserved", "released!"])
        #expect(shop.held() == 0)
    }

    @Test("Paid twice is paid once")
    func paidTwice() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 1)])
        shop.run()
        shop.pay()
        shop.pay()
        shop.run()
        shop.pay()
        #expect(shop.story() == ["reserved", "confirmed!"])
        #expect(shop.ignored == 2)
        #expect(shop.shipped() == 1)
    }

    @Test("The same event twice is heeded once")
    func repeated() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 5)])
        shop.run()
        let event = shop.send("o", .cancelled([LineUnits(sku: "A", quantity: 2)]))
        shop.send(event)
        shop.run()
        shop.send(event)
        #expect(shop.repeats == 2)
        #expect(shop.story() == ["reserved", "released"])
        #expect(shop.held() == 3)
    }

    @Test("Paid, then cancelled: the goods are on their way, and the cancellation comes too late")
    func paidThenCancelled() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 1)])
        shop.pay()
        shop.cancel()
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed!"])
        #expect(shop.ignored == 1)
    }

    @Test("Cancelled, then paid: it is released, and the payment must go back")
    func cancelledThenPaid() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 1)])
        shop.cancel()
        shop.pay()
        shop.pay()
        shop.run()
        #expect(shop.story() == ["reserved", "released!", "refund_required"])
        #expect(shop.told().last?.lines[0].refund == 1)
    }

    @Test("Lines and units are paid and cancelled alone; the end tells what shipped")
    func inParts() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 4), ("B", 2), ("C", 1)])
        shop.run()
        shop.pay("o", [LineUnits(sku: "A", quantity: 3)])
        shop.run()
        #expect(shop.story().last == "confirmed")
        #expect(shop.told().last?.lines.map(\.reserved) == [1, 2, 1])
        shop.cancel("o", [LineUnits(sku: "B", quantity: 1), LineUnits(sku: "C")])
        shop.run()
        #expect(shop.story().last == "released")
        #expect(shop.told().last?.lines.map(\.quantity) == [4, 1, 0])
        #expect(shop.held() == 2)
        shop.wait(60_001)
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed", "released", "confirmed!"])
        #expect(shop.shipped() == 3)
        #expect(shop.held() == 0)
    }

    @Test("A change takes more, gives back, adds a line and takes one away")
    func changed() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 4), ("B", 2)])
        shop.run()
        shop.change("o", [("A", 6), ("B", 0), ("C", 1)])
        shop.run()
        #expect(shop.story() == ["reserved", "changed"])
        #expect(shop.told()[1].lines.map(\.reserved) == [6, 0, 1])
        shop.pay()
        shop.run()
        #expect(shop.story().last == "confirmed!")
        #expect(shop.shipped() == 7)
    }

    @Test("A change that cannot be had whole changes nothing, and says which line was refused")
    func changeRefused() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 4), ("B", 2)])
        shop.run()
        shop.change("o", [("A", 11), ("B", 1), ("C", 1)])
        shop.run()
        #expect(shop.story() == ["reserved", "changed"])
        #expect(shop.told()[1].lines.map(\.reserved) == [4, 2, 0])
        #expect(shop.told()[1].lines[0].reason == .insufficientStock)
        #expect(shop.held() == 6)
    }

    @Test("Changed while the results are awaited: the change comes after them")
    func changedWhilePending() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 4)])
        shop.change("o", [("A", 2)])
        shop.run()
        #expect(shop.story() == ["reserved", "changed"])
        #expect(shop.held() == 2)
    }

    @Test("A new deadline is carried to every reservation")
    func newDeadline() {
        var shop = shop(OrderSettings(grace: 1_000))
        shop.place("o", .allOrNothing, [("A", 4), ("B", 1)], ttl: 1_000)
        shop.run()
        shop.change("o", [], expiry: .after(milliseconds: 9_000))
        shop.run()
        #expect(shop.story() == ["reserved", "changed"])
        #expect(shop.stock.allReservations.allSatisfy { $0.expiresAt.milliseconds == shop.now + 10_000 })
        shop.wait(5_000)
        shop.pay()
        shop.run()
        #expect(shop.story().last == "confirmed!")
    }

    @Test("A change of an order that has shipped comes too late, and is answered")
    func changedAfterPayment() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 4)])
        shop.run()
        shop.pay()
        shop.change("o", [("A", 9)])
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed!"])
        #expect(shop.declined() == ["order_ended"])
    }

    @Test("Events that come before the order wait for it")
    func early() {
        var shop = shop()
        shop.pay()
        #expect(shop.outcomes.isEmpty)
        shop.place("o", .allOrNothing, [("A", 1)])
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed!"])
    }

    @Test("Events of an order that never comes are refused by name, and nothing is kept of it")
    func unknown() {
        var shop = shop()
        shop.pay("ghost")
        shop.cancel("ghost")
        shop.wait(60_000)
        #expect(shop.refused.map(\.reason) == [.unknownOrder, .unknownOrder])
        #expect(shop.order("ghost") == nil)
    }

    @Test("A payment of a SKU that the order does not have is refused by name")
    func unknownLine() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 1)])
        shop.run()
        shop.pay("o", [LineUnits(sku: "B")])
        #expect(shop.refused.map(\.reason) == [.unknownLine])
        #expect(shop.held() == 1)
    }

    @Test("Where orders ship on the word, payment keeps the lines, and shipped sends them")
    func shipOnShipped() {
        var shop = shop(OrderSettings(shipsOnShipped: true, shipWithin: 90_000))
        shop.place("o", .allOrNothing, [("A", 2), ("B", 1)], ttl: 1_000)
        shop.run()
        shop.ship()
        #expect(shop.ignored == 1)
        shop.pay()
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed"])
        #expect(shop.shipped() == 0)
        // Long after the deadline and the grace; extended in between.
        for _ in 0..<30 {
            shop.wait(30_000)
            shop.run()
            shop.expireDue()
        }
        #expect(shop.held() == 3)
        shop.ship("o", [LineUnits(sku: "A", quantity: 1)])
        shop.run()
        #expect(shop.story().last == "confirmed")
        shop.ship()
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed", "confirmed", "confirmed!"])
        #expect(shop.shipped() == 3)
    }

    @Test(
        "Where orders ship on the word, what is still backordered at the deadline goes back, and the rest is kept"
    )
    func shipOnShippedBackordered() {
        var shop = shop(OrderSettings(shipsOnShipped: true))
        shop.decide("A", .setPolicy(warehouse: nil, Policy(backorderLimit: 100)))
        shop.place("o", .wait, [("A", 12)], ttl: 1_000)
        shop.run()
        shop.pay()
        shop.run()
        shop.decide("A", .damage(warehouse: "BER", quantity: 4, reference: nil))
        shop.run()
        shop.wait(1_001)
        shop.run()
        #expect(
            shop.story() == ["partially_reserved", "confirmed", "refund_required", "refund_required"])
        #expect(shop.held() == 6)
        #expect(shop.told().last?.lines[0].refund == 6)
        shop.ship()
        shop.run()
        #expect(shop.story().last == "refund_required!")
        #expect(shop.shipped() == 6)
    }

    @Test("Where orders ship on the word, a cancelled paid order gets its payment back")
    func cancelledBeforeShipping() {
        var shop = shop(OrderSettings(shipsOnShipped: true))
        shop.place("o", .allOrNothing, [("A", 2)])
        shop.run()
        shop.pay()
        shop.run()
        shop.cancel()
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed", "refund_required!"])
        #expect(shop.told().last?.lines[0].refund == 2)
        #expect(shop.held() == 0)
    }

    @Test("A line of all_or_nothing is lost: the rest goes back, and the order is lost")
    func lost() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 4), ("B", 2)])
        shop.run()
        shop.decide("A", .damage(warehouse: "BER", quantity: 7, reference: nil))
        shop.run()
        #expect(shop.story() == ["reserved", "lost!"])
        #expect(shop.held() == 0)
    }

    @Test("Units of partial are lost: the rest stays, and the payment is for that")
    func lostInPart() {
        var shop = shop()
        shop.place("o", .partial, [("A", 4), ("B", 2)])
        shop.run()
        shop.decide("A", .damage(warehouse: "BER", quantity: 7, reference: nil))
        shop.run()
        #expect(shop.story() == ["reserved", "lost"])
        #expect(shop.told().last?.lines.map(\.reserved) == [3, 2])
        shop.pay()
        shop.run()
        #expect(shop.story().last == "confirmed!")
        #expect(shop.shipped() == 5)
    }

    @Test(
        "Units are lost while the payment is on its way: the rest ships, and the payment for them goes back")
    func lostWhilePaying() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 4)])
        shop.run()
        shop.pay()
        shop.decide("A", .damage(warehouse: "BER", quantity: 7, reference: nil))
        shop.run()
        #expect(shop.story() == ["reserved", "refund_required!"])
        #expect(shop.told().last?.lines[0].shipped == 3)
        #expect(shop.told().last?.lines[0].refund == 1)
    }

    @Test("Units that move to another warehouse are told")
    func moved() {
        var shop = shop()
        shop.decide("A", .receive(warehouse: "HAM", quantity: 9, reference: nil))
        shop.place("o", .allOrNothing, [("A", 4)])
        shop.run()
        shop.decide("A", .damage(warehouse: "BER", quantity: 10, reference: nil))
        shop.run()
        #expect(shop.story() == ["reserved", "changed"])
        #expect(shop.told()[1].lines[0].allocations == [Allocation(warehouse: "HAM", quantity: 4)])
    }

    @Test(
        "The coordinator slept beyond the grace: a payment in time takes the units again, if they are there")
    func reacquired() {
        for isThere in [true, false] {
            var shop = shop(OrderSettings(grace: 1_000))
            shop.place("o", .allOrNothing, [("A", 10)], ttl: 1_000)
            shop.run()
            // Paid in time, but the confirm is decided late.
            shop.pay()
            shop.now += 5_000
            shop.expireDue()
            if !isThere { shop.decide("A", .damage(warehouse: "BER", quantity: 1, reference: nil)) }
            shop.run()
            #expect(shop.story() == ["reserved", isThere ? "confirmed!" : "refund_required!"])
            #expect(shop.held() == 0)
        }
    }

    @Test("Reservations that expired in stock without a payment are the order's end")
    func expiredInStock() {
        var shop = shop(OrderSettings(grace: 1_000))
        shop.place("o", .allOrNothing, [("A", 1), ("B", 1)], ttl: 1_000)
        shop.run()
        shop.now += 5_000
        shop.expireDue()
        shop.run()
        #expect(shop.story() == ["reserved", "expired!"])
    }

    @Test("A reply that never comes: the command is sent again, and is a duplicate for the stock")
    func askedAgain() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 4), ("B", 1)])
        shop.decideNext(0)
        shop.decideNext(0)
        shop.replies.removeFirst()
        shop.run()
        #expect(shop.outcomes.isEmpty)
        shop.wait(30_000)
        #expect(shop.commands.map(\.sku) == ["A"])
        shop.run()
        #expect(shop.story() == ["reserved"])
        #expect(shop.held() == 5)
    }

    @Test("After three times without a reply the order is stuck, asks on, and goes on with the reply")
    func stuck() {
        var shop = shop(OrderSettings(askLimit: 3))
        shop.place("o", .allOrNothing, [("A", 4)], ttl: 1_000_000)
        for _ in 0..<3 {
            #expect(shop.order()?.isStuck == false)
            shop.decideNext(0)
            shop.replies = []
            shop.wait(30_000)
        }
        #expect(shop.order()?.isStuck == true)
        shop.run()
        #expect(shop.story() == ["reserved"])
        #expect(shop.order()?.isStuck == false)
    }

    @Test("A grant for an order that nobody knows goes back at once")
    func stray() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 4)])
        shop.decideNext(0)
        shop.forgetAll()
        shop.run()
        #expect(shop.held() == 0)
    }

    @Test(
        "A reservation of another SKU under the name of a line's is nobody's: it goes back, and the line keeps its units"
    )
    func strayOfAnotherSKU() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 4)])
        shop.run()
        let name = OrderAddress(partition: 3, orderID: "o", line: 1, attempt: 1).reservationID
        #expect(shop.stock.allReservations.map(\.id) == [name])
        func held(_ sku: ID) -> Int64 {
            shop.stock.allReservations.filter { $0.sku == sku }.reduce(0) { $0 + $1.quantity }
        }
        for (sku, ttl) in [("B", 1_000), ("C", 500_000)] as [(ID, Int64)] {
            shop.decide(
                sku,
                .reserve(
                    Command.Reserve(
                        reservationID: name, orderID: "o", quantity: 2, expiry: .after(milliseconds: ttl))
                ), as: "\(name)/reserve-1")
            #expect(held(sku) == 2)
            if ttl == 1_000 {
                // It expires before the order hears of it.
                shop.now += 1_000
                shop.expireDue()
            }
            shop.run()
            #expect(held(sku) == 0)
            #expect(shop.held() == 4 && shop.story() == ["reserved"])
        }
        shop.pay()
        shop.run()
        #expect(shop.story() == ["reserved", "confirmed!"])
        #expect(shop.shipped() == 4)
    }

    @Test("A deadline that has passed before the order came refuses it")
    func bornDead() {
        var shop = shop()
        shop.send(
            "o",
            .placed(
                OrderEvent.Placed(
                    lines: [OrderEvent.Line(sku: "A", quantity: 1)],
                    expiry: .at(Timestamp(milliseconds: shop.now)))))
        #expect(shop.commands.isEmpty)
        #expect(shop.story() == ["rejected!"])
        #expect(shop.told()[0].lines[0].reason == .expiryOutOfRange)
    }

    @Test("Placed twice is placed once")
    func placedTwice() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 1)])
        shop.place("o", .allOrNothing, [("A", 5)])
        shop.run()
        #expect(shop.held() == 1)
        #expect(shop.ignored == 1)
    }

    @Test("An order keeps 32 events that it cannot heed yet; more are refused by name")
    func tooManyEvents() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 1)])
        for _ in 0..<33 { shop.ship() }
        #expect(shop.refused.map(\.reason) == [.tooManyEvents])
    }

    @Test("An address is read as it was written, also where the order's id has slashes")
    func addresses() {
        for id in ["o", "a/b/c", "/", "o-17"] {
            let address = OrderAddress(partition: 11, orderID: ID(id), line: 2, attempt: 3)
            #expect(OrderAddress(reservationID: address.reservationID) == address)
        }
        for id in [
            "r-1", "@holdfast/order/", "@holdfast/order/1/o/2", "@holdfast/order/x/o/1/1",
            "@holdfast/partition/3",
        ] {
            #expect(OrderAddress(reservationID: ID(id)) == nil)
        }
        let longest = OrderAddress(
            partition: Int32(Limits.Address.partitions.upperBound),
            orderID: ID(String(repeating: "x", count: OrderLimits.idBytes)), line: OrderLimits.lines,
            attempt: OrderLimits.attempts)
        #expect(OrderAddress(reservationID: longest.reservationID) == longest)
        let names = OrderVerb.allCases.map { longest.commandID($0, OrderLimits.commands) }
        #expect(names.map(\.count).max() == Limits.idBytes)
        for (verb, name) in zip(OrderVerb.allCases, names) {
            #expect(longest.isCommand(name, of: verb.kind))
            #expect(!longest.isCommand("\(name)0", of: verb.kind), "beyond its bound")
        }
        for id in [
            "@holdfast/order/01/o/1/1", "@holdfast/order/1/o/0/1", "@holdfast/order/1/o/1/0",
            "@holdfast/order/1/o/201/1", "@holdfast/order/100000/o/1/1", "@holdfast/order/1/o/1/1000000",
            "@holdfast/order/1/\(String(repeating: "x", count: OrderLimits.idBytes + 1))/1/1",
            "@holdfast/order/1/o/1/1/", "@holdfast/order/-1/o/1/1", "@holdfast/order/1//1/1",
        ] {
            #expect(OrderAddress(reservationID: ID(id)) == nil, "\(id)")
        }
    }

    @Test(
        "A line that has had as many reservations as events may bring about takes no more events, and is not lost"
    )
    func manyCommands() {
        var shop = shop()
        shop.place("o", .allOrNothing, [("A", 2)])
        shop.run()
        shop.orders[0].lines[0].claims[0].commands = OrderLimits.commandsByEvents
        shop.change("o", [("A", 3)])
        shop.pay()
        #expect(shop.refused.map(\.reason) == [.tooManyCommands, .tooManyCommands])
        // Its deadline still has its way.
        shop.wait(60_001)
        shop.run()
        #expect(shop.held() == 0 && shop.story() == ["reserved", "expired!"])
    }
}
