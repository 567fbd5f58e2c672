import InventoryCore
import InventoryWire
import PostgresClient

/// What people publish of products and warehouses, as one transaction of the sink stores it.
package struct MasterData: Sendable {
    package enum Change: Equatable, Sendable {
        case product(ProductRecord)
        /// The tombstone of a SKU.
        case noProduct(String)
        case warehouse(WarehouseRecord)
        /// The tombstone of a warehouse.
        case noWarehouse(String)
    }

    /// A partition of one of the topics, by the topic's name on its cluster.
    package struct Place: Hashable, Sendable {
        package var topic: String
        package var partition: Int32

        package init(topic: String, partition: Int32) {
            self.topic = topic
            self.partition = partition
        }
    }

    /// In the order of their topics, with the time of the record.
    package private(set) var changes: [(change: Change, at: Timestamp?)] = []
    /// The offset to read next.
    package private(set) var next: [Place: Int64] = [:]

    package init() {}

    package var isEmpty: Bool { next.isEmpty }

    /// - Parameter change: nil for a record that cannot be read, which is passed over.
    package mutating func add(_ change: Change?, at: Timestamp?, _ place: Place, offset: Int64) {
        if let change { changes.append((change, at)) }
        next[place] = offset + 1
    }
}

extension LedgerStore {
    /// The next offset of each place; 0 for one that was never read.
    package func offsets(of places: [MasterData.Place]) throws -> [MasterData.Place: Int64] {
        var offsets: [MasterData.Place: Int64] = [:]
        for place in places {
            let found = try connection.query(
                sql("SELECT next_offset FROM holdfast.sink_offsets WHERE topic = $1 AND partition = $2"),
                [.text(place.topic), .int32(place.partition)])
            offsets[place] = found.rowCount > 0 ? try found.int64(0, 0) : 0
        }
        return offsets
    }

    /// Stores changes of products and warehouses with the offsets that they take their topics to.
    package func store(_ data: MasterData) throws {
        try transaction {
            for (change, at) in data.changes { try store(change, at) }
            for (place, next) in data.next.sorted(by: { $0.value < $1.value }) {
                try connection.query(
                    sql(
                        """
                        INSERT INTO holdfast.sink_offsets (topic, partition, next_offset) VALUES ($1, $2, $3)
                        ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset
                        """), [.text(place.topic), .int32(place.partition), .int64(next)])
            }
        }
    }

    private func store(_ change: MasterData.Change, _ at: Timestamp?) throws {
        switch change {
        case .product(let product): try store(product, at)
        case .warehouse(let warehouse): try store(warehouse, at)
        case .noProduct(let sku):
            try connection.query(sql("DELETE FROM holdfast.products WHERE sku = $1"), [.text(sku)])
        case .noWarehouse(let id):
            try connection.query(
                sql("UPDATE holdfast.warehouses SET is_active = false WHERE id = $1"), [.text(id)])
        }
    }

    private static func seconds(_ moment: Timestamp?) -> Parameter? {
        moment.map { .text("\($0.milliseconds)") }
    }

    private static func number(_ value: Int64?) -> Parameter? { value.map { .int64($0) } }

    private static func text(_ value: String?) -> Parameter? { value.map { .text($0) } }

    private func store(_ product: ProductRecord, _ at: Timestamp?) throws {
        try connection.query(
            sql(
                """
                INSERT INTO holdfast.products
                    (sku, name, description, weight_grams, length_mm, width_mm, height_mm, published_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, to_timestamp($8::text::numeric / 1000))
                ON CONFLICT (sku) DO UPDATE SET
                    name = excluded.name, description = excluded.description,
                    weight_grams = excluded.weight_grams, length_mm = excluded.length_mm,
                    width_mm = excluded.width_mm, height_mm = excluded.height_mm,
                    published_at = excluded.published_at
                """),
            [
                .id(product.sku), .text(product.name), Self.text(product.description),
                Self.number(product.weightGrams), Self.number(product.dimensions?.length),
                Self.number(product.dimensions?.width), Self.number(product.dimensions?.height),
                Self.seconds(at),
            ])
    }

    private func store(_ record: WarehouseRecord, _ at: Timestamp?) throws {
        let facts = record.warehouse
        try connection.query(
            sql(
                """
                INSERT INTO holdfast.warehouses
                    (id, name, latitude, longitude, timezone, priority, handling_hours, km_per_hour, is_active,
                     published_at)
                VALUES ($1, $2, $3::bigint / 1000000.0, $4::bigint / 1000000.0, $5, $6, $7, $8, $9,
                    to_timestamp($10::text::numeric / 1000))
                ON CONFLICT (id) DO UPDATE SET
                    name = excluded.name, latitude = excluded.latitude, longitude = excluded.longitude,
                    timezone = excluded.timezone, priority = excluded.priority,
                    handling_hours = excluded.handling_hours, km_per_hour = excluded.km_per_hour,
                    is_active = excluded.is_active, published_at = excluded.published_at
                """),
            [
                .id(facts.id), Self.text(record.name), Self.number(facts.location?.latitude),
                Self.number(facts.location?.longitude), Self.text(record.timezone), .int64(facts.priority),
                .int64(facts.handlingHours), .int64(facts.kilometresPerHour), .bool(facts.isActive),
                Self.seconds(at),
            ])
    }
}
