import InventoryCore
import InventoryWire

/// The loop of the delay service, as a state machine: what was read of `stock.reservations` and `stock.transfers`
/// and what the broker has acknowledged goes in, what to do next comes out, and the role does it.
///
///     read -> send -> acknowledge -> read ...
///
/// The clock comes in with each event: milliseconds since 1970 by a clock of ours that does not jump. How far it is
/// from the broker's is learnt (`DelayQueue`).
package struct DelayLoop: ~Copyable {
    package enum Action: Equatable, Sendable {
        /// Read what is there, having waited for it at most so long.
        case read(timeoutMilliseconds: Int)
        /// Send these; what cannot be sent is told by `failed`.
        case send([DelayQueue.Request])
        /// Take the acknowledgements that have come, without waiting.
        case acknowledge
    }

    /// The longest wait of a read, in milliseconds.
    package static let longestRead: Int64 = 50
    /// The topmost bit of a tag tells whose request it is.
    private static let transferMark: UInt64 = 1 << 63

    private enum Turn { case read, send, acknowledge }

    private let sendLimit: Int
    private var turn = Turn.read
    private var reservations: DelayQueue
    private var transfers: DelayQueue
    private var reader = RecordReader()
    private var key = OwnedKey()
    /// By topic and partition.
    private var strangers: [Topic: [Int32: StrangeKeys]] = [:]

    /// - Parameters:
    ///   - sendLimit: how many requests of each topic are sent before acknowledgements are looked at again.
    ///   - idPrefix: of the topics; it stands in the ids of the commands.
    package init(sendLimit: Int, idPrefix: String = "") {
        precondition(sendLimit > 0)
        self.sendLimit = sendLimit
        reservations = DelayQueue(.reservations, idPrefix: idPrefix)
        transfers = DelayQueue(.transfers, idPrefix: idPrefix)
    }

    /// All partitions were read to their ends: what is waited for is what lives.
    package var isComplete: Bool { reservations.isComplete && transfers.isComplete }
    package var liveReservations: Int { reservations.count }
    package var liveTransfers: Int { transfers.count }
    /// The broker's clock less ours, in milliseconds, as last seen.
    package var clockOffset: Int64 { reservations.clockOffset }

    /// What to do next.
    package mutating func next(at now: Int64) -> Action {
        switch turn {
        case .read:
            turn = .send
            return .read(timeoutMilliseconds: Int(readTimeout(at: now)))
        case .send:
            turn = .acknowledge
            var requests = reservations.takeDue(at: now, limit: sendLimit)
            for var request in transfers.takeDue(at: now, limit: sendLimit) {
                request.tag |= Self.transferMark
                requests.append(request)
            }
            return .send(requests)
        case .acknowledge:
            turn = .read
            return .acknowledge
        }
    }

    /// No longer than until the next is due.
    private mutating func readTimeout(at now: Int64) -> Int64 {
        var timeout = Self.longestRead
        for due in [reservations.nextDue(), transfers.nextDue()] {
            if let due { timeout = min(timeout, max(due - now, 0)) }
        }
        return timeout
    }

    // MARK: What is read

    package mutating func assigned(_ topic: Topic, _ partition: Int32) {
        if topic == .transfers { transfers.assigned(partition) } else { reservations.assigned(partition) }
    }

    package mutating func revoked(_ topic: Topic, _ partition: Int32) {
        strangers[topic]?[partition] = nil
        if topic == .transfers { transfers.revoked(partition) } else { reservations.revoked(partition) }
    }

    /// - Returns: records that are not waited for, as their keys do not name what they hold; nil where there are none,
    ///   or none since the last end.
    @discardableResult
    package mutating func reachedEnd(of topic: Topic, _ partition: Int32) -> StrangeKeys? {
        if topic == .transfers {
            transfers.reachedEnd(of: partition)
        } else {
            reservations.reachedEnd(of: partition)
        }
        return strangers[topic]?[partition]?.takeNews()
    }

    /// A record of one of the two topics.
    ///
    /// - Parameters:
    ///   - record: its timestamp is the broker's append time, or nil; never a producer's time.
    ///   - now: our clock when it was read.
    /// - Throws: why it cannot be read. It is waited for no longer, and all others are.
    package mutating func read(
        _ record: LogRecord, from topic: Topic, partition: Int32, at now: Int64
    ) throws(DecodingFailure) {
        // The broker's clock is the same, whatever it is heard of by.
        if let appendedAt = record.timestamp {
            reservations.heard(appendedAt: appendedAt, at: now)
            transfers.heard(appendedAt: appendedAt, at: now)
        }
        switch (topic, record.value) {
        case (.transfers, let value?):
            let live = try reader.transfer(value)
            guard isOwn(record, live.owned, topic, partition) else { return }
            transfers.saw(live, partition: partition, offset: record.offset)
        case (_, let value?):
            let live = try reader.reservation(value)
            guard isOwn(record, live.owned, topic, partition) else { return }
            reservations.saw(live, partition: partition, offset: record.offset)
        case (_, nil):
            guard let key = record.key else { return }
            strangers[topic]?[partition]?.end(key)
            guard let name = reader.ownedID(key: key) else { return }
            if topic == .transfers {
                transfers.sawEnd(of: name, partition: partition)
            } else {
                reservations.sawEnd(of: name, partition: partition)
            }
        }
    }

    /// Whether a record's key names what it holds; else notes it.
    private mutating func isOwn(
        _ record: LogRecord, _ name: OwnedID, _ topic: Topic, _ partition: Int32
    ) -> Bool {
        if key.isKey(record.key, of: name) {
            if !strangers.isEmpty, let key = record.key { strangers[topic]?[partition]?.end(key) }
            return true
        }
        strangers[topic, default: [:]][partition, default: StrangeKeys()].add(
            record.key, offset: record.offset)
        return false
    }

    // MARK: What is acknowledged

    /// The broker has appended a request.
    ///
    /// - Parameters:
    ///   - appendedAt: the broker's append time, in milliseconds since 1970.
    ///   - now: our clock when the acknowledgement came.
    /// - Returns: how long after the due time it was appended, in milliseconds; nil for what has ended meanwhile.
    @discardableResult
    package mutating func delivered(_ tag: UInt64, appendedAt: Int64, at now: Int64) -> Int64? {
        tag & Self.transferMark == 0
            ? reservations.delivered(tag, appendedAt: appendedAt, at: now)
            : transfers.delivered(tag & ~Self.transferMark, appendedAt: appendedAt, at: now)
    }

    /// A request was not delivered, or nobody knows: it is sent again.
    package mutating func failed(_ tag: UInt64, at now: Int64) {
        if tag & Self.transferMark == 0 {
            reservations.failed(tag, at: now)
        } else {
            transfers.failed(tag & ~Self.transferMark, at: now)
        }
    }
}
