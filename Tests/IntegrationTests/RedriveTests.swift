import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import OrderCore
import Testing

@Suite(
    "Dead letters that are redriven, on a genuine broker", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct RedriveTests {
    /// The lines of JSON in what a command printed.
    private func lines(_ output: String) -> [[String: Any]] {
        output.split(separator: "\n").filter { $0.hasPrefix("{") }.compactMap {
            try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
    }

    private func publish(_ stage: Stage, _ value: String, key: String = "A") throws {
        try stage.publish(key: Array(key.utf8), value: Array(value.utf8))
    }

    private func place(_ stage: Stage, of reason: DecodingFailure.Reason) throws -> String {
        var reader = RecordReader()
        for record in try stage.read(.deadLetters) {
            let letter = try? record.value!.withUnsafeBytes { try reader.deadLetter($0) }
            if letter?.reason == reason { return "\(record.partition)/\(record.offset)" }
        }
        Issue.record("no letter with \(reason)")
        return ""
    }

    @Test(
        "A letter is sent once, as it is or mended, or refused with its reason before anything is sent",
        .timeLimit(.minutes(3)))
    func once() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        try stage.start("relay")
        try publish(stage, #"{"command_id":"m","type":"receive","sku":"A","warehouse":"BER","amount":5}"#)
        try publish(stage, "{", key: "A")
        // A publisher with another partitioner: the record itself is right.
        let astray = #"{"command_id":"p","type":"receive","sku":"A","warehouse":"BER","quantity":2}"#
        try stage.publish(
            key: Array("A".utf8), value: Array(astray.utf8), partition: .number(1 - stage.place(of: "A")))
        try stage.publish(
            to: .warehouses, key: "BER", value: Array(#"{"warehouse":"BER","active":"no"}"#.utf8))
        try eventually("all letters are written") { try stage.deadLetters().count == 4 }
        let missing = try place(stage, of: .missingField)
        let broken = try place(stage, of: .invalidJSON)

        let refused = try stage.run([
            "dead-letters", "redrive", missing, broken, "--rename", "amount=quantity",
        ])
        #expect(refused.code == 1 && refused.output.contains("\(broken)  refused: invalid_json"))
        #expect(refused.output.contains("nothing was sent"))
        let trial = try stage.run([
            "dead-letters", "redrive", missing, "--rename", "amount=quantity", "--dry-run",
        ])
        #expect(trial.code == 0 && trial.output.contains("would be sent to stock.commands"))
        #expect(try stage.redriveMarks().isEmpty)

        let mended = try stage.run([
            "dead-letters", "redrive", missing, "--rename", "amount=quantity", "--json",
        ])
        #expect(mended.code == 0, "\(mended.output)")
        let line = try #require(lines(mended.output).first)
        #expect(line["command_id"] as? String == "m" && line["mended"] as? Bool == true)
        #expect(try stage.outcome(of: "m").kind == .received)
        let sent = try #require(try stage.read(.commands).last { $0.text.contains("\"m\"") })
        #expect(line["offset"] as? Int64 == sent.offset)

        let again = try stage.run(["dead-letters", "redrive", missing, "--rename", "amount=quantity"])
        #expect(again.code == 0 && again.output.contains("redriven before"))
        #expect(try stage.read(.commands).filter { $0.text.contains("\"m\"") }.count == 2)

        let asItIs = try stage.run(["dead-letters", "redrive", "--reason", "wrong_partition"])
        #expect(asItIs.code == 0 && asItIs.output.contains("1 sent, 0 redriven before, 0 refused"))
        #expect(try stage.outcome(of: "p").kind == .received)

        let file = NSTemporaryDirectory() + "holdfast-\(stage.prefix)value"
        defer { try? FileManager.default.removeItem(atPath: file) }
        try Data(#"{"command_id":"f","type":"damage","sku":"A","warehouse":"BER","quantity":1}"#.utf8)
            .write(to: URL(filePath: file))
        #expect(try stage.run(["dead-letters", "redrive", broken, "--value", file]).code == 0)
        #expect(try stage.outcome(of: "f").kind == .damaged)

        let warehouse = try stage.run([
            "dead-letters", "redrive", "--reason", "wrong_type", "--set", "active=false",
        ])
        #expect(warehouse.code == 0, "\(warehouse.output)")
        try eventually("the relay has carried the warehouse") {
            try stage.results().filter { $0.outcome.command == .setWarehouse }.count == 2
        }

        let listed = try stage.run(["dead-letters", "list"])
        #expect(listed.output.hasPrefix("4 letters in ") && listed.output.contains("; 1 redriven"))
        #expect(!listed.output.contains("are no dead letters"))
        #expect(
            try stage.run(["dead-letters", "show", missing]).output.contains("redriven    to stock.commands"))

        #expect(try stage.run(["dead-letters", "redrive"]).code == 2)
        #expect(try stage.run(["dead-letters", "redrive", "0/0", "--reason", "too_large"]).code == 2)
        #expect(try stage.run(["dead-letters", "redrive", "0/99999"]).code == 1)
        #expect(try stage.run(["dead-letters", "redrive", missing, "--set", "quantity"]).code == 2)
        try stage.checkBooks()
    }

    @Test(
        "A payment that came long before its order is sent again when the order is there, once, and confirms it",
        .timeLimit(.minutes(3)))
    func orders() throws {
        let stage = try Stage()
        defer { stage.endAll() }
        try stage.start("process")
        try stage.publish([receive("i1", 5, "A")])
        try stage.start("coordinate", ["--unknown-order-ms", "300"])
        func event(_ id: ID, _ body: OrderEvent.Body) -> OrderEvent {
            OrderEvent(id: id, orderID: "o-1", at: Timestamp(milliseconds: 0), body: body)
        }
        try stage.publish([event("e-paid", .paid([]))])
        // What is no reply at all, and what is one of another partition.
        try stage.publish(
            [
                Stage.Record(
                    partition: 0, offset: 0, timestamp: 0, key: Array("o-1".utf8), value: Array("{".utf8))
            ], to: .orderReplies)
        try eventually("two letters") { try stage.deadLetters().count == 2 }
        let letter = try place(stage, of: .unknownOrder)
        let listed = try stage.run(["dead-letters", "list"])
        #expect(listed.output.contains("1 from orders") && listed.output.contains("1 from order.replies"))
        let shown = try stage.run(["dead-letters", "show", letter])
        #expect(shown.output.contains("orders partition \(stage.place(of: "o-1"))"), "\(shown.output)")

        try stage.publish([
            event(
                "e-placed", .placed(OrderEvent.Placed(lines: [OrderEvent.Line(sku: "A", quantity: 2)])))
        ])
        try stage.awaitStory("o-1", ["reserved"])
        let renamed = try stage.run(["dead-letters", "redrive", letter, "--set", "event_id=other"])
        #expect(renamed.code == 1 && renamed.output.contains("goes under its own event_id"))
        let sent = try stage.run(["dead-letters", "redrive", "--reason", "unknown_order"])
        #expect(sent.code == 0 && sent.output.contains("as e-paid"), "\(sent.output)")
        try stage.awaitStory("o-1", ["reserved", "confirmed!"])
        let again = try stage.run(["dead-letters", "redrive", letter])
        #expect(again.code == 0 && again.output.contains("redriven before: orders partition"))
        #expect(try stage.read(.orders).filter { $0.text.contains("e-paid") }.count == 2)
        let broken = try stage.run(["dead-letters", "redrive", "--reason", "invalid_json"])
        #expect(broken.code == 1 && broken.output.contains("refused: invalid_json"), "\(broken.output)")
        try stage.checkBooks()
    }

    @Test(
        "Redrives that are killed, that begin at the same time and that left a transaction open send each letter once",
        .timeLimit(.minutes(3)))
    func killed() throws {
        let count = 8_000
        let stage = try Stage()
        defer { stage.endAll() }
        let processor = try stage.start("process")
        for number in 0..<count {
            let sku = "SKU-\(number % 50)"
            try publish(
                stage,
                #"{"command_id":"c\#(number)","type":"receive","sku":"\#(sku)","warehouse":"BER","amount":1}"#,
                key: sku)
        }
        try stage.flush()
        try eventually("all letters are written") {
            Int(processor.metric("holdfast_dead_letters_total")) == count
        }
        // An earlier run that died between what it sent and the mark.
        let dead = try TransactionalProducer(configuration: [
            "bootstrap.servers": stage.bootstrap, "transactional.id": "\(stage.prefix)holdfast-redrive",
            "transaction.timeout.ms": "60000",
        ])
        try dead.initTransactions(timeoutMilliseconds: 20_000)
        try dead.begin()
        let topic = try dead.topic(stage.name(.commands))
        _ = try Array("SKU-0".utf8).withUnsafeBytes { key in
            try Array(
                #"{"command_id":"c0","type":"receive","sku":"SKU-0","warehouse":"BER","quantity":1}"#.utf8
            )
            .withUnsafeBytes { value in
                try dead.produce(
                    topic, partition: .number(stage.place(of: "SKU-0")), key: key, value: value)
            }
        }
        try dead.flush(timeoutMilliseconds: 20_000)

        let arguments = [
            "dead-letters", "redrive", "--reason", "missing_field", "--rename", "amount=quantity",
        ]
        let first = try stage.begin(arguments)
        // It tells what it sent after each of its transactions.
        try eventually("some letters are sent") { first.logTail(lines: 1).contains("sent to") }
        first.send(SIGKILL)
        _ = first.waitForEnd(milliseconds: 10_000)
        let early = try stage.redriveMarks().count
        #expect(early > 0 && early < count)
        let second = try stage.begin(arguments)
        let third = try stage.begin(arguments)
        let codes = [second, third].map { $0.waitForEnd(milliseconds: 60_000) }
        #expect(codes.allSatisfy { $0 == 0 || $0 == 75 } && codes.contains(0), "\(codes)")
        let last = try stage.run(arguments)
        #expect(last.code == 0 && last.output.contains("0 sent, \(count) redriven before, 0 refused"))
        #expect(try stage.redriveMarks().count == count)

        let sent = try stage.read(.commands).filter { $0.text.contains("\"quantity\"") }
        #expect(sent.count == count)
        #expect(Set(sent.map(\.text)).count == count)
        try stage.awaitResults(2 * count)
        #expect(try stage.levels().values.flatMap(\.levels).map(\.onHand).reduce(0, +) == Int64(count))
        print("redrive: killed after \(early) of \(count) letters; two at once ended with \(codes)")
    }
}
