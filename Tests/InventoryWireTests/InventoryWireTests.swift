import InventoryCore
import InventoryWire
import Testing

/// Reads `value` as a command whose record has the key `key`; nil where the bytes are refused, with the reason.
private func read(
    _ value: [UInt8], key: String = "A"
) -> Result<Command, DecodingFailure> {
    var reader = RecordReader()
    return Array(key.utf8).withUnsafeBytes { key in
        value.withUnsafeBytes { value in
            do throws(DecodingFailure) {
                return .success(try reader.command(key: key, value: value))
            } catch {
                return .failure(error)
            }
        }
    }
}

private func reason(_ value: [UInt8], key: String = "A") -> DecodingFailure.Reason? {
    if case .failure(let failure) = read(value, key: key) { return failure.reason }
    return nil
}

private func written(_ command: Command) -> [UInt8] {
    var writer = RecordWriter()
    writer.write(command: command)
    return writer.withBytes { Array($0) }
}

private let reserve =
    #"{"command_id":"c1","type":"reserve","sku":"A","reservation_id":"r1","order_id":"o1","quantity":2"#

/// Bytes that are no command of the SKU A, and why not.
private let hostileCommands: [(text: String, reason: DecodingFailure.Reason)] = [
    ("", .emptyValue), ("{", .invalidJSON), ("{}x", .invalidJSON),
    (" ", .invalidJSON), ("[]", .notAnObject), ("7", .notAnObject), ("null", .notAnObject),
    ("{}", .missingField), (reserve + #","ttl_ms":1,"ttl_ms":2}"#, .duplicateField),
    (reserve + #","note":1,"note":1}"#, .duplicateField),
    (reserve + #","note":1,"n\u006fte":1}"#, .duplicateField),
    (#"{"command_id":"c","type":"steal","sku":"A"}"#, .unknownType),
    (#"{"command_id":"c","type":"Reserve","sku":"A"}"#, .unknownType),
    (#"{"command_id":"c","type":1,"sku":"A"}"#, .wrongType),
    (#"{"command_id":1,"type":"confirm","sku":"A","reservation_id":"r"}"#, .wrongType),
    (#"{"command_id":"c","type":"confirm","sku":"A"}"#, .missingField),
    (#"{"command_id":"c","type":"confirm","sku":"A","reservation_id":null}"#, .missingField),
    (#"{"command_id":"","type":"confirm","sku":"A","reservation_id":"r"}"#, .outOfRange),
    (#"{"command_id":"a\u0000b","type":"confirm","sku":"A","reservation_id":"r"}"#, .invalidID),
    (#"{"command_id":"a\nb","type":"confirm","sku":"A","reservation_id":"r"}"#, .invalidID),
    (#"{"command_id":"c","type":"confirm","sku":"B","reservation_id":"r"}"#, .keyMismatch),
    (reserve + #","ttl_ms":1,"expires_at":"2026-11-24T09:00:00Z"}"#, .conflictingFields),
    (reserve + #","ttl_ms":0}"#, .outOfRange), (reserve + #","ttl_ms":-1}"#, .outOfRange),
    (reserve + #","ttl_ms":31622400001}"#, .outOfRange),
    (reserve + #","ttl_ms":99999999999999999999999}"#, .outOfRange),
    (reserve + #","ttl_ms":1.0}"#, .wrongType), (reserve + #","ttl_ms":1e3}"#, .wrongType),
    (reserve + #","ttl_ms":"1"}"#, .wrongType),
    (reserve + #","expires_at":"tomorrow"}"#, .invalidTime),
    (reserve + #","expires_at":"2026-02-29T00:00:00Z"}"#, .invalidTime),
    (reserve + #","expires_at":1}"#, .wrongType),
]

@Suite("Commands as bytes")
struct CommandBytesTests {
    @Test(
        "Bytes that are no command are refused, each for its own named reason",
        arguments: hostileCommands)
    func hostile(text: String, reason expected: DecodingFailure.Reason) {
        #expect(reason(Array(text.utf8)) == expected)
    }

    @Test("Invalid UTF-8, ids over 128 bytes, too many fields and too many bytes have reasons of their own")
    func limits() {
        #expect(reason(Array(#"{"command_id":""#.utf8) + [0xFF] + Array(#""}"#.utf8)) == .invalidUTF8)
        func confirm(_ id: ID) -> [UInt8] {
            Array(#"{"command_id":"\#(id)","type":"confirm","sku":"A","reservation_id":"r"}"#.utf8)
        }
        #expect(reason(confirm(ID(String(repeating: "x", count: 128)))) == nil)
        #expect(reason(confirm(ID(String(repeating: "x", count: 129)))) == .idTooLong)
        // The limit is one of bytes, not of characters.
        #expect(reason(confirm(ID(String(repeating: "ü", count: 65)))) == .idTooLong)
        let fields = (0..<70).map { #","f\#($0)":1"# }.joined()
        #expect(reason(Array((reserve + fields + "}").utf8)) == .tooManyFields)
        #expect(reason([UInt8](repeating: 0x20, count: Limits.commandBytes + 1)) == .tooLarge)
        #expect(reason([UInt8](repeating: 0x5B, count: 1_000_000)) == .invalidJSON)
    }

    @Test("Quantities are taken from 1 to 1,000,000,000, and no others")
    func quantities() {
        func receive(_ quantity: String) -> [UInt8] {
            Array(
                #"{"command_id":"c","type":"receive","sku":"A","warehouse":"W","quantity":\#(quantity)}"#.utf8
            )
        }
        for quantity in ["1", "1000000000"] { #expect(reason(receive(quantity)) == nil) }
        for quantity in ["0", "-1", "1000000001", "9223372036854775808", "-9223372036854775809"] {
            #expect(reason(receive(quantity)) == .outOfRange, "\(quantity)")
        }
        for quantity in ["1.5", "1e2", "true", "\"1\"", "[1]"] {
            #expect(reason(receive(quantity)) == .wrongType, "\(quantity)")
        }
    }

    @Test("Unknown fields are ignored, in any order and with any spaces")
    func unknownFields() throws {
        let text = """
             { "extra" : {"deep":[1,2.5,null]}, "reservation_id":"r1","sku":"A", "quantity" : 2,
              "order_id":"o1", "type":"reserve", "command_id":"c1" }
            """
        let command = try read(Array(text.utf8)).get()
        #expect(try command == read(Array((reserve + "}").utf8)).get())
        #expect(
            command.body
                == .reserve(
                    Command.Reserve(reservationID: "r1", orderID: "o1", quantity: 2, expiry: .standard)))
    }

    @Test("What is written is read back as it was, and damaged bytes never crash the reader")
    func roundTripsAndDamage() throws {
        let seed = UInt64.random(in: 0..<1_000_000)
        print("wire test: seed \(seed)")
        var random = SplitMix(state: seed)
        var refused = 0
        for _ in 0..<5_000 {
            let command = Self.command(&random)
            let bytes = written(command)
            #expect(try read(bytes, key: command.sku.text).get() == command)
            for _ in 0..<20 {
                var damaged = bytes
                for _ in 0...Int.random(in: 0..<3, using: &random) {
                    damaged[Int.random(in: damaged.indices, using: &random)] = .random(
                        in: 0...255, using: &random)
                }
                if Bool.random(using: &random) {
                    damaged.removeLast(Int.random(in: 1..<damaged.count, using: &random))
                }
                if reason(damaged, key: command.sku.text) != nil { refused += 1 }
            }
        }
        #expect(refused > 50_000)
    }

    private static func command(_ random: inout SplitMix) -> Command {
        let body = Self.body(&random)
        let isOfBook =
            switch body {
            case .setWarehouse, .setSettings: true
            default: false
            }
        return Command(
            id: id(&random), sku: isOfBook ? PartitionBook.sku(7) : id(&random),
            generation: Bool.random(using: &random) ? .random(in: 1...9, using: &random) : nil,
            issuedAt: Bool.random(using: &random)
                ? Timestamp(milliseconds: .random(in: 0...Limits.latestTime, using: &random)) : nil,
            body: body)
    }

    private static func id(_ random: inout SplitMix) -> ID {
        let letters = Array("abcXYZ019-_. \"\\/ü漢👍")
        return ID(
            String(
                (0..<Int.random(in: 1...20, using: &random)).map { _ in letters.randomElement(using: &random)!
                }))
    }

    private static func maybe<Value>(_ random: inout SplitMix, _ value: (inout SplitMix) -> Value) -> Value? {
        Bool.random(using: &random) ? value(&random) : nil
    }

    private static func units(_ random: inout SplitMix) -> Int64 {
        .random(in: 1...Limits.quantity, using: &random)
    }

    private static func point(_ random: inout SplitMix) -> Point {
        Point(
            latitude: .random(in: -90_000_000...90_000_000, using: &random),
            longitude: .random(in: -180_000_000...180_000_000, using: &random))
    }

    private static func moment(_ random: inout SplitMix) -> Timestamp {
        Timestamp(milliseconds: .random(in: 0...Limits.latestTime, using: &random))
    }

    private static func expiry(_ random: inout SplitMix) -> Command.Expiry {
        Bool.random(using: &random)
            ? .at(moment(&random)) : .after(milliseconds: .random(in: 1...Limits.longestTTL, using: &random))
    }

    private static func body(_ random: inout SplitMix) -> Command.Body {
        switch CommandKind.sent.randomElement(using: &random)! {
        case .reserve:
            let named = maybe(&random, id)
            let shipTo = maybe(&random, point)
            return .reserve(
                Command.Reserve(
                    reservationID: id(&random), orderID: id(&random), quantity: units(&random),
                    warehouse: named, expiry: maybe(&random, expiry) ?? .standard,
                    strategy: named == nil
                        ? maybe(&random) { Strategy.allCases.randomElement(using: &$0)! } : nil,
                    allowPartial: .random(using: &random), allowSplit: .random(using: &random),
                    allowBackorder: .random(using: &random), channel: maybe(&random, id), shipTo: shipTo,
                    deliverWithinHours: shipTo == nil
                        ? nil : maybe(&random) { .random(in: Limits.deliveryHours, using: &$0) }))
        case .confirm:
            return .confirm(
                reservationID: id(&random), quantity: maybe(&random, units), warehouse: maybe(&random, id))
        case .release: return .release(reservationID: id(&random), quantity: maybe(&random, units))
        case .extend: return .extend(reservationID: id(&random), expiry: expiry(&random))
        case .expire: return .expire(reservationID: id(&random))
        case .receive:
            return .receive(warehouse: id(&random), quantity: units(&random), reference: maybe(&random, id))
        case .return:
            return .return(
                Command.Return(
                    warehouse: id(&random), quantity: units(&random),
                    condition: Condition.allCases.randomElement(using: &random)!,
                    orderID: maybe(&random, id), reference: maybe(&random, id)))
        case .damage:
            return .damage(warehouse: id(&random), quantity: units(&random), reference: maybe(&random, id))
        case .adjust:
            return .adjust(
                Command.Adjust(
                    warehouse: id(&random),
                    change: Bool.random(using: &random)
                        ? .delta(-units(&random)) : .count(units(&random), expected: maybe(&random, units)),
                    condition: Condition.allCases.randomElement(using: &random)!, reasonCode: .other,
                    note: id(&random).text, reference: maybe(&random, id)))
        case .transferDispatch:
            return .transferDispatch(
                Command.TransferDispatch(
                    transferID: id(&random), from: "from", to: id(&random), quantity: units(&random),
                    expectedAt: maybe(&random, moment), reference: maybe(&random, id)))
        case .transferReceive:
            return .transferReceive(
                transferID: id(&random), quantity: units(&random), damaged: maybe(&random, units) ?? 0)
        case .transferCancel: return .transferCancel(transferID: id(&random))
        case .transferDue: return .transferDue(transferID: id(&random))
        case .reallocate:
            return .reallocate(
                reservationID: id(&random),
                allocations: (0..<Int.random(in: 1...3, using: &random)).map {
                    Allocation(warehouse: "W\($0)", quantity: units(&random))
                })
        case .setPolicy: return policy(&random)
        case .setPolicies:
            var published = PublishedPolicies()
            for _ in 0..<3 {
                guard case .setPolicy(let warehouse, let policy) = policy(&random) else { break }
                if let warehouse {
                    published.warehouses = [WarehousePolicy(warehouse: warehouse, policy: policy)]
                } else {
                    published.policy = policy
                }
            }
            return .setPolicies(published)
        case .retire: return .retire
        case .setWarehouse:
            return .setWarehouse(
                Warehouse(
                    id: id(&random), location: maybe(&random, point),
                    priority: .random(in: Limits.priorities, using: &random),
                    handlingHours: .random(in: Limits.handlingHours, using: &random),
                    kilometresPerHour: .random(in: Limits.kilometresPerHour, using: &random),
                    isActive: .random(using: &random)))
        case .setSettings:
            let ttl = Int64.random(in: 2...Limits.standardLongestTTL, using: &random)
            return .setSettings(
                Settings(
                    defaultTTL: ttl, shortestTTL: ttl / 2, dedupeCount: 16,
                    strategy: Strategy.allCases.randomElement(using: &random)!,
                    earlierLog: maybe(&random) { EarlierLog.allCases.randomElement(using: &$0)! },
                    partitions: maybe(&random) { .random(in: Limits.partitions, using: &$0) }))
        case .skip: preconditionFailure("a skip is not sent")
        }
    }

    private static func policy(_ random: inout SplitMix) -> Command.Body {
        let point = maybe(&random, units)
        var policy = Policy(safetyStock: maybe(&random, units), reorderPoint: point)
        if let point {
            policy.rearmPoint = point + 1
            policy.reorderUpTo = point + 2
            policy.countsInTransit = .random(using: &random)
        }
        guard Bool.random(using: &random) else {
            policy.backorderLimit = maybe(&random, units)
            policy.strategy = maybe(&random) { Strategy.allCases.randomElement(using: &$0)! }
            policy.unitsPerOrder = maybe(&random, units)
            return .setPolicy(warehouse: nil, policy)
        }
        policy.channels = (0..<Int.random(in: 0...3, using: &random)).map {
            ChannelShare(channel: "c\($0)", quantity: units(&random))
        }
        return .setPolicy(warehouse: id(&random), policy)
    }
}

@Suite("Records of our own")
struct OwnRecordTests {
    @Test("A dead letter holds every byte of what it is about")
    func deadLetter() throws {
        let key = (0...255).map { UInt8($0) }
        let value = key.reversed() + [0, 0xFF]
        var writer = RecordWriter()
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                writer.write(
                    deadLetter: DecodingFailure(.invalidJSON, "no \"JSON\""),
                    origin: RecordOrigin(
                        topic: .commands, partition: 3, offset: 42, timestamp: Timestamp(milliseconds: 1)),
                    key: key, value: value)
            }
        }
        var reader = RecordReader()
        let letter = try writer.withBytes { try reader.deadLetter($0) }
        #expect(letter.reason == .invalidJSON && letter.detail == "no \"JSON\"")
        #expect(letter.topic == "stock.commands" && letter.partition == 3 && letter.offset == 42)
        #expect(letter.key == key && letter.value == Array(value) && letter.isTruncated == false)
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
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
