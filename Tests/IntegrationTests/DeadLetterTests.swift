import Foundation
import InventoryCore
import InventoryWire
import Testing

@Suite(
    "Dead letters on a genuine broker", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct DeadLetterTests {
    private static let folder = URL(filePath: RealServers.root).appending(
        path: "topics/stock.commands/hostile")

    /// The hostile records of the contract, by name.
    private func hostile() throws -> [(name: String, record: [UInt8])] {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path).sorted()
        return try names.map { name in
            var record = [UInt8](try Data(contentsOf: Self.folder.appending(path: name)))
            if record.last == 0x0A { record.removeLast() }
            return (name, record)
        }
    }

    @Test(
        "dead-letters list counts by reason with samples, and show gives one back byte for byte",
        .timeLimit(.minutes(3)))
    func listAndShow() throws {
        struct Listing: Decodable {
            struct Reason: Decodable {
                struct Letter: Decodable {
                    let letter: String
                    let offset: Int64
                }
                let reason: String
                let origin: String
                let count: Int
                let samples: [Letter]
            }
            let letters: Int
            let unreadable: Int
            let reasons: [Reason]
        }
        let stage = try Stage()
        defer { stage.endAll() }
        let none = try stage.run(["dead-letters", "list"]).output
        #expect(none.hasPrefix("0 letters in "), "\(none)")
        try stage.start("process")
        try stage.start("relay")
        let steal = #"{"command_id":"x","type":"steal","sku":"A"}"#
        for number in 0..<5 {
            try stage.publish(key: Array("A".utf8), value: Array("{\(number)".utf8))
        }
        try stage.publish(key: Array("A".utf8), value: Array(steal.utf8))
        // A terminal must not obey what a letter holds.
        try stage.publish(key: Array("A\u{1B}[31m".utf8), value: [0x1B, 0x5B, 0x48, 0xFF])
        try stage.publish(to: .warehouses, key: "BER", value: Array("[]".utf8))
        try eventually("all letters are written") { try stage.deadLetters().count == 8 }

        let listed = try stage.run(["dead-letters", "list", "--json", "--samples", "2"])
        #expect(listed.code == 0)
        let text = listed.output[(listed.output.firstIndex(of: "{") ?? listed.output.startIndex)...]
        let listing = try JSONDecoder().decode(Listing.self, from: Data(text.utf8))
        #expect(listing.letters == 8 && listing.unreadable == 0)
        #expect(
            listing.reasons.map { "\($0.reason) \($0.origin) \($0.count)" }
                == [
                    "invalid_json stock.commands 5", "invalid_utf8 stock.commands 1",
                    "not_an_object warehouses 1", "unknown_type stock.commands 1",
                ])
        #expect(listing.reasons[0].samples.map(\.offset).sorted(by: >) == [4, 3])

        let one = try stage.run(["dead-letters", "list", "--reason", "unknown_type"])
        #expect(one.output.contains("1 letter in ") && one.output.contains(steal))
        #expect(!one.output.contains("invalid_json"))
        let wrong = try stage.run(["dead-letters", "list", "--reason", "steal"])
        #expect(wrong.code == 2 && wrong.output.contains("allowed are invalid_time, empty_value"))

        let place = try #require(listing.reasons.first { $0.reason == "unknown_type" }?.samples.first).letter
        let raw = try stage.run(["dead-letters", "show", place, "--raw"])
        #expect(raw.code == 0 && raw.output == steal)
        let shown = try stage.run(["dead-letters", "show", place])
        #expect(shown.output.contains("unknown_type") && shown.output.contains(steal))
        let ill = try #require(listing.reasons.first { $0.reason == "invalid_utf8" }?.samples.first).letter
        let illShown = try stage.run(["dead-letters", "show", "--letter", ill])
        #expect(illShown.output.contains("\\x1b[H\\xff") && !illShown.output.contains("\u{1B}"))
        let json = try stage.run(["dead-letters", "show", place, "--json"])
        var reader = RecordReader()
        let letter = try Array(json.output.utf8).withUnsafeBytes { try reader.deadLetter($0) }
        #expect(letter.reason == .unknownType && letter.value == Array(steal.utf8))

        let nowhere = try stage.run(["dead-letters", "show", "0/99999"])
        #expect(nowhere.code == 1 && nowhere.output.contains("there is no letter at 0/99999"))
        #expect(try stage.run(["dead-letters", "show", "second"]).code == 2)
        #expect(try stage.run(["dead-letters", "show"]).code == 2)
    }

    /// Commands over many SKUs whose outcomes do not depend on the moment.
    private struct Traffic {
        var random = SplitMix(state: 20)
        var number = 0

        mutating func next() -> Command {
            number += 1
            let sku = Int.random(in: 0..<400, using: &random)
            let newest = number / 400
            let reservation =
                "r\(sku)-\(Int.random(in: max(0, newest - 3)...newest, using: &random))"
            let warehouse = Bool.random(using: &random) ? "BER" : "HAM"
            let quantity = Int64.random(in: 1...4, using: &random)
            let body: Command.Body
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<20: body = .receive(warehouse: ID(warehouse), quantity: 2 * quantity, reference: nil)
            case 20..<65:
                body = .reserve(
                    Command.Reserve(
                        reservationID: ID(reservation), orderID: "o\(number)", quantity: quantity,
                        expiry: .after(milliseconds: 3_600_000)))
            case 65..<80: body = .confirm(reservationID: ID(reservation), quantity: nil)
            case 80..<90: body = .release(reservationID: ID(reservation), quantity: nil)
            case 90..<95: body = .damage(warehouse: ID(warehouse), quantity: 1, reference: nil)
            default:
                body = .adjust(
                    Command.Adjust(
                        warehouse: ID(warehouse), change: .delta(1), reasonCode: .cycleCount))
            }
            // Some ids come again, with the same content or another.
            let id = Int.random(in: 0..<50, using: &random) == 0 ? number - 1 : number
            return Command(id: "c\(id)", sku: "SKU-\(sku)", body: body)
        }
    }

    /// What happened to each SKU, in order: outcomes without what depends on the moment and the place; and how many
    /// notices there were.
    private func outcomes(_ stage: Stage) throws -> (outcomes: [String: [Outcome]], notices: [String: Int]) {
        var reader = RecordReader()
        var outcomes: [String: [Outcome]] = [:]
        var notices: [String: Int] = [:]
        for record in try stage.read(.results) {
            if let notice = try record.value!.withUnsafeBytes({ try reader.notice($0) }) {
                notices[
                    "\(notice.sku) \(notice.sequence) \(notice.reservationID) \(notice.quantity)", default: 0] +=
                    1
                continue
            }
            var outcome = try record.value!.withUnsafeBytes { try reader.outcome($0).outcome }
            outcome.at = Timestamp(milliseconds: 0)
            outcome.expiresAt = nil
            outcomes[outcome.sku.text, default: []].append(outcome)
        }
        return (outcomes, notices)
    }

    /// Publishes the traffic, with a poisonous record after every ninth command if there is poison, and waits until
    /// the processor has seen all of it.
    /// - Returns: the outcomes, and how many poisonous records of each reason were published.
    private func run(
        _ count: Int, poison: [[UInt8]], _ body: (Stage) throws -> Void = { _ in }
    ) throws -> (
        outcomes: [String: [Outcome]], notices: [String: Int], poison: [DecodingFailure.Reason: Int]
    ) {
        let stage = try Stage()
        defer { stage.endAll() }
        let processor = try stage.start("process")
        var traffic = Traffic()
        var reader = RecordReader()
        var published: [DecodingFailure.Reason: Int] = [:]
        for number in 0..<(count * 9 / 10) {
            try stage.publishSoon(traffic.next())
            guard !poison.isEmpty, number % 9 == 8 else { continue }
            let key = Array("SKU-\(number % 400)".utf8)
            let value = poison[number / 9 % poison.count]
            try stage.publish(key: key, value: value)
            let reason = key.withUnsafeBytes { key in
                value.withUnsafeBytes { value -> DecodingFailure.Reason? in
                    do throws(DecodingFailure) {
                        _ = try reader.command(key: key, value: value)
                        return nil
                    } catch {
                        return error.reason
                    }
                }
            }
            published[try #require(reason), default: 0] += 1
        }
        try stage.flush()
        let limit = 60 + Double(count) / 2_000
        try eventually("\(stage.published) records are decided", seconds: limit) {
            let decided =
                processor.metric("holdfast_commands_total") + processor.metric("holdfast_dead_letters_total")
            return Int(decided) >= stage.published
        }
        #expect(processor.process.stop(milliseconds: 10_000) == 0)
        try body(stage)
        let (outcomes, notices) = try outcomes(stage)
        return (outcomes, notices, published)
    }

    private static let poisonCount =
        ProcessInfo.processInfo.environment["HOLDFAST_TEST_POISON"].flatMap { Int($0) } ?? 20_000

    @Test(
        "A tenth of poison among many records changes no good record's outcome",
        .timeLimit(.minutes(20)))
    func poison() throws {
        let count = Self.poisonCount
        // A key that is no SKU of theirs makes poison of the good records too.
        let poison = try hostile().map(\.record)
        let clean = try run(count, poison: [])
        var letters: [DecodingFailure.Reason: Int] = [:]
        let poisoned = try run(count, poison: poison) { stage in
            for letter in try stage.deadLetters() { letters[letter.reason, default: 0] += 1 }
        }
        #expect(letters == poisoned.poison)
        #expect(letters.count > 12 && letters.values.reduce(0, +) == count / 10)
        #expect(clean.outcomes.values.map(\.count).reduce(0, +) == count * 9 / 10)
        #expect(Set(clean.outcomes.keys) == Set(poisoned.outcomes.keys))
        #expect(clean.notices == poisoned.notices)
        for (sku, outcomes) in clean.outcomes {
            #expect(poisoned.outcomes[sku] == outcomes, "\(sku)")
        }
        let kinds = Dictionary(grouping: clean.outcomes.values.joined(), by: \.kind).mapValues(\.count)
        #expect(kinds[.reserved, default: 0] > count / 20, "\(kinds)")
        print("poison: \(count) records, \(letters.values.reduce(0, +)) dead letters; outcomes \(kinds)")
    }
}
