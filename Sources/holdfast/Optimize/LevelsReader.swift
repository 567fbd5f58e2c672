import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Optimizer

/// Reads all of `stock.levels` from its start, and goes on with what comes. The warehouses stand in the books of the
/// partitions, as the stock knows them.
final class LevelsReader {
    private static let batchRecords = 5_000

    private let consumer: Consumer
    private let logger: Logger
    private var reader = RecordReader()
    /// Partitions whose end was not seen yet.
    private var unread: Set<Int32>
    /// Those whose ends are to be asked for: once the consumer has found who leads them, which takes no wait then.
    private var placed: [TopicPartition]
    private var ends: EndWatch

    init(_ settings: KafkaSettings, _ service: Service, partitions: Int32) throws(KafkaError) {
        logger = service.logger
        consumer = try Consumer(
            configuration: settings.reader(isolation: .committed), events: service.kafkaEvents())
        unread = Set(0..<partitions)
        placed = (0..<partitions).map { TopicPartition(settings.name(.levels), $0) }
        ends = EndWatch(consumer)
        try consumer.assign(
            placed.map { TopicPartitionOffset($0, offset: TopicPartitionOffset.beginning) })
    }

    /// Whether all was read that the topic held at the beginning.
    var isCaughtUp: Bool { unread.isEmpty }

    /// Takes what has come.
    func gather(into network: inout Network, timeoutMilliseconds: Int) throws(KafkaError) {
        var failure: KafkaError?
        consumer.consumeBatch(
            maxMessages: Self.batchRecords, timeoutMilliseconds: ends.timeout(timeoutMilliseconds)
        ) { message in
            switch message.kind {
            case .record: take(message, &network)
            case .endOfPartition: unread.remove(message.partition)
            case .failure(let error): if !error.passesByItself { failure = error }
            }
        }
        if let failure { throw failure }
        if !placed.isEmpty { ends.place(placed) }
        placed = []
        for end in ends.passed() { unread.remove(end.partition.partition) }
    }

    private func take(_ message: borrowing Message, _ network: inout Network) {
        guard let value = message.value else {
            if let key = message.key { network.remove(ID(String(decoding: key, as: UTF8.self))) }
            return
        }
        do throws(DecodingFailure) {
            network.set(try reader.levels(value))
        } catch {
            // The SKU keeps the levels that it had, and the stock decides what can be had.
            logger.error(
                "levels cannot be read",
                ["partition": message.partition, "offset": message.offset, "detail": error.detail])
        }
    }
}
