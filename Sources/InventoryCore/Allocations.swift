/// Which warehouses serve how many units, in the order in which they were picked. One is the rule, and needs no memory
/// of its own.
package struct Allocations: Equatable, Sendable, RandomAccessCollection, ExpressibleByArrayLiteral {
    /// Nil where there are none.
    private var only: Allocation?
    private var further: [Allocation] = []

    package init() {}

    package init(_ allocation: Allocation) { only = allocation }

    package init(_ allocations: [Allocation]) {
        only = allocations.first
        if allocations.count > 1 { further = Array(allocations.dropFirst()) }
    }

    package init(arrayLiteral allocations: Allocation...) { self.init(allocations) }

    package var startIndex: Int { 0 }
    package var count: Int { endIndex }
    package var endIndex: Int { only == nil ? 0 : 1 + further.count }

    package subscript(index: Int) -> Allocation {
        guard index == 0 else { return further[index - 1] }
        guard let only else { preconditionFailure("there is no allocation") }
        return only
    }

    /// The last one first.
    func reversed() -> Allocations { further.isEmpty ? self : Allocations(Array(self).reversed()) }

    /// The units of all.
    package var units: Int64 {
        let first = only == nil ? 0 : only!.quantity
        return further.isEmpty ? first : further.reduce(first) { $0 + $1.quantity }
    }

    mutating func append(_ allocation: Allocation) {
        if only == nil { only = allocation } else { further.append(allocation) }
    }

    /// Gives the one at `index` other units.
    mutating func set(_ index: Int, to quantity: Int64) {
        if index == 0 { only!.quantity = quantity } else { further[index - 1].quantity = quantity }
    }

    mutating func remove(at index: Int) {
        if index > 0 {
            further.remove(at: index - 1)
        } else {
            only = further.isEmpty ? nil : further.removeFirst()
        }
    }
}
