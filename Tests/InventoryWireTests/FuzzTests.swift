import Foundation
import InventoryCore
import InventoryWire
import Testing

/// Makes inputs out of the records of the contract: bits flipped, bytes and words put in, pieces cut out, doubled,
/// exchanged or taken from another record.
private struct Mutator {
    struct Seed {
        let topic: InventoryWire.Topic
        let key: [UInt8]
        let bytes: [UInt8]
    }

    private static let words: [[UInt8]] = [
        "null", "true", "false", "{}", "[]", "[[[[[[[[", "{\"a\":{\"a\":{\"a\":", "\"\"", "\"", "\\",
        "\\u0000",
        "\\ud800", "\\ud83d\\ude00", "0", "-0", "-1", "1e3", "1.0", "1E400", "-9223372036854775808",
        "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616",
        "100000000000000000000000000000000000000", "0.1", "NaN", "Infinity", "\u{FEFF}", "/**/", "//", ",",
        ":",
        "\"sku\":", "\"type\":", "\"quantity\":", "\"command_id\":", "\"expires_at\":", "\"allocations\":[{",
        "\"reserve\"", "\"confirm\"", "\"transfer_dispatch\"", "\"1969-12-31T23:59:59Z\"",
        "\"9999-12-31T23:59:59.999Z\"", "\"2026-02-30T00:00:00Z\"", "\"2026-11-24T09:00:00+23:59\"",
        "\"@holdfast/partition/3\"", "\u{1}", "\u{7F}", "é", "\u{2028}",
    ].map { Array($0.utf8) }

    let seeds: [Seed]
    private let commandCount: Int
    private var random: SplitMix

    /// - Parameter seeds: those of commands first.
    init(seeds: [Seed], seed: UInt64) {
        self.seeds = seeds
        commandCount = seeds.count { $0.topic == .commands }
        random = SplitMix(state: seed)
    }

    /// A number from 0 to below `bound`, or 0.
    mutating func below(_ bound: Int) -> Int { bound <= 0 ? 0 : Int(random.next() % UInt64(bound)) }

    /// Puts the next input into `bytes`.
    /// - Returns: which seed it was made of.
    mutating func next(into bytes: inout [UInt8]) -> Seed {
        // Commands come from outside; the other records are our own.
        let seed = seeds[below(4) < 3 ? below(commandCount) : below(seeds.count)]
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: seed.bytes)
        for _ in 0..<(1 + below(2) * below(4)) where bytes.count < 65_536 { mutate(&bytes) }
        return seed
    }

    private mutating func range(of bytes: [UInt8], most: Int) -> Range<Int> {
        let start = below(bytes.count)
        return start..<min(bytes.count, start + 1 + below(most))
    }

    /// Half of the mutations keep the form of JSON, so that the fields behind the form are reached too.
    private mutating func mutate(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        let place = below(bytes.count)
        switch below(24) {
        case 0: bytes[place] ^= 1 << UInt8(below(8))
        case 1: bytes[place] = UInt8(below(256))
        case 2: bytes.insert(UInt8(below(256)), at: place)
        case 3: bytes.removeSubrange(range(of: bytes, most: 16))
        case 4:
            let piece = bytes[range(of: bytes, most: 64)]
            bytes.insert(contentsOf: piece, at: place)
        case 5: bytes.removeSubrange(place...)
        case 6: bytes.insert(contentsOf: Self.words[below(Self.words.count)], at: place)
        case 7:
            let other = seeds[below(seeds.count)].bytes
            bytes.replaceSubrange(range(of: bytes, most: 32), with: other[range(of: other, most: 64)])
        case 8...10: replaceValue(&bytes, from: place)
        case 11...13:
            guard let end = bytes[place...].firstIndex(of: Self.comma) else { return }
            let other = seeds[below(seeds.count)].bytes
            if let field = field(of: other) { bytes.insert(contentsOf: other[field], at: end) }
        case 14...15:
            if let field = field(of: bytes) { bytes.removeSubrange(field) }
        default:
            // A digit for a digit, a letter for a letter.
            switch bytes[place] {
            case 0x30...0x39: bytes[place] = 0x30 + UInt8(below(10))
            case 0x61...0x7A: bytes[place] = 0x61 + UInt8(below(26))
            default: return
            }
        }
    }

    private static let comma = UInt8(ascii: ",")

    /// A field with the comma before it, or what looks like one.
    private mutating func field(of bytes: [UInt8]) -> Range<Int>? {
        guard let from = bytes[below(bytes.count)...].firstIndex(of: Self.comma) else { return nil }
        let rest = bytes[(from + 1)...]
        guard let to = rest.firstIndex(where: { $0 == Self.comma || $0 == UInt8(ascii: "}") }) else {
            return nil
        }
        return from..<to
    }

    /// Another value for the next field.
    private mutating func replaceValue(_ bytes: inout [UInt8], from place: Int) {
        guard let colon = bytes[place...].firstIndex(of: UInt8(ascii: ":")) else { return }
        let end =
            bytes[colon...].firstIndex { $0 == Self.comma || $0 == UInt8(ascii: "}") } ?? bytes.count
        bytes.replaceSubrange((colon + 1)..<end, with: Self.words[below(Self.words.count)])
    }
}

/// Memory that ends where a page begins that nobody may touch: who reads one byte too far dies at once, in C
/// libraries that are not instrumented too.
private final class GuardedBytes {
    private static let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    private let size: Int
    private let start: UnsafeMutableRawPointer

    init(capacity: Int) {
        size = (capacity + Self.page - 1) / Self.page * Self.page
        let mapped = mmap(
            nil, size + Self.page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapped, mapped != MAP_FAILED else { fatalError("no memory for the fuzzer's input") }
        start = mapped
        precondition(mprotect(start + size, Self.page, PROT_NONE) == 0)
    }

    deinit { munmap(start, size + Self.page) }

    /// Copies the bytes to the end of the memory.
    func hold(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
        precondition(bytes.count <= size)
        let place = start + (size - bytes.count)
        bytes.withUnsafeBytes {
            if let base = $0.baseAddress { place.copyMemory(from: base, byteCount: $0.count) }
        }
        return UnsafeRawBufferPointer(start: place, count: bytes.count)
    }
}

@Suite("Fuzz")
struct FuzzTests {
    private static func seeds() throws -> [Mutator.Seed] {
        var seeds: [Mutator.Seed] = []
        for topic in [Topic.commands] + Topic.allCases.filter({ $0 != .commands }) {
            for (_, record) in try Contract.records(topic, "golden").sorted(by: { $0.key < $1.key })
            where !record.isEmpty {
                seeds.append(Mutator.Seed(topic: topic, key: key(of: record, topic), bytes: record))
            }
            guard topic == .commands else { continue }
            for (_, record) in try Contract.records(topic, "hostile").sorted(by: { $0.key < $1.key })
            where !record.isEmpty {
                seeds.append(Mutator.Seed(topic: topic, key: Array("A".utf8), bytes: record))
            }
        }
        return seeds
    }

    /// What the record's key must be for the record to be read.
    private static func key(of record: [UInt8], _ topic: Topic) -> [UInt8] {
        if topic == .settings { return Array(RecordReader.settingsKey.utf8) }
        let text = String(decoding: record, as: UTF8.self)
        let field =
            switch topic {
            case .warehouses: "\"warehouse\":\""
            case .orders: "\"order_id\":\""
            default: "\"sku\":\""
            }
        guard let start = text.range(of: field)?.upperBound, let end = text[start...].firstIndex(of: "\"")
        else {
            return []
        }
        return Array(text[start..<end].utf8)
    }

    /// Reads a record of the topic; a command is given back.
    private static func read(
        _ reader: inout RecordReader, _ topic: Topic, _ key: UnsafeRawBufferPointer?,
        _ value: UnsafeRawBufferPointer
    ) throws(DecodingFailure) -> Command? {
        switch topic {
        case .commands: return try reader.command(key: key, value: value)
        case .results:
            if try reader.notice(value) == nil { _ = try reader.outcome(value) }
        case .ledger: _ = try reader.ledgerEntry(value)
        case .levels: _ = try reader.levels(value)
        case .reservations: _ = try reader.reservation(value)
        case .transfers: _ = try reader.transfer(value)
        case .alerts: _ = try reader.alert(value)
        case .deadLetters:
            if try reader.redriveMark(value) == nil { _ = try reader.deadLetter(value) }
        case .warehouses: _ = try reader.warehouse(key: key, value: value)
        case .products: _ = try reader.product(key: key, value: value)
        case .settings: _ = try reader.settings(key: key, value: value)
        case .relayState: _ = try reader.relayPlace(value)
        case .orders:
            _ = try reader.orderRecord(
                key: key, value: value, at: Timestamp(milliseconds: 0), offset: 0)
        case .orderReplies: _ = try reader.orderReply(value)
        case .orderOutcomes: _ = try reader.orderOutcome(value)
        case .orderState: if (try? reader.orderPlace(value)) == nil { _ = try reader.order(value) }
        }
        return nil
    }

    private struct Tally {
        var accepted = 0
        var commands = 0
        var reasons: [DecodingFailure.Reason: Int] = [:]
    }

    @Test(
        "Whatever the bytes are, a record is read or refused for a named reason, and a command that is read is written so that it reads the same",
        .timeLimit(.minutes(60)))
    func mutated() throws {
        let environment = ProcessInfo.processInfo.environment
        let count = environment["HOLDFAST_TEST_FUZZ"].flatMap { Int($0) } ?? 50_000
        let seed = environment["HOLDFAST_TEST_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1
        print("fuzz test: HOLDFAST_TEST_FUZZ_SEED=\(seed) HOLDFAST_TEST_FUZZ=\(count)")
        var mutator = Mutator(seeds: try Self.seeds(), seed: seed)
        let memory = GuardedBytes(capacity: 1 << 18)
        var reader = RecordReader()
        var writer = RecordWriter()
        var tally = Tally()
        var bytes: [UInt8] = []
        let began = ContinuousClock.now
        var told = began
        for number in 0..<count {
            let source = mutator.next(into: &bytes)
            let value = memory.hold(bytes)
            // Now and then to another topic's reader, or without a key.
            let topic =
                mutator.below(32) == 0 ? Topic.allCases[mutator.below(Topic.allCases.count)] : source.topic
            let hasKey = mutator.below(32) != 0
            var command: Command?
            var failure: DecodingFailure?
            source.key.withUnsafeBytes { key in
                do throws(DecodingFailure) {
                    command = try Self.read(&reader, topic, hasKey ? key : nil, value)
                } catch {
                    failure = error
                }
            }
            if let failure {
                tally.reasons[failure.reason, default: 0] += 1
                if failure.detail.isEmpty {
                    Issue.record("no detail: \(failure.reason), \(Self.place(number, bytes))")
                }
            } else {
                tally.accepted += 1
            }
            if let command {
                tally.commands += 1
                let again = Self.again(command, &writer, &reader)
                if again != command {
                    Issue.record(
                        "\(command) became \(String(describing: again)), \(Self.place(number, bytes))")
                }
            }
            if number % 4_096 == 0, ContinuousClock.now - told > .seconds(10) {
                told = ContinuousClock.now
                print("fuzz test: \(number) of \(count)")
                fflush(nil)
            }
        }
        let seen = Set(tally.reasons.keys)
        // A megabyte is too much for a mutation, and the partition is not the reader's to judge.
        let reachable = Set(DecodingFailure.Reason.allCases).subtracting([
            .tooLarge, .wrongPartition, .issuedInFuture, .unknownOrder, .eventIDConflict, .eventRefused,
        ])
        #expect(seen == reachable, "\(reachable.symmetricDifference(seen))")
        #expect(tally.commands > count / 20, "\(tally)")
        let reasons = tally.reasons.sorted { $0.value > $1.value }.map { "\($0.key.rawValue) \($0.value)" }
        print(
            "fuzz test: \(count) inputs in \(ContinuousClock.now - began); \(tally.accepted) read, "
                + "\(tally.commands) of them commands, which were written and read again; "
                + reasons.joined(separator: ", "))
    }

    private static func place(_ number: Int, _ bytes: [UInt8]) -> String {
        "input \(number): \(Data(bytes).base64EncodedString())"
    }

    /// The command, written and read again.
    private static func again(
        _ command: Command, _ writer: inout RecordWriter, _ reader: inout RecordReader
    ) -> Command? {
        writer.write(command: command)
        let value = writer.withBytes { Array($0) }
        return command.sku.bytes.withUnsafeBytes { key in
            value.withUnsafeBytes { value in try? reader.command(key: key, value: value) }
        }
    }

    @Test("The guard behind the fuzzer's input lies right behind its last byte")
    func guardPage() {
        // Whether it can fail: the read within is fine, and the one behind it is not.
        let memory = GuardedBytes(capacity: 64)
        let value = memory.hold([1, 2, 3])
        #expect(value[2] == 3)
        #expect(Self.isReadable(value.baseAddress! + 2))
        #expect(!Self.isReadable(value.baseAddress! + 3))
    }

    /// Whether the system lets this process read the byte (`write` from memory fails where it may not).
    private static func isReadable(_ address: UnsafeRawPointer) -> Bool {
        var pipes: [Int32] = [0, 0]
        guard pipe(&pipes) == 0 else { return false }
        defer {
            close(pipes[0])
            close(pipes[1])
        }
        // The kernel reads it, and says EFAULT instead of ending the process.
        return write(pipes[1], address, 1) == 1
    }
}
