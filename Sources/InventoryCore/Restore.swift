/// Makes a state again from the messages of `stock.levels`, `stock.reservations` and `stock.transfers`, of which the
/// newest of each key counts, and from the tail of `stock.ledger`; and refuses to if they do not agree.
///
/// The state is built while the messages come in, so that a partition of a million SKUs is never held twice and
/// nothing is sorted. Levels first is the quick way; a reservation whose SKU has none yet is kept aside.
package struct StockRestore: Sendable {
    private var stock: Stock
    /// What is claimed of SKUs that have no levels. They may still come, or a tombstone may.
    private var strayReservations: [OwnedID: ReservationSnapshot] = [:]
    private var strayTransfers: [OwnedID: TransferSnapshot] = [:]
    /// SKUs whose levels were taken away, and did not come again.
    private var ended: Set<ID> = []
    /// The newest ledger entry of each SKU that the tail has any of, by the SKU's place.
    private var tailEnds: [Int: TailEnd] = [:]
    /// The first entry that does not follow the one before it of its SKU.
    private var gap: Inconsistency?
    /// The tail begins within a command, of which the rest is passed over.
    private var isPassing = false
    /// Whether the entry before was the last of its command.
    private var isBetweenCommands = true
    /// How many commands of the tail were added.
    package private(set) var tailCount = 0
    /// The newest entry of the ledger's tail: it says how far the commands were decided.
    package private(set) var newestEntry: LedgerEntry?
    private var book: LevelsSnapshot.Book?
    private var bookSKU: ID = ""
    /// The tail was kept for a shorter window than the books have now: it may be too short, and is to be read anew.
    package private(set) var isTailShort = false
    private let standard: Settings

    /// - Parameter settings: those that hold until the log says others.
    package init(settings: Settings = Settings()) {
        standard = settings
        stock = Stock(settings: settings)
    }

    package var skuCount: Int { stock.skuCount }
    package var reservationCount: Int { stock.liveReservations + strayReservations.count }
    package var transferCount: Int { stock.liveTransfers + strayTransfers.count }

    /// How many of the ledger's newest commands are wanted, once the levels are read: those of the dedupe window
    /// and one more, by which it is seen whether there was anything before them.
    package var tailLength: Int { (book?.settings ?? standard).dedupeCount + 1 }

    package mutating func add(_ snapshot: LevelsSnapshot) {
        stock.restore(snapshot)
        if !ended.isEmpty { ended.remove(snapshot.sku) }
        if let book = snapshot.book {
            (self.book, bookSKU) = (book, snapshot.sku)
            if tailCount == 0 {
                startWindow()
            } else if book.settings.dedupeCount > stock.window.capacity {
                isTailShort = true
            }
        }
    }

    package mutating func add(_ snapshot: ReservationSnapshot) {
        let isKnown = stock.restore(snapshot)
        if !isKnown || !strayReservations.isEmpty {
            strayReservations[snapshot.owned] = isKnown ? nil : snapshot
        }
    }

    package mutating func add(_ snapshot: TransferSnapshot) {
        let isKnown = stock.restore(snapshot)
        if !isKnown || !strayTransfers.isEmpty { strayTransfers[snapshot.owned] = isKnown ? nil : snapshot }
    }

    /// Levels never end; but a rebuild takes away what should not be there.
    package mutating func end(sku: ID) { ended.insert(sku) }

    package mutating func end(reservationID id: ID, of sku: ID) {
        if let item = stock.itemIndex(of: sku), id.count <= Limits.idBytes {
            stock.reservations.remove(PackedID(id), item: item)
        }
        strayReservations[OwnedID(sku: sku, id: id)] = nil
    }

    package mutating func end(transferID id: ID, of sku: ID) {
        if let item = stock.itemIndex(of: sku) { stock.transfers[TransferKey(id, item: item)] = nil }
        strayTransfers[OwnedID(sku: sku, id: id)] = nil
    }

    /// Adds the next entry of the ledger's tail; entries come in the order of the ledger.
    package mutating func add(_ entry: LedgerEntry) {
        let index = stock.makeItemIndex(of: entry.packed.sku)
        if let before = tailEnds[index]?.sequence, entry.sequence != before + 1, gap == nil {
            gap = Inconsistency(
                sku: entry.sku, description: "in the ledger, sequence \(entry.sequence) follows \(before)")
        }
        tailEnds[index] = TailEnd(sequence: entry.sequence, chainHash: entry.chainHash)
        newestEntry = entry
        defer {
            isBetweenCommands = !entry.more
            if isBetweenCommands { isPassing = false }
        }
        if isPassing || entry.isNote { return }
        if entry.endsEarlierLog { stock.window.endEarlierLog(at: entry.at) }
        if isBetweenCommands { tailCount += 1 }
        stock.window.append(entry, item: index, continues: !isBetweenCommands)
    }

    /// Begins the tail anew, for a reader that goes back further.
    ///
    /// - Parameter isWhole: whether it begins where the ledger does. Else it may begin within a command, and the first
    ///   is passed over.
    package mutating func dropTail(isWhole: Bool) {
        tailEnds.removeAll()
        gap = nil
        isPassing = !isWhole
        isBetweenCommands = true
        tailCount = 0
        newestEntry = nil
        isTailShort = false
        startWindow()
    }

    private mutating func startWindow() {
        let settings = book?.settings ?? standard
        stock.window = DedupeWindow(capacity: settings.dedupeCount, age: settings.dedupeAge)
    }

    /// Gives the state away; the restore is empty after it.
    ///
    /// - Throws: the first inconsistency, in the order of SKUs.
    package mutating func finish() throws(Inconsistency) -> Stock {
        // Moved and not copied: a copy would double millions of reservations.
        var stock = Stock()
        swap(&stock, &self.stock)
        if let book { stock.restore(book) }
        let ends = tailEnds.map { (sku: stock.items[$0.key].sku, end: $0.value) }
        if book?.settings.earlierLog == .follows {
            throw Inconsistency(
                sku: bookSKU,
                description: "the ledger of an earlier log is still being copied into this partition: run "
                    + "`holdfast topics grow` to its end")
        }
        var doubts = FirstDoubt()
        forgetEnded(&stock, &doubts)
        for stray in strayReservations.values where !stock.restore(stray) {
            doubts.add(stray.sku, Stock.beyond("reservation \(stray.id)", stray.sequence, levels: 0))
        }
        for stray in strayTransfers.values where !stock.restore(stray) {
            doubts.add(stray.sku, Stock.beyond("transfer \(stray.id)", stray.sequence, levels: 0))
        }
        stock.takeUpReservations(&doubts)
        stock.takeUpTransfers(&doubts)
        stock.checkSums(&doubts)
        try doubts.check()
        for index in stock.items.indices { stock.countUnitsByOrder(item: index) }
        stock.closeLevels()
        if let gap { throw gap }
        try stock.check(ends)
        return stock
    }
}

extension StockRestore {
    /// Takes the SKUs out that have no levels any more; what still claims units of them is in doubt.
    private mutating func forgetEnded(_ stock: inout Stock, _ doubts: inout FirstDoubt) {
        if ended.isEmpty { return }
        let skus = stock.items.map(\.sku)
        for place in stock.reservations.all where ended.contains(skus[stock.reservations.item(at: place)]) {
            guard let live = stock.reservations[at: place] else { continue }
            doubts.add(skus[live.item], Stock.beyond("reservation \(live.id)", live.changed, levels: 0))
            stock.reservations.remove(live.packed.reservation, item: live.item)
        }
        for (key, live) in stock.transfers where ended.contains(skus[live.item]) {
            doubts.add(skus[live.item], Stock.beyond("transfer \(live.id)", live.changed, levels: 0))
            stock.transfers[key] = nil
        }
        stock.removeItems(ended)
        ended = []
    }
}

/// The first of the inconsistencies that were found, in the order of SKUs.
private struct FirstDoubt {
    private var first: Inconsistency?

    mutating func add(_ sku: ID, _ description: @autoclosure () -> String) {
        if let first, first.sku < sku { return }
        let found = Inconsistency(sku: sku, description: description())
        if let first, (first.sku, first.description) < (found.sku, found.description) { return }
        first = found
    }

    func check() throws(Inconsistency) {
        if let first { throw first }
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
        // They are written in this order.
        var levels = snapshot.levels
        if !levels.indices.dropFirst().allSatisfy({ levels[$0 - 1].warehouse < levels[$0].warehouse }) {
            levels.sort { $0.warehouse < $1.warehouse }
        }
        for place in levels.indices { levels[place].place = makePlace(of: levels[place].warehouse) }
        items[index].levels = levels
    }

    fileprivate mutating func restore(_ book: LevelsSnapshot.Book) {
        settings = book.settings
        window.limit(count: settings.dedupeCount, age: settings.dedupeAge)
        rememberedFrom = book.rememberedFrom
        window.forget(before: rememberedFrom)
        // The levels are brought to it when all is read.
        for facts in book.warehouses {
            warehouses[makePlace(of: facts.id)] = KnownWarehouse(facts, isPublished: true)
        }
    }

    /// Brings the levels to what the book says of their warehouses, and takes note of those whose records say
    /// otherwise.
    fileprivate mutating func closeLevels() {
        for index in items.indices {
            var isOutdated = false
            for place in items[index].levels.indices {
                let isClosed = !warehouses[items[index].levels[place].place].facts.isActive
                if items[index].levels[place].isClosed == isClosed { continue }
                items[index].levels[place].isClosed = isClosed
                isOutdated = true
            }
            if isOutdated { outdatedLevels.append(items[index].sku) }
        }
        outdatedLevels.sort()
    }

    /// - Returns: whether the SKU has levels; else nothing is done.
    fileprivate mutating func restore(_ snapshot: ReservationSnapshot) -> Bool {
        guard let index = itemIndex(of: snapshot.sku) else { return false }
        let reservation = Reservation(
            packed: ReservationIDs(PackedID(snapshot.id), PackedID(snapshot.orderID)),
            allocations: snapshot.parts,
            backordered: snapshot.backordered, channel: snapshot.channel, named: snapshot.warehouse,
            allowSplit: snapshot.allowSplit, isExtended: snapshot.isExtended,
            reservedAt: snapshot.reservedAt, expiresAt: snapshot.expiresAt,
            sequence: snapshot.reservedSequence, changed: snapshot.sequence,
            commandHash: snapshot.commandHash, item: index)
        reservations.set(reservation)
        return true
    }

    /// - Returns: whether the SKU has levels; else nothing is done.
    fileprivate mutating func restore(_ snapshot: TransferSnapshot) -> Bool {
        guard let index = itemIndex(of: snapshot.sku) else { return false }
        transfers[TransferKey(snapshot.id, item: index)] = Transfer(
            id: snapshot.id, from: snapshot.from, to: snapshot.to, quantity: snapshot.quantity,
            remaining: snapshot.remaining, dispatchedAt: snapshot.dispatchedAt,
            expectedAt: snapshot.expectedAt, isOverdue: snapshot.isOverdue,
            sequence: snapshot.dispatchedSequence, changed: snapshot.sequence,
            commandHash: snapshot.commandHash, item: index)
        return true
    }

    fileprivate static func beyond(_ what: String, _ sequence: Int64, levels: Int64) -> String {
        "\(what) stands for ledger sequence \(sequence), but the levels stand for \(levels)"
    }

    /// Gives every live reservation to its SKU: when it is due, and that it waits.
    fileprivate mutating func takeUpReservations(_ doubts: inout FirstDoubt) {
        var waiting: Set<Int> = []
        for place in reservations.all {
            guard let reservation = reservations[at: place] else { continue }
            let index = reservation.item
            if reservation.changed > items[index].sequence {
                doubts.add(
                    items[index].sku,
                    Self.beyond(
                        "reservation \(reservation.id)", reservation.changed, levels: items[index].sequence))
            }
            items[index].dueTimes.insert(due(at: place))
            items[index].liveReservations += 1
            if reservation.backordered > 0 {
                items[index].backorders.append(due(at: place))
                waiting.insert(index)
            }
        }
        for index in waiting { items[index].backorders.sort { $0.sequence < $1.sequence } }
    }

    fileprivate mutating func takeUpTransfers(_ doubts: inout FirstDoubt) {
        for transfer in transfers.values {
            let index = transfer.item
            if transfer.changed > items[index].sequence {
                doubts.add(
                    items[index].sku,
                    Self.beyond("transfer \(transfer.id)", transfer.changed, levels: items[index].sequence))
            }
            items[index].liveTransfers += 1
        }
    }

    /// Reserved, by channel and in all, and backordered are sums of the live reservations; in transit is the sum
    /// of the live transfers.
    fileprivate func checkSums(_ doubts: inout FirstDoubt) {
        var sums = Sums(items)
        for place in reservations.all {
            if let reservation = reservations[at: place] { sums.add(reservation, items, &doubts) }
        }
        for transfer in transfers.values { sums.add(transfer, items, &doubts) }
        for index in items.indices {
            let sku = items[index].sku
            let (backordered, waiting) = (items[index].backordered, sums.backordered[index])
            if backordered != waiting {
                doubts.add(
                    sku,
                    "it has \(backordered) units backordered, but its live reservations claim \(waiting)")
            }
            for place in items[index].levels.indices {
                Self.check(sku, items[index].levels[place], sums.sum(item: index, place: place), &doubts)
                for channel in items[index].levels[place].channels {
                    let key = Sums.Key(item: index, place: place, channel: channel.channel)
                    let claimed = sums.byChannel[key] ?? 0
                    if channel.reserved != claimed {
                        doubts.add(
                            sku,
                            "\(items[index].levels[place].warehouse) has \(channel.reserved) units reserved by "
                                + "\(channel.channel), but its live reservations claim \(claimed)")
                    }
                }
            }
        }
    }

    private static func check(
        _ sku: ID, _ level: borrowing Level, _ sum: Sums.Sum, _ doubts: inout FirstDoubt
    ) {
        let (warehouse, onHand) = (level.warehouse, level.onHand)
        let (reserved, inTransit) = (level.reserved, level.inTransit)
        if reserved > onHand {
            doubts.add(sku, "\(warehouse) has \(reserved) units reserved and \(onHand) on hand")
        }
        if reserved != sum.reserved {
            doubts.add(
                sku,
                "\(warehouse) has \(reserved) units reserved, but its live reservations claim \(sum.reserved)"
            )
        }
        if inTransit != sum.inTransit {
            doubts.add(
                sku,
                "\(warehouse) has \(inTransit) units in transit, but its live transfers have \(sum.inTransit)"
            )
        }
    }

    /// The tail's last entry of each SKU must be the one that the SKU's levels stand for.
    fileprivate func check(_ ends: [(sku: ID, end: TailEnd)]) throws(Inconsistency) {
        var doubts = FirstDoubt()
        for (sku, end) in ends {
            let index = itemIndex(of: sku)
            let sequence = index.map { items[$0].sequence } ?? 0
            if sequence != end.sequence {
                doubts.add(
                    sku, "the ledger ends at sequence \(end.sequence), but the levels stand for \(sequence)")
            } else if let index, items[index].chainHash != end.chainHash {
                doubts.add(sku, "the levels have another hash than the ledger's entry \(end.sequence)")
            }
        }
        try doubts.check()
    }
}

/// A SKU's newest entry in the ledger's tail.
private struct TailEnd {
    let sequence: Int64
    let chainHash: ChainHash
}

/// What live reservations and transfers add up to, by item and level.
private struct Sums {
    struct Key: Hashable {
        let item: Int
        let place: Int
        let channel: ID
    }

    struct Sum {
        var reserved: Int64 = 0
        var inTransit: Int64 = 0
    }

    /// Of all levels, one item's after another's.
    private var levels: [Sum]
    /// Where each item's begin.
    private var starts: [Int] = []
    var backordered: [Int64]
    var byChannel: [Key: Int64] = [:]

    init(_ items: [Item]) {
        starts.reserveCapacity(items.count)
        var count = 0
        for index in items.indices {
            starts.append(count)
            count += items[index].levels.count
        }
        levels = Array(repeating: Sum(), count: count)
        backordered = Array(repeating: 0, count: items.count)
    }

    func sum(item: Int, place: Int) -> Sum { levels[starts[item] + place] }

    mutating func add(_ reservation: Reservation, _ items: [Item], _ doubts: inout FirstDoubt) {
        let index = reservation.item
        backordered[index] += reservation.backordered
        for allocation in reservation.allocations {
            guard let place = items[index].levels.place(of: allocation.warehouse) else {
                doubts.add(
                    items[index].sku,
                    "reservation \(reservation.id) claims units in \(allocation.warehouse), where the SKU has "
                        + "no level")
                continue
            }
            levels[starts[index] + place].reserved += allocation.quantity
            if let channel = reservation.channel {
                byChannel[Key(item: index, place: place, channel: channel), default: 0] +=
                    allocation.quantity
            }
        }
    }

    mutating func add(_ transfer: Transfer, _ items: [Item], _ doubts: inout FirstDoubt) {
        let index = transfer.item
        guard let place = items[index].levels.place(of: transfer.to) else {
            doubts.add(
                items[index].sku,
                "transfer \(transfer.id) is on its way to \(transfer.to), where the SKU has no level")
            return
        }
        levels[starts[index] + place].inTransit += transfer.remaining
    }
}
