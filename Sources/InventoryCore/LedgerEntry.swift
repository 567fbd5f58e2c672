/// The event of this system: one movement of one SKU in one warehouse, or one rejection.
///
/// `decide` makes entries, `apply` alone carries them out, the ledger keeps them for ever. A command makes one
/// entry or several; all of them have its source, and all but the last say that more follow.
package struct LedgerEntry: Equatable, Sendable {
    /// What an entry lays down, for those that move no units.
    package enum Details: Equatable, Sendable {
        case policy(Policy)
        /// - isSwitch: the warehouse was open before and is closed now, or the other way round; the SKUs that stand
        ///   there were looked at for alerts. Entries of earlier versions never say so, and nothing was looked at.
        case warehouse(Warehouse, isSwitch: Bool)
        case settings(Settings)
    }

    /// What an entry does to the balances.
    package struct Deltas: Equatable, Sendable {
        package var onHand: Int64 = 0
        package var reserved: Int64 = 0
        package var inTransit: Int64 = 0
        package var damaged: Int64 = 0
        package var backordered: Int64 = 0

        package init(
            onHand: Int64 = 0, reserved: Int64 = 0, inTransit: Int64 = 0, damaged: Int64 = 0,
            backordered: Int64 = 0
        ) {
            self.onHand = onHand
            self.reserved = reserved
            self.inTransit = inTransit
            self.damaged = damaged
            self.backordered = backordered
        }
    }

    package var packed: PackedIDs
    /// How often the SKU was begun, from 1.
    package var generation: Int64
    /// Gap-free per SKU, from 1, over all generations.
    package var sequence: Int64
    /// Further entries of the same command follow.
    package var more: Bool
    package var movement: Movement
    /// The time of the record that caused the entry.
    package var at: Timestamp
    package var source: Source
    package var command: CommandKind
    /// The command's fingerprint.
    package var commandHash: UInt64
    /// The sequence of the entry that began the reservation or the transfer.
    package var origin: Int64?
    package var channel: ID?
    /// Nil for rejections that name none, for backordered units that any warehouse may fill, and for what is
    /// laid down for all warehouses.
    package var warehouse: ID?
    /// The units that moved or, for a rejection, that were asked for (0 where the command names none).
    package var quantity: Int64
    /// The units that the reservation still claims, or that the transfer still has in transit, after the entry.
    package var remaining: Int64?
    /// Until when the units are claimed; for what begins or extends a reservation, and for what gathers a backordered one
    /// in one warehouse. By this, a `reallocate` that gathers is told from one that its command asked for.
    package var expiresAt: Timestamp?
    /// Whether the reservation must be served by the warehouse of this entry, because its command named it.
    package var isNamed: Bool
    /// Whether several warehouses may serve the reservation.
    package var allowSplit: Bool
    package var deltas: Deltas
    /// The balances of the SKU in `warehouse` after the entry, `backordered` of the SKU; 0 for a rejection.
    package var balances: Deltas
    /// The units in `warehouse` that are set apart for channels and claimed by none of their reservations, after
    /// the entry.
    package var setApart: Int64
    /// Only for a rejection.
    package var reason: Rejection?
    /// What most entries have nothing of; nil where it has nothing of all that.
    package internal(set) var rare: Box<Rare>?
    /// Chains the entry to the one before it of its SKU; `origin` until the entry is sealed.
    package var chainHash = ChainHash.origin

    package init(
        sku: ID, generation: Int64 = 1, sequence: Int64, more: Bool = false, movement: Movement,
        at: Timestamp, source: Source, command: CommandKind, commandID: ID, commandHash: UInt64 = 0,
        reservationID: ID? = nil, orderID: ID? = nil, transferID: ID? = nil,
        warehouse: ID? = nil, counterpart: ID? = nil, quantity: Int64, remaining: Int64? = nil,
        expiresAt: Timestamp? = nil, deltas: Deltas = Deltas(), balances: Deltas = Deltas(),
        reason: Rejection? = nil, reference: ID? = nil
    ) {
        self.init(
            PackedIDs(
                sku: PackedID(sku), command: PackedID(commandID),
                reservation: reservationID.map { PackedID($0) } ?? .none,
                order: orderID.map { PackedID($0) } ?? .none),
            generation: generation, sequence: sequence, more: more, movement: movement, at: at,
            source: source,
            command: command, commandHash: commandHash, warehouse: warehouse, quantity: quantity,
            remaining: remaining, expiresAt: expiresAt, deltas: deltas, balances: balances, reason: reason)
        if transferID == nil, counterpart == nil, reference == nil { return }
        self.transferID = transferID
        self.counterpart = counterpart
        self.reference = reference
    }

    package init(
        _ packed: PackedIDs, generation: Int64 = 1, sequence: Int64, more: Bool = false, movement: Movement,
        at: Timestamp, source: Source, command: CommandKind, commandHash: UInt64, warehouse: ID? = nil,
        quantity: Int64, remaining: Int64? = nil, expiresAt: Timestamp? = nil, deltas: Deltas = Deltas(),
        balances: Deltas = Deltas(), reason: Rejection? = nil
    ) {
        self.packed = packed
        self.generation = generation
        self.sequence = sequence
        self.more = more
        self.movement = movement
        self.at = at
        self.source = source
        self.command = command
        self.commandHash = commandHash
        self.warehouse = warehouse
        self.quantity = quantity
        self.remaining = remaining
        self.expiresAt = expiresAt
        self.isNamed = false
        self.allowSplit = true
        self.deltas = deltas
        self.balances = balances
        self.setApart = 0
        self.reason = reason
    }

    package var sku: ID {
        get { packed.sku.id }
        set { packed.set(sku: PackedID(newValue), command: packed.command) }
    }

    package var commandID: ID {
        get { packed.command.id }
        set { packed.set(sku: packed.sku, command: PackedID(newValue)) }
    }

    package var reservationID: ID? {
        get { packed.hasReservation ? packed.reservation.id : nil }
        set { packed.set(reservation: newValue.map { PackedID($0) } ?? .none, order: packed.order) }
    }

    package var orderID: ID? {
        get { packed.order.isNone ? nil : packed.order.id }
        set { packed.set(reservation: packed.reservation, order: newValue.map { PackedID($0) } ?? .none) }
    }

    /// Whether the entry says how many units the SKU has in its warehouse.
    package var hasBalances: Bool { Self.hasBalances(movement, in: warehouse, deltas) }

    /// The same, for who has an entry by its place and would copy it to ask it.
    package static func hasBalances(_ movement: Movement, in warehouse: ID?, _ deltas: Deltas) -> Bool {
        // Units that are backordered, or are no more, are in no warehouse, also where one was named for them.
        guard warehouse != nil, deltas.backordered == 0 || deltas.reserved != 0 else { return false }
        switch movement {
        case .transferOverdue, .extend, .retire, .setWarehouse, .setSettings, .skip, .rejection: return false
        default: return true
        }
    }

    /// Whether the entry is its command's own decision, and not something that befell a reservation because the
    /// command came or was carried out. Only own entries answer a repeat of the command; the refusal of a
    /// `command_id` that another command has used must not answer for that other one.
    package var isOwn: Bool {
        switch movement {
        case .expire, .lose, .fill: false
        case .reallocate: command == .reallocate && expiresAt == nil
        case .rejection: reason != .commandIDConflict
        default: true
        }
    }

    /// Whether the processor noted it in its partition's book by itself, because of the record at its source: it is of
    /// no command, and has no result.
    package var isNote: Bool { Self.isNote(movement, packed) }

    /// The same, for who has an entry by its place and would copy it to ask it.
    static func isNote(_ movement: Movement, _ packed: PackedIDs) -> Bool {
        // Most entries are of other movements.
        (movement == .setSettings || movement == .skip)
            && packed.command.begins(with: PartitionBook.notePrefix) && PartitionBook.isBook(packed.sku)
    }

    /// The offsets of `stock.commands` that it steps over; nil for another movement.
    package var skipped: Range<Int64>? {
        movement == .skip ? source.offset..<(source.offset + max(1, quantity)) : nil
    }

    /// Whether both are of one command. The source alone does not tell: an earlier log has the same offsets.
    package func isOfSameCommand(as other: LedgerEntry) -> Bool {
        source == other.source && at == other.at && packed.command == other.packed.command
    }

    /// Whether the entries before it in its partition's ledger are of an earlier log, and those after it are not.
    package var endsEarlierLog: Bool {
        if case .settings(let settings) = details { settings.earlierLog == .ended } else { false }
    }

    /// Whether the entries after it in its partition's ledger are of an earlier log, up to the one that ends it.
    package var beginsEarlierLog: Bool {
        if case .settings(let settings) = details { settings.earlierLog == .follows } else { false }
    }

    /// Whether the entry takes units from its reservation.
    var takesFromReservation: Bool {
        switch movement {
        case .ship, .release, .expire, .lose: true
        default: false
        }
    }

    /// Whether the entry ended its reservation.
    package var endsReservation: Bool { takesFromReservation && remaining == 0 }

    /// Whether the entry ended its transfer.
    package var endsTransfer: Bool {
        switch movement {
        case .transferIn: remaining == 0
        case .transferCancel: true
        default: false
        }
    }
}

/// What most entries have nothing of. It lies apart, so that an entry is copied quickly: a decision copies it several
/// times.
extension LedgerEntry {
    package struct Rare: Equatable, Sendable {
        package fileprivate(set) var transferID: ID?
        package fileprivate(set) var counterpart: ID?
        package fileprivate(set) var requested: Int64?
        package fileprivate(set) var expectedAt: Timestamp?
        package fileprivate(set) var condition: Condition?
        package fileprivate(set) var reasonCode: ReasonCode?
        package fileprivate(set) var note: String?
        package fileprivate(set) var reference: ID?
        package fileprivate(set) var details: Details?
    }

    /// Sets a field that has nothing else to do where there is nothing and stays nothing.
    private mutating func set<Value>(_ value: Value?, _ change: (inout Rare, Value?) -> Void) {
        if rare == nil, value == nil { return }
        var changed = rare?.value ?? Rare()
        change(&changed, value)
        rare = changed == Rare() ? nil : Box(changed)
    }

    package var transferID: ID? {
        get { rare?.value.transferID }
        set { set(newValue) { $0.transferID = $1 } }
    }

    /// The other warehouse of a transfer or of a reallocation.
    package var counterpart: ID? {
        get { rare?.value.counterpart }
        set { set(newValue) { $0.counterpart = $1 } }
    }

    /// The units that a `reserve` asked for, where it was granted fewer.
    package var requested: Int64? {
        get { rare?.value.requested }
        set { set(newValue) { $0.requested = $1 } }
    }

    /// When a transfer is overdue; for `transfer_out`.
    package var expectedAt: Timestamp? {
        get { rare?.value.expectedAt }
        set { set(newValue) { $0.expectedAt = $1 } }
    }

    package var condition: Condition? {
        get { rare?.value.condition }
        set { set(newValue) { $0.condition = $1 } }
    }

    package var reasonCode: ReasonCode? {
        get { rare?.value.reasonCode }
        set { set(newValue) { $0.reasonCode = $1 } }
    }

    package var note: String? {
        get { rare?.value.note }
        set { set(newValue) { $0.note = $1 } }
    }

    package var reference: ID? {
        get { rare?.value.reference }
        set { set(newValue) { $0.reference = $1 } }
    }

    package var details: Details? {
        get { rare?.value.details }
        set { set(newValue) { $0.details = $1 } }
    }
}
