import Foundation
import InventoryCore
import NaiveStock
import Testing

/// A generator whose whole future follows from its seed (SplitMix64, Steele, Lea and Flood 2014).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Random commands with few SKUs, small stocks, short TTLs and ids that come again, so that the corners are met
/// often.
struct RandomCommands {
    var random: SeededGenerator
    private var number = 0
    private var sent: [Command] = []
    /// Keeps the SKUs and ids of several generators apart.
    private let name: String

    init(random: SeededGenerator, name: String = "") {
        self.random = random
        self.name = name
    }

    private mutating func chance(_ of: Int) -> Bool { Int.random(in: 0..<of, using: &random) == 0 }

    private mutating func units(_ most: Int64 = 4) -> Int64 { .random(in: 1...most, using: &random) }

    private mutating func one<Value>(_ values: [Value]) -> Value { values.randomElement(using: &random)! }

    private mutating func warehouse() -> ID { one(["BER", "HAM", "MUC"]) }

    private mutating func point() -> Point {
        one([
            Point(latitude: 52_390_000, longitude: 13_060_000),
            Point(latitude: 53_080_000, longitude: 8_800_000),
            Point(latitude: 47_380_000, longitude: 8_540_000),
        ])
    }

    mutating func next(now: Int64) -> Command {
        number += 1
        // As it was, or with its id under another content or for another SKU.
        if !sent.isEmpty, chance(15) {
            let again = one(Array(sent.suffix(60)))
            // Time goes on, also in tests that go back in it.
            if again.lead(at: Timestamp(milliseconds: now)) ?? 0 <= Limits.clockLead { return again }
        }
        var command = Command(id: "c\(name)\(number)", sku: "\(one(["A", "B", "C"]))\(name)", body: .retire)
        if !sent.isEmpty, chance(60) { command.id = one(Array(sent.suffix(60))).id }
        command.body = body(now)
        switch command.body {
        case .setWarehouse, .setSettings: command.sku = PartitionBook.sku(0)
        default: if chance(40) { command.generation = .random(in: 1...3, using: &random) }
        }
        // By clocks that go before or behind.
        if chance(2) {
            let issued = now + Int64.random(in: -1_500...Limits.clockLead, using: &random)
            command.issuedAt = Timestamp(milliseconds: max(0, issued))
        }
        sent.append(command)
        return command
    }

    private mutating func body(_ now: Int64) -> Command.Body {
        let newest = number / 2
        let reservation = "r\(name)\(Int.random(in: max(0, newest - 25)...newest, using: &random))"
        let transfer = "t\(name)\(Int.random(in: max(0, number / 20 - 4)...(number / 20), using: &random))"
        switch Int.random(in: 0..<1000, using: &random) {
        case 0..<110: return .receive(warehouse: warehouse(), quantity: units(), reference: nil)
        case 110..<480: return reserve(now, fresh: "r\(name)\(newest)", other: ID(reservation))
        case 480..<600:
            return .confirm(
                reservationID: ID(reservation), quantity: chance(3) ? units(3) : nil,
                warehouse: chance(4) ? warehouse() : nil)
        case 600..<690: return .release(reservationID: ID(reservation), quantity: chance(3) ? units(3) : nil)
        case 690..<730: return .extend(reservationID: ID(reservation), expiry: expiry(now))
        case 730..<780: return .expire(reservationID: ID(reservation))
        case 780..<800:
            return .return(
                Command.Return(
                    warehouse: warehouse(), quantity: units(), condition: one(Condition.allCases)))
        case 800..<830: return .damage(warehouse: warehouse(), quantity: units(3), reference: nil)
        case 830..<870: return adjust()
        case 870..<890:
            let from = warehouse()
            return .transferDispatch(
                Command.TransferDispatch(
                    transferID: ID(transfer), from: ID(from.text), to: from == "BER" ? "HAM" : "BER",
                    quantity: units(),
                    expectedAt: chance(2) ? Timestamp(milliseconds: now + 40) : nil))
        case 890..<910:
            return .transferReceive(transferID: ID(transfer), quantity: units(3), damaged: chance(3) ? 1 : 0)
        case 910..<918: return .transferCancel(transferID: ID(transfer))
        case 918..<926: return .transferDue(transferID: ID(transfer))
        case 926..<950:
            return .reallocate(
                reservationID: ID(reservation),
                allocations: chance(2)
                    ? [Allocation(warehouse: warehouse(), quantity: units(3))]
                    : [
                        Allocation(warehouse: "BER", quantity: units(2)),
                        Allocation(warehouse: "HAM", quantity: units(2)),
                    ])
        case 950..<975: return policy()
        case 975..<982: return .retire
        case 982..<994: return house()
        default:
            return .setSettings(
                Settings(
                    defaultTTL: 100, shortestTTL: one([1, 20]), longestTTL: one([150, 300]),
                    dedupeCount: one([5, 30, 1_000]), dedupeAge: one([50, 400, 100_000]),
                    strategy: one(Strategy.allCases)))
        }
    }

    private mutating func expiry(_ now: Int64) -> Command.Expiry {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: .at(Timestamp(milliseconds: now + Int64.random(in: -5...200, using: &random)))
        case 1: .standard
        default: .after(milliseconds: .random(in: 1...200, using: &random))
        }
    }

    private mutating func reserve(_ now: Int64, fresh: ID, other: ID) -> Command.Body {
        let shipTo = chance(2) ? point() : nil
        let named = chance(3) ? warehouse() : nil
        return .reserve(
            Command.Reserve(
                reservationID: chance(10) ? other : fresh,
                orderID: "o\(Int.random(in: 0...5, using: &random))", quantity: units(chance(5) ? 9 : 3),
                warehouse: named, expiry: expiry(now), strategy: chance(3) ? one(Strategy.allCases) : nil,
                allowPartial: chance(4), allowSplit: !chance(4), allowBackorder: !chance(3),
                channel: chance(3) ? one(["web", "shop"]) : nil, shipTo: shipTo,
                deliverWithinHours: shipTo != nil && chance(3) ? .random(in: 1...30, using: &random) : nil))
    }

    private mutating func adjust() -> Command.Body {
        let change: Command.Adjust.Change
        switch Int.random(in: 0..<4, using: &random) {
        case 0: change = .delta(-units(3))
        case 1: change = .delta(units(2))
        case 2: change = .count(.random(in: 0...8, using: &random), expected: nil)
        default:
            change = .count(.random(in: 0...8, using: &random), expected: .random(in: 0...6, using: &random))
        }
        return .adjust(
            Command.Adjust(
                warehouse: warehouse(), change: change, condition: chance(4) ? .damaged : .sellable,
                reasonCode: one(ReasonCode.allCases)))
    }

    private mutating func policy() -> Command.Body {
        switch Int.random(in: 0..<6, using: &random) {
        case 0...2: return .setPolicy(warehouse: nil, wholePolicy())
        case 3, 4: return .setPolicy(warehouse: warehouse(), localPolicy())
        default:
            var published = PublishedPolicies(policy: chance(3) ? nil : wholePolicy())
            for warehouse: ID in ["MUC", "BER", "HAM"] where chance(3) {
                published.warehouses.append(WarehousePolicy(warehouse: warehouse, policy: localPolicy()))
            }
            return .setPolicies(published)
        }
    }

    private mutating func wholePolicy() -> Policy {
        Policy(
            safetyStock: chance(2) ? units(2) : nil, reorderPoint: chance(2) ? 3 : nil,
            backorderLimit: chance(3) ? nil : units(9),
            strategy: chance(2) ? one(Strategy.allCases) : nil, unitsPerOrder: chance(3) ? 6 : nil)
    }

    private mutating func localPolicy() -> Policy {
        Policy(
            safetyStock: chance(3) ? units(2) : nil, reorderPoint: chance(3) ? 2 : nil,
            channels: chance(2) ? shares() : [])
    }

    /// Often more than there is.
    private mutating func shares() -> [ChannelShare] {
        let channels: [ID] = ["shop", "web"]
        return channels.filter { _ in !chance(3) }.map { ChannelShare(channel: $0, quantity: units(5)) }
    }

    private mutating func house() -> Command.Body {
        let places = [
            "BER": Point(latitude: 52_520_000, longitude: 13_400_000),
            "HAM": Point(latitude: 53_550_000, longitude: 9_990_000),
            "MUC": Point(latitude: 48_140_000, longitude: 11_580_000),
        ]
        let id = warehouse()
        if chance(5) {
            let withdrawn: ID = chance(2) ? "MISTYPED" : ID(id.text)
            return .setWarehouse(Warehouse(id: withdrawn, isActive: false), isWithdrawn: true)
        }
        return .setWarehouse(
            Warehouse(
                id: ID(id.text), location: chance(4) ? nil : places[id.text],
                priority: .random(in: 1...3, using: &random),
                handlingHours: .random(in: 0...4, using: &random), isActive: !chance(3)))
    }
}

@Suite("Property")
struct PropertyTests {
    @Test("Random commands get the results, the ledger and the levels of a naive model")
    func randomCommands() throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["HOLDFAST_TEST_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...999_999)
        let count = environment["HOLDFAST_TEST_COMMANDS"].flatMap { Int($0) } ?? 100_000
        print("property test: HOLDFAST_TEST_SEED=\(seed) HOLDFAST_TEST_COMMANDS=\(count)")
        var random = SeededGenerator(seed: seed)
        // The naive model looks through all its past, so it is begun anew now and then.
        let round = 400
        for start in stride(from: 0, to: count, by: round) {
            var commands = RandomCommands(random: random)
            try Self.runRound(min(round, count - start), "seed \(seed), round \(start / round)", &commands)
            random = commands.random
        }
    }

    @Test("No unit is kept from everybody, however many are set apart for channels")
    func overcommittedChannels() throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["HOLDFAST_TEST_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...999_999)
        var random = SeededGenerator(seed: seed)
        for round in 0..<2_000 {
            let level = try Self.sellOut(&random, "seed \(seed), round \(round)")
            let free = level.onHand - level.reserved - level.safetyStock
            try #require(free <= 0, "seed \(seed), round \(round): \(level)")
        }
    }

    /// Sells unit by unit through channels and without one, until nobody gets a unit any more.
    private static func sellOut(_ random: inout SeededGenerator, _ name: String) throws -> Level {
        let channels: [ID] = (0..<Int.random(in: 0...Limits.channels, using: &random)).map { "c\($0)" }
        let shares = channels.map {
            ChannelShare(channel: $0, quantity: .random(in: 1...6, using: &random))
        }
        var bodies: [Command.Body] = [
            .receive(warehouse: "BER", quantity: .random(in: 1...12, using: &random), reference: nil),
            .setPolicy(warehouse: "BER", Policy(channels: shares)),
        ]
        if Bool.random(using: &random) { bodies.append(.setPolicy(warehouse: nil, Policy(safetyStock: 2))) }
        if Bool.random(using: &random) {
            bodies.append(
                .damage(warehouse: "BER", quantity: .random(in: 1...4, using: &random), reference: nil))
        }
        var stock = Stock()
        var number: Int64 = 0
        func handle(_ body: Command.Body) -> Outcome {
            var effects = Effects()
            number += 1
            return stock.handle(
                Command(id: "c\(number)", sku: "A", body: body), at: Timestamp(milliseconds: 1),
                source: Source(partition: 0, offset: number), into: &effects)
        }
        for body in bodies { _ = handle(body) }
        var buyers: [ID?] = channels + [nil]
        while let place = buyers.indices.randomElement(using: &random) {
            let id: ID = "r\(number)"
            let had = try #require(stock.levels(of: "A")?.levels.first?.available(to: buyers[place]))
            let outcome = handle(
                .reserve(
                    Command.Reserve(reservationID: id, orderID: id, quantity: 1, channel: buyers[place])))
            try #require((outcome.kind == .reserved) == (had > 0), "\(name): \(outcome)")
            if outcome.kind == .reserved {
                if Int.random(in: 0..<3, using: &random) == 0 {
                    _ = handle(.confirm(reservationID: id, quantity: nil))
                }
            } else {
                // What others take leaves no more for whoever gets nothing now.
                buyers.remove(at: place)
            }
        }
        return try #require(stock.levels(of: "A")?.levels.first)
    }

    private static func runRound(_ count: Int, _ name: String, _ commands: inout RandomCommands) throws {
        var stock = Stock()
        var folded = Stock()
        var model = NaiveStock()
        var now: Int64 = 1000
        var effects = Effects()
        var ledger: [LedgerEntry] = []
        var running: [String: LedgerEntry.Deltas] = [:]
        for number in 0..<count {
            now += Int64.random(in: 0...6, using: &commands.random)
            let command = commands.next(now: now)
            effects.removeAll()
            let outcome = stock.handle(
                command, at: Timestamp(milliseconds: now),
                source: Source(partition: 0, offset: Int64(number)), into: &effects)
            var alerts: [Alert] = []
            for entry in effects.entries { alerts += try folded.foldChecked(entry) }
            ledger += effects.entries
            let expected = model.handle(command, at: now)
            let place = "\(name), command \(number) \(command) at \(now)"
            try #require(NaiveStock.Answer(of: outcome) == expected.0, "\(place)")
            try #require(
                command.kind == .expire || outcome.isDuplicate == expected.isDuplicate, "\(place)")
            try #require(
                effects.entries.map(NaiveStock.Fact.init(of:)) == expected.2.map(\.plain), "\(place)")
            for entry in effects.entries { try checkBalances(entry, &running, place) }
            try #require(difference(stock, model) == nil, "\(place)")
            try #require(alerts == effects.alerts, "\(place)")
            if number % 97 == 0 { stock = try RestoreTests.restored(stock, ledger) }
        }
        RestoreTests.expectSame(stock, folded)
    }

    /// Each entry's balances are the sums of the deltas up to it.
    private static func checkBalances(
        _ entry: LedgerEntry, _ running: inout [String: LedgerEntry.Deltas], _ place: String
    ) throws {
        var units = running[entry.sku.text, default: LedgerEntry.Deltas()]
        units.backordered += entry.deltas.backordered
        running[entry.sku.text] = units
        if entry.deltas.backordered != 0 {
            try #require(entry.balances.backordered == units.backordered, "\(place)")
        }
        guard entry.hasBalances, let warehouse = entry.warehouse else {
            let moved = LedgerEntry.Deltas(backordered: entry.deltas.backordered)
            return try #require(entry.deltas == moved, "\(place): units move in no warehouse")
        }
        var level = running["\(entry.sku) \(warehouse)", default: LedgerEntry.Deltas()]
        level.onHand += entry.deltas.onHand
        level.reserved += entry.deltas.reserved
        level.inTransit += entry.deltas.inTransit
        level.damaged += entry.deltas.damaged
        running["\(entry.sku) \(warehouse)"] = level
        level.backordered = entry.balances.backordered
        try #require(entry.balances == level, "\(place): \(entry)")
        try #require(entry.more || level.reserved <= level.onHand, "\(place): \(entry)")
    }

    private static func difference(_ stock: Stock, _ model: NaiveStock) -> String? {
        for snapshot in stock.allLevels {
            let sku = snapshot.sku
            if snapshot.sequence != Int64(model.facts[sku]?.count ?? 0) { return "\(sku): sequence" }
            if snapshot.generation != model.generations[sku, default: 1] { return "\(sku): generation" }
            if snapshot.isRetired != model.retired.contains(sku) { return "\(sku): retired" }
            if snapshot.backordered != model.backordered(sku) { return "\(sku): backordered" }
            for level in snapshot.levels {
                let sums = [\LedgerEntry.Deltas.onHand, \.reserved, \.inTransit, \.damaged].map {
                    model.sum(sku, level.warehouse, $0)
                }
                if sums != [level.onHand, level.reserved, level.inTransit, level.damaged] {
                    return "\(sku) in \(level.warehouse): \(level), \(sums)"
                }
                for channel: ID? in [nil, "web", "shop"]
                where level.available(to: channel) != model.available(sku, level.warehouse, channel) {
                    return "\(sku) in \(level.warehouse): available to \(channel ?? "all")"
                }
                if level.reserved < 0 || level.reserved > level.onHand { return "\(sku): oversold" }
                let isFree = level.onHand - level.reserved > level.safetyStock && !level.isClosed
                if isFree, [nil, "web", "shop"].allSatisfy({ level.available(to: $0) == 0 }) {
                    return "\(sku) in \(level.warehouse): units that nobody can have"
                }
            }
        }
        return nil
    }
}
