import InventoryCore

/// The live reservations of the delayed-message topic and when each comes due, as a state machine: what is read
/// goes in, what is to be sent comes out.
///
/// The broker's clock is the truth: a reservation is due when the broker's time says so, because the `expire`
/// gets the broker's append time, and one that was appended too early changes nothing. How far the broker's
/// clock is ahead of ours is learnt from the acknowledgements, and before there are any from the records' own append
/// times: with a clock that is behind nothing would be sent, and so nothing learnt from acknowledgements alone.
package struct DelayQueue: Sendable {
    /// What the delayed-message topic holds.
    package enum Kind: Sendable {
        /// `stock.reservations`, due at their expiry.
        case reservations
        /// `stock.transfers`, due when they are overdue.
        case transfers
    }

    /// One command to send into the partition of the reservation or transfer: that it is due.
    package struct Request: Equatable, Sendable {
        /// Names the request in its acknowledgement; the topmost bit is free for the queue's owner.
        package var tag: UInt64
        package var partition: Int32
        package var command: Command
    }

    private struct Entry: Sendable {
        var partition: Int32
        var name: OwnedID
        /// Milliseconds since 1970.
        var dueAt: Int64
        /// The place of the reservation's message: it makes the command id.
        var offset: Int64
        var attempt: Int32
        /// Counts up when the slot's due time changes, so that older heap entries are known as stale.
        var version: UInt32
        var isFree: Bool
    }

    private struct Turn: Comparable, Sendable {
        var dueAt: Int64
        var slot: UInt32
        var version: UInt32

        static func < (left: Turn, right: Turn) -> Bool {
            (left.dueAt, left.slot) < (right.dueAt, right.slot)
        }
    }

    private struct Partition: Sendable {
        var slots: [OwnedID: UInt32] = [:]
        /// The reader has been at the topic's end, so what is still here is live.
        var isComplete = false
    }

    /// How long a request that failed waits before it is sent again, in milliseconds.
    package static let retryDelay: Int64 = 500

    private var entries: [Entry] = []
    private var freeSlots: [UInt32] = []
    private var turns = Heap<Turn>()
    /// What could not be sent, with the time to send it again by our clock: the broker's may not be known yet, and what
    /// is learnt of it must not move a retry away.
    private var retries = Heap<Turn>()
    private var partitions: [Int32: Partition] = [:]
    /// As the newest acknowledgement showed it: an `expire` is late by the way of the acknowledgement and the millisecond
    /// to which our clock is rounded, but not early.
    private var clock = BrokerClock()

    private let kind: Kind
    private let idPrefix: String

    /// - Parameter idPrefix: of the topics: topics that were grown have the same places under another prefix, and
    ///   what the earlier ones gave may still be remembered.
    package init(_ kind: Kind = .reservations, idPrefix: String = "") {
        self.kind = kind
        self.idPrefix = idPrefix
    }

    /// The broker's clock less ours, in milliseconds, as last seen.
    package var clockOffset: Int64 { clock.offset }

    /// Messages that are waited for.
    package var count: Int { entries.count - freeSlots.count }

    /// Places for reservations, in use or free: what its memory follows.
    package var slotCount: Int { entries.count }

    package var isComplete: Bool { partitions.values.allSatisfy(\.isComplete) }

    package mutating func assigned(_ partition: Int32) { partitions[partition] = Partition() }

    package mutating func revoked(_ partition: Int32) {
        guard let gone = partitions.removeValue(forKey: partition) else { return }
        for slot in gone.slots.values { free(slot) }
    }

    package mutating func reachedEnd(of partition: Int32) {
        guard partitions[partition]?.isComplete == false else { return }
        partitions[partition]!.isComplete = true
        // What came due while the partition was read was passed over; its turn is now.
        for slot in partitions[partition]!.slots.values { takeTurn(slot, at: entries[Int(slot)].dueAt) }
    }

    /// A message of the topic: a reservation that lives, or has a new due time.
    package mutating func saw(_ reservation: ReservationSnapshot, partition: Int32, offset: Int64) {
        saw(
            reservation.owned, dueAt: reservation.expiresAt.milliseconds, partition: partition, offset: offset
        )
    }

    /// A message of the topic: a transfer that is under way, or was told to be overdue.
    package mutating func saw(_ transfer: TransferSnapshot, partition: Int32, offset: Int64) {
        if let expectedAt = transfer.expectedAt, !transfer.isOverdue {
            saw(transfer.owned, dueAt: expectedAt.milliseconds, partition: partition, offset: offset)
        } else {
            sawEnd(of: transfer.owned, partition: partition)
        }
    }

    private mutating func saw(_ name: OwnedID, dueAt: Int64, partition: Int32, offset: Int64) {
        guard partitions[partition] != nil else { return }
        if let slot = partitions[partition]!.slots[name] { free(slot) }
        let slot = store(
            Entry(
                partition: partition, name: name, dueAt: dueAt, offset: offset, attempt: 0, version: 0,
                isFree: false))
        partitions[partition]!.slots[name] = slot
        if partitions[partition]!.isComplete { takeTurn(slot, at: dueAt) }
    }

    /// Any record of the topic: the broker's clock is at least where it was when it appended the record.
    /// - Parameters:
    ///   - appendedAt: the broker's append time, in milliseconds since 1970; never a producer's time.
    ///   - now: our clock when the record was read.
    package mutating func heard(appendedAt: Int64, at now: Int64) {
        clock.heard(appendedAt: appendedAt, at: now)
    }

    /// A tombstone of the topic: the reservation or transfer has ended.
    package mutating func sawEnd(of name: OwnedID, partition: Int32) {
        if let slot = partitions[partition]?.slots.removeValue(forKey: name) { free(slot) }
    }

    /// When the next request is due by our clock, in milliseconds since 1970.
    package mutating func nextDue() -> Int64? {
        dropStaleTurns()
        let due = turns.first.map { $0.dueAt - clockOffset }
        let again = retries.first?.dueAt
        guard let due, let again else { return due ?? again }
        return min(due, again)
    }

    /// The requests that are due at `now` (our clock, milliseconds since 1970), at most `limit` of them.
    package mutating func takeDue(at now: Int64, limit: Int) -> [Request] {
        var requests: [Request] = []
        while requests.count < limit {
            dropStaleTurns()
            guard let slot = takeFirst(at: now) else { break }
            entries[Int(slot)].attempt += 1
            requests.append(request(slot, at: now))
        }
        return requests
    }

    private mutating func takeFirst(at now: Int64) -> UInt32? {
        if let turn = retries.first, turn.dueAt <= now {
            retries.removeFirst()
            return turn.slot
        }
        guard let turn = turns.first, turn.dueAt <= now + clockOffset else { return nil }
        turns.removeFirst()
        return turn.slot
    }

    /// - Parameters:
    ///   - appendedAt: the broker's append time of the `expire`, in milliseconds since 1970.
    ///   - now: our clock when the acknowledgement came.
    /// - Returns: how long after the due time it was appended, in milliseconds; nil if the reservation has ended.
    @discardableResult
    package mutating func delivered(_ tag: UInt64, appendedAt: Int64, at now: Int64) -> Int64? {
        clock.measured(appendedAt: appendedAt, at: now)
        guard let slot = slot(of: tag) else { return nil }
        let lateness = appendedAt - entries[Int(slot)].dueAt
        // It came too early to have an effect: once more, when the broker's clock has got there.
        if lateness < 0 { takeTurn(slot, at: entries[Int(slot)].dueAt) }
        return lateness
    }

    package mutating func failed(_ tag: UInt64, at now: Int64) {
        guard let slot = slot(of: tag) else { return }
        retries.insert(
            Turn(dueAt: now + Self.retryDelay, slot: slot, version: entries[Int(slot)].version))
    }

    /// When a request is issued by the broker's clock, never later; nil until an acknowledgement has told that clock. The
    /// due time would not do: after a long outage it is older than the window covers, and a `transfer_due` that is
    /// refused as too old tells nobody that the transfer is late.
    private func issuedAt(_ now: Int64) -> Timestamp? {
        clock.isMeasured ? Timestamp(milliseconds: max(0, now + clockOffset)) : nil
    }

    private func request(_ slot: UInt32, at now: Int64) -> Request {
        let entry = entries[Int(slot)]
        let place = "\(idPrefix)\(entry.partition)/\(entry.offset)/\(entry.attempt)"
        let command =
            switch kind {
            case .reservations:
                Command(
                    id: "expire/\(place)", sku: entry.name.sku, issuedAt: issuedAt(now),
                    body: .expire(reservationID: entry.name.id))
            case .transfers:
                Command(
                    id: "transfer_due/\(place)", sku: entry.name.sku, issuedAt: issuedAt(now),
                    body: .transferDue(transferID: entry.name.id))
            }
        return Request(
            tag: UInt64(slot) << 32 | UInt64(entry.version), partition: entry.partition, command: command)
    }

    /// The slot that a tag names, if it still holds what the request was made for.
    private func slot(of tag: UInt64) -> UInt32? {
        let slot = UInt32(tag >> 32)
        let entry = entries[Int(slot)]
        return !entry.isFree && entry.version == UInt32(truncatingIfNeeded: tag) ? slot : nil
    }

    private mutating func store(_ entry: Entry) -> UInt32 {
        guard let slot = freeSlots.popLast() else {
            entries.append(entry)
            return UInt32(entries.count - 1)
        }
        let version = entries[Int(slot)].version
        entries[Int(slot)] = entry
        entries[Int(slot)].version = version
        return slot
    }

    private mutating func free(_ slot: UInt32) {
        entries[Int(slot)].version &+= 1
        entries[Int(slot)].isFree = true
        entries[Int(slot)].name = OwnedID(sku: "", id: "")
        freeSlots.append(slot)
    }

    private mutating func takeTurn(_ slot: UInt32, at dueAt: Int64) {
        turns.insert(Turn(dueAt: dueAt, slot: slot, version: entries[Int(slot)].version))
    }

    private func isStale(_ turn: Turn) -> Bool { entries[Int(turn.slot)].version != turn.version }

    private mutating func dropStaleTurns() {
        while let turn = retries.first, isStale(turn) { retries.removeFirst() }
        while let turn = turns.first, isStale(turn) { turns.removeFirst() }
        // Reservations that end early leave their turns behind until these are due; most do end early.
        if turns.count > 2 * count + 1024 {
            let entries = entries
            turns.removeAll { entries[Int($0.slot)].version != $0.version }
        }
    }
}
