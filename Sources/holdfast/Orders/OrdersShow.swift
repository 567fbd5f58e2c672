import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import OrderCore

/// `holdfast orders show`: what the coordinator knows of an order, and all that was told of it. It reads and
/// changes nothing.
final class OrdersShow {
    private struct Told {
        var told: OrderReading.Told
        var offset: Int64
        var bytes: [UInt8]
    }

    private let service: Service
    private let id: ID
    private let last: Int
    private var state: OrderReading.State?
    private var outcomes: [Told] = []
    private var count = 0
    private var reader = RecordReader()

    init(service: Service) throws {
        self.service = service
        guard let id = service.configuration.optionalID("id") else {
            throw RoleFailure(.usage, "which order? Write holdfast orders show ID")
        }
        self.id = id
        last = service.configuration.integer("last")
    }

    func run() throws -> ExitCode {
        let key = id.bytes
        let partition = try KafkaFailures.translated {
            let reading = try OrderReading(service: service)
            let partition = key.withUnsafeBytes {
                murmur2Partition(key: $0, partitionCount: reading.partitionCount)
            }
            // First what was told, so that the state is not older than that.
            try reading.read(.orderOutcomes, partition) { message in
                guard message.key?.elementsEqual(key) == true else { return }
                count += 1
                outcomes.append(
                    Told(
                        told: try reading.told(message, &reader), offset: message.offset,
                        bytes: message.value.map { Array($0) } ?? []))
                if outcomes.count > last { outcomes.removeFirst() }
            }
            try reading.read(.orderState, partition) { message in
                guard message.key?.elementsEqual(key) == true else { return }
                state = try reading.state(message, &reader)
            }
            return partition
        }
        guard state != nil || count > 0 else {
            throw RoleFailure(
                .differenceFound,
                "neither order.state nor order.outcomes has an order \(AuditText.printable(id)); is it written right, "
                    + "and is --topic-prefix? An order without holdfast coordinate: holdfast show order ID")
        }
        print(service.configuration.boolean("json") ? try json(partition) : text(partition))
        return .success
    }

    private func json(_ partition: Int32) throws -> String {
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        return """
            {"order_id":\(try ShowRole.quoted(id)),"partition":\(partition),\
            "state":\(state.map { text($0.bytes) } ?? "null"),"outcomes":\(count),\
            "history":[\(outcomes.map { text($0.bytes) }.joined(separator: ","))]}
            """
    }

    // MARK: Text

    private func text(_ partition: Int32) -> String {
        var lines: [String]
        if let state {
            let order = state.order
            lines = [
                "order \(AuditText.printable(id)), partition \(partition), \(OrderText.phase(order))"
                    + (order.isStuck ? ", stuck: holdfast orders stuck" : "") + ", as of "
                    + DeadLetterTally.time(state.written)
            ]
            if !order.lines.isEmpty { lines += text(order) }
            if !order.waiting.isEmpty {
                lines.append("events that wait: \(order.waiting.map(\.id.text).joined(separator: ", "))")
            }
        } else {
            lines = ["order \(AuditText.printable(id)), partition \(partition), forgotten"]
        }
        lines += ["", "History: \(count) outcomes" + (count > outcomes.count ? ", the newest:" : "")]
        var rows = [["version", "outcome", "at", "offset", "lines"]]
        for told in outcomes {
            switch told.told {
            case .outcome(let outcome):
                rows.append([
                    "\(outcome.version)", outcome.kind.rawValue + (outcome.isFinal ? ", final" : ""),
                    OrderText.time(outcome.at), "\(told.offset)",
                    outcome.lines.map(OrderText.line).joined(separator: "; ")
                        + (outcome.unreadable.map { " (\($0.reason): \($0.detail))" } ?? ""),
                ])
            case .answer(let answer):
                rows.append([
                    "-", "refused", OrderText.time(answer.at), "\(told.offset)",
                    "\(answer.event.rawValue) \(AuditText.printable(answer.eventID ?? "?")): \(answer.reason.rawValue)"
                        + (answer.unreadable.map { " (\($0.reason): \($0.detail))" } ?? ""),
                ])
            }
        }
        return (lines + (outcomes.isEmpty ? [] : AuditText.table(rows, left: [1, 2, 4])))
            .joined(separator: "\n")
    }

    private func text(_ order: Order) -> [String] {
        var lines = ["\(order.mode.rawValue), to be paid until \(OrderText.time(order.deadline))"]
        if order.isPaid { lines[0] += ", paid" }
        var rows = [
            ["SKU", "wanted", "reserved", "backordered", "paid", "shipped", "to refund", "from"]
        ]
        for line in order.lines {
            var parts = line.shipments
            for claim in line.claims { parts += claim.parts }
            rows.append([
                line.sku.text, "\(line.asked)", "\(line.reserved)", "\(line.backordered)", "\(line.paid)",
                "\(line.shipped)", "\(line.refund)", OrderText.parts(parts),
            ])
        }
        lines += [""] + AuditText.table(rows, left: [0, 7])
        rows = [["reservation", "SKU", "units", "backordered", "expires at"]]
        for (number, line) in order.lines.enumerated() {
            for (claim, name) in zip(line.claims, order.reservations(ofLine: number)) {
                rows.append([
                    name.text, line.sku.text, "\(claim.units)", "\(claim.backordered)",
                    claim.expiresAt.map(OrderText.time) ?? "-",
                ])
            }
        }
        if rows.count > 1 { lines += [""] + AuditText.table(rows, left: [0, 1, 4]) }
        for (line, command) in order.unanswered {
            lines.append(
                "\(order.lines[line].sku) waits for \(command.kind.rawValue): \(AuditText.printable(command.id))"
            )
        }
        return lines
    }
}
