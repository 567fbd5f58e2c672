/// The ids of a command, which its entries and its outcome have in common with it: all of them share one piece of
/// memory, so that none of them is large and a copy counts one reference.
///
/// Who reads commands uses that memory again when nobody else has it any more.
package struct PackedIDs: Sendable {
    /// Unchecked, because it is changed only by who has it alone.
    private final class Storage: @unchecked Sendable {
        var sku: PackedID
        var command: PackedID
        /// `none` for those that are about no reservation; likewise `order`.
        var reservation: PackedID
        var order: PackedID

        init(_ sku: PackedID, _ command: PackedID, _ reservation: PackedID, _ order: PackedID) {
            self.sku = sku
            self.command = command
            self.reservation = reservation
            self.order = order
        }
    }

    private var storage: Storage

    package init(
        sku: PackedID = .none, command: PackedID = .none, reservation: PackedID = .none,
        order: PackedID = .none
    ) {
        storage = Storage(sku, command, reservation, order)
    }

    package var sku: PackedID { storage.sku }
    package var command: PackedID { storage.command }
    package var reservation: PackedID { storage.reservation }
    package var order: PackedID { storage.order }
    package var hasReservation: Bool { !storage.reservation.isNone }

    package func reservationBegins(with prefix: StaticString) -> Bool {
        storage.reservation.begins(with: prefix)
    }

    /// Whether an id is the system's own.
    var commandIsSystem: Bool { storage.command.isSystem }
    var reservationIsSystem: Bool { storage.reservation.isSystem }
    var orderIsSystem: Bool { storage.order.isSystem }

    package mutating func set(sku: PackedID, command: PackedID) {
        own()
        storage.sku = sku
        storage.command = command
    }

    package mutating func set(reservation: PackedID, order: PackedID) {
        own()
        storage.reservation = reservation
        storage.order = order
    }

    /// Takes other memory where somebody else has it. What is in it then means nothing.
    package mutating func renew() {
        if isKnownUniquelyReferenced(&storage) { return }
        storage = Storage(.none, .none, .none, .none)
    }

    private mutating func own() {
        if isKnownUniquelyReferenced(&storage) { return }
        storage = Storage(storage.sku, storage.command, storage.reservation, storage.order)
    }

    package func isSame(as other: PackedIDs) -> Bool { storage === other.storage }

    /// Whether both are about the same reservation of the same order, byte for byte.
    func hasSameReservation(as other: PackedIDs) -> Bool {
        isSame(as: other)
            || storage.reservation.hasSameBytes(as: other.storage.reservation)
                && storage.order.hasSameBytes(as: other.storage.order)
    }
}

extension PackedIDs: Equatable {
    package static func == (left: PackedIDs, right: PackedIDs) -> Bool {
        left.isSame(as: right)
            || left.sku == right.sku && left.command == right.command
                && left.reservation == right.reservation && left.order == right.order
    }
}

/// Those of a reservation and its order; the others are what came with them, and do not count.
package struct ReservationIDs: Equatable, Sendable {
    package var all: PackedIDs

    package init(_ all: PackedIDs) { self.all = all }

    init(_ reservation: PackedID, _ order: PackedID) {
        all = PackedIDs(reservation: reservation, order: order)
    }

    package var reservation: PackedID { all.reservation }
    package var order: PackedID { all.order }

    package static func == (left: ReservationIDs, right: ReservationIDs) -> Bool {
        left.all.isSame(as: right.all)
            || left.reservation == right.reservation && left.order == right.order
    }
}

/// Those of a command and its SKU; the others are those of the reservation that it asks for, and do not count.
package struct CommandIDs: Equatable, Sendable {
    package var all: PackedIDs

    package init(_ all: PackedIDs) { self.all = all }

    package static func == (left: CommandIDs, right: CommandIDs) -> Bool {
        left.all.isSame(as: right.all)
            || left.all.sku == right.all.sku && left.all.command == right.all.command
    }
}
