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

/// The words that the golden records stand for.
private enum Words {
    static let nine = Timestamp(milliseconds: 1_795_510_800_000)
    static let quarterPast = Timestamp(milliseconds: 1_795_511_700_000)
    static let source = Source(partition: 3, offset: 42)
    static let sku = "TEA-250"

    static var commands: [String: Command] {
        func reserve(_ id: String, _ warehouse: String?, _ expiry: Command.Expiry) -> Command {
            Command(
                id: id, sku: sku,
                body: .reserve(
                    reservationID: "r-1", orderID: "o-1", quantity: 2, warehouse: warehouse, expiry: expiry))
        }
        return [
            "reserve": reserve("c-1", nil, .after(milliseconds: 60_000)),
            "reserve.from_warehouse_until": reserve("c-2", "BER", .at(quarterPast)),
            "confirm": Command(id: "c-3", sku: sku, body: .confirm(reservationID: "r-1")),
            "release": Command(id: "c-3", sku: sku, body: .release(reservationID: "r-1")),
            "expire": Command(id: "c-3", sku: sku, body: .expire(reservationID: "r-1")),
            "receive": Command(
                id: "c-4", sku: sku, body: .receive(warehouse: "BER", quantity: 10, reference: nil)),
            "receive.with_reference": Command(
                id: "c-\"4\"\\", sku: "Tee-grün-茶",
                body: .receive(warehouse: "BER", quantity: 1_000_000_000, reference: "note 17/2026")),
        ]
    }

    /// Which command each rejection refuses in the golden records.
    static func refused(_ reason: Rejection) -> CommandKind {
        switch reason {
        case .reservationIDConflict, .expiryOutOfRange, .insufficientStock: .reserve
        case .reservationConfirmed: .release
        case .onHandLimitExceeded: .receive
        default: .confirm
        }
    }

    static var outcomes: [String: Outcome] {
        func outcome(_ kind: Outcome.Kind, _ command: CommandKind, _ sequence: Int64?) -> Outcome {
            Outcome(
                kind: kind, command: command, commandID: "c-1", sku: sku, reservationID: "r-1",
                orderID: "o-1", warehouse: "BER", quantity: 2, sequence: sequence, at: nine)
        }
        var reserved = outcome(.reserved, .reserve, 7)
        reserved.expiresAt = quarterPast
        var duplicate = reserved
        duplicate.isDuplicate = true
        var outcomes = [
            "reserved": reserved, "reserved.duplicate": duplicate,
            "confirmed": outcome(.confirmed, .confirm, 8), "released": outcome(.released, .release, 8),
            "expired": outcome(.expired, .expire, 8),
            "received": Outcome(
                kind: .received, command: .receive, commandID: "c-1", sku: sku, warehouse: "BER",
                quantity: 10, sequence: 1, at: nine),
        ]
        for noOp in NoOp.allCases {
            outcomes["ignored.\(noOp.rawValue)"] = Outcome(
                kind: .ignored, command: .expire, commandID: "c-1", sku: sku, noOp: noOp,
                reservationID: "r-1", expiresAt: noOp == .notDue ? quarterPast : nil, at: nine)
        }
        for entry in entries.values {
            guard let reason = entry.reason else { continue }
            outcomes["rejected.\(reason.rawValue)"] = Outcome(
                kind: .rejected, command: entry.command, commandID: "c-1", sku: sku, rejection: reason,
                reservationID: entry.reservationID, orderID: entry.orderID, warehouse: entry.warehouse,
                quantity: entry.quantity, sequence: 9, at: nine)
        }
        return outcomes
    }

    static var entries: [String: LedgerEntry] {
        func moved(
            _ movement: Movement, _ command: CommandKind, _ sequence: Int64, _ deltas: (Int64, Int64),
            _ balances: (Int64, Int64)
        ) -> LedgerEntry {
            LedgerEntry(
                sku: sku, sequence: sequence, movement: movement, at: nine, source: source, command: command,
                commandID: "c-1", reservationID: "r-1", orderID: "o-1", warehouse: "BER", quantity: 2,
                onHandDelta: deltas.0, reservedDelta: deltas.1, onHand: balances.0, reserved: balances.1)
        }
        var reserve = moved(.reserve, .reserve, 7, (0, 2), (10, 2))
        reserve.expiresAt = quarterPast
        var entries = [
            "receive": LedgerEntry(
                sku: sku, sequence: 1, movement: .receive, at: nine, source: source, command: .receive,
                commandID: "c-1", warehouse: "BER", quantity: 10, onHandDelta: 10, onHand: 10,
                reference: "note 17/2026"),
            "reserve": reserve, "ship": moved(.ship, .confirm, 8, (-2, -2), (8, 0)),
            "release": moved(.release, .release, 8, (0, -2), (10, 0)),
            "expire": moved(.expire, .expire, 8, (0, -2), (10, 0)),
        ]
        for reason in Rejection.allCases { entries["rejection.\(reason.rawValue)"] = rejection(reason) }
        return entries
    }

    private static func rejection(_ reason: Rejection) -> LedgerEntry {
        let command = refused(reason)
        var entry = LedgerEntry(
            sku: sku, sequence: 9, movement: .rejection, at: nine, source: source, command: command,
            commandID: "c-1", quantity: 0, reason: reason)
        switch command {
        case .receive:
            (entry.warehouse, entry.quantity, entry.reference) = ("BER", 1_000_000_000, "note 17/2026")
        case .reserve:
            (entry.reservationID, entry.orderID, entry.quantity) = ("r-1", "o-1", 2)
            if reason == .insufficientStock { entry.warehouse = "BER" }
        default: entry.reservationID = "r-1"
        }
        return entry
    }

    static let levels = [
        "levels": LevelsSnapshot(
            sku: sku, sequence: 7,
            levels: [
                Level(warehouse: "BER", onHand: 10, reserved: 2),
                Level(warehouse: "HAM", onHand: 3, reserved: 3),
            ]),
        "levels.none": LevelsSnapshot(sku: sku, sequence: 1, levels: []),
    ]

    static let reservation = ReservationSnapshot(
        id: "r-1", orderID: "o-1", sku: sku, warehouse: "BER", quantity: 2, reservedAt: nine,
        expiresAt: quarterPast, sequence: 7)
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
                try Array(word.sku.utf8).withUnsafeBytes { try reader.command(key: $0, value: value) }
            })
        #expect(Set(Words.commands.values.map(\.kind)) == Set(CommandKind.allCases))
    }

    @Test("Every outcome and every reason is written as its golden record, and read from it")
    func results() throws {
        try hold(
            .results, Words.outcomes, write: { $0.write(outcome: $1, source: Words.source) },
            read: { reader, value, _ in
                let (outcome, source) = try reader.outcome(value)
                #expect(source == Words.source)
                return outcome
            })
        #expect(Set(Words.outcomes.values.map(\.kind)) == Set(Outcome.Kind.allCases))
        #expect(Set(Words.outcomes.values.compactMap(\.rejection)) == Set(Rejection.allCases))
        #expect(Set(Words.outcomes.values.compactMap(\.noOp)) == Set(NoOp.allCases))
    }

    @Test("Every movement and every rejection is written as its golden record, and read from it")
    func ledger() throws {
        try hold(
            .ledger, Words.entries, write: { $0.write(entry: $1) },
            read: { reader, value, _ in try reader.ledgerEntry(value) })
        #expect(Set(Words.entries.values.map(\.movement)) == Set(Movement.allCases))
    }

    @Test("Levels and reservations are written as their golden records, and read from them")
    func levelsAndReservations() throws {
        try hold(
            .levels, Words.levels, write: { $0.write(levels: $1) },
            read: { reader, value, _ in try reader.levels(value) })
        try hold(
            .reservations, ["reservation": Words.reservation], besides: ["tombstone"],
            write: { $0.write(reservation: $1) },
            read: { reader, value, _ in try reader.reservation(value) })
        #expect(try Contract.records(.reservations, "golden")["tombstone"] == [])
    }

    @Test("Dead letters are written as their golden records: whole, without a value, and cut")
    func deadLetters() throws {
        func letter(_ failure: DecodingFailure, key: String?, value: String?, limit: Int, at: Timestamp?)
            -> [UInt8]
        {
            let key = key.map { Array($0.utf8) }
            let value = value.map { Array($0.utf8) }
            return bytes { writer in
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
        let tooLarge = String(repeating: " ", count: Limits.commandBytes + 1)
        let written = [
            "invalid_json": letter(
                DecodingFailure(.invalidJSON, "at byte 1: unexpected end of data"), key: "TEA-250",
                value: "{", limit: RecordWriter.deadLetterBytes, at: Words.nine),
            "empty_value": letter(
                DecodingFailure(.emptyValue, "the record has no value"), key: "TEA-250", value: nil,
                limit: RecordWriter.deadLetterBytes, at: Words.nine),
            "truncated": letter(
                DecodingFailure(.tooLarge, "1048589 bytes; at most 1048588 are allowed"), key: nil,
                value: tooLarge, limit: 260, at: nil),
        ]
        let golden = try Contract.records(.deadLetters, "golden")
        #expect(Set(golden.keys) == Set(written.keys))
        var reader = RecordReader()
        for (name, record) in golden {
            #expect(
                String(decoding: written[name] ?? [], as: UTF8.self)
                    == String(decoding: record, as: UTF8.self))
            let letter = try record.withUnsafeBytes { try reader.deadLetter($0) }
            #expect(letter.offset == 42 && letter.isTruncated == (name == "truncated"))
        }
    }

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
        let commands = Set(CommandKind.allCases.map(\.rawValue))
        let rejections = Set(Rejection.allCases.map(\.rawValue))
        #expect(try list(.commands, "type") == commands)
        #expect(try list(.results, "type") == commands)
        #expect(try list(.ledger, "command") == commands)
        #expect(try list(.results, "outcome") == Set(Outcome.Kind.allCases.map(\.rawValue)))
        #expect(try list(.results, "reason") == rejections.union(NoOp.allCases.map(\.rawValue)))
        #expect(try list(.ledger, "reason") == rejections)
        #expect(try list(.ledger, "movement") == Set(Movement.allCases.map(\.rawValue)))
        let reasons = DecodingFailure.Reason.allCases.map(\.rawValue)
        #expect(try list(.deadLetters, "reason") == Set(reasons))
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
        // A megabyte is made by a test of its own, and the partition is not the reader's to judge.
        #expect(seen == Set(DecodingFailure.Reason.allCases).subtracting([.tooLarge, .wrongPartition]))
    }

    @Test("The schema of commands refuses what the reader refuses, as far as a schema can say it")
    func schemaRefuses() throws {
        let unsayable: Set<String> = [
            "empty_value", "invalid_utf8", "invalid_json", "duplicate_field", "key_mismatch",
        ]
        let schema = try Contract.schema(.commands)
        for (name, record) in try Contract.records(.commands, "hostile")
        where !unsayable.contains(String(name.split(separator: ".")[0])) {
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
