import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import OrderCore

/// The topics of orders as an operator's command reads them: up to what is committed now.
struct OrderReading {
    /// A record of `order.state`.
    struct State {
        var order: Order
        var bytes: [UInt8]
        /// When it was written, in milliseconds since 1970.
        var written: Int64
    }

    let partitionCount: Int32
    private let service: Service
    private let scan: TopicScan

    /// - Throws: `RoleFailure` where there are no topics of orders.
    init(service: Service) throws {
        self.service = service
        let shutdown = service.shutdown
        scan = TopicScan(
            settings: KafkaSettings(service.configuration), events: service.kafkaEvents(),
            isCancelled: { shutdown.isRequested })
        partitionCount = try scan.partitions(of: .orderState).upperBound
        guard partitionCount > 0 else {
            throw RoleFailure(
                .usage,
                "there is no topic \(scan.settings.name(.orderState)); create it with holdfast topics apply, or give "
                    + "--topic-prefix")
        }
    }

    /// - Parameter partition: nil for all of them.
    func read(
        _ topic: Topic, _ partition: Int32? = nil, _ body: (borrowing Message) throws -> Void
    ) throws {
        let extents =
            try partition.map { [$0: try scan.settledExtent(topic, $0)] } ?? scan.settledExtents(of: topic)
        var records = 0
        var due = Deadline(milliseconds: 2_000)
        var failure: (any Error)?
        try scan.read(topic, from: extents.mapValues(\.lowerBound)) { message in
            do { try body(message) } catch { failure = failure ?? error }
            records += 1
            if due.isPast {
                due = Deadline(milliseconds: 2_000)
                service.logger.info("reading \(topic.rawValue)", ["records": records])
            }
        }
        if let failure { throw failure }
    }

    /// - Returns: nil for a tombstone, and for the record that says where the coordinator reads on.
    /// - Throws: `RoleFailure` for a record that is no order's state.
    func state(_ message: borrowing Message, _ reader: inout RecordReader) throws -> State? {
        guard let value = message.value, !(message.key.map { PartitionBook.isBook(ID(decoding: $0)) } ?? false)
        else { return nil }
        do throws(DecodingFailure) {
            return State(
                order: try reader.order(value), bytes: Array(value), written: message.timestampMilliseconds)
        } catch {
            throw unreadable(message, error)
        }
    }

    /// What was told of an order: an outcome, or the answer to an event that did nothing.
    enum Told {
        case outcome(OrderOutcome)
        case answer(OrderAnswer)
    }

    func told(_ message: borrowing Message, _ reader: inout RecordReader) throws -> Told {
        do throws(DecodingFailure) {
            guard let value = message.value else {
                throw DecodingFailure(.emptyValue, "the record has no value")
            }
            if let answer = try reader.orderAnswer(value) { return .answer(answer) }
            guard let outcome = try reader.orderOutcome(value) else {
                preconditionFailure("a record is an outcome or an answer")
            }
            return .outcome(outcome)
        } catch {
            throw unreadable(message, error)
        }
    }

    private func unreadable(_ message: borrowing Message, _ failure: DecodingFailure) -> RoleFailure {
        RoleFailure(
            .differenceFound,
            "\(message.topicName)[\(message.partition)] offset \(message.offset) cannot be read "
                + "(\(failure.reason.rawValue): \(failure.detail)); was it written by a newer version?")
    }
}
