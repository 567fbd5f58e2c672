import InventoryCore
import InventoryWire

/// A bookkeeper who knows nothing of decisions: reads a partition's ledger from its start, adds up, and says what
/// does not add up.
package struct LedgerBooks {
    private struct Shelf: Hashable {
        let sku: ID
        let warehouse: ID
    }

    private struct ClaimKey: Hashable {
        let sku: ID
        let origin: Int64
    }

    private struct Claim {
        let reservationID: ID
        var units: Int64
        var expiresAt: Int64
        var hasEnded = false
    }

    package private(set) var problems: [String] = []
    private var sequences: [ID: Int64] = [:]
    private var sums: [Shelf: LedgerEntry.Deltas] = [:]
    private var touched: Set<Shelf> = []
    private var claims: [ClaimKey: Claim] = [:]
    private var lastSource: Int64 = -1

    package init() {}

    package mutating func add(_ entry: LedgerEntry) {
        let place = "ledger of \(entry.sku), \(entry.sequence)"
        let before = sequences.updateValue(entry.sequence, forKey: entry.sku) ?? 0
        if entry.sequence != before + 1 { problems.append("\(place): it follows \(before)") }
        if entry.source.offset < lastSource { problems.append("\(place): commands are out of order") }
        lastSource = entry.source.offset
        add(units: entry, place)
        add(claim: entry, place)
        if !entry.more { closeCommand(place) }
    }

    private mutating func add(units entry: LedgerEntry, _ place: String) {
        guard let warehouse = entry.warehouse else { return }
        let shelf = Shelf(sku: entry.sku, warehouse: warehouse)
        var sum = sums[shelf] ?? LedgerEntry.Deltas()
        sum.onHand += entry.deltas.onHand
        sum.reserved += entry.deltas.reserved
        sum.inTransit += entry.deltas.inTransit
        sum.damaged += entry.deltas.damaged
        sums[shelf] = sum
        touched.insert(shelf)
        guard entry.hasBalances else { return }
        if sum.onHand != entry.balances.onHand || sum.reserved != entry.balances.reserved
            || sum.inTransit != entry.balances.inTransit || sum.damaged != entry.balances.damaged
        {
            problems.append("\(place): the balances are not the sums of the deltas")
        }
    }

    /// Physical truth may break the rule in the midst of a command, never at its end.
    private mutating func closeCommand(_ place: String) {
        for shelf in touched {
            let sum = sums[shelf]!
            if sum.onHand < 0 || sum.reserved < 0 || sum.reserved > sum.onHand || sum.inTransit < 0
                || sum.damaged < 0
            {
                problems.append(
                    "\(place): \(shelf.warehouse) has \(sum.onHand) on hand and \(sum.reserved) reserved")
            }
        }
        touched.removeAll(keepingCapacity: true)
    }

    private mutating func add(claim entry: LedgerEntry, _ place: String) {
        guard let id = entry.reservationID, let origin = entry.origin else { return }
        let key = ClaimKey(sku: entry.sku, origin: origin)
        switch entry.movement {
        case .reserve, .backorder, .reacquire:
            var claim = claims[key] ?? Claim(reservationID: id, units: 0, expiresAt: 0)
            if claim.hasEnded { problems.append("\(place): reservation \(id) has ended, and claims again") }
            claim.units += entry.quantity
            claim.expiresAt = entry.expiresAt?.milliseconds ?? claim.expiresAt
            claims[key] = claim
        case .extend:
            claims[key]?.expiresAt = entry.expiresAt?.milliseconds ?? 0
        case .ship, .release, .expire, .lose:
            end(key, id, entry, place)
        default: break
        }
    }

    private mutating func end(_ key: ClaimKey, _ id: ID, _ entry: LedgerEntry, _ place: String) {
        guard var claim = claims[key] else {
            problems.append("\(place): reservation \(id) never began")
            return
        }
        claim.units -= entry.quantity
        if claim.hasEnded || claim.units < 0 {
            problems.append("\(place): reservation \(id) ends twice")
        }
        if entry.movement == .expire, entry.at.milliseconds < claim.expiresAt {
            problems.append(
                "\(place): reservation \(id) expires \(claim.expiresAt - entry.at.milliseconds) ms early")
        }
        if claim.units == 0 { claim.hasEnded = true }
        claims[key] = claim
    }

    /// Compares with what the topics say there is.
    package mutating func compare(levels: [LevelsSnapshot], reservations: [ReservationSnapshot]) {
        for snapshot in levels {
            if sequences[snapshot.sku] ?? 0 != snapshot.sequence {
                problems.append(
                    "levels of \(snapshot.sku) stand for \(snapshot.sequence), the ledger ends at "
                        + "\(sequences[snapshot.sku] ?? 0)")
            }
            for level in snapshot.levels {
                let sum = sums[Shelf(sku: snapshot.sku, warehouse: level.warehouse)] ?? LedgerEntry.Deltas()
                if sum.onHand != level.onHand || sum.reserved != level.reserved {
                    problems.append(
                        "levels of \(snapshot.sku) in \(level.warehouse): \(level.onHand) on hand and "
                            + "\(level.reserved) reserved; the ledger has \(sum.onHand) and \(sum.reserved)")
                }
            }
        }
        for sku in sequences.keys.sorted() where !levels.contains(where: { $0.sku == sku }) {
            problems.append("the ledger has \(sku), the levels do not")
        }
        let live = Set(
            claims.filter { !$0.value.hasEnded }.map { OwnedID(sku: $0.key.sku, id: $0.value.reservationID) })
        let told = Set(reservations.map(\.owned))
        for name in live.symmetricDifference(told).sorted() {
            problems.append(
                live.contains(name)
                    ? "reservation \(name.id) of \(name.sku) lives in the ledger alone"
                    : "reservation \(name.id) of \(name.sku) has ended in the ledger alone")
        }
    }
}
