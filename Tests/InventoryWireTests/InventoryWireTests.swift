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
    (reserve + #","ttl_ms":2592000001}"#, .outOfRange),
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
        func confirm(_ id: String) -> [UInt8] {
            Array(#"{"command_id":"\#(id)","type":"confirm","sku":"A","reservation_id":"r"}"#.utf8)
        }
        #expect(reason(confirm(String(repeating: "x", count: 128))) == nil)
        #expect(reason(confirm(String(repeating: "x", count: 129))) == .idTooLong)
        // The limit is one of bytes, not of characters.
        #expect(reason(confirm(String(repeating: "ü", count: 65))) == .idTooLong)
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
        guard case .reserve("r1", "o1", 2, nil, .after(Limits.defaultTTL)) = command.body else {
            Issue.record("\(command)")
            return
        }
    }

    @Test("What is written is read back as it was, and damaged bytes never crash the reader")
    func roundTripsAndDamage() throws {
        let seed = UInt64.random(in: 0..<1_000_000)
        print("wire test: seed \(seed)")
        var random = Generator(state: seed)
        var refused = 0
        for _ in 0..<5_000 {
            let command = Self.command(&random)
            let bytes = written(command)
            #expect(try read(bytes, key: command.sku).get() == command)
            for _ in 0..<20 {
                var damaged = bytes
                for _ in 0...Int.random(in: 0..<3, using: &random) {
                    damaged[Int.random(in: damaged.indices, using: &random)] = .random(
                        in: 0...255, using: &random)
                }
                if Bool.random(using: &random) {
                    damaged.removeLast(Int.random(in: 1..<damaged.count, using: &random))
                }
                if reason(damaged, key: command.sku) != nil { refused += 1 }
            }
        }
        #expect(refused > 50_000)
    }

    private static func command(_ random: inout Generator) -> Command {
        func id() -> String {
            let letters = Array("abcXYZ019-_. \"\\/ü漢👍")
            return String(
                (0..<Int.random(in: 1...20, using: &random)).map { _ in letters.randomElement(using: &random)!
                })
        }
        let body: Command.Body
        switch Int.random(in: 0..<5, using: &random) {
        case 0: body = .confirm(reservationID: id())
        case 1: body = .release(reservationID: id())
        case 2: body = .expire(reservationID: id())
        case 3:
            body = .receive(
                warehouse: id(), quantity: .random(in: 1...Limits.quantity, using: &random),
                reference: Bool.random(using: &random) ? id() : nil)
        default:
            let moment = Timestamp(milliseconds: .random(in: 0...Limits.latestTime, using: &random))
            body = .reserve(
                reservationID: id(), orderID: id(),
                quantity: .random(in: 1...Limits.quantity, using: &random),
                warehouse: Bool.random(using: &random) ? id() : nil,
                expiry: Bool.random(using: &random)
                    ? .at(moment) : .after(milliseconds: .random(in: 1...Limits.longestTTL, using: &random)))
        }
        return Command(id: id(), sku: id(), body: body)
    }

    /// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
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
