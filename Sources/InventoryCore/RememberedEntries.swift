/// Ledger entries in a ring, packed: numbers in an array, ids as bytes one after another, and what few entries have
/// apart. So that one is remembered and forgotten without a call of the allocator, and its neighbours are next to it.
struct RememberedEntries: Sendable {
    /// An entry without its texts. It holds no reference.
    private struct Packed {
        var generation: Int64
        var sequence: Int64
        var at: Timestamp
        var source: Source
        var commandHash: UInt64
        var origin: Int64?
        var quantity: Int64
        var remaining: Int64?
        var expiresAt: Timestamp?
        var deltas: LedgerEntry.Deltas
        var balances: LedgerEntry.Deltas
        var setApart: Int64
        /// Where its texts begin: those that there are, in the order of `Text`.
        var texts: Int
        var lengths: Lengths
        var commandIDHash: UInt32
        var reservationIDHash: UInt32?
        var movement: Movement
        var command: CommandKind
        var reason: Rejection?
        var more: Bool
        var isNamed: Bool
        var allowSplit: Bool
        var hasRare: Bool
    }

    /// Of the texts; -1 for one that is not there.
    private struct Lengths {
        var sku: Int16
        var commandID: Int16
        var reservationID: Int16
        var orderID: Int16
        var channel: Int16
        var warehouse: Int16
    }

    private var packed: [Packed] = []
    private var texts = TextRing()
    /// What few entries have, by their places.
    private var rare: [Int: Box<LedgerEntry.Rare>] = [:]
    /// Where the oldest entry stands once the ring is full.
    private(set) var oldest = 0
    let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    var count: Int { packed.count }
    var isFull: Bool { packed.count == capacity }

    /// Where the newest entry stands.
    var newest: Int? { packed.isEmpty ? nil : oldest == 0 ? packed.count - 1 : oldest - 1 }

    func next(after place: Int) -> Int { place + 1 == packed.count ? 0 : place + 1 }
    func previous(before place: Int) -> Int { place == 0 ? packed.count - 1 : place - 1 }

    // MARK: What is asked of an entry in its place

    func source(_ place: Int) -> Source { packed[place].source }
    func at(_ place: Int) -> Timestamp { packed[place].at }
    func movement(_ place: Int) -> Movement { packed[place].movement }
    func more(_ place: Int) -> Bool { packed[place].more }
    func commandIDHash(_ place: Int) -> UInt32 { packed[place].commandIDHash }
    func hasTransfer(_ place: Int) -> Bool { packed[place].hasRare && rare[place]?.value.transferID != nil }

    func isOwn(_ place: Int) -> Bool {
        LedgerEntry.isOwn(packed[place].movement, packed[place].command, packed[place].reason)
    }

    func reservationIDHash(_ place: Int) -> UInt32? { packed[place].reservationIDHash }

    func has(_ place: Int, commandID: PackedID) -> Bool {
        let start = packed[place].texts + Int(packed[place].lengths.sku)
        return isEqual(start, Int(packed[place].lengths.commandID), commandID)
    }

    func has(_ place: Int, reservationID: PackedID) -> Bool {
        let lengths = packed[place].lengths
        guard lengths.reservationID >= 0 else { return false }
        let start = packed[place].texts + Int(lengths.sku) + Int(lengths.commandID)
        return isEqual(start, Int(lengths.reservationID), reservationID)
    }

    private func isEqual(_ start: Int, _ count: Int, _ id: PackedID) -> Bool {
        texts.has(start, count, bytesOf: id)
    }

    /// Whether both are of one command.
    func isOfSameCommand(_ place: Int, as entry: LedgerEntry) -> Bool {
        packed[place].source == entry.source && packed[place].at == entry.at
            && has(place, commandID: entry.packed.command)
    }

    func isOfSameCommand(_ place: Int, as other: Int) -> Bool {
        if place == other { return true }
        guard packed[place].source == packed[other].source, packed[place].at == packed[other].at else {
            return false
        }
        let start = packed[other].texts + Int(packed[other].lengths.sku)
        return has(place, commandID: texts.id(start, Int(packed[other].lengths.commandID)))
    }

    // MARK: Entries

    mutating func setMore(_ place: Int) { packed[place].more = true }

    /// Adds an entry without its chain hash; in place of the oldest where the ring is full.
    ///
    /// - Parameter reservationIDHash: by which it is found, as `reservationIDHash` gives it back; nil for one that is
    ///   not found so.
    /// - Returns: its place.
    mutating func append(_ entry: LedgerEntry, reservationIDHash: UInt32?) -> Int {
        if !isFull {
            packed.append(withUnsafePointer(to: entry) { pack($0, reservationIDHash) })
            if let box = entry.rare { rare[packed.count - 1] = box }
            return packed.count - 1
        }
        let place = oldest
        oldest = next(after: oldest)
        if place == oldest { texts.removeAll() } else { texts.removeFirst(upTo: packed[oldest].texts) }
        if packed[place].hasRare { rare[place] = nil }
        packed[place] = withUnsafePointer(to: entry) { pack($0, reservationIDHash) }
        if let box = entry.rare { rare[place] = box }
        return place
    }

    /// By the entry's place: a field of a large value is read there at once, and else through a call.
    private mutating func pack(
        _ entry: UnsafePointer<LedgerEntry>, _ reservationIDHash: UInt32?
    ) -> Packed {
        let ids = entry.pointee.packed
        let lengths = Lengths(
            sku: Int16(ids.sku.count), commandID: Int16(ids.command.count),
            reservationID: ids.hasReservation ? Int16(ids.reservation.count) : -1,
            orderID: ids.order.isNone ? -1 : Int16(ids.order.count),
            channel: Self.length(entry.pointee.channel), warehouse: Self.length(entry.pointee.warehouse))
        return Packed(
            generation: entry.pointee.generation, sequence: entry.pointee.sequence, at: entry.pointee.at,
            source: entry.pointee.source,
            commandHash: entry.pointee.commandHash, origin: entry.pointee.origin,
            quantity: entry.pointee.quantity,
            remaining: entry.pointee.remaining, expiresAt: entry.pointee.expiresAt,
            deltas: entry.pointee.deltas,
            balances: entry.pointee.balances, setApart: entry.pointee.setApart, texts: write(entry, lengths),
            lengths: lengths, commandIDHash: ids.command.hash, reservationIDHash: reservationIDHash,
            movement: entry.pointee.movement, command: entry.pointee.command, reason: entry.pointee.reason,
            more: entry.pointee.more,
            isNamed: entry.pointee.isNamed, allowSplit: entry.pointee.allowSplit,
            hasRare: entry.pointee.rare != nil)
    }

    private static func length(_ id: ID) -> Int16 {
        let count = id.count
        precondition(count <= Int(Int16.max), "an id of \(count) bytes")
        return Int16(count)
    }

    private static func length(_ id: ID?) -> Int16 { id.map { length($0) } ?? -1 }

    private mutating func write(_ entry: UnsafePointer<LedgerEntry>, _ lengths: Lengths) -> Int {
        let count =
            Int(lengths.sku) + Int(lengths.commandID) + Int(max(0, lengths.reservationID))
            + Int(max(0, lengths.orderID)) + Int(max(0, lengths.channel)) + Int(max(0, lengths.warehouse))
        return texts.add(count) { place in
            let ids = entry.pointee.packed
            var place = Self.write(ids.sku, place)
            place = Self.write(ids.command, place)
            place = Self.write(ids.reservation, place)
            place = Self.write(ids.order, place)
            if let id = entry.pointee.channel { place = Self.write(id, place) }
            if let id = entry.pointee.warehouse { place = Self.write(id, place) }
        }
    }

    /// - Returns: where the text ends.
    private static func write(_ id: PackedID, _ place: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        id.withBytes { bytes in
            if let start = bytes.baseAddress { place.copyMemory(from: start, byteCount: bytes.count) }
            return place + bytes.count
        }
    }

    /// - Returns: where the text ends.
    private static func write(_ id: ID, _ place: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        return id.withBytes { utf8 in
            if let start = utf8.baseAddress { place.copyMemory(from: start, byteCount: utf8.count) }
            return place + utf8.count
        }
    }

    /// The entry as it was added, but for its chain hash.
    func entry(at place: Int) -> LedgerEntry {
        let packed = packed[place]
        var start = packed.texts
        func next(_ length: Int16) -> PackedID {
            guard length >= 0 else { return .none }
            defer { start += Int(length) }
            return texts.id(start, Int(length))
        }
        func nextName(_ length: Int16) -> ID? {
            guard length >= 0 else { return nil }
            defer { start += Int(length) }
            return texts.name(start, Int(length))
        }
        let (sku, command) = (next(packed.lengths.sku), next(packed.lengths.commandID))
        let (reservation, order) = (next(packed.lengths.reservationID), next(packed.lengths.orderID))
        let ids = PackedIDs(sku: sku, command: command, reservation: reservation, order: order)
        var entry = LedgerEntry(
            ids, generation: packed.generation, sequence: packed.sequence, more: packed.more,
            movement: packed.movement, at: packed.at, source: packed.source, command: packed.command,
            commandHash: packed.commandHash, quantity: packed.quantity, remaining: packed.remaining,
            expiresAt: packed.expiresAt, deltas: packed.deltas, balances: packed.balances,
            reason: packed.reason)
        entry.channel = nextName(packed.lengths.channel)
        entry.warehouse = nextName(packed.lengths.warehouse)
        entry.origin = packed.origin
        entry.setApart = packed.setApart
        entry.isNamed = packed.isNamed
        entry.allowSplit = packed.allowSplit
        if packed.hasRare { entry.rare = rare[place] }
        return entry
    }

    /// Oldest first.
    var all: [LedgerEntry] {
        packed.indices.map { entry(at: ($0 + oldest) % packed.count) }
    }
}
