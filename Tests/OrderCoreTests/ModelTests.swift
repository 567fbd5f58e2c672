import Foundation
import InventoryCore
import OrderCore
import Testing

/// Random orders whose events come in random order and repeated, with the genuine stock as the counterpart, against
/// books that are kept apart from both.
@Suite("Random orders")
struct ModelTests {
    /// SplitMix64 (Steele, Lea and Flood, 2014).
    struct Random {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    }

    /// What one history has come to, where that is wrong.
    struct Fault: Error, CustomStringConvertible {
        var description: String
    }

    static var histories: Int {
        ProcessInfo.processInfo.environment["HOLDFAST_TEST_ORDERS"].flatMap(Int.init) ?? 100_000
    }

    @Test(
        "In any order of events each order has one final outcome, and stock and orders agree to the unit",
        .timeLimit(.minutes(5)))
    func model() throws {
        let seed = ProcessInfo.processInfo.environment["HOLDFAST_TEST_SEED"].flatMap(UInt64.init) ?? 7
        var kinds: [String: Int] = [:]
        var faults = 0
        for history in 0..<Self.histories {
            do {
                for kind in try Self.live(Random(state: seed &+ UInt64(history) &* 0x1_0001)) {
                    kinds[kind, default: 0] += 1
                }
            } catch {
                Issue.record("seed \(seed), history \(history): \(error)")
                faults += 1
                if faults == 10 { return }
            }
        }
        // Every end occurs, and proposals are taken and refused.
        let ends = ["rejected", "confirmed", "released", "expired", "refund_required", "lost"]
        for kind in ends + ["moving", "returning"] {
            #expect(kinds[kind, default: 0] > 0, "\(kind) never occurred: \(kinds)")
        }
    }

    /// One history.
    /// - Returns: the final outcome of each order, and `moving` and `returning` where an order was busy so.
    static func live(_ seed: Random) throws(Fault) -> [String] {
        var random = seed
        let skus: [ID] = ["A", "B", "C"]
        let shipsOnShipped = random.below(4) == 0
        // Replies are lost in some histories, units in others: what was lost meanwhile no repeat would tell.
        let losesReplies = random.below(4) == 0
        let losesUnits = !losesReplies && random.below(2) == 0
        var shop = Shop(
            OrderSettings(grace: 2_000, shipsOnShipped: shipsOnShipped, shipWithin: 90_000, replyLimit: 500),
            stock: ["A": Int64(random.below(8)), "B": Int64(random.below(8)), "C": 6])
        if random.below(2) == 0 {
            shop.decide("A", .receive(warehouse: "HAM", quantity: 3, reference: nil))
            shop.decide("A", .setPolicy(warehouse: nil, Policy(backorderLimit: 5)))
        }
        if random.below(2) == 0 {
            for sku: ID in ["B", "C"] {
                shop.decide(
                    sku, .receive(warehouse: "HAM", quantity: Int64(1 + random.below(6)), reference: nil))
            }
        }
        var purposes: Set<String> = []
        let ids: [ID] = (0...random.below(4)).map { "o\($0)" }
        var sent: [OrderEvent] = []
        for id in ids where random.below(8) > 0 {
            if random.below(24) == 0 {
                let lines: [(ID, Int64)] = [("A", Int64(1 + random.below(3)))]
                shop.sendUnreadable(id, .placed, random.below(2) == 0 ? [] : lines)
            } else {
                sent.append(placing(id, skus, &random, &shop))
            }
        }
        for _ in 0..<20 + random.below(40) {
            let id = ids[random.below(ids.count)]
            switch random.below(32) {
            case 0: sent.append(placing(id, skus, &random, &shop))
            case 1, 2: sent.append(shop.send(id, .paid(units(skus, &random))))
            case 3: sent.append(shop.send(id, .cancelled(units(skus, &random))))
            case 4: sent.append(shop.send(id, .changed(change(skus, &random))))
            case 5, 29: sent.append(shop.send(id, .shipped(parcel(skus, &random))))
            case 28: sent.append(shop.send(id, .paid(units(skus, &random))))
            case 30: if !sent.isEmpty { conflict(sent[random.below(sent.count)], skus, &random, &shop) }
            case 31:
                if random.below(8) == 0 {
                    shop.sendUnreadable(id, random.below(2) == 0 ? .placed : .paid)
                }
            case 6: if !sent.isEmpty { shop.send(sent[random.below(sent.count)]) }
            case 7: shop.wait(Int64(random.below(100)))
            case 8: if random.below(3) == 0 { shop.wait(Int64(random.below(6_000))) }
            case 9: shop.expireDue()
            case 10 where losesUnits: disturb(skus[random.below(3)], &random, &shop)
            case 11:
                shop.decide(skus[random.below(3)], .receive(warehouse: "BER", quantity: 1, reference: nil))
            case 12 where losesReplies: loseReply(&random, &shop)
            case 13...18: if !shop.commands.isEmpty { shop.decideNext(random.below(shop.commands.count)) }
            case 24...26: sent.append(shop.send(id, .reallocate(proposal(id, skus, &random, shop))))
            default:
                if !shop.replies.isEmpty {
                    shop.readNext(random.below(shop.replies.count), keep: random.below(50) == 0)
                }
            }
            try check(shop, losesReplies, &purposes)
        }
        return try end(&shop, ids, losesReplies) + purposes.sorted()
    }

    private static func placing(
        _ id: ID, _ skus: [ID], _ random: inout Random, _ shop: inout Shop
    ) -> OrderEvent {
        let warehouse: ID? = random.below(12) == 0 ? "BER" : nil
        let lines = (0...random.below(3)).map { _ in
            OrderEvent.Line(
                sku: skus[random.below(3)], quantity: Int64(1 + random.below(4)), warehouse: warehouse)
        }
        return shop.send(
            id,
            .placed(
                OrderEvent.Placed(
                    mode: OrderMode.allCases[random.below(3)], lines: lines,
                    expiry: .after(milliseconds: Int64(1_000 + random.below(5_000))),
                    allowSplit: random.below(8) > 0)))
    }

    /// Right, stale or impossible: from the newest outcome, or what may have been one, to any warehouses.
    private static func proposal(
        _ id: ID, _ skus: [ID], _ random: inout Random, _ shop: Shop
    ) -> Reallocation {
        let told = shop.told(id).last
        let isStale = random.below(6) == 0
        var lines: [ReallocatedLine] = []
        for sku in skus {
            let reserved = told?.lines.first { $0.sku == sku }?.reserved ?? 0
            // Most name only lines that have units, and all of these.
            guard random.below(reserved > 0 ? 3 : 12) > (reserved > 0 ? 0 : 10) else { continue }
            let units = reserved > 0 && random.below(12) > 0 ? reserved : Int64(1 + random.below(4))
            let inHamburg = [0, units, Int64(random.below(Int(units) + 1))][random.below(3)]
            let allocations = [
                Allocation(warehouse: "HAM", quantity: inHamburg),
                Allocation(warehouse: "BER", quantity: units - inHamburg),
            ].filter { $0.quantity > 0 }
            lines.append(ReallocatedLine(sku: sku, allocations: allocations))
        }
        return Reallocation(version: max(1, (told?.version ?? 1) - (isStale ? 1 : 0)), lines: lines)
    }

    private static func units(_ skus: [ID], _ random: inout Random) -> [LineUnits] {
        if random.below(2) == 0 { return [] }
        return [
            LineUnits(
                sku: skus[random.below(3)], quantity: random.below(2) == 0 ? nil : Int64(1 + random.below(3)))
        ]
    }

    /// Units that left a warehouse, which may be where they were.
    private static func parcel(_ skus: [ID], _ random: inout Random) -> [LineUnits] {
        if random.below(3) > 0 { return units(skus, &random) }
        return (["BER", "HAM"] as [ID]).prefix(1 + random.below(2)).map {
            LineUnits(sku: skus[random.below(3)], quantity: Int64(1 + random.below(3)), warehouse: $0)
        }
    }

    /// The id of an event that came, with another content.
    private static func conflict(
        _ event: OrderEvent, _ skus: [ID], _ random: inout Random, _ shop: inout Shop
    ) {
        var event = event
        let other = [LineUnits(sku: skus[random.below(3)], quantity: 7)]
        event.body = random.below(2) == 0 ? .paid(other) : .cancelled(other)
        shop.send(event)
    }

    private static func change(_ skus: [ID], _ random: inout Random) -> OrderEvent.Changed {
        OrderEvent.Changed(
            lines: [OrderEvent.Line(sku: skus[random.below(3)], quantity: Int64(random.below(6)))],
            expiry: random.below(4) == 0 ? .after(milliseconds: Int64(1_000 + random.below(9_000))) : nil)
    }

    private static func disturb(_ sku: ID, _ random: inout Random, _ shop: inout Shop) {
        shop.decide(
            sku,
            .damage(
                warehouse: random.below(2) == 0 ? "BER" : "HAM", quantity: Int64(1 + random.below(3)),
                reference: nil))
    }

    /// Only what answers a command: what befell a reservation is told once.
    private static func loseReply(_ random: inout Random, _ shop: inout Shop) {
        guard !shop.replies.isEmpty else { return }
        let place = random.below(shop.replies.count)
        guard case .result(let outcome) = shop.replies[place].queue[0], outcome.command != .expire else {
            return
        }
        shop.replies[place].queue.removeFirst()
        if shop.replies[place].queue.isEmpty { shop.replies.remove(at: place) }
    }

    /// What holds at any time.
    private static func check(
        _ shop: Shop, _ losesReplies: Bool, _ purposes: inout Set<String>
    ) throws(Fault) {
        for order in shop.orders {
            switch order.phase {
            case .busy(.moving): purposes.insert("moving")
            case .busy(.returning): purposes.insert("returning")
            default: continue
            }
            if order.isPaidInPart { throw Fault(description: "a paid order moves: \(order)") }
        }
        if shop.commands.isEmpty, shop.replies.isEmpty { try agree(shop, losesReplies) }
        guard let told = shop.outcomes.last else { return }
        for line in told.lines where told.mode == .allOrNothing && told.kind == .reserved {
            guard line.reserved == line.quantity, line.reason == nil else {
                throw Fault(description: "a granted order with a refused line: \(told)")
            }
        }
    }

    /// Nothing is on its way: each reservation has the units that its order thinks, where it thinks; and what was told
    /// of an order is how it stands.
    private static func agree(_ shop: Shop, _ losesReplies: Bool) throws(Fault) {
        var live: [ID: ReservationSnapshot] = [:]
        for reservation in shop.stock.allReservations { live[reservation.id] = reservation }
        // What was backordered may have been filled before a reply that was lost came again.
        for order in shop.orders where !order.isAsking && !(losesReplies && order.mode == .wait) {
            for line in order.lines.indices {
                for claim in order.lines[line].claims where claim.held > 0 {
                    // What has expired in stock is told when it is asked for.
                    if let expiresAt = claim.expiresAt, expiresAt.milliseconds <= shop.now { continue }
                    let id = OrderAddress(
                        partition: order.partition, orderID: order.id, line: line + 1, attempt: claim.attempt
                    ).reservationID
                    let found = live.removeValue(forKey: id)
                    guard sorted(found?.allocations ?? []) == sorted(claim.parts),
                        found?.backordered == claim.backordered, claim.partsBefore.isEmpty,
                        order.allowSplit || claim.parts.count <= 1,
                        claim.parts.allSatisfy({ order.lines[line].warehouse ?? $0.warehouse == $0.warehouse }
                        )
                    else {
                        throw Fault(
                            description:
                                "\(id): \(String(describing: found)) in stock, \(claim) of \(order)\n\(history(order.id, shop))"
                        )
                    }
                }
            }
            try agree(order, shop)
        }
    }

    private static func agree(_ order: Order, _ shop: Shop) throws(Fault) {
        guard order.phase == .settled, !order.isPaidInPart, let told = shop.told(order.id).last,
            order.lines.allSatisfy({ $0.backordered == 0 })
        else { return }
        for (line, told) in zip(order.lines, told.lines) {
            let parts = line.claims.flatMap(\.parts)
            guard line.reserved == told.reserved, sorted(told.allocations) == sorted(parts) else {
                throw Fault(description: "\(line) was told as \(told)\n\(history(order.id, shop))")
            }
        }
    }

    /// One element for each warehouse, in the warehouses' order.
    private static func sorted(_ allocations: [Allocation]) -> [Allocation] {
        var units: [ID: Int64] = [:]
        for allocation in allocations { units[allocation.warehouse, default: 0] += allocation.quantity }
        return units.sorted { $0.key < $1.key }.map { Allocation(warehouse: $0.key, quantity: $0.value) }
    }

    /// Lets everything come to its end, and compares the books.
    private static func end(
        _ shop: inout Shop, _ ids: [ID], _ losesReplies: Bool
    ) throws(Fault) -> [String] {
        for id in ids where shop.settings.shipsOnShipped { shop.send(id, .shipped([])) }
        var rounds = 0
        while rounds < 60 {
            rounds += 1
            shop.run()
            if rounds < 4 { try agree(shop, losesReplies) }
            shop.expireDue()
            shop.run()
            shop.wait(rounds < 20 ? 500 : 10_000)
            if shop.settings.shipsOnShipped {
                for order in shop.orders where order.isPaid && order.phase == .settled {
                    shop.send(order.id, .shipped([]))
                }
            }
        }
        shop.run()
        var kinds: [String] = []
        for id in ids {
            if let kind = try account(id, shop) { kinds.append(kind) }
        }
        guard shop.stock.allReservations.isEmpty else {
            throw Fault(description: "units are stranded: \(shop.stock.allReservations)")
        }
        return kinds
    }

    private static func account(_ id: ID, _ shop: Shop) throws(Fault) -> String? {
        let told = shop.told(id)
        guard told.map(\.version) == (0..<Int64(told.count)).map({ $0 + 1 }) else {
            throw Fault(description: "\(id): versions \(told.map(\.version))")
        }
        guard let order = shop.order(id) else {
            guard told.isEmpty else { throw Fault(description: "\(id) was forgotten: \(shop.story(id))") }
            return nil
        }
        let finals = told.filter(\.isFinal)
        guard finals.count == 1, case .ended = order.phase else {
            throw Fault(description: "\(id) has not ended once: \(shop.story(id)), \(order)")
        }
        try checkPayments(id, order, told, shop)
        let after = told.drop { !$0.isFinal }.dropFirst()
        guard after.allSatisfy({ $0.kind == .refundRequired }) else {
            throw Fault(description: "\(id): \(shop.story(id))")
        }
        // The last word about shipments, by SKU, against the ledger.
        for line in told.last?.lines ?? [] {
            let shipped = shop.ledger.filter {
                $0.orderID == id && $0.sku == line.sku && $0.movement == .ship
            }.reduce(0) { $0 + $1.quantity }
            guard shipped == line.shipped, line.reserved == 0, line.backordered == 0 else {
                throw Fault(description: "\(id) \(line.sku): \(shipped) shipped, told \(line)")
            }
        }
        try checkConfirmed(id, shop)
        return finals[0].kind.rawValue
    }

    /// What was paid has shipped or goes back, each unit once, as outcomes tell it one after another.
    private static func checkPayments(
        _ id: ID, _ order: Order, _ told: [OrderOutcome], _ shop: Shop
    ) throws(Fault) {
        guard !order.owesAnswer else {
            throw Fault(description: "\(id): an event was not answered: \(shop.story(id))")
        }
        for (place, line) in order.lines.enumerated() {
            var (paid, refund): (Int64, Int64) = (0, 0)
            for outcome in told where place < outcome.lines.count && outcome.kind != .rejected {
                let line = outcome.lines[place]
                refund += line.refundAdded
                guard line.paid >= paid, line.refund == refund, line.shipped <= line.paid - line.refund,
                    line.paid <= line.shipped + line.reserved + line.backordered + line.refund
                else {
                    throw Fault(
                        description:
                            "\(id): version \(outcome.version), paid \(paid), \(line)\n\(history(id, shop))")
                }
                paid = line.paid
            }
            guard line.paid == line.shipped + line.refund, line.paid == paid, line.refund == refund else {
                throw Fault(description: "\(id): \(line)\n\(history(id, shop))")
            }
            if let named = shop.namedPayments(id, line.sku),
                named.isExact ? named.units != paid : named.units > paid
            {
                throw Fault(description: "\(id): \(named) of \(line.sku) were paid, told \(paid)")
            }
        }
    }

    /// What was told of an order, and what the stock did for it.
    private static func history(_ id: ID, _ shop: Shop) -> String {
        let told = shop.told(id).map { outcome in
            (
                outcome.at.milliseconds,
                "\(outcome.kind) "
                    + outcome.lines.map { "\($0.sku) \($0.reserved)+\($0.backordered)" }.joined(
                        separator: ", ")
            )
        }
        let done = shop.ledger.filter { $0.orderID == id }.map { entry in
            (
                entry.at.milliseconds,
                "\(entry.commandID): \(entry.movement) \(entry.quantity) \(entry.warehouse ?? "-") left \(entry.remaining ?? -1) until \(entry.expiresAt?.milliseconds ?? 0)"
            )
        }
        return (told + done).sorted { $0.0 < $1.0 }.map { "\($0.0) \($0.1)" }.joined(separator: "\n")
    }

    /// A confirmed line that was to ship later has not expired in between. What a later change added is not paid, and may.
    private static func checkConfirmed(_ id: ID, _ shop: Shop) throws(Fault) {
        guard shop.settings.shipsOnShipped,
            let confirmed = shop.told(id).first(where: { $0.kind == .confirmed })
        else { return }
        for line in confirmed.lines where line.reserved > 0 && line.paid >= line.reserved + line.shipped {
            let kept = shop.ledger.filter {
                $0.orderID == id && $0.sku == line.sku && $0.movement == .extend
            }
            let expired = shop.ledger.contains { entry in
                entry.orderID == id && entry.sku == line.sku && entry.movement == .expire
                    && entry.at > confirmed.at && entry.deltas.backordered == 0
                    && kept.contains { $0.reservationID == entry.reservationID }
            }
            if expired {
                throw Fault(
                    description: "\(id): a confirmed line expired: \(confirmed)\n\(history(id, shop))")
            }
        }
    }
}
