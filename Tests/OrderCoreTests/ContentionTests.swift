import InventoryCore
import OrderCore
import Testing

/// Many orders for the same few SKUs, their lines in different order.
@Suite("Contention")
struct ContentionTests {
    private struct Figures {
        var granted = 0
        var rejected = 0
        var left: Int64 = 0
        /// Refused orders whose lines all were there when all had settled.
        var refusedInVain = 0
        /// From the grant of a line that went back because another was refused to its release, in steps of the stock.
        var away: [Int] = []
        var finals: [String: Int] = [:]
    }

    private static let skus: [ID] = (0..<50).map { "S\($0)" }

    /// 10,000 orders of 2 to 8 lines over 50 SKUs, with stock for a third of them; up to `inFlight` at once.
    private func sell(_ mode: OrderMode, inFlight: Int) -> Figures {
        var random = ModelTests.Random(state: 7)
        let wishes = (0..<10_000).map { _ in
            (0..<2 + random.below(7)).map { _ in (Self.skus[random.below(50)], Int64(1)) }
        }
        var demand: [ID: Int64] = [:]
        for (sku, quantity) in wishes.joined() { demand[sku, default: 0] += quantity }
        let stock = demand.mapValues { $0 / 3 }
        var shop = Shop(OrderSettings(), stock: stock)
        var next = 0
        var open: [String] = []
        while next < wishes.count || !open.isEmpty || !shop.commands.isEmpty || !shop.replies.isEmpty {
            while next < wishes.count, open.count < inFlight {
                shop.place("o\(next)", mode, wishes[next])
                open.append("o\(next)")
                next += 1
            }
            // The partitions of stock and of orders go on at their own pace.
            if !shop.commands.isEmpty { shop.decideNext(random.below(shop.commands.count)) }
            if !shop.replies.isEmpty { shop.readNext(random.below(shop.replies.count)) }
            open.removeAll { id in
                guard let phase = shop.order(ID(id))?.phase else { return true }
                if case .busy = phase { return false }
                return true
            }
        }
        return figures(&shop, wishes, stock)
    }

    private func figures(
        _ shop: inout Shop, _ wishes: [[(ID, Int64)]], _ stock: [ID: Int64]
    ) -> Figures {
        var figures = Figures()
        var left = stock
        for entry in shop.ledger where entry.movement == .reserve {
            left[ID(entry.sku.text)]! -= entry.quantity
        }
        for entry in shop.ledger where entry.movement == .release {
            left[ID(entry.sku.text)]! += entry.quantity
        }
        var granted: [String: Int64] = [:]
        for entry in shop.ledger {
            guard let id = entry.reservationID else { continue }
            if entry.movement == .reserve { granted[id.text] = entry.source.offset }
            if entry.movement == .release {
                figures.away.append(Int(entry.source.offset - granted[id.text]!))
            }
        }
        let rejected = Set(shop.outcomes.filter { $0.kind == .rejected }.map(\.orderID))
        for (number, wish) in wishes.enumerated() {
            guard rejected.contains("o\(number)") else {
                figures.granted += 1
                continue
            }
            figures.rejected += 1
            var needed: [String: Int64] = [:]
            for (sku, quantity) in wish { needed[sku.text, default: 0] += quantity }
            if needed.allSatisfy({ left[ID($0.key)]! >= $0.value }) { figures.refusedInVain += 1 }
        }
        figures.left = left.values.reduce(0, +)
        for id in 0..<wishes.count where shop.order("o\(id)")?.phase == .settled { shop.pay("o\(id)") }
        shop.run()
        for outcome in shop.outcomes where outcome.isFinal {
            figures.finals[outcome.kind.rawValue, default: 0] += 1
        }
        #expect(shop.stock.allReservations.isEmpty)
        return figures
    }

    @Test(
        "Of 10,000 orders over 50 SKUs with stock for a third all settle, nothing is stranded, and what was refused had not been there",
        arguments: [1, 100])
    func allOrNothing(inFlight: Int) {
        let figures = sell(.allOrNothing, inFlight: inFlight)
        #expect(figures.granted + figures.rejected == 10_000)
        #expect(figures.finals == ["confirmed": figures.granted, "rejected": figures.rejected])
        // One at a time, nobody is refused because of units that are on their way back.
        if inFlight == 1 { #expect(figures.refusedInVain == 0) }
        let away = figures.away.sorted()
        print(
            "all_or_nothing, \(inFlight) at once: granted \(figures.granted), rejected \(figures.rejected), "
                + "units left \(figures.left), refused in vain \(figures.refusedInVain), lines that went back "
                + "\(away.count), away for p50 \(away[away.count / 2]) p99 \(away[away.count * 99 / 100]) decisions"
        )
    }

    @Test("With partial, every SKU whose demand is over its stock is sold out")
    func partial() {
        let figures = sell(.partial, inFlight: 100)
        #expect(figures.left == 0)
        #expect(figures.granted + figures.rejected == 10_000)
    }
}
