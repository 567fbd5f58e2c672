/// The event of this system: one movement of one SKU in one warehouse, or one rejection.
///
/// `decide` makes entries, `apply` alone carries them out, the ledger keeps them for ever.
package struct LedgerEntry: Equatable, Sendable {
    package var sku: String
    /// Gap-free per SKU, from 1.
    package var sequence: Int64
    package var movement: Movement
    /// The time of the record that caused the entry.
    package var at: Timestamp
    package var source: Source
    package var command: CommandKind
    package var commandID: String
    package var reservationID: String?
    package var orderID: String?
    /// Nil only for a rejection.
    package var warehouse: String?
    /// The units that moved or, for a rejection, that were asked for (0 where the command names none).
    package var quantity: Int64
    /// Until when the units are claimed; only for `reserve`.
    package var expiresAt: Timestamp?
    package var onHandDelta: Int64
    package var reservedDelta: Int64
    /// The balance of the SKU in `warehouse` after the entry; 0 for a rejection.
    package var onHand: Int64
    package var reserved: Int64
    /// Only for a rejection.
    package var reason: Rejection?
    package var reference: String?

    package init(
        sku: String, sequence: Int64, movement: Movement, at: Timestamp, source: Source,
        command: CommandKind, commandID: String, reservationID: String? = nil, orderID: String? = nil,
        warehouse: String? = nil, quantity: Int64, expiresAt: Timestamp? = nil, onHandDelta: Int64 = 0,
        reservedDelta: Int64 = 0, onHand: Int64 = 0, reserved: Int64 = 0, reason: Rejection? = nil,
        reference: String? = nil
    ) {
        self.sku = sku
        self.sequence = sequence
        self.movement = movement
        self.at = at
        self.source = source
        self.command = command
        self.commandID = commandID
        self.reservationID = reservationID
        self.orderID = orderID
        self.warehouse = warehouse
        self.quantity = quantity
        self.expiresAt = expiresAt
        self.onHandDelta = onHandDelta
        self.reservedDelta = reservedDelta
        self.onHand = onHand
        self.reserved = reserved
        self.reason = reason
        self.reference = reference
    }

    /// Whether the entry is its command's own decision, and not the expiry of a reservation that happened to
    /// be due when the command came. Only own entries answer a repeat of the command; the refusal of a
    /// `command_id` that another command has used must not answer for that other one.
    package var isOwn: Bool { movement != .expire && reason != .commandIDConflict }

    /// Whether `command` asks for what this entry's command asked for.
    func isDecision(of command: Command) -> Bool {
        guard self.command == command.kind, sku == command.sku, reservationID == command.reservationID
        else { return false }
        switch command.body {
        case .reserve(_, let orderID, let quantity, _, _):
            return self.orderID == orderID && self.quantity == quantity
        case .receive(_, let quantity, _):
            return self.quantity == quantity
        case .confirm, .release, .expire:
            return true
        }
    }

    /// Whether the entry ended its reservation.
    package var endsReservation: Bool {
        switch movement {
        case .ship, .release, .expire: true
        case .receive, .reserve, .rejection: false
        }
    }
}
