import InventoryCore
import InventoryWire

/// The loop of the relay, as a state machine: events come in, the action to do next comes out, and the role does it.
///
///     open -> place -> read <-> commit -> finish
///       ^               |         |
///       +---- wait <----+---------+   on a failure
///
/// Each batch goes in a transaction with how far it takes its sources (`relay.state`), so that every change arrives once
/// and in order. The group's offsets are a copy of that: the broker forgets them a week after the last change.
package struct RelayLoop: ~Copyable {
    package enum Action: Equatable, Sendable {
        /// Drop what there is and open the producer: that ends the transaction of whoever had the id before.
        case open
        /// Give every record of `relay.state` to `restore`, and place the reader of each source at its `start`.
        case place
        /// Read what is there, having waited for it a little: give each record to `read`, and send what it says.
        case read
        /// Send `places`, and commit what was sent, together with `offsets` for the group.
        case commit
        case wait(milliseconds: Int)
        /// Drop what there is and stop; with a fault if a person must look at it.
        case finish(fault: String?)
    }

    /// What follows from a failure of the broker.
    package enum Consequence: Equatable, Sendable {
        /// The outcome is a definite no, or unknown: begin again where the group stands.
        case restart
        /// Another producer has the transactional id.
        case fenced
    }

    /// Where a record was read.
    package struct Source: Hashable, Sendable {
        package var topic: Topic
        package var partition: Int32

        package init(_ topic: Topic, _ partition: Int32) {
            self.topic = topic
            self.partition = partition
        }
    }

    /// One record to send in the transaction.
    package struct Sending: Equatable, Sendable {
        package var topic: Topic
        package var partition: Int32
        package var key: [UInt8]
        package var value: [UInt8]
    }

    /// What a transaction carried.
    package struct Counts: Equatable, Sendable {
        package var records = 0
        package var commands = 0
        package var letters = 0

        package init(records: Int = 0, commands: Int = 0, letters: Int = 0) {
            self.records = records
            self.commands = commands
            self.letters = letters
        }
    }

    private enum State: Equatable { case opening, placing, reading, committing, waiting, finished }

    /// What to do next.
    package private(set) var action = Action.open
    /// By source: the offset after the last record that was read in this transaction; empty if none is open.
    package private(set) var offsets: [Source: Int64] = [:]
    /// Failures since the last commit.
    package private(set) var failuresInARow = 0
    /// By source: how far it was carried, as `relay.state` says.
    private var carried: [Source: Int64] = [:]
    private var reader = RecordReader()
    private var state = State.opening
    private var isStopping = false
    private var counts = Counts()
    private var relay: Relay
    private var writer = RecordWriter()

    /// - Parameters:
    ///   - partitionCount: of `stock.commands`.
    ///   - idPrefix: of the topics; it stands in the ids of the commands.
    ///   - partitionOf: where the key of a SKU belongs (murmur2, as Java's producers place it).
    package init(
        partitionCount: Int32, idPrefix: String = "", partitionOf: @escaping (ID) -> Int32
    ) {
        relay = Relay(partitionCount: partitionCount, idPrefix: idPrefix, partitionOf: partitionOf)
    }

    /// The first record of a batch begins the transaction.
    package var isTransactionOpen: Bool { !offsets.isEmpty }

    package mutating func opened() {
        precondition(state == .opening, "opened in \(state)")
        carried = [:]
        become(.placing, .place)
    }

    /// A record of `relay.state`: the newest of a source counts.
    package mutating func restore(_ record: LogRecord) throws(LogFailure) {
        precondition(state == .placing, "restored in \(state)")
        guard let value = record.value else {
            carried = carried.filter { source, next in
                let place = RelayPlace(topic: source.topic, partition: source.partition, next: next)
                return record.key?.elementsEqual(place.key) != true
            }
            return
        }
        do throws(DecodingFailure) {
            let place = try reader.relayPlace(value)
            carried[Source(place.topic, place.partition)] = place.next
        } catch {
            throw LogFailure(
                .halt, operation: "restore from relay.state",
                message: "the record at offset \(record.offset) cannot be read: \(error.detail)")
        }
    }

    /// Where a source is read on; nil for its beginning.
    /// - Parameter committed: the group's offset, for a source of which a version was told that kept no state.
    package func start(of source: Source, committed: Int64?) -> Int64? { carried[source] ?? committed }

    /// The reader stands where it is to go on.
    /// - Parameter committed: the group's offset of each source that it has one of. Where group and state do not both say
    ///   the same, a transaction of their own, which must have begun, makes them (`differing`).
    package mutating func placed(committed: [Source: Int64]) {
        precondition(state == .placing, "placed in \(state)")
        offsets = differing(from: committed)
        if offsets.isEmpty { become(.reading, .read) } else { become(.committing, .commit) }
    }

    /// What group and state do not both say.
    package func differing(from committed: [Source: Int64]) -> [Source: Int64] {
        let known = carried.merging(committed) { carried, _ in carried }
        return known.filter { carried[$0.key] != $0.value || committed[$0.key] != $0.value }
    }

    /// How far the transaction takes its sources, for `relay.state`.
    package mutating func places() -> [Sending] {
        offsets.sorted { ($0.key.topic.rawValue, $0.key.partition) < ($1.key.topic.rawValue, $1.key.partition) }
            .map { source, next in
                let place = RelayPlace(topic: source.topic, partition: source.partition, next: next)
                writer.write(relayPlace: place)
                return Sending(
                    topic: .relayState, partition: 0, key: place.key, value: writer.withBytes { Array($0) })
            }
    }

    /// A record of what people publish.
    /// - Parameter now: by the relay's clock, in milliseconds since 1970.
    /// - Returns: what it gives: commands, a dead letter if it cannot be read, or nothing.
    package mutating func read(_ record: LogRecord, from source: Source, at now: Int64) -> [Sending] {
        precondition(state == .reading, "read in \(state)")
        offsets[source] = record.offset + 1
        counts.records += 1
        do throws(DecodingFailure) {
            let deliveries = try relay.deliveries(
                of: record, from: source.topic, partition: source.partition, at: now)
            counts.commands += deliveries.count
            return deliveries.map { sending($0) }
        } catch {
            counts.letters += 1
            return [letter(record, error, from: source)]
        }
    }

    private mutating func sending(_ delivery: Relay.Delivery) -> Sending {
        writer.write(command: delivery.command)
        return Sending(
            topic: .commands, partition: delivery.partition, key: delivery.command.sku.bytes,
            value: writer.withBytes { Array($0) })
    }

    private mutating func letter(
        _ record: LogRecord, _ failure: DecodingFailure, from source: Source
    ) -> Sending {
        let milliseconds = record.timestamp.flatMap { 0...Limits.latestTime ~= $0 ? $0 : nil }
        writer.write(
            deadLetter: failure,
            origin: RecordOrigin(
                topic: source.topic, partition: source.partition, offset: record.offset,
                timestamp: milliseconds.map { Timestamp(milliseconds: $0) }),
            key: record.key, value: record.value)
        return Sending(
            topic: .deadLetters, partition: 0, key: record.key.map { Array($0) } ?? [],
            value: writer.withBytes { Array($0) })
    }

    /// What was there has been read and sent.
    package mutating func gathered() {
        precondition(state == .reading, "gathered in \(state)")
        if isTransactionOpen { become(.committing, .commit) } else { goOn() }
    }

    /// The broker has committed the transaction.
    /// - Returns: what it carried.
    @discardableResult
    package mutating func committed() -> Counts {
        precondition(state == .committing, "committed in \(state)")
        defer {
            forget()
            failuresInARow = 0
            goOn()
        }
        return counts
    }

    /// Whatever failed: what was not committed is read again.
    package mutating func failed(_ consequence: Consequence, _ reason: String) {
        forget()
        if isStopping { return become(.finished, .finish(fault: nil)) }
        guard consequence == .restart else {
            return become(
                .finished, .finish(fault: "another relay is at work; one is enough (\(reason))"))
        }
        failuresInARow += 1
        become(.waiting, .wait(milliseconds: min(5_000, 100 << min(failuresInARow, 6))))
    }

    package mutating func waited() {
        precondition(state == .waiting, "waited in \(state)")
        become(.opening, .open)
    }

    /// The relay is to stop: what is in a transaction is committed first.
    package mutating func stop() {
        isStopping = true
        if state != .committing, state != .finished { become(.finished, .finish(fault: nil)) }
    }

    private mutating func goOn() {
        if isStopping { become(.finished, .finish(fault: nil)) } else { become(.reading, .read) }
    }

    private mutating func forget() {
        offsets = [:]
        counts = Counts()
    }

    private mutating func become(_ state: State, _ action: Action) {
        self.state = state
        self.action = action
    }
}
