import InventoryCore

/// A warehouse as people publish it.
package struct WarehouseRecord: Equatable, Sendable {
    package var warehouse: Warehouse
    package var name: String?
    /// Of the IANA database.
    package var timezone: String?

    package init(warehouse: Warehouse, name: String? = nil, timezone: String? = nil) {
        self.warehouse = warehouse
        self.name = name
        self.timezone = timezone
    }
}

/// A product as people publish it.
package struct ProductRecord: Equatable, Sendable {
    /// In millimetres.
    package struct Dimensions: Equatable, Sendable {
        package var length: Int64
        package var width: Int64
        package var height: Int64

        package init(length: Int64, width: Int64, height: Int64) {
            self.length = length
            self.width = width
            self.height = height
        }
    }

    package typealias WarehousePolicy = InventoryCore.WarehousePolicy

    package var sku: ID
    package var name: String
    package var description: String?
    package var weightGrams: Int64?
    package var dimensions: Dimensions?
    /// All that the record lays down: what an earlier one named and this one does not no longer applies.
    package var policies: PublishedPolicies

    package var policy: Policy? { policies.policy }
    package var warehousePolicies: [WarehousePolicy] { policies.warehouses }

    package init(
        sku: ID, name: String, description: String? = nil, weightGrams: Int64? = nil,
        dimensions: Dimensions? = nil, policy: Policy? = nil, warehousePolicies: [WarehousePolicy] = []
    ) {
        self.sku = sku
        self.name = name
        self.description = description
        self.weightGrams = weightGrams
        self.dimensions = dimensions
        policies = PublishedPolicies(policy: policy, warehouses: warehousePolicies)
    }
}

extension RecordReader {
    /// The key of the one record of `settings`.
    package static let settingsKey = "decisions"

    private static let nameBytes = 512
    private static let descriptionBytes = 16_384
    private static let measures: ClosedRange<Int64> = 1...1_000_000

    /// Reads a record of `warehouses` that is no tombstone.
    package mutating func warehouse(
        key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(DecodingFailure) -> WarehouseRecord {
        let record = try read(value, limit: Limits.commandBytes) { object throws(DecodingFailure) in
            try object.checkFields(limit: Limits.commandFields)
            return WarehouseRecord(
                warehouse: try Shared.warehouse(object),
                name: try object.optionalText("name", limit: Self.nameBytes),
                timezone: try object.optionalID("timezone")?.text)
        }
        try Self.check(key, is: record.warehouse.id, "warehouse")
        return record
    }

    /// Reads a record of `products` that is no tombstone.
    package mutating func product(
        key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(DecodingFailure) -> ProductRecord {
        let record = try read(value, limit: Limits.commandBytes) { object throws(DecodingFailure) in
            try object.checkFields(limit: Limits.commandFields)
            guard let name = try object.optionalText("name", limit: Self.nameBytes) else {
                throw DecodingFailure(.missingField, "name is missing")
            }
            var product = ProductRecord(
                sku: try object.id("sku"), name: name,
                description: try object.optionalText("description", limit: Self.descriptionBytes),
                weightGrams: try object.optionalInteger("weight_grams", 1...1_000_000_000),
                dimensions: try Self.dimensions(object))
            product.policies = try Shared.policies(object)
            return product
        }
        try Self.check(key, is: record.sku, "sku")
        try Self.checkIsNoBook(record.sku, "sku")
        return record
    }

    private static func checkIsNoBook(_ sku: ID, _ name: String) throws(DecodingFailure) {
        guard !PartitionBook.isBook(sku) else {
            throw DecodingFailure(
                .invalidID,
                "\(name) begins with \(PartitionBook.prefix), which is kept for the partitions' own books")
        }
    }

    /// The SKU of a tombstone of `products`.
    package static func withdrawnProduct(
        key: UnsafeRawBufferPointer?
    ) throws(DecodingFailure) -> ID {
        let sku = try id(ofKey: key, "a tombstone's key must be the id of a SKU")
        try checkIsNoBook(sku, "the key")
        return sku
    }

    /// The id of a tombstone of `warehouses`.
    package static func withdrawnWarehouse(
        key: UnsafeRawBufferPointer?
    ) throws(DecodingFailure) -> ID {
        try id(ofKey: key, "a tombstone's key must be the id of a warehouse")
    }

    /// Looks whether a tombstone of `settings` is one of the settings.
    package static func checkWithdrawnSettings(key: UnsafeRawBufferPointer?) throws(DecodingFailure) {
        try check(key, is: ID(settingsKey), "word \(settingsKey)")
    }

    /// The key of a record as an id.
    static func id(
        ofKey key: UnsafeRawBufferPointer?, _ problem: @autoclosure () -> String
    ) throws(DecodingFailure) -> ID {
        guard let key, !key.isEmpty, key.count <= Limits.idBytes,
            !key.contains(where: { $0 < 0x20 || $0 == 0x7F }),
            let id = String(validating: key, as: UTF8.self)
        else { throw DecodingFailure(.invalidID, problem()) }
        return ID(id)
    }

    /// Reads the record of `settings`.
    package mutating func settings(
        key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(DecodingFailure) -> Settings {
        let settings = try read(value, limit: Limits.commandBytes) { object throws(DecodingFailure) in
            try object.checkFields(limit: Limits.commandFields)
            var settings = try Shared.settings(object)
            // It is no setting of people's.
            settings.earlierLog = nil
            settings.partitions = nil
            return settings
        }
        try Self.check(key, is: ID(Self.settingsKey), "word \(Self.settingsKey)")
        return settings
    }

    private static func check(
        _ key: UnsafeRawBufferPointer?, is wanted: ID, _ name: String
    ) throws(DecodingFailure) {
        let isKey = wanted.withBytes { bytes in key?.elementsEqual(bytes) ?? false }
        guard isKey else {
            throw DecodingFailure(.keyMismatch, "the record's key must be its \(name), byte for byte")
        }
    }

    private static func dimensions(
        _ object: JSONObject
    ) throws(DecodingFailure) -> ProductRecord.Dimensions? {
        guard let dimensions = try object.optionalObject("dimensions_mm") else { return nil }
        return ProductRecord.Dimensions(
            length: try dimensions.integer("length", measures),
            width: try dimensions.integer("width", measures),
            height: try dimensions.integer("height", measures))
    }
}

extension RecordWriter {
    /// A warehouse, for `warehouses`.
    package mutating func write(warehouse record: WarehouseRecord) {
        json.begin()
        json.warehouseFields(record.warehouse)
        json.string("name", record.name)
        json.string("timezone", record.timezone)
        json.end()
    }

    /// A product, for `products`.
    package mutating func write(product: ProductRecord) {
        json.begin()
        json.string("sku", product.sku)
        json.string("name", product.name)
        json.string("description", product.description)
        json.integer("weight_grams", product.weightGrams)
        if let dimensions = product.dimensions {
            json.beginObject("dimensions_mm")
            json.integer("length", dimensions.length)
            json.integer("width", dimensions.width)
            json.integer("height", dimensions.height)
            json.endElement()
        }
        json.policies(product.policies)
        json.end()
    }

    /// Settings, for `settings`.
    package mutating func write(settings: Settings) {
        json.begin()
        json.settingsFields(settings)
        json.end()
    }
}
