import InventoryCore
import NaiveStock
import Testing

/// A command is decided once. What that rests on: the window, and the time that a command says it was issued.
@Suite("Repeats")
struct RepeatTests {
    private struct Log {
        var stock: Stock
        var ledger: [LedgerEntry] = []
        var offset: Int64 = 0
        var now: Int64 = 1_790_000_000_000

        init(_ settings: Settings = Settings()) { stock = Stock(settings: settings) }

        mutating func handle(_ command: Command) -> Outcome {
            var effects = Effects()
            let outcome = stock.handle(
                command, at: Timestamp(milliseconds: now), source: Source(partition: 0, offset: offset),
                into: &effects)
            offset += 1
            ledger += effects.entries
            return outcome
        }

        func onHand(_ sku: ID) -> Int64 { stock.levels(of: sku)?.levels.first?.onHand ?? 0 }
    }

    private static func receive(
        _ id: ID, _ quantity: Int64 = 10, _ sku: ID = "R", issued: Int64? = nil
    ) -> Command {
        Command(
            id: id, sku: sku, issuedAt: issued.map { Timestamp(milliseconds: $0) },
            body: .receive(warehouse: "BER", quantity: quantity, reference: nil))
    }

    private static func reserve(_ id: ID, _ quantity: Int64, issued: Int64? = nil) -> Command {
        Command(
            id: id, sku: "R", issuedAt: issued.map { Timestamp(milliseconds: $0) },
            body: .reserve(Command.Reserve(reservationID: id, orderID: "o", quantity: quantity)))
    }

    @Test(
        "After 70,000 other commands a receive that comes again counts once, and a reserve that was refused is refused"
    )
    func manyOthers() {
        var log = Log()
        _ = log.handle(Self.receive("in"))
        let refused = log.handle(Self.reserve("no", 11))
        #expect(refused.rejection == .insufficientStock)
        for number in 0..<70_000 {
            if number % 20 == 0 { log.now += 1 }
            _ = log.handle(Self.reserve("x\(number)", 1_000))
        }
        _ = log.handle(Self.receive("more", 90))
        let again = log.handle(Self.receive("in"))
        #expect(again.isDuplicate && again.kind == .received && log.onHand("R") == 100)
        var repeated = log.handle(Self.reserve("no", 11))
        #expect(repeated.isDuplicate)
        repeated.isDuplicate = false
        #expect(repeated == refused)
    }

    @Test(
        "A late payment over as many warehouses as there may be is remembered, also where there are more names than are numbered"
    )
    func longestDecision() {
        var log = Log()
        func name(_ number: Int) -> ID {
            let digits = String(number)
            return ID(digits + String(repeating: "w", count: Limits.idBytes - digits.utf8.count))
        }
        // More warehouses than the window has numbers for.
        for number in 0..<4_200 {
            _ = log.handle(
                Command(
                    id: "f\(number)", sku: "S\(number / Limits.warehousesPerSKU)",
                    body: .receive(warehouse: "W\(number)", quantity: 1, reference: nil)))
        }
        for number in 0..<Limits.warehousesPerSKU {
            _ = log.handle(
                Command(
                    id: "r\(number)", sku: "A",
                    body: .receive(warehouse: name(number), quantity: 2, reference: nil)))
        }
        let units = 2 * Int64(Limits.warehousesPerSKU)
        for number in 0..<4 {
            let reserve = log.handle(
                Command(
                    id: "a\(number)", sku: "A",
                    body: .reserve(
                        Command.Reserve(
                            reservationID: "v\(number)", orderID: "o", quantity: units / 4,
                            expiry: .after(milliseconds: 1_000)))))
            #expect(reserve.kind == .reserved)
        }
        let whole = Command(
            id: "whole", sku: "A",
            body: .reserve(
                Command.Reserve(
                    reservationID: "all", orderID: "o", quantity: units, expiry: .after(milliseconds: 1_000)))
        )
        log.now += 2_000
        let reserved = log.handle(whole)
        #expect(reserved.kind == .reserved && reserved.allocations.count == Limits.warehousesPerSKU)
        log.now += 2_000
        let confirm = Command(id: "paid", sku: "A", body: .confirm(reservationID: "all", quantity: nil))
        var paid = log.handle(confirm)
        #expect(paid.isReacquired && paid.allocations.count == Limits.warehousesPerSKU)
        paid.isDuplicate = true
        #expect(log.handle(confirm) == paid)
        #expect(log.handle(whole).allocations == reserved.allocations)
    }

    /// What a command came to first, and what it may come to again.
    private struct Known {
        let command: Command
        let first: Outcome
    }

    @Test(
        "A command that says when it was issued is never decided twice, at whatever distance it comes again, by clocks ahead and behind, and over restores",
        arguments: 1...60)
    func everyDistance(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let count = [16, 17, 40][seed % 3]
        let settings = Settings(dedupeCount: count)
        var log = Log(settings)
        var model = NaiveStock(settings: settings)
        var known: [Known] = []
        var refused = 0
        var recognised = 0
        var grantedTwice = 0
        for number in 0..<600 {
            // Windows of a few milliseconds, and of minutes.
            log.now += .random(in: 0...(seed % 2 == 0 ? 3 : 4_000), using: &random)
            let distances = [1, 2, count - 1, count, count + 1, 3 * count, known.count]
            let distance = distances.randomElement(using: &random)!
            let command: Command
            if number % 3 == 2, distance <= known.count {
                command = known[known.count - distance].command
            } else {
                let skew = [nil, -60_000, -5_000, -20, 0, 500, Limits.clockLead].randomElement(
                    using: &random)!
                let issued = skew.map { log.now + $0 }
                command =
                    Bool.random(using: &random)
                    ? Self.receive("c\(number)", .random(in: 1...5, using: &random), issued: issued)
                    : Self.reserve("c\(number)", .random(in: 1...90, using: &random), issued: issued)
            }
            guard command.lead(at: Timestamp(milliseconds: log.now)) ?? 0 <= Limits.clockLead else {
                continue
            }
            let outcome = log.handle(command)
            let expected = model.handle(command, at: log.now)
            #expect(
                NaiveStock.Answer(of: outcome) == expected.0 && outcome.isDuplicate == expected.isDuplicate)
            if let before = known.last(where: { $0.command.id == command.id }) {
                if command.issuedAt == nil {
                    if !outcome.isDuplicate { grantedTwice += 1 }
                } else if outcome.rejection == .commandTooOld {
                    refused += 1
                } else {
                    // A reservation that lives is told as it is; all else as it was.
                    try #require(outcome.isDuplicate && outcome.kind == before.first.kind, "\(command)")
                    try #require(outcome.sequence == before.first.sequence, "\(command)")
                    recognised += 1
                }
            } else {
                known.append(Known(command: command, first: outcome))
            }
            if Int.random(in: 0..<40, using: &random) == 0 {
                let restored = try RestoreTests.restored(log.stock, log.ledger, settings: settings)
                RestoreTests.expectSame(restored, log.stock)
                log.stock = restored
            }
        }
        // What was received by commands that say when they were issued is there once.
        let received = Dictionary(grouping: log.ledger.filter { $0.movement == .receive }, by: \.commandID)
        for known in known where known.command.issuedAt != nil {
            #expect(received[known.command.id]?.count ?? 0 <= 1)
        }
        #expect(refused > 0 && recognised > 0 && grantedTwice > 0)
    }

    @Test("The same repeats get the same answers from a state that was restored, at every place in the log")
    func horizonAfterRestore() throws {
        let settings = Settings(dedupeCount: 16)
        var log = Log(settings)
        let start = log.now
        for number in 0..<60 {
            log.now = start + Int64(number) * 700
            _ = log.handle(Self.receive("c\(number)", 1, issued: log.now))
            var restored = log
            restored.stock = try RestoreTests.restored(log.stock, log.ledger, settings: settings)
            for earlier in 0...number {
                let command = Self.receive("c\(earlier)", 1, issued: start + Int64(earlier) * 700)
                let fresh = Self.receive("n\(earlier)", 1, issued: start + Int64(earlier) * 700)
                var (one, other) = (log, restored)
                let answer = one.handle(command)
                #expect(answer == other.handle(command))
                #expect(answer.isDuplicate || answer.rejection == .commandTooOld)
                #expect(answer.isDuplicate == (number - earlier < 16))
                let new = one.handle(fresh)
                #expect(new == other.handle(fresh))
                #expect(number >= 16 || new.kind == .received)
            }
        }
    }

    @Test(
        "After the settings made the window shorter or longer, what it forgot is refused, before and after a restore"
    )
    func otherSettings() throws {
        var log = Log()
        let start = log.now
        func handle(_ number: Int) -> Outcome {
            log.handle(Self.receive("c\(number)", 1, issued: start + Int64(number) * 2_000))
        }
        for number in 0..<50 {
            log.now = start + Int64(number) * 2_000
            #expect(handle(number).kind == .received)
            for count in [20, 100] where number == 30 && count == 20 || number == 40 && count == 100 {
                _ = log.handle(
                    Command(
                        id: "s\(count)", sku: PartitionBook.sku(0),
                        body: .setSettings(Settings(dedupeCount: count))))
            }
        }
        for stock in [log.stock, try RestoreTests.restored(log.stock, log.ledger)] {
            log.stock = stock
            // Of 51 commands up to the second settings, 20 were kept.
            let isKnown = (0..<50).map { handle($0).isDuplicate }
            #expect(isKnown == (0..<50).map { $0 > 21 })
            #expect(handle(0).rejection == .commandTooOld)
        }
    }

    @Test("What an earlier log decided is refused where it is forgotten, though the logs' times overlap")
    func earlierLogs() throws {
        let book = PartitionBook.sku(0)
        var earlier: [[LedgerEntry]] = []
        let start: Int64 = 1_790_000_000_000
        for sku in ["A", "B"] as [ID] {
            var log = Log()
            for number in 0..<30 {
                // The first log's times are later than the second's.
                log.now = start + Int64(number) * 100 + (sku == "A" ? 1_000_000 : 0)
                _ = log.handle(Self.receive("c\(number)", 1, sku, issued: log.now))
            }
            earlier.append(log.ledger)
        }
        var log = Log()
        log.now = start + 2_000_000
        _ = log.handle(
            Command(id: "f", sku: book, body: .setSettings(Settings(dedupeCount: 16, earlierLog: .follows))))
        for entry in earlier.joined() {
            log.stock.fold(entry)
            log.ledger.append(entry)
        }
        _ = log.handle(
            Command(id: "e", sku: book, body: .setSettings(Settings(dedupeCount: 16, earlierLog: .ended))))
        log.now += 10_000
        for stock in [log.stock, try RestoreTests.restored(log.stock, log.ledger)] {
            var log = log
            log.stock = stock
            // Of the first log, whose times are later than all that is remembered of the second.
            for number in 0..<30 {
                let issued = start + Int64(number) * 100 + 1_000_000
                #expect(
                    log.handle(Self.receive("c\(number)", 1, "A", issued: issued)).rejection == .commandTooOld
                )
            }
            // By now the window holds the refusals.
            log.now += 5_000
            #expect(log.handle(Self.receive("new", 1, "A", issued: log.now)).kind == .received)
        }
    }
}
