import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import OrderCore
import Testing

extension Stage {
    /// Makes an order what it was while it waited for the reply to its `confirm`, and stuck. Its coordinator must have
    /// stopped.
    func loseReply(ofPayment id: ID) throws -> Order {
        var reader = RecordReader()
        let record = try #require(
            try read(.orderState).last { record in
                guard record.keyID == id, let value = record.value else { return false }
                return try value.withUnsafeBytes { try reader.order($0) }.phase == .busy(.paying)
            })
        var order = try record.value!.withUnsafeBytes { try reader.order($0) }
        (order.isStuck, order.asks) = (true, 3)
        var writer = RecordWriter()
        writer.write(order: order)
        var planted = record
        planted.value = writer.withBytes { Array($0) }
        try publish([planted], to: .orderState)
        return order
    }
}

@Suite(
    "Orders that are stuck, on a genuine broker", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct StuckOrderTests {
    private func place(_ id: ID, _ lines: [(ID, Int64)]) -> OrderEvent {
        OrderEvent(
            id: "placed-\(id)", orderID: id, at: Timestamp(milliseconds: 0),
            body: .placed(
                OrderEvent.Placed(lines: lines.map { OrderEvent.Line(sku: ID($0.0.text), quantity: $0.1) })))
    }

    private func event(_ name: String, _ id: ID, _ body: OrderEvent.Body) -> OrderEvent {
        OrderEvent(id: "\(name)-\(id)", orderID: id, at: Timestamp(milliseconds: 0), body: body)
    }

    /// The object in what a command printed, by its first field.
    private func object(_ output: String, _ field: String) throws -> [String: Any] {
        let line = try #require(output.split(separator: "\n").last { $0.hasPrefix("{\"\(field)\"") })
        return try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }

    @Test(
        "An order without a reply is listed with what each line waits for, until the reply comes",
        .timeLimit(.minutes(3)))
    func listed() throws {
        let stage = try Stage(partitions: 2)
        defer { stage.endAll() }
        #expect(try stage.run(["orders", "stuck"]).output.contains("no order is stuck"))
        let processor = try stage.start("process")
        try stage.publish([receive("i1", 5, "A"), receive("i2", 5, "B")])
        try stage.awaitResults()
        #expect(processor.process.stop(milliseconds: 5_000) == 0)
        let patience = ["--reply-limit-ms", "300", "--reply-limit-count", "1"]
        try stage.start("coordinate", patience)
        try stage.publish([place("o-9", [("A", 1), ("B", 2)])])
        var listed = (code: Int32(0), output: "")
        try eventually("the order is stuck") {
            listed = try stage.run(["orders", "stuck"])
            return listed.code == 1
        }
        let reservation = OrderAddress(
            partition: stage.place(of: "o-9"), orderID: "o-9", line: 2, attempt: 1
        ).reservationID
        for part in ["1 order is stuck", "o-9", "busy: placing", "\(reservation)/reserve-1", "B"] {
            #expect(listed.output.contains(part), "\(part): \(listed.output)")
        }
        let told = try object(try stage.run(["orders", "stuck", "--json"]).output, "stuck")
        let orders = try #require(told["orders"] as? [[String: Any]])
        let waits = try #require(orders.first?["waits"] as? [[String: Any]])
        #expect(told["stuck"] as? Int == 1 && orders.first?["order_id"] as? String == "o-9")
        #expect(waits.map { $0["sku"] as? String } == ["A", "B"])
        #expect(waits.last?["reservation_id"] as? String == reservation.text)
        let pending = try stage.run(["orders", "stuck", "--pending"])
        #expect(
            pending.output.split(separator: "\n").filter { $0.hasPrefix("A|{") || $0.hasPrefix("B|{") }.count
                == 2, "\(pending.output)")
        let shown = try stage.run(["orders", "show", "o-9"])
        #expect(shown.code == 0)
        for part in ["busy: placing, stuck", "A waits for reserve: ", "History: 0 outcomes"] {
            #expect(shown.output.contains(part), "\(part): \(shown.output)")
        }
        try stage.start("process")
        try stage.awaitStory("o-9", ["reserved"])
        try eventually("it is not stuck any more") { try stage.run(["orders", "stuck"]).code == 0 }
        try stage.awaitAnswers()
        try stage.checkBooks()
    }

    @Test(
        "An order whose reply was lost goes on when its command is sent again, or the result is copied to it",
        .timeLimit(.minutes(3)))
    func lost() throws {
        let stage = try Stage(partitions: 1)
        defer { stage.endAll() }
        try stage.start("process")
        try stage.publish([receive("i1", 5, "A")])
        // It never asks again by itself here.
        let patience = ["--reply-limit-ms", "3600000"]
        var coordinator = try stage.start("coordinate", patience)
        for (id, unstick) in [("o-1", resend), ("o-2", copyResult)] {
            try stage.publish([place(ID(id), [("A", 2)])])
            try stage.awaitStory(ID(id), ["reserved"])
            try stage.publish([event("paid", ID(id), .paid([]))])
            try stage.awaitStory(ID(id), ["reserved", "confirmed!"])
            #expect(coordinator.process.stop(milliseconds: 5_000) == 0)
            _ = try stage.loseReply(ofPayment: ID(id))
            #expect(try stage.run(["orders", "stuck"]).output.contains(id))
            coordinator = try stage.start("coordinate", patience)
            try unstick(stage, ID(id))
            try eventually("\(id) goes on; \(coordinator.process.logTail(lines: 5))") {
                try stage.story(ID(id)).count == 3
            }
            #expect(try stage.story(ID(id)).last == "confirmed!")
            #expect(try stage.run(["orders", "stuck"]).code == 0)
        }
        try stage.awaitAnswers()
        try stage.checkBooks()
    }

    private func resend(_ stage: Stage, _ id: ID) throws {
        let pending = try stage.run(["orders", "stuck", "--pending"])
        let line = try #require(pending.output.split(separator: "\n").first { $0.hasPrefix("A|{") })
        try stage.publish(key: Array("A".utf8), value: Array(line.dropFirst(2).utf8))
        try stage.flush()
    }

    private func copyResult(_ stage: Stage, _ id: ID) throws {
        let told = try object(try stage.run(["orders", "stuck", "--json"]).output, "stuck")
        let waits = try #require((told["orders"] as? [[String: Any]])?.first?["waits"] as? [[String: Any]])
        let command = try #require(waits.first?["command_id"] as? String)
        var result = try #require(
            try stage.read(.results).first { $0.text.contains("\"command_id\":\"\(command)\"") })
        (result.partition, result.key) = (0, id.bytes)
        try stage.publish([result], to: .orderReplies)
    }

    @Test(
        "An order is shown with its state and every outcome; one that is not known is named",
        .timeLimit(.minutes(3)))
    func shown() throws {
        let stage = try Stage(partitions: 2)
        defer { stage.endAll() }
        try stage.start("process")
        try stage.publish([receive("i1", 5, "A"), receive("i2", 5, "B")])
        try stage.start("coordinate")
        try stage.publish([place("o-1", [("A", 1), ("B", 2)])])
        try stage.awaitStory("o-1", ["reserved"])
        try stage.publish([event("paid", "o-1", .paid([]))])
        try stage.awaitStory("o-1", ["reserved", "confirmed!"])
        let shown = try stage.run(["orders", "show", "o-1"])
        #expect(shown.code == 0, "\(shown.output)")
        for part in [
            "order o-1, partition \(stage.place(of: "o-1")), ended: confirmed", "History: 2 outcomes",
            "confirmed, final", "B: 0 of 2 reserved, 2 paid, 2 shipped (BER 2)",
        ] {
            #expect(shown.output.contains(part), "\(part): \(shown.output)")
        }
        let newest = try stage.run(["orders", "show", "o-1", "--last", "1"])
        #expect(newest.output.contains("History: 2 outcomes, the newest:"), "\(newest.output)")
        #expect(!newest.output.contains("of 2 reserved (BER 2)"), "\(newest.output)")
        let told = try object(try stage.run(["orders", "show", "o-1", "--json"]).output, "order_id")
        #expect((told["state"] as? [String: Any])?["state"] as? String == "ended")
        #expect((told["history"] as? [[String: Any]])?.count == 2 && told["outcomes"] as? Int == 2)
        let unknown = try stage.run(["orders", "show", "o-2"])
        #expect(unknown.code == 1 && unknown.output.contains("has an order o-2"), "\(unknown.output)")
        #expect(try stage.run(["orders", "show"]).code == 2)
    }
}
