import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import LedgerSink
import Operations

/// Reads the topics `products` and `warehouses` for the sink. What it cannot read it passes over: the relay puts it
/// into `dead.letters`.
final class MasterDataReader {
    private static let timeout = 20_000
    private static let batchRecords = 1_000

    private let settings: KafkaSettings
    private let consumer: Consumer
    private let products: KafkaClient.Topic
    private let places: [MasterData.Place]
    private let marks: ReadingMarks
    private let logger: Logger
    private var reader = RecordReader()
    private var failure: KafkaError?
    /// Partitions whose end was not seen yet.
    private var unread: Set<TopicPartition> = []

    init(service: Service, settings: KafkaSettings, stallGuard: StallGuard?) throws {
        self.settings = settings
        logger = service.logger
        let events = service.kafkaEvents()
        consumer = try Consumer(configuration: settings.reader(isolation: .committed), events: events)
        products = try consumer.topic(settings.name(.products))
        let admin = try Admin(configuration: settings.common(), events: events)
        let names = [settings.name(.products), settings.name(.warehouses)]
        marks = ReadingMarks(stallGuard, topics: names)
        let found = try admin.describeTopics(names, timeoutMilliseconds: Self.timeout)
        places = names.flatMap { name in
            (0..<Int32(found[name]?.partitionCount ?? 0)).map { MasterData.Place(topic: name, partition: $0) }
        }
    }

    /// Whether all was given that the topics held when they were placed.
    var isCaughtUp: Bool { unread.isEmpty }

    /// Goes to what PostgreSQL stores.
    func place(_ store: LedgerStore) throws {
        unread = Set(places.map { TopicPartition($0.topic, $0.partition) })
        let starts = try store.offsets(of: places).map {
            TopicPartitionOffset(
                $0.key.topic, $0.key.partition,
                offset: $0.value == 0 ? TopicPartitionOffset.beginning : $0.value)
        }
        try consumer.assign(starts)
        marks.place(starts)
    }

    /// What has come, without waiting for it.
    func gather() throws -> MasterData {
        var data = MasterData()
        let polled = consumer.consumeBatch(maxMessages: Self.batchRecords, timeoutMilliseconds: 0) {
            message in
            switch message.kind {
            case .endOfPartition: unread.remove(TopicPartition(message.topicName, message.partition))
            case .failure(let error): if !error.passesByItself { failure = error }
            case .record: take(message, &data)
            }
        }
        marks.polled(isFull: polled >= Self.batchRecords)
        if let failure { throw RoleFailure(failure.exitCode, failure.description) }
        return data
    }

    private func take(_ message: borrowing Message, _ data: inout MasterData) {
        let isProduct = message.isFrom(products)
        marks.read(topic: isProduct ? 0 : 1, message.partition, next: message.offset + 1)
        var change: MasterData.Change?
        do throws(DecodingFailure) {
            change =
                isProduct
                ? try product(message.key, message.value) : try warehouse(message.key, message.value)
        } catch {
            logger.warning(
                "passed over a record that cannot be read",
                [
                    "topic": message.topicName, "partition": message.partition, "offset": message.offset,
                    "reason": error.reason.rawValue,
                ])
        }
        let milliseconds = message.timestampMilliseconds
        data.add(
            change,
            at: 0...Limits.latestTime ~= milliseconds ? Timestamp(milliseconds: milliseconds) : nil,
            MasterData.Place(topic: message.topicName, partition: message.partition), offset: message.offset)
    }

    private func product(
        _ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?
    ) throws(DecodingFailure) -> MasterData.Change {
        guard let value else { return .noProduct(try RecordReader.withdrawnProduct(key: key).text) }
        return .product(try reader.product(key: key, value: value))
    }

    private func warehouse(
        _ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?
    ) throws(DecodingFailure) -> MasterData.Change {
        guard let value else { return .noWarehouse(try RecordReader.withdrawnWarehouse(key: key).text) }
        return .warehouse(try reader.warehouse(key: key, value: value))
    }
}
