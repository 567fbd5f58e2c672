import InventoryCore

/// The commands of a count that have no outcome yet. An id belongs to its SKU: another SKU's command may have the same,
/// and its outcome is none of the count's.
package struct AwaitedOutcomes: Sendable {
    private var waiting: [OwnedID: StockCount.Count] = [:]

    package init() {}

    package var count: Int { waiting.count }
    package var isEmpty: Bool { waiting.isEmpty }

    package mutating func add(_ command: Command, for count: StockCount.Count) {
        waiting[OwnedID(sku: command.sku, id: command.id)] = count
    }

    package func isAwaited(_ outcome: Outcome) -> Bool { waiting[Self.name(outcome)] != nil }

    /// - Returns: what was counted; nil for an outcome that is not awaited, or not any more.
    package mutating func take(_ outcome: Outcome) -> StockCount.Count? {
        waiting.removeValue(forKey: Self.name(outcome))
    }

    private static func name(_ outcome: Outcome) -> OwnedID {
        OwnedID(sku: outcome.sku, id: outcome.commandID)
    }
}
