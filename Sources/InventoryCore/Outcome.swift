/// The one answer to a command. A function of the ledger entry that decided it, so that a repeat gets the
/// same answer for as long as the entry, or the reservation that it made, is remembered.
package struct Outcome: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        case reserved, confirmed, released, expired, received, rejected
        /// A command that came too early or too late to have an effect; only for `expire`.
        case ignored
    }

    package var kind: Kind
    package var command: CommandKind
    package var commandID: String
    package var sku: String
    package var rejection: Rejection?
    package var noOp: NoOp?
    package var reservationID: String?
    package var orderID: String?
    package var warehouse: String?
    /// 0 where the command names no units.
    package var quantity: Int64
    package var expiresAt: Timestamp?
    /// The sequence of the ledger entry that decided; nil for `ignored`.
    package var sequence: Int64?
    /// When it was decided: for a repeat, the time of the first decision.
    package var at: Timestamp
    /// The command repeats one that was decided before; it changed nothing.
    package var isDuplicate: Bool

    package init(
        kind: Kind, command: CommandKind, commandID: String, sku: String, rejection: Rejection? = nil,
        noOp: NoOp? = nil, reservationID: String? = nil, orderID: String? = nil, warehouse: String? = nil,
        quantity: Int64 = 0, expiresAt: Timestamp? = nil, sequence: Int64? = nil, at: Timestamp,
        isDuplicate: Bool = false
    ) {
        self.kind = kind
        self.command = command
        self.commandID = commandID
        self.sku = sku
        self.rejection = rejection
        self.noOp = noOp
        self.reservationID = reservationID
        self.orderID = orderID
        self.warehouse = warehouse
        self.quantity = quantity
        self.expiresAt = expiresAt
        self.sequence = sequence
        self.at = at
        self.isDuplicate = isDuplicate
    }

    /// The answer that a ledger entry gives to `command`, which caused it or repeats what caused it.
    init(of entry: LedgerEntry, to command: Command, isDuplicate: Bool) {
        let kind: Kind =
            switch entry.movement {
            case .receive: .received
            case .reserve: .reserved
            case .ship: .confirmed
            case .release: .released
            case .expire: .expired
            case .rejection: .rejected
            }
        self.init(
            kind: kind, command: command.kind, commandID: command.id, sku: entry.sku,
            rejection: entry.reason, reservationID: entry.reservationID, orderID: entry.orderID,
            warehouse: entry.warehouse, quantity: entry.quantity, expiresAt: entry.expiresAt,
            sequence: entry.sequence, at: entry.at, isDuplicate: isDuplicate)
    }

    /// The answer to a command that repeats the making of a reservation that still lives.
    init(of reservation: Reservation, sku: String, to command: Command) {
        self.init(
            kind: .reserved, command: command.kind, commandID: command.id, sku: sku,
            reservationID: reservation.id, orderID: reservation.orderID, warehouse: reservation.warehouse,
            quantity: reservation.quantity, expiresAt: reservation.expiresAt,
            sequence: reservation.sequence, at: reservation.reservedAt, isDuplicate: true)
    }
}
