/// The live reservations, found by their SKUs and ids. In no order that means anything; the same as long as the same was done.
///
/// There may be millions, so one is packed: its texts are bytes beside its numbers, the names of its warehouse and its
/// channel are numbers, and there is no piece of memory for it alone. What does not fit in, such as units of several
/// warehouses, is kept whole apart.
struct ReservationTable: Sendable {
    /// 72 bytes: the id, then the order's.
    private typealias Text = (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)

    /// A reservation of one warehouse, or the place of one that is kept apart. It holds no reference.
    private struct Packed {
        var text: Text = (0, 0, 0, 0, 0, 0, 0, 0, 0)
        var reservedAt = Timestamp(milliseconds: 0)
        var expiresAt = Timestamp(milliseconds: 0)
        var sequence: Int64 = 0
        var changed: Int64 = 0
        var commandHash: UInt64 = 0
        var quantity: Int64 = 0
        var item: Int32 = 0
        var warehouse: UInt16 = 0
        /// 0 for none, else its name's number and 1.
        var channel: UInt16 = 0
        var idLength: UInt8 = 0
        var orderLength: UInt8 = 0
        var kind = Kind.free
        var isNamed = false
        var allowSplit = false
        var isExtended = false
    }

    private enum Kind {
        case free, packed, apart
    }

    /// A reservation whose ids are kept as texts, which take less memory for long.
    private struct Apart {
        var reservation: Reservation
        let id: ID
        let orderID: ID

        private static let nobody = ReservationIDs(PackedIDs())

        init(_ reservation: Reservation) {
            (id, orderID) = (reservation.id, reservation.orderID)
            self.reservation = reservation
            self.reservation.packed = Self.nobody
        }

        func whole(_ known: PackedIDs?) -> Reservation {
            var whole = reservation
            if let known, known.reservation.isEqual(to: id), known.order.isEqual(to: orderID) {
                whole.packed = ReservationIDs(known)
            } else {
                whole.packed = ReservationIDs(PackedID(id), PackedID(orderID))
            }
            return whole
        }
    }

    /// Packed ones in pieces of the same size: an array of all would have to be twice as large while it grows.
    private var pieces: [[Packed]] = []
    private static let pieceSize = 512
    private var free: [Int] = []
    /// Those that do not fit in, by their places.
    private var apart: [Int: Apart] = [:]
    private var places = PlaceIndex()
    private var names = Names()
    private(set) var count = 0

    private subscript(place place: Int) -> Packed {
        get { pieces[place / Self.pieceSize][place % Self.pieceSize] }
        set { pieces[place / Self.pieceSize][place % Self.pieceSize] = newValue }
    }

    // MARK: By id

    /// Where the reservation stands for as long as it lives.
    ///
    /// Apart from its callers, which would count all references of the table for it; likewise `unpacked`.
    @inline(never)
    func place(of id: PackedID, item: Int) -> Int? {
        var probe = places.probe(IDHash.of(id, item: item))
        while let place = places.next(&probe) {
            if has(place, id: id, item: item) { return place }
        }
        return nil
    }

    func contains(_ id: ID, item: Int) -> Bool { self[id, item] != nil }

    subscript(id: PackedID, item: Int) -> Reservation? { reservation(id, item: item) }

    /// None where the text is longer than an id can be.
    subscript(id: ID, item: Int) -> Reservation? {
        id.count > Limits.idBytes ? nil : self[PackedID(id), item]
    }

    /// The reservation of an item with an id.
    ///
    /// - Parameter known: its ids as far as the caller knows them, which are taken if they have the same bytes.
    func reservation(_ id: PackedID, item: Int, known: PackedIDs? = nil) -> Reservation? {
        guard let place = place(of: id, item: item) else { return nil }
        return unpacked(place, known)
    }

    /// Where a reservation stands or would come to stand.
    struct Found {
        /// Nil where there is none.
        fileprivate let place: Int?
    }

    /// Mutating for its callers, which are, and would count all references of the table for it else.
    mutating func look(for id: PackedID, item: Int) -> Found {
        var probe = places.probe(IDHash.of(id, item: item))
        while let place = places.next(&probe) {
            if has(place, id: id, item: item) { return Found(place: place) }
        }
        return Found(place: nil)
    }

    subscript(at found: Found, known: PackedIDs) -> Reservation? { found.place.map { unpacked($0, known) } }

    /// Adds a reservation, or takes it in place of the one with its id.
    ///
    /// - Returns: where it stands.
    @discardableResult
    mutating func set(_ reservation: Reservation) -> Int {
        let found = look(for: reservation.packed.reservation, item: reservation.item)
        return set(reservation, found)
    }

    /// The same, for who has looked for its id and done nothing else since.
    mutating func set(_ reservation: Reservation, _ found: Found) -> Int {
        guard let place = found.place else { return add(reservation) }
        store(reservation, at: place)
        return place
    }

    /// Nothing happens where it is not there.
    mutating func remove(_ id: PackedID, item: Int) {
        guard let place = place(of: id, item: item) else { return }
        places.remove(IDHash.of(id, item: item), place)
        if self[place: place].kind == .apart { apart[place] = nil }
        self[place: place].kind = .free
        free.append(place)
        count -= 1
    }

    private mutating func add(_ reservation: Reservation) -> Int {
        let place = free.popLast() ?? newPlace()
        store(reservation, at: place)
        places.insert(IDHash.of(reservation.packed.reservation, item: reservation.item), place)
        count += 1
        return place
    }

    private mutating func newPlace() -> Int {
        if pieces.last?.count ?? Self.pieceSize == Self.pieceSize {
            var piece: [Packed] = []
            // The first grows as it is needed: many partitions have few reservations.
            if !pieces.isEmpty { piece.reserveCapacity(Self.pieceSize) }
            pieces.append(piece)
        }
        pieces[pieces.count - 1].append(Packed())
        return (pieces.count - 1) * Self.pieceSize + pieces[pieces.count - 1].count - 1
    }

    // MARK: By place

    /// The reservation at a place; nil if none is there any more.
    subscript(at place: Int) -> Reservation? {
        self[place: place].kind == .free ? nil : unpacked(place, nil)
    }

    /// When the reservation at a place comes due; nil if none is there any more.
    func due(at place: Int) -> Due? {
        let packed = self[place: place]
        return packed.kind == .free
            ? nil : Due(expiresAt: packed.expiresAt, sequence: packed.sequence, place: place)
    }

    /// Of which item the reservation at a place is, or was.
    func item(at place: Int) -> Int { Int(self[place: place].item) }

    /// The places of all.
    var all: [Int] {
        (0..<pieces.count * Self.pieceSize).filter {
            $0 % Self.pieceSize < pieces[$0 / Self.pieceSize].count && self[place: $0].kind != .free
        }
    }

    /// Gives all other items.
    mutating func changeItems(_ change: (Int) -> Int) {
        places = PlaceIndex()
        for place in all {
            let item = change(item(at: place))
            self[place: place].item = Int32(item)
            apart[place]?.reservation.item = item
            if let reservation = self[at: place] {
                places.insert(IDHash.of(reservation.packed.reservation, item: item), place)
            }
        }
    }

    // MARK: Packing

    private mutating func store(_ reservation: Reservation, at place: Int) {
        let wasApart = self[place: place].kind == .apart
        if let packed = pack(reservation) {
            if wasApart { apart[place] = nil }
            self[place: place] = packed
        } else {
            apart[place] = Apart(reservation)
            self[place: place] = Self.numbers(of: reservation, .apart)
        }
    }

    /// What is asked for by place, and stands there also where the reservation is kept apart.
    private static func numbers(of reservation: Reservation, _ kind: Kind) -> Packed {
        var packed = Packed()
        packed.kind = kind
        packed.expiresAt = reservation.expiresAt
        packed.sequence = reservation.sequence
        packed.item = Int32(reservation.item)
        return packed
    }

    /// Nil for one that does not fit in.
    private mutating func pack(_ reservation: Reservation) -> Packed? {
        guard reservation.backordered == 0, reservation.allocations.count == 1 else { return nil }
        let allocation = reservation.allocations[0]
        if let named = reservation.named, named != allocation.warehouse { return nil }
        let (idLength, orderLength) = (reservation.packed.reservation.count, reservation.packed.order.count)
        guard idLength + orderLength <= MemoryLayout<Text>.size,
            let warehouse = names.number(of: allocation.warehouse)
        else { return nil }
        var channel: UInt16 = 0
        if let name = reservation.channel {
            guard let number = names.number(of: name), number < UInt16.max else { return nil }
            channel = number + 1
        }
        var packed = Self.numbers(of: reservation, .packed)
        packed.reservedAt = reservation.reservedAt
        packed.changed = reservation.changed
        packed.commandHash = reservation.commandHash
        packed.quantity = allocation.quantity
        packed.warehouse = warehouse
        packed.channel = channel
        packed.isNamed = reservation.named != nil
        packed.allowSplit = reservation.allowSplit
        packed.isExtended = reservation.isExtended
        packed.idLength = UInt8(idLength)
        packed.orderLength = UInt8(orderLength)
        withUnsafeMutableBytes(of: &packed.text) { text in
            Self.copy(reservation.packed.reservation, to: text, at: 0)
            Self.copy(reservation.packed.order, to: text, at: idLength)
        }
        return packed
    }

    private static func copy(_ id: PackedID, to text: UnsafeMutableRawBufferPointer, at place: Int) {
        id.withBytes { UnsafeMutableRawBufferPointer(rebasing: text[place...]).copyMemory(from: $0) }
    }

    private func has(_ place: Int, id: PackedID, item: Int) -> Bool {
        let packed = self[place: place]
        if Int(packed.item) != item { return false }
        guard packed.kind == .packed else { return apart[place].map { id.isEqual(to: $0.id) } ?? false }
        return Self.has(packed, 0, packed.idLength, id)
    }

    private static func has(_ packed: Packed, _ start: UInt8, _ count: UInt8, _ id: PackedID) -> Bool {
        guard id.count == count else { return false }
        return withUnsafeBytes(of: packed.text) { text in
            let own = UnsafeRawBufferPointer(rebasing: text[Int(start)..<Int(start) + Int(count)])
            guard let own = own.baseAddress else { return true }
            return id.withBytes { RawBytes.areEqual(own, $0.baseAddress!, Int(count)) }
        }
    }

    private static func id(_ packed: Packed, _ start: UInt8, _ count: UInt8) -> PackedID {
        withUnsafeBytes(of: packed.text) { text in
            PackedID(utf8: UnsafeRawBufferPointer(rebasing: text[Int(start)..<Int(start) + Int(count)]))
        }
    }

    private static func ids(_ packed: Packed, _ known: PackedIDs?) -> ReservationIDs {
        if let known, has(packed, 0, packed.idLength, known.reservation),
            has(packed, packed.idLength, packed.orderLength, known.order)
        {
            return ReservationIDs(known)
        }
        return ReservationIDs(
            id(packed, 0, packed.idLength), id(packed, packed.idLength, packed.orderLength))
    }

    /// - Parameter known: its ids as they are known, which are taken if they have the same bytes.
    @inline(never)
    private func unpacked(_ place: Int, _ known: PackedIDs?) -> Reservation {
        let packed = self[place: place]
        if packed.kind == .apart, let reservation = apart[place] { return reservation.whole(known) }
        precondition(packed.kind == .packed, "no reservation lives there")
        let warehouse = names[packed.warehouse]
        return Reservation(
            packed: Self.ids(packed, known),
            allocations: Allocations(Allocation(warehouse: warehouse, quantity: packed.quantity)),
            backordered: 0, channel: packed.channel == 0 ? nil : names[packed.channel - 1],
            named: packed.isNamed ? warehouse : nil, allowSplit: packed.allowSplit,
            isExtended: packed.isExtended, reservedAt: packed.reservedAt, expiresAt: packed.expiresAt,
            sequence: packed.sequence, changed: packed.changed, commandHash: packed.commandHash,
            item: Int(packed.item))
    }
}

/// Names by their numbers: those of warehouses and channels, of which there are few.
private struct Names: Sendable {
    private var names: [ID] = []
    private var numbers: [ID: UInt16] = [:]
    private var last: UInt16 = 0

    subscript(number: UInt16) -> ID { names[Int(number)] }

    /// Nil where there are too many.
    mutating func number(of name: ID) -> UInt16? {
        if Int(last) < names.count, names[Int(last)] == name { return last }
        if let number = numbers[name] {
            last = number
            return number
        }
        guard names.count < UInt16.max else { return nil }
        last = UInt16(names.count)
        names.append(name)
        numbers[name] = last
        return last
    }
}
