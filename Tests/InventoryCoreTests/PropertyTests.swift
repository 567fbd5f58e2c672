import Foundation
import InventoryCore
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

/// The rules once more, as simply as they can be said: no index, no heap, no window; it looks through all
/// that ever happened.
struct NaiveStock {
    struct Claim {
        let id: String
        let sku: String
        let order: String
        let quantity: Int64
        let warehouse: String
        let expiresAt: Int64
        var end: Outcome.Kind?
    }

    var onHand: [String: [String: Int64]] = [:]
    var claims: [Claim] = []
    var answers: [String: (Command, Outcome.Kind, Rejection?)] = [:]
    var entries: [String: Int64] = [:]

    func available(_ sku: String, _ warehouse: String) -> Int64 {
        (onHand[sku]?[warehouse] ?? 0)
            - claims.filter { $0.sku == sku && $0.warehouse == warehouse && $0.end == nil }
            .reduce(0) { $0 + $1.quantity }
    }

    mutating func handle(_ command: Command, at: Int64) -> (Outcome.Kind, Rejection?, isDuplicate: Bool) {
        for index in claims.indices
        where claims[index].sku == command.sku && claims[index].end == nil && claims[index].expiresAt <= at {
            claims[index].end = .expired
            entries[command.sku, default: 0] += 1
        }
        if let (first, kind, reason) = answers[command.id] {
            if Self.same(first, command) { return (kind, reason, true) }
            entries[command.sku, default: 0] += 1
            return (.rejected, .commandIDConflict, false)
        }
        let (kind, reason, isDuplicate) = decide(command, at: at)
        if !isDuplicate && command.kind != .expire {
            entries[command.sku, default: 0] += 1
            answers[command.id] = (command, kind, reason)
        }
        return (kind, reason, isDuplicate)
    }

    private static func same(_ left: Command, _ right: Command) -> Bool {
        guard left.sku == right.sku else { return false }
        switch (left.body, right.body) {
        case (.reserve(let id, let order, let units, _, _), .reserve(let id2, let order2, let units2, _, _)):
            return id == id2 && order == order2 && units == units2
        case (.receive(_, let units, _), .receive(_, let units2, _)): return units == units2
        default: return left.body == right.body
        }
    }

    private mutating func decide(_ command: Command, at: Int64) -> (Outcome.Kind, Rejection?, Bool) {
        switch command.body {
        case .receive(let warehouse, let quantity, _):
            onHand[command.sku, default: [:]][warehouse, default: 0] += quantity
            return (.received, nil, false)
        case .reserve(let id, let order, let quantity, let named, let expiry):
            if let claim = claims.last(where: { $0.id == id }) {
                if claim.end == nil && claim.sku == command.sku && claim.order == order
                    && claim.quantity == quantity
                {
                    return (.reserved, nil, true)
                }
                return (.rejected, .reservationIDConflict, false)
            }
            let until: Int64
            switch expiry {
            case .after(let ttl): until = at + ttl
            case .at(let moment): until = moment.milliseconds
            }
            if until <= at || until - at > Limits.longestTTL { return (.rejected, .expiryOutOfRange, false) }
            let warehouses = named.map { [$0] } ?? Array((onHand[command.sku] ?? [:]).keys)
            let fitting = warehouses.filter { available(command.sku, $0) >= quantity }
            let best = fitting.min {
                (-available(command.sku, $0), $0) < (-available(command.sku, $1), $1)
            }
            guard let best else { return (.rejected, .insufficientStock, false) }
            claims.append(
                Claim(
                    id: id, sku: command.sku, order: order, quantity: quantity, warehouse: best,
                    expiresAt: until))
            return (.reserved, nil, false)
        case .confirm(let id): return end(id, command.sku, .confirmed)
        case .release(let id): return end(id, command.sku, .released)
        case .expire(let id):
            guard let claim = claims.last(where: { $0.id == id && $0.sku == command.sku }),
                claim.end == .expired
            else { return (.ignored, nil, false) }
            return (.expired, nil, false)
        }
    }

    private mutating func end(
        _ id: String, _ sku: String, _ kind: Outcome.Kind
    ) -> (Outcome.Kind, Rejection?, Bool) {
        guard let index = claims.lastIndex(where: { $0.id == id && $0.sku == sku }) else {
            return (.rejected, .reservationNotFound, false)
        }
        switch claims[index].end {
        case nil:
            claims[index].end = kind
            if kind == .confirmed { onHand[sku]![claims[index].warehouse]! -= claims[index].quantity }
            return (kind, nil, false)
        case kind: return (kind, nil, true)
        case .expired: return (.rejected, .reservationExpired, false)
        case .confirmed: return (.rejected, .reservationConfirmed, false)
        default: return (.rejected, .reservationReleased, false)
        }
    }
}

@Suite("Property")
struct PropertyTests {
    /// Few SKUs, small stocks, short TTLs and ids that come again, so that the corners are met often.
    private static func command(_ number: Int, now: Int64, _ random: inout SeededGenerator) -> Command {
        let sku = ["A", "B", "C"].randomElement(using: &random)!
        let warehouse = ["BER", "HAM"].randomElement(using: &random)!
        let isRepeat = Int.random(in: 0..<20, using: &random) == 0
        let id = "c\(isRepeat ? Int.random(in: 0...number, using: &random) : number)"
        let newest = number / 2
        let reservation = "r\(Int.random(in: max(0, newest - 30)...newest, using: &random))"
        let body: Command.Body
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<15:
            body = .receive(
                warehouse: warehouse, quantity: Int64.random(in: 1...4, using: &random), reference: nil)
        case 15..<60:
            let expiry: Command.Expiry =
                Int.random(in: 0..<4, using: &random) == 0
                ? .at(Timestamp(milliseconds: now + Int64.random(in: -5...200, using: &random)))
                : .after(milliseconds: Int64.random(in: 1...200, using: &random))
            body = .reserve(
                reservationID: Int.random(in: 0..<10, using: &random) == 0 ? reservation : "r\(newest)",
                orderID: "o\(Int.random(in: 0...9, using: &random))",
                quantity: Int64.random(in: 1...3, using: &random),
                warehouse: Bool.random(using: &random) ? warehouse : nil, expiry: expiry)
        case 60..<75: body = .confirm(reservationID: reservation)
        case 75..<88: body = .release(reservationID: reservation)
        default: body = .expire(reservationID: reservation)
        }
        return Command(id: id, sku: sku, body: body)
    }

    @Test("Random commands get the answers of a naive model, and leave its levels")
    func randomCommands() throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["HOLDFAST_TEST_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...999_999)
        let count = environment["HOLDFAST_TEST_COMMANDS"].flatMap { Int($0) } ?? 100_000
        print("property test: HOLDFAST_TEST_SEED=\(seed) HOLDFAST_TEST_COMMANDS=\(count)")
        var random = SeededGenerator(seed: seed)
        // The naive model looks through all its past, so it is begun anew now and then.
        let round = 1000
        for start in stride(from: 0, to: count, by: round) {
            try Self.runRound(min(round, count - start), seed: seed, &random)
        }
    }

    private static func runRound(_ count: Int, seed: UInt64, _ random: inout SeededGenerator) throws {
        var stock = Stock()
        var folded = Stock()
        var model = NaiveStock()
        var now: Int64 = 1000
        var entries: [LedgerEntry] = []
        for number in 0..<count {
            now += Int64.random(in: 0...6, using: &random)
            let command = command(number, now: now, &random)
            entries.removeAll(keepingCapacity: true)
            let outcome = stock.handle(
                command, at: Timestamp(milliseconds: now),
                source: Source(partition: 0, offset: Int64(number)),
                into: &entries)
            for entry in entries { folded.apply(entry) }
            let expected = model.handle(command, at: now)
            let isSame =
                outcome.kind == expected.0 && outcome.rejection == expected.1
                && (command.kind == .expire || outcome.isDuplicate == expected.isDuplicate)
            try #require(isSame, "seed \(seed), \(command) at \(now): \(outcome), expected \(expected)")
            try #require(levelsAgree(stock, model), "seed \(seed), after \(command) at \(now)")
            if Int.random(in: 0..<200, using: &random) == 0 {
                stock = try RestoreTests.restored(stock)
            }
        }
        RestoreTests.expectSame(stock, folded)
    }

    private static func levelsAgree(_ stock: Stock, _ model: NaiveStock) -> Bool {
        for snapshot in stock.allLevels {
            if snapshot.sequence != model.entries[snapshot.sku] ?? 0 { return false }
            for level in snapshot.levels {
                let onHand = model.onHand[snapshot.sku]?[level.warehouse] ?? 0
                let available = model.available(snapshot.sku, level.warehouse)
                if level.onHand != onHand || level.available != available { return false }
                if level.reserved != onHand - available { return false }
                if level.reserved < 0 || level.reserved > level.onHand { return false }
            }
        }
        return true
    }
}
