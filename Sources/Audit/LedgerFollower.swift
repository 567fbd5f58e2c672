import InventoryCore
import InventoryWire

/// Follows the ledger of a partition entry by entry, and never crashes on a wrong one: a SKU with a fault is given up,
/// because what its further entries should be cannot be said.
package struct LedgerFollower: ~Copyable {
    package private(set) var stock: Stock
    /// SKUs that are not followed any more.
    package private(set) var givenUp: Set<ID> = []
    private let partition: Int32
    private var chain = LedgerChain()

    package init(partition: Int32, stock: Stock = Stock(decides: false)) {
        self.partition = partition
        self.stock = stock
    }

    package mutating func giveUp(_ sku: ID) {
        guard givenUp.insert(sku).inserted else { return }
        stock.abandonPending(of: sku)
    }

    /// - Returns: the alerts of the entry's command, if the entry is its last.
    package mutating func follow(
        _ entry: Recorded<LedgerEntry>, _ differences: inout Differences
    ) -> [Alert] {
        let sku = entry.value.sku
        while !givenUp.contains(sku) {
            if let fault = stock.fault(in: entry.value) {
                differences.add(difference(entry, fault))
                giveUp(fault.sku)
                continue
            }
            let hash = chain.hash(of: entry.value, after: stock.chainHash(of: sku))
            if hash != entry.value.chainHash {
                // The entries after it are chained to what it tells.
                differences.add(
                    difference(
                        entry, .chain, found: "hash \(entry.value.chainHash.hexadecimal)",
                        expected: "hash \(hash.hexadecimal)", sku: sku))
            }
            return stock.fold(entry.value)
        }
        return []
    }

    private func difference(_ entry: Recorded<LedgerEntry>, _ fault: LedgerFault) -> Difference {
        difference(entry, .ledger, found: fault.found, expected: fault.expected, sku: fault.sku)
    }

    private func difference(
        _ entry: Recorded<LedgerEntry>, _ kind: Difference.Kind, found: String, expected: String, sku: ID
    ) -> Difference {
        Difference(
            kind, place: Topic.ledger.rawValue, partition: partition, offset: entry.offset,
            command: entry.value.source.offset, sku: sku,
            sequence: sku == entry.value.sku ? entry.value.sequence : stock.sequence(of: sku),
            found: found, expected: expected,
            next: "holdfast replay --partition \(partition) --from \(partition)/\(entry.value.source.offset)")
    }
}
