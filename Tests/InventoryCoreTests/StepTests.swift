import InventoryCore
import Testing

/// What one command brings about comes in steps, each of which can be committed.
@Suite("Steps")
struct StepTests {
    /// One SKU, whose commands are carried out step by step.
    private struct Log {
        var stock = Stock()
        var ledger: [LedgerEntry] = []
        /// How many entries the steps of the last command made.
        var steps: [Int] = []
        private var offset: Int64 = 0

        init(step: Int = Limits.stepEntries) { stock.stepEntries = step }

        @discardableResult
        mutating func run(_ body: Command.Body, at: Int64 = 0) -> Outcome {
            offset += 1
            steps = []
            var outcomes: [Outcome] = []
            while true {
                var effects = Effects()
                let step = stock.step(
                    Command(id: "c\(offset)", sku: "A", body: body), at: Timestamp(milliseconds: at),
                    source: Source(partition: 0, offset: offset), into: &effects)
                steps.append(effects.entries.count)
                ledger += effects.entries
                if let outcome = step.outcome { outcomes.append(outcome) }
                #expect(effects.entries.last?.more != true, "a step is complete")
                if step.isDone { break }
            }
            #expect(outcomes.count == 1)
            return outcomes[0]
        }

        mutating func reserve(_ count: Int64, backordered: Bool = false) {
            if backordered {
                run(.setPolicy(warehouse: nil, Policy(backorderLimit: count)))
            } else {
                run(.receive(warehouse: "BER", quantity: count, reference: nil))
            }
            for number in 0..<count {
                run(
                    .reserve(
                        Command.Reserve(
                            reservationID: "r\(number)", orderID: "o", quantity: 1,
                            expiry: .after(milliseconds: 1_000))))
            }
        }
    }

    @Test(
        "150,000 reservations that end by one command end in steps, in the order in which one step would end them"
    )
    func many() {
        let count: Int64 = 150_000
        for (what, body, at) in [
            ("expiry", .receive(warehouse: "BER", quantity: 1, reference: nil), 1_000),
            ("loss", .damage(warehouse: "BER", quantity: count, reference: nil), 0),
        ] as [(String, Command.Body, Int64)] {
            var log = Log()
            log.reserve(count)
            let before = log.ledger.count
            let clock = ContinuousClock()
            var outcome: Outcome?
            let time = clock.measure { outcome = log.run(body, at: at) }
            print("\(what) of \(count) reservations: \(time), \(log.steps.count) steps")
            #expect(time < .seconds(10))
            #expect(log.steps.count >= 30 && log.steps.max()! <= 2 * Limits.stepEntries)
            #expect(log.ledger.count == before + Int(count) + 1)
            #expect(outcome?.sequence == log.ledger.last?.sequence)
            #expect(log.stock.liveReservations == 0)
        }
    }

    @Test("150,000 backorders that one receipt fills are filled in steps, after the receipt is answered")
    func fills() {
        let count: Int64 = 150_000
        var log = Log()
        log.reserve(count, backordered: true)
        let outcome = log.run(.receive(warehouse: "BER", quantity: count, reference: nil))
        #expect(log.steps.count >= 30 && log.steps.max()! <= Limits.stepEntries + 1)
        #expect(outcome.kind == .received)
        #expect(log.stock.levels(of: "A")?.levels.first?.reserved == count)
        #expect(log.stock.levels(of: "A")?.backordered == 0)
    }

    @Test(
        "Reservations that lose their units lose them before these go, so that no step leaves more claimed than there is"
    )
    func lossAhead() {
        var log = Log(step: 4)
        log.reserve(10)
        let before = log.ledger.count
        let outcome = log.run(
            .adjust(
                Command.Adjust(warehouse: "BER", change: .count(1, expected: nil), reasonCode: .stolen)))
        #expect(outcome.kind == .adjusted && outcome.delta == -9)
        #expect(log.steps == [4, 4, 1, 1] || log.steps == [4, 4, 2], "\(log.steps)")
        let movements = log.ledger[before...].map(\.movement)
        #expect(movements == Array(repeating: .lose, count: 9) + [.adjust])
        var folded = Stock()
        for entry in log.ledger { folded.fold(entry) }
        RestoreTests.expectSame(folded, log.stock)
    }

    @Test("What loses its units ahead of a command frees none for those who wait")
    func lossAheadOfBackorders() {
        var log = Log(step: 2)
        log.reserve(6)
        log.run(.setPolicy(warehouse: nil, Policy(backorderLimit: 5)))
        log.run(
            .reserve(
                Command.Reserve(
                    reservationID: "late", orderID: "o", quantity: 5, expiry: .after(milliseconds: 5_000))))
        log.run(.damage(warehouse: "BER", quantity: 6, reference: nil))
        #expect(log.stock.levels(of: "A")?.backordered == 5)
        #expect(log.stock.allReservations.map(\.id) == ["late"])
    }

    @Test(
        "A command that the steps of another have pushed out of the window is not the other's: each counts as one"
    )
    func window() {
        var log = Log(step: 2)
        log.stock.suppose(Settings(dedupeCount: 16))
        log.reserve(12)
        let count = log.stock.dedupeWindowCount
        log.run(.receive(warehouse: "BER", quantity: 1, reference: nil), at: 1_000)
        #expect(log.steps.count > 5)
        #expect(log.stock.dedupeWindowCount == min(16, count + 1))
    }

    @Test("A decision in as many warehouses as there may be, with the longest names, is remembered")
    func longestDecision() throws {
        var log = Log()
        let house = { (number: Int) in
            ID("\(String(repeating: "w", count: Limits.idBytes - 6))\(100_000 + number)")
        }
        // More names than are told by numbers.
        for number in 0..<5_000 {
            log.run(.receive(warehouse: house(number + 1_000), quantity: 1, reference: nil))
            if number % 200 == 199 {
                for gone in (number - 199)...number {
                    log.run(.damage(warehouse: house(gone + 1_000), quantity: 1, reference: nil))
                    log.run(
                        .adjust(
                            Command.Adjust(
                                warehouse: house(gone + 1_000), change: .delta(-1), condition: .damaged,
                                reasonCode: .writeOff)))
                }
                log.run(.retire)
            }
        }
        let houses = (0..<Limits.warehousesPerSKU).map(house)
        for house in houses {
            log.run(.receive(warehouse: house, quantity: Limits.quantity / 1_000, reference: nil))
        }
        let units = Int64(Limits.warehousesPerSKU) * (Limits.quantity / 1_000)
        let reserve = Command.Reserve(
            reservationID: "r", orderID: "o", quantity: units, expiry: .after(milliseconds: 1_000))
        #expect(log.run(.reserve(reserve)).kind == .reserved)
        let late = log.run(.confirm(reservationID: "r", quantity: nil), at: 5_000)
        #expect(late.isReacquired && late.allocations.count == Limits.warehousesPerSKU)
        #expect(
            log.run(
                .setPolicies(
                    PublishedPolicies(
                        warehouses: houses.map {
                            WarehousePolicy(warehouse: $0, policy: Policy(safetyStock: 1))
                        })),
                at: 5_000
            ).kind == .policySet)
        let restored = try RestoreTests.restored(log.stock, log.ledger)
        RestoreTests.expectSame(restored, log.stock)
    }
}
