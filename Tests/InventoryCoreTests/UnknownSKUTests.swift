import InventoryCore
import Testing

/// A refusal is no reason to keep a SKU of which nothing is known.
@Suite("Unknown SKUs")
struct UnknownSKUTests {
    private struct Log {
        var stock: Stock
        var ledger: [LedgerEntry] = []
        private var offset: Int64 = 0

        init(remembering count: Int = 1_000) { stock = Stock(settings: Settings(dedupeCount: count)) }

        @discardableResult
        mutating func run(_ sku: ID, _ body: Command.Body, as id: ID? = nil) -> Outcome {
            offset += 1
            var effects = Effects()
            let outcome = stock.handle(
                Command(id: id ?? "c\(offset)", sku: sku, body: body), at: Timestamp(milliseconds: offset),
                source: Source(partition: 3, offset: offset), into: &effects)
            ledger += effects.entries
            return outcome
        }

        @discardableResult
        mutating func reserve(_ sku: ID, _ quantity: Int64 = 1, as id: ID) -> Outcome {
            run(
                sku, .reserve(Command.Reserve(reservationID: id, orderID: "o", quantity: quantity)), as: id)
        }

        mutating func receive(_ sku: ID, in warehouse: ID = "BER") {
            run(sku, .receive(warehouse: warehouse, quantity: 5, reference: nil))
        }
    }

    @Test(
        "Refused commands for SKUs that do not exist keep none of them: the partition's own book has the refusals"
    )
    func keepsNone() throws {
        var log = Log(remembering: 100)
        for number in 0..<1_000 {
            let outcome = log.reserve("no-\(number)", as: "r")
            #expect(outcome.rejection == .insufficientStock && outcome.sku == "no-\(number)")
            #expect(outcome.sequence == nil && outcome.bookSequence == Int64(number + 1))
        }
        #expect(log.stock.skus == [PartitionBook.sku(3)])
        #expect(log.ledger.allSatisfy { $0.sku == PartitionBook.sku(3) })
        #expect(log.ledger[7].unknownSKU == "no-7" && log.ledger[7].reservationID == "r")
        #expect(log.stock.dedupeWindowCount == 100)
        var folded = Stock(settings: Settings(dedupeCount: 100))
        for entry in log.ledger { try folded.foldChecked(entry) }
        RestoreTests.expectSame(folded, log.stock)
        RestoreTests.expectSame(
            try RestoreTests.restored(log.stock, log.ledger, settings: Settings(dedupeCount: 100)), log.stock)
    }

    @Test(
        "A repeat of such a command is refused alike, also when the SKU has stock by then, until it is forgotten"
    )
    func repeats() throws {
        var log = Log(remembering: 16)
        let first = log.reserve("A", as: "r1")
        #expect(log.reserve("B", as: "r1").isDuplicate == false, "an id belongs to its SKU")
        log.receive("A")
        #expect(log.stock.sequence(of: "A") == 1, "its own ledger begins with the receipt")
        for stock in [
            log.stock, try RestoreTests.restored(log.stock, log.ledger, settings: Settings(dedupeCount: 16)),
        ] {
            var log = log
            log.stock = stock
            var again = log.reserve("A", as: "r1")
            #expect(again.isDuplicate)
            again.isDuplicate = false
            #expect(again == first)
            let other = log.reserve("A", 2, as: "r1")
            #expect(other.rejection == .commandIDConflict && other.sequence == 2)
            #expect(log.reserve("C", as: "r1").rejection == .insufficientStock)
            #expect(log.reserve("C", 2, as: "r1").rejection == .commandIDConflict)
            for number in 0..<16 { log.reserve("A", 100, as: "x\(number)") }
            #expect(log.reserve("A", as: "r1").kind == .reserved)
        }
    }

    @Test("Warehouses that nothing stands in and nobody published are forgotten when their SKU is retired")
    func warehouses() throws {
        var log = Log()
        log.run(PartitionBook.sku(3), .setWarehouse(Warehouse(id: "HAM", priority: 3)))
        log.receive("B", in: "W-5-1")
        for round in 0..<50 {
            let names = (0..<20).map { ID("W-\(round)-\($0)") }
            for name in names + ["HAM"] {
                log.receive("A", in: name)
                log.run(
                    "A",
                    .adjust(
                        Command.Adjust(warehouse: name, change: .count(0, expected: nil), reasonCode: .lost)))
            }
            #expect(log.run("A", .retire).kind == .retired)
        }
        #expect(log.stock.warehouseCount == 2)
        #expect(try RestoreTests.restored(log.stock, log.ledger).warehouseCount == 2)
    }
}
