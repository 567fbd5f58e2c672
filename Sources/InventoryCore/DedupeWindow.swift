/// The partition's newest commands, as far as they stand in its ledger: what was decided, found by command and by the
/// reservation or transfer that it ended. Ids are unique within a SKU, so they are looked for with theirs.
///
/// Because the window is exactly the last commands of the ledger, it is restored from the ledger's tail as it
/// was, and a repeat gets the same answer before and after a restart. It forgets by count when a command is
/// added, and by age when it is asked.
struct DedupeWindow: Sendable {
    private(set) var capacity: Int
    var age: Int64
    /// Whether it is asked what was decided. Who only folds the ledger needs no more than the place of the oldest
    /// command, on which the books of the partition depend.
    private let answers: Bool
    /// How many commands are remembered.
    private(set) var count = 0
    /// Whether there were more.
    private(set) var hasForgotten = false
    private var ring = DecisionRing()
    private var code = RememberedCode()
    /// The offsets of the commands where the window does not answer.
    private var marks = OffsetRing()
    /// So many of the oldest commands are of an earlier log, in which offsets meant something else.
    private var earlierCount = 0
    /// When that log had ended.
    private var earlierEnd = Timestamp(milliseconds: 0)
    private var byCommand = SegmentedIndex()
    private var byReservation = SegmentedIndex()
    private var byTransfer = SegmentedIndex()
    /// The newest shipment of each SKU and order; it says how many units had shipped before.
    private var byOrder = SegmentedIndex()
    /// Of orders of which shipments are forgotten and others are not: the units of the forgotten ones.
    private var forgottenShipments: [Shipments: Int64] = [:]

    /// Those of a SKU for an order.
    private struct Shipments: Hashable {
        let item: Int
        let order: ID

        init(_ found: Remembered) { (item, order) = (found.item, found.order.id) }

        init(item: Int, order: ID) { (self.item, self.order) = (item, order) }
    }

    init(capacity: Int, age: Int64, answers: Bool = true) {
        precondition(capacity > 0)
        self.answers = answers
        self.capacity = capacity
        self.age = age
    }

    /// Where the oldest remembered command stands: its offset; in an earlier log, how many commands before that log's
    /// end, as a negative number (-1 is the last one).
    var oldestPlace: Int64? {
        if count == 0 { return nil }
        if earlierCount > 0 { return -Int64(earlierCount) }
        return answers ? cause(ring.begin).source.offset : marks.first
    }

    /// The time of what was remembered last.
    var newestAt: Timestamp? { ring.newest.map { remembered($0).at } }

    /// What is remembered now is of an earlier log, which ended before a command of `at`.
    mutating func endEarlierLog(at: Timestamp) {
        earlierCount = count
        earlierEnd = at
    }

    // MARK: What was decided

    /// Where that stands which decided a command of that id, if it is remembered. An id that was used again for another
    /// content, once the first was too old to be told, has several decisions: the newest.
    ///
    /// - Parameter content: the command's fingerprint; nil for any.
    func place(of commandID: PackedID, item: Int, content: UInt64? = nil) -> Int64? {
        Self.placeOfOwn(byCommand, ring, code, commandID, item, content)
    }

    /// What stands at a place.
    @inline(never)
    func remembered(_ place: Int64) -> Remembered {
        ring.read(place) { code.read($0, ring.base(of: place)) }
    }

    /// Whether the reservation has ended, if that is remembered at `now`.
    func hasEnded(_ reservationID: PackedID, item: Int, at now: Timestamp) -> Bool {
        guard let place = Self.placeOfEnding(byReservation, ring, code, reservationID, item) else {
            return false
        }
        return isYoung(cause(place).at, at: now)
    }

    /// How the reservation ended, if that is remembered at `now`.
    func ending(of reservationID: PackedID, item: Int, at now: Timestamp) -> Remembered? {
        guard let place = Self.placeOfEnding(byReservation, ring, code, reservationID, item) else {
            return nil
        }
        let found = remembered(place)
        return isYoung(found, at: now) ? found : nil
    }

    /// How the transfer ended, if that is remembered at `now`.
    func ending(ofTransfer id: PackedID, item: Int, at now: Timestamp) -> Remembered? {
        var probe = byTransfer.probe(Self.hash(id, item))
        while let told = byTransfer.next(&probe) {
            let found = remembered(ring.place(told: told))
            if found.item == item, found.transfer == id { return isYoung(found, at: now) ? found : nil }
        }
        return nil
    }

    /// The units of the SKU that shipped for the order, as far as they are remembered by count.
    func shipped(item: Int, for order: PackedID) -> Int64 {
        guard let place = shipment(for: order, item: item) else { return 0 }
        let newest = remembered(place)
        let units = newest.shippedBefore + newest.shipped
        return forgottenShipments.isEmpty ? units : units - (forgottenShipments[Shipments(newest)] ?? 0)
    }

    func isYoung(_ found: Remembered, at now: Timestamp) -> Bool { isYoung(found.at, at: now) }

    private func isYoung(_ decidedAt: Timestamp, at now: Timestamp) -> Bool {
        now.milliseconds - decidedAt.milliseconds <= age
    }

    /// Whether a command that is not remembered cannot have been decided, by the time that it was issued.
    ///
    /// What was forgotten came before what is remembered, and was issued at most `Limits.clockLead` after it came.
    func covers(_ issuedAt: Timestamp) -> Bool {
        guard hasForgotten else { return true }
        guard count > 0 else { return false }
        var horizon = cause(ring.begin).at
        if earlierCount > 0 { horizon = max(horizon, earlierEnd) }
        return issuedAt.milliseconds > horizon.milliseconds + Limits.clockLead
    }

    private func cause(_ place: Int64) -> (at: Timestamp, source: Source) {
        ring.read(place) { RememberedCode.cause($0, ring.base(of: place)) }
    }

    private static func hash(_ id: PackedID, _ item: Int) -> UInt32 { IDHash.of(id, item: item) }

    /// Without the window, which would be copied for it; likewise below.
    @inline(never)
    private static func placeOfOwn(
        _ places: SegmentedIndex, _ ring: DecisionRing, _ code: RememberedCode, _ id: PackedID, _ item: Int,
        _ content: UInt64?
    ) -> Int64? {
        var probe = places.probe(hash(id, item))
        var newest: Int64?
        while let told = places.next(&probe) {
            let place = ring.place(told: told)
            if let newest, place < newest { continue }
            let found = ring.read(place) { code.commandID($0) }
            guard found.item == item, found.id == id else { continue }
            if content == nil || content == found.content { newest = place }
        }
        return newest
    }

    @inline(never)
    private static func placeOfEnding(
        _ places: SegmentedIndex, _ ring: DecisionRing, _ code: RememberedCode, _ id: PackedID, _ item: Int
    ) -> Int64? {
        var probe = places.probe(hash(id, item))
        while let told = places.next(&probe) {
            let place = ring.place(told: told)
            let found = ring.read(place) { code.read($0, ring.base(of: place)) }
            if found.item == item, found.reservation == id { return place }
        }
        return nil
    }

    private func shipment(for order: PackedID, item: Int) -> Int64? {
        var probe = byOrder.probe(Self.hash(order, item))
        while let told = byOrder.next(&probe) {
            let place = ring.place(told: told)
            let found = remembered(place)
            if found.item == item, found.order == order { return place }
        }
        return nil
    }

    /// All that is remembered, oldest first; nothing where the window does not answer.
    var all: [Remembered] {
        var found: [Remembered] = []
        var place: Int64? = ring.isEmpty ? nil : ring.begin
        while let here = place {
            var one = remembered(here)
            // It depends on what is forgotten.
            one.shippedBefore = 0
            found.append(one)
            place = ring.next(after: here)
        }
        return found
    }

    // MARK: Remembering

    /// Adds an entry; those of one command one after another.
    ///
    /// - Parameters:
    ///   - item: where its SKU stands.
    ///   - continues: whether it is of the same command as the one before.
    mutating func append(_ entry: LedgerEntry, item: Int, continues: Bool) {
        if !continues {
            if count >= capacity { forgetOldest() }
            count += 1
        }
        guard answers else {
            if !continues { marks.append(entry.source.offset) }
            return
        }
        withUnsafePointer(to: entry) { append($0, item, continues) }
    }

    /// By the entry's place: a field of a large value is read there at once, and else through a call.
    private mutating func append(_ entry: UnsafePointer<LedgerEntry>, _ item: Int, _ continues: Bool) {
        let movement = entry.pointee.movement
        let kind: Remembered.Kind =
            entry.pointee.isOwn ? .own : movement == .expire || movement == .lose ? .ending : .nothing
        if continues {
            if kind == .nothing { return }
            if extendNewest(entry, kind, item) { return }
        }
        let ids = entry.pointee.packed
        let ships = kind == .own && (movement == .ship || movement == .reacquire) && !ids.order.isNone
        let shipment = ships ? shipment(for: ids.order, item: item) : nil
        var before: Int64? = ships ? 0 : nil
        if let shipment {
            let found = remembered(shipment)
            before = found.shippedBefore + found.shipped
        }
        let place = write(entry, kind, item, isFirst: !continues, shippedBefore: before)
        if kind == .own { takeOwn(ids.command, item, entry.pointee.commandHash, place) }
        if ships { takeShipment(ids.order, item, place, after: shipment) }
        if entry.pointee.takesFromReservation, entry.pointee.remaining == 0, ids.hasReservation {
            takeEnding(ids.reservation, item, place)
        }
        if entry.pointee.endsTransfer, let id = entry.pointee.transferID {
            takeEnding(ofTransfer: PackedID(id), item, place)
        }
    }

    private mutating func write(
        _ entry: UnsafePointer<LedgerEntry>, _ kind: Remembered.Kind, _ item: Int, isFirst: Bool,
        shippedBefore: Int64?
    ) -> Int64 {
        let base = ring.makeRoom(
            for: RememberedCode.room,
            DecisionRing.Base(at: entry.pointee.at.milliseconds, offset: entry.pointee.source.offset))
        return withUnsafeTemporaryAllocation(byteCount: RememberedCode.room, alignment: 8) { bytes in
            let start = bytes.baseAddress!
            let count = code.write(
                entry, kind, item: item, isFirst: isFirst, shippedBefore: shippedBefore, base: base, to: start
            )
            return ring.add(start, count)
        }
    }

    /// Adds the entry to what was remembered last, if it is of the same decision or of the same end.
    private mutating func extendNewest(
        _ entry: UnsafePointer<LedgerEntry>, _ kind: Remembered.Kind, _ item: Int
    ) -> Bool {
        guard let newest = ring.newest, ring.read(newest, RememberedCode.kind) == kind else { return false }
        let ids = entry.pointee.packed
        if kind == .ending {
            let found = remembered(newest)
            guard found.parts.last?.movement == entry.pointee.movement, found.reservation == ids.reservation,
                found.parts.last?.remaining != 0
            else { return false }
        }
        let place = withUnsafeTemporaryAllocation(byteCount: RememberedCode.partRoom, alignment: 8) { bytes in
            ring.extendNewest(bytes.baseAddress!, code.writePart(entry, to: bytes.baseAddress!))
        }
        if place != newest { move(remembered(place), from: newest, to: place) }
        if entry.pointee.takesFromReservation, entry.pointee.remaining == 0, ids.hasReservation {
            takeEnding(ids.reservation, item, place)
        }
        if entry.pointee.endsTransfer, let id = entry.pointee.transferID {
            takeEnding(ofTransfer: PackedID(id), item, place)
        }
        return true
    }

    /// What is found by a place is found by another.
    private mutating func move(_ found: Remembered, from old: Int64, to new: Int64) {
        let (old, new) = (DecisionRing.told(old), DecisionRing.told(new))
        if found.kind == .own {
            let hash = Self.hash(found.commandID, found.item)
            byCommand.remove(hash, old)
            byCommand.insert(hash, new)
        }
        if found.parts.contains(where: { $0.movement == .ship || $0.movement == .reacquire }),
            !found.order.isNone
        {
            let hash = Self.hash(found.order, found.item)
            byOrder.remove(hash, old)
            byOrder.insert(hash, new)
        }
        let hash = Self.hash(found.transfer, found.item)
        if !found.transfer.isNone, byTransfer.remove(hash, old) { byTransfer.insert(hash, new) }
    }

    /// In the place of the one before of the same content; one of another stays, as its command may come again.
    private mutating func takeOwn(_ id: PackedID, _ item: Int, _ content: UInt64, _ place: Int64) {
        if let known = Self.placeOfOwn(byCommand, ring, code, id, item, content) {
            byCommand.remove(Self.hash(id, item), DecisionRing.told(known))
        }
        byCommand.insert(Self.hash(id, item), DecisionRing.told(place))
    }

    private mutating func takeShipment(_ order: PackedID, _ item: Int, _ place: Int64, after earlier: Int64?)
    {
        let hash = Self.hash(order, item)
        if let earlier { byOrder.remove(hash, DecisionRing.told(earlier)) }
        byOrder.insert(hash, DecisionRing.told(place))
    }

    private mutating func takeEnding(_ id: PackedID, _ item: Int, _ place: Int64) {
        if let known = Self.placeOfEnding(byReservation, ring, code, id, item) {
            byReservation.remove(Self.hash(id, item), DecisionRing.told(known))
        }
        byReservation.insert(Self.hash(id, item), DecisionRing.told(place))
    }

    private mutating func takeEnding(ofTransfer id: PackedID, _ item: Int, _ place: Int64) {
        let hash = Self.hash(id, item)
        var probe = byTransfer.probe(hash)
        while let told = byTransfer.next(&probe) {
            let found = remembered(ring.place(told: told))
            guard found.item == item, found.transfer == id else { continue }
            byTransfer.remove(hash, told)
            break
        }
        byTransfer.insert(hash, DecisionRing.told(place))
    }

    // MARK: Forgetting

    /// Forgets the oldest command.
    mutating func forgetOldest() {
        precondition(count > 0, "nothing is remembered")
        count -= 1
        hasForgotten = true
        if earlierCount > 0 { earlierCount -= 1 }
        guard answers else { return marks.removeFirst() }
        repeat {
            forget(ring.begin)
            ring.removeOldest()
        } while !ring.isEmpty && !ring.read(ring.begin, RememberedCode.isFirst)
    }

    private mutating func forget(_ place: Int64) {
        guard let keys = ring.read(place, { code.keys($0) }) else { return }
        let told = DecisionRing.told(place)
        if let hash = keys.command { byCommand.remove(hash, told) }
        if let hash = keys.reservation { byReservation.remove(hash, told) }
        if let hash = keys.order {
            let isNewest = byOrder.remove(hash, told)
            if keys.ships, !isNewest || !forgottenShipments.isEmpty {
                forgetShipment(place, isNewest: isNewest)
            }
        }
        if let hash = keys.transfer { byTransfer.remove(hash, told) }
    }

    private mutating func forgetShipment(_ place: Int64, isNewest: Bool) {
        let found = remembered(place)
        forgottenShipments[Shipments(found)] = isNewest ? nil : found.shippedBefore + found.shipped
    }

    /// Takes on other limits.
    mutating func limit(count: Int, age: Int64) {
        precondition(count > 0)
        self.age = age
        capacity = count
        while self.count > count { forgetOldest() }
    }

    /// Forgets commands that stand before a place.
    mutating func forget(before place: Int64) {
        while let oldest = oldestPlace, oldest < place { forgetOldest() }
    }

    /// Gives the SKUs of all other places.
    mutating func changeItems(_ change: (Int) -> Int) {
        byCommand = SegmentedIndex()
        byReservation = SegmentedIndex()
        byTransfer = SegmentedIndex()
        byOrder = SegmentedIndex()
        let forgotten = forgottenShipments
        forgottenShipments = [:]
        for (key, units) in forgotten {
            forgottenShipments[Shipments(item: change(key.item), order: key.order)] = units
        }
        var next: Int64? = ring.isEmpty ? nil : ring.begin
        while let place = next {
            next = ring.next(after: place)
            var found = remembered(place)
            if found.kind == .nothing { continue }
            found.item = change(found.item)
            ring.change(place) { RememberedCode.setItem(found.item, $0) }
            if found.kind == .own { takeOwn(found.commandID, found.item, found.commandHash, place) }
            if found.shipped > 0, !found.order.isNone {
                takeShipment(
                    found.order, found.item, place, after: shipment(for: found.order, item: found.item))
            }
            guard let last = found.parts.last else { continue }
            if !found.reservation.isNone, last.remaining == 0 {
                takeEnding(found.reservation, found.item, place)
            }
            if !found.transfer.isNone, last.movement != .transferIn || last.remaining == 0 {
                takeEnding(ofTransfer: found.transfer, found.item, place)
            }
        }
    }
}

/// Offsets, of which the first go first; in chunks, so that they are not copied as a whole.
private struct OffsetRing: Sendable {
    private static let chunk = 4096
    private var chunks: [[Int64]] = []
    private var firstChunk = 0
    private var place = 0

    var first: Int64? { firstChunk < chunks.count ? chunks[firstChunk][place] : nil }

    mutating func append(_ offset: Int64) {
        if chunks.count == firstChunk || chunks[chunks.count - 1].count == Self.chunk {
            chunks.append([])
        }
        chunks[chunks.count - 1].append(offset)
    }

    mutating func removeFirst() {
        place += 1
        if place < chunks[firstChunk].count { return }
        chunks[firstChunk] = []
        firstChunk += 1
        place = 0
        if firstChunk > 16, 2 * firstChunk > chunks.count {
            chunks.removeFirst(firstChunk)
            firstChunk = 0
        }
    }
}
