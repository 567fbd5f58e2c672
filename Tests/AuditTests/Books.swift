import Audit
import InventoryCore
import InventoryWire
import StreamRuntime

/// The topics of one partition as live processing wrote them, in memory: for tests to change and to look at.
struct Books {
    var topics: [Topic: [AuditRecord]] = [:]
    private(set) var now: Int64 = 1_000_000

    subscript(topic: Topic) -> [AuditRecord] {
        get { topics[topic] ?? [] }
        set { topics[topic] = newValue }
    }

    /// Decides commands as a processor does, a transaction after every third.
    ///
    /// - Parameter before: called before each command.
    static func live(
        _ commands: [Command], step: Int64 = 7, from start: Int64 = 1_000_000,
        before: (inout Books, inout CommandProcessor, Command) throws -> Void = { _, _, _ in }
    ) throws -> Books {
        var books = Books()
        books.now = start
        var processor = CommandProcessor(stock: Stock(), partition: 0, ownsKey: { _ in true })
        for (number, command) in commands.enumerated() {
            try before(&books, &processor, command)
            try books.decide(command, &processor)
            books.now += step
            if number % 3 == 2 || number == commands.count - 1 {
                try processor.writeChangedLevels { topic, key, value in books.append(topic, key, value) }
            }
        }
        return books
    }

    private mutating func decide(_ command: Command, _ processor: inout CommandProcessor) throws {
        var writer = RecordWriter()
        writer.write(command: command)
        let key = command.sku.bytes
        let value = writer.withBytes { Array($0) }
        key.withUnsafeBytes { key in value.withUnsafeBytes { append(.commands, key, $0) } }
        let record = self[.commands].last!
        try key.withUnsafeBytes { key in
            try value.withUnsafeBytes { value in
                let log = LogRecord(
                    key: key, value: value, offset: record.offset, timestamp: record.timestamp)
                try processor.process(log) { topic, key, value in append(topic, key, value) }
            }
        }
    }

    mutating func append(_ topic: Topic, _ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?) {
        // Transaction markers take offsets, too.
        let offset = (self[topic].last?.offset ?? -1) + (self[topic].count % 5 == 4 ? 2 : 1)
        topics[topic, default: []].append(
            AuditRecord(
                partition: 0, offset: offset, timestamp: now, key: key.map { Array($0) },
                value: value.map { Array($0) }))
    }

    func cursor(_ topic: Topic, from offset: Int64 = 0) -> ArrayCursor {
        ArrayCursor(self[topic].filter { $0.offset >= offset })
    }

    /// After the last command.
    var cut: Int64 { (self[.commands].last?.offset ?? -1) + 1 }

    func streams(from offset: Int64 = 0, results: Int64? = 0) -> PartitionStreams {
        PartitionStreams(
            partition: 0,
            floors: PartitionStreams.Floors(commands: offset, results: results, letters: 0),
            commands: cursor(.commands, from: offset), ledger: cursor(.ledger), results: cursor(.results),
            letters: cursor(.deadLetters))
    }

    /// Changes one entry of the ledger.
    mutating func changeEntry(at index: Int, _ change: (inout LedgerEntry) -> Void) throws {
        var reader = RecordReader()
        var writer = RecordWriter()
        var entry = try self[.ledger][index].value!.withUnsafeBytes { try reader.ledgerEntry($0) }
        change(&entry)
        writer.write(entry: entry)
        topics[.ledger]![index].value = writer.withBytes { Array($0) }
    }

    func entry(at index: Int) throws -> LedgerEntry {
        var reader = RecordReader()
        return try self[.ledger][index].value!.withUnsafeBytes { try reader.ledgerEntry($0) }
    }
}

extension Books {
    /// With what a processor notes by itself: by how many partitions keys were placed, and offsets that nobody can read,
    /// each where no command stands.
    static func noted(_ commands: [Command]) throws -> Books {
        var isFirst = true
        return try live(commands) { books, processor, _ in
            let next = (books[.commands].last?.offset ?? -1) + 1
            if isFirst {
                let record = LogRecord(key: nil, value: nil, offset: next, timestamp: books.now)
                try processor.note(partitions: 4, at: record) { books.append($0, $1, $2) }
            }
            isFirst = false
            guard books[.commands].count % 5 == 4 else { return }
            let batch = UnreadableBatch(offsets: 1, reason: .damaged)
            try processor.skip(batch, from: next) { books.append($0, $1, $2) }
        }
    }

    /// Where entries of the ledger step over what cannot be read.
    func skips() throws -> [Int] {
        try self[.ledger].indices.filter { try entry(at: $0).movement == .skip }
    }

    /// What could not be read can be read by now.
    mutating func heal() throws {
        for place in try skips() {
            let offset = try entry(at: place).source.offset
            var record = self[.commands][0]
            record.offset = offset
            self[.commands].insert(record, at: self[.commands].firstIndex { $0.offset > offset }!)
        }
    }
}

final class ArrayCursor: RecordCursor {
    private var records: ArraySlice<AuditRecord>

    init(_ records: [AuditRecord]) { self.records = records[...] }

    func next() -> AuditRecord? { records.popFirst() }
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Commands of every kind over few SKUs, with ids that come again.
func commands(_ count: Int, seed: UInt64) -> [Command] {
    var random = SplitMix(state: seed)
    func units(_ most: Int64) -> Int64 { .random(in: 1...most, using: &random) }
    func warehouse() -> String { ["BER", "HAM", "MUC"].randomElement(using: &random)! }
    return (0..<count).map { number in
        let group = Int.random(in: 0..<6, using: &random)
        let sku = "SKU-\(group)"
        let id = "r\(group)-\(max(0, number / 12 - Int.random(in: 0..<3, using: &random)))"
        let transfer = "t\(number / 40)"
        var command = Command(id: "c\(number)", sku: ID(sku), body: .retire)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<20: command.body = .receive(warehouse: ID(warehouse()), quantity: units(6), reference: nil)
        case 20..<55:
            command.body = .reserve(
                Command.Reserve(
                    reservationID: "r\(group)-\(number / 12)", orderID: "o\(number % 9)", quantity: units(5),
                    expiry: .after(milliseconds: units(600)), channel: number % 4 == 0 ? "web" : nil))
        case 55..<68: command.body = .confirm(reservationID: ID(id), quantity: nil)
        case 68..<72: command.body = .release(reservationID: ID(id), quantity: 1)
        case 72..<82: command.body = .damage(warehouse: ID(warehouse()), quantity: units(3), reference: nil)
        case 82..<85:
            command.body = .setPolicy(
                warehouse: nil, Policy(safetyStock: 1, reorderPoint: 4, rearmPoint: 6, backorderLimit: 8))
        case 85..<87:
            command.body = .setPolicy(
                warehouse: number % 2 == 0 ? "HAM" : "MUC",
                Policy(reorderPoint: 3, channels: [ChannelShare(channel: "web", quantity: units(4))]))
        case 87..<90:
            command.body = .transferDispatch(
                Command.TransferDispatch(transferID: ID(transfer), from: "BER", to: "HAM", quantity: 1))
        case 90..<93:
            command.body = .transferReceive(transferID: ID(transfer), quantity: 1, damaged: 0)
        case 93..<95: command.body = .extend(reservationID: ID(id), expiry: .after(milliseconds: 300))
        case 95..<97: command.id = "c\(number / 2)"
        case 97..<98:
            command.sku = PartitionBook.sku(0)
            command.body = .setWarehouse(Warehouse(id: "MUC", priority: 2, isActive: number % 2 == 0))
        default: break
        }
        return command
    }
}

/// The key of a record of `stock.reservations` or `stock.transfers`.
func ownedKey(_ name: OwnedID) -> [UInt8] {
    var key = OwnedKey()
    key.set(name)
    return key.withBytes { Array($0) }
}
