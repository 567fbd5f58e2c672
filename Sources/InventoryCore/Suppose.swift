/// For replays that ask what another policy would have done. Live processing never calls these: what it knows comes
/// into the log as a command, and has a ledger entry.
extension Stock {
    /// Lays a policy down for a SKU, or for a SKU in a warehouse, without an entry. A SKU that is retired keeps none.
    package mutating func suppose(_ policy: Policy, for sku: ID, in warehouse: ID? = nil) {
        let index = makeItemIndex(of: sku)
        if items[index].isRetired { return }
        layDown(policy, in: warehouse, item: index)
    }

    /// Lays other settings down, without an entry.
    package mutating func suppose(_ settings: Settings) {
        layDown(settings, from: rememberedFrom, at: Timestamp(milliseconds: 0))
    }

    /// What is laid down for a SKU, or for a SKU in a warehouse; nil if nothing is.
    package func policy(of sku: ID, in warehouse: ID? = nil) -> Policy? {
        guard let warehouse else { return item(of: sku)?.policy }
        return item(of: sku)?.level(of: warehouse)?.policy
    }
}
