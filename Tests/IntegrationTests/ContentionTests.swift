import Foundation
import InventoryCore
import InventoryWire
import OrderCore
import Testing

/// Many orders for the same few SKUs at once, on a genuine broker; `OrderCoreTests.ContentionTests` are the same without
/// Kafka.
@Suite(
    "Contention on a genuine broker", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct ContentionTests {
    private static let orders =
        ProcessInfo.processInfo.environment["HOLDFAST_TEST_CONTENTION"].flatMap(Int.init) ?? 5_000
    /// So many wait for their outcome, at most; and so many are placed together.
    private static let inFlight = 100
    private static let portion = 20

    @Test(
        "Of many orders of 2 to 8 lines over 50 SKUs with stock for a third of them all settle, what was refused was not there, nothing is stranded, and stock and orders agree to the unit",
        .timeLimit(.minutes(10)), arguments: [OrderMode.allOrNothing, .partial])
    func contention(mode: OrderMode) throws {
        let stage = try Stage(partitions: 4)
        defer { stage.endAll() }
        let sale = Sale(orders: Self.orders)
        try stage.start("process")
        try stage.publish(
            sale.stock.sorted { $0.key < $1.key }.map { receive("i\($0.key)", $0.value, ID($0.key)) })
        try stage.awaitResults()
        let coordinator = try stage.start("coordinate")
        let began = Date()
        try place(sale, mode, stage, coordinator)
        let told = try settle(sale, stage, coordinator)
        let seconds = Date().timeIntervalSince(began)
        let books = try Books(of: try stage.read(.ledger), stock: sale.stock)
        try check(told, books, sale, mode, stage)
        try pay(told, stage, coordinator)
        try account(stage)
        print(
            "\(mode.rawValue), \(sale.wishes.count) orders in \(String(format: "%.1f", seconds)) s: \(books.told)"
        )
    }

    // MARK: Orders

    private func place(
        _ sale: Sale, _ mode: OrderMode, _ stage: Stage, _ coordinator: Stage.Role
    ) throws {
        for start in stride(from: 0, to: sale.wishes.count, by: Self.portion) {
            try eventually("room for the orders from \(start) on") {
                start - Int(coordinator.metric("holdfast_order_outcomes_total")) <= Self.inFlight
                    - Self.portion
            }
            let events = sale.wishes.indices[start...].prefix(Self.portion).map { number in
                let lines = sale.wishes[number].map { OrderEvent.Line(sku: ID($0), quantity: 1) }
                return event(
                    "o\(number)",
                    .placed(
                        OrderEvent.Placed(mode: mode, lines: lines, expiry: .after(milliseconds: 3_600_000))))
            }
            try stage.publish(events)
        }
    }

    private func event(_ id: ID, _ body: OrderEvent.Body) -> OrderEvent {
        let name = if case .paid = body { "paid" } else { "placed" }
        return OrderEvent(id: "\(name)-\(id)", orderID: id, at: Timestamp(milliseconds: 0), body: body)
    }

    /// Waits until each order has its outcome, and what was refused is given back.
    private func settle(
        _ sale: Sale, _ stage: Stage, _ coordinator: Stage.Role
    ) throws -> [OrderOutcome] {
        var told: [OrderOutcome] = []
        try eventually("an outcome of each order", seconds: 240) {
            told = try stage.orderOutcomes()
            return told.count >= sale.wishes.count
        }
        #expect(told.count == sale.wishes.count && Set(told.map(\.orderID)).count == told.count, "one each")
        let granted = told.filter { $0.kind != .rejected }.count
        #expect(granted > 0 && granted < told.count, "there is contention")
        try eventually("what was refused is given back", seconds: 240) {
            Int(coordinator.metric("holdfast_live_orders")) == granted
        }
        return told
    }

    private func pay(_ told: [OrderOutcome], _ stage: Stage, _ coordinator: Stage.Role) throws {
        try stage.publish(told.filter { !$0.isFinal }.map { event($0.orderID, .paid([])) })
        try eventually("all orders have ended", seconds: 240) {
            Int(coordinator.metric("holdfast_live_orders")) == 0
        }
    }

    // MARK: What must hold

    /// When all have settled.
    private func check(
        _ told: [OrderOutcome], _ books: Books, _ sale: Sale, _ mode: OrderMode, _ stage: Stage
    ) throws {
        for outcome in told {
            let isGranted =
                outcome.kind == .reserved || (mode == .partial && outcome.kind == .partiallyReserved)
            #expect(isGranted != outcome.isFinal, "\(outcome)")
            if mode == .allOrNothing, isGranted {
                #expect(
                    outcome.lines.allSatisfy { $0.reserved == $0.quantity && $0.reason == nil }, "\(outcome)")
            }
        }
        // What is reserved is what the orders were told, and nothing else.
        var reserved: [String: Int64] = [:]
        for live in try stage.liveReservations().values {
            reserved["\(live.orderID) \(live.sku)", default: 0] += live.quantity
        }
        for outcome in told {
            for line in outcome.lines where line.reserved > 0 {
                let units = reserved.removeValue(forKey: "\(outcome.orderID) \(line.sku)")
                #expect(units == line.reserved, "\(outcome.orderID) \(line.sku)")
            }
        }
        #expect(reserved.isEmpty, "stranded: \(reserved)")
        #expect(books.refusedWrongly.isEmpty, "\(books.refusedWrongly)")
        // Demand is over the stock of each. In the other mode what came back when nobody asked any more is left.
        if mode == .partial { #expect(books.unitsLeft == 0, "every SKU is sold out") }
        let refused = Set(told.filter { $0.kind == .rejected }.map(\.orderID))
        #expect(books.away.keys.allSatisfy { refused.contains($0) }, "only what was refused goes back")
        let inVain = sale.wishes.indices.filter { number in
            refused.contains("o\(number)")
                && Dictionary(grouping: sale.wishes[number]) { $0 }.allSatisfy {
                    books.left[$0.key]! >= $0.value.count
                }
        }.count
        print("granted \(told.count - refused.count), rejected \(refused.count), refused in vain \(inVain)")
    }

    /// When all have ended: the books of orders against those of stock.
    private func account(_ stage: Stage) throws {
        var told: [String: [OrderOutcome]] = [:]
        for outcome in try stage.orderOutcomes() { told[outcome.orderID.text, default: []].append(outcome) }
        var shipped: [String: Int64] = [:]
        for entry in try stage.ledger() where entry.movement == .ship {
            shipped["\(entry.orderID ?? "") \(entry.sku)", default: 0] += entry.quantity
        }
        for (id, outcomes) in told {
            #expect(outcomes.map(\.version) == (1...Int64(outcomes.count)).map { $0 }, "\(id)")
            #expect(
                outcomes.filter(\.isFinal).count == 1 && outcomes.last!.isFinal,
                "\(id): \(outcomes.map(\.kind))")
            for line in outcomes.last!.lines {
                #expect(
                    line.shipped == shipped.removeValue(forKey: "\(id) \(line.sku)") ?? 0, "\(id) \(line)")
            }
        }
        #expect(shipped.isEmpty, "what shipped was told: \(shipped)")
        #expect(try stage.liveReservations().isEmpty)
        try stage.checkBooks()
    }
}

/// What is wished for, and what there is of it.
private struct Sale {
    /// The SKUs of each order's lines, one unit each.
    let wishes: [[String]]
    let stock: [String: Int64]

    init(orders: Int) {
        var random = SplitMix(state: 7)
        let skus = (0..<50).map { "S\($0)" }
        let wishes = (0..<orders).map { _ in
            (0..<Int.random(in: 2...8, using: &random)).map { _ in skus.randomElement(using: &random)! }
        }
        self.wishes = wishes
        stock = wishes.joined().reduce(into: [String: Int64]()) { $0[$1, default: 0] += 1 }.mapValues {
            $0 / 3
        }
    }
}

/// What the ledger says of reservations.
private struct Books {
    /// The units that nobody has, by SKU.
    private(set) var left: [String: Int64]
    /// Lines that were refused though there were enough units.
    private(set) var refusedWrongly: [String] = []
    /// For how long each line was away that was granted and given back, in milliseconds, with its units; by order.
    private(set) var away: [ID: [(milliseconds: Int64, units: Int64)]] = [:]

    init(of ledger: [Stage.Record], stock: [String: Int64]) throws {
        left = stock
        var granted: [String: Int64] = [:]
        var reader = RecordReader()
        for record in ledger {
            let entry = try record.value!.withUnsafeBytes { try reader.ledgerEntry($0) }
            guard let id = entry.reservationID, let order = OrderAddress(reservationID: id)?.orderID else {
                continue
            }
            switch entry.movement {
            case .reserve:
                left[entry.sku.text]! -= entry.quantity
                granted[id.text] = record.timestamp
            case .release:
                left[entry.sku.text]! += entry.quantity
                away[ID(order.text), default: []].append(
                    (record.timestamp - granted[id.text]!, entry.quantity))
            case .rejection where left[entry.sku.text]! >= entry.quantity:
                refusedWrongly.append("\(order) \(entry.sku)")
            default: break
            }
        }
    }

    var unitsLeft: Int64 { left.values.reduce(0, +) }

    var told: String {
        let lines = away.values.joined()
        let times = lines.map(\.milliseconds).sorted()
        let gone = lines.reduce(0) { $0 + $1.milliseconds * $1.units }
        guard let longest = times.last else { return "units left \(unitsLeft), no line went back" }
        return "units left \(unitsLeft), lines that went back \(times.count), away for p50 "
            + "\(times[times.count / 2]) p99 \(times[times.count * 99 / 100]) max \(longest) ms, "
            + "unit-milliseconds away \(gone)"
    }
}
