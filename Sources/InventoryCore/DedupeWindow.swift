/// The partition's newest ledger entries, found by command and by the reservation that they ended.
///
/// Because the window is exactly the last `capacity` entries of the ledger, it is restored from the ledger's
/// tail as it was, and a repeat gets the same answer before and after a restart.
struct DedupeWindow: Sendable {
    let capacity: Int
    private var ring: [LedgerEntry] = []
    /// Where the oldest entry stands once the ring is full.
    private var oldest = 0
    private var ownByCommand: [String: Int] = [:]
    private var endingByReservation: [String: Int] = [:]

    init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
    }

    var count: Int { ring.count }

    /// The entry that decided the command, if it is remembered.
    func decision(of commandID: String) -> LedgerEntry? {
        ownByCommand[commandID].map { ring[$0] }
    }

    /// The entry that ended the reservation, if it is remembered.
    func ending(of reservationID: String) -> LedgerEntry? {
        endingByReservation[reservationID].map { ring[$0] }
    }

    /// Oldest first.
    var entries: [LedgerEntry] { Array(ring[oldest...] + ring[..<oldest]) }

    mutating func append(_ entry: LedgerEntry) {
        let place: Int
        if ring.count < capacity {
            place = ring.count
            ring.append(entry)
        } else {
            place = oldest
            forget(at: place)
            ring[place] = entry
            oldest = (oldest + 1) % capacity
        }
        if entry.isOwn { ownByCommand[entry.commandID] = place }
        if entry.endsReservation, let id = entry.reservationID { endingByReservation[id] = place }
    }

    private mutating func forget(at place: Int) {
        let entry = ring[place]
        if ownByCommand[entry.commandID] == place { ownByCommand[entry.commandID] = nil }
        if let id = entry.reservationID, endingByReservation[id] == place { endingByReservation[id] = nil }
    }
}
