import InventoryCore

/// Which SKUs and warehouses there are, and what lies where, as far as a count needs it.
package struct KnownStock: Sendable {
    package struct Held: Equatable, Sendable {
        package let warehouse: ID
        package let onHand: Int64
        package let reserved: Int64

        package init(warehouse: ID, onHand: Int64, reserved: Int64) {
            self.warehouse = warehouse
            self.onHand = onHand
            self.reserved = reserved
        }
    }

    /// The SKUs that the file may mean: of them alone the levels are kept.
    private let wanted: Set<ID>
    private var levels: [ID: [Held]] = [:]
    private var otherSKUs: Set<ID> = []
    private var products: Set<ID> = []
    private var warehousesOfLevels: Set<ID> = []
    private var publishedWarehouses: Set<ID> = []

    package init(for file: CountFile) {
        var wanted: Set<ID> = []
        for row in file.counts {
            wanted.insert(row.sku)
            wanted.insert(ID(CountText.clean(row.sku.text)))
        }
        self.wanted = wanted
    }

    /// Whether the levels of a SKU are needed, and not only its name and where it lies.
    package func needsLevels(of sku: ID) -> Bool { wanted.contains(sku) }

    /// - Parameter held: nil for a SKU that is gone.
    package mutating func set(_ sku: ID, _ held: [Held]?) {
        // A partition's own book is no stock.
        guard !PartitionBook.isBook(sku) else { return }
        for held in held ?? [] { warehousesOfLevels.insert(held.warehouse) }
        if wanted.contains(sku) {
            levels[sku] = held
        } else if held != nil {
            otherSKUs.insert(sku)
        } else {
            otherSKUs.remove(sku)
        }
    }

    /// A product that is published, or no longer.
    package mutating func set(product: ID, isPublished: Bool) {
        if isPublished { products.insert(product) } else { products.remove(product) }
    }

    /// A warehouse that is published, whether something lies there or not.
    package mutating func set(warehouse: ID, isPublished: Bool) {
        if isPublished {
            publishedWarehouses.insert(warehouse)
        } else {
            publishedWarehouses.remove(warehouse)
        }
    }

    /// Whether a SKU that the file may mean is in none of the levels.
    package var lacksLevels: Bool { levels.count < wanted.count }

    func isKnown(sku: ID) -> Bool { levels[sku] != nil || products.contains(sku) || otherSKUs.contains(sku) }

    func isKnown(warehouse: ID) -> Bool {
        warehousesOfLevels.contains(warehouse) || publishedWarehouses.contains(warehouse)
    }

    func held(_ sku: ID, in warehouse: ID) -> Held? { levels[sku]?.first { $0.warehouse == warehouse } }

    func warehouses(of sku: ID) -> [ID] { levels[sku]?.map(\.warehouse) ?? [] }

    func eachWarehouse(_ body: (ID) -> Void) {
        for warehouse in warehousesOfLevels.union(publishedWarehouses) { body(warehouse) }
    }

    func eachSKU(_ body: (ID) -> Void) {
        for sku in levels.keys { body(sku) }
        for sku in otherSKUs { body(sku) }
        for sku in products where levels[sku] == nil && !otherSKUs.contains(sku) { body(sku) }
    }
}
