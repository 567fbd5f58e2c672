/// The live reservations, found by their ids. In no order that means anything; the same as long as the same was done.
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

    /// Packed ones in pieces of the same size: an array of all would have to be twice as large while it grows.
    private var pieces: [[Packed]] = []
    private static let pieceSize = 512
    private var free: [Int] = []
    /// Those that do not fit in, by their places.
    private var apart: [Int: Reservation] = [:]
    private var places = PlaceIndex()
    private var names = Names()
    private(set) var count = 0

    private subscript(place place: Int) -> Packed {
        get { pieces[place / Self.pieceSize][place % Self.pieceSize] }
        set { pieces[place / Self.pieceSize][place % Self.pieceSize] = newValue }
    }

    // MARK: By id

    /// Where the reservation stands for as long as it lives.
    func place(of id: String) -> Int? { place(of: id, IDHash.of(id)) }

    /// Apart from its callers, which would count all references of the table for it; likewise `unpacked`.
    @inline(never)
    private func place(of id: String, _ hash: UInt32) -> Int? {
        var probe = places.probe(hash)
        while let place = places.next(&probe) {
            if has(place, id: id) { return place }
        }
        return nil
    }

    func contains(_ id: String) -> Bool { place(of: id) != nil }

    subscript(id: String) -> Reservation? {
        get { reservation(id) }
        set {
            guard let newValue else { return remove(id) }
            precondition(newValue.id == id)
            set(newValue)
        }
    }

    /// The reservation with an id.
    ///
    /// - Parameter orderID: its order as far as the caller knows, which is taken if it is that.
    func reservation(_ id: String, orderID: String? = nil) -> Reservation? {
        guard let place = place(of: id) else { return nil }
        return unpacked(place, id, orderID)
    }

    /// Where a reservation stands or would come to stand.
    struct Found {
        fileprivate let hash: UInt32
        /// Nil where there is none.
        fileprivate let place: Int?
    }

    /// Mutating for its callers, which are, and would count all references of the table for it else.
    mutating func look(for id: String) -> Found {
        let hash = IDHash.of(id)
        var probe = places.probe(hash)
        while let place = places.next(&probe) {
            if has(place, id: id) { return Found(hash: hash, place: place) }
        }
        return Found(hash: hash, place: nil)
    }

    subscript(at found: Found, id: String) -> Reservation? { found.place.map { unpacked($0, id) } }

    /// Adds a reservation, or takes it in place of the one with its id.
    ///
    /// - Returns: where it stands.
    @discardableResult
    mutating func set(_ reservation: Reservation) -> Int {
        let found = look(for: reservation.id)
        return set(reservation, found)
    }

    /// The same, for who has looked for its id and done nothing else since.
    mutating func set(_ reservation: Reservation, _ found: Found) -> Int {
        guard let place = found.place else { return add(reservation, found.hash) }
        store(reservation, at: place)
        return place
    }

    private mutating func remove(_ id: String) {
        let hash = IDHash.of(id)
        guard let place = place(of: id, hash) else { return }
        places.remove(hash, place)
        if self[place: place].kind == .apart { apart[place] = nil }
        self[place: place].kind = .free
        free.append(place)
        count -= 1
    }

    private mutating func add(_ reservation: Reservation, _ hash: UInt32) -> Int {
        let place = free.popLast() ?? newPlace()
        store(reservation, at: place)
        places.insert(hash, place)
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
        for place in all {
            let item = change(item(at: place))
            self[place: place].item = Int32(item)
            apart[place]?.item = item
        }
    }

    // MARK: Packing

    private mutating func store(_ reservation: Reservation, at place: Int) {
        let wasApart = self[place: place].kind == .apart
        if let packed = pack(reservation) {
            if wasApart { apart[place] = nil }
            self[place: place] = packed
        } else {
            apart[place] = reservation
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
        if let named = reservation.named, !Names.areSame(named, allocation.warehouse) { return nil }
        let (idLength, orderLength) = (reservation.id.utf8.count, reservation.orderID.utf8.count)
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
            Self.copy(reservation.id, to: text, at: 0)
            Self.copy(reservation.orderID, to: text, at: idLength)
        }
        return packed
    }

    private static func copy(_ id: String, to text: UnsafeMutableRawBufferPointer, at place: Int) {
        id.withBytes { UnsafeMutableRawBufferPointer(rebasing: text[place...]).copyMemory(from: .init($0)) }
    }

    private func has(_ place: Int, id: String) -> Bool {
        let packed = self[place: place]
        guard packed.kind == .packed else { return apart[place]?.id == id }
        return Self.has(packed, 0, packed.idLength, id) || Self.text(packed, 0, packed.idLength) == id
    }

    private static func has(_ packed: Packed, _ start: UInt8, _ count: UInt8, _ id: String) -> Bool {
        return id.withBytes { utf8 in
            guard utf8.count == count else { return false }
            return withUnsafeBytes(of: packed.text) { text in
                let (own, other) = (text[Int(start)..<Int(start) + Int(count)], UnsafeRawBufferPointer(utf8))
                var index = 0
                while index + 8 <= other.count {
                    let word = text.loadUnaligned(fromByteOffset: own.startIndex + index, as: UInt64.self)
                    if word != other.loadUnaligned(fromByteOffset: index, as: UInt64.self) { return false }
                    index += 8
                }
                while index < other.count {
                    if own[own.startIndex + index] != other[index] { return false }
                    index += 1
                }
                return true
            }
        }
    }

    /// - Parameter known: a text that is taken if it has the same bytes.
    private static func text(
        _ packed: Packed, _ start: UInt8, _ count: UInt8, _ known: String? = nil
    ) -> String {
        if let known, has(packed, start, count, known) { return known }
        return withUnsafeBytes(of: packed.text) { text in
            String(decoding: text[Int(start)..<Int(start) + Int(count)], as: UTF8.self)
        }
    }

    /// - Parameters: its texts as they are known, which are taken if they have the same bytes.
    @inline(never)
    private func unpacked(_ place: Int, _ id: String?, _ orderID: String? = nil) -> Reservation {
        let packed = self[place: place]
        if packed.kind == .apart, let reservation = apart[place] { return reservation }
        precondition(packed.kind == .packed, "no reservation lives there")
        let warehouse = names[packed.warehouse]
        return Reservation(
            id: Self.text(packed, 0, packed.idLength, id),
            orderID: Self.text(packed, packed.idLength, packed.orderLength, orderID),
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
    private var names: [String] = []
    private var numbers: [String: UInt16] = [:]
    private var last: UInt16 = 0

    subscript(number: UInt16) -> String { names[Int(number)] }

    /// Nil where the name is known with other bytes, which are canonically equivalent, or where there are too many.
    mutating func number(of name: String) -> UInt16? {
        if Int(last) < names.count, Self.areSame(names[Int(last)], name) { return last }
        if let number = numbers[name] {
            guard Self.areSame(names[Int(number)], name) else { return nil }
            last = number
            return number
        }
        guard names.count < UInt16.max else { return nil }
        last = UInt16(names.count)
        names.append(name)
        numbers[name] = last
        return last
    }

    /// Whether both have the same bytes.
    static func areSame(_ one: String, _ other: String) -> Bool {
        one == other && one.utf8.elementsEqual(other.utf8)
    }
}
