import InventoryCore
import Testing

/// What the state keeps packed is given back as it came.
@Suite("Packed state")
struct PackedStateTests {
    private static func id(_ number: Int, _ length: Int) -> ID {
        let digits = String(number)
        return ID(String(repeating: "i", count: max(0, length - digits.count)) + digits)
    }

    /// Short ones, those of UUIDs, those at the edges of what fits in, and the longest; not all of ASCII.
    private static func id(_ prefix: String, _ number: Int, _ random: inout SeededGenerator) -> ID {
        let length = [1, 8, 15, 16, 18, 36, 37, 71, 72, 73, 127, 128].randomElement(using: &random)!
        // UUIDs and numbers, alone and behind a name, which are written short.
        let digits = String(repeating: "0", count: 12 - String(number).utf8.count) + String(number)
        switch Int.random(in: 0..<14, using: &random) {
        case 0: return "c07b1c64-3f5e-4a0d-9b2e-\(digits)"
        case 1: return "\(prefix)/c07b1c64-3f5e-4a0d-9b2e-\(digits)"
        case 2: return "C07B1C64-3F5E-4A0D-9B2E-\(digits)"
        case 3: return "c07b1c64-3f5e-4a0d-9b2e\(digits)"
        case 4: return "\(prefix)-\(number)"
        case 5: return "\(prefix)-\(digits)"
        case 6: return "\(prefix)-18446744073709551616\(number)"
        case 7: return "\(digits)"
        case 8, 9:
            // All but a UUID in small letters: one character is another.
            var characters = Array("c07b1c64-3f5e-4a0d-9b2e-\(digits)")
            characters[.random(in: 0..<24, using: &random)] = "gG:/@`AF -é".randomElement(using: &random)!
            return ID(String(characters))
        default: break
        }
        let start = (Int.random(in: 0..<8, using: &random) == 0 ? "é" : "") + prefix
        return "\(start)\(id(number, min(length, Limits.idBytes - start.utf8.count)))"
    }

    @Test("Live reservations are as a Dictionary has them, whatever their ids and warehouses are")
    func reservations() {
        var random = SeededGenerator(seed: 11)
        var stock = Stock()
        var effects = Effects()
        var model: [ID: ReservationSnapshot] = [:]
        var offset: Int64 = 0
        func handle(_ body: Command.Body) -> Outcome {
            effects.removeAll()
            offset += 1
            return stock.handle(
                Command(id: "c\(offset)", sku: "A", body: body), at: Timestamp(milliseconds: 1_000 + offset),
                source: Source(partition: 0, offset: offset), into: &effects)
        }
        for warehouse: ID in ["BER", "HAM", "Köln"] {
            _ = handle(.receive(warehouse: warehouse, quantity: 1_000_000, reference: nil))
        }
        for number in 0..<6_000 {
            if model.count > 300 || (number % 3 == 0 && !model.isEmpty) {
                let id = model.keys.sorted()[Int.random(in: 0..<model.count, using: &random)]
                let outcome = handle(.release(reservationID: id, quantity: nil))
                #expect(outcome.kind == .released && outcome.orderID == model[id]!.orderID)
                model[id] = nil
                #expect(stock.reservation(id, of: "A") == nil)
                continue
            }
            let id = Self.id("r", number, &random)
            let warehouse: ID? = [nil, "BER", "HAM", "Köln"].randomElement(using: &random)!
            let quantity: Int64 = number % 50 == 0 && warehouse == nil ? 1_100_000 : 3
            let reserve = Command.Reserve(
                reservationID: id, orderID: Self.id("o", number, &random), quantity: quantity,
                warehouse: warehouse, channel: number % 4 == 0 ? "web" : nil)
            let outcome = handle(.reserve(reserve))
            guard outcome.kind == .reserved else { continue }
            let sequence = effects.entries[0].sequence
            model[id] = ReservationSnapshot(
                id: id, orderID: reserve.orderID, sku: "A", allocations: outcome.allocations,
                channel: reserve.channel, warehouse: warehouse, reservedAt: effects.entries[0].at,
                expiresAt: outcome.expiresAt!, reservedSequence: sequence,
                sequence: effects.entries.last!.sequence, commandHash: effects.entries[0].commandHash)
            #expect(stock.reservation(id, of: "A") == model[id])
        }
        #expect(stock.liveReservations == model.count)
        #expect(stock.allReservations == model.values.sorted { $0.id < $1.id })
    }

    @Test(
        "The dedupe window has the newest commands of the ledger, whatever their ids are",
        arguments: [16, 77])
    func window(count: Int) throws {
        var random = SeededGenerator(seed: 12)
        var stock = Stock(settings: Settings(dedupeCount: count))
        var effects = Effects()
        var ledger: [[LedgerEntry]] = []
        for number in 1...3_000 {
            let warehouse = Self.id("w", number % 7, &random)
            let reference = Bool.random(using: &random) ? Self.id("n", number, &random) : nil
            // Some have expired when the next command comes.
            let reserve = Command.Reserve(
                reservationID: Self.id("r", number, &random), orderID: Self.id("o", number, &random),
                quantity: 1, expiry: number % 4 == 0 ? .after(milliseconds: 1) : .standard,
                channel: number % 5 == 0 ? "web" : nil)
            let body: Command.Body =
                number % 2 == 0
                ? .reserve(reserve) : .receive(warehouse: warehouse, quantity: 1, reference: reference)
            effects.removeAll()
            _ = stock.handle(
                Command(id: Self.id("c", number, &random), sku: "A", body: body),
                at: Timestamp(milliseconds: Int64(number)),
                source: Source(partition: 0, offset: Int64(number)), into: &effects)
            ledger.append(effects.entries)
            let remembered = stock.rememberedEntries
            let wanted = ledger.suffix(count).flatMap { $0 }
            try #require(stock.dedupeWindowCount == min(number, count))
            try #require(remembered.map(\.sequence) == wanted.map(\.sequence), "after \(number)")
            for (found, entry) in zip(remembered, wanted) {
                try #require(found.source == entry.source && found.at == entry.at && found.sku == entry.sku)
                try #require(found.movement == entry.movement)
                // What else a refusal tells follows from its command.
                if entry.movement != .rejection {
                    try #require(found.quantity == entry.quantity && found.remaining == entry.remaining)
                    try #require(found.warehouse == entry.warehouse)
                }
                if entry.isOwn {
                    try #require(found.commandID == entry.commandID && found.commandHash == entry.commandHash)
                } else {
                    try #require(found.reservationID == entry.reservationID && found.orderID == entry.orderID)
                    try #require(found.channel == entry.channel)
                }
            }
        }
    }

    @Test(
        "The longest decision is remembered: a late confirm that takes units in all warehouses of a SKU, whose names are long and of which there are many"
    )
    func longestDecision() {
        var stock = Stock()
        var effects = Effects()
        var (offset, now): (Int64, Int64) = (0, 1_000)
        func handle(_ sku: ID, _ body: Command.Body, as id: ID? = nil) -> Outcome {
            effects.removeAll()
            offset += 1
            return stock.handle(
                Command(id: id ?? "c\(offset)", sku: sku, body: body), at: Timestamp(milliseconds: now),
                source: Source(partition: 0, offset: offset), into: &effects)
        }
        // Names of channels, until no name has a number any more.
        _ = handle("A", .receive(warehouse: "BER", quantity: 5_000, reference: nil))
        for number in 0..<4_200 {
            let reserve = Command.Reserve(
                reservationID: "r\(number)", orderID: "o", quantity: 1, channel: "channel\(number)")
            _ = handle("A", .reserve(reserve))
            _ = handle("A", .confirm(reservationID: "r\(number)", quantity: nil))
        }
        for number in 0..<Limits.warehousesPerSKU {
            let name = Self.id(number, Limits.idBytes)
            _ = handle("B", .receive(warehouse: name, quantity: 1, reference: nil))
        }
        let units = Int64(Limits.warehousesPerSKU)
        let reserve = Command.Reserve(
            reservationID: "r", orderID: "o", quantity: units, expiry: .after(milliseconds: 1))
        #expect(handle("B", .reserve(reserve)).kind == .reserved)
        now += 10
        let confirm = Command.Body.confirm(reservationID: "r", quantity: nil)
        let first = handle("B", confirm, as: "late")
        #expect(first.isReacquired && first.allocations.count == Limits.warehousesPerSKU)
        var again = handle("B", confirm, as: "late")
        #expect(again.isDuplicate)
        again.isDuplicate = false
        #expect(again == first)
    }

    @Test("Places with one hash are told apart, also when one of them goes")
    func collisions() {
        var index = PlaceIndex()
        for place in 0..<100 { index.insert(7, place) }
        for place in stride(from: 0, to: 100, by: 3) { index.remove(7, place) }
        for place in 0..<100 {
            #expect((index.place(7) { $0 == place } != nil) == (place % 3 != 0))
        }
        #expect(index.place(8) { _ in true } == nil)
    }
}
