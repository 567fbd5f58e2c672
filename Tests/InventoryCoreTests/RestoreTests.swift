import InventoryCore
import Testing

/// The state that live processing had, made again in the two ways that there are.
@Suite("Restore")
struct RestoreTests {
    private static let day = """
        given receive 10 A in BER
        and   receive 4 A in HAM
        and   receive 7 B in BER
        and   reserve r1 3 A for o1 ttl 500
        and   reserve r2 2 A for o2 ttl 900
        and   reserve r3 9 B for o3
        and   reserve r4 4 B for o4 ttl 400
        and   confirm r1 A
        and   receive 1 B in BER at 450
        and   reserve r5 1 B for o5 ttl 100
        """

    /// - Parameters:
    ///   - ledger: all of it.
    ///   - settings: those that hold until the log says others.
    static func restored(
        _ stock: Stock, _ ledger: [LedgerEntry], settings: Settings = Settings(),
        change: (inout StockRestore) -> Void = { _ in }
    ) throws -> Stock {
        var restore = StockRestore(settings: settings)
        for levels in stock.allLevels { restore.add(levels) }
        for reservation in stock.allReservations { restore.add(reservation) }
        for transfer in stock.allTransfers { restore.add(transfer) }
        for entry in ledger { restore.add(entry) }
        change(&restore)
        return try restore.finish()
    }

    static func expectSame(_ left: Stock, _ right: Stock) {
        #expect(left.allLevels == right.allLevels)
        #expect(left.allReservations == right.allReservations)
        #expect(left.allTransfers == right.allTransfers)
        #expect(left.rememberedEntries == right.rememberedEntries)
        #expect(left.dedupeWindowCount == right.dedupeWindowCount)
        #expect(left.hasForgotten == right.hasForgotten)
    }

    @Test("Folding the ledger gives the state that live processing had")
    func fold() {
        let live = Scenario.check(Self.day)
        var folded = Stock()
        for entry in live.ledger { folded.fold(entry) }
        Self.expectSame(folded, live.stock)
    }

    @Test(
        "A state that only folds the ledger has the same books, through every change of the window, and remembers nothing"
    )
    func foldOnly() throws {
        let book = "@holdfast/partition/0"
        var live = Stock(settings: Settings(dedupeCount: 20))
        var entries: [LedgerEntry] = []
        for number in 0..<300 {
            let (sku, body): (String, Command.Body) =
                switch number {
                case 60: (book, .setSettings(Settings(dedupeCount: 7)))
                case 130: (book, .setSettings(Settings(dedupeCount: 31)))
                case 200: (book, .setSettings(Settings(dedupeCount: 12)))
                case let number where number % 3 == 0:
                    ("A", .receive(warehouse: "BER", quantity: 5, reference: nil))
                default:
                    // It has expired when the next one comes: commands of several entries.
                    (
                        "A",
                        .reserve(
                            Command.Reserve(
                                reservationID: "r\(number)", orderID: "o", quantity: 1,
                                expiry: .after(milliseconds: 1)))
                    )
                }
            var effects = Effects()
            _ = live.handle(
                Command(id: "c\(number)", sku: ID(sku), body: body),
                at: Timestamp(milliseconds: 1_790_000_000_000 + Int64(number) * 10),
                source: Source(partition: 0, offset: Int64(number)), into: &effects)
            entries += effects.entries
            var folded = Stock(settings: Settings(dedupeCount: 20), decides: false)
            for entry in entries { folded.fold(entry) }
            try #require(folded.allLevels == live.allLevels, "after \(number)")
            try #require(folded.dedupeWindowCount == live.dedupeWindowCount, "after \(number)")
            try #require(folded.rememberedEntries.isEmpty)
        }
        #expect(live.levels(of: ID(book))?.book?.rememberedFrom ?? 0 > 100)
    }

    @Test("Levels, reservations and the ledger's tail give the state that live processing had")
    func snapshot() throws {
        let live = Scenario.check(Self.day)
        Self.expectSame(try Self.restored(live.stock, live.ledger), live.stock)
    }

    @Test("Levels that were taken away by a tombstone are as if they had never been")
    func endedLevels() throws {
        let live = Scenario.check(Self.day)
        let ghost = LevelsSnapshot(sku: "GHOST", sequence: 3, levels: [Level(warehouse: "BER", onHand: 1)])
        var restore = StockRestore()
        restore.add(ghost)
        for levels in live.stock.allLevels { restore.add(levels) }
        for reservation in live.stock.allReservations { restore.add(reservation) }
        restore.end(sku: "GHOST")
        restore.end(sku: "NEVER SEEN")
        restore.end(sku: "A")
        restore.add(live.stock.allLevels[0])
        for entry in live.ledger { restore.add(entry) }
        Self.expectSame(try restore.finish(), live.stock)
        #expect(throws: Inconsistency.self) {
            try Self.restored(live.stock, live.ledger) { $0.end(sku: "A") }
        }
    }

    @Test("A repeat gets the same answer before and after a restore")
    func repeatAfterRestore() throws {
        let live = Scenario.check(Self.day)
        var before = live.stock
        var after = try Self.restored(live.stock, live.ledger)
        let commands = [
            Command(id: "#1", sku: "A", body: .receive(warehouse: "BER", quantity: 10, reference: nil)),
            Command(id: "x", sku: "A", body: .confirm(reservationID: "r1", quantity: nil)),
            Command(id: "y", sku: "B", body: .confirm(reservationID: "r4", quantity: nil)),
            Command(id: "z", sku: "B", body: .expire(reservationID: "r4")),
        ]
        for (offset, command) in commands.enumerated() {
            var effects = (Effects(), Effects())
            let source = Source(partition: 0, offset: Int64(1000 + offset))
            let at = Timestamp(milliseconds: 500)
            #expect(
                before.handle(command, at: at, source: source, into: &effects.0)
                    == after.handle(command, at: at, source: source, into: &effects.1))
            #expect(effects.0.entries == effects.1.entries)
        }
    }

    @Test("A reservation newer than its SKU's levels is refused by the SKU's name")
    func newerReservation() {
        let live = Scenario.check(Self.day)
        expectInconsistency(of: "A") {
            try Self.restored(live.stock, live.ledger) {
                var levels = live.stock.levels(of: "A")!
                levels.sequence = 1
                $0.add(levels)
            }
        }
    }

    @Test("Reserved that is not the sum of the live reservations is refused")
    func wrongReserved() {
        let live = Scenario.check(Self.day)
        expectInconsistency(of: "A") {
            try Self.restored(live.stock, live.ledger) { $0.end(reservationID: "r2", of: "A") }
        }
    }

    @Test("A ledger that goes on beyond the levels is refused")
    func newerLedger() {
        let live = Scenario.check(Self.day)
        expectInconsistency(of: "B") {
            try Self.restored(live.stock, live.ledger) {
                var entry = live.ledger.last { $0.sku == "B" }!
                entry.sequence += 1
                $0.add(entry)
            }
        }
    }

    @Test("A gap in the ledger's tail is refused")
    func gap() {
        let live = Scenario.check(Self.day)
        expectInconsistency(of: "B") {
            try Self.restored(live.stock, live.ledger) {
                var entry = live.ledger.last { $0.sku == "B" }!
                entry.sequence += 2
                $0.add(entry)
            }
        }
    }

    @Test("A gap in the midst of the ledger's tail is refused")
    func gapInTheMidst() {
        let live = Scenario.check(Self.day)
        let middle = live.ledger.filter { $0.sku == "A" }[2]
        expectInconsistency(of: "A") { try Self.restored(live.stock, live.ledger.filter { $0 != middle }) }
        expectInconsistency(of: "A") { try Self.restored(live.stock, live.ledger + [middle]) }
    }

    @Test("A reservation that is read before the levels of its SKU finds them, and so does a transfer")
    func readBeforeLevels() throws {
        let live = Scenario.check(Self.day)
        var restore = StockRestore()
        for reservation in live.stock.allReservations { restore.add(reservation) }
        for transfer in live.stock.allTransfers { restore.add(transfer) }
        restore.add(live.stock.allReservations[0])
        for levels in live.stock.allLevels { restore.add(levels) }
        for entry in live.ledger { restore.add(entry) }
        #expect(restore.reservationCount == live.stock.liveReservations)
        let found = try restore.finish()
        Self.expectSame(found, live.stock)
        #expect(live.stock.liveReservations > 0)
    }

    @Test("Levels that have another hash than the ledger's newest entry are refused")
    func otherHash() {
        let live = Scenario.check(Self.day)
        expectInconsistency(of: "B") {
            try Self.restored(live.stock, live.ledger) {
                var levels = live.stock.levels(of: "B")!
                levels.chainHash = ChainHash(0, 0, 0, 1)
                $0.add(levels)
            }
        }
    }

    private func expectInconsistency(
        of sku: ID, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Stock
    ) {
        do {
            _ = try body()
            Issue.record("it was accepted", sourceLocation: sourceLocation)
        } catch let error as Inconsistency {
            #expect(error.sku == sku, "\(error.description)", sourceLocation: sourceLocation)
        } catch {
            Issue.record(error, sourceLocation: sourceLocation)
        }
    }
}
