import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import OrderCore
import Testing

/// Orders in short.
extension Stage {
    func publish(_ events: [OrderEvent]) throws {
        var writer = RecordWriter()
        let records = events.map { event in
            writer.write(event: event)
            return Record(
                partition: place(of: event.orderID.text), offset: 0, timestamp: 0, key: event.orderID.bytes,
                value: writer.withBytes { Array($0) })
        }
        try publish(records, to: .orders)
    }

    func orderOutcomes() throws -> [OrderOutcome] {
        var reader = RecordReader()
        return try read(.orderOutcomes).compactMap {
            try $0.value!.withUnsafeBytes { try reader.orderOutcome($0) }
        }
    }

    /// What was told of an order, in a word each; `released!` is final.
    func story(_ id: ID) throws -> [String] {
        try orderOutcomes().filter { $0.orderID == id }.map { $0.kind.rawValue + ($0.isFinal ? "!" : "") }
    }

    func awaitStory(_ id: ID, _ expected: [String], seconds: Double = 30) throws {
        var last: [String] = []
        do {
            try eventually("the story of \(id)", seconds: seconds) {
                last = try story(id)
                return last.count >= expected.count
            }
        } catch {
            Issue.record("\(id): \(last)")
            throw error
        }
        #expect(last == expected, "\(id)")
    }

    /// The orders that are not forgotten, as the coordinator has them.
    func orders() throws -> [String: Order] {
        var reader = RecordReader()
        var orders: [String: Order] = [:]
        for record in try read(.orderState) where !PartitionBook.isBook(record.keyID) {
            orders[record.keyID.text] = try record.value.map {
                try $0.withUnsafeBytes { try reader.order($0) }
            }
        }
        return orders
    }
}

/// Events in short.
func place(
    _ id: ID, _ lines: [(ID, Int64)], _ mode: OrderMode = .allOrNothing, ttl: Int64 = 600_000
) -> OrderEvent {
    event(
        "placed", id,
        .placed(
            OrderEvent.Placed(
                mode: mode, lines: lines.map { OrderEvent.Line(sku: ID($0.0.text), quantity: $0.1) },
                expiry: .after(milliseconds: ttl))))
}

func event(_ name: String, _ id: ID, _ body: OrderEvent.Body) -> OrderEvent {
    OrderEvent(id: "\(name)-\(id)", orderID: id, at: Timestamp(milliseconds: 0), body: body)
}

@Suite(
    "Orders of several lines on a genuine broker", .serialized,
    .enabled(if: RealServers.kafka != nil, Comment(rawValue: RealServers.kafkaReason)))
struct OrderTests {
    @Test(
        "An order of three lines is reserved, paid and confirmed, in the partition of its key",
        .timeLimit(.minutes(3)))
    func threeLines() throws {
        let stage = try Stage(partitions: 3)
        defer { stage.endAll() }
        try stage.start("process")
        try stage.publish([receive("i1", 5, "A"), receive("i2", 5, "B"), receive("i3", 5, "C")])
        try stage.start("coordinate")
        try stage.publish([place("o1", [("A", 1), ("B", 2), ("C", 3)])])
        try stage.awaitStory("o1", ["reserved"])
        try stage.publish([event("paid", "o1", .paid([]))])
        try stage.awaitStory("o1", ["reserved", "confirmed!"])
        let told = try #require(stage.orderOutcomes().last)
        #expect(told.lines.map(\.shipped) == [1, 2, 3])
        #expect(told.lines[0].shipments == [Allocation(warehouse: "BER", quantity: 1)])
        for topic in [Topic.orders, .orderReplies, .orderOutcomes, .orderState] {
            let records = try stage.read(topic)
            #expect(!records.isEmpty && records.allSatisfy { $0.partition == stage.place(of: "o1") })
        }
        try stage.checkBooks()
    }

    @Test(
        "Refused, cancelled, changed, expired, late and unknown: each has its outcome",
        .timeLimit(.minutes(3)))
    func lives() throws {
        let stage = try Stage(partitions: 2)
        defer { stage.endAll() }
        try stage.start("process")
        try stage.publish([receive("i1", 20, "A"), receive("i2", 20, "B")])
        let coordinator = try stage.start("coordinate", ["--unknown-order-ms", "500"])
        try stage.publish([
            place("refused", [("A", 1), ("B", 21)]), place("cancelled", [("A", 1), ("B", 1)]),
            event("cancelled", "cancelled", .cancelled([])), event("late", "cancelled", .paid([])),
            place("changed", [("A", 2), ("B", 2)]),
            event(
                "changed", "changed",
                .changed(OrderEvent.Changed(lines: [OrderEvent.Line(sku: "A", quantity: 4)]))),
            place("expired", [("A", 1), ("B", 1)], ttl: 1_500), event("paid", "ghost", .paid([])),
        ])
        try stage.awaitStory("refused", ["rejected!"])
        try stage.awaitStory("cancelled", ["reserved", "released!", "refund_required"])
        try stage.awaitStory("changed", ["reserved", "changed"])
        try stage.awaitStory("expired", ["reserved", "expired!"])
        try eventually("the ghost's payment is a dead letter") { try !stage.deadLetters().isEmpty }
        let letter = try #require(stage.deadLetters().first)
        #expect(letter.reason == .unknownOrder && letter.topic == "orders")
        #expect(try stage.liveReservations().values.map(\.quantity).reduce(0, +) == 6)
        #expect(coordinator.metric("holdfast_live_orders") == 1)
        coordinator.process.send(SIGTERM)
        #expect(coordinator.process.waitForEnd(milliseconds: 5_000) == 0, "\(coordinator.process.logTail())")
        // The next one has the order from order.state.
        try stage.start("coordinate")
        try stage.publish([event("paid", "changed", .paid([]))])
        try stage.awaitStory("changed", ["reserved", "changed", "confirmed!"])
        try stage.checkBooks()
    }

    @Test(
        "Without the topics of orders a coordinator ends and names them; a processor works on",
        .timeLimit(.minutes(3)))
    func withoutTopics() throws {
        let stage = try Stage(partitions: 2)
        defer { stage.endAll() }
        let client: KafkaConfiguration = ["bootstrap.servers": stage.bootstrap]
        let admin = try Admin(configuration: client)
        try eventually("the topics are gone") {
            _ = try? admin.deleteTopics(
                InventoryWire.Topic.ofOrders.map { stage.name($0) }, timeoutMilliseconds: 10_000)
            return try admin.describeTopics([stage.name(.orders)], timeoutMilliseconds: 10_000).isEmpty
        }
        let ended = try stage.run(["coordinate"])
        #expect(ended.code == 2 && ended.output.contains("holdfast topics apply"), "\(ended.output)")
        let processor = try stage.start("process")
        let address = OrderAddress(partition: 0, orderID: "o", line: 1, attempt: 1).reservationID
        try stage.publish([receive("i1", 5, "A"), reserve(address, 1, "A")])
        try stage.awaitResults()
        #expect(processor.metric("holdfast_unplaced_replies_total") == 1)
    }

    @Test(
        "Coordinators and processors are killed ten times each: every order has one final outcome, and stock and orders agree to the unit",
        .timeLimit(.minutes(10)))
    func kills() throws {
        let stage = try Stage(partitions: 2)
        defer { stage.endAll() }
        let skus: [ID] = (0..<20).map { "S\($0)" }
        try stage.publish(skus.enumerated().map { receive("i\($0.offset)", 60, $0.element) })
        // A short reply limit, so that what a kill cut is asked for again soon.
        let coordinating = ["--instance-id", "one", "--reply-limit-ms", "3000"]
        var processor = try stage.start("process", ["--instance-id", "one"], awaitReady: false)
        var coordinator = try stage.start("coordinate", coordinating, awaitReady: false)
        var random = SplitMix(state: 7)
        var ids: [String] = []
        func more(_ count: Int) throws {
            var events: [OrderEvent] = []
            for _ in 0..<count {
                let id = "o\(ids.count)"
                ids.append(id)
                let lines = (0...Int.random(in: 1...4, using: &random)).map { _ in
                    (skus.randomElement(using: &random)!, Int64.random(in: 1...2, using: &random))
                }
                let isShort = Int.random(in: 0..<4, using: &random) == 0
                events.append(
                    place(
                        ID(id), lines, OrderMode.allCases[Int.random(in: 0..<2, using: &random)],
                        ttl: isShort ? 3_000 : 45_000))
                let other = ids[Int.random(in: max(0, ids.count - 30)..<ids.count, using: &random)]
                switch Int.random(in: 0..<4, using: &random) {
                case 0, 1: events.append(event("paid", ID(other), .paid([])))
                case 2: events.append(event("cancelled", ID(other), .cancelled([])))
                default: events.append(contentsOf: events.suffix(1))
                }
            }
            try stage.publish(events)
        }
        for kill in 0..<20 {
            let before = coordinator.metric("holdfast_order_transaction_seconds_count")
            try eventually("orders after kill \(kill)") {
                try more(5)
                return coordinator.metric("holdfast_order_transaction_seconds_count") > before + 2
            }
            if kill % 2 == 0 {
                coordinator.process.send(SIGKILL)
                _ = coordinator.process.waitForEnd(milliseconds: 5_000)
                coordinator = try stage.start("coordinate", coordinating, awaitReady: false)
            } else {
                processor.process.send(SIGKILL)
                _ = processor.process.waitForEnd(milliseconds: 5_000)
                processor = try stage.start("process", ["--instance-id", "one"], awaitReady: false)
            }
        }
        try eventually("all orders have ended", seconds: 120) {
            let orders = try stage.orders()
            return ids.allSatisfy { id in
                if case .ended = orders[id]?.phase { return true }
                return false
            }
        }
        try account(stage, ids)
        try stage.checkBooks()
    }

    /// The books of orders against those of stock.
    private func account(_ stage: Stage, _ ids: [String]) throws {
        var told: [String: [OrderOutcome]] = [:]
        for outcome in try stage.orderOutcomes() { told[outcome.orderID.text, default: []].append(outcome) }
        #expect(Set(told.keys) == Set(ids))
        var shipped: [String: Int64] = [:]
        for entry in try stage.ledger() where entry.movement == .ship {
            shipped["\(entry.orderID ?? "") \(entry.sku)", default: 0] += entry.quantity
        }
        var kinds: [String: Int] = [:]
        for (id, outcomes) in told {
            #expect(outcomes.map(\.version) == (1...Int64(outcomes.count)).map { $0 }, "\(id)")
            #expect(outcomes.filter(\.isFinal).count == 1, "\(id): \(outcomes.map(\.kind))")
            for outcome in outcomes where outcome.kind == .reserved && outcome.mode == .allOrNothing {
                #expect(outcome.lines.allSatisfy { $0.reserved == $0.quantity && $0.reason == nil })
            }
            for outcome in outcomes where outcome.isFinal { kinds[outcome.kind.rawValue, default: 0] += 1 }
            for line in outcomes.last?.lines ?? [] {
                #expect(
                    line.shipped == shipped.removeValue(forKey: "\(id) \(line.sku)") ?? 0, "\(id) \(line)")
            }
        }
        #expect(shipped.isEmpty, "what shipped was told: \(shipped)")
        #expect(try stage.liveReservations().isEmpty)
        print("orders: \(ids.count), finals \(kinds)")
    }

    @Test(
        "An order of one line by the short way has its outcome sooner than by the coordinator",
        .timeLimit(.minutes(3)))
    func shortWay() throws {
        let stage = try Stage(partitions: 2)
        defer { stage.endAll() }
        try stage.start("process")
        try stage.start("coordinate")
        try stage.publish([receive("i1", 1_000, "A"), receive("i2", 1_000, "B")])
        try stage.awaitResults()
        var direct: [Int64] = []
        var coordinated: [Int64] = []
        for number in 0..<40 {
            try stage.publish([reserve("r\(number)", 1, "A")])
            try stage.publish([place("o\(number)", [("B", 1)])])
        }
        try eventually("all outcomes") {
            try stage.orderOutcomes().count >= 40 && stage.results().count >= 82
        }
        // By the brokers' times: from the command or the event to the record of the outcome.
        var sent: [String: Int64] = [:]
        for record in try stage.read(.commands) + stage.read(.orders) {
            sent["\(record.partition) \(record.keyID) \(record.offset)"] = record.timestamp
        }
        var reader = RecordReader()
        for record in try stage.read(.results) {
            let (outcome, source) = try record.value!.withUnsafeBytes { try reader.outcome($0) }
            guard outcome.command == .reserve, outcome.sku == "A" else { continue }
            direct.append(record.timestamp - sent["\(source.partition) A \(source.offset)"]!)
        }
        let places = try stage.read(.orders).reduce(into: [String: Int64]()) { $0[$1.keyText] = $1.timestamp }
        for record in try stage.read(.orderOutcomes) {
            coordinated.append(record.timestamp - places[record.keyID.text]!)
        }
        let (first, second) = (direct.sorted()[direct.count / 2], coordinated.sorted()[coordinated.count / 2])
        print("one line, p50 from event to outcome: short way \(first) ms, coordinator \(second) ms")
        #expect(first < second)
    }
}
