/// Makes a state again from the last message of each SKU in `stock.levels`, the live reservations and transfers,
/// and the tail of `stock.ledger`, and refuses to if they do not agree.
package struct StockRestore: Sendable {
    private var levels: [String: LevelsSnapshot] = [:]
    private var reservations: [String: ReservationSnapshot] = [:]
    private var transfers: [String: TransferSnapshot] = [:]
    private var tail: [LedgerEntry] = []
    private var book: LevelsSnapshot.Book?
    private let standard: Settings

    /// - Parameter settings: those that hold until the log says others.
    package init(settings: Settings = Settings()) { standard = settings }

    package var skuCount: Int { levels.count }
    package var reservationCount: Int { reservations.count }
    package var transferCount: Int { transfers.count }
    package var tailCount: Int { tail.count }

    /// How many of the ledger's newest entries are wanted, once the levels are read: those of the dedupe window
    /// and one more, by which it is seen whether the oldest stands in the midst of its command's.
    package var tailLength: Int { (book?.settings ?? standard).dedupeCount + 1 }

    package mutating func add(_ snapshot: LevelsSnapshot) {
        levels[snapshot.sku] = snapshot
        if let book = snapshot.book { self.book = book }
    }

    package mutating func add(_ snapshot: ReservationSnapshot) { reservations[snapshot.id] = snapshot }

    package mutating func add(_ snapshot: TransferSnapshot) { transfers[snapshot.id] = snapshot }

    package mutating func end(reservationID: String) { reservations[reservationID] = nil }

    package mutating func end(transferID: String) { transfers[transferID] = nil }

    /// The newest entry of the ledger's tail: it says how far the commands were decided.
    package var newestEntry: LedgerEntry? { tail.last }

    /// Adds the next entry of the ledger's tail; entries come in the order of the ledger.
    package mutating func add(_ entry: LedgerEntry) {
        tail.append(entry)
        // Trimmed by halves, so that a long tail costs a constant for each entry.
        if tail.count > 2 * tailLength { tail.removeFirst(tail.count - tailLength) }
    }

    /// Begins the tail anew, for a reader that goes back further.
    package mutating func dropTail() { tail.removeAll() }

    /// - Throws: the first inconsistency, in the order of SKUs.
    package consuming func finish() throws(Inconsistency) -> Stock {
        var stock = Stock(settings: book?.settings ?? standard)
        stock.rememberedFrom = book?.rememberedFrom ?? 0
        for warehouse in book?.warehouses ?? [] { stock.publish(warehouse) }
        for snapshot in levels.values.sorted(by: { $0.sku < $1.sku }) { stock.restore(snapshot) }
        for snapshot in reservations.values.sorted(by: {
            ($0.sku, $0.reservedSequence) < ($1.sku, $1.reservedSequence)
        }) {
            try stock.restore(snapshot)
        }
        for snapshot in transfers.values.sorted(by: { ($0.sku, $0.id) < ($1.sku, $1.id) }) {
            try stock.restore(snapshot)
        }
        try stock.checkSums()
        for index in stock.items.indices { stock.countUnitsByOrder(item: index) }
        try stock.restoreWindow(tail.suffix(tailLength))
        return stock
    }
}

extension Stock {
    fileprivate mutating func restore(_ snapshot: LevelsSnapshot) {
        let index = makeItemIndex(of: snapshot.sku)
        items[index].sequence = snapshot.sequence
        items[index].chainHash = snapshot.chainHash
        items[index].generation = snapshot.generation
        items[index].isRetired = snapshot.isRetired
        items[index].backordered = snapshot.backordered
        items[index].alert = snapshot.alert
        items[index].policy = snapshot.policy
        items[index].levels = snapshot.levels.sorted { $0.warehouse < $1.warehouse }
        for place in items[index].levels.indices {
            items[index].levels[place].place = makePlace(of: items[index].levels[place].warehouse)
        }
    }

    private func index(
        of sku: String, for what: String, at sequence: Int64
    ) throws(Inconsistency) -> Int {
        guard let index = itemIndex(of: sku), sequence <= items[index].sequence else {
            throw Inconsistency(
                sku: sku,
                description: "\(what) stands for ledger sequence \(sequence), "
                    + "but the levels stand for \(item(of: sku)?.sequence ?? 0)")
        }
        return index
    }

    fileprivate mutating func restore(_ snapshot: ReservationSnapshot) throws(Inconsistency) {
        let index = try index(
            of: snapshot.sku, for: "reservation \(snapshot.id)", at: snapshot.sequence)
        let reservation = Reservation(
            id: snapshot.id, orderID: snapshot.orderID, allocations: snapshot.allocations,
            backordered: snapshot.backordered, channel: snapshot.channel, named: snapshot.warehouse,
            allowSplit: snapshot.allowSplit, isExtended: snapshot.isExtended,
            reservedAt: snapshot.reservedAt, expiresAt: snapshot.expiresAt,
            sequence: snapshot.reservedSequence, changed: snapshot.sequence,
            commandHash: snapshot.commandHash, item: index)
        begin(reservation)
        if snapshot.backordered > 0 { items[index].backorders.append(reservation.due) }
    }

    fileprivate mutating func restore(_ snapshot: TransferSnapshot) throws(Inconsistency) {
        let index = try index(of: snapshot.sku, for: "transfer \(snapshot.id)", at: snapshot.sequence)
        begin(
            Transfer(
                id: snapshot.id, from: snapshot.from, to: snapshot.to, quantity: snapshot.quantity,
                remaining: snapshot.remaining, dispatchedAt: snapshot.dispatchedAt,
                expectedAt: snapshot.expectedAt, isOverdue: snapshot.isOverdue,
                sequence: snapshot.dispatchedSequence, changed: snapshot.sequence,
                commandHash: snapshot.commandHash, item: index))
    }

    /// Reserved, by channel and in all, and backordered are sums of the live reservations; in transit is the sum
    /// of the live transfers.
    fileprivate func checkSums() throws(Inconsistency) {
        for item in items {
            for level in item.levels where level.reserved > level.onHand {
                throw Inconsistency(
                    sku: item.sku,
                    description: "\(level.warehouse) has \(level.reserved) units reserved "
                        + "and \(level.onHand) on hand")
            }
        }
        var sums = Sums(items)
        for reservation in reservations.values { sums.add(reservation) }
        for transfer in transfers.values { sums.add(transfer) }
        if let stray = sums.strays.min(by: { $0.description < $1.description }) { throw stray }
        for (index, item) in items.enumerated() {
            if item.backordered != sums.backordered[index] {
                throw Inconsistency(
                    sku: item.sku,
                    description: "it has \(item.backordered) units backordered, "
                        + "but its live reservations claim \(sums.backordered[index])")
            }
            for (place, level) in item.levels.enumerated() {
                try check(item, level, "reserved", level.reserved, sums.reserved[index][place])
                try check(item, level, "in transit", level.inTransit, sums.inTransit[index][place])
                for channel in level.channels {
                    try check(
                        item, level, "reserved by \(channel.channel)", channel.reserved,
                        sums.byChannel[Sums.Key(item: index, place: place, channel: channel.channel)] ?? 0)
                }
            }
        }
    }

    private func check(
        _ item: Item, _ level: Level, _ what: String, _ have: Int64, _ sum: Int64
    ) throws(Inconsistency) {
        guard have != sum else { return }
        throw Inconsistency(
            sku: item.sku,
            description: "\(level.warehouse) has \(have) units \(what), "
                + (what == "in transit"
                    ? "but its live transfers have \(sum)" : "but its live reservations claim \(sum)"))
    }

    /// The tail's last entry of each SKU must be the one that the SKU's levels stand for.
    fileprivate mutating func restoreWindow(_ tail: ArraySlice<LedgerEntry>) throws(Inconsistency) {
        var last: [String: (sequence: Int64, chainHash: ChainHash)] = [:]
        for entry in tail {
            if let before = last[entry.sku]?.sequence, entry.sequence != before + 1 {
                throw Inconsistency(
                    sku: entry.sku,
                    description: "in the ledger, sequence \(entry.sequence) follows \(before)")
            }
            last[entry.sku] = (entry.sequence, entry.chainHash)
            if entry.source.offset >= rememberedFrom { window.append(entry) }
        }
        for (sku, newest) in last.sorted(by: { $0.key < $1.key }) {
            let item = item(of: sku)
            guard item?.sequence == newest.sequence else {
                throw Inconsistency(
                    sku: sku,
                    description: "the ledger ends at sequence \(newest.sequence), "
                        + "but the levels stand for \(item?.sequence ?? 0)")
            }
            guard item?.chainHash == newest.chainHash else {
                throw Inconsistency(
                    sku: sku,
                    description: "the levels have another hash than the ledger's entry \(newest.sequence)")
            }
        }
    }
}

/// What live reservations and transfers add up to, by item and level.
private struct Sums {
    struct Key: Hashable {
        let item: Int
        let place: Int
        let channel: String
    }

    private let items: [Item]
    var reserved: [[Int64]]
    var inTransit: [[Int64]]
    var backordered: [Int64]
    var byChannel: [Key: Int64] = [:]
    var strays: [Inconsistency] = []

    init(_ items: [Item]) {
        self.items = items
        reserved = items.map { item in item.levels.map { _ in 0 } }
        inTransit = reserved
        backordered = items.map { _ in 0 }
    }

    mutating func add(_ reservation: Reservation) {
        let index = reservation.item
        backordered[index] += reservation.backordered
        for allocation in reservation.allocations {
            guard let place = items[index].index(of: allocation.warehouse) else {
                strays.append(
                    Inconsistency(
                        sku: items[index].sku,
                        description: "reservation \(reservation.id) claims units in "
                            + "\(allocation.warehouse), where the SKU has no level"))
                continue
            }
            reserved[index][place] += allocation.quantity
            if let channel = reservation.channel {
                byChannel[Key(item: index, place: place, channel: channel), default: 0] +=
                    allocation.quantity
            }
        }
    }

    mutating func add(_ transfer: Transfer) {
        guard let place = items[transfer.item].index(of: transfer.to) else {
            strays.append(
                Inconsistency(
                    sku: items[transfer.item].sku,
                    description: "transfer \(transfer.id) is on its way to \(transfer.to), "
                        + "where the SKU has no level"))
            return
        }
        inTransit[transfer.item][place] += transfer.remaining
    }
}
