import InventoryCore
import InventoryWire

/// Turns what people publish (`warehouses`, `products`, `settings`) into commands for the partitions of
/// `stock.commands`, so that it has an offset there and a rebuild decides as live did (DESIGN.md, rule 11).
///
/// A warehouse and the settings go to every partition, a product's policy to the partition of its SKU. Pure: the
/// same record gives the same commands, with ids that follow from its place, so that a repeat is known as one.
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

    /// The commands that a record of `topic` gives; none for a product without a policy.
    package mutating func deliveries(
        of record: LogRecord, from topic: Topic, partition: Int32
    ) throws(DecodingFailure) -> [Delivery] {
        let id: ID = "relay/\(idPrefix)\(topic.rawValue)/\(partition)/\(record.offset)"
        switch topic {
        case .warehouses: return toAll(id, .setWarehouse(try warehouse(record)))
        case .settings:
            let settings =
                record.value == nil ? Settings() : try reader.settings(key: record.key, value: record.value)
            return toAll(id, .setSettings(settings))
        case .products: return try policies(record, id)
        default: preconditionFailure("\(topic.rawValue) is not published by people")
        }
    }

    /// A warehouse whose record is gone takes no new allocation.
    private mutating func warehouse(_ record: LogRecord) throws(DecodingFailure) -> Warehouse {
        if record.value != nil {
            return try reader.warehouse(key: record.key, value: record.value).warehouse
        }
        guard let key = record.key, !key.isEmpty, key.count <= Limits.idBytes,
            !key.contains(where: { $0 < 0x20 || $0 == 0x7F }),
            let text = String(validating: key, as: UTF8.self)
        else { throw DecodingFailure(.invalidID, "a tombstone's key must be the id of a warehouse") }
        return Warehouse(id: ID(text), isActive: false)
    }

    private func toAll(_ id: ID, _ body: Command.Body) -> [Delivery] {
        (0..<partitionCount).map {
            Delivery(partition: $0, command: Command(id: id, sku: PartitionBook.sku($0), body: body))
        }
    }

    private mutating func policies(
        _ record: LogRecord, _ id: ID
    ) throws(DecodingFailure) -> [Delivery] {
        guard record.value != nil else { return [] }
        let product = try reader.product(key: record.key, value: record.value)
        var bodies: [Command.Body] = []
        if let policy = product.policy { bodies.append(.setPolicy(warehouse: nil, policy)) }
        for local in product.warehousePolicies {
            bodies.append(.setPolicy(warehouse: local.warehouse, local.policy))
        }
        let partition = partitionOf(product.sku)
        return bodies.enumerated().map { number, body in
            Delivery(
                partition: partition,
                command: Command(id: "\(id)/\(number)", sku: product.sku, body: body))
        }
    }
}
