import InventoryCore
import Testing

/// A ledger that was changed is told from one that was not, without a crash.
@Suite("Ledger faults")
struct LedgerFaultTests {
    /// A ledger of random commands.
    private static func ledger(seed: UInt64, commands count: Int) -> [LedgerEntry] {
        var commands = RandomCommands(random: SeededGenerator(seed: seed))
        var stock = Stock()
        var effects = Effects()
        var ledger: [LedgerEntry] = []
        var now: Int64 = 1000
        for number in 0..<count {
            now += Int64.random(in: 0...6, using: &commands.random)
            effects.removeAll()
            _ = stock.handle(
                commands.next(now: now), at: Timestamp(milliseconds: now),
                source: Source(partition: 0, offset: Int64(number)), into: &effects)
            ledger += effects.entries
        }
        return ledger
    }

    /// Folds as a careful reader does: a SKU with a fault is followed no more.
    /// - Returns: the first fault, and the entry that showed it.
    private static func firstFault(in ledger: [LedgerEntry]) -> (LedgerFault, LedgerEntry)? {
        var stock = Stock()
        var given: Set<ID> = []
        var first: (LedgerFault, LedgerEntry)?
        for entry in ledger {
            while !given.contains(entry.sku) {
                do throws(LedgerFault) {
                    try stock.foldChecked(entry)
                    break
                } catch {
                    given.insert(error.sku)
                    stock.abandonPending(of: error.sku)
                    first = first ?? (error, entry)
                }
            }
        }
        return first
    }

    @Test("An entry that was lost, doubled or swapped with the next of its SKU is found where it stands")
    func order() {
        let ledger = Self.ledger(seed: 7, commands: 1_500)
        #expect(Self.firstFault(in: ledger) == nil)
        for index in stride(from: 0, to: ledger.count - 40, by: 41) {
            let entry = ledger[index]
            var lost = ledger
            lost.remove(at: index)
            let gap = Self.firstFault(in: lost)
            #expect(gap?.0.sku == entry.sku, "\(index)")
            // The last entry of several is missed at once, others when the next of the SKU comes.
            let isLast = index > 0 && ledger[index - 1].more && !entry.more
            #expect(gap?.0.kind == .gap || (isLast && gap?.0.kind == .order), "\(index)")
            #expect(gap?.1.sequence == entry.sequence + 1 || gap?.0.kind == .order, "\(index)")

            var doubled = ledger
            doubled.insert(entry, at: index + 1)
            let repeated = Self.firstFault(in: doubled)
            #expect(repeated?.1 == entry && repeated?.0.kind == .repeated, "\(index)")

            guard let next = ledger[(index + 1)...].firstIndex(where: { $0.sku == entry.sku }) else {
                continue
            }
            var swapped = ledger
            swapped.swapAt(index, next)
            let found = Self.firstFault(in: swapped)
            #expect(found?.1 == ledger[next] && found?.0.kind == .gap, "\(index)")
        }
    }

    /// Changes that must be found, in the entry itself.
    private static let changes: [(name: String, change: @Sendable (inout LedgerEntry) -> Bool)] = [
        (
            "quantity",
            {
                $0.quantity += 1
                return $0.hasBalances && $0.movement != .setPolicy
            }
        ),
        (
            "on hand delta",
            {
                $0.deltas.onHand += 1
                return true
            }
        ),
        (
            "reserved delta",
            {
                $0.deltas.reserved -= 1
                return true
            }
        ),
        (
            "backordered delta",
            {
                $0.deltas.backordered = $0.deltas.backordered == 0 ? 1 : 0
                return true
            }
        ),
        (
            "on hand",
            {
                $0.balances.onHand += 1
                return $0.hasBalances
            }
        ),
        (
            "damaged",
            {
                $0.balances.damaged += 5
                return $0.hasBalances
            }
        ),
        (
            "set apart",
            {
                $0.setApart += 1
                return $0.hasBalances
            }
        ),
        (
            "remaining",
            {
                $0.remaining = ($0.remaining ?? 0) + 1
                return [.reserve, .reacquire, .backorder, .ship, .release, .expire, .lose, .fill, .extend]
                    .contains($0.movement) || $0.endsTransfer
            }
        ),
        (
            "origin",
            {
                $0.origin = ($0.origin ?? 0) + 1
                return $0.movement != .rejection && ($0.reservationID != nil)
            }
        ),
        (
            "order",
            {
                $0.orderID = "another"
                return [.ship, .release, .expire, .lose, .fill, .extend, .reallocate].contains($0.movement)
            }
        ),
        (
            "generation",
            {
                $0.generation += 1
                return true
            }
        ),
        (
            "units out of range",
            {
                $0.quantity = .max
                $0.deltas.onHand = .max
                $0.balances.onHand = .max
                return true
            }
        ),
        (
            "units below zero",
            {
                $0.deltas.onHand = .min
                $0.deltas.reserved = .min
                $0.deltas.backordered = .min
                return true
            }
        ),
    ]

    @Test("A changed entry is found in itself, whatever field was changed")
    func changed() {
        let ledger = Self.ledger(seed: 11, commands: 900)
        for (name, change) in Self.changes {
            var tried = 0
            for index in stride(from: 0, to: ledger.count, by: 7) {
                var changed = ledger
                guard change(&changed[index]), changed[index] != ledger[index] else { continue }
                tried += 1
                let found = Self.firstFault(in: Array(changed[...index]))
                #expect(found?.1 == changed[index], "\(name) of \(ledger[index])")
            }
            #expect(tried > 10, "\(name) was tried \(tried) times")
        }
    }

    @Test("An expiry before its time, and a shipment of what is due, are found")
    func times() {
        func entries(_ text: String) -> [LedgerEntry] { Scenario.check(text).ledger }
        var early = entries(
            """
            given receive 5 A in BER
            and   reserve r1 2 A for o1 ttl 500
            when  expire r1 A at 500
            """)
        early[2].at = Timestamp(milliseconds: 499)
        #expect(Self.firstFault(in: early)?.0.kind == .time)
        var late = entries(
            """
            given receive 5 A in BER
            and   reserve r1 2 A for o1 ttl 500
            when  confirm r1 A at 400
            """)
        late[2].at = Timestamp(milliseconds: 500)
        #expect(Self.firstFault(in: late)?.0.kind == .time)
    }

    @Test("A ledger that has more reserved than on hand after a command is found")
    func oversold() {
        var ledger = Scenario.check(
            """
            given receive 5 A in BER
            and   reserve r1 4 A for o1
            when  damage 3 A in BER
            """
        ).ledger
        #expect(ledger.map(\.movement) == [.receive, .reserve, .damaged, .lose])
        ledger[2].more = false
        let found = Self.firstFault(in: Array(ledger[...2]))
        #expect(found?.0.kind == .oversold && found?.1.sequence == 3)
        // The command's other entries may not stand behind another command's.
        ledger[2].more = true
        ledger[3].source = Source(partition: 0, offset: 99)
        #expect(Self.firstFault(in: ledger)?.0.kind == .order)
    }

    @Test("A hundred thousand random changes of a ledger crash nothing")
    func noCrash() {
        let genuine = Self.ledger(seed: 13, commands: 400)
        var random = SeededGenerator(seed: 17)
        for _ in 0..<(100_000 / genuine.count) {
            var ledger = genuine
            for _ in 0..<6 {
                let index = Int.random(in: 0..<ledger.count, using: &random)
                let other = ledger.randomElement(using: &random)!
                switch Int.random(in: 0..<12, using: &random) {
                case 0: ledger[index].movement = other.movement
                case 1: ledger[index].reservationID = other.reservationID
                case 2: ledger[index].warehouse = other.warehouse
                case 3: ledger[index].transferID = other.transferID
                case 4: ledger[index].details = other.details
                case 5: ledger[index].deltas = other.deltas
                case 6: ledger[index].balances = other.balances
                case 7: ledger[index].more.toggle()
                case 8: ledger[index].expiresAt = other.expiresAt
                case 9: ledger[index].counterpart = other.counterpart
                case 10:
                    var entry = other
                    entry.sku = ledger[index].sku
                    entry.sequence = ledger[index].sequence
                    ledger[index] = entry
                default: ledger.swapAt(index, Int.random(in: 0..<ledger.count, using: &random))
                }
            }
            _ = Self.firstFault(in: ledger)
        }
    }
}
