/// The one answer to a command. A function of the ledger entries that decided it, so that a repeat gets the
/// same answer for as long as they, or the reservation that they made, are remembered.
package struct Outcome: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        case reserved
        /// Fewer units than asked for, all of them reserved.
        case partiallyReserved = "partially_reserved"
        /// All units, at least one of them beyond what is available.
        case backordered
        case confirmed, released, extended, expired, received, returned, damaged, adjusted
        case transferDispatched = "transfer_dispatched"
        case transferReceived = "transfer_received"
        case transferCancelled = "transfer_cancelled"
        case transferOverdue = "transfer_overdue"
        case reallocated
        case policySet = "policy_set"
        case retired
        case warehouseSet = "warehouse_set"
        case settingsSet = "settings_set"
        case rejected
        /// A command that came too early or too late to have an effect, or had nothing to change; only for `expire`,
        /// `transfer_due` and `set_policies`.
        case ignored
    }

    package var kind: Kind
    package var command: CommandKind
    package var packed: PackedIDs
    package var rejection: Rejection?
    package var noOp: NoOp?
    package var transferID: ID?
    package var channel: ID?
    package var warehouse: ID?
    /// 0 where the command names no units.
    package var quantity: Int64
    /// The units asked for, where fewer were granted.
    package var requested: Int64?
    package var parts: Allocations
    /// The units of `quantity` that are, or were, backordered.
    package var backordered: Int64
    /// The units that the reservation or the transfer still has.
    package var remaining: Int64?
    /// What an adjustment did, with its sign.
    package var delta: Int64?
    package var expiresAt: Timestamp?
    /// A confirm came late, and the units were to be had again.
    package var isReacquired: Bool
    /// A confirm came for a reservation that is gone: the payment must go back.
    package var isRefundRequired: Bool
    /// The generation that the SKU is in, where that is not the first.
    package var generation: Int64?
    /// The sequence of the ledger entry that decided, the last where there were several; nil for `ignored`.
    package var sequence: Int64?
    /// When it was decided: for a repeat, the time of the first decision.
    package var at: Timestamp
    /// The command repeats one that was decided before; it changed nothing.
    package var isDuplicate: Bool

    /// Which warehouse serves how many units, or served them.
    package var allocations: [Allocation] {
        get { Array(parts) }
        set { parts = Allocations(newValue) }
    }

    package init(
        kind: Kind, command: CommandKind, commandID: ID, sku: ID, rejection: Rejection? = nil,
        noOp: NoOp? = nil, reservationID: ID? = nil, orderID: ID? = nil, transferID: ID? = nil,
        warehouse: ID? = nil, quantity: Int64 = 0, allocations: [Allocation] = [],
        backordered: Int64 = 0, remaining: Int64? = nil, expiresAt: Timestamp? = nil,
        sequence: Int64? = nil, at: Timestamp, isDuplicate: Bool = false
    ) {
        self.kind = kind
        self.command = command
        packed = PackedIDs(
            sku: PackedID(sku), command: PackedID(commandID),
            reservation: reservationID.map { PackedID($0) } ?? .none,
            order: orderID.map { PackedID($0) } ?? .none)
        self.rejection = rejection
        self.noOp = noOp
        self.transferID = transferID
        self.warehouse = warehouse
        self.quantity = quantity
        parts = Allocations(allocations)
        self.backordered = backordered
        self.remaining = remaining
        self.expiresAt = expiresAt
        self.isReacquired = false
        self.isRefundRequired = false
        self.sequence = sequence
        self.at = at
        self.isDuplicate = isDuplicate
    }

    package var commandID: ID {
        get { packed.command.id }
        set { packed.set(sku: packed.sku, command: PackedID(newValue)) }
    }

    package var sku: ID {
        get { packed.sku.id }
        set { packed.set(sku: PackedID(newValue), command: packed.command) }
    }

    package var reservationID: ID? {
        get { packed.hasReservation ? packed.reservation.id : nil }
        set { packed.set(reservation: newValue.map { PackedID($0) } ?? .none, order: packed.order) }
    }

    package var orderID: ID? {
        get { packed.order.isNone ? nil : packed.order.id }
        set { packed.set(reservation: packed.reservation, order: newValue.map { PackedID($0) } ?? .none) }
    }

    /// The answer that ledger entries give to `command`, which caused them or repeats what caused them.
    ///
    /// - Parameter own: one command's own entries, or those that ended one reservation, of `entries`, which are
    ///   those alone where it is nil; never none.
    init(
        of entries: [LedgerEntry], _ own: Range<Int>? = nil, to command: Command, isDuplicate: Bool
    ) {
        self.init(
            of: entries, own ?? entries.indices, command.kind, commandID: command.packedID,
            isDuplicate: isDuplicate
        )
    }

    /// The same, for who has the command's kind and id. All fields are set at once, and nothing is copied for it.
    init(
        of entries: [LedgerEntry], _ own: Range<Int>, _ command: CommandKind, commandID: PackedID,
        isDuplicate: Bool
    ) {
        guard !own.isEmpty else { preconditionFailure("no entry, no answer") }
        let last = own.upperBound - 1
        kind = Self.kind(of: entries[own.lowerBound].movement)
        self.command = command
        packed = entries[last].packed
        if !packed.command.hasSameBytes(as: commandID) { packed.set(sku: packed.sku, command: commandID) }
        rejection = entries[last].reason
        noOp = nil
        transferID = entries[last].rare == nil ? nil : entries[last].transferID
        channel = entries[last].channel
        warehouse = nil
        quantity = 0
        requested = nil
        parts = Allocations()
        backordered = 0
        remaining = nil
        delta = nil
        expiresAt = entries[last].expiresAt
        isReacquired = false
        isRefundRequired = false
        generation = entries[last].generation > 1 ? entries[last].generation : nil
        sequence = entries[last].sequence
        at = entries[last].at
        self.isDuplicate = isDuplicate
        for place in own { add(entries, place) }
        if kind == .reserved, backordered > 0 {
            kind = .backordered
        } else if kind == .reserved, requested != nil {
            kind = .partiallyReserved
        }
        if entries[last].movement == .rejection { concern(entries[last]) }
    }

    private static func kind(of movement: Movement) -> Kind {
        switch movement {
        case .receive: .received
        case .return: .returned
        case .damaged: .damaged
        case .adjust: .adjusted
        case .transferOut, .inTransit: .transferDispatched
        case .transferIn: .transferReceived
        case .transferCancel, .transferBack: .transferCancelled
        case .transferOverdue: .transferOverdue
        case .reserve, .backorder, .fill: .reserved
        case .reacquire, .ship: .confirmed
        case .release: .released
        case .expire, .lose: .expired
        case .reallocate: .reallocated
        case .extend: .extended
        case .setPolicy: .policySet
        case .retire: .retired
        case .setWarehouse: .warehouseSet
        case .setSettings: .settingsSet
        // Nobody is told of it.
        case .skip: .ignored
        case .rejection: .rejected
        }
    }

    /// Adds one of several entries of the same decision, by its place: an entry is large.
    private mutating func add(_ entries: [LedgerEntry], _ place: Int) {
        if entries[place].rare != nil, let asked = entries[place].requested { requested = asked }
        switch entries[place].movement {
        case .reserve, .backorder, .ship, .release, .expire, .lose:
            quantity += entries[place].quantity
            if entries[place].movement == .ship || entries[place].movement == .release {
                remaining = entries[place].remaining
            }
            if entries[place].deltas.backordered != 0 {
                backordered += entries[place].quantity
            } else if let warehouse = entries[place].warehouse {
                parts.append(Allocation(warehouse: warehouse, quantity: entries[place].quantity))
            }
        case .reacquire:
            isReacquired = true
        case .reallocate:
            // The warehouses that lose units are the other half of the same move.
            if entries[place].deltas.reserved >= 0 { quantity += entries[place].quantity }
            if entries[place].deltas.reserved > 0, let warehouse = entries[place].warehouse {
                parts.append(Allocation(warehouse: warehouse, quantity: entries[place].quantity))
            }
        case .transferOut, .transferBack:
            break
        case .adjust:
            (warehouse, quantity) = (entries[place].warehouse, entries[place].quantity)
            delta = entries[place].deltas.onHand + entries[place].deltas.damaged
        case .setPolicy where command == .setPolicies:
            // It is about all warehouses.
            break
        default:
            (warehouse, quantity) = (entries[place].warehouse, entries[place].quantity)
            if entries[place].rare != nil, entries[place].transferID != nil {
                remaining = entries[place].remaining
            }
        }
    }

    /// What a refusal of a confirm means for the payment.
    private mutating func concern(_ entry: LedgerEntry) {
        guard entry.command == .confirm else { return }
        switch entry.reason {
        case .reservationExpired, .reservationReleased, .reservationLost: isRefundRequired = true
        default: break
        }
    }

    /// The answer to a command that repeats the making of a reservation that still lives: as it is now.
    init(of reservation: Reservation, sku: ID, to command: Command) {
        self.init(
            kind: reservation.backordered > 0 ? .backordered : .reserved, command: command.kind,
            commandID: command.id, sku: sku, reservationID: reservation.id, orderID: reservation.orderID,
            quantity: reservation.quantity, backordered: reservation.backordered,
            expiresAt: reservation.expiresAt,
            sequence: reservation.sequence, at: reservation.reservedAt, isDuplicate: true)
        parts = reservation.allocations
        channel = reservation.channel
    }

    /// The answer to a command that repeats the dispatch of a transfer that still lives.
    init(of transfer: Transfer, sku: ID, to command: Command) {
        self.init(
            kind: .transferDispatched, command: command.kind, commandID: command.id, sku: sku,
            transferID: transfer.id, warehouse: transfer.to, quantity: transfer.quantity,
            remaining: transfer.remaining, sequence: transfer.sequence, at: transfer.dispatchedAt,
            isDuplicate: true)
    }
}

extension Movement {
    /// Whether there may be a notice of it.
    package var mayBeNoticed: Bool {
        switch self {
        case .lose, .reallocate, .fill: true
        default: false
        }
    }
}

/// What befell a reservation by a command that was not about it, told to its order.
package struct Notice: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        /// Damage or a count left no units for it, or for some of it.
        case reservationLost = "reservation_lost"
        /// Damage or a count: other warehouses serve it now.
        case reservationMoved = "reservation_moved"
        /// Units have come in for what was backordered.
        case backorderFilled = "backorder_filled"
    }

    package var kind: Kind
    package var sku: ID
    package var reservationID: ID
    package var orderID: ID
    /// The units that it befell.
    package var quantity: Int64
    /// The units that the reservation still claims.
    package var remaining: Int64
    /// Where the units are now; nil for lost ones.
    package var warehouse: ID?
    /// Where they were; nil for backordered ones.
    package var formerly: ID?
    /// The ledger entry that did it: with the SKU, the notice's identity.
    package var sequence: Int64
    package var at: Timestamp
    /// The command that caused it.
    package var command: CommandKind
    package var commandID: ID
    package var source: Source

    package init(
        kind: Kind, sku: ID, reservationID: ID, orderID: ID, quantity: Int64, remaining: Int64,
        warehouse: ID? = nil, formerly: ID? = nil, sequence: Int64, at: Timestamp,
        command: CommandKind, commandID: ID, source: Source
    ) {
        self.kind = kind
        self.sku = sku
        self.reservationID = reservationID
        self.orderID = orderID
        self.quantity = quantity
        self.remaining = remaining
        self.warehouse = warehouse
        self.formerly = formerly
        self.sequence = sequence
        self.at = at
        self.command = command
        self.commandID = commandID
        self.source = source
    }

    /// Nil for an entry that an order need not be told of, or is told of by the result of its own command.
    package init?(of entry: LedgerEntry) {
        let kind: Kind
        switch entry.movement {
        case .lose: kind = .reservationLost
        case .reallocate where !entry.isOwn && entry.deltas.reserved > 0: kind = .reservationMoved
        case .fill: kind = .backorderFilled
        default: return nil
        }
        guard let id = entry.reservationID, let orderID = entry.orderID, let remaining = entry.remaining
        else { return nil }
        self.init(
            kind: kind, sku: entry.sku, reservationID: id, orderID: orderID, quantity: entry.quantity,
            remaining: remaining, warehouse: entry.movement == .lose ? nil : entry.warehouse,
            formerly: entry.movement == .lose ? entry.warehouse : entry.counterpart,
            sequence: entry.sequence, at: entry.at, command: entry.command, commandID: entry.commandID,
            source: entry.source)
    }
}

/// What someone must know of a SKU's level or of a transfer.
package struct Alert: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        /// At or under the reorder point.
        case low
        /// Nothing is left.
        case out
        /// Above the re-arm point again.
        case recovered
        /// A transfer has not arrived when it was expected.
        case transferOverdue = "transfer_overdue"
    }

    package var kind: Kind
    package var sku: ID
    /// Nil for what is counted over all warehouses.
    package var warehouse: ID?
    /// The counted units: available, with those in transit if the policy says so. Of a transfer: what has not
    /// arrived.
    package var quantity: Int64
    package var reorderPoint: Int64?
    /// How many units to reorder; only for `low` and `out`.
    package var suggestedQuantity: Int64?
    package var transferID: ID?
    /// Where the transfer comes from.
    package var from: ID?
    package var expectedAt: Timestamp?
    /// The ledger entry that caused it; the SKU's newest where a warehouse was opened or closed.
    package var sequence: Int64
    /// The entry of the partition's own book that opened or closed a warehouse, where that caused it.
    package var bookSequence: Int64?
    package var at: Timestamp

    package init(
        kind: Kind, sku: ID, warehouse: ID? = nil, quantity: Int64, reorderPoint: Int64? = nil,
        suggestedQuantity: Int64? = nil, sequence: Int64, at: Timestamp
    ) {
        self.kind = kind
        self.sku = sku
        self.warehouse = warehouse
        self.quantity = quantity
        self.reorderPoint = reorderPoint
        self.suggestedQuantity = suggestedQuantity
        self.sequence = sequence
        self.at = at
    }
}
