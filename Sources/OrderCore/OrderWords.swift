import InventoryCore

/// What an order wants where not all is to be had. The raw values are the words of the topics.
package enum OrderMode: String, CaseIterable, Sendable {
    /// Every line whole, or nothing.
    case allOrNothing = "all_or_nothing"
    /// As many units of each line as there are.
    case partial
    /// Every line whole, backordered where need be, until the order's deadline.
    case wait
}

/// What is told of an order.
package enum OrderOutcomeKind: String, CaseIterable, Sendable {
    /// Every line is reserved whole.
    case reserved
    /// Fewer units than asked for are reserved, or some are backordered.
    case partiallyReserved = "partially_reserved"
    /// Nothing is reserved; each refused line says why.
    case rejected
    /// The order is paid: what it says as `shipped` leaves the warehouses, what is reserved is kept for it.
    case confirmed
    /// Units went back because the order, or a part of it, was cancelled.
    case released
    /// The deadline passed without a payment, and all units went back.
    case expired
    /// Units were paid for that cannot be had: their payment must go back.
    case refundRequired = "refund_required"
    /// The order has other quantities, another deadline or other warehouses.
    case changed
    /// Damage or a count took units of the order.
    case lost
}

/// Units of one SKU; all that the event can mean of it where `quantity` is nil.
package struct LineUnits: Equatable, Sendable {
    package var sku: ID
    package var quantity: Int64?
    /// Of a shipment: the warehouse that they left; never without `quantity`.
    package var warehouse: ID?

    package init(sku: ID, quantity: Int64? = nil, warehouse: ID? = nil) {
        self.sku = sku
        self.quantity = quantity
        self.warehouse = warehouse
    }
}

/// What an event says. The raw values are the words of `orders`.
package enum OrderEventKind: String, CaseIterable, Sendable {
    case placed = "order.placed"
    case paid = "order.paid"
    case cancelled = "order.cancelled"
    case changed = "order.changed"
    case shipped = "order.shipped"
    case reallocate = "order.reallocate"
}

/// What happens to an order, as upstream tells it.
package struct OrderEvent: Equatable, Sendable {
    package enum Body: Equatable, Sendable {
        case placed(Placed)
        /// Lines that were paid; the whole order where there are none. Likewise below.
        case paid([LineUnits])
        case cancelled([LineUnits])
        case changed(Changed)
        /// Fulfilment has sent the goods: a parcel.
        case shipped([LineUnits])
        /// The optimizer's proposal, taken as a whole or not at all.
        case reallocate(Reallocation)
    }

    package struct Placed: Equatable, Sendable {
        package var mode: OrderMode
        /// Of one SKU each.
        package var lines: [Line]
        /// The order's deadline: until when it is to be paid.
        package var expiry: Command.Expiry
        package var strategy: Strategy?
        package var allowSplit: Bool
        package var channel: ID?
        package var shipTo: Point?
        package var deliverWithinHours: Int64?

        package init(
            mode: OrderMode = .allOrNothing, lines: [Line], expiry: Command.Expiry = .standard,
            strategy: Strategy? = nil, allowSplit: Bool = true, channel: ID? = nil, shipTo: Point? = nil,
            deliverWithinHours: Int64? = nil
        ) {
            self.mode = mode
            self.lines = lines
            self.expiry = expiry
            self.strategy = strategy
            self.allowSplit = allowSplit
            self.channel = channel
            self.shipTo = shipTo
            self.deliverWithinHours = deliverWithinHours
        }
    }

    package struct Line: Equatable, Sendable {
        package var sku: ID
        /// 1 at least; for a change 0 takes the line away.
        package var quantity: Int64
        /// The one that must serve it.
        package var warehouse: ID?

        package init(sku: ID, quantity: Int64, warehouse: ID? = nil) {
            self.sku = sku
            self.quantity = quantity
            self.warehouse = warehouse
        }
    }

    package struct Changed: Equatable, Sendable {
        /// The new quantities; lines that are not named stay as they are.
        package var lines: [Line]
        /// A new deadline; nil leaves it.
        package var expiry: Command.Expiry?

        package init(lines: [Line], expiry: Command.Expiry? = nil) {
            self.lines = lines
            self.expiry = expiry
        }
    }

    /// A repeat has the same.
    package var id: ID
    package var orderID: ID
    /// The time of its record, and where that stands in its partition of `orders`.
    package var at: Timestamp
    package var offset: Int64
    package var body: Body

    package init(id: ID, orderID: ID, at: Timestamp, offset: Int64 = 0, body: Body) {
        self.id = id
        self.orderID = orderID
        self.at = at
        self.offset = offset
        self.body = body
    }
}

/// Other warehouses for lines of an order, as the optimizer proposes them.
package struct Reallocation: Equatable, Sendable {
    /// Of the outcome that it was made from: an order that has told another since does not move.
    package var version: Int64
    /// The lines that move, of one SKU each.
    package var lines: [ReallocatedLine]
    /// What it is for; nothing is decided by it.
    package var saving: Saving?

    package init(version: Int64, lines: [ReallocatedLine], saving: Saving? = nil) {
        self.version = version
        self.lines = lines
        self.saving = saving
    }
}

package struct ReallocatedLine: Equatable, Sendable {
    package var sku: ID
    /// Of all units that the line has reserved, one element for each warehouse.
    package var allocations: [Allocation]

    package init(sku: ID, allocations: [Allocation]) {
        self.sku = sku
        self.allocations = allocations
    }
}

/// What a proposal makes less of; negative for more.
package struct Saving: Equatable, Sendable {
    package var shipments: Int64
    /// Of all parcels together.
    package var kilometres: Int64
    /// Lines that come later than promised.
    package var late: Int64

    package init(shipments: Int64, kilometres: Int64, late: Int64) {
        self.shipments = shipments
        self.kilometres = kilometres
        self.late = late
    }
}

/// What the stock processor says to an order.
package enum OrderReply: Equatable, Sendable {
    /// The result of a command about one of its reservations, its own commands' or another's.
    case result(Outcome)
    case notice(Notice)

    package var orderID: ID? {
        switch self {
        case .result(let outcome): outcome.reservationID.flatMap(OrderAddress.init)?.orderID
        case .notice(let notice): OrderAddress(reservationID: notice.reservationID)?.orderID
        }
    }
}

/// What an order has come to: published to `order.outcomes`.
package struct OrderOutcome: Equatable, Sendable {
    package struct Line: Equatable, Sendable {
        package var sku: ID
        /// The one that must serve it.
        package var warehouse: ID?
        /// The units that the order wants.
        package var quantity: Int64
        /// The units that warehouses keep for it, and those that are backordered.
        package var reserved: Int64
        package var backordered: Int64
        package var allocations: [Allocation]
        /// The units that were paid.
        package var paid: Int64
        /// The units that ship, and from where.
        package var shipped: Int64
        package var shipments: [Allocation]
        /// The units whose payment must go back, and those of them that no outcome before has told: of all outcomes of an
        /// order, the sum of the second is the first.
        package var refund: Int64
        package var refundAdded: Int64
        /// Why the stock refused the line, or what more it was to have.
        package var reason: Rejection?

        package init(
            sku: ID, warehouse: ID? = nil, quantity: Int64, reserved: Int64 = 0,
            backordered: Int64 = 0, allocations: [Allocation] = [], paid: Int64 = 0, shipped: Int64 = 0,
            shipments: [Allocation] = [], refund: Int64 = 0, refundAdded: Int64 = 0,
            reason: Rejection? = nil
        ) {
            self.sku = sku
            self.warehouse = warehouse
            self.quantity = quantity
            self.reserved = reserved
            self.backordered = backordered
            self.allocations = allocations
            self.paid = paid
            self.shipped = shipped
            self.shipments = shipments
            self.refund = refund
            self.refundAdded = refundAdded
            self.reason = reason
        }
    }

    package var orderID: ID
    /// From 1, without a gap.
    package var version: Int64
    package var kind: OrderOutcomeKind
    /// The order has ended with it. One outcome of each order says so; only a payment that must go back may follow.
    package var isFinal: Bool
    package var mode: OrderMode
    /// Whether several warehouses may serve a line.
    package var allowSplit: Bool
    package var shipTo: Point?
    /// Never without `shipTo`.
    package var deliverWithinHours: Int64?
    package var lines: [Line]
    /// Why the order could not be read; then its lines are those that could be.
    package var unreadable: Unreadable?
    package var deadline: Timestamp
    /// The time of the record that brought it about.
    package var at: Timestamp

    package init(
        orderID: ID, version: Int64, kind: OrderOutcomeKind, isFinal: Bool, mode: OrderMode,
        allowSplit: Bool = true, shipTo: Point? = nil, deliverWithinHours: Int64? = nil, lines: [Line],
        unreadable: Unreadable? = nil, deadline: Timestamp, at: Timestamp
    ) {
        self.orderID = orderID
        self.version = version
        self.kind = kind
        self.isFinal = isFinal
        self.mode = mode
        self.allowSplit = allowSplit
        self.shipTo = shipTo
        self.deliverWithinHours = deliverWithinHours
        self.lines = lines
        self.unreadable = unreadable
        self.deadline = deadline
        self.at = at
    }
}

/// Why an event could not be read: the word of `dead.letters`, and a sentence.
package struct Unreadable: Equatable, Sendable {
    package var reason: String
    package var detail: String

    package init(reason: String, detail: String) {
        self.reason = reason
        self.detail = detail
    }
}

/// An event that could not be read, of an order that could be named.
package struct UnreadableEvent: Equatable, Sendable {
    /// Nil where that could not be read either.
    package var id: ID?
    package var orderID: ID
    package var kind: OrderEventKind
    package var at: Timestamp
    package var why: Unreadable
    /// Those that could be read, of one SKU each.
    package var lines: [OrderEvent.Line]
    /// Whether they are all that it has.
    package var hasAllLines: Bool

    package init(
        id: ID?, orderID: ID, kind: OrderEventKind, at: Timestamp, why: Unreadable,
        lines: [OrderEvent.Line] = [], hasAllLines: Bool = false
    ) {
        self.id = id
        self.orderID = orderID
        self.kind = kind
        self.at = at
        self.why = why
        self.lines = lines
        self.hasAllLines = hasAllLines
    }
}

/// The answer to an event that did nothing: published to `order.outcomes`, and no version of the order.
package struct OrderAnswer: Equatable, Sendable {
    package var orderID: ID
    /// Of the event; nil where that could not be read.
    package var eventID: ID?
    package var event: OrderEventKind
    package var reason: OrderRefusal
    /// Only where the event could not be read.
    package var unreadable: Unreadable?
    /// The time of the record that brought it about.
    package var at: Timestamp

    package init(
        orderID: ID, eventID: ID?, event: OrderEventKind, reason: OrderRefusal,
        unreadable: Unreadable? = nil, at: Timestamp
    ) {
        self.orderID = orderID
        self.eventID = eventID
        self.event = event
        self.reason = reason
        self.unreadable = unreadable
        self.at = at
    }
}

/// Why an event did nothing. The raw values are the words of `order.outcomes`.
package enum OrderRefusal: String, CaseIterable, Sendable {
    /// The order was not placed, not for long enough, or was forgotten.
    case unknownOrder = "unknown_order"
    /// The event could not be read.
    case unreadable
    /// Its id came before, with another content.
    case eventIDConflict = "event_id_conflict"
    /// More events wait than may.
    case tooManyEvents = "too_many_events"
    /// The order has no line of a SKU that it names.
    case unknownLine = "unknown_line"
    /// The order would have had more lines than it may.
    case tooManyLines = "too_many_lines"
    /// The new deadline has passed already, or the one that the order has.
    case pastDeadline = "past_deadline"
    /// The order was placed before.
    case alreadyPlaced = "already_placed"
    /// All that can be paid is paid.
    case nothingToPay = "nothing_to_pay"
    /// The order has nothing that can be cancelled.
    case nothingToCancel = "nothing_to_cancel"
    /// The change would leave a line with fewer units than were paid.
    case unitsPaid = "units_paid"
    /// The change names another warehouse for a line than the line has.
    case otherWarehouse = "other_warehouse"
    /// The units of the parcel are not paid.
    case notPaid = "not_paid"
    /// The units of the parcel have left the books already.
    case alreadyShipped = "already_shipped"
    /// The order has ended.
    case orderEnded = "order_ended"

    /// Whether the event goes to `dead.letters`, too, and may be sent again under its id.
    package var isDeadLetter: Bool {
        switch self {
        case .unknownOrder, .unreadable, .eventIDConflict, .tooManyEvents, .unknownLine, .tooManyLines,
            .pastDeadline:
            true
        case .alreadyPlaced, .nothingToPay, .nothingToCancel, .unitsPaid, .otherWarehouse, .notPaid,
            .alreadyShipped, .orderEnded:
            false
        }
    }
}

/// What orders go by that their events do not say. Times in milliseconds.
package struct OrderSettings: Equatable, Sendable {
    /// From `order.placed` to the deadline, where it names none.
    package var ttl: Int64
    /// How much longer than the order its reservations live, so that no line expires while a payment is on its way.
    package var grace: Int64
    /// Whether units ship when fulfilment says so, instead of when they are paid.
    package var shipsOnShipped: Bool
    /// How long reservations of a paid order are kept for its shipment at a time; they are extended before that.
    package var shipWithin: Int64
    /// After so long without a reply a command is sent again; after so many times the order is stuck.
    package var replyLimit: Int64
    package var askLimit: Int
    /// For how long events of an order that was not placed wait for that.
    package var unknownLimit: Int64

    package init(
        ttl: Int64 = Limits.defaultTTL, grace: Int64 = 600_000, shipsOnShipped: Bool = false,
        shipWithin: Int64 = 604_800_000, replyLimit: Int64 = 30_000, askLimit: Int = 3,
        unknownLimit: Int64 = 60_000
    ) {
        self.ttl = ttl
        self.grace = grace
        self.shipsOnShipped = shipsOnShipped
        self.shipWithin = shipWithin
        self.replyLimit = replyLimit
        self.askLimit = askLimit
        self.unknownLimit = unknownLimit
    }
}
