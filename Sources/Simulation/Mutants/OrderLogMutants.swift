import InventoryCore
import InventoryWire
import OrderCore
import StreamRuntime

// Wrong coordinators, one class each, which overrides what it gets wrong. What they are is said in `Mutant.ofOrders`.

extension ModelOrderLog {
    fileprivate func commitOffsets(_ offsets: [Int: Int64]) throws(LogFailure) {
        let member = host.member!
        try request(points.sendOffsets) { [broker] () throws(BrokerError) in
            try broker.commitOffsets(offsets, member: member, of: \.orderGroup)
        }
    }
}

final class OrderOffsetsBefore: ModelOrderLog {
    override func commit(next place: OrderPlace) throws(LogFailure) {
        try commitOffsets(offsets(place))
        try flush()
        try endTransaction()
    }
}

final class OrderOffsetsAfter: ModelOrderLog {
    override func commit(next place: OrderPlace) throws(LogFailure) {
        try flush()
        try endTransaction()
        try commitOffsets(offsets(place))
    }
}

final class ReplyOffsetsBefore: ModelOrderLog {
    override func commit(next place: OrderPlace) throws(LogFailure) {
        try commitOffsets([index(.orderReplies): place.reply])
        try flush()
        try sendOffsets([index(.orders): place.order])
        try endTransaction()
    }
}

final class ReplyOffsetsMissing: ModelOrderLog {
    override func commit(next place: OrderPlace) throws(LogFailure) {
        try flush()
        try sendOffsets([index(.orders): place.order])
        try endTransaction()
    }
}

final class OrdersNotPlaced: ModelOrderLog {
    override func startReading(at place: OrderPlace) throws(LogFailure) {
        guard positions.isEmpty else { return }
        try super.startReading(at: place)
    }
}

final class OrderStateOutside: ModelOrderLog {
    override func produce(
        _ topic: Topic, _ partition: Int32, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure) {
        guard topic == .orderState else {
            return try super.produce(topic, partition, key: key, value: value)
        }
        let (key, value, place) = (key.map { Array($0) }, value.map { Array($0) }, index(topic))
        try request(points.produce) { [broker] () throws(BrokerError) in
            _ = broker.append(place, key: key, value: value)
        }
    }
}

final class OrderStateShort: ModelOrderLog {
    override func read(
        _ topic: Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        // Before the end stands a transaction's marker, and before that the newest record.
        let end = try offsets(of: topic).upperBound
        try super.read(topic, from: offset) { record throws(LogFailure) in
            if record.offset < end - 2 { try body(record) }
        }
    }
}

final class OrderStateUncommitted: ModelOrderLog {
    override func read(
        _ topic: Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        try read(topic, from: offset, .uncommitted, body)
    }
}

final class RepliesUncommitted: ModelOrderLog {
    override func isolation(of topic: Topic) -> ModelIsolation {
        topic == .orderReplies ? .uncommitted : .committed
    }
}

final class OrdersUncommitted: ModelOrderLog {
    override func isolation(of topic: Topic) -> ModelIsolation {
        topic == .orders ? .uncommitted : .committed
    }
}

final class OrderRestoreBeforeInit: ModelOrderLog {
    override func open() throws(LogFailure) {}

    override func startReading(at place: OrderPlace) throws(LogFailure) {
        try super.open()
        try super.startReading(at: place)
    }
}

final class OrderRandomID: ModelOrderLog {
    private var suffix = 0

    override var transactionalID: String { super.transactionalID + "-\(suffix)" }

    override func open() throws(LogFailure) {
        suffix = Int(truncatingIfNeeded: world.random.next())
        try super.open()
    }
}

final class OrderEmitAgain: ModelOrderLog {
    private var records: [(place: Int, key: [UInt8]?, value: [UInt8]?)] = []

    override func begin() throws(LogFailure) {
        records = []
        try super.begin()
    }

    override func send(to place: Int, key: [UInt8]?, value: [UInt8]?) throws(LogFailure) {
        records.append((place, key, value))
        try super.send(to: place, key: key, value: value)
    }

    override func commit(next place: OrderPlace) throws(LogFailure) {
        do throws(LogFailure) {
            try super.commit(next: place)
        } catch {
            guard error.consequence == .restart else { throw error }
            let records = records
            try open()
            outbox = records
            try super.commit(next: place)
        }
    }
}

final class OrderCommitOnClose: ModelOrderLog {
    override func close() {
        if let identity, !host.isDead {
            try? flush()
            try? broker.endTransaction(identity, commit: true)
        }
        super.close()
    }
}

/// The commands that give back what was granted to nobody are dropped.
final class StraysKept: ModelOrderLog {
    override func send(to place: Int, key: [UInt8]?, value: [UInt8]?) throws(LogFailure) {
        if let value, StateBytes.text(value).contains("/release-0\"") { return }
        try super.send(to: place, key: key, value: value)
    }
}

/// The number in a command's id is drawn anew each time that it is sent, and taken back in the reply.
final class OrderCommandsRenamed: ModelOrderLog {
    private static let end = "?"

    override func send(to place: Int, key: [UInt8]?, value: [UInt8]?) throws(LogFailure) {
        guard let value, place / Int(world.partitionCount) == Topic.commands.ordinal else {
            return try super.send(to: place, key: key, value: value)
        }
        var reader = RecordReader()
        let read = key!.withUnsafeBytes { key in
            value.withUnsafeBytes { try? reader.command(key: key, value: $0) }
        }
        guard var command = read else { preconditionFailure("no command: \(StateBytes.text(value))") }
        command.id = "\(command.id)\(Self.end)\(world.random.below(1_000_000))"
        var writer = RecordWriter()
        writer.write(command: command)
        try super.send(to: place, key: key, value: writer.withBytes { Array($0) })
    }

    override func give(
        _ record: ModelRecord, to body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        guard let value = record.value else { return try super.give(record, to: body) }
        let text = StateBytes.text(value).replacing(/\?[0-9]+"/, with: "\"")
        try super.give(
            ModelRecord(
                offset: record.offset, key: record.key, value: Array(text.utf8), timestamp: record.timestamp,
                producer: record.producer, state: record.state), to: body)
    }
}

/// What is due is looked at by the coordinator's clock, and not by the time of the record that tells it.
final class DueByOwnClock: ModelOrderLog {
    override func timestamp(of record: ModelRecord) -> Int64 {
        // Only the coordinator writes `orders` in transactions.
        guard record.producer >= 0, let value = record.value,
            StateBytes.text(value).contains("\"order.due\"")
        else { return record.timestamp }
        return world.now + world.orders!.clockOffset
    }
}

/// What was read counts up to the last record, and not behind the markers that follow it.
final class OrderMarkersUnpassed: ModelOrderLog {
    override func readOffsets() throws(LogFailure) -> OrderPlace {
        OrderPlace(order: positions[.orders]!, reply: positions[.orderReplies]!)
    }
}

/// The state does not say where the coordinator reads on.
final class OrderPlaceMissing: ModelOrderLog {
    override func produce(
        _ topic: Topic, _ partition: Int32, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure) {
        if topic == .orderState, PartitionBook.isBook(ID(decoding: key!)) { return }
        try super.produce(topic, partition, key: key, value: value)
    }
}

/// Where the coordinator reads on is written outside of the transaction.
final class OrderPlaceOutside: ModelOrderLog {
    override func produce(
        _ topic: Topic, _ partition: Int32, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure) {
        guard topic == .orderState, PartitionBook.isBook(ID(decoding: key!)) else {
            return try super.produce(topic, partition, key: key, value: value)
        }
        let (key, value, place) = (key.map { Array($0) }, value.map { Array($0) }, index(topic))
        try request(points.produce) { [broker] () throws(BrokerError) in
            _ = broker.append(place, key: key, value: value)
        }
    }
}

/// Where the group says nothing, reading begins at the start, whatever the state says.
final class OrderPlaceIgnored: ModelOrderLog {
    override func startReading(at place: OrderPlace) throws(LogFailure) {
        var place = place
        if (try? broker.committedOffset(index(.orders))) == nil {
            place.order = broker.partitions[index(.orders)].start
        }
        try super.startReading(at: place)
    }
}

final class OrderRestoreUnsettled: ModelOrderLog {
    override func writtenEnds(of topics: [Topic]) throws(LogFailure) -> [Int64] { topics.map { _ in 0 } }
}
