import InventoryWire
import StreamRuntime

// One class a mutant; each overrides what it gets wrong. What they are is said in `Mutant.all`.

final class OffsetsBefore: ModelLog {
    override func commit(nextOffset: Int64) throws(LogFailure) {
        try commitOffsets(nextOffset)
        try flush()
        try endTransaction()
    }
}

final class OffsetsAfter: ModelLog {
    override func commit(nextOffset: Int64) throws(LogFailure) {
        try flush()
        try endTransaction()
        try commitOffsets(nextOffset)
    }
}

extension ModelLog {
    fileprivate func commitOffsets(_ nextOffset: Int64) throws(LogFailure) {
        let (member, index) = (host.member!, index(.commands))
        try request(.sendOffsets) { [broker] () throws(BrokerError) in
            try broker.commitOffsets([index: nextOffset], member: member)
        }
    }
}

final class OffsetFromMemory: ModelLog {
    private var reached: Int64?

    override func committedOffset() throws(LogFailure) -> Int64? {
        let committed = try super.committedOffset()
        return reached ?? committed
    }

    override func commit(nextOffset: Int64) throws(LogFailure) {
        reached = nextOffset
        try super.commit(nextOffset: nextOffset)
    }
}

final class NotPlaced: ModelLog {
    private var isPlaced = false

    override func startReading(at offset: Int64) throws(LogFailure) {
        if !isPlaced { try super.startReading(at: offset) }
        isPlaced = true
    }
}

final class SeekShort: ModelLog {
    override func startReading(at offset: Int64) throws(LogFailure) {
        try super.startReading(at: max(0, offset - 1))
    }
}

final class RestoreBeforeInit: ModelLog {
    override func open() throws(LogFailure) {}

    override func startReading(at offset: Int64) throws(LogFailure) {
        try super.open()
        try super.startReading(at: offset)
    }
}

final class RestoreUncommitted: ModelLog {
    override func read(
        _ topic: Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        try read(topic, from: offset, .uncommitted, body)
    }
}

final class InputUncommitted: ModelLog {
    override func poll(
        limit: Int, timeoutMilliseconds: Int, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) -> Int {
        try poll(limit: limit, timeoutMilliseconds: timeoutMilliseconds, .uncommitted, body)
    }
}

/// Keeps the records of its transaction, to send them once more.
class Remembering: ModelLog {
    private var records: [(place: Int, key: [UInt8]?, value: [UInt8]?)] = []

    override func begin() throws(LogFailure) {
        records = []
        try super.begin()
    }

    override func send(to place: Int, key: [UInt8]?, value: [UInt8]?) throws(LogFailure) {
        records.append((place, key, value))
        try super.send(to: place, key: key, value: value)
    }

    func sendAgain(nextOffset: Int64) throws(LogFailure) {
        let records = records
        try open()
        outbox = records
        try super.commit(nextOffset: nextOffset)
    }
}

final class EmitAgain: Remembering {
    override func commit(nextOffset: Int64) throws(LogFailure) {
        do throws(LogFailure) {
            try super.commit(nextOffset: nextOffset)
        } catch {
            guard error.consequence == .restart else { throw error }
            try sendAgain(nextOffset: nextOffset)
        }
    }
}

final class TakeBack: Remembering {
    override func commit(nextOffset: Int64) throws(LogFailure) {
        do throws(LogFailure) {
            try super.commit(nextOffset: nextOffset)
        } catch {
            guard error.consequence == .fenced else { throw error }
            try sendAgain(nextOffset: nextOffset)
        }
    }
}

/// Restores from what it has itself produced, once it has restored from the topics.
final class StateKept: ModelLog {
    private var kept: [Topic: [ModelRecord]] = [:]

    override func read(
        _ topic: Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        if let records = kept[topic] {
            for record in records { try give(record, to: body) }
            return
        }
        var read: [ModelRecord] = []
        try super.read(topic, from: offset) { record throws(LogFailure) in
            read.append(
                ModelRecord(
                    offset: record.offset, key: record.key.map { Array($0) },
                    value: record.value.map { Array($0) }, timestamp: record.timestamp ?? 0, producer: -1,
                    state: .plain))
            try body(record)
        }
        kept[topic] = read
    }

    override func produce(
        _ topic: Topic, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure) {
        kept[topic]?.append(
            ModelRecord(
                offset: .max, key: key.map { Array($0) }, value: value.map { Array($0) },
                timestamp: 0, producer: -1, state: .plain))
        try super.produce(topic, key: key, value: value)
    }
}

final class CommitOnClose: ModelLog {
    override func close() {
        if let identity, !host.isDead {
            try? flush()
            try? broker.endTransaction(identity, commit: true)
        }
        super.close()
    }
}

final class RandomID: ModelLog {
    private var suffix = 0

    override var transactionalID: String { super.transactionalID + "-\(suffix)" }

    override func open() throws(LogFailure) {
        suffix = Int(truncatingIfNeeded: world.random.next())
        try super.open()
    }
}

final class WallClock: ModelLog {
    override func timestamp(of record: ModelRecord) -> Int64 { world.now }
}

final class LevelsMissing: ModelLog {
    override func produce(
        _ topic: Topic, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure) {
        if topic != .levels { try super.produce(topic, key: key, value: value) }
    }
}

final class LevelsOutside: ModelLog {
    override func produce(
        _ topic: Topic, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure) {
        guard topic == .levels else { return try super.produce(topic, key: key, value: value) }
        let (key, value, index) = (key.map { Array($0) }, value.map { Array($0) }, index(topic))
        try request(.produce) { [broker] () throws(BrokerError) in
            _ = broker.append(index, key: key, value: value)
        }
    }
}

final class TombstonesMissing: ModelLog {
    override func produce(
        _ topic: Topic, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure) {
        if value != nil { try super.produce(topic, key: key, value: value) }
    }
}

final class EndMinusOne: ModelLog {
    override func read(
        _ topic: Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        let end = try offsets(of: topic).upperBound
        var last = end == 0 ? -1 : Int64.min
        try super.read(topic, from: offset) { record throws(LogFailure) in
            last = record.offset
            try body(record)
        }
        guard last >= end - 1 else {
            throw LogFailure(.restart, operation: "read \(topic.rawValue)", message: "no end in time")
        }
    }
}

final class ShortTail: ModelLog {
    override func offsets(of topic: Topic) throws(LogFailure) -> Range<Int64> {
        let offsets = try super.offsets(of: topic)
        guard topic == .ledger else { return offsets }
        return max(offsets.lowerBound, offsets.upperBound - 12)..<offsets.upperBound
    }
}

final class AheadThoughFailed: ModelLog {
    override func isCommitted(timeoutMilliseconds: Int) throws(LogFailure) -> Bool {
        let isAhead = ahead > 0
        do throws(LogFailure) {
            return try super.isCommitted(timeoutMilliseconds: timeoutMilliseconds)
        } catch {
            guard isAhead, error.consequence == .restart else { throw error }
            return true
        }
    }
}

final class AheadOffset: ModelLog {
    override func commit(nextOffset: Int64) throws(LogFailure) {
        try super.commit(nextOffset: position)
    }
}

final class MarkersUnpassed: ModelLog {
    override func readOffset() throws(LogFailure) -> Int64 { position }
}

/// What is fetched is not yet given.
final class PositionOfFetch: ModelLog {
    override func readOffset() throws(LogFailure) -> Int64 {
        max(try super.readOffset(), broker.partitions[index(.commands)].lastStable)
    }
}

final class RestoreUnsettled: ModelLog {
    override func writtenEnds(of topics: [Topic]) throws(LogFailure) -> [Int64] { topics.map { _ in 0 } }
}

// Those that stand behind another protection.

final class NoGeneration: ModelLog {
    override func sendOffsets(_ nextOffset: Int64) throws(LogFailure) {
        let (identity, index) = (identity!, index(.commands))
        try request(.sendOffsets) { [broker] () throws(BrokerError) in
            broker.finishMarkers(identity)
            try broker.sendOffsets(identity, [index: nextOffset], member: nil)
        }
    }
}

final class UnstableOffsets: ModelLog {
    override func committedOffset() throws(LogFailure) -> Int64? {
        try request(.committedOffset) { [broker, index = index(.commands)] () throws(BrokerError) in
            try broker.committedOffset(index, stable: false)
        }
    }
}
