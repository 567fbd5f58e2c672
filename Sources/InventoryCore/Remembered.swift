/// What is remembered of a decision or of how a reservation ended: what an answer to a repeat needs and the repeat does
/// not say itself. A repeat has the content of the first, so its own ids, its channel and the like come from it.
struct Remembered: Equatable, Sendable {
    enum Kind: Sendable {
        /// A command that left nothing to be found; it counts.
        case nothing
        /// A command's own decision.
        case own
        /// How a reservation ended by another command's coming or being carried out.
        case ending
    }

    /// One of the entries, which stand together in the ledger.
    struct Part: Equatable, Sendable {
        var movement: Movement
        var effect: Effect
        var quantity: Int64
        var remaining: Int64?
        var warehouse: ID?
    }

    /// Which way the units of a part went.
    enum Effect: UInt8, Sendable {
        case none, adds, takes, backorders
    }

    var kind: Kind
    /// Whether it is the first of its command.
    var isFirst: Bool
    var at: Timestamp
    var source: Source
    /// Where its SKU stands.
    var item = 0
    var command = CommandKind.reserve
    /// Of the command that was decided; likewise its hash.
    var commandID = PackedID.none
    var commandHash: UInt64 = 0
    /// Of the first entry.
    var sequence: Int64 = 0
    var generation: Int64 = 1
    /// Of a refusal, which has no parts: what else it tells follows from its command.
    var reason: Rejection?
    /// Only of what takes units from a reservation.
    var reservation = PackedID.none
    /// Only where the command does not name it.
    var order = PackedID.none
    /// Only of what may end a transfer.
    var transfer = PackedID.none
    var channel: ID?
    var expiresAt: Timestamp?
    var requested: Int64?
    var isNamed = false
    var allowSplit = true
    /// The units that had shipped for the same order before, as far as the window had seen.
    var shippedBefore: Int64 = 0
    var parts: [Part] = []

    /// The units that shipped.
    var shipped: Int64 { parts.reduce(0) { $0 + ($1.movement == .ship ? $1.quantity : 0) } }

    /// The entries again, as far as they are remembered.
    ///
    /// - Parameters:
    ///   - ids: those that it does not have itself, and these.
    ///   - otherTransfer: where it has none; likewise the channel.
    func entries(
        _ ids: PackedIDs, transfer otherTransfer: ID? = nil, channel otherChannel: ID? = nil
    ) -> [LedgerEntry] {
        parts.indices.map { place in
            let part = parts[place]
            var entry = LedgerEntry(
                ids, generation: generation, sequence: sequence + Int64(place), movement: part.movement,
                at: at,
                source: source, command: command, commandHash: commandHash, warehouse: part.warehouse,
                quantity: part.quantity, remaining: part.remaining, deltas: part.deltas)
            // What takes units tells no expiry, also where its units had been claimed again before.
            switch part.movement {
            case .reserve, .backorder, .extend: entry.expiresAt = expiresAt
            default: break
            }
            entry.channel = channel ?? otherChannel
            entry.isNamed = isNamed
            entry.allowSplit = allowSplit
            entry.requested = requested
            entry.transferID = transfer.isNone ? otherTransfer : transfer.id
            return entry
        }
    }

    /// Those of its entries that ended the reservation, which went in the same way.
    var lastParts: Int {
        guard let last = parts.last else { return 0 }
        return parts.reversed().prefix { $0.movement == last.movement }.count
    }
}

extension Remembered.Part {
    init(_ entry: UnsafePointer<LedgerEntry>) {
        self.init(
            movement: entry.pointee.movement, effect: Remembered.Effect(entry),
            quantity: entry.pointee.quantity,
            remaining: entry.pointee.remaining, warehouse: entry.pointee.warehouse)
    }

    /// As far as an answer goes by them.
    fileprivate var deltas: LedgerEntry.Deltas {
        switch effect {
        case .none: LedgerEntry.Deltas()
        case .backorders: LedgerEntry.Deltas(backordered: quantity)
        case .adds where movement == .adjust: LedgerEntry.Deltas(onHand: quantity)
        case .takes where movement == .adjust: LedgerEntry.Deltas(onHand: -quantity)
        case .adds: LedgerEntry.Deltas(reserved: quantity)
        case .takes: LedgerEntry.Deltas(reserved: -quantity)
        }
    }
}

extension Remembered.Effect {
    init(_ entry: UnsafePointer<LedgerEntry>) {
        if entry.pointee.deltas.backordered != 0 {
            self = .backorders
            return
        }
        let units =
            entry.pointee.movement == .adjust
            ? entry.pointee.deltas.onHand + entry.pointee.deltas.damaged : entry.pointee.deltas.reserved
        self = units == 0 ? .none : units > 0 ? .adds : .takes
    }
}

/// Writes what is remembered as bytes, and reads it again.
///
/// Length (2 bytes), flags (2), time and offset from the base of the chunk, partition; then, of what is found again: the
/// item, the command's kind, of an own decision hash and id, sequence, and what there is of the rest, in the order of
/// `read`; last the parts, up to the end.
struct RememberedCode: Sendable {
    /// The longest, with one part.
    static let room = 1024
    /// The longest part.
    static let partRoom = 2 + 2 * Varint.room + NameCode.room

    private var ids = IDCode()
    private var names = NameCode()

    private struct Flags: OptionSet {
        let rawValue: UInt16
        static let first = Flags(rawValue: 1)
        static let own = Flags(rawValue: 2)
        static let ending = Flags(rawValue: 4)
        static let reservation = Flags(rawValue: 8)
        static let order = Flags(rawValue: 16)
        static let transfer = Flags(rawValue: 32)
        static let generation = Flags(rawValue: 64)
        static let expiry = Flags(rawValue: 128)
        static let named = Flags(rawValue: 256)
        static let unsplit = Flags(rawValue: 512)
        static let channel = Flags(rawValue: 1024)
        static let requested = Flags(rawValue: 2048)
        static let reason = Flags(rawValue: 4096)
        static let shippedBefore = Flags(rawValue: 8192)
        static let ships = Flags(rawValue: 16384)
    }

    /// - Parameters:
    ///   - item: where the SKU stands.
    ///   - shippedBefore: of what ships for an order, the units that had shipped for it before; else nil.
    ///   - place: of at least `room` bytes.
    /// - Returns: how many were written.
    mutating func write(
        _ entry: UnsafePointer<LedgerEntry>, _ kind: Remembered.Kind, item: Int, isFirst: Bool,
        shippedBefore: Int64?, base: DecisionRing.Base, to place: UnsafeMutableRawPointer
    ) -> Int {
        var flags: Flags = isFirst ? .first : []
        var end = place + 4
        end += Varint.write(entry.pointee.at.milliseconds - base.at, to: end)
        end += Varint.write(entry.pointee.source.offset - base.offset, to: end)
        end += Varint.write(Int64(entry.pointee.source.partition), to: end)
        if kind != .nothing {
            end = write(entry, kind, item, shippedBefore, &flags, end)
        }
        place.storeBytes(of: flags.rawValue.littleEndian, toByteOffset: 2, as: UInt16.self)
        return end - place
    }

    private mutating func write(
        _ entry: UnsafePointer<LedgerEntry>, _ kind: Remembered.Kind, _ item: Int, _ shippedBefore: Int64?,
        _ flags: inout Flags, _ place: UnsafeMutableRawPointer
    ) -> UnsafeMutableRawPointer {
        let ids = entry.pointee.packed
        var end = place
        end.storeBytes(of: UInt32(item).littleEndian, as: UInt32.self)
        end.storeBytes(of: entry.pointee.command, toByteOffset: 4, as: CommandKind.self)
        end += 5
        if kind == .own {
            flags.insert(.own)
            end.storeBytes(of: entry.pointee.commandHash.littleEndian, as: UInt64.self)
            end += 8
            end += self.ids.write(ids.command, to: end)
        } else {
            flags.insert(.ending)
        }
        end += Varint.write(UInt64(entry.pointee.sequence), to: end)
        if entry.pointee.generation != 1 {
            flags.insert(.generation)
            end += Varint.write(UInt64(entry.pointee.generation), to: end)
        }
        if let reason = entry.pointee.reason {
            flags.insert(.reason)
            end.storeBytes(of: reason, as: Rejection.self)
            return end + 1
        }
        let movement = entry.pointee.movement
        if let shippedBefore {
            flags.insert(.ships)
            if shippedBefore > 0 {
                flags.insert(.shippedBefore)
                end += Varint.write(UInt64(shippedBefore), to: end)
            }
        }
        if ids.hasReservation, Self.mayEndReservation(movement) {
            flags.insert(.reservation)
            end += self.ids.write(ids.reservation, to: end)
        }
        let command = entry.pointee.command
        if !ids.order.isNone, kind == .ending || command != .reserve && command != .return {
            flags.insert(.order)
            end += self.ids.write(ids.order, to: end)
        }
        if entry.pointee.rare != nil {
            if movement == .transferIn || movement == .transferCancel, let id = entry.pointee.transferID {
                flags.insert(.transfer)
                end += self.ids.write(PackedID(id), to: end)
            }
        }
        if let channel = entry.pointee.channel, command != .reserve || kind == .ending {
            flags.insert(.channel)
            end += names.write(channel, &self.ids, to: end)
        }
        if let expiresAt = entry.pointee.expiresAt, !Self.mayEndReservation(movement) {
            flags.insert(.expiry)
            end += Varint.write(expiresAt.milliseconds - entry.pointee.at.milliseconds, to: end)
        }
        if entry.pointee.rare != nil, let requested = entry.pointee.requested {
            flags.insert(.requested)
            end += Varint.write(UInt64(requested), to: end)
        }
        if entry.pointee.isNamed { flags.insert(.named) }
        if !entry.pointee.allowSplit { flags.insert(.unsplit) }
        return end + writePart(entry, to: end)
    }

    private static func mayEndReservation(_ movement: Movement) -> Bool {
        switch movement {
        case .ship, .release, .expire, .lose, .reacquire: true
        default: false
        }
    }

    /// A further part.
    ///
    /// - Parameter place: of at least `partRoom` bytes.
    mutating func writePart(_ entry: UnsafePointer<LedgerEntry>, to place: UnsafeMutableRawPointer) -> Int {
        var kind = Remembered.Effect(entry).rawValue
        var end = place + 2
        end += Varint.write(UInt64(entry.pointee.quantity), to: end)
        if let remaining = entry.pointee.remaining {
            kind |= 4
            end += Varint.write(UInt64(remaining), to: end)
        }
        if let warehouse = entry.pointee.warehouse {
            kind |= 8
            end += names.write(warehouse, &ids, to: end)
        }
        place.storeBytes(of: entry.pointee.movement, as: Movement.self)
        place.storeBytes(of: kind, toByteOffset: 1, as: UInt8.self)
        return end - place
    }

    // MARK: Reading

    private static func flags(_ place: UnsafeRawPointer) -> Flags {
        Flags(rawValue: UInt16(littleEndian: place.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
    }

    static func isFirst(_ place: UnsafeRawPointer) -> Bool { flags(place).contains(.first) }

    static func kind(_ place: UnsafeRawPointer) -> Remembered.Kind {
        let flags = flags(place)
        return flags.contains(.own) ? .own : flags.contains(.ending) ? .ending : .nothing
    }

    /// When and by which command.
    static func cause(_ place: UnsafeRawPointer, _ base: DecisionRing.Base) -> (at: Timestamp, source: Source)
    {
        var next = place + 4
        return cause(&next, base)
    }

    private static func cause(
        _ next: inout UnsafeRawPointer, _ base: DecisionRing.Base
    ) -> (at: Timestamp, source: Source) {
        let at = base.at + Varint.readSigned(&next)
        let offset = base.offset + Varint.readSigned(&next)
        let partition = Int32(truncatingIfNeeded: Varint.readSigned(&next))
        return (Timestamp(milliseconds: at), Source(partition: partition, offset: offset))
    }

    /// The item, the command's fingerprint and its id of an own decision.
    func commandID(_ place: UnsafeRawPointer) -> (item: Int, content: UInt64, id: PackedID) {
        var next = place + 4
        _ = Self.cause(&next, DecisionRing.Base(at: 0, offset: 0))
        let item = Int(UInt32(littleEndian: next.loadUnaligned(as: UInt32.self)))
        let content = UInt64(littleEndian: next.loadUnaligned(fromByteOffset: 5, as: UInt64.self))
        next += 5 + 8
        return (item, content, ids.read(&next))
    }

    /// By which hashes it may be found.
    struct Keys {
        var command: UInt32?
        var reservation: UInt32?
        var order: UInt32?
        var transfer: UInt32?
        /// Whether it shipped units for its order.
        var ships = false
    }

    /// Nil of what is not found again. Nothing that comes behind the ids is read.
    func keys(_ place: UnsafeRawPointer) -> Keys? {
        let flags = Self.flags(place)
        if flags.isDisjoint(with: [.own, .ending]) { return nil }
        var next = place + 4
        _ = Self.cause(&next, DecisionRing.Base(at: 0, offset: 0))
        let item = Int(UInt32(littleEndian: next.loadUnaligned(as: UInt32.self)))
        next += 5
        var keys = Keys()
        if flags.contains(.own) {
            next += 8
            keys.command = IDHash.of(hash: ids.readHash(&next), item: item)
        }
        if flags.contains(.reason) { return keys }
        _ = Varint.read(&next) as UInt64
        if flags.contains(.generation) { _ = Varint.read(&next) as UInt64 }
        keys.ships = flags.contains(.ships)
        if flags.contains(.shippedBefore) { _ = Varint.read(&next) as UInt64 }
        if flags.contains(.reservation) {
            keys.reservation = IDHash.of(hash: ids.readHash(&next), item: item)
        }
        if flags.contains(.order) { keys.order = IDHash.of(hash: ids.readHash(&next), item: item) }
        if flags.contains(.transfer) { keys.transfer = IDHash.of(hash: ids.readHash(&next), item: item) }
        return keys
    }

    func read(_ place: UnsafeRawPointer, _ base: DecisionRing.Base) -> Remembered {
        let count = Int(UInt16(littleEndian: place.loadUnaligned(as: UInt16.self)))
        let flags = Self.flags(place)
        var next = place + 4
        let (at, source) = Self.cause(&next, base)
        var found = Remembered(
            kind: Self.kind(place), isFirst: flags.contains(.first), at: at, source: source)
        if found.kind == .nothing { return found }
        found.item = Int(UInt32(littleEndian: next.loadUnaligned(as: UInt32.self)))
        found.command = next.load(fromByteOffset: 4, as: CommandKind.self)
        next += 5
        if found.kind == .own {
            found.commandHash = UInt64(littleEndian: next.loadUnaligned(as: UInt64.self))
            next += 8
            found.commandID = ids.read(&next)
        }
        found.sequence = Int64(Varint.read(&next))
        if flags.contains(.generation) { found.generation = Int64(Varint.read(&next)) }
        if flags.contains(.reason) {
            found.reason = next.load(as: Rejection.self)
            return found
        }
        if flags.contains(.shippedBefore) { found.shippedBefore = Int64(Varint.read(&next)) }
        if flags.contains(.reservation) { found.reservation = ids.read(&next) }
        if flags.contains(.order) { found.order = ids.read(&next) }
        if flags.contains(.transfer) { found.transfer = ids.read(&next) }
        if flags.contains(.channel) { found.channel = names.read(&next, ids) }
        if flags.contains(.expiry) {
            found.expiresAt = Timestamp(milliseconds: at.milliseconds + Varint.readSigned(&next))
        }
        if flags.contains(.requested) { found.requested = Int64(Varint.read(&next)) }
        found.isNamed = flags.contains(.named)
        found.allowSplit = !flags.contains(.unsplit)
        while next - place < count { found.parts.append(readPart(&next)) }
        return found
    }

    private func readPart(_ next: inout UnsafeRawPointer) -> Remembered.Part {
        let movement = next.load(as: Movement.self)
        let kind = next.load(fromByteOffset: 1, as: UInt8.self)
        next += 2
        let quantity = Int64(Varint.read(&next))
        let remaining = kind & 4 == 0 ? nil : Int64(Varint.read(&next))
        let warehouse = kind & 8 == 0 ? nil : names.read(&next, ids)
        return Remembered.Part(
            movement: movement, effect: Remembered.Effect(rawValue: kind & 3) ?? .none, quantity: quantity,
            remaining: remaining, warehouse: warehouse)
    }

    /// Gives what is remembered another item.
    static func setItem(_ item: Int, _ place: UnsafeMutableRawPointer) {
        guard kind(UnsafeRawPointer(place)) != .nothing else { return }
        var next = UnsafeRawPointer(place) + 4
        _ = cause(&next, DecisionRing.Base(at: 0, offset: 0))
        let start = next - UnsafeRawPointer(place)
        place.storeBytes(of: UInt32(item).littleEndian, toByteOffset: start, as: UInt32.self)
    }
}

/// Names of warehouses and channels by their numbers, of which there are few; those that come when there are many
/// already, as they are.
struct NameCode: Sendable {
    static let room = Varint.room + IDCode.room
    private static let most = 4096

    private var names: [PackedID] = []
    private var numbers: [PackedID: Int] = [:]
    private var last = 0

    mutating func write(_ name: ID, _ ids: inout IDCode, to place: UnsafeMutableRawPointer) -> Int {
        if last < names.count, names[last].isEqual(to: name) {
            return Varint.write(UInt64(last + 1), to: place)
        }
        let id = PackedID(name)
        if let number = numbers[id], names[number] == id {
            last = number
            return Varint.write(UInt64(number + 1), to: place)
        }
        guard names.count < Self.most, numbers[id] == nil else {
            place.storeBytes(of: 0, as: UInt8.self)
            return 1 + ids.write(id, to: place + 1)
        }
        last = names.count
        numbers[id] = last
        names.append(id)
        return Varint.write(UInt64(last + 1), to: place)
    }

    func read(_ place: inout UnsafeRawPointer, _ ids: IDCode) -> ID {
        let number = Int(Varint.read(&place))
        return number == 0 ? ids.read(&place).id : names[number - 1].id
    }
}
