import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import OrderCore

/// `holdfast orders stuck`: orders that wait for the stock in vain, and for what. It reads and changes nothing.
final class OrdersStuck {
    private struct Stuck {
        var order: Order
        /// When the first record that says so was written, of those that the topic still has.
        var since: Int64
    }

    /// A state that does not hold these bytes is of no stuck order.
    private static let mark = Array("\"stuck\":true".utf8)

    private let service: Service
    private var stuck: [ID: Stuck] = [:]
    private var reader = RecordReader()
    private var writer = RecordWriter()

    init(service: Service) { self.service = service }

    func run() throws -> ExitCode {
        try KafkaFailures.translated {
            let reading = try OrderReading(service: service)
            try reading.read(.orderState) { try add($0, reading) }
        }
        let orders = stuck.values.sorted { ($0.since, $0.order.id) < ($1.since, $1.order.id) }
        if service.configuration.boolean("pending") {
            for line in orders.flatMap({ $0.order.unanswered }).map(record) { print(line) }
        } else {
            print(service.configuration.boolean("json") ? try json(orders) : text(orders))
        }
        return orders.isEmpty ? .success : .differenceFound
    }

    /// The newest record of an order counts.
    private func add(_ message: borrowing Message, _ reading: OrderReading) throws {
        guard let key = message.key else { return }
        let id = ID(decoding: key)
        guard let value = message.value, Self.mayBeStuck(value),
            let state = try reading.state(message, &reader), state.order.isStuck
        else {
            stuck[id] = nil
            return
        }
        stuck[id] = Stuck(order: state.order, since: stuck[id]?.since ?? state.written)
    }

    private static func mayBeStuck(_ value: UnsafeRawBufferPointer) -> Bool {
        mark.withUnsafeBytes { memmem(value.baseAddress!, value.count, $0.baseAddress!, $0.count) != nil }
    }

    private func json(_ command: Command) -> String {
        writer.write(command: command)
        return writer.withBytes { String(decoding: $0, as: UTF8.self) }
    }

    private func record(_ waiting: (line: Int, command: Command)) -> String {
        "\(waiting.command.sku)|\(json(waiting.command))"
    }

    // MARK: Text

    private func text(_ orders: [Stuck]) -> String {
        guard !orders.isEmpty else { return "no order is stuck" }
        var lines = [orders.count == 1 ? "1 order is stuck" : "\(orders.count) orders are stuck"]
        for stuck in orders {
            let order = stuck.order
            lines += [
                "",
                "\(AuditText.printable(order.id))  partition \(order.partition), \(OrderText.phase(order)), stuck since "
                    + "\(DeadLetterTally.time(stuck.since)); asked again \(order.asks) times, last at "
                    + OrderText.time(order.askedAt),
            ]
            var rows = [["SKU", "waits for", "command", "reservation"]]
            for (line, command) in order.unanswered {
                rows.append([
                    order.lines[line].sku.text, command.kind.rawValue, command.id.text,
                    (command.reservationID ?? "-").text,
                ])
            }
            lines += AuditText.table(rows, left: [0, 1, 2, 3]).map { "  " + $0 }
        }
        lines += [
            "",
            "next: holdfast orders show ID, holdfast show reservation ID; \"An order gets no outcome\" in "
                + "docs/operations.md",
        ]
        return lines.joined(separator: "\n")
    }

    // MARK: JSON

    private func json(_ orders: [Stuck]) throws -> String {
        let objects = try orders.map { stuck in
            let order = stuck.order
            let waits = try order.unanswered.map { line, command in
                """
                {"sku":\(try ShowRole.quoted(order.lines[line].sku)),\
                "type":"\(command.kind.rawValue)",\
                "reservation_id":\(try ShowRole.quoted(command.reservationID ?? "")),\
                "command_id":\(try ShowRole.quoted(command.id)),"command":\(json(command))}
                """
            }
            return """
                {"order_id":\(try ShowRole.quoted(order.id)),"partition":\(order.partition),\
                "since":"\(DeadLetterTally.time(stuck.since))","asked_at":"\(OrderText.time(order.askedAt))",\
                "asks":\(order.asks),"waits":[\(waits.joined(separator: ","))]}
                """
        }
        return "{\"stuck\":\(orders.count),\"orders\":[\(objects.joined(separator: ","))]}"
    }
}
