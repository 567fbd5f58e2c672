import Foundation
import InventoryCore
import InventoryWire
import OrderCore
import Testing

/// The contract of the topics of orders.
@Suite("The contract of orders")
struct OrderContractTests {
    private let nine = Timestamp(milliseconds: 1_795_510_800_000)
    private let quarterPast = Timestamp(milliseconds: 1_795_511_700_000)

    private func bytes(_ write: (inout RecordWriter) -> Void) -> [UInt8] {
        var writer = RecordWriter()
        write(&writer)
        return writer.withBytes { Array($0) }
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private func read(_ record: [UInt8], key: String) -> Result<OrderRecord, DecodingFailure> {
        var reader = RecordReader()
        return Array(key.utf8).withUnsafeBytes { key in
            record.withUnsafeBytes { value in
                do throws(DecodingFailure) {
                    return .success(try reader.orderRecord(key: key, value: value, at: nine, offset: 42))
                } catch {
                    return .failure(error)
                }
            }
        }
    }

    private func event(_ id: ID, _ body: OrderEvent.Body, of order: ID = "o-1") -> OrderRecord {
        .event(OrderEvent(id: id, orderID: order, at: nine, offset: 42, body: body))
    }

    private var events: [String: OrderRecord] {
        [
            "placed": event(
                "e-1",
                .placed(
                    OrderEvent.Placed(lines: [
                        OrderEvent.Line(sku: "TEA-250", quantity: 2),
                        OrderEvent.Line(sku: "MUG", quantity: 1),
                    ]))),
            "placed.with_everything": event(
                "e-2",
                .placed(
                    OrderEvent.Placed(
                        mode: .wait,
                        lines: [
                            OrderEvent.Line(sku: "TEA-250", quantity: 2, warehouse: "BER"),
                            OrderEvent.Line(sku: "MUG", quantity: 1),
                        ], expiry: .at(quarterPast), strategy: .nearest, allowSplit: false, channel: "web",
                        shipTo: Point(latitude: 53_550_000, longitude: -9_990_001), deliverWithinHours: 48)),
                of: "o-2"),
            "paid": event("e-3", .paid([])),
            "paid.lines": event(
                "e-4", .paid([LineUnits(sku: "TEA-250", quantity: 1), LineUnits(sku: "MUG")])),
            "cancelled": event("e-5", .cancelled([])),
            "cancelled.units": event("e-6", .cancelled([LineUnits(sku: "TEA-250", quantity: 1)])),
            "changed": event(
                "e-7",
                .changed(
                    OrderEvent.Changed(
                        lines: [
                            OrderEvent.Line(sku: "TEA-250", quantity: 3),
                            OrderEvent.Line(sku: "MUG", quantity: 0),
                        ], expiry: .after(milliseconds: 900_000)))),
            "changed.deadline": event(
                "e-8", .changed(OrderEvent.Changed(lines: [], expiry: .at(quarterPast)))),
            "shipped": event("e-9", .shipped([])),
            "shipped.warehouses": event(
                "e-11",
                .shipped([
                    LineUnits(sku: "TEA-250", quantity: 1, warehouse: "BER"),
                    LineUnits(sku: "TEA-250", quantity: 1, warehouse: "HAM"),
                ])),
            "reallocate": event(
                "@holdfast/optimize/o-1/3",
                .reallocate(
                    Reallocation(
                        version: 3,
                        lines: [
                            ReallocatedLine(
                                sku: "TEA-250", allocations: [Allocation(warehouse: "BER", quantity: 2)])
                        ], saving: Saving(shipments: 1, kilometres: -312, late: 0)))),
            "reallocate.lines": event(
                "e-10",
                .reallocate(
                    Reallocation(
                        version: 1,
                        lines: [
                            ReallocatedLine(
                                sku: "TEA-250",
                                allocations: [
                                    Allocation(warehouse: "BER", quantity: 1),
                                    Allocation(warehouse: "HAM", quantity: 1),
                                ]),
                            ReallocatedLine(
                                sku: "MUG", allocations: [Allocation(warehouse: "HAM", quantity: 1)]),
                        ]))),
            "due": .due(orderID: "o-1"),
        ]
    }

    @Test("Each event is read and written as its golden record")
    func goldenEvents() throws {
        let golden = try Contract.records(.orders, "golden")
        #expect(Set(golden.keys) == Set(events.keys))
        for (name, record) in golden {
            let expected = try #require(events[name])
            #expect(try read(record, key: expected.orderID.text).get() == expected, "\(name)")
            let written = bytes {
                switch expected {
                case .event(let event): $0.write(event: event)
                case .due(let id): $0.write(dueOrder: id)
                }
            }
            #expect(text(written) == text(record))
        }
    }

    @Test("README's examples of events are golden records")
    func examples() throws {
        let golden = Set(try Contract.records(.orders, "golden").values)
        let readme = try String(
            contentsOf: Contract.folder.deletingLastPathComponent().appending(path: "README.md"),
            encoding: .utf8)
        let lines = readme.split(separator: "\n").map { $0.drop { $0 == " " } }
            .filter { $0.hasPrefix(#"{"event_id""#) }
        #expect(lines.count >= 2)
        for line in lines { #expect(golden.contains(Array(line.utf8)), "\(line)") }
    }

    @Test("Hostile events are refused for the reason that their names begin with")
    func hostile() throws {
        let hostile = try Contract.records(.orders, "hostile")
        #expect(hostile.count > 30)
        for (name, record) in hostile {
            let reason = try #require(DecodingFailure.Reason(rawValue: String(name.split(separator: ".")[0])))
            switch read(record, key: "A") {
            case .success: Issue.record("\(name) was accepted")
            case .failure(let failure): #expect(failure.reason == reason, "\(name): \(failure.detail)")
            }
        }
    }

    @Test("Each outcome of an order has a golden record, which is read and written so")
    func outcomes() throws {
        let golden = try Contract.records(.orderOutcomes, "golden")
        let refused: Set = ["refused", "refused.unreadable"]
        #expect(
            Set(golden.keys)
                == refused.union(OrderOutcomeKind.allCases.map(\.rawValue)).union(["rejected.unreadable"]))
        var reader = RecordReader()
        for (name, record) in golden where !refused.contains(name) {
            let outcome = try #require(try record.withUnsafeBytes { try reader.orderOutcome($0) })
            #expect(
                name.hasPrefix(outcome.kind.rawValue) && outcome.deadline == quarterPast && outcome.at == nine
            )
            #expect(text(bytes { $0.write(orderOutcome: outcome) }) == text(record))
        }
        let reserved = try #require(golden["reserved"])
        let outcome = try #require(try reserved.withUnsafeBytes { try reader.orderOutcome($0) })
        #expect(
            outcome.lines[0]
                == OrderOutcome.Line(
                    sku: "TEA-250", quantity: 2, reserved: 2,
                    allocations: [Allocation(warehouse: "BER", quantity: 2)]))
        #expect(outcome.allowSplit && outcome.shipTo == nil && outcome.deliverWithinHours == nil)
        let record = try #require(golden["changed"])
        let changed = try #require(try record.withUnsafeBytes { try reader.orderOutcome($0) })
        #expect(changed.shipTo == Point(latitude: 53_550_000, longitude: -9_990_001))
        #expect(changed.deliverWithinHours == 48 && !changed.allowSplit)
        #expect(changed.lines.map(\.warehouse) == [nil, "HAM"])
    }

    @Test(
        "An answer to an event that did nothing is no outcome, and is read and written as its golden record")
    func answers() throws {
        let golden = try Contract.records(.orderOutcomes, "golden")
        var reader = RecordReader()
        for name in ["refused", "refused.unreadable"] {
            let record = try #require(golden[name])
            #expect(try record.withUnsafeBytes { try reader.orderOutcome($0) } == nil)
            let answer = try #require(try record.withUnsafeBytes { try reader.orderAnswer($0) })
            #expect(text(bytes { $0.write(orderAnswer: answer) }) == text(record))
            #expect((answer.unreadable != nil) == (answer.reason == .unreadable))
        }
        let reserved = try #require(golden["reserved"])
        #expect(try reserved.withUnsafeBytes { try reader.orderAnswer($0) } == nil)
    }

    @Test("Of an event that cannot be read it is known whose it is, and what can be read of it")
    func unreadable() throws {
        var reader = RecordReader()
        func look(_ text: String, key: String = "A") -> UnreadableEvent? {
            Array(key.utf8).withUnsafeBytes { key in
                Array(text.utf8).withUnsafeBytes { value in
                    reader.unreadableEvent(
                        key: key, value: value, at: nine, DecodingFailure(.outOfRange, "no"))
                }
            }
        }
        let placed = try #require(
            look(
                #"{"event_id":"e","type":"order.placed","order_id":"A","lines":[{"sku":"X","quantity":1,"warehouse":"BER"},{"sku":"X","quantity":2,"warehouse":"HAM"},{"sku":"Y","quantity":-1},7]}"#
            ))
        #expect(placed.kind == .placed && placed.id == "e" && placed.why.reason == "out_of_range")
        #expect(placed.lines.isEmpty && !placed.hasAllLines)
        let lines = look(
            #"{"type":"order.placed","order_id":"A","lines":[{"sku":"X","quantity":1},{"sku":"X","quantity":2},{"sku":"Y"}]}"#
        )
        #expect(lines?.lines == [OrderEvent.Line(sku: "X", quantity: 3)] && lines?.id == nil)
        #expect(lines?.hasAllLines == false)
        let whole = #"{"type":"order.placed","lines":[{"sku":"X","quantity":1}],"#
        #expect(look(whole + #""order_id":"A"}"#)?.hasAllLines == true)
        // Whose it is stands in the key, too.
        for id in ["1", "null", "[]"] {
            #expect(look(whole + #""order_id":\#(id)}"#, key: "1")?.orderID == "1", "\(id)")
        }
        #expect(look(#"{"type":"order.paid"}"#)?.orderID == "A")
        for key in ["", "A\n", String(repeating: "A", count: 129)] {
            #expect(look(#"{"type":"order.paid","order_id":1}"#, key: key) == nil, "\(key)")
        }
        // Of more lines than an order may have, none is kept.
        for (count, kept) in [(200, 200), (201, 0)] {
            let lines = (1...count).map { #"{"sku":"\#($0)","quantity":1}"# }.joined(separator: ",")
            let many = look(#"{"type":"order.placed","order_id":"A","lines":[\#(lines)]}"#)
            #expect(many?.lines.count == kept && many?.hasAllLines == (kept > 0))
        }
        for other in [
            #"{"type":"order.placed","order_id":"B"}"#, #"{"type":"order.due","order_id":"A"}"#,
            #"{"type":"order.reallocate","order_id":"A"}"#, #"{"order_id":"A"}"#, "{", "[]", "",
        ] {
            #expect(look(other) == nil, "\(other)")
        }
    }

    @Test("A state that was written before refunds were kept line by line is read")
    func earlierStates() throws {
        let record = Array(
            #"{"order_id":"o-1","partition":3,"state":"settled","version":3,"mode":"wait","expires_at":"2026-11-24T09:15:00.000Z","paid":true,"refund_told":1,"shipped_told":2,"lines":[{"sku":"TEA-250","quantity":5,"goal":5,"paid":4,"to_ship":4,"shipments":[{"warehouse":"BER","quantity":2}],"attempts":1,"claims":[{"attempt":1,"allocations":[{"warehouse":"BER","quantity":1}],"commands":2,"short":true}]}],"remembered":"00f0000000000001"}"#
                .utf8)
        var reader = RecordReader()
        let order = try record.withUnsafeBytes { try reader.order($0) }
        #expect(order.refund == 1 && order.refundTold == 1 && order.isPaid)
        #expect(order.lines[0].parcels == 4 && order.lines[0].owed == 1 && order.lines[0].offered == 0)
        #expect(order.remembered == [Order.Remembered(id: 0x00F0_0000_0000_0001, content: 0)])
    }

    @Test("Each state of an order is read and written as its golden record")
    func states() throws {
        let golden = try Contract.records(.orderState, "golden")
        #expect(
            Set(golden.keys) == [
                "busy", "moving", "settled", "ended", "unknown", "unreadable", "tombstone", "place",
            ])
        var reader = RecordReader()
        let place = try #require(golden["place"])
        let next = try #require(try place.withUnsafeBytes { try reader.orderPlace($0) })
        #expect(next == OrderPlace(order: 41, reply: 1_207))
        #expect(text(bytes { $0.write(orderPlace: next, partition: 3) }) == text(place))
        for (name, record) in golden where name != "tombstone" && name != "place" {
            let order = try record.withUnsafeBytes { try reader.order($0) }
            #expect(text(bytes { $0.write(order: order) }) == text(record))
        }
        let busy = try #require(golden["busy"]).withUnsafeBytes { try reader.order($0) }
        #expect(busy.phase == .busy(.placing))
        #expect(busy.waiting.map(\.offset) == [42])
        #expect(
            busy.remembered == [
                Order.Remembered(id: 0x00F0_0000_0000_0001, content: 3), Order.Remembered(id: 2, content: 0),
            ])
        let settled = try #require(golden["settled"]).withUnsafeBytes { try reader.order($0) }
        #expect(settled.before == Order.Before(asked: [4], deadline: quarterPast))
        #expect(settled.isStuck && settled.owesAnswer && settled.hasFilled)
        #expect(settled.lines[0].claims[0].doubt?.warehouse == "BER")
        let moving = try #require(golden["moving"]).withUnsafeBytes { try reader.order($0) }
        #expect(moving.phase == .busy(.moving))
        let claim = moving.lines[0].claims[0]
        #expect(claim.partsBefore == [Allocation(warehouse: "HAM", quantity: 2)])
        #expect(
            claim.befell == [Order.Befallen(sequence: 7, quantity: 1, formerly: "BER", warehouse: "MUC")])
        #expect(
            claim.pending == Order.Pending(.move, allocations: [Allocation(warehouse: "BER", quantity: 2)]))
    }

    @Test("How far the relay has come is read and written as its golden record")
    func relayPlace() throws {
        let golden = try Contract.records(.relayState, "golden")
        let record = try #require(golden["place"])
        var reader = RecordReader()
        let place = try record.withUnsafeBytes { try reader.relayPlace($0) }
        #expect(place == RelayPlace(topic: .products, partition: 0, next: 42))
        #expect(text(bytes { $0.write(relayPlace: place) }) == text(record))
    }

    @Test("A reply is a result or a notice, and says whose it is")
    func replies() throws {
        var reader = RecordReader()
        for (name, record) in try Contract.records(.orderReplies, "golden") {
            let reply = try record.withUnsafeBytes { try reader.orderReply($0) }
            #expect(reply.orderID == "o-1")
            if case .notice = reply { #expect(name == "notice.reservation_lost") }
        }
    }

    @Test("The schemas of orders list the same words as the code")
    func words() throws {
        func list(_ topic: Topic, _ field: String) throws -> Set<String> {
            let file = Contract.folder.appending(path: "\(topic.rawValue)/schema.json")
            let root = try JSONDecoder().decode(JSONValue.self, from: Data(contentsOf: file))
            let property = root.object?["properties"]?.object?[field]
            return Set(try #require(property?.object?["enum"]?.array).compactMap(\.string))
        }
        #expect(try list(.orders, "mode") == Set(OrderMode.allCases.map(\.rawValue)))
        #expect(
            try list(.orderOutcomes, "outcome")
                == Set(OrderOutcomeKind.allCases.map(\.rawValue)).union(["refused"]))
        #expect(try list(.orderOutcomes, "reason") == Set(OrderRefusal.allCases.map(\.rawValue)))
        #expect(try list(.orderState, "purpose") == Set(Order.Work.allCases.map(\.rawValue)))
        #expect(try list(.orderReplies, "outcome") == Set(Outcome.Kind.allCases.map(\.rawValue)))
        #expect(
            try list(.orderReplies, "reason")
                == Set(Rejection.allCases.map(\.rawValue)).union(NoOp.allCases.map(\.rawValue)))
    }
}
