/// Ids that begin with `@holdfast/` are the system's own. Nobody else can give such a name to anything.
///
/// A record does not say who published it. So the system's own commands are known by their form, which has one spelling
/// and a bound for each part: whoever may write to `stock.commands` can forge one, and can do no more with it than with
/// any other command (docs/security.md).
package enum SystemID {
    package static let prefixBytes: StaticString = "@holdfast/"
    package static let prefix = prefixBytes.description

    package static func isOne(_ id: ID) -> Bool { id.begins(with: prefixBytes) }
    package static func isOne(_ id: PackedID) -> Bool { id.isSystem }
    package static func isOne(_ id: ID?) -> Bool { id.map { isOne($0) } ?? false }
}

extension PackedID {
    /// Whether it begins with `@holdfast/`.
    @inline(__always)
    var isSystem: Bool {
        // "@holdfas": most ids differ here.
        UInt64(littleEndian: bytes.0.x) == 0x7361_6664_6C6F_6840 && begins(with: SystemID.prefixBytes)
    }
}

extension Stock {
    /// Whether the command, or what it makes, has a name of the system's that is not the command's to give.
    ///
    /// A reservation under an order's address is made by a command of that order's, named after the reservation, and for
    /// that order. Everybody may give a command about such a reservation a name of their own.
    func takesSystemID(_ cause: Cause) -> Bool {
        let command = cause.command
        if command.packed.all.commandIsSystem, !isOfOrder(command) { return true }
        switch command.body {
        case .reserve(let reserve):
            let ids = reserve.packed.all
            guard ids.reservationIsSystem else { return ids.orderIsSystem }
            return !command.packed.all.commandIsSystem
                || OrderAddress(reservationID: reserve.reservationID)?.orderID != reserve.orderID
        case .receive(let warehouse, _, _): return isNewSystemID(warehouse)
        case .return(let back): return isNewSystemID(back.warehouse) || SystemID.isOne(back.orderID)
        case .adjust(let adjust): return isNewSystemID(adjust.warehouse)
        case .transferDispatch(let dispatch):
            return SystemID.isOne(dispatch.transferID) || isNewSystemID(dispatch.to)
        case .setPolicy(let warehouse, let policy):
            return warehouse.map(isNewSystemID) ?? false || Self.hasSystemID(policy)
        case .setPolicies(let published):
            return published.warehouses.contains {
                isNewSystemID($0.warehouse) || Self.hasSystemID($0.policy)
            }
        case .setWarehouse(let warehouse, _): return isNewSystemID(warehouse.id)
        case .confirm, .release, .extend, .expire, .reallocate, .damage, .transferReceive, .transferCancel,
            .transferDue, .retire, .setSettings:
            return false
        }
    }

    /// Whether the command's id is the one that an order would give it.
    private func isOfOrder(_ command: Command) -> Bool {
        guard let id = command.reservationID, let address = OrderAddress(reservationID: id) else {
            return false
        }
        return address.isCommand(command.id, of: command.kind)
    }

    /// Of a warehouse that an earlier version has let in, units still come and go.
    private func isNewSystemID(_ warehouse: ID) -> Bool {
        SystemID.isOne(warehouse) && self.warehouse(warehouse) == nil
    }

    private static func hasSystemID(_ policy: Policy) -> Bool {
        policy.channels.contains { SystemID.isOne($0.channel) }
    }
}
