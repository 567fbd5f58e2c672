/// The partition's newest ledger entries, found by command and by the reservation or transfer that they ended.
///
/// Because the window is exactly the last entries of the ledger, it is restored from the ledger's tail as it
/// was, and a repeat gets the same answer before and after a restart. It forgets by count when an entry is
/// added, and by age when it is asked; what it has of a command is all of its entries or none.
struct DedupeWindow: Sendable {
    private(set) var capacity: Int
    var age: Int64
    /// Whether it is asked what was decided. Who only folds the ledger needs no more than the place of the oldest
    /// entry, on which the books of the partition depend.
    private let answers: Bool
    private var ring: RememberedEntries
    /// What is kept of each entry where the window does not answer.
    private var marks: [Mark] = []
    /// The entry that was marked last.
    private var marked: LedgerEntry?
    /// Where the oldest mark stands once there are as many as there may be.
    private var oldest = 0
    /// So many of the oldest entries are of an earlier log, in which offsets meant something else.
    private var earlierCount = 0
    /// Where the first own entry of each command stands.
    private var ownByCommand = PlaceIndex()
    /// Where the first of the entries stands that ended a reservation together.
    private var endingByReservation = PlaceIndex()
    private var endingByTransfer: [ID: Int] = [:]
    private var shippedByOrder: [OrderKey: Int64] = [:]

    private struct Mark {
        /// The offset of the entry's command.
        let source: Int64
        /// The same for all entries of a command, and another than its neighbours'.
        let command: Int
    }

    private struct OrderKey: Hashable {
        let sku: ID
        let order: ID
    }

    init(capacity: Int, age: Int64, answers: Bool = true) {
        precondition(capacity > 0)
        self.answers = answers
        self.capacity = capacity
        self.age = age
        ring = RememberedEntries(capacity: capacity)
    }

    var count: Int { answers ? ring.count : marks.count }

    /// Where the oldest remembered entry stands: the offset of its command; in an earlier log, how many entries
    /// before that log's end, as a negative number (-1 is the last one).
    var oldestPlace: Int64? {
        if count == 0 { return nil }
        if earlierCount > 0 { return -Int64(earlierCount) }
        return answers ? ring.source(ring.oldest).offset : marks[oldest].source
    }

    /// What is remembered now is of an earlier log.
    mutating func endEarlierLog() { earlierCount = count }

    /// The entries that decided the command, if they are remembered at `now`; else none.
    func decision(of commandID: PackedID, at now: Timestamp) -> [LedgerEntry] {
        guard let place = Self.placeOfOwn(ownByCommand, ring, commandID) else { return [] }
        return group(from: place, at: now) { ring.isOwn($0) }
    }

    /// The entries that ended the reservation, if they are remembered at `now`; else none.
    func ending(of reservationID: PackedID, at now: Timestamp) -> [LedgerEntry] {
        guard let place = Self.placeOfEnding(endingByReservation, ring, reservationID) else { return [] }
        let movement = ring.movement(place)
        return group(from: place, at: now) {
            ring.movement($0) == movement && ring.has($0, reservationID: reservationID)
        }
    }

    func ending(of reservationID: ID, at now: Timestamp) -> [LedgerEntry] {
        ending(of: PackedID(reservationID), at: now)
    }

    /// Without the window, which would be copied for it; likewise below.
    @inline(never)
    private static func placeOfOwn(_ places: PlaceIndex, _ ring: RememberedEntries, _ id: PackedID) -> Int? {
        var probe = places.probe(id.hash)
        while let place = places.next(&probe) {
            if ring.has(place, commandID: id) { return place }
        }
        return nil
    }

    @inline(never)
    private static func placeOfEnding(_ places: PlaceIndex, _ ring: RememberedEntries, _ id: PackedID) -> Int?
    {
        var probe = places.probe(id.hash)
        while let place = places.next(&probe) {
            if ring.has(place, reservationID: id) { return place }
        }
        return nil
    }

    /// The entry that ended the transfer, if it is remembered at `now`.
    func ending(ofTransfer id: ID, at now: Timestamp) -> LedgerEntry? {
        guard let place = endingByTransfer[id], isYoung(place, at: now) else { return nil }
        return ring.entry(at: place)
    }

    /// The units of the SKU that shipped for the order, as far as they are remembered by count.
    func shipped(_ sku: ID, for order: ID) -> Int64 {
        shippedByOrder[OrderKey(sku: sku, order: order)] ?? 0
    }

    private func isYoung(_ place: Int, at now: Timestamp) -> Bool {
        now.milliseconds - ring.at(place).milliseconds <= age
    }

    private func group(
        from first: Int, at now: Timestamp, where isWanted: (Int) -> Bool
    ) -> [LedgerEntry] {
        guard isYoung(first, at: now) else { return [] }
        var place = first
        var found: [LedgerEntry] = []
        // What belongs together stands together, so that a command that expired thousands of reservations costs
        // those who ask for one of them nothing.
        for _ in 0..<ring.count {
            guard ring.isOfSameCommand(place, as: first), isWanted(place) else { break }
            found.append(ring.entry(at: place))
            guard ring.more(place) else { break }
            place = ring.next(after: place)
        }
        return found
    }

    /// Oldest first; none where the window does not answer.
    var entries: [LedgerEntry] { answers ? ring.all : [] }

    /// Adds an entry; those of one command one after another.
    /// - Parameter isEarlier: whether it is of an earlier log; then all before it are.
    mutating func append(_ entry: LedgerEntry, isEarlier: Bool = false) {
        guard answers else { return mark(entry, isEarlier: isEarlier) }
        var isContinued = false
        if let newest = ring.newest, ring.isOfSameCommand(newest, as: entry) {
            ring.setMore(newest)
            isContinued = ring.isOwn(newest)
        }
        if ring.isFull {
            forget(at: ring.oldest)
            if earlierCount > 0 { earlierCount -= 1 }
        }
        // By their reservation are found those that ended one, and the first of several that did so together.
        let takenHash = entry.takesFromReservation ? entry.packed.reservation.hash : nil
        // Live, an entry is remembered before it is sealed; what is remembered must not tell a restored state.
        let place = ring.append(entry, reservationIDHash: takenHash)
        if isEarlier { earlierCount += 1 }
        if entry.isOwn && !isContinued {
            removeOwn(entry.packed.command)
            ownByCommand.insert(entry.packed.command.hash, place)
        }
        if entry.movement == .ship, let order = entry.orderID {
            shippedByOrder[OrderKey(sku: entry.sku, order: order), default: 0] += entry.quantity
        }
        if entry.endsReservation, entry.packed.hasReservation {
            let taken = entry.packed.reservation
            removeEnding(taken)
            endingByReservation.insert(taken.hash, firstOfEnding(entry, last: place))
        }
        if entry.endsTransfer, let id = entry.transferID { endingByTransfer[id] = place }
    }

    private mutating func removeOwn(_ commandID: PackedID) {
        var probe = ownByCommand.probe(commandID.hash)
        while let place = ownByCommand.next(&probe) {
            if ring.has(place, commandID: commandID) { return ownByCommand.remove(commandID.hash, place) }
        }
    }

    private mutating func removeEnding(_ reservationID: PackedID) {
        var probe = endingByReservation.probe(reservationID.hash)
        while let place = endingByReservation.next(&probe) {
            if ring.has(place, reservationID: reservationID) {
                return endingByReservation.remove(reservationID.hash, place)
            }
        }
    }

    private mutating func mark(_ entry: LedgerEntry, isEarlier: Bool) {
        let before = newestMark?.command ?? 0
        let isContinued = marked?.isOfSameCommand(as: entry) ?? false
        marked = entry
        append(Mark(source: entry.source.offset, command: isContinued ? before : before + 1), isEarlier)
    }

    private mutating func append(_ mark: Mark, _ isEarlier: Bool) {
        if marks.count < capacity {
            marks.append(mark)
        } else {
            marks[oldest] = mark
            oldest = (oldest + 1) % capacity
            if earlierCount > 0 { earlierCount -= 1 }
        }
        if isEarlier { earlierCount += 1 }
    }

    private var newestMark: Mark? { oldest == 0 ? marks.last : marks[oldest - 1] }

    private mutating func limitMarks(count: Int, age: Int64) {
        let all = Array(marks[oldest...] + marks[..<oldest])
        let kept = all.drop { $0.command == all[0].command }.suffix(count)
        let earlier = earlierCount - (all.count - kept.count)
        let marked = marked
        self = DedupeWindow(capacity: count, age: age, answers: false)
        self.marked = marked
        for (place, mark) in kept.enumerated() { append(mark, place < earlier) }
    }

    /// Goes back over the entries of the same command that took units of the same reservation in the same way.
    private func firstOfEnding(_ entry: LedgerEntry, last: Int) -> Int {
        guard entry.packed.hasReservation else { return last }
        let id = entry.packed.reservation
        var first = last
        for _ in 1..<max(ring.count, 1) {
            let place = ring.previous(before: first)
            guard ring.isOfSameCommand(place, as: entry), ring.movement(place) == entry.movement,
                ring.has(place, reservationID: id)
            else { break }
            first = place
        }
        return first
    }

    private mutating func forget(at place: Int) {
        ownByCommand.remove(ring.commandIDHash(place), place)
        if let hash = ring.reservationIDHash(place) { endingByReservation.remove(hash, place) }
        if ring.movement(place) != .ship, !ring.hasTransfer(place) { return }
        let entry = ring.entry(at: place)
        if let id = entry.transferID, endingByTransfer[id] == place { endingByTransfer[id] = nil }
        if entry.movement == .ship, let order = entry.orderID {
            let key = OrderKey(sku: entry.sku, order: order)
            let left = (shippedByOrder[key] ?? 0) - entry.quantity
            shippedByOrder[key] = left > 0 ? left : nil
        }
    }

    /// Takes on other limits. The command that the oldest entry belongs to is forgotten, because it may have
    /// been forgotten in part.
    mutating func limit(count: Int, age: Int64) {
        guard answers else { return limitMarks(count: count, age: age) }
        let all = entries
        let kept = all.drop { $0.isOfSameCommand(as: all[0]) }.suffix(count)
        let earlier = earlierCount - (all.count - kept.count)
        self = DedupeWindow(capacity: count, age: age)
        for (place, entry) in kept.enumerated() { append(entry, isEarlier: place < earlier) }
    }
}
