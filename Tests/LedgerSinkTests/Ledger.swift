import InventoryCore
import InventoryWire
import LedgerSink

/// Entries for tests, decided by the core.
enum Ledger {
    /// Receives 5; reserves 1 and 2; ships the 1; releases the 2; refuses 9; reserves 3 under the id of the
    /// reservation that was released.
    static let story = entries(
        [
            .receive(warehouse: "BER", quantity: 5, reference: "note"), reserve("r1", 1), reserve("r2", 2),
            .confirm(reservationID: "r1", quantity: nil), .release(reservationID: "r2", quantity: nil),
            reserve("r9", 9), reserve("r2", 3),
        ], remembered: 1)

    /// Every movement there is: splits, backorders, late payments, damage, transfers, policies and a new
    /// generation.
    static let everything = entries([
        .setPolicy(warehouse: nil, Policy(safetyStock: 1, backorderLimit: 9, strategy: .priority)),
        .setPolicy(
            warehouse: "HAM",
            Policy(safetyStock: 0, reorderPoint: 2, channels: [ChannelShare(channel: "web", quantity: 2)])),
        .receive(warehouse: "BER", quantity: 5, reference: nil),
        .receive(warehouse: "HAM", quantity: 4, reference: nil),
        reserve("split", 6), reserve("waits", 4, channel: "web"), reserve("late", 2, ttl: 20),
        .confirm(reservationID: "split", quantity: 5),
        .return(Command.Return(warehouse: "BER", quantity: 9, orderID: "o")),
        .return(Command.Return(warehouse: "BER", quantity: 1, condition: .damaged)),
        .extend(reservationID: "split", expiry: .after(milliseconds: 90_000)),
        .confirm(reservationID: "late", quantity: nil),
        .damage(warehouse: "HAM", quantity: 1, reference: "fork lift"),
        .adjust(
            Command.Adjust(
                warehouse: "BER", change: .count(2, expected: nil), reasonCode: .other, note: "water")),
        .receive(warehouse: "BER", quantity: 9, reference: nil),
        .transferDispatch(
            Command.TransferDispatch(
                transferID: "t1", from: "BER", to: "MUC", quantity: 1,
                expectedAt: Timestamp(milliseconds: start + 1))),
        .transferDue(transferID: "t1"), .transferReceive(transferID: "t1", quantity: 0, damaged: 1),
        .transferDispatch(
            Command.TransferDispatch(transferID: "t2", from: "BER", to: "MUC", quantity: 3)),
        .transferReceive(transferID: "t2", quantity: 1, damaged: 0), .transferCancel(transferID: "t2"),
        reserve("moves", 3),
        .reallocate(
            reservationID: "moves",
            allocations: [
                Allocation(warehouse: "BER", quantity: 2), Allocation(warehouse: "MUC", quantity: 1),
            ]),
        .release(reservationID: "moves", quantity: 1), reserve("gone", 30), .retire,
    ])

    /// Many commands about few reservations, with backorders, splits, expiries and losses among them.
    static func random(seed: UInt64) -> [LedgerEntry] {
        var state = seed
        func draw(_ bound: Int) -> Int {
            // Knuth's multiplier for a linear congruential generator.
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let warehouses = ["BER", "HAM", "MUC"]
        func warehouse() -> String { warehouses[draw(3)] }
        var bodies: [Command.Body] = [.setPolicy(warehouse: nil, Policy(backorderLimit: 12))]
        for number in 0..<400 {
            let id = "r\(max(0, number / 6 - draw(8)))"
            let some = Int64(1 + draw(4))
            switch draw(12) {
            case 0, 1, 2, 3: bodies.append(reserve("r\(number / 6)", some, ttl: draw(4) == 0 ? 60 : 60_000))
            case 4, 5: bodies.append(.confirm(reservationID: ID(id), quantity: draw(2) == 0 ? 1 : nil))
            case 6: bodies.append(.release(reservationID: ID(id), quantity: draw(2) == 0 ? 1 : nil))
            case 7: bodies.append(.extend(reservationID: ID(id), expiry: .after(milliseconds: 50_000 + some)))
            case 8, 9: bodies.append(.receive(warehouse: ID(warehouse()), quantity: some, reference: nil))
            case 10: bodies.append(.damage(warehouse: ID(warehouse()), quantity: 1, reference: nil))
            default:
                let (from, to) = (draw(3), 1 + draw(2))
                bodies.append(
                    .transferDispatch(
                        Command.TransferDispatch(
                            transferID: "t\(number)", from: ID(warehouses[from]),
                            to: ID(warehouses[(from + to) % 3]), quantity: 1)))
                bodies.append(.transferReceive(transferID: "t\(number)", quantity: 1, damaged: 0))
            }
        }
        return entries(bodies)
    }

    static let start: Int64 = 1_790_000_000_000

    private static func reserve(
        _ id: ID, _ quantity: Int64, ttl: Int64 = 60_000, channel: ID? = nil
    ) -> Command.Body {
        .reserve(
            Command.Reserve(
                reservationID: id, orderID: "o", quantity: quantity, expiry: .after(milliseconds: ttl),
                channel: channel))
    }

    /// What the commands give when they come 10 ms apart, all for the SKU A but those about warehouses.
    static func entries(_ bodies: [Command.Body], remembered: Int = 1000) -> [LedgerEntry] {
        var stock = Stock(settings: Settings(dedupeCount: remembered))
        var chain = LedgerChain()
        var entries: [LedgerEntry] = []
        for (number, body) in bodies.enumerated() {
            var effects = Effects()
            var command = Command(id: "c\(number + 1)", sku: "A", body: body)
            if command.kind == .setWarehouse { command.sku = PartitionBook.sku(0) }
            _ = stock.handle(
                command, at: Timestamp(milliseconds: start + Int64(number) * 10),
                source: Source(partition: 0, offset: Int64(number)), into: &effects)
            let before = entries.last { $0.sku == command.sku }
            _ = chain.seal(&effects.entries, after: before?.chainHash ?? .origin)
            entries += effects.entries
        }
        return entries
    }

    /// What commands of several SKUs give when they come 10 ms apart.
    static func entries(of commands: [Command]) -> [LedgerEntry] {
        var stock = Stock()
        var chain = LedgerChain()
        var entries: [LedgerEntry] = []
        for (number, command) in commands.enumerated() {
            var effects = Effects()
            _ = stock.handle(
                command, at: Timestamp(milliseconds: start + Int64(number) * 10),
                source: Source(partition: 0, offset: Int64(number)), into: &effects)
            let last = chain.seal(&effects.entries, after: stock.chainHash(of: command.packedSKU))
            stock.seal(command.packedSKU, with: last)
            entries += effects.entries
        }
        return entries
    }

    static func receipt(_ sequence: Int64, _ quantity: Int64) -> LedgerEntry {
        entries([.receive(warehouse: "BER", quantity: quantity, reference: nil)])[0]
    }

    /// A refused reservation of 9 units.
    static func rejection(_ sequence: Int64, in warehouse: ID) -> LedgerEntry {
        var entry = story[5]
        entry.sequence = sequence
        entry.warehouse = warehouse
        return entry
    }

    /// These entries in partition 0, from offset 0.
    static func batch(_ entries: [LedgerEntry]) -> LedgerBatch {
        var batch = LedgerBatch(from: [0: 0])
        for (offset, entry) in entries.enumerated() {
            batch.add(LedgerRow(partition: 0, offset: Int64(offset), entry: entry))
        }
        return batch
    }
}
