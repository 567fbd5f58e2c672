import CMallocCount
import InventoryCore

/// What the state of a partition needs of memory, counted at the allocator.
enum Memory {
    /// Bytes of the heap for each live reservation.
    static func perReservation(_ count: Int) -> Double {
        var source = CommandSource(.hot, skuCount: 1)
        return measure(
            count,
            setUp: { body in
                source.setUp(body)
                // The dedupe window is full before, so that it does not count.
                for _ in 0..<Records.settings.dedupeCount { body(source.next()) }
            }, { body in for _ in 0..<count { body(source.next()) } })
    }

    /// Bytes of the heap for each SKU that stands in these warehouses.
    static func perSKU(_ count: Int, warehouses: [ID]) -> Double {
        let source = CommandSource(.even, skuCount: count)
        let filler = CommandSource(.hot, skuCount: 1)
        return measure(
            count,
            setUp: { body in
                filler.setUp(body)
                for number in 0..<Records.settings.dedupeCount { body(filler.reserve(number)) }
            }, { body in source.setUp(warehouses: warehouses, body) })
    }

    private static func measure(
        _ count: Int, setUp: ((Command) -> Void) -> Void, _ further: ((Command) -> Void) -> Void
    ) -> Double {
        var stock = Stock(settings: Records.settings)
        var effects = Effects()
        var offset: Int64 = 0
        func handle(_ command: Command) {
            effects.removeAll()
            _ = stock.handle(
                command, at: Records.time(of: offset), source: Source(partition: 0, offset: offset),
                into: &effects)
            offset += 1
        }
        setUp(handle)
        let before = malloc_count_bytes()
        further(handle)
        let bytes = malloc_count_bytes() - before
        precondition(stock.skuCount > 0)
        return Double(bytes) / Double(count)
    }
}
