import InventoryCore

/// An order as the optimizer looks at it: what warehouses keep for it.
package struct ServedOrder: Equatable, Sendable {
    package struct Line: Equatable, Sendable {
        package var sku: ID
        /// It stays where it is.
        package var isBound: Bool
        /// Which warehouse keeps how many units; a warehouse stands once. None where nobody does yet.
        package var allocations: [Allocation]
        /// At least 1; the units of the allocations, if there are any.
        package var quantity: Int64

        package init(sku: ID, allocations: [Allocation], isBound: Bool = false) {
            self.sku = sku
            self.isBound = isBound
            self.allocations = allocations
            quantity = allocations.reduce(0) { $0 + $1.quantity }
        }

        /// A line that nobody serves yet.
        package init(sku: ID, quantity: Int64) {
            self.sku = sku
            self.quantity = quantity
            isBound = false
            allocations = []
        }
    }

    /// Of one SKU each.
    package var lines: [Line]
    package var shipTo: Point?
    package var deliverWithinHours: Int64?
    /// Whether a line may come from several warehouses.
    package var allowSplit: Bool

    package init(
        lines: [Line], shipTo: Point? = nil, deliverWithinHours: Int64? = nil, allowSplit: Bool = true
    ) {
        self.lines = lines
        self.shipTo = shipTo
        self.deliverWithinHours = deliverWithinHours
        self.allowSplit = allowSplit
    }
}

/// What makes one way of serving an order better than another. All of it is summed; less is better.
package struct Weights: Equatable, Sendable {
    /// Of each weight.
    package static let range: ClosedRange<Int64> = 0...1_000_000

    /// For each warehouse that serves the order.
    package var shipment: Int64
    /// For each kilometre from each of them to the customer.
    package var kilometre: Int64
    /// For each line that comes later than was promised.
    package var late: Int64
    /// For each line: nothing where it comes from the warehouses that have most of it, up to the whole weight where it
    /// takes the last units of one while another has many.
    package var balance: Int64
    /// What a proposal must save at least; 1 at least.
    package var leastSaving: Int64

    package init(
        shipment: Int64 = 500, kilometre: Int64 = 1, late: Int64 = 2_000, balance: Int64 = 10,
        leastSaving: Int64 = 100
    ) {
        self.shipment = shipment
        self.kilometre = kilometre
        self.late = late
        self.balance = balance
        self.leastSaving = leastSaving
    }
}

/// A way of serving an order, in figures.
package struct Shape: Equatable, Sendable {
    /// Warehouses that serve it.
    package var shipments: Int64 = 0
    /// From each of them to the customer, together; 0 where a place is not known.
    package var kilometres: Int64 = 0
    /// Lines that come later than was promised.
    package var late: Int64 = 0
    /// By the weights.
    package var cost: Int64 = 0

    package init() {}
}

/// What the optimizer thinks of an order.
package struct Review: Equatable, Sendable {
    package var before: Shape
    /// The best that was found; as before where nothing better was.
    package var after: Shape
    /// The lines that move, each with all its units; none where too little is to be saved.
    package var moves: [ServedOrder.Line]
    /// No way of serving it costs less.
    package var isExact: Bool
    /// How many sets of warehouses were looked at.
    package var looked: Int
}
