import Foundation
import InventoryCore
import InventoryWire
import Testing

/// The folder `topics/`: what other programs rely on.
enum Contract {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "topics")

    /// The records of a folder by name; a final line feed is the file's and not the record's.
    static func records(_ topic: Topic, _ kind: String) throws -> [String: [UInt8]] {
        let files = try FileManager.default.contentsOfDirectory(
            at: folder.appending(path: "\(topic.rawValue)/\(kind)"), includingPropertiesForKeys: nil)
        var records: [String: [UInt8]] = [:]
        for file in files {
            var bytes = [UInt8](try Data(contentsOf: file))
            if bytes.last == 0x0A { bytes.removeLast() }
            records[file.deletingPathExtension().lastPathComponent] = bytes
        }
        return records
    }

    static func schema(_ topic: Topic) throws -> JSONSchema {
        let file = folder.appending(path: "\(topic.rawValue)/schema.json")
        return JSONSchema(try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: file)))
    }

    static func json(_ bytes: [UInt8]) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
    }
}

/// The words that the golden records stand for: a day of one SKU, and what the core makes of it.
private enum Words {
    static let nine = Timestamp(milliseconds: 1_795_510_800_000)
    static let quarterPast = Timestamp(milliseconds: 1_795_511_700_000)
    static let source = Source(partition: 3, offset: 42)
    static let sku: ID = "TEA-250"

    private static func reserve(_ id: ID, _ quantity: Int64) -> Command.Reserve {
        Command.Reserve(
            reservationID: id, orderID: "o-1", quantity: quantity, expiry: .after(milliseconds: 60_000))
    }

    private static func command(_ number: Int, _ body: Command.Body, sku: ID = Words.sku) -> Command {
        Command(id: "c-\(number)", sku: sku, body: body)
    }

    /// An example of each command.
    static let commands: [String: Command] = {
        var everything = reserve("r-1", 12)
        everything.strategy = .nearest
        everything.allowPartial = true
        everything.allowSplit = false
        everything.allowBackorder = false
        everything.channel = "web"
        everything.shipTo = Point(latitude: 53_550_000, longitude: -9_990_001)
        everything.deliverWithinHours = 48
        var named = reserve("r-1", 2)
        named.warehouse = "BER"
        named.expiry = .at(quarterPast)
        var plain = reserve("r-1", 2)
        plain.expiry = .standard
        var byCount = Command.Adjust(
            warehouse: "BER", change: .count(8, expected: 10), reasonCode: .other, note: "water in aisle 3")
        byCount.reference = "count 2026-11"
        return [
            "reserve": command(1, .reserve(plain)),
            "reserve.from_warehouse_until": command(2, .reserve(named)),
            "reserve.with_everything": command(3, .reserve(everything)),
            "confirm": command(4, .confirm(reservationID: "r-1", quantity: nil)),
            "confirm.part": command(5, .confirm(reservationID: "r-1", quantity: 1)),
            "confirm.warehouse": command(
                5, .confirm(reservationID: "r-1", quantity: 1, warehouse: "BER")),
            "release": command(6, .release(reservationID: "r-1", quantity: nil)),
            "release.part": command(7, .release(reservationID: "r-1", quantity: 1)),
            "extend": command(8, .extend(reservationID: "r-1", expiry: .after(milliseconds: 900_000))),
            "expire": command(9, .expire(reservationID: "r-1")),
            "receive": command(10, .receive(warehouse: "BER", quantity: 10, reference: nil)),
            "receive.with_reference": Command(
                id: "c-\"4\"\\", sku: "Tee-grün-茶",
                body: .receive(warehouse: "BER", quantity: 1_000_000_000, reference: "note 17/2026")),
            "receive.generation": Command(
                id: "c-11", sku: sku, generation: 2,
                body: .receive(warehouse: "BER", quantity: 10, reference: nil)),
            "receive.issued": Command(
                id: "c-29", sku: sku, issuedAt: nine,
                body: .receive(warehouse: "BER", quantity: 10, reference: nil)),
            "return": command(
                12, .return(Command.Return(warehouse: "BER", quantity: 1, orderID: "o-1"))),
            "return.damaged": command(
                13, .return(Command.Return(warehouse: "BER", quantity: 1, condition: .damaged))),
            "damage": command(14, .damage(warehouse: "BER", quantity: 2, reference: "fork lift")),
            "adjust": command(
                15, .adjust(Command.Adjust(warehouse: "BER", change: .delta(-2), reasonCode: .stolen))),
            "adjust.count": command(16, .adjust(byCount)),
            "adjust.damaged": command(
                17,
                .adjust(
                    Command.Adjust(
                        warehouse: "BER", change: .count(0, expected: nil), condition: .damaged,
                        reasonCode: .writeOff))),
            "transfer_dispatch": command(
                18,
                .transferDispatch(
                    Command.TransferDispatch(
                        transferID: "t-1", from: "BER", to: "HAM", quantity: 4, expectedAt: quarterPast))),
            "transfer_receive": command(19, .transferReceive(transferID: "t-1", quantity: 2, damaged: 1)),
            "transfer_cancel": command(20, .transferCancel(transferID: "t-1")),
            "transfer_due": command(21, .transferDue(transferID: "t-1")),
            "reallocate": command(
                22,
                .reallocate(
                    reservationID: "r-1",
                    allocations: [
                        Allocation(warehouse: "HAM", quantity: 1), Allocation(warehouse: "MUC", quantity: 1),
                    ])),
            "set_policy": command(
                23,
                .setPolicy(
                    warehouse: nil,
                    Policy(
                        safetyStock: 2, reorderPoint: 10, rearmPoint: 12, reorderUpTo: 50,
                        countsInTransit: true,
                        backorderLimit: 20, strategy: .fewestSplits, unitsPerOrder: 5))),
            "set_policy.warehouse": command(
                24,
                .setPolicy(
                    warehouse: "BER",
                    Policy(safetyStock: 1, channels: [ChannelShare(channel: "web", quantity: 4)]))),
            "set_policies": command(
                28,
                .setPolicies(
                    PublishedPolicies(
                        policy: Policy(safetyStock: 2, reorderPoint: 10),
                        warehouses: [
                            WarehousePolicy(
                                warehouse: "BER",
                                policy: Policy(channels: [ChannelShare(channel: "web", quantity: 4)]))
                        ]))),
            "set_policies.none": command(29, .setPolicies(PublishedPolicies())),
            "retire": command(25, .retire),
            "set_warehouse": command(26, .setWarehouse(warehouse), sku: PartitionBook.sku(3)),
            "set_warehouse.withdrawn": command(
                26, .setWarehouse(Warehouse(id: "BER", isActive: false), isWithdrawn: true),
                sku: PartitionBook.sku(3)),
            "set_settings": command(27, .setSettings(settings), sku: PartitionBook.sku(3)),
            "set_settings.earlier_log": command(
                28, .setSettings(Settings(dedupeCount: 65_536, earlierLog: .follows)),
                sku: PartitionBook.sku(3)),
        ]
    }()

    static let warehouse = Warehouse(
        id: "BER", location: Point(latitude: 52_520_000, longitude: 13_405_000), priority: 1,
        handlingHours: 4, kilometresPerHour: 50, isActive: true)

    static let settings = Settings(
        defaultTTL: 600_000, shortestTTL: 1_000, longestTTL: 3_600_000, dedupeCount: 100_000,
        dedupeAge: 3_600_000, strategy: .nearest)

    /// What a day of commands gives.
    struct Day {
        var entries: [LedgerEntry] = []
        var alerts: [Alert] = []
        var outcomes: [(Outcome, Source)] = []
        var levels: [LevelsSnapshot] = []
        var reservations: [ReservationSnapshot] = []
        var transfers: [TransferSnapshot] = []
    }

    private static func channelled(_ id: ID, _ quantity: Int64) -> Command.Body {
        var reserve = reserve(id, quantity)
        reserve.channel = "web"
        return .reserve(reserve)
    }

    private static func partial(_ id: ID, _ quantity: Int64) -> Command.Body {
        var reserve = reserve(id, quantity)
        reserve.allowPartial = true
        reserve.allowBackorder = false
        reserve.allowSplit = false
        return .reserve(reserve)
    }

    private static func named(_ id: ID, _ quantity: Int64) -> Command.Body {
        var reserve = reserve(id, quantity)
        reserve.warehouse = "BER"
        return .reserve(reserve)
    }

    private static let bodies: [(at: Int64, body: Command.Body)] = [
        (
            0,
            .setPolicy(
                warehouse: nil,
                Policy(safetyStock: 1, reorderPoint: 4, rearmPoint: 6, reorderUpTo: 20, backorderLimit: 9))
        ),
        (
            0,
            .setPolicy(
                warehouse: "HAM",
                Policy(safetyStock: 0, reorderPoint: 1, channels: [ChannelShare(channel: "web", quantity: 2)])
            )
        ),
        (1, .receive(warehouse: "BER", quantity: 5, reference: "note 17/2026")),
        (2, .receive(warehouse: "HAM", quantity: 4, reference: nil)),
        (3, .reserve(reserve("r-1", 6))), (4, channelled("r-2", 4)), (5, partial("r-3", 1)),
        (6, .return(Command.Return(warehouse: "BER", quantity: 5, orderID: "o-0"))),
        (7, .return(Command.Return(warehouse: "HAM", quantity: 1, condition: .damaged))),
        (8, partial("r-4", 9)), (9, .confirm(reservationID: "r-1", quantity: 4)),
        (10, .extend(reservationID: "r-1", expiry: .after(milliseconds: 90_000))),
        (11, .release(reservationID: "r-4", quantity: 1)),
        (12, .release(reservationID: "r-4", quantity: nil)),
        (13, named("r-5", 1)), (14, .damage(warehouse: "HAM", quantity: 2, reference: "fork lift")),
        (15, .adjust(Command.Adjust(warehouse: "BER", change: .delta(3), reasonCode: .found))),
        (
            16,
            .adjust(
                Command.Adjust(
                    warehouse: "BER", change: .count(0, expected: nil), reasonCode: .other,
                    note: "water in aisle 3", reference: "count 2026-11"))
        ),
        (17, .receive(warehouse: "BER", quantity: 20, reference: nil)),
        (
            18,
            .transferDispatch(
                Command.TransferDispatch(
                    transferID: "t-1", from: "BER", to: "HAM", quantity: 4,
                    expectedAt: Timestamp(milliseconds: nine.milliseconds + 20)))
        ),
        (21, .transferDue(transferID: "t-1")),
        (22, .transferReceive(transferID: "t-1", quantity: 1, damaged: 1)),
        (23, .transferCancel(transferID: "t-1")),
        (24, .receive(warehouse: "HAM", quantity: 3, reference: nil)),
        (24, .reserve(reserve("r-6", 2))),
        (
            25,
            .reallocate(
                reservationID: "r-6",
                allocations: [
                    Allocation(warehouse: "HAM", quantity: 1), Allocation(warehouse: "BER", quantity: 1),
                ])
        ),
        (70_000, .expire(reservationID: "r-6")), (70_001, .confirm(reservationID: "r-6", quantity: nil)),
    ]

    private static let empty: [(at: Int64, body: Command.Body)] = [
        (0, .retire), (1, .receive(warehouse: "BER", quantity: 3, reference: nil)),
    ]

    private static let low: [(at: Int64, body: Command.Body)] = [
        (0, .receive(warehouse: "BER", quantity: 5, reference: nil)),
        (1, .setPolicy(warehouse: nil, Policy(reorderPoint: 2, reorderUpTo: 10))),
        (2, .setPolicy(warehouse: "BER", Policy(reorderPoint: 2, reorderUpTo: 10))),
        (3, .reserve(reserve("r-7", 3))),
    ]

    private static let placed = Settings(dedupeCount: 65_536, partitions: 6)
    private static let book: [(at: Int64, body: Command.Body)] = [
        (0, .setWarehouse(warehouse)), (1, .setSettings(settings)), (2, .skip(offsets: 3, .compression)),
        (3, .setSettings(placed)),
    ]

    /// A partition that was grown from none that had any entries.
    private static let grown: [(at: Int64, body: Command.Body)] = [
        (0, .setSettings(Settings(dedupeCount: 65_536, earlierLog: .follows))),
        (1, .setSettings(Settings(dedupeCount: 65_536, earlierLog: .ended))),
    ]

    /// A product whose only warehouse closes.
    private static let closing: [(at: Int64, body: Command.Body)] = [
        (0, .receive(warehouse: "BER", quantity: 5, reference: nil)),
        (1, .setPolicies(PublishedPolicies(policy: Policy(reorderPoint: 2, reorderUpTo: 10)))),
        (2, .setWarehouse(closed)),
    ]
    private static let closed = Warehouse(id: "BER", isActive: false)

    private static func day(_ sku: ID, _ bodies: [(at: Int64, body: Command.Body)]) -> Day {
        var stock = Stock()
        var chain = LedgerChain()
        var day = Day()
        for (number, (at, body)) in bodies.enumerated() {
            var effects = Effects()
            let source = Source(partition: 3, offset: Int64(number))
            var command = Command(id: "c-\(number + 1)", sku: sku, body: body)
            if command.kind == .skip { command.id = PartitionBook.skipNote(from: source.offset) }
            if command.kind == .setWarehouse { command.sku = PartitionBook.sku(3) }
            let outcome = stock.handle(
                command, at: Timestamp(milliseconds: nine.milliseconds + at), source: source, into: &effects)
            let hash = chain.seal(&effects.entries, after: stock.chainHash(of: command.sku))
            stock.seal(command.sku, with: hash)
            day.entries += effects.entries
            day.alerts += effects.alerts
            day.outcomes.append((outcome, source))
            day.levels += stock.allLevels
            day.reservations += stock.allReservations
            day.transfers += stock.allTransfers
        }
        return day
    }

    static let days = [
        day(sku, bodies), day("TEA-500", empty), day(PartitionBook.sku(3), book), day("TEA-1000", low),
        day(PartitionBook.sku(3), grown), day("TEA-2000", closing),
    ]

    /// The first of each name.
    private static func named<Word>(_ words: [Word], _ name: (Word) -> String) -> [String: Word] {
        Dictionary(words.map { (name($0), $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Which command each rejection refuses in the golden records.
    static func refused(_ reason: Rejection) -> CommandKind {
        switch reason {
        case .commandIDConflict, .commandTooOld, .generationMismatch, .skuRetired, .reservationIDConflict,
            .expiryOutOfRange,
            .warehouseInactive, .orderLimitExceeded, .deliveryTooLate, .splitRequired, .insufficientStock:
            .reserve
        case .reservationNotFound, .reservationExpired, .reservationReleased, .reservationLost,
            .quantityExceedsReserved, .backorderUnfilled:
            .confirm
        case .reservationConfirmed: .release
        case .transferIDConflict: .transferDispatch
        case .transferNotFound, .transferEnded, .quantityExceedsTransfer: .transferReceive
        case .allocationMismatch: .reallocate
        case .expectedMismatch, .onHandBelowZero: .adjust
        case .onHandLimitExceeded, .warehouseLimitExceeded: .receive
        case .skuInUse: .retire
        }
    }

    private static func rejection(_ reason: Rejection) -> LedgerEntry {
        let command = refused(reason)
        var entry = LedgerEntry(
            sku: sku, sequence: 9, movement: .rejection, at: nine, source: source, command: command,
            commandID: "c-1", commandHash: 0x0123_4567_89AB_CDEF, quantity: 0, reason: reason)
        switch command {
        case .receive: (entry.warehouse, entry.quantity) = ("BER", 1_000_000_000)
        case .reserve:
            (entry.reservationID, entry.orderID, entry.quantity) = ("r-1", "o-1", 2)
            if reason == .insufficientStock || reason == .warehouseInactive { entry.warehouse = "BER" }
        case .transferDispatch:
            (entry.transferID, entry.warehouse, entry.counterpart) = ("t-1", "BER", "HAM")
            entry.quantity = 4
        case .transferReceive: (entry.transferID, entry.quantity) = ("t-1", 2)
        case .adjust:
            (entry.warehouse, entry.quantity, entry.reasonCode) = ("BER", 2, .stolen)
        case .retire: break
        default: entry.reservationID = "r-1"
        }
        return entry
    }

    static let entries: [String: LedgerEntry] = {
        var entries = named(days.flatMap(\.entries).filter { $0.movement != .rejection }) { entry in
            switch (entry.movement, entry.warehouse) {
            case (.setPolicy, .some): "set_policy.warehouse"
            case (.expire, nil), (.release, nil): "\(entry.movement.rawValue).backordered"
            case (.backorder, .some): "backorder.named"
            case (.setWarehouse, _) where entry.details == .warehouse(closed, isSwitch: true):
                "set_warehouse.switched"
            case (.setSettings, _) where entry.beginsEarlierLog: "set_settings.earlier_log"
            case (.setSettings, _) where entry.endsEarlierLog: "set_settings.earlier_log.ended"
            case (.setSettings, _) where entry.details == .settings(placed): "set_settings.partitions"
            default: entry.movement.rawValue + (entry.channel == nil ? "" : ".channel")
            }
        }
        for reason in Rejection.allCases { entries["rejection.\(reason.rawValue)"] = rejection(reason) }
        return entries
    }()

    static let outcomes: [String: Outcome] = {
        var outcomes = named(
            days.flatMap(\.outcomes).filter { $0.0.kind != .rejected && $0.0.command != .skip }.map(\.0)
        ) {
            $0.isReacquired
                ? "confirmed.reacquired" : $0.kind.rawValue + ($0.channel == nil ? "" : ".channel")
        }
        var duplicate = outcomes["reserved"]!
        duplicate.isDuplicate = true
        outcomes["reserved.duplicate"] = duplicate
        for noOp in NoOp.allCases {
            var ignored = Outcome(
                kind: .ignored,
                command: noOp == .nothingLaidDown
                    ? .setPolicies : noOp == .alreadyTold ? .transferDue : .expire, commandID: "c-1",
                sku: sku, noOp: noOp, expiresAt: noOp == .notDue ? quarterPast : nil, at: nine)
            if noOp == .alreadyTold {
                ignored.transferID = "t-1"
            } else if noOp != .nothingLaidDown {
                ignored.reservationID = "r-1"
            }
            outcomes["ignored.\(noOp.rawValue)"] = ignored
        }
        for entry in entries.values {
            guard let reason = entry.reason else { continue }
            var rejected = Outcome(
                kind: .rejected, command: entry.command, commandID: "c-1", sku: sku, rejection: reason,
                reservationID: entry.reservationID, orderID: entry.orderID, transferID: entry.transferID,
                warehouse: entry.warehouse, quantity: entry.quantity, sequence: 9, at: nine)
            rejected.isRefundRequired =
                reason == .reservationExpired || reason == .reservationReleased || reason == .reservationLost
            outcomes["rejected.\(reason.rawValue)"] = rejected
        }
        return outcomes
    }()

    static let notices: [String: Notice] = named(days.flatMap(\.entries).compactMap { Notice(of: $0) }) {
        "notice.\($0.kind.rawValue)"
    }

    static let alerts: [String: Alert] = named(days.flatMap(\.alerts)) {
        $0.kind.rawValue + ($0.warehouse == nil || $0.transferID != nil ? "" : ".warehouse")
            + ($0.bookSequence == nil ? "" : ".switched")
    }

    static let levels: [String: LevelsSnapshot] = {
        var levels = [
            "levels": days[0].levels[6], "levels.alert": days[0].levels[5], "retired": days[1].levels[0],
            "generation": days[1].levels[1], "partition": days[2].levels[1],
            "partition.grown": days[4].levels[1], "partition.placed": days[2].levels[3],
        ]
        levels["levels.closed"] = days[5].levels.last
        levels["levels.none"] = LevelsSnapshot(sku: sku, sequence: 1, levels: [])
        return levels
    }()

    static let reservations: [String: ReservationSnapshot] = named(days[0].reservations) { live in
        if live.isExtended { return "extended" }
        if !live.allowSplit { return "unsplit" }
        if live.warehouse != nil { return "named" }
        return live.backordered > 0 ? "backordered" : "reservation"
    }

    static let warehouses = [
        "warehouse": WarehouseRecord(
            warehouse: warehouse, name: "Berlin Großbeeren", timezone: "Europe/Berlin"),
        "warehouse.closed": WarehouseRecord(warehouse: Warehouse(id: "HAM", isActive: false)),
    ]

    static let products = [
        "product": ProductRecord(
            sku: sku, name: "Darjeeling First Flush, 250 g", description: "Loose leaf.\nIn a tin.",
            weightGrams: 310, dimensions: ProductRecord.Dimensions(length: 120, width: 80, height: 160),
            policy: Policy(safetyStock: 2, reorderPoint: 10, backorderLimit: 20),
            warehousePolicies: [
                ProductRecord.WarehousePolicy(
                    warehouse: "BER",
                    policy: Policy(channels: [ChannelShare(channel: "web", quantity: 4)]))
            ]),
        "product.plain": ProductRecord(sku: sku, name: "Darjeeling"),
    ]

    static let transfers: [String: TransferSnapshot] = named(days[0].transfers) {
        $0.isOverdue ? "overdue" : "transfer"
    }
}

@Suite("The contract of the topics")
struct ContractTests {
    private func bytes(_ write: (inout RecordWriter) -> Void) -> [UInt8] {
        var writer = RecordWriter()
        write(&writer)
        return writer.withBytes { Array($0) }
    }

    /// Golden records are written byte for byte and read back, and there are none that no word stands for.
    private func hold<Word: Equatable>(
        _ topic: Topic, _ words: [String: Word], besides: Set<String> = [],
        write: (inout RecordWriter, Word) -> Void,
        read: (inout RecordReader, UnsafeRawBufferPointer, Word) throws -> Word
    ) throws {
        let golden = try Contract.records(topic, "golden")
        #expect(Set(golden.keys) == Set(words.keys).union(besides), "\(topic.rawValue): golden records")
        var reader = RecordReader()
        for (name, word) in words {
            let record = try #require(golden[name], "\(topic.rawValue)/golden/\(name).json is missing")
            let written = bytes { write(&$0, word) }
            #expect(
                String(decoding: written, as: UTF8.self) == String(decoding: record, as: UTF8.self),
                "\(topic.rawValue) \(name)")
            let found = try record.withUnsafeBytes { try read(&reader, $0, word) }
            #expect(found == word, "\(topic.rawValue) \(name)")
        }
    }

    @Test("Every command is written as its golden record, and read from it")
    func commands() throws {
        try hold(
            .commands, Words.commands, write: { $0.write(command: $1) },
            read: { reader, value, word in
                try word.sku.bytes.withUnsafeBytes { try reader.command(key: $0, value: value) }
            })
        #expect(Set(Words.commands.values.map(\.kind)) == Set(CommandKind.sent))
    }

    @Test("Every outcome and every reason is written as its golden record, and read from it")
    func results() throws {
        try hold(
            .results, Words.outcomes, besides: Set(Words.notices.keys),
            write: { $0.write(outcome: $1, source: Words.source) },
            read: { reader, value, _ in
                let (outcome, source) = try reader.outcome(value)
                #expect(source == Words.source)
                #expect(try reader.notice(value) == nil)
                return outcome
            })
        #expect(Set(Words.outcomes.values.map(\.kind)) == Set(Outcome.Kind.allCases))
        #expect(Set(Words.outcomes.values.compactMap(\.rejection)) == Set(Rejection.allCases))
        #expect(Set(Words.outcomes.values.compactMap(\.noOp)) == Set(NoOp.allCases))
    }

    @Test("Every notice is written as its golden record, and read from it, and is no result")
    func notices() throws {
        try hold(
            .results, Words.notices, besides: Set(Words.outcomes.keys), write: { $0.write(notice: $1) },
            read: { reader, value, word in
                #expect(throws: DecodingFailure.self) { _ = try reader.outcome(value) }
                return try #require(try reader.notice(value))
            })
        #expect(Set(Words.notices.values.map(\.kind)) == Set(Notice.Kind.allCases))
    }

    @Test("Every alert is written as its golden record, and read from it")
    func alerts() throws {
        try hold(
            .alerts, Words.alerts, write: { $0.write(alert: $1) },
            read: { reader, value, _ in try reader.alert(value) })
        #expect(Set(Words.alerts.values.map(\.kind)) == Set(Alert.Kind.allCases))
    }

    @Test("Every movement and every rejection is written as its golden record, and read from it")
    func ledger() throws {
        try hold(
            .ledger, Words.entries, write: { $0.write(entry: $1) },
            read: { reader, value, _ in try reader.ledgerEntry(value) })
        #expect(Set(Words.entries.values.map(\.movement)) == Set(Movement.allCases))
    }

    @Test("Levels, reservations and transfers are written as their golden records, and read from them")
    func levelsAndReservations() throws {
        try hold(
            .levels, Words.levels, write: { $0.write(levels: $1) },
            read: { reader, value, _ in try reader.levels(value) })
        try hold(
            .reservations, Words.reservations, besides: ["tombstone"],
            write: { $0.write(reservation: $1) },
            read: { reader, value, _ in try reader.reservation(value) })
        #expect(try Contract.records(.reservations, "golden")["tombstone"] == [])
        try hold(
            .transfers, Words.transfers, besides: ["tombstone"], write: { $0.write(transfer: $1) },
            read: { reader, value, _ in try reader.transfer(value) })
        #expect(try Contract.records(.transfers, "golden")["tombstone"] == [])
    }

    @Test("Warehouses, products and settings are written as their golden records, and read from them")
    func published() throws {
        try hold(
            .warehouses, Words.warehouses, write: { $0.write(warehouse: $1) },
            read: { reader, value, word in
                try word.warehouse.id.bytes.withUnsafeBytes {
                    try reader.warehouse(key: $0, value: value)
                }
            })
        try hold(
            .products, Words.products, write: { $0.write(product: $1) },
            read: { reader, value, word in
                try word.sku.bytes.withUnsafeBytes { try reader.product(key: $0, value: value) }
            })
        try hold(
            .settings, ["settings": Words.settings], write: { $0.write(settings: $1) },
            read: { reader, value, _ in
                try Array(RecordReader.settingsKey.utf8).withUnsafeBytes {
                    try reader.settings(key: $0, value: value)
                }
            })
    }

    /// The letter that a record gets at partition 3, offset 42.
    private func letter(
        _ failure: DecodingFailure, key: [UInt8]?, value: [UInt8]?,
        limit: Int = RecordWriter.deadLetterBytes, at: Timestamp? = Words.nine
    ) -> [UInt8] {
        bytes { writer in
            (key ?? []).withUnsafeBytes { keyBytes in
                (value ?? []).withUnsafeBytes { valueBytes in
                    writer.write(
                        deadLetter: failure,
                        origin: RecordOrigin(topic: .commands, partition: 3, offset: 42, timestamp: at),
                        key: key == nil ? nil : keyBytes, value: value == nil ? nil : valueBytes,
                        limit: limit)
                }
            }
        }
    }

    private func failure(of value: [UInt8], key: String) throws -> DecodingFailure {
        var reader = RecordReader()
        var found: DecodingFailure?
        Array(key.utf8).withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                do throws(DecodingFailure) {
                    _ = try reader.command(key: key, value: value)
                } catch {
                    found = error
                }
            }
        }
        return try #require(found)
    }

    @Test("Each reason has a golden dead letter, which is what its hostile record becomes")
    func deadLetters() throws {
        let key = Array("A".utf8)
        var written: [String: [UInt8]] = [:]
        // One record of each reason: the last of them by name.
        for (name, record) in try Contract.records(.commands, "hostile").sorted(by: { $0.key < $1.key }) {
            let failure = try failure(of: record, key: "A")
            written[String(name.split(separator: ".")[0])] = letter(failure, key: key, value: record)
        }
        let wrong = DecodingFailure(
            .wrongPartition,
            "the key belongs into another partition than 3: publish with the murmur2 partitioner")
        written["wrong_partition"] = letter(
            wrong, key: key, value: try #require(Contract.records(.commands, "golden")["receive"]))
        for (reason, detail) in [
            (
                DecodingFailure.Reason.unknownOrder,
                "the order was not placed, not for long enough, or was forgotten"
            ),
            (.eventIDConflict, "event_id came before, with another content"),
            (.eventRefused, "the order has no line of a SKU that the event names"),
            (.unreadable, "the offsets 42 to 44 cannot be read (compression), and were stepped over"),
            (
                .issuedInFuture,
                "issued_at is 3600000 ms after the record's time, and at most 1000 ms are taken: the sender's clock is ahead"
            ),
        ] {
            written[reason.rawValue] = letter(
                DecodingFailure(reason, detail), key: key,
                value: try #require(Contract.records(.commands, "golden")["receive"]))
        }
        let large = [UInt8](repeating: 0x20, count: Limits.commandBytes + 1)
        written["too_large"] = letter(
            try failure(of: large, key: "A"), key: nil, value: large, limit: 400, at: nil)
        written["no_value"] = letter(
            DecodingFailure(.emptyValue, "the record has no value"), key: key, value: nil)

        let golden = try Contract.records(.deadLetters, "golden").filter { !$0.key.hasPrefix("redriven") }
        #expect(Set(golden.keys) == Set(written.keys))
        let reasons = Set(DecodingFailure.Reason.allCases.map(\.rawValue))
        #expect(Set(golden.keys) == reasons.union(["no_value"]))
        var reader = RecordReader()
        for (name, record) in golden {
            #expect(
                String(decoding: written[name] ?? [], as: UTF8.self)
                    == String(decoding: record, as: UTF8.self))
            let letter = try record.withUnsafeBytes { try reader.deadLetter($0) }
            #expect(letter.reason.rawValue == (name == "no_value" ? "empty_value" : name))
            #expect(letter.offset == 42 && letter.isTruncated == (name == "too_large"))
            #expect((letter.valueSHA256 != nil) == (name == "too_large"))
        }
    }

    @Test("A mark of a redriven letter is written and read as its golden record, and no letter is one")
    func redriveMarks() throws {
        let marks = [
            "redriven": RedriveMark(
                letterPartition: 3, letterOffset: 17, reason: .missingField, topic: "stock.commands",
                partition: 3, offset: 99, commandID: "c-1", isMended: false),
            "redriven_mended": RedriveMark(
                letterPartition: 0, letterOffset: 18, reason: .notAnObject, topic: "warehouses", partition: 0,
                offset: 7, isMended: true),
        ]
        var reader = RecordReader()
        for (name, record) in try Contract.records(.deadLetters, "golden") {
            let mark = try record.withUnsafeBytes { try reader.redriveMark($0) }
            #expect(mark == marks[name], "\(name)")
            guard let mark else { continue }
            #expect(bytes { $0.write(mark: mark) } == record, "\(name)")
            #expect(throws: DecodingFailure.self) {
                try record.withUnsafeBytes { try reader.deadLetter($0) }
            }
        }
    }

    @Test("A letter is whole as long as it fits into its topic, and cut with the hash of the whole beyond")
    func oversizedLetters() throws {
        var reader = RecordReader()
        let failure = DecodingFailure(.tooLarge, "too large")
        // As large as a record of stock.commands may be, key included.
        let largest = [UInt8](repeating: 0x41, count: Limits.commandBytes)
        let whole = letter(failure, key: Array("A".utf8), value: largest)
        #expect(whole.count <= RecordWriter.deadLetterBytes)
        let read = try whole.withUnsafeBytes { try reader.deadLetter($0) }
        #expect(read.value == largest && !read.isTruncated && read.valueSHA256 == nil)

        let keys: [[UInt8]?] = [nil, Array("A".utf8), [UInt8](repeating: 0x42, count: 2_000_000)]
        for key in keys {
            let value = [UInt8](repeating: 0x43, count: 3_000_000)
            let cut = letter(failure, key: key, value: value)
            #expect(cut.count <= RecordWriter.deadLetterBytes)
            let read = try cut.withUnsafeBytes { try reader.deadLetter($0) }
            #expect(read.isTruncated && read.valueBytes == 3_000_000 && read.value!.count > 1_000_000)
            // Computed with `head -c 3000000 /dev/zero | tr '\0' C | sha256sum`.
            #expect(read.valueSHA256 == Self.digestOfC)
            // The same with 2000000 and B.
            #expect(read.keySHA256 == (key?.count == 2_000_000 ? Self.digestOfB : nil))
        }
    }

    private static let digestOfC = "d08d09c405a45d200ac3b78f1789340b9e981aec901f69ee7db5531b6b306567"
    private static let digestOfB = "9b4545fb15923810ca1e025d78d3fe10a38cfc5c7b29011fec0920ecbd6dca58"

    @Test("Each schema accepts its golden records and names every field of theirs", arguments: Topic.allCases)
    func schemas(topic: Topic) throws {
        let schema = try Contract.schema(topic)
        let names = schema.names()
        for (name, record) in try Contract.records(topic, "golden") where !record.isEmpty {
            let value = try Contract.json(record)
            #expect(try schema.mistakes(in: value) == [], "\(topic.rawValue) \(name)")
            #expect(value.names().subtracting(names) == [], "\(topic.rawValue) \(name)")
            for field in schema.required {
                var less = value.object!
                less[field] = nil
                #expect(
                    try !schema.mistakes(in: .object(less)).isEmpty, "\(topic.rawValue) \(name) \(field)")
            }
        }
    }

    @Test("The schemas list the same words as the code")
    func words() throws {
        func list(_ topic: Topic, _ field: String) throws -> Set<String> {
            let file = Contract.folder.appending(path: "\(topic.rawValue)/schema.json")
            let root = try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: file))
            let property = root.object?["properties"]?.object?[field]
            return Set(try #require(property?.object?["enum"]?.array).compactMap(\.string))
        }
        let commands = Set(CommandKind.sent.map(\.rawValue))
        let rejections = Set(Rejection.allCases.map(\.rawValue))
        #expect(try list(.commands, "type") == commands)
        #expect(try list(.results, "type") == commands)
        #expect(try list(.ledger, "command") == commands.union(["skip"]))
        #expect(try list(.results, "outcome") == Set(Outcome.Kind.allCases.map(\.rawValue)))
        #expect(try list(.results, "reason") == rejections.union(NoOp.allCases.map(\.rawValue)))
        #expect(try list(.ledger, "reason") == rejections)
        #expect(try list(.ledger, "movement") == Set(Movement.allCases.map(\.rawValue)))
        #expect(try list(.results, "notice") == Set(Notice.Kind.allCases.map(\.rawValue)))
        #expect(try list(.alerts, "alert") == Set(Alert.Kind.allCases.map(\.rawValue)))
        #expect(try list(.ledger, "reason_code") == Set(ReasonCode.allCases.map(\.rawValue)))
        #expect(try list(.ledger, "condition") == Set(Condition.allCases.map(\.rawValue)))
        let reasons = DecodingFailure.Reason.allCases.map(\.rawValue)
        #expect(try list(.deadLetters, "reason") == Set(reasons))
    }

    @Test("README and the schema have an example of each command, and each is a golden record")
    func examples() throws {
        let golden = Set(try Contract.records(.commands, "golden").values)
        let readme = try String(
            contentsOf: Contract.folder.deletingLastPathComponent().appending(path: "README.md"),
            encoding: .utf8)
        let lines = readme.split(separator: "\n").map { $0.drop { $0 == " " } }
            .filter { $0.hasPrefix(#"{"command_id""#) }
        for line in lines { #expect(golden.contains(Array(line.utf8)), "\(line)") }
        let types = try lines.map { try Contract.json(Array($0.utf8)).object?["type"]?.string ?? "" }
        #expect(types == CommandKind.sent.map(\.rawValue))
        let file = Contract.folder.appending(path: "stock.commands/schema.json")
        let root = try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: file))
        let examples = try #require(root.object?["examples"]?.array)
        let records = try golden.map(Contract.json)
        for example in examples { #expect(records.contains(example)) }
        #expect(examples.compactMap { $0.object?["type"]?.string } == types)
    }

    @Test("The largest levels that there can be fit into their topic")
    func largestLevels() throws {
        struct Contents: Decodable { let settings: [String: String] }
        let file = Contract.folder.appending(path: "stock.levels/topic.json")
        let contents = try JSONDecoder().decode(Contents.self, from: Data(contentsOf: file))
        let limit = try #require(contents.settings["max.message.bytes"].flatMap { Int($0) })
        // A quotation mark takes two bytes in JSON, which is the most that a byte of an id can take.
        func id(_ number: Int) -> String {
            String(repeating: "\"", count: Limits.idBytes - 3) + "\(100 + number)"
        }
        let policy = Policy(
            safetyStock: Limits.onHand, reorderPoint: Limits.onHand, rearmPoint: Limits.onHand,
            reorderUpTo: Limits.onHand, countsInTransit: true,
            channels: (0..<Limits.channels).map { ChannelShare(channel: ID(id($0)), quantity: Limits.onHand) }
        )
        let level = Level(
            warehouse: ID(id(0)), onHand: Limits.onHand, reserved: Limits.onHand, inTransit: Limits.onHand,
            damaged: Limits.onHand, safetyStock: Limits.onHand, policy: policy,
            channels: (0..<Limits.channels).map {
                Channel(channel: ID(id($0)), setApart: Limits.onHand, reserved: Limits.onHand)
            }, alert: .low)
        let snapshot = LevelsSnapshot(
            sku: ID(id(0)), sequence: .max, generation: .max, backordered: Limits.onHand, alert: .low,
            policy: Policy(
                safetyStock: Limits.onHand, reorderPoint: Limits.onHand, rearmPoint: Limits.onHand,
                reorderUpTo: Limits.onHand, backorderLimit: Limits.onHand, strategy: .fewestSplits,
                unitsPerOrder: Limits.onHand),
            levels: Array(repeating: level, count: Limits.warehousesPerSKU))
        #expect(bytes { $0.write(levels: snapshot) }.count < limit - 1000)
        let warehouse = Warehouse(
            id: ID(id(0)), location: Point(latitude: -89_999_999, longitude: -179_999_999),
            priority: 1_000_000,
            handlingHours: 8760, kilometresPerHour: 1000, isActive: false)
        let book = LevelsSnapshot(
            sku: PartitionBook.sku(.max), sequence: .max, levels: [],
            book: .init(
                settings: Settings(), rememberedFrom: .max,
                warehouses: Array(repeating: warehouse, count: Limits.warehouses)))
        #expect(bytes { $0.write(levels: book) }.count < limit - 1000)
    }

    @Test("Hostile records are refused for the reason that their names begin with")
    func hostile() throws {
        var reader = RecordReader()
        var seen: Set<DecodingFailure.Reason> = []
        for (name, record) in try Contract.records(.commands, "hostile") {
            let reason = try #require(
                DecodingFailure.Reason(rawValue: String(name.split(separator: ".")[0])), "\(name)")
            seen.insert(reason)
            let found = [UInt8]("A".utf8).withUnsafeBytes { key in
                record.withUnsafeBytes { value -> DecodingFailure? in
                    do throws(DecodingFailure) {
                        _ = try reader.command(key: key, value: value)
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            #expect(found?.reason == reason, "\(name): \(found?.detail ?? "it was accepted")")
        }
        // A megabyte is made by a test of its own; the partition and the order are not the reader's to judge.
        #expect(
            seen
                == Set(DecodingFailure.Reason.allCases).subtracting([
                    .tooLarge, .wrongPartition, .issuedInFuture, .unknownOrder, .eventIDConflict,
                    .eventRefused, .unreadable,
                ]))
    }

    @Test("The schema of commands refuses what the reader refuses, as far as a schema can say it")
    func schemaRefuses() throws {
        let unsayable: Set<String> = [
            "empty_value", "invalid_utf8", "invalid_json", "duplicate_field", "key_mismatch",
            // What relates two values is in topics/README.md.
            "conflicting_fields.same_warehouse", "conflicting_fields.warehouse_twice",
            "out_of_range.rearm_below_reorder", "out_of_range.default_ttl",
        ]
        let schema = try Contract.schema(.commands)
        for (name, record) in try Contract.records(.commands, "hostile")
        where !unsayable.contains(String(name.split(separator: ".")[0])) && !unsayable.contains(name) {
            #expect(try !schema.mistakes(in: try Contract.json(record)).isEmpty, "\(name)")
        }
    }

    @Test("Every folder of the contract is a topic of the code, and says its own name")
    func folders() throws {
        struct Settings: Decodable { let name: String }
        let folders = try FileManager.default.contentsOfDirectory(
            at: Contract.folder, includingPropertiesForKeys: [.isDirectoryKey]
        ).filter { $0.hasDirectoryPath }
        #expect(Set(folders.map(\.lastPathComponent)) == Set(Topic.allCases.map(\.rawValue)))
        for folder in folders {
            let settings = try JSONDecoder().decode(
                Settings.self, from: Data(contentsOf: folder.appending(path: "topic.json")))
            #expect(settings.name == folder.lastPathComponent)
        }
    }
}
