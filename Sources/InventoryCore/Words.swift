/// A moment: milliseconds since 1970-01-01T00:00:00Z, from a record's timestamp. Never read from a clock here.
package struct Timestamp: Hashable, Comparable, Sendable {
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.milliseconds < right.milliseconds
    }
}

/// The place of a command in the log of its partition.
package struct Source: Hashable, Sendable {
    package var partition: Int32
    package var offset: Int64

    package init(partition: Int32, offset: Int64) {
        self.partition = partition
        self.offset = offset
    }
}

/// What a command asks for. The raw values are the words of the topics.
package enum CommandKind: String, CaseIterable, Sendable {
    case reserve, confirm, release, expire, receive
}

/// One command about one SKU, already decoded and within the limits of its form.
package struct Command: Equatable, Sendable {
    /// What the command asks for, with what only that needs.
    package enum Body: Equatable, Sendable {
        /// Claim `quantity` units for an order, from `warehouse` or else from the one with most available.
        case reserve(
            reservationID: String, orderID: String, quantity: Int64, warehouse: String?, expiry: Expiry)
        /// The order is paid: the units of the reservation ship.
        case confirm(reservationID: String)
        /// The order is cancelled: the units of the reservation return.
        case release(reservationID: String)
        /// The delay service says that the reservation is due.
        case expire(reservationID: String)
        /// Physical units in. `reference` is the sender's own (a delivery note, say).
        case receive(warehouse: String, quantity: Int64, reference: String?)
    }

    /// Until when a reservation claims its units.
    package enum Expiry: Equatable, Sendable {
        case at(Timestamp)
        /// From the record's time; 1...`Limits.longestTTL` milliseconds.
        case after(milliseconds: Int64)
    }

    package var id: String
    package var sku: String
    package var body: Body

    package init(id: String, sku: String, body: Body) {
        self.id = id
        self.sku = sku
        self.body = body
    }

    package var kind: CommandKind {
        switch body {
        case .reserve: .reserve
        case .confirm: .confirm
        case .release: .release
        case .expire: .expire
        case .receive: .receive
        }
    }

    package var reservationID: String? {
        switch body {
        case .reserve(let id, _, _, _, _), .confirm(let id), .release(let id), .expire(let id): id
        case .receive: nil
        }
    }
}

/// Why a well-formed command was refused, in the order of precedence: where several hold, the first is told.
package enum Rejection: String, CaseIterable, Sendable {
    /// The `command_id` was used before, by a command with another content.
    case commandIDConflict = "command_id_conflict"
    /// The `reservation_id` was used before, for another reservation or for one that ended.
    case reservationIDConflict = "reservation_id_conflict"
    /// No live reservation of this SKU has the id, and none ended lately.
    case reservationNotFound = "reservation_not_found"
    /// The reservation's TTL ran out before the command.
    case reservationExpired = "reservation_expired"
    /// The reservation was confirmed before it could be released.
    case reservationConfirmed = "reservation_confirmed"
    /// The reservation was released before it could be confirmed.
    case reservationReleased = "reservation_released"
    /// `expires_at` is not after the record's time, or further away than the longest TTL.
    case expiryOutOfRange = "expiry_out_of_range"
    /// The receipt would take on hand over `Limits.onHand`.
    case onHandLimitExceeded = "on_hand_limit_exceeded"
    /// No warehouse that may serve the command has that many units available.
    case insufficientStock = "insufficient_stock"
}

/// Why a command changed nothing without being refused.
package enum NoOp: String, CaseIterable, Sendable {
    /// An `expire` that came before the reservation was due.
    case notDue = "not_due"
    /// An `expire` for a reservation that was confirmed or released, or that is not known (any more).
    case alreadyEnded = "already_ended"
}

/// What a ledger entry did to the stock. The raw values are the words of the topics.
package enum Movement: String, CaseIterable, Sendable {
    case receive, reserve, ship, release, expire
    /// A refused command: an entry without deltas, so that the ledger holds every decision.
    case rejection
}
