import InventoryCore
import InventoryWire

/// Turns what people publish (`warehouses`, `products`, `settings`) into commands for the partitions of
/// `stock.commands`, so that it has an offset there and a rebuild decides as live did (DESIGN.md, rule 11).
///
/// A warehouse and the settings go to every partition, a product's policy to the partition of its SKU. Pure: the
/// same record gives the same commands, with ids that follow from its place, so that a repeat is known as one. Only when
/// they are issued is told by the relay's clock: a record may have waited for longer than the window remembers.
package struct Relay: ~Copyable {
    /// A command and the partition that it goes to.
    package struct Delivery: Equatable, Sendable {
        package var partition: Int32
        package var command: Command

        package init(partition: Int32, command: Command) {
            self.partition = partition
            self.command = command
        }
    }

    private let partitionCount: Int32
    private let partitionOf: (ID) -> Int32
    private let idPrefix: String
    private var reader = RecordReader()

    /// - Parameters:
    ///   - partitionCount: of `stock.commands`.
    ///   - partitionOf: where the key of a SKU belongs (murmur2, as Java's producers place it).
    ///   - idPrefix: of the topics: topics that were grown have the same places under another prefix, and what the
    ///     earlier ones gave may still be remembered.
    package init(
        partitionCount: Int32, idPrefix: String = "", partitionOf: @escaping (ID) -> Int32
    ) {
        self.idPrefix = idPrefix
        self.partitionCount = partitionCount
        self.partitionOf = partitionOf
    }

    /// The commands that a record of `topic` gives.
    ///
    /// - Throws: why it gives none: it cannot be read, or it stands under a key that is not its own.
    /// - Parameter now: by the relay's clock, in milliseconds since 1970; nil where nothing is sent.
    package mutating func deliveries(
        of record: LogRecord, from topic: Topic, partition: Int32, at now: Int64? = nil
    ) throws(DecodingFailure) -> [Delivery] {
        let issuedAt = now.map { Timestamp.issued(at: $0, after: record.timestamp) }
        return try deliveries(of: record, from: topic, partition).map {
            var delivery = $0
            delivery.command.issuedAt = issuedAt
            return delivery
        }
    }

    private mutating func deliveries(
        of record: LogRecord, from topic: Topic, _ partition: Int32
    ) throws(DecodingFailure) -> [Delivery] {
        if let unreadable = record.unreadable {
            throw DecodingFailure(unreadable: unreadable, from: record.offset)
        }
        let id: ID = "relay/\(idPrefix)\(topic.rawValue)/\(partition)/\(record.offset)"
        switch topic {
        case .warehouses:
            return toAll(id, .setWarehouse(try warehouse(record), isWithdrawn: record.value == nil))
        case .settings: return toAll(id, .setSettings(try settings(record)))
        case .products: return [try policies(record, id)]
        default: preconditionFailure("\(topic.rawValue) is not published by people")
        }
    }

    /// A warehouse whose record is gone takes no new allocation. Whether it had a record is not known here: compaction may
    /// have taken that away before the tombstone is read. Each partition knows whether there is such a warehouse.
    private mutating func warehouse(_ record: LogRecord) throws(DecodingFailure) -> Warehouse {
        guard record.value != nil else {
            return Warehouse(id: try RecordReader.withdrawnWarehouse(key: record.key), isActive: false)
        }
        return try reader.warehouse(key: record.key, value: record.value).warehouse
    }

    /// Settings whose record is gone are the standard ones.
    private mutating func settings(_ record: LogRecord) throws(DecodingFailure) -> Settings {
        guard record.value != nil else {
            try RecordReader.checkWithdrawnSettings(key: record.key)
            return Settings()
        }
        return try reader.settings(key: record.key, value: record.value)
    }

    private func toAll(_ id: ID, _ body: Command.Body) -> [Delivery] {
        (0..<partitionCount).map {
            Delivery(partition: $0, command: Command(id: id, sku: PartitionBook.sku($0), body: body))
        }
    }

    /// All that the product lays down, in one command, also where that is nothing: the partition of its SKU knows what
    /// an earlier record had laid down, and withdraws what this one does not name. A product whose record is gone lays
    /// nothing down.
    private mutating func policies(
        _ record: LogRecord, _ id: ID
    ) throws(DecodingFailure) -> Delivery {
        var product = ProductRecord(sku: "", name: "")
        if record.value == nil {
            product.sku = try RecordReader.withdrawnProduct(key: record.key)
        } else {
            product = try reader.product(key: record.key, value: record.value)
        }
        return Delivery(
            partition: partitionOf(product.sku),
            command: Command(id: id, sku: product.sku, body: .setPolicies(product.policies)))
    }
}
