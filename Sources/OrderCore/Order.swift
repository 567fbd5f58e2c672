import InventoryCore

/// The state of one order: all that `order.state` holds of it. Changed only by what happens to it (`OrderEvents.swift`,
/// `OrderReplies.swift`, `OrderMoves.swift`, `OrderTimes.swift`).
package struct Order: Equatable, Sendable {
    package enum Phase: Equatable, Sendable {
        /// Events have come for it, and no `order.placed`.
        case unknown(since: Timestamp)
        /// Commands are on their way; events wait.
        case busy(Work)
        case settled
        /// Its final outcome was told, and nothing is left of it in stock.
        case ended(OrderOutcomeKind, at: Timestamp)
        /// Nothing is to be remembered of it.
        case forgotten
    }

    /// What the commands are for that are on their way.
    package enum Work: String, CaseIterable, Sendable {
        /// The lines are being reserved.
        case placing
        /// A line was refused: what was granted goes back.
        case refusing
        /// More units are being reserved for a change.
        case changing
        /// Units go back after a change, or its deadline is carried to the reservations.
        case adjusting
        /// Units ship.
        case paying
        /// A paid order's reservations are being kept for longer, at first and again.
        case securing, renewing
        /// Units go back: cancelled, past the deadline, or because others were lost.
        case cancelling, expiring, losing
        /// Other warehouses are to serve lines; and, where one of them was refused, the former ones again.
        case moving, returning
    }

    /// One reservation.
    package struct Claim: Equatable, Sendable {
        /// Its number in the line, from 1.
        package var attempt: Int
        /// The units that warehouses keep.
        package var parts: [Allocation] = []
        /// Where its units were before the proposal that moves them; none where no proposal does.
        package var partsBefore: [Allocation] = []
        package var backordered: Int64 = 0
        /// As the stock processor told it last.
        package var expiresAt: Timestamp?
        /// The command that has no reply yet.
        package var pending: Pending?
        /// The commands sent so far, repeats aside.
        package var commands = 0
        /// The newest ledger entry of its SKU that it was told of.
        package var sequence: Int64 = 0
        /// What it was told of while it moves; of that, the answer may be older, if it had to be asked for again.
        package var befell: [Befallen] = []
        /// A command of which nobody knows whether it was carried out; or, without a quantity, none: the stock has fewer
        /// units than the order knows of. How many there are is asked for.
        package var doubt: Pending?

        package init(attempt: Int) { self.attempt = attempt }

        package var units: Int64 { parts.units }
        package var held: Int64 { units + backordered }
        package var isEmpty: Bool { pending == nil && held == 0 }
    }

    /// Units that the stock has moved by itself, or lost.
    package struct Befallen: Equatable, Sendable {
        /// Of the ledger entry.
        package var sequence: Int64
        package var quantity: Int64
        /// Where they were and where they are; nil for nowhere.
        package var formerly: ID?
        package var warehouse: ID?

        package init(sequence: Int64, quantity: Int64, formerly: ID?, warehouse: ID?) {
            self.sequence = sequence
            self.quantity = quantity
            self.formerly = formerly
            self.warehouse = warehouse
        }
    }

    package struct Pending: Equatable, Sendable {
        package enum Verb: String, CaseIterable, Sendable { case reserve, confirm, release, extend, move }

        package var verb: Verb
        /// Nil for all that the reservation has.
        package var quantity: Int64?
        /// For `confirm`: the one that the units leave; nil for whichever has them.
        package var warehouse: ID?
        /// For `reserve` and `extend`.
        package var expiresAt: Timestamp?
        /// For `move`.
        package var allocations: [Allocation]
        /// The time of the record that led to it, the same whenever it is sent; nil of what was sent by a version that had
        /// none.
        package var issuedAt: Timestamp?

        package init(
            _ verb: Verb, quantity: Int64? = nil, warehouse: ID? = nil, expiresAt: Timestamp? = nil,
            allocations: [Allocation] = [], issuedAt: Timestamp? = nil
        ) {
            self.verb = verb
            self.quantity = quantity
            self.warehouse = warehouse
            self.expiresAt = expiresAt
            self.allocations = allocations
            self.issuedAt = issuedAt
        }
    }

    package struct Line: Equatable, Sendable {
        package var sku: ID
        package var warehouse: ID?
        /// The units that the order wants, as outcomes tell them.
        package var asked: Int64
        /// The most units that it is to have, shipped ones included: more are given back.
        package var goal: Int64
        /// The units that were paid: those of each event once.
        package var paid: Int64 = 0
        /// Of them, those whose payment must go back, and as far as that was told. Neither ever becomes less.
        package var refund: Int64 = 0
        package var refundTold: Int64 = 0
        /// The units that were not paid when the order was told last what it has in time. Once they are gone, a payment of
        /// the whole order is for them.
        package var offered: Int64 = 0
        /// The units in parcels, as fulfilment tells them; and of those that have not left the books, the ones whose
        /// warehouses it has named.
        package var parcels: Int64 = 0
        package var parcelsFrom: [Allocation] = []
        /// From where units shipped.
        package var shipments: [Allocation] = []
        package var refusal: Rejection?
        package var attempts = 0
        package var claims: [Claim] = []

        package init(sku: ID, warehouse: ID? = nil, asked: Int64) {
            self.sku = sku
            self.warehouse = warehouse
            self.asked = asked
            goal = asked
            offered = asked
        }
    }

    /// An event that was heeded: hashes of its id and of its content.
    package struct Remembered: Equatable, Sendable {
        package var id: UInt64
        /// 0 where it is not known, as of events before there was such a thing.
        package var content: UInt64

        package init(id: UInt64, content: UInt64) {
            self.id = id
            self.content = content
        }
    }

    /// What a change has to go back to if it is refused.
    package struct Before: Equatable, Sendable {
        /// Of each line that there was, in their order.
        package var asked: [Int64]
        package var deadline: Timestamp

        package init(asked: [Int64], deadline: Timestamp) {
            self.asked = asked
            self.deadline = deadline
        }
    }

    package var id: ID
    /// Of `orders` and of the topics that go with it.
    package var partition: Int32
    package var phase: Phase
    package var version: Int64 = 0
    package var mode = OrderMode.allOrNothing
    package var deadline = Timestamp(milliseconds: 0)
    package var strategy: Strategy?
    package var allowSplit = true
    package var channel: ID?
    package var shipTo: Point?
    package var deliverWithinHours: Int64?
    package var lines: [Line] = []
    /// Why `order.placed` could not be read; then the lines are those that could be.
    package var unreadable: Unreadable?
    /// Those are not all of them: nobody knows how many units a payment of the whole is for.
    package var hasUnreadLines = false
    /// Of an order that could not be read, a payment of the whole was told as one that must go back.
    package var hasRefundedUnread = false
    /// Until when a paid order's reservations are kept.
    package var securedUntil: Timestamp?
    package var before: Before?
    /// The final outcome was told.
    package var finalKind: OrderOutcomeKind?
    /// The units that ship, as they were told last.
    package var shippedTold: Int64 = 0
    /// An event was heeded, and no outcome was told since.
    package var owesAnswer = false
    /// What befell its reservations and was not told yet.
    package var hasLost = false
    package var hasExpired = false
    package var hasMoved = false
    package var hasFilled = false
    /// When the commands on their way were sent last, and how often again.
    package var askedAt = Timestamp(milliseconds: 0)
    package var asks = 0
    package var isStuck = false
    /// Events that it cannot heed yet, in their order.
    package var waiting: [OrderEvent] = []
    /// The newest events, the newest last.
    package var remembered: [Remembered] = []

    package init(id: ID, partition: Int32, phase: Phase) {
        self.id = id
        self.partition = partition
        self.phase = phase
    }

    /// Whether a command has no reply yet.
    package var isAsking: Bool { lines.contains(where: \.isAsking) }

    /// Whether units are claimed for it.
    package var isLive: Bool { lines.contains { $0.held > 0 } }

    package var shipped: Int64 { lines.reduce(0) { $0 + $1.shipped } }
    package var hasShipped: Bool { shipped > 0 }
    package var refund: Int64 { lines.reduce(0) { $0 + $1.refund } }
    package var refundTold: Int64 { lines.reduce(0) { $0 + $1.refundTold } }
    package var isPaidInPart: Bool { lines.contains { $0.paid > 0 } }

    /// All that is claimed is paid.
    package var isPaid: Bool { isPaidInPart && lines.allSatisfy { $0.unpaid == 0 } }
}
