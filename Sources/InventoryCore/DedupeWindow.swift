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
    private var ring: [LedgerEntry] = []
    /// What is kept of each entry where the window does not answer.
    private var marks: [Mark] = []
    /// The entry that was marked last.
    private var marked: LedgerEntry?
    /// Where the oldest entry stands once the ring is full.
    private var oldest = 0
    /// So many of the oldest entries are of an earlier log, in which offsets meant something else.
    private var earlierCount = 0
    /// Where the first own entry of each command stands.
    private var ownByCommand = PlaceIndex()
    /// Where the first of the entries stands that ended a reservation together.
    private var endingByReservation = PlaceIndex()
    private var endingByTransfer: [String: Int] = [:]
    private var shippedByOrder: [OrderKey: Int64] = [:]

    private struct Mark {
        /// The offset of the entry's command.
        let source: Int64
        /// The same for all entries of a command, and another than its neighbours'.
        let command: Int
    }

    private struct OrderKey: Hashable {
        let sku: String
        let order: String
    }

    init(capacity: Int, age: Int64, answers: Bool = true) {
        precondition(capacity > 0)
        self.answers = answers
        self.capacity = capacity
        self.age = age
    }

    var count: Int { answers ? ring.count : marks.count }

    /// Where the oldest remembered entry stands: the offset of its command; in an earlier log, how many entries
    /// before that log's end, as a negative number (-1 is the last one).
    var oldestPlace: Int64? {
        if count == 0 { return nil }
        if earlierCount > 0 { return -Int64(earlierCount) }
        return answers ? ring[oldest].source.offset : marks[oldest].source
    }

    /// What is remembered now is of an earlier log.
    mutating func endEarlierLog() { earlierCount = count }

    /// The entries that decided the command, if they are remembered at `now`; else none.
    func decision(of commandID: String, at now: Timestamp) -> [LedgerEntry] {
        group(from: placeOfOwn(commandID, IDHash.of(commandID)), at: now) { $0.isOwn }
    }

    /// The entries that ended the reservation, if they are remembered at `now`; else none.
    func ending(of reservationID: String, at now: Timestamp) -> [LedgerEntry] {
        let hash = IDHash.of(reservationID)
        guard let place = placeOfEnding(reservationID, hash) else { return [] }
        let movement = ring[place].movement
        return group(from: place, at: now) {
            $0.reservationID == reservationID && $0.movement == movement
        }
    }

    private func placeOfOwn(_ commandID: String, _ hash: UInt32) -> Int? {
        ownByCommand.place(hash) { ring[$0].commandID == commandID }
    }

    private func placeOfEnding(_ reservationID: String, _ hash: UInt32) -> Int? {
        endingByReservation.place(hash) { ring[$0].reservationID == reservationID }
    }

    /// The entry that ended the transfer, if it is remembered at `now`.
    func ending(ofTransfer id: String, at now: Timestamp) -> LedgerEntry? {
        guard let place = endingByTransfer[id], isYoung(ring[place], at: now) else { return nil }
        return ring[place]
    }

    /// The units of the SKU that shipped for the order, as far as they are remembered by count.
    func shipped(_ sku: String, for order: String) -> Int64 {
        shippedByOrder[OrderKey(sku: sku, order: order)] ?? 0
    }

    private func isYoung(_ entry: LedgerEntry, at now: Timestamp) -> Bool {
        now.milliseconds - entry.at.milliseconds <= age
    }

    private func group(
        from place: Int?, at now: Timestamp, where isWanted: (LedgerEntry) -> Bool
    ) -> [LedgerEntry] {
        guard var place, isYoung(ring[place], at: now) else { return [] }
        let first = ring[place]
        var found: [LedgerEntry] = []
        // What belongs together stands together, so that a command that expired thousands of reservations costs
        // those who ask for one of them nothing.
        for _ in 0..<ring.count where ring[place].isOfSameCommand(as: first) {
            guard isWanted(ring[place]) else { break }
            found.append(ring[place])
            guard ring[place].more else { break }
            place = place + 1 == ring.count ? 0 : place + 1
        }
        return found
    }

    /// Oldest first; none where the window does not answer.
    var entries: [LedgerEntry] { answers ? Array(ring[oldest...] + ring[..<oldest]) : [] }

    /// Adds an entry; those of one command one after another.
    /// - Parameter isEarlier: whether it is of an earlier log; then all before it are.
    mutating func append(_ entry: LedgerEntry, isEarlier: Bool = false) {
        guard answers else { return mark(entry, isEarlier: isEarlier) }
        var isContinued = false
        if let newest, ring[newest].isOfSameCommand(as: entry) {
            ring[newest].more = true
            isContinued = ring[newest].isOwn
        }
        let place: Int
        if ring.count < capacity {
            place = ring.count
            ring.append(entry)
        } else {
            place = oldest
            forget(at: place)
            ring[place] = entry
            oldest = (oldest + 1) % capacity
            if earlierCount > 0 { earlierCount -= 1 }
        }
        // Live, an entry is remembered before it is sealed; what is remembered must not tell a restored state.
        ring[place].chainHash = .origin
        if isEarlier { earlierCount += 1 }
        if entry.isOwn && !isContinued {
            let hash = IDHash.of(entry.commandID)
            if let before = placeOfOwn(entry.commandID, hash) { ownByCommand.remove(hash, before) }
            ownByCommand.insert(hash, place)
        }
        if entry.movement == .ship, let order = entry.orderID {
            shippedByOrder[OrderKey(sku: entry.sku, order: order), default: 0] += entry.quantity
        }
        if entry.endsReservation, let id = entry.reservationID {
            let hash = IDHash.of(id)
            if let before = placeOfEnding(id, hash) { endingByReservation.remove(hash, before) }
            endingByReservation.insert(hash, firstOfEnding(entry, last: place))
        }
        if entry.endsTransfer, let id = entry.transferID { endingByTransfer[id] = place }
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

    /// Where the newest entry stands.
    private var newest: Int? { ring.isEmpty ? nil : oldest == 0 ? ring.count - 1 : oldest - 1 }

    /// Goes back over the entries of the same command that took units of the same reservation in the same way.
    private func firstOfEnding(_ entry: LedgerEntry, last: Int) -> Int {
        var first = last
        for _ in 1..<max(ring.count, 1) {
            let place = first == 0 ? ring.count - 1 : first - 1
            guard ring[place].isOfSameCommand(as: entry), ring[place].reservationID == entry.reservationID,
                ring[place].movement == entry.movement
            else { break }
            first = place
        }
        return first
    }

    private mutating func forget(at place: Int) {
        ownByCommand.remove(IDHash.of(ring[place].commandID), place)
        if let id = ring[place].reservationID { endingByReservation.remove(IDHash.of(id), place) }
        if ring[place].transferID == nil, ring[place].movement != .ship { return }
        let entry = ring[place]
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
