import InventoryCore
import Simulation
import Testing

/// The bookkeeper is no use if it never objects.
@Suite("The bookkeeper of the ledger")
struct LedgerBooksTests {
    /// Five units come in, two are reserved until 100, and expire at 100.
    private var right: [LedgerEntry] {
        var reserve = entry(
            2, .reserve, 2, deltas: .init(reserved: 2), balances: .init(onHand: 5, reserved: 2))
        (reserve.reservationID, reserve.origin, reserve.remaining) = ("r", 2, 2)
        reserve.expiresAt = Timestamp(milliseconds: 100)
        var expire = entry(
            3, .expire, 2, at: 100, deltas: .init(reserved: -2), balances: .init(onHand: 5, reserved: 0))
        (expire.reservationID, expire.origin, expire.remaining) = ("r", 2, 0)
        return [entry(1, .receive, 5, deltas: .init(onHand: 5), balances: .init(onHand: 5)), reserve, expire]
    }

    private func entry(
        _ sequence: Int64, _ movement: Movement, _ quantity: Int64, at: Int64 = 10,
        deltas: LedgerEntry.Deltas, balances: LedgerEntry.Deltas
    ) -> LedgerEntry {
        LedgerEntry(
            sku: "A", sequence: sequence, movement: movement, at: Timestamp(milliseconds: at),
            source: Source(partition: 0, offset: sequence), command: .receive, commandID: "c\(sequence)",
            warehouse: "BER", quantity: quantity, deltas: deltas, balances: balances)
    }

    private func problems(_ change: (inout [LedgerEntry]) -> Void) -> [String] {
        var entries = right
        change(&entries)
        var books = LedgerBooks()
        for entry in entries { books.add(entry) }
        return books.problems
    }

    @Test("What adds up is not objected to")
    func calm() {
        #expect(problems { _ in } == [])
    }

    @Test("A gap, a balance that is no sum, units that are not there, an early and a second end are told")
    func planted() {
        #expect(problems { $0[2].sequence = 4 }.first?.contains("it follows 2") == true)
        #expect(problems { $0.remove(at: 1) }.contains { $0.contains("never began") })
        #expect(problems { $0[1].balances.onHand = 6 }.first?.contains("not the sums") == true)
        #expect(
            problems {
                $0[1].deltas.reserved = 6
                $0[1].balances.reserved = 6
            }.first?.contains("5 on hand and 6 reserved") == true)
        #expect(problems { $0[2].at = Timestamp(milliseconds: 99) }.first?.contains("1 ms early") == true)
        #expect(
            problems {
                var again = $0[2]
                again.sequence = 4
                $0.append(again)
            }.contains { $0.contains("ends twice") })
        #expect(problems { $0[2].source.offset = 0 }.first?.contains("out of order") == true)
    }

    @Test("Levels and reservations that the ledger does not come to are told")
    func topics() {
        var books = LedgerBooks()
        for entry in right { books.add(entry) }
        let levels = LevelsSnapshot(sku: "A", sequence: 3, levels: [Level(warehouse: "BER", onHand: 5)])
        books.compare(levels: [levels], reservations: [])
        #expect(books.problems == [])
        var stale = levels
        stale.sequence = 2
        stale.levels[0].onHand = 4
        let live = ReservationSnapshot(
            id: "r", orderID: "o", sku: "A", allocations: [], reservedAt: Timestamp(milliseconds: 10),
            expiresAt: Timestamp(milliseconds: 100), reservedSequence: 2, sequence: 2)
        books.compare(levels: [stale], reservations: [live])
        #expect(books.problems.count == 3, "\(books.problems)")
    }
}
