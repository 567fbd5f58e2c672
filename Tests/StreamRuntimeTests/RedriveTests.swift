import Foundation
import InventoryCore
import InventoryWire
import StreamRuntime
import Testing

@Suite("What a dead letter is sent again as")
struct RedriveTests {
    private static let counts: [Topic: Int32] = [
        .commands: 4, .warehouses: 1, .products: 1, .settings: 1, .orders: 3, .orderReplies: 3,
    ]

    private func letter(
        _ value: String?, key: String? = "A", topic: Topic = .commands, valueBytes: Int? = nil
    ) -> DeadLetter {
        DeadLetter(
            reason: .missingField, detail: "quantity is missing", topic: topic.rawValue, partition: 0,
            offset: 5,
            timestamp: nil, key: key.map { Array($0.utf8) }, value: value.map { Array($0.utf8) },
            valueBytes: valueBytes ?? value?.utf8.count ?? 0, isTruncated: valueBytes != nil)
    }

    /// A key belongs into the partition of its length.
    private func record(
        of letter: DeadLetter, set: [String] = [], rename: [String] = [], key: String? = nil,
        value: String? = nil, partition: Int32? = nil, counts: [Topic: Int32] = Self.counts
    ) throws -> Redrive.Record {
        var redrive = Redrive(
            mending: Redrive.Mending(
                edit: try RecordEdit(renames: rename, settings: set), key: key.map { Array($0.utf8) },
                value: value.map { Array($0.utf8) }, partition: partition),
            partitionCounts: counts, partitionOf: { Int32($0.count) % $1 })
        return try redrive.record(of: letter)
    }

    private func reason(_ body: () throws -> Redrive.Record) -> DecodingFailure.Reason? {
        do {
            _ = try body()
            return nil
        } catch {
            return (error as? DecodingFailure)?.reason
        }
    }

    private static let receive =
        #"{"command_id":"c","type":"receive","sku":"A","warehouse":"BER","quantity":1}"#

    @Test("A letter that can be read by now goes as it came, into the partition of its key")
    func asItCame() throws {
        #expect(
            try record(of: letter(Self.receive))
                == Redrive.Record(
                    topic: .commands, partition: 1, key: Array("A".utf8), value: Array(Self.receive.utf8),
                    commandID: "c", isMended: false))
    }

    @Test(
        "A letter of records that nobody can read holds none of them, and goes only with a value of its own")
    func unreadable() throws {
        var letter = letter(nil, key: nil)
        letter.reason = .unreadable
        #expect(reason { try record(of: letter) } == .unreadable)
        #expect(try record(of: letter, key: "A", value: Self.receive).commandID == "c")
    }

    @Test(
        "A command with as many fields or bytes as it may have is sent without the time of its issue, and so is no letter again",
        arguments: ["bytes", "fields"])
    func asLargeAsMayBe(what: String) throws {
        let more =
            what == "bytes"
            ? "\"n\":\"\(String(repeating: "x", count: Limits.commandBytes - Self.receive.utf8.count - 7))\""
            : (0..<Limits.commandFields - 5).map { "\"x\($0)\":1" }.joined(separator: ",")
        let large = String(Self.receive.dropLast()) + "," + more + "}"
        var redrive = Redrive(
            mending: Redrive.Mending(edit: try RecordEdit()), at: 1_790_000_000_000,
            partitionCounts: Self.counts, partitionOf: { Int32($0.count) % $1 })
        let record = try redrive.record(of: letter(large))
        var reader = RecordReader()
        let command = try Array("A".utf8).withUnsafeBytes { key in
            try record.value!.withUnsafeBytes { try reader.command(key: key, value: $0) }
        }
        #expect(command.issuedAt == nil && record.value == Array(large.utf8))
        #expect(try redrive.record(of: letter(Self.receive)).value != Array(Self.receive.utf8))
    }

    @Test("A mended letter keeps its key and its command_id")
    func mended() throws {
        let broken = #"{"command_id":"c","type":"receive","sku":"A","warehouse":"BER","amount":1}"#
        let mended = try record(of: letter(broken), rename: ["amount=quantity"])
        #expect(mended.value == Array(Self.receive.utf8))
        #expect(mended.isMended && mended.commandID == "c" && mended.key == Array("A".utf8))
        #expect(
            reason { try record(of: letter(broken), set: ["quantity=1", "command_id=d"]) }
                == .conflictingFields)
        #expect(
            reason {
                try record(
                    of: letter(broken),
                    value: Self.receive.replacingOccurrences(of: "\"c\"", with: "\"d\""))
            } == .conflictingFields)
        // What could not be read was no id.
        let nameless = Self.receive.replacingOccurrences(of: "\"c\"", with: "17")
        #expect(try record(of: letter(nameless), set: ["command_id=d"]).commandID == "d")
        #expect(try record(of: letter("{"), value: Self.receive).commandID == "c")
        #expect(try record(of: letter(Self.receive, key: "B"), key: "A").isMended)
    }

    @Test("What would be a dead letter again is refused with that reason")
    func refused() {
        #expect(reason { try record(of: letter("{")) } == .invalidJSON)
        #expect(reason { try record(of: letter("{"), set: ["a=1"]) } == .invalidJSON)
        #expect(reason { try record(of: letter(nil)) } == .emptyValue)
        #expect(reason { try record(of: letter(Self.receive, key: "B")) } == .keyMismatch)
        #expect(reason { try record(of: letter(Self.receive, key: nil)) } == .keyMismatch)
        #expect(reason { try record(of: letter(Self.receive), set: ["quantity=0"]) } == .outOfRange)
        #expect(reason { try record(of: letter(Self.receive), partition: 2) } == .wrongPartition)
        #expect(reason { try record(of: letter(Self.receive), partition: 4) } == .wrongPartition)
        #expect(reason { try record(of: letter(Self.receive, topic: .results)) } == .unknownType)
        #expect(reason { try record(of: letter(Self.receive, valueBytes: 2_000_000)) } == .tooLarge)
        #expect(reason { try record(of: letter("[]", key: "BER", topic: .warehouses)) } == .notAnObject)
    }

    @Test("A command to a partition's book goes to that partition")
    func books() throws {
        let value = { (number: Int) in
            #"{"command_id":"c","type":"set_warehouse","sku":"@holdfast/partition/\#(number)","warehouse":"BER"}"#
        }
        let key = { (number: Int) in "@holdfast/partition/\(number)" }
        #expect(try record(of: letter(value(3), key: key(3))).partition == 3)
        #expect(reason { try record(of: letter(value(4), key: key(4))) } == .wrongPartition)
    }

    @Test("Letters from warehouses, products and settings go back there, also into a partition that is told")
    func published() throws {
        let warehouse = try record(
            of: letter(#"{"warehouse":"BER","name":""}"#, key: "BER", topic: .warehouses),
            set: ["name=Berlin"])
        #expect(warehouse.topic == .warehouses && warehouse.partition == 0 && warehouse.commandID == nil)
        #expect(try record(of: letter(nil, key: "", topic: .warehouses), key: "BER").value == nil)
        #expect(
            try record(of: letter(#"{"default_ttl_ms":60000}"#, key: "x", topic: .settings), key: "decisions")
                .topic == .settings)
    }

    @Test(
        "An order's event goes back to orders, with its key and its event_id, into the partition of its key")
    func events() throws {
        let paid = #"{"event_id":"e","type":"order.paid","order_id":"o-12"}"#
        #expect(
            try record(of: letter(paid, key: "o-12", topic: .orders))
                == Redrive.Record(
                    topic: .orders, partition: 1, key: Array("o-12".utf8), value: Array(paid.utf8),
                    eventID: "e", isMended: false))
        let astray = letter(paid, key: "o-12", topic: .orders)
        #expect(reason { try record(of: astray, partition: 2) } == .wrongPartition)
        #expect(reason { try record(of: astray, set: ["event_id=f"]) } == .conflictingFields)
        #expect(reason { try record(of: astray, set: ["type=order.payed"]) } == .unknownType)
        #expect(reason { try record(of: letter(paid, key: "o-1", topic: .orders)) } == .keyMismatch)
        #expect(reason { try record(of: astray, counts: [.commands: 4]) } == .unknownType)
    }

    @Test("A reply to an order goes back into the partition that stands in the name of its reservation")
    func replies() throws {
        func reply(_ reservation: ID) -> DeadLetter {
            letter(
                #"{"command_id":"c","type":"release","sku":"A","outcome":"released","reservation_id":"\#(reservation)","#
                    + #""order_id":"o-1","quantity":1,"remaining":0,"ledger_sequence":6,"at":"2026-11-24T09:00:00.003Z","#
                    + #""source":{"partition":0,"offset":42}}"#, key: "o-1", topic: .orderReplies)
        }
        #expect(try record(of: reply("@holdfast/order/2/o-1/1/1")).partition == 2)
        #expect(try record(of: reply("@holdfast/order/2/o-1/1/1")).topic == .orderReplies)
        #expect(reason { try record(of: reply("@holdfast/order/3/o-1/1/1")) } == .wrongPartition)
        #expect(
            reason { try record(of: reply("@holdfast/order/2/o-1/1/1"), partition: 1) } == .wrongPartition)
        #expect(reason { try record(of: reply("r-1")) } == .invalidID)
    }
}
