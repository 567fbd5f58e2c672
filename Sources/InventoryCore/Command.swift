/// What a command asks for. The raw values are the words of the topics.
package enum CommandKind: String, CaseIterable, Sendable {
    case reserve, confirm, release, extend, expire
    case receive
    case `return`
    case damage, adjust
    case transferDispatch = "transfer_dispatch"
    case transferReceive = "transfer_receive"
    case transferCancel = "transfer_cancel"
    case transferDue = "transfer_due"
    case reallocate
    case setPolicy = "set_policy"
    case setPolicies = "set_policies"
    case retire
    case setWarehouse = "set_warehouse"
    case setSettings = "set_settings"
    /// Nobody sends it: the processor notes that it stepped over records that cannot be read.
    case skip

    /// Those that can be sent.
    package static let sent: [CommandKind] = allCases.filter { $0 != .skip }

    var isRepeatable: Bool {
        switch self {
        case .expire, .transferDue, .setPolicies, .setWarehouse, .setSettings: true
        default: false
        }
    }
}

/// One command about one SKU, already decoded and within the limits of its form.
package struct Command: Equatable, Sendable {
    /// What the command asks for, with what only that needs.
    package enum Body: Equatable, Sendable {
        /// Claim units for an order.
        case reserve(Reserve)
        /// The order is paid: units of the reservation ship; all that it has where `quantity` is nil. Where `warehouse`
        /// is given, they leave that one, and all that it has there is meant where `quantity` is nil.
        case confirm(reservationID: ID, quantity: Int64?, warehouse: ID? = nil)
        /// The order is cancelled: units of the reservation return; all that it has where `quantity` is nil.
        case release(reservationID: ID, quantity: Int64?)
        /// A new expiry for a live reservation.
        case extend(reservationID: ID, expiry: Expiry)
        /// The delay service says that the reservation is due.
        case expire(reservationID: ID)
        /// Physical units in. `reference` is the sender's own (a delivery note, say), here as elsewhere.
        case receive(warehouse: ID, quantity: Int64, reference: ID?)
        /// Units come back from a customer.
        case `return`(Return)
        /// Units on hand are spoiled.
        case damage(warehouse: ID, quantity: Int64, reference: ID?)
        /// A correction, by difference or by count.
        case adjust(Adjust)
        /// Units leave a warehouse for another.
        case transferDispatch(TransferDispatch)
        /// Units of a transfer arrive: `quantity` sound ones and `damaged` ones, together at least 1.
        case transferReceive(transferID: ID, quantity: Int64, damaged: Int64)
        /// What has not arrived goes back.
        case transferCancel(transferID: ID)
        /// The delay service says that the transfer should have arrived.
        case transferDue(transferID: ID)
        /// The reservation is to be served by these warehouses, with these units.
        case reallocate(reservationID: ID, allocations: [Allocation])
        /// The policy of the SKU or, with a warehouse, of the SKU there. It replaces the one before as a whole.
        case setPolicy(warehouse: ID?, Policy)
        /// All that is published of the SKU's policies; what an earlier one named and this one does not is withdrawn.
        case setPolicies(PublishedPolicies)
        /// The SKU ends.
        case retire
        /// What decisions must know of a warehouse; a command to the partition itself.
        ///
        /// `isWithdrawn`: its record is gone. Then nothing comes of it where nothing is known of the warehouse.
        case setWarehouse(Warehouse, isWithdrawn: Bool = false)
        /// The settings that decisions depend on; a command to the partition itself.
        case setSettings(Settings)
        /// So many offsets from the source on cannot be read; a note of the partition itself.
        case skip(offsets: Int64, SkipReason)
    }

    /// Until when a reservation claims its units.
    package enum Expiry: Equatable, Sendable {
        /// The default TTL of the settings, from the record's time.
        case standard
        case at(Timestamp)
        /// From the record's time; 1...`Limits.longestTTL` milliseconds.
        case after(milliseconds: Int64)
    }

    package struct Reserve: Equatable, Sendable {
        package var packed: ReservationIDs
        package var quantity: Int64
        /// The one that must serve it; nil leaves the choice to the strategy.
        package var warehouse: ID?
        package var expiry: Expiry
        /// Nil for the one of the SKU's policy.
        package var strategy: Strategy?
        /// Whether fewer units than asked for will do.
        package var allowPartial: Bool
        /// Whether several warehouses may serve it.
        package var allowSplit: Bool
        /// Whether it may be granted beyond what is available, as far as the SKU's policy lets it.
        package var allowBackorder: Bool
        /// The sales channel, whose units set apart it may take.
        package var channel: ID?
        package var shipTo: Point?
        /// The most hours for handling and transit; needs `shipTo`. A reservation with it is never backordered.
        package var deliverWithinHours: Int64?

        package init(
            reservationID: ID, orderID: ID, quantity: Int64, warehouse: ID? = nil,
            expiry: Expiry = .standard, strategy: Strategy? = nil, allowPartial: Bool = false,
            allowSplit: Bool = true, allowBackorder: Bool = true, channel: ID? = nil,
            shipTo: Point? = nil, deliverWithinHours: Int64? = nil
        ) {
            self.init(
                ReservationIDs(PackedID(reservationID), PackedID(orderID)), quantity: quantity,
                warehouse: warehouse, expiry: expiry, strategy: strategy, allowPartial: allowPartial,
                allowSplit: allowSplit, allowBackorder: allowBackorder, channel: channel, shipTo: shipTo,
                deliverWithinHours: deliverWithinHours)
        }

        package init(
            _ packed: ReservationIDs, quantity: Int64, warehouse: ID?, expiry: Expiry,
            strategy: Strategy?, allowPartial: Bool, allowSplit: Bool, allowBackorder: Bool, channel: ID?,
            shipTo: Point?, deliverWithinHours: Int64?
        ) {
            self.packed = packed
            self.quantity = quantity
            self.warehouse = warehouse
            self.expiry = expiry
            self.strategy = strategy
            self.allowPartial = allowPartial
            self.allowSplit = allowSplit
            self.allowBackorder = allowBackorder
            self.channel = channel
            self.shipTo = shipTo
            self.deliverWithinHours = deliverWithinHours
        }

        package var reservationID: ID {
            get { packed.reservation.id }
            set { packed = ReservationIDs(PackedID(newValue), packed.order) }
        }

        package var orderID: ID {
            get { packed.order.id }
            set { packed = ReservationIDs(packed.reservation, PackedID(newValue)) }
        }
    }

    package struct Return: Equatable, Sendable {
        package var warehouse: ID
        package var quantity: Int64
        package var condition: Condition
        package var orderID: ID?
        package var reference: ID?

        package init(
            warehouse: ID, quantity: Int64, condition: Condition = .sellable, orderID: ID? = nil,
            reference: ID? = nil
        ) {
            self.warehouse = warehouse
            self.quantity = quantity
            self.condition = condition
            self.orderID = orderID
            self.reference = reference
        }
    }

    package struct Adjust: Equatable, Sendable {
        package enum Change: Equatable, Sendable {
            /// Not 0; within `Limits.quantity` either way.
            case delta(Int64)
            /// Units were counted; refused where `expected` is given and is not what there was.
            case count(Int64, expected: Int64?)
        }

        package var warehouse: ID
        package var change: Change
        package var condition: Condition
        package var reasonCode: ReasonCode
        /// What the reason code does not say; there for `other`.
        package var note: String?
        package var reference: ID?

        package init(
            warehouse: ID, change: Change, condition: Condition = .sellable, reasonCode: ReasonCode,
            note: String? = nil, reference: ID? = nil
        ) {
            self.warehouse = warehouse
            self.change = change
            self.condition = condition
            self.reasonCode = reasonCode
            self.note = note
            self.reference = reference
        }
    }

    package struct TransferDispatch: Equatable, Sendable {
        package var transferID: ID
        package var from: ID
        /// Another warehouse than `from`.
        package var to: ID
        package var quantity: Int64
        /// When it is overdue; nil for never.
        package var expectedAt: Timestamp?
        package var reference: ID?

        package init(
            transferID: ID, from: ID, to: ID, quantity: Int64, expectedAt: Timestamp? = nil,
            reference: ID? = nil
        ) {
            self.transferID = transferID
            self.from = from
            self.to = to
            self.quantity = quantity
            self.expectedAt = expectedAt
            self.reference = reference
        }
    }

    /// With those of a `reserve`, so that its entry has the same.
    package var packed: CommandIDs
    /// The generation of the SKU that it is for; nil for the one that lives.
    package var generation: Int64?
    /// When its sender made it; the same in every repeat. Nil where the sender does not say.
    package var issuedAt: Timestamp?
    package var body: Body

    package init(
        id: ID, sku: ID, generation: Int64? = nil, issuedAt: Timestamp? = nil, body: Body
    ) {
        var ids = PackedIDs(sku: PackedID(sku), command: PackedID(id))
        if case .reserve(let reserve) = body {
            ids.set(reservation: reserve.packed.reservation, order: reserve.packed.order)
        }
        self.init(CommandIDs(ids), generation: generation, issuedAt: issuedAt, body: body)
    }

    package init(_ packed: CommandIDs, generation: Int64?, issuedAt: Timestamp? = nil, body: Body) {
        self.packed = packed
        self.generation = generation
        self.issuedAt = issuedAt
        self.body = body
    }

    package var id: ID {
        get { packed.all.command.id }
        set { packed.all.set(sku: packed.all.sku, command: PackedID(newValue)) }
    }

    package var sku: ID {
        get { packed.all.sku.id }
        set { packed.all.set(sku: PackedID(newValue), command: packed.all.command) }
    }

    package var kind: CommandKind {
        switch body {
        case .reserve: .reserve
        case .confirm: .confirm
        case .release: .release
        case .extend: .extend
        case .expire: .expire
        case .receive: .receive
        case .return: .return
        case .damage: .damage
        case .adjust: .adjust
        case .transferDispatch: .transferDispatch
        case .transferReceive: .transferReceive
        case .transferCancel: .transferCancel
        case .transferDue: .transferDue
        case .reallocate: .reallocate
        case .setPolicy: .setPolicy
        case .setPolicies: .setPolicies
        case .retire: .retire
        case .setWarehouse: .setWarehouse
        case .setSettings: .setSettings
        case .skip: .skip
        }
    }

    /// Whether it may be decided any number of times. An `expire` or a `transfer_due` tells what is due by the state, and
    /// what the relay carries lays down a whole that takes the place of what was there: neither moves a unit. So it is
    /// never refused for its age; to lose it would do more harm.
    package var isRepeatable: Bool { kind.isRepeatable }

    /// By how much its sender's clock was ahead of its record's time, in milliseconds; negative for a clock that was
    /// not. Nil where the sender does not say when.
    ///
    /// A command that is ahead by more than `Limits.clockLead` is not to be decided: what is remembered could not tell
    /// its repeats for long enough.
    package func lead(at: Timestamp) -> Int64? { issuedAt.map { $0.milliseconds - at.milliseconds } }

    package var reservationID: ID? {
        switch body {
        case .reserve(let reserve): reserve.reservationID
        case .confirm(let id, _, _), .release(let id, _), .extend(let id, _), .expire(let id),
            .reallocate(let id, _):
            id
        default: nil
        }
    }

    /// The SKU, packed.
    package var packedSKU: PackedID { packed.all.sku }

    /// The command's own id, packed.
    package var packedID: PackedID { packed.all.command }

    /// The ids of an entry that says what became of a `reserve`: the command's own, which cost nothing, as long as they
    /// are those of its body.
    func ids(of reserve: Reserve) -> PackedIDs {
        if packed.all.hasSameReservation(as: reserve.packed.all) { return packed.all }
        return PackedIDs(
            sku: packedSKU, command: packedID, reservation: reserve.packed.reservation,
            order: reserve.packed.order)
    }

    /// The ids of an entry that is about no reservation yet.
    var plainIDs: PackedIDs {
        packed.all.hasReservation ? PackedIDs(sku: packedSKU, command: packedID) : packed.all
    }

    package var transferID: ID? {
        switch body {
        case .transferDispatch(let dispatch): dispatch.transferID
        case .transferReceive(let id, _, _), .transferCancel(let id), .transferDue(let id): id
        default: nil
        }
    }
}

/// The name under which a partition keeps what belongs to none of its SKUs: warehouses and settings. It has
/// levels, a sequence and a ledger like a SKU, and no SKU may be called so.
package enum PartitionBook {
    private static let prefixBytes: StaticString = "@holdfast/partition/"
    package static let prefix = prefixBytes.description

    package static func sku(_ partition: Int32) -> ID { "\(prefix)\(partition)" }

    /// The partition whose book a SKU is; nil for another SKU.
    package static func partition(of sku: ID) -> Int32? {
        guard isBook(sku), let number = Int32(sku.text.dropFirst(prefix.count)), self.sku(number) == sku
        else { return nil }
        return number
    }

    /// How the ids of commands begin that nobody sent: the processor notes a fact of its partition in the book.
    package static let notePrefix: StaticString = "@holdfast/note/"

    /// The note that says by how many partitions keys were placed.
    package static let partitionsNote: ID = "@holdfast/note/partitions"

    /// The note that says that records from an offset on cannot be read.
    package static func skipNote(from offset: Int64) -> ID { "\(notePrefix)skip/\(offset)" }

    /// Whether a SKU is a book of a partition.
    package static func isBook(_ sku: PackedID) -> Bool { sku.begins(with: prefixBytes) }
    package static func isBook(_ sku: ID) -> Bool { sku.begins(with: prefixBytes) }
}
