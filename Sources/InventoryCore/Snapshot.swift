/// What leaves the state for `stock.levels`, `stock.reservations` and `stock.transfers`, and comes back from
/// there.

/// The levels of one SKU and what is laid down for it, with the ledger sequence that they stand for. Of the
/// partition's own book: the warehouses and the settings.
package struct LevelsSnapshot: Equatable, Sendable {
    /// What the partition's own book holds.
    package struct Book: Equatable, Sendable {
        package var settings: Settings
        /// Commands before this place are not remembered: an offset, or in an earlier log the number of entries up
        /// to its end, as a negative number.
        package var rememberedFrom: Int64
        /// Those that were published, ordered by id.
        package var warehouses: [Warehouse]

        package init(settings: Settings, rememberedFrom: Int64, warehouses: [Warehouse]) {
            self.settings = settings
            self.rememberedFrom = rememberedFrom
            self.warehouses = warehouses
        }
    }

    package var sku: ID
    package var sequence: Int64
    /// Of the ledger entry with that sequence.
    package var chainHash: ChainHash
    package var generation: Int64
    package var isRetired: Bool
    package var backordered: Int64
    package var alert: AlertState
    package var policy: Policy?
    /// Ordered by warehouse.
    package var levels: [Level]
    package var book: Book?

    package init(
        sku: ID, sequence: Int64, chainHash: ChainHash = .origin, generation: Int64 = 1,
        isRetired: Bool = false,
        backordered: Int64 = 0, alert: AlertState = .calm, policy: Policy? = nil, levels: [Level],
        book: Book? = nil
    ) {
        self.sku = sku
        self.sequence = sequence
        self.chainHash = chainHash
        self.generation = generation
        self.isRetired = isRetired
        self.backordered = backordered
        self.alert = alert
        self.policy = policy
        self.levels = levels
        self.book = book
    }
}

/// A live reservation, as the delayed-message topic holds it.
package struct ReservationSnapshot: Equatable, Sendable {
    package var id: ID
    package var orderID: ID
    package var sku: ID
    package var parts: Allocations
    package var backordered: Int64
    package var channel: ID?
    /// The one warehouse that its command named.
    package var warehouse: ID?
    package var allowSplit: Bool
    package var isExtended: Bool
    package var reservedAt: Timestamp
    package var expiresAt: Timestamp
    /// The ledger sequences of what made it and of what changed it last.
    package var reservedSequence: Int64
    package var sequence: Int64
    package var commandHash: UInt64

    /// Which warehouse serves how many units.
    package var allocations: [Allocation] {
        get { Array(parts) }
        set { parts = Allocations(newValue) }
    }

    /// All that it claims.
    package var quantity: Int64 { parts.units + backordered }

    package init(
        id: ID, orderID: ID, sku: ID, allocations: [Allocation], backordered: Int64 = 0,
        channel: ID? = nil, warehouse: ID? = nil, allowSplit: Bool = true, isExtended: Bool = false,
        reservedAt: Timestamp, expiresAt: Timestamp, reservedSequence: Int64, sequence: Int64,
        commandHash: UInt64 = 0
    ) {
        self.init(
            id: id, orderID: orderID, sku: sku, parts: Allocations(allocations), backordered: backordered,
            channel: channel, warehouse: warehouse, allowSplit: allowSplit, isExtended: isExtended,
            reservedAt: reservedAt, expiresAt: expiresAt, reservedSequence: reservedSequence,
            sequence: sequence, commandHash: commandHash)
    }

    private init(
        id: ID, orderID: ID, sku: ID, parts: Allocations, backordered: Int64, channel: ID?,
        warehouse: ID?, allowSplit: Bool, isExtended: Bool, reservedAt: Timestamp, expiresAt: Timestamp,
        reservedSequence: Int64, sequence: Int64, commandHash: UInt64
    ) {
        self.id = id
        self.orderID = orderID
        self.sku = sku
        self.parts = parts
        self.backordered = backordered
        self.channel = channel
        self.warehouse = warehouse
        self.allowSplit = allowSplit
        self.isExtended = isExtended
        self.reservedAt = reservedAt
        self.expiresAt = expiresAt
        self.reservedSequence = reservedSequence
        self.sequence = sequence
        self.commandHash = commandHash
    }

    init(_ live: Reservation, sku: ID) {
        self.init(
            id: live.id, orderID: live.orderID, sku: sku, parts: live.allocations,
            backordered: live.backordered, channel: live.channel, warehouse: live.named,
            allowSplit: live.allowSplit, isExtended: live.isExtended, reservedAt: live.reservedAt,
            expiresAt: live.expiresAt, reservedSequence: live.sequence, sequence: live.changed,
            commandHash: live.commandHash)
    }
}

/// A live transfer, as its delayed-message topic holds it.
package struct TransferSnapshot: Equatable, Sendable {
    package var id: ID
    package var sku: ID
    package var from: ID
    package var to: ID
    package var quantity: Int64
    package var remaining: Int64
    package var dispatchedAt: Timestamp
    package var expectedAt: Timestamp?
    package var isOverdue: Bool
    /// The ledger sequences of what made it and of what changed it last.
    package var dispatchedSequence: Int64
    package var sequence: Int64
    package var commandHash: UInt64

    package init(
        id: ID, sku: ID, from: ID, to: ID, quantity: Int64, remaining: Int64,
        dispatchedAt: Timestamp, expectedAt: Timestamp?, isOverdue: Bool = false,
        dispatchedSequence: Int64, sequence: Int64, commandHash: UInt64 = 0
    ) {
        self.id = id
        self.sku = sku
        self.from = from
        self.to = to
        self.quantity = quantity
        self.remaining = remaining
        self.dispatchedAt = dispatchedAt
        self.expectedAt = expectedAt
        self.isOverdue = isOverdue
        self.dispatchedSequence = dispatchedSequence
        self.sequence = sequence
        self.commandHash = commandHash
    }

    init(_ live: Transfer, sku: ID) {
        self.init(
            id: live.id, sku: sku, from: live.from, to: live.to, quantity: live.quantity,
            remaining: live.remaining, dispatchedAt: live.dispatchedAt, expectedAt: live.expectedAt,
            isOverdue: live.isOverdue, dispatchedSequence: live.sequence, sequence: live.changed,
            commandHash: live.commandHash)
    }
}

/// Why a restored state cannot be trusted, with the SKU, what was found and what it should have been.
package struct Inconsistency: Error, Equatable, Sendable {
    package var sku: ID
    package var description: String

    package init(sku: ID, description: String) {
        self.sku = sku
        self.description = description
    }
}

extension Stock {
    /// The levels of a SKU as they are now; nil for a SKU that the partition never saw.
    package func levels(of sku: ID) -> LevelsSnapshot? { item(of: sku).map(snapshot) }

    /// Every SKU that the partition ever saw, its own book included, in no order that means anything.
    package var skus: [ID] { items.map(\.sku) }

    /// The live reservations of a SKU, ordered by id.
    package func liveReservations(of sku: ID) -> [ReservationSnapshot] {
        guard let index = itemIndex(of: sku) else { return [] }
        return liveReservations(item: index).sorted { $0.id < $1.id }.map {
            ReservationSnapshot($0, sku: sku)
        }
    }

    /// The newest ledger sequence of a SKU; 0 for one that the partition never saw.
    package func sequence(of sku: ID) -> Int64 { item(of: sku)?.sequence ?? 0 }

    /// A live reservation of a SKU as it is now.
    package func reservation(_ id: ID, of sku: ID) -> ReservationSnapshot? {
        itemIndex(of: sku).flatMap { reservations[id, $0] }.map { ReservationSnapshot($0, sku: sku) }
    }

    /// A live reservation as it is now.
    ///
    /// - Parameter ids: its SKU and its id; and its order as the caller knows it, which is taken if it has the same bytes.
    package func reservation(_ ids: PackedIDs) -> Reservation? {
        guard let item = itemIndex(of: ids.sku) else { return nil }
        return reservations.reservation(ids.reservation, item: item, known: ids)
    }

    /// A live transfer of a SKU as it is now.
    package func transfer(_ id: ID, of sku: ID) -> TransferSnapshot? {
        itemIndex(of: sku).flatMap { transfers[TransferKey(id, item: $0)] }.map {
            TransferSnapshot($0, sku: sku)
        }
    }

    private func snapshot(_ item: Item) -> LevelsSnapshot {
        LevelsSnapshot(
            sku: item.sku, sequence: item.sequence, chainHash: item.chainHash, generation: item.generation,
            isRetired: item.isRetired,
            backordered: item.backordered, alert: item.alert, policy: item.policy, levels: item.levels,
            book: PartitionBook.isBook(item.sku) ? book : nil)
    }

    private var book: LevelsSnapshot.Book {
        LevelsSnapshot.Book(
            settings: settings, rememberedFrom: rememberedFrom,
            warehouses: warehouses.filter(\.isPublished).map(\.facts).sorted { $0.id < $1.id })
    }

    /// All levels, ordered by SKU: two states are the same when these, `allReservations`, `allTransfers` and
    /// `rememberedEntries` are.
    package var allLevels: [LevelsSnapshot] { items.map(snapshot).sorted { $0.sku < $1.sku } }

    /// All live reservations, ordered by id and SKU.
    package var allReservations: [ReservationSnapshot] {
        reservations.all.compactMap { reservations[at: $0] }.map {
            ReservationSnapshot($0, sku: items[$0.item].sku)
        }.sorted { $0.id == $1.id ? $0.sku < $1.sku : $0.id < $1.id }
    }

    /// All live transfers, ordered by id and SKU.
    package var allTransfers: [TransferSnapshot] {
        transfers.values.map { TransferSnapshot($0, sku: items[$0.item].sku) }.sorted {
            $0.id == $1.id ? $0.sku < $1.sku : $0.id < $1.id
        }
    }

    /// What the dedupe window holds, oldest first: entries, as far as they are remembered. Of a command of which nothing
    /// can be found again, there is a rejection that tells only where it stands.
    package var rememberedEntries: [LedgerEntry] {
        window.all.flatMap { remembered in
            guard remembered.kind != .nothing else { return [Self.mark(remembered)] }
            let sku = PackedID(items[remembered.item].sku)
            let entries = remembered.entries(
                PackedIDs(
                    sku: sku, command: remembered.commandID, reservation: remembered.reservation,
                    order: remembered.order))
            if !entries.isEmpty { return entries }
            var refusal = Self.mark(remembered)
            refusal.packed = PackedIDs(sku: sku, command: remembered.commandID)
            (refusal.generation, refusal.sequence) = (remembered.generation, remembered.sequence)
            (refusal.command, refusal.commandHash) = (remembered.command, remembered.commandHash)
            refusal.reason = remembered.reason
            return [refusal]
        }
    }

    private static func mark(_ remembered: Remembered) -> LedgerEntry {
        LedgerEntry(
            PackedIDs(), sequence: 1, movement: .rejection, at: remembered.at, source: remembered.source,
            command: remembered.command, commandHash: 0, quantity: 0)
    }

    /// Whether the dedupe window has forgotten commands.
    package var hasForgotten: Bool { window.hasForgotten }
}
