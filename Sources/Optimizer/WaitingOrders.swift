import InventoryCore

/// Orders whose newest outcome can be made better, until it is old enough to be looked at: what has just been reserved
/// is often paid, changed or cancelled at once, and the levels are to be those after the reservation.
///
/// Each version of an order is looked at once.
package struct WaitingOrders: Sendable {
    package struct Order: Equatable, Sendable {
        package var id: ID
        /// Of the order's outcome.
        package var version: Int64
        package var served: ServedOrder
        /// Until when it is to be paid.
        package var deadline: Timestamp

        package init(id: ID, version: Int64, served: ServedOrder, deadline: Timestamp) {
            self.id = id
            self.version = version
            self.served = served
            self.deadline = deadline
        }
    }

    private struct Entry: Sendable {
        var order: Order
        var partition: Int32
        var number: Int
    }

    /// In milliseconds.
    private let settleTime: Int64
    private let limit: Int
    private var entries: [ID: Entry] = [:]
    /// In the order in which they are due; may hold stale ones.
    private var queue: [(dueAt: Int64, id: ID, number: Int)] = []
    private var first = 0
    private var nextNumber = 0
    /// Orders that were dropped because there were too many; they are not looked at.
    package private(set) var dropped = 0

    /// - Parameters:
    ///   - settleTime: how old an outcome is to be, in milliseconds.
    ///   - limit: the most orders that wait; the oldest go for new ones.
    package init(settleTime: Int64, limit: Int) {
        self.settleTime = settleTime
        self.limit = limit
    }

    package var count: Int { entries.count }

    /// An outcome that can be made better is the newest of its order now.
    ///
    /// - Parameter now: when it was heard of, in milliseconds; does not go back.
    /// - Returns: whether an earlier version of it waited.
    @discardableResult
    package mutating func saw(_ order: Order, partition: Int32, at now: Int64) -> Bool {
        nextNumber += 1
        let entry = Entry(order: order, partition: partition, number: nextNumber)
        let isKnown = entries.updateValue(entry, forKey: order.id) != nil
        queue.append((now + settleTime, order.id, nextNumber))
        while entries.count > limit, let oldest = takeFirst() {
            entries[oldest.id] = nil
            dropped += 1
        }
        tidy()
        return isKnown
    }

    /// The newest outcome of an order leaves nothing to be made better.
    ///
    /// - Returns: whether the order waited.
    @discardableResult
    package mutating func sawEnd(of id: ID) -> Bool { entries.removeValue(forKey: id) != nil }

    /// The partition goes to another.
    package mutating func revoked(_ partition: Int32) {
        entries = entries.filter { $0.value.partition != partition }
    }

    /// When the next is due; nil if none waits.
    package mutating func nextDue() -> Int64? {
        skipStale()
        return first < queue.count ? queue[first].dueAt : nil
    }

    /// The next order that is due.
    package mutating func takeSettled(at now: Int64) -> Order? {
        guard let due = nextDue(), due <= now, let taken = takeFirst() else { return nil }
        return entries.removeValue(forKey: taken.id)?.order
    }

    private mutating func takeFirst() -> (dueAt: Int64, id: ID, number: Int)? {
        skipStale()
        guard first < queue.count else { return nil }
        first += 1
        return queue[first - 1]
    }

    private mutating func skipStale() {
        while first < queue.count, entries[queue[first].id]?.number != queue[first].number { first += 1 }
    }

    /// So that there are never more than twice as many places as orders, but for a few.
    private mutating func tidy() {
        guard queue.count > 64, queue.count > 2 * entries.count else { return }
        queue = queue[first...].filter { entries[$0.id]?.number == $0.number }
        first = 0
    }
}
