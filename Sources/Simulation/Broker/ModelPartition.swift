/// One record of the model's log, or a transaction's marker, which takes an offset as a record does.
package struct ModelRecord: Sendable {
    package enum State: UInt8, Sendable {
        /// Written outside of any transaction.
        case plain
        /// Its transaction has not ended here.
        case open
        case committed, aborted
        case commitMarker, abortMarker

        package var isMarker: Bool { self == .commitMarker || self == .abortMarker }
    }

    package let offset: Int64
    package let key: [UInt8]?
    /// Nil for a tombstone.
    package let value: [UInt8]?
    /// The append time, in milliseconds; its producer's if `hasAppendTime` is false.
    package let timestamp: Int64
    /// False for a record that came while the topic left the time to producers.
    package var hasAppendTime = true
    /// Of a record that nobody can read: how many there are of its batch from it on.
    package var unreadable: Int64?
    /// The producer's number; -1 for one without a transactional id.
    package let producer: Int
    package internal(set) var state: State
}

package enum ModelIsolation: Sendable { case committed, uncommitted }

/// The log of one partition.
package struct ModelPartition: Sendable {
    /// Ascending by offset; compaction leaves gaps.
    package private(set) var records: [ModelRecord] = []
    /// What compaction and retention took away, for those who look from outside.
    package private(set) var removed: [ModelRecord] = []
    package private(set) var start: Int64 = 0
    /// The offset that the next record gets.
    package private(set) var end: Int64 = 0
    /// While the topic leaves the time to producers: how far their clocks are off, in milliseconds.
    package var producersClock: Int64?
    /// Where each transaction that has not ended here began.
    private var open: [(producer: Int, first: Int64)] = []

    package init() {}

    /// What read_committed shows ends before it.
    package var lastStable: Int64 {
        var least = end
        for transaction in open { least = min(least, transaction.first) }
        return least
    }

    package func limit(_ isolation: ModelIsolation) -> Int64 {
        isolation == .committed ? lastStable : end
    }

    /// Where the first record at or after `offset` stands in `records`.
    package func place(of offset: Int64) -> Int {
        var low = 0
        var high = records.count
        while low < high {
            let middle = (low + high) / 2
            if records[middle].offset < offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    package static func isVisible(_ state: ModelRecord.State, _ isolation: ModelIsolation) -> Bool {
        switch state {
        case .plain, .committed: true
        case .open, .aborted: isolation == .uncommitted
        case .commitMarker, .abortMarker: false
        }
    }

    @discardableResult
    package mutating func append(
        key: [UInt8]?, value: [UInt8]?, at timestamp: Int64, producer: Int = -1,
        state: ModelRecord.State = .plain
    ) -> Int64 {
        let offset = end
        if state == .open, !open.contains(where: { $0.producer == producer }) {
            open.append((producer, offset))
        }
        var record = ModelRecord(
            offset: offset, key: key, value: value, timestamp: timestamp + (producersClock ?? 0),
            producer: producer, state: state)
        record.hasAppendTime = producersClock == nil
        records.append(record)
        end += 1
        return offset
    }

    /// Appends a batch that nobody can read.
    package mutating func appendUnreadable(_ count: Int64, at timestamp: Int64) {
        for left in (1...count).reversed() {
            append(key: nil, value: nil, at: timestamp)
            records[records.count - 1].unreadable = left
        }
    }

    /// Writes the marker of a transaction: from now on its records are committed, or never were.
    package mutating func mark(_ producer: Int, commit: Bool, at timestamp: Int64) {
        if let index = open.firstIndex(where: { $0.producer == producer }) {
            for place in place(of: open[index].first)..<records.count
            where records[place].producer == producer && records[place].state == .open {
                records[place].state = commit ? .committed : .aborted
            }
            open.remove(at: index)
        }
        append(
            key: nil, value: nil, at: timestamp, producer: producer,
            state: commit ? .commitMarker : .abortMarker)
    }

    /// Keeps the newest record of each key, as the broker's cleaner does: it never looks beyond the last stable
    /// offset, and takes away what was aborted. The record before that bound stays, as the newest segment does.
    ///
    /// - Parameter tombstonesBefore: tombstones that were appended before go too.
    package mutating func compact(tombstonesBefore: Int64) {
        let stop = place(of: lastStable)
        guard stop > 1 else { return }
        var newest: [[UInt8]: Int64] = [:]
        for record in records[..<stop] where record.state == .plain || record.state == .committed {
            if let key = record.key { newest[key] = record.offset }
        }
        var kept: [ModelRecord] = []
        kept.reserveCapacity(records.count)
        for (place, record) in records.enumerated() {
            if place >= stop - 1 || isKept(record, newest, tombstonesBefore) {
                kept.append(record)
            } else {
                removed.append(record)
            }
        }
        records = kept
    }

    private func isKept(
        _ record: ModelRecord, _ newest: [[UInt8]: Int64], _ tombstonesBefore: Int64
    ) -> Bool {
        switch record.state {
        case .aborted: return false
        // Markers go when nothing of theirs is left; readers do not see the difference.
        case .commitMarker, .abortMarker: return record.timestamp >= tombstonesBefore
        case .open: return true
        case .plain, .committed:
            guard let key = record.key else { return false }
            return newest[key] == record.offset
                && (record.value != nil || record.timestamp >= tombstonesBefore)
        }
    }

    /// Retention: what lies before `offset` is gone.
    package mutating func delete(before offset: Int64) {
        guard offset > start else { return }
        let stop = place(of: offset)
        removed.append(contentsOf: records[..<stop])
        records.removeFirst(stop)
        start = offset
    }

    /// All that was ever written, by offset.
    package var everything: [ModelRecord] {
        removed.isEmpty ? records : (removed + records).sorted { $0.offset < $1.offset }
    }
}
