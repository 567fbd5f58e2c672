import InventoryCore
import InventoryWire
import OrderCore
import StreamRuntime
import Testing

@Suite("The orders of a partition")
struct OrderDeskTests {
    private struct Sent: Equatable {
        var topic: Topic
        var partition: Int32
        var key: String
        var value: [UInt8]?
    }

    /// A desk with what it has sent; made anew from `order.state` as a restart makes it.
    private final class Bench {
        var desk: OrderDesk
        var sent: [Sent] = []
        private var state: [(key: String, value: [UInt8]?)] = []
        private let memory: OrderMemory
        private var offset: Int64 = 0
        private var writer = RecordWriter()

        init(memory: OrderMemory = OrderMemory(count: 10, age: 1_000_000)) {
            self.memory = memory
            desk = Self.desk(memory)
        }

        private static func desk(_ memory: OrderMemory) -> OrderDesk {
            OrderDesk(
                partition: 3, settings: OrderSettings(), memory: memory,
                ownsKey: { !$0.elementsEqual("other".utf8) }, partitionOfSKU: { Int32($0[0]) })
        }

        func restart() throws {
            desk = Self.desk(memory)
            for (offset, record) in state.enumerated() {
                try Array(record.key.utf8).withUnsafeBytes { key in
                    try (record.value ?? []).withUnsafeBytes { value in
                        try desk.restore(
                            LogRecord(
                                key: key, value: record.value == nil ? nil : value, offset: Int64(offset),
                                timestamp: 0))
                    }
                }
            }
            desk.restored()
        }

        func output(
            _ topic: Topic, _ partition: Int32, _ key: UnsafeRawBufferPointer?,
            _ value: UnsafeRawBufferPointer?
        ) {
            sent.append(
                Sent(
                    topic: topic, partition: partition,
                    key: String(decoding: key.map { Array($0) } ?? [], as: UTF8.self),
                    value: value.map { Array($0) }))
        }

        /// - Parameter now: the coordinator's clock; the broker's if nothing is said.
        func give(
            _ value: [UInt8], key: String, from topic: Topic, at: Int64, now: Int64? = nil
        ) throws {
            offset += 1
            try Array(key.utf8).withUnsafeBytes { key in
                try value.withUnsafeBytes { value in
                    try desk.process(
                        LogRecord(key: key, value: value, offset: offset, timestamp: at), from: topic,
                        at: now ?? at,
                        { self.output($0, $1, $2, $3) })
                }
            }
        }

        func event(
            _ id: ID, _ body: OrderEvent.Body, order: ID = "o", at: Int64, now: Int64? = nil
        ) throws {
            writer.write(
                event: OrderEvent(id: id, orderID: order, at: Timestamp(milliseconds: 0), body: body))
            try give(writer.withBytes { Array($0) }, key: order.text, from: .orders, at: at, now: now)
        }

        /// The stock grants or refuses the newest commands.
        func answer(_ kind: Outcome.Kind, at: Int64) throws {
            var reader = RecordReader()
            let commands = try sent.filter { $0.topic == .commands }.map { sent in
                try Array(sent.key.utf8).withUnsafeBytes { key in
                    try sent.value!.withUnsafeBytes { try reader.command(key: key, value: $0) }
                }
            }
            for command in commands {
                var outcome = Outcome(
                    kind: kind, command: command.kind, commandID: command.id, sku: command.sku,
                    rejection: kind == .rejected ? .insufficientStock : nil,
                    reservationID: command.reservationID, orderID: "o", quantity: 1,
                    at: Timestamp(milliseconds: at))
                if kind == .reserved { outcome.allocations = [Allocation(warehouse: "BER", quantity: 1)] }
                writer.write(outcome: outcome, source: Source(partition: 0, offset: 0))
                try give(writer.withBytes { Array($0) }, key: "o", from: .orderReplies, at: at)
            }
        }

        /// Ends the transaction.
        func commit() throws -> [Sent] {
            try desk.writeChanged { self.output($0, $1, $2, $3) }
            for record in sent where record.topic == .orderState { state.append((record.key, record.value)) }
            defer { sent = [] }
            return sent
        }
    }

    private let lines = [OrderEvent.Line(sku: "A", quantity: 1), OrderEvent.Line(sku: "B", quantity: 1)]

    private func placed(ttl: Int64 = 60_000) -> OrderEvent.Body {
        .placed(OrderEvent.Placed(lines: lines, expiry: .after(milliseconds: ttl)))
    }

    @Test("An hour ahead of the broker, it says too early once that an order is due, and then in time")
    func clockAhead() throws {
        let bench = Bench()
        let ahead: Int64 = 3_600_000
        for (number, order) in ["a", "b", "c"].enumerated() {
            try bench.event(ID("e\(number)"), placed(ttl: 60_000), order: ID(order), at: 1_000)
        }
        try bench.answer(.reserved, at: 1_000)
        _ = try bench.commit()
        func tell(_ now: Int64) throws -> [String] {
            bench.sent = []
            let count = try bench.desk.tellDue(at: now, limit: 10) { bench.output($0, $1, $2, $3) }
            #expect(count == bench.sent.count)
            return bench.sent.map(\.key)
        }
        #expect(try tell(2_000 + ahead) == ["a"])
        let word = bench.sent[0]
        #expect(try tell(7_500 + ahead) == [], "one is enough until it is read")
        try bench.give(word.value!, key: "a", from: .orders, at: 2_050, now: 7_600 + ahead)
        // It was read late, so the broker's clock is thought to be behind by that.
        #expect(try tell(30_000 + ahead) == [])
        try bench.event("e9", .paid([]), order: "other", at: 40_000, now: 40_000 + ahead)
        #expect(try tell(60_990 + ahead) == [])
        #expect(try tell(61_010 + ahead) == ["a", "b", "c"])
    }

    @Test("An hour behind the broker, it says in time that an order is due, as records tell the broker's clock")
    func clockBehind() throws {
        let bench = Bench()
        let behind: Int64 = 3_600_000
        try bench.event("e1", placed(ttl: 60_000), at: behind + 1_000, now: 1_000)
        try bench.answer(.reserved, at: behind + 1_000)
        _ = try bench.commit()
        let (before, then) = (bench.desk.isDue(at: 61_000), bench.desk.isDue(at: 61_003))
        #expect(!before && then)
    }

    @Test("How far the partition was read stands in order.state beside the orders, and is none of them")
    func place() throws {
        let bench = Bench()
        #expect(bench.desk.place == nil && !bench.desk.hasState)
        try bench.event("e1", .placed(OrderEvent.Placed(lines: [OrderEvent.Line(sku: "A", quantity: 1)])), at: 10)
        try bench.desk.writeChanged { bench.output($0, $1, $2, $3) }
        try bench.desk.write(OrderPlace(order: 7, reply: 9)) { bench.output($0, $1, $2, $3) }
        let written = try #require(bench.sent.last)
        #expect(written.topic == .orderState && written.partition == 3 && written.key == "@holdfast/partition/3")
        #expect(written.value.map { String(decoding: $0, as: UTF8.self) } == #"{"partition":3,"next_order":7,"next_reply":9}"#)
        _ = try bench.commit()
        try bench.restart()
        #expect(bench.desk.place == OrderPlace(order: 7, reply: 9) && bench.desk.hasState)
        #expect(bench.desk.liveOrders == 1 && bench.desk.order("@holdfast/partition/3") == nil)
    }

    @Test("An order that is named like the partition's own record is a dead letter, and gets no state")
    func reservedName() throws {
        let bench = Bench()
        for lines in [[OrderEvent.Line(sku: "A", quantity: 1)], []] {
            try bench.event("e1", .placed(OrderEvent.Placed(lines: lines)), order: "@holdfast/partition/3", at: 10)
            #expect(bench.sent.map(\.topic) == [.deadLetters])
            bench.sent = []
        }
        #expect(bench.desk.liveOrders == 0)
    }

    @Test("Commands go to the partitions of their SKUs, outcomes and states to the order's, each state once")
    func outputs() throws {
        let bench = Bench()
        try bench.event("e1", placed(), at: 1)
        try bench.answer(.reserved, at: 2)
        let sent = try bench.commit()
        #expect(sent.map(\.topic) == [.commands, .commands, .orderOutcomes, .orderState])
        #expect(sent.map(\.partition) == [0x41, 0x42, 3, 3])
        #expect(sent.map(\.key) == ["A", "B", "o", "o"])
        #expect(bench.desk.order("o")?.phase == .settled)
    }

    @Test("After a restart an order goes on as it was")
    func restart() throws {
        let bench = Bench()
        try bench.event("e1", placed(), at: 1)
        let commands = try bench.commit()
        let before = bench.desk.order("o")
        try bench.restart()
        #expect(bench.desk.order("o") == before)
        bench.sent = commands
        try bench.answer(.reserved, at: 2)
        #expect(bench.sent.last?.topic == .orderOutcomes)
    }

    @Test("What is due is told in the log of orders once in a while, and heeded when it is read there")
    func due() throws {
        let bench = Bench()
        try bench.event("e1", placed(ttl: 100), at: 0)
        try bench.answer(.reserved, at: 1)
        _ = try bench.commit()
        let (before, then) = (bench.desk.isDue(at: 100), bench.desk.isDue(at: 101))
        #expect(!before && then)
        func tell(_ now: Int64) throws -> Int {
            try bench.desk.tellDue(at: now, limit: 10) { bench.output($0, $1, $2, $3) }
        }
        #expect(try tell(101) == 1)
        #expect(try tell(102) == 0)
        let word = try #require(bench.sent.first)
        #expect(word.topic == .orders && word.partition == 3 && word.key == "o")
        // The broker's clock was behind: nothing follows, and the word is given again.
        bench.sent = []
        try bench.give(word.value!, key: "o", from: .orders, at: 100)
        #expect(bench.sent.isEmpty)
        #expect(try tell(101 + 5_000) == 1)
        bench.sent = []
        try bench.give(word.value!, key: "o", from: .orders, at: 101)
        #expect(bench.sent.map(\.topic) == [.commands, .commands])
        #expect(bench.desk.order("o")?.phase == .busy(.expiring))
    }

    @Test("Orders that have ended are forgotten by age and by number, each with a tombstone")
    func forgotten() throws {
        let bench = Bench(memory: OrderMemory(count: 1, age: 50))
        try bench.event("e1", placed(), at: 1)
        try bench.answer(.rejected, at: 2)
        #expect(try bench.commit().last?.value != nil)
        #expect(bench.desk.liveOrders == 0)
        try bench.event("e2", .paid([]), order: "ghost", at: 53)
        let sent = try bench.commit()
        #expect(sent.contains(Sent(topic: .orderState, partition: 3, key: "o", value: nil)))
        #expect(bench.desk.order("o") == nil)
        try bench.restart()
        #expect(bench.desk.order("o") == nil && bench.desk.order("ghost") != nil)
    }

    @Test("What is no event, or is in another's partition, is a dead letter, and the desk goes on")
    func deadLetters() throws {
        let bench = Bench()
        try bench.give(Array("{".utf8), key: "o", from: .orders, at: 1)
        try bench.event("e1", .paid([]), order: "other", at: 2)
        try bench.give(Array("{}".utf8), key: "o", from: .orderReplies, at: 3)
        var reader = RecordReader()
        let letters = try bench.commit().filter { $0.topic == .deadLetters }.map { letter in
            try letter.value!.withUnsafeBytes { try reader.deadLetter($0) }
        }
        #expect(letters.map(\.reason) == [.invalidJSON, .wrongPartition, .missingField])
        #expect(letters.map(\.topic) == ["orders", "orders", "order.replies"])
    }

    private func letters(_ sent: [Sent]) throws -> [DeadLetter] {
        var reader = RecordReader()
        return try sent.filter { $0.topic == .deadLetters }.map { letter in
            try letter.value!.withUnsafeBytes { try reader.deadLetter($0) }
        }
    }

    private func answers(_ sent: [Sent]) throws -> [OrderAnswer] {
        var reader = RecordReader()
        return try sent.filter { $0.topic == .orderOutcomes }.compactMap { record in
            try record.value!.withUnsafeBytes { try reader.orderAnswer($0) }
        }
    }

    private func outcomes(_ sent: [Sent]) throws -> [OrderOutcome] {
        var reader = RecordReader()
        return try sent.filter { $0.topic == .orderOutcomes }.compactMap { record in
            try record.value!.withUnsafeBytes { try reader.orderOutcome($0) }
        }
    }

    @Test(
        "An event id that comes again with another content is a dead letter, and is answered; after a restart, too"
    )
    func conflict() throws {
        let bench = Bench()
        try bench.event("e1", placed(), at: 1)
        try bench.answer(.reserved, at: 2)
        _ = try bench.commit()
        for _ in 0..<2 {
            try bench.event("e1", .paid([]), at: 3)
            let sent = try bench.commit()
            #expect(try letters(sent).map(\.reason) == [.eventIDConflict])
            #expect(try answers(sent).map(\.reason) == [.eventIDConflict])
            #expect(try outcomes(sent).isEmpty)
            try bench.restart()
        }
        try bench.event("e1", placed(), at: 4)
        #expect(try bench.commit().isEmpty)
    }

    @Test(
        "An order of 101 lines, and one of a SKU from two warehouses, are rejected with the reason, and paid back"
    )
    func unreadable() throws {
        let many = (0...100).map { #"{"sku":"S\#($0)","quantity":1}"# }.joined(separator: ",")
        let two = #"{"sku":"A","quantity":1,"warehouse":"BER"},{"sku":"A","quantity":1,"warehouse":"HAM"}"#
        for (lines, reason, units) in [(many, "out_of_range", 101 as Int64), (two, "conflicting_fields", 2)] {
            let bench = Bench()
            try bench.give(
                Array(#"{"event_id":"e1","type":"order.placed","order_id":"o","lines":[\#(lines)]}"#.utf8),
                key: "o", from: .orders, at: 1)
            let rejected = try bench.commit()
            #expect(rejected.map(\.topic) == [.deadLetters, .orderOutcomes, .orderState])
            let outcome = try #require(try outcomes(rejected).first)
            #expect(outcome.kind == .rejected && outcome.isFinal && outcome.unreadable?.reason == reason)
            try bench.restart()
            try bench.event("e2", .paid([]), at: 2)
            let refund = try #require(try outcomes(try bench.commit()).first)
            #expect(refund.kind == .refundRequired && refund.version == 2)
            #expect(refund.lines.reduce(0) { $0 + $1.refundAdded } == units)
        }
    }

    @Test("An order that names itself by a number is answered under its key, and so are its payments")
    func numberAsID() throws {
        let bench = Bench()
        for (number, type) in ["order.placed", "order.paid"].enumerated() {
            let lines = number == 0 ? #","lines":[{"sku":"A","quantity":3}]"# : ""
            try bench.give(
                Array(#"{"event_id":"e\#(number)","type":"\#(type)","order_id":4711\#(lines)}"#.utf8),
                key: "4711", from: .orders, at: 1)
        }
        let sent = try bench.commit()
        #expect(try letters(sent).map(\.reason) == [.wrongType, .wrongType])
        #expect(try outcomes(sent).map(\.orderID) == ["4711", "4711"])
        #expect(try outcomes(sent).map(\.kind) == [.rejected, .refundRequired])
        #expect(try outcomes(sent).last?.lines.map(\.refundAdded) == [3])
    }

    @Test("Of an order of more lines than any may have, the whole payment goes back")
    func tooManyLines() throws {
        let bench = Bench()
        let lines = (0...200).map { #"{"sku":"S\#($0)","quantity":1}"# }.joined(separator: ",")
        try bench.give(
            Array(#"{"event_id":"e1","type":"order.placed","order_id":"o","lines":[\#(lines)]}"#.utf8),
            key: "o", from: .orders, at: 1)
        #expect(try outcomes(bench.commit()).map(\.lines.count) == [0])
        try bench.restart()
        try bench.event("e2", .paid([]), at: 2)
        try bench.event("e3", .paid([]), at: 3)
        let sent = try bench.commit()
        #expect(try outcomes(sent).map(\.kind) == [.refundRequired])
        #expect(try answers(sent).map(\.reason) == [.nothingToPay])
    }

    @Test("A time that is none is answered, whatever the event")
    func noTime() throws {
        let bench = Bench()
        let bad = #""expires_at":"2027-01-05T10:15:00+0100""#
        try bench.give(
            Array(
                #"{"event_id":"e1","type":"order.placed","order_id":"o","lines":[{"sku":"A","quantity":1}],\#(bad)}"#
                    .utf8), key: "o", from: .orders, at: 1)
        #expect(try outcomes(bench.commit()).map(\.unreadable?.reason) == ["invalid_time"])
        try bench.event("e2", placed(), order: "p", at: 2)
        try bench.give(
            Array(#"{"event_id":"e3","type":"order.changed","order_id":"p",\#(bad)}"#.utf8), key: "p",
            from: .orders, at: 3)
        let sent = try bench.commit()
        #expect(try letters(sent).map(\.reason) == [.invalidTime])
        #expect(try answers(sent).map(\.eventID) == ["e3"])
        #expect(try answers(sent).map(\.unreadable?.reason) == ["invalid_time"])
    }

    @Test("An order whose id is too long for reservations is rejected, and a payment of it goes back")
    func longID() throws {
        let bench = Bench()
        let id = String(repeating: "x", count: 100)
        for (number, type) in ["order.placed", "order.paid", "order.paid"].enumerated() {
            let lines = number == 0 ? #","lines":[{"sku":"A","quantity":3}]"# : ""
            try bench.give(
                Array(#"{"event_id":"e\#(number)","type":"\#(type)","order_id":"\#(id)"\#(lines)}"#.utf8),
                key: id, from: .orders, at: 1)
        }
        let sent = try bench.commit()
        #expect(try letters(sent).map(\.reason) == [.idTooLong, .idTooLong, .idTooLong])
        #expect(try outcomes(sent).map(\.kind) == [.rejected, .refundRequired])
        #expect(try outcomes(sent).last?.lines.map(\.refundAdded) == [3])
        #expect(try answers(sent).map(\.reason) == [.unreadable])
        let before = bench.desk.order(ID(id))
        try bench.restart()
        #expect(bench.desk.order(ID(id)) == before)
    }

    @Test(
        "A record that cannot be read and is in another's partition, or under another key, is a dead letter alone"
    )
    func unreadableElsewhere() throws {
        let bench = Bench()
        for key in ["other", "q"] {
            try bench.give(
                Array(
                    #"{"event_id":"e1","type":"order.placed","order_id":"\#(key == "q" ? "o" : key)"}"#.utf8),
                key: key, from: .orders, at: 1)
        }
        #expect(try bench.commit().map(\.topic) == [.deadLetters, .deadLetters])
    }
}
