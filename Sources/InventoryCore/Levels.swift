/// The units of one SKU in one warehouse. After every decision 0 <= reserved <= onHand.
package struct Level: Equatable, Sendable {
    package var warehouse: ID
    package var onHand: Int64
    package var reserved: Int64
    /// Units withheld from sale: the policy's here or else the SKU's.
    package var safetyStock: Int64
    private var rare: Box<Rare>?
    private var placeNumber: Int32 = -1
    package var alert: AlertState
    /// The warehouse is closed, and nothing is available there.
    package var isClosed: Bool

    /// What most levels have nothing of. There may be millions of levels.
    private struct Rare: Equatable, Sendable {
        var inTransit: Int64 = 0
        var damaged: Int64 = 0
        var policy: Box<Policy>?
        var channels: [Channel] = []
    }

    package init(
        warehouse: ID, onHand: Int64 = 0, reserved: Int64 = 0, inTransit: Int64 = 0, damaged: Int64 = 0,
        safetyStock: Int64 = 0, policy: Policy? = nil, channels: [Channel] = [], alert: AlertState = .calm,
        isClosed: Bool = false
    ) {
        self.warehouse = warehouse
        self.onHand = onHand
        self.reserved = reserved
        self.safetyStock = safetyStock
        self.alert = alert
        self.isClosed = isClosed
        let rare = Rare(
            inTransit: inTransit, damaged: damaged, policy: policy.map(Box.init), channels: channels)
        self.rare = rare == Rare() ? nil : Box(rare)
    }

    private mutating func change(_ body: (inout Rare) -> Void) {
        var changed = rare?.value ?? Rare()
        body(&changed)
        rare = changed == Rare() ? nil : Box(changed)
    }

    /// On the way to this warehouse from others.
    package var inTransit: Int64 {
        get { rare?.value.inTransit ?? 0 }
        set { if newValue != inTransit { change { $0.inTransit = newValue } } }
    }

    /// Spoiled units that lie in the warehouse; not on hand.
    package var damaged: Int64 {
        get { rare?.value.damaged ?? 0 }
        set { if newValue != damaged { change { $0.damaged = newValue } } }
    }

    /// Ordered by channel; those that units are set apart for.
    package var channels: [Channel] {
        get { rare?.value.channels ?? [] }
        set { change { $0.channels = newValue } }
    }

    /// Where the warehouse stands in the partition's state.
    var place: Int {
        get { Int(placeNumber) }
        set { placeNumber = Int32(newValue) }
    }

    /// What is laid down for the SKU in this warehouse.
    package var policy: Policy? {
        get { rare?.value.policy?.value }
        set { change { $0.policy = newValue.map(Box.init) } }
    }

    var hasChannels: Bool { rare != nil && !channels.isEmpty }

    var hasPolicy: Bool { rare != nil && rare?.value.policy != nil }

    /// Units that are set apart for channels and claimed by none of their reservations. What was laid down counts:
    /// damage or a count may have left fewer units than that.
    package var unusedSetApart: Int64 { channels.reduce(0) { $0 + $1.unused } }

    /// Units that may be claimed by who sells through no channel, never below zero.
    package var available: Int64 { available(to: nil) }

    /// Units that may be claimed through `channel`, never below zero; none in a closed warehouse.
    package func available(to channel: ID?) -> Int64 {
        isClosed ? 0 : max(0, share(of: onHand - reserved - safetyStock, for: channel))
    }

    /// Units that `channel` may take where safety stock does not count: for what was sold before. May be below
    /// zero.
    func unclaimed(by channel: ID?) -> Int64 { share(of: onHand - reserved, for: channel) }

    /// What `channel` may take of `units` that nobody claims.
    ///
    /// Its own unused units come first, as far as they are there. Of the rest, the other channels keep their unused
    /// units, cut to what is there. So there is always somebody who may take the last unit, also where more is set
    /// apart than there is.
    private func share(of units: Int64, for channel: ID?) -> Int64 {
        if rare == nil { return units }
        var own: Int64 = 0
        var others: Int64 = 0
        for share in channels {
            if share.channel == channel { own = share.unused } else { others += share.unused }
        }
        return max(min(own, units), units - others)
    }

    /// Books what an entry does to its channel, if units are set apart for that. They are used up as the channel's
    /// reservations ship.
    mutating func book(_ entry: LedgerEntry) {
        if rare == nil { return }
        guard let channel = entry.channel, entry.deltas.reserved != 0,
            let place = channels.firstIndex(where: { $0.channel == channel })
        else { return }
        channels[place].reserved += entry.deltas.reserved
        let shipped = max(0, -entry.deltas.onHand)
        channels[place].setApart = max(0, channels[place].setApart - shipped)
        if channels[place].setApart == 0 { channels.remove(at: place) }
    }

    /// Gives channels other units.
    ///
    /// - Parameter reserved: what each channel's live reservations claim here.
    mutating func setApart(_ shares: [ChannelShare], reserved: [ID: Int64]) {
        channels = shares.filter { $0.quantity > 0 }.map {
            Channel(channel: $0.channel, setApart: $0.quantity, reserved: reserved[$0.channel] ?? 0)
        }.sorted { $0.channel < $1.channel }
    }

    /// Places do not count: they depend on how the state came about.
    package static func == (left: Level, right: Level) -> Bool {
        left.warehouse == right.warehouse && left.onHand == right.onHand && left.reserved == right.reserved
            && left.inTransit == right.inTransit && left.damaged == right.damaged
            && left.safetyStock == right.safetyStock && left.policy == right.policy
            && left.channels == right.channels && left.alert == right.alert && left.isClosed == right.isClosed
    }
}

/// Units set apart for a channel. They are used up as the channel's reservations ship.
package struct Channel: Equatable, Sendable {
    package var channel: ID
    package var setApart: Int64
    /// By reservations of the channel, whether from units set apart or not.
    package var reserved: Int64

    package init(channel: ID, setApart: Int64, reserved: Int64) {
        self.channel = channel
        self.setApart = setApart
        self.reserved = reserved
    }

    /// Units that are set apart and not claimed yet.
    var unused: Int64 { max(0, setApart - reserved) }
}

/// What was told last of a level.
package enum AlertState: String, CaseIterable, Sendable {
    case calm, low, out
}

/// A claim on units of one SKU, live until it is confirmed, released, expired or lost.
package struct Reservation: Equatable, Sendable {
    package var packed: ReservationIDs
    /// In the order in which they were made; a warehouse stands once.
    package var allocations: Allocations
    package var backordered: Int64
    package var channel: ID?
    /// The one warehouse that its command named.
    package var named: ID?
    package var allowSplit: Bool
    /// It was extended, so it is close to payment.
    package var isExtended: Bool
    package var reservedAt: Timestamp
    package var expiresAt: Timestamp
    /// The sequence of the ledger entry that made it.
    package var sequence: Int64
    /// The sequence of the newest ledger entry about it.
    package var changed: Int64
    /// The fingerprint of the command that made it.
    package var commandHash: UInt64
    /// Where its SKU stands in the partition's state.
    var item: Int

    package var id: ID { packed.reservation.id }
    package var orderID: ID { packed.order.id }

    package var quantity: Int64 { allocated + backordered }

    var allocated: Int64 { allocations.units }

    mutating func add(_ quantity: Int64, in warehouse: ID) {
        if let index = allocations.firstIndex(where: { $0.warehouse == warehouse }) {
            allocations.set(index, to: allocations[index].quantity + quantity)
        } else {
            allocations.append(Allocation(warehouse: warehouse, quantity: quantity))
        }
    }

    /// Nil where it does not have so many there.
    mutating func take(_ quantity: Int64, from warehouse: ID) -> Void? {
        guard let index = allocations.firstIndex(where: { $0.warehouse == warehouse }),
            allocations[index].quantity >= quantity
        else { return nil }
        let left = allocations[index].quantity - quantity
        if left == 0 { allocations.remove(at: index) } else { allocations.set(index, to: left) }
        return ()
    }
}

/// Units of one SKU on their way between two warehouses, live until all have arrived or it is cancelled.
package struct Transfer: Equatable, Sendable {
    package var id: ID
    package var from: ID
    package var to: ID
    /// The units that were sent.
    package var quantity: Int64
    /// Those of them that are in transit.
    package var remaining: Int64
    package var dispatchedAt: Timestamp
    package var expectedAt: Timestamp?
    /// It was told to be overdue.
    package var isOverdue: Bool
    /// The sequences of the ledger entry that made it, and of the newest about it.
    package var sequence: Int64
    package var changed: Int64
    /// The fingerprint of the command that made it.
    package var commandHash: UInt64
    /// Where its SKU stands in the partition's state.
    var item: Int
}

/// All that is known of one SKU.
struct Item {
    let sku: ID
    var sequence: Int64 = 0
    /// Of its newest ledger entry.
    var chainHash = ChainHash.origin
    /// How often it was begun, from 1.
    var generation: Int64 = 1
    private var policyBox: Box<Policy>?
    /// Ordered by warehouse, so that what is written never depends on how the state came about.
    var levels: [Level] = []
    /// Units that are backordered.
    var backordered: Int64 = 0
    /// The reservations with backordered units, in the order in which they were made; may hold stale ones.
    var backorders: [Due] = []
    /// A reservation that ends early or is extended leaves its due time behind; the owner clears such ones from
    /// the top, and all when more than half are stale, so that there are never more than twice as many as live.
    var dueTimes = Heap<Due>()
    /// The units that each order has in live reservations; kept only while the policy limits them.
    var unitsByOrder: [ID: Int64]?
    private var reservationCount: UInt32 = 0
    private var transferCount: UInt32 = 0
    private var staleBackorders: UInt32 = 0
    var isRetired = false
    /// Over all warehouses.
    var alert = AlertState.calm

    init(sku: ID) { self.sku = sku }

    var liveReservations: Int {
        get { Int(reservationCount) }
        set { reservationCount = UInt32(newValue) }
    }

    var liveTransfers: Int {
        get { Int(transferCount) }
        set { transferCount = UInt32(newValue) }
    }

    /// Those of `backorders` before it are stale.
    var firstBackorder: Int {
        get { Int(staleBackorders) }
        set { staleBackorders = UInt32(newValue) }
    }

    var policy: Policy? {
        get { policyBox?.value }
        set { policyBox = newValue.map(Box.init) }
    }

    var hasPolicy: Bool { policyBox != nil }

    func level(of warehouse: ID) -> Level? {
        levels.place(of: warehouse).map { levels[$0] }
    }

    /// The first level that has more units reserved than on hand.
    var firstShortage: Int? {
        for place in levels.indices where levels[place].reserved > levels[place].onHand { return place }
        return nil
    }

    /// Where the reservations stand whose due times it holds; others may be there now.
    var reservationPlaces: Set<Int> { Set(dueTimes.unordered.map(\.place)) }

    mutating func refreshSafetyStock() {
        for index in levels.indices {
            levels[index].safetyStock = levels[index].policy?.safetyStock ?? policy?.safetyStock ?? 0
        }
    }
}

/// Of a SKU, ordered by warehouse. Asked of the levels and not of the item, of which all references would be counted.
extension [Level] {
    /// Where the level of a warehouse stands.
    func place(of warehouse: ID) -> Int? {
        // A SKU has few warehouses in most shops; a scan of neighbours beats a dictionary there.
        if count <= 8 {
            // By places: a level is large, and is not copied to be looked at.
            for place in indices where self[place].warehouse == warehouse { return place }
            return nil
        }
        let place = insertionPlace(of: warehouse)
        return place < count && self[place].warehouse == warehouse ? place : nil
    }

    /// Before which level the warehouse stands in the order, by bisection.
    func insertionPlace(of warehouse: ID) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].warehouse < warehouse { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
