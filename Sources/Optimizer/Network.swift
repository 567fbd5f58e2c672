import InventoryCore

/// What the optimizer knows of stock: the warehouses, and what each has available of each SKU, as `stock.levels` told
/// it last. It is late by nature; the stock decides whether a proposal can be had.
package struct Network: Sendable {
    struct Holding: Sendable {
        /// Where the warehouse stands in `warehouses`.
        var place: Int32
        var available: Int64
    }

    /// Every warehouse that was named. One that nobody has published is active and of unknown place, as for the stock.
    private(set) var warehouses: [KnownWarehouse] = []
    private var places: [ID: Int32] = [:]
    private var holdings: [ID: [Holding]] = [:]

    package init() {}

    /// SKUs of which something is available.
    package var skuCount: Int { holdings.count }

    /// What is known of a warehouse from now on.
    package mutating func set(_ warehouse: Warehouse) {
        warehouses[Int(makePlace(of: warehouse.id))] = KnownWarehouse(warehouse, isPublished: true)
    }

    /// The levels of a SKU, or the warehouses in a partition's own book.
    package mutating func set(_ snapshot: LevelsSnapshot) {
        if let book = snapshot.book {
            for warehouse in book.warehouses { set(warehouse) }
            return
        }
        var held: [Holding] = []
        for level in snapshot.levels {
            // One that has nothing to give may serve an order all the same.
            let place = makePlace(of: level.warehouse)
            if level.available > 0, !snapshot.isRetired {
                held.append(Holding(place: place, available: level.available))
            }
        }
        holdings[snapshot.sku] = held.isEmpty ? nil : held
    }

    /// Nothing is available of the SKU.
    package mutating func remove(_ sku: ID) { holdings[sku] = nil }

    /// Units that a proposal asks for: they are not there for the next order, until the SKU's levels come again.
    package mutating func claim(_ quantity: Int64, of sku: ID, in warehouse: ID) {
        guard let place = places[warehouse],
            let index = holdings[sku]?.firstIndex(where: { $0.place == place })
        else { return }
        holdings[sku]![index].available = max(0, holdings[sku]![index].available - quantity)
    }

    func holdings(of sku: ID) -> [Holding] { holdings[sku] ?? [] }

    func place(of warehouse: ID) -> Int? { places[warehouse].map(Int.init) }

    private mutating func makePlace(of warehouse: ID) -> Int32 {
        if let place = places[warehouse] { return place }
        let place = Int32(warehouses.count)
        warehouses.append(KnownWarehouse(Warehouse(id: warehouse), isPublished: false))
        places[warehouse] = place
        return place
    }
}
