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

    package struct WarehousePolicy: Equatable, Sendable {
        package var warehouse: ID
        package var policy: Policy

        package init(warehouse: ID, policy: Policy) {
            self.warehouse = warehouse
            self.policy = policy
        }
    }

    package var sku: ID
    package var name: String
    package var description: String?
    package var weightGrams: Int64?
    package var dimensions: Dimensions?
    /// Nil leaves the SKU's policy as it is.
    package var policy: Policy?
    package var warehousePolicies: [WarehousePolicy]

    package init(
        sku: ID, name: String, description: String? = nil, weightGrams: Int64? = nil,
        dimensions: Dimensions? = nil, policy: Policy? = nil, warehousePolicies: [WarehousePolicy] = []
    ) {
        self.sku = sku
        self.name = name
        self.description = description
        self.weightGrams = weightGrams
        self.dimensions = dimensions
        self.policy = policy
        self.warehousePolicies = warehousePolicies
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
            return ProductRecord(
                sku: try object.id("sku"), name: name,
                description: try object.optionalText("description", limit: Self.descriptionBytes),
                weightGrams: try object.optionalInteger("weight_grams", 1...1_000_000_000),
                dimensions: try Self.dimensions(object), policy: try Self.policy(object),
                warehousePolicies: try Self.warehousePolicies(object))
        }
        try Self.check(key, is: record.sku, "sku")
        if PartitionBook.isBook(record.sku) {
            throw DecodingFailure(
                .invalidID,
                "sku begins with \(PartitionBook.prefix), which is kept for the partitions' own books")
        }
        return record
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

    private static func policy(_ object: JSONObject) throws(DecodingFailure) -> Policy? {
        guard let policy = try object.optionalObject("policy") else { return nil }
        try policy.checkFields(limit: Limits.commandFields)
        return try Shared.policy(policy, inWarehouse: false)
    }

    private static func warehousePolicies(
        _ object: JSONObject
    ) throws(DecodingFailure) -> [ProductRecord.WarehousePolicy] {
        var policies: [ProductRecord.WarehousePolicy] = []
        for policy in try object.optionalObjects("warehouse_policies") {
            try policy.checkFields(limit: Limits.commandFields)
            policies.append(
                ProductRecord.WarehousePolicy(
                    warehouse: try policy.id("warehouse"),
                    policy: try Shared.policy(policy, inWarehouse: true)))
        }
        guard policies.count <= Limits.warehousesPerSKU else {
            throw DecodingFailure(
                .outOfRange,
                "warehouse_policies has \(policies.count) elements; at most \(Limits.warehousesPerSKU) are allowed"
            )
        }
        guard Set(policies.map(\.warehouse)).count == policies.count else {
            throw DecodingFailure(.conflictingFields, "warehouse_policies names a warehouse twice")
        }
        return policies
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
        json.policy(product.policy)
        if !product.warehousePolicies.isEmpty {
            json.beginArray("warehouse_policies")
            for policy in product.warehousePolicies {
                json.beginElement()
                json.string("warehouse", policy.warehouse)
                json.policyFields(policy.policy)
                json.endElement()
            }
            json.endArray()
        }
        json.end()
    }

    /// Settings, for `settings`.
    package mutating func write(settings: Settings) {
        json.begin()
        json.settingsFields(settings)
        json.end()
    }
}
