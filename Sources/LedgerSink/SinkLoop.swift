import InventoryWire

/// The loop of the sink over the ledger.
package typealias SinkLoop = TopicLoop<LedgerRow>

/// The loop of the sink over a topic: `SinkLifecycle` with the batch that it is about. Whoever runs it does `action`,
/// and tells what came of it.
package struct TopicLoop<Row: SinkRow>: ~Copyable {
    /// The first offset that a partition has, and the one after its last that can be read.
    package typealias Ends = ClosedRange<Int64>

    /// What to do next.
    package private(set) var action: SinkLifecycle.Action
    /// What was read and is not stored.
    package private(set) var batch = SinkBatch<Row>(from: [:])
    private var lifecycle = SinkLifecycle()
    private var reader = RecordReader()
    /// The record that is none of the topic's.
    private var fault: SinkFault?
    private let topic: String

    /// - Parameter topic: the topic's name on its cluster.
    package init(topic: String) {
        self.topic = topic
        action = lifecycle.start()
    }

    /// Connected, and all is stored that the topic held at that time.
    package var isCaughtUp: Bool { lifecycle.isCaughtUp }
    /// Failed attempts since PostgreSQL was last there.
    package var failuresInARow: Int { lifecycle.failuresInARow }

    // MARK: Connecting

    /// Whether the topic has the offsets that PostgreSQL stores, asked before the reader is placed at them.
    package func check(offsets: [Int32: Int64], ends: [Int32: Ends]) throws(SinkFault) {
        for (partition, offset) in offsets.sorted(by: { $0.key < $1.key }) {
            guard let ends = ends[partition], offset > ends.upperBound || isLost(offset, ends) else {
                continue
            }
            throw SinkFault(
                "PostgreSQL holds \(topic), partition \(partition), up to offset \(offset), but the topic "
                    + "has \(ends.lowerBound) to \(ends.upperBound): was the topic made anew, or is this another's "
                    + "database? Give the sink the database that belongs to the topic")
        }
    }

    private func isLost(_ offset: Int64, _ ends: Ends) -> Bool {
        Row.isKeptForEver && offset < ends.lowerBound
    }

    /// PostgreSQL is there, and the reader stands where it says, or where the topic begins by now.
    package mutating func connected(offsets: [Int32: Int64], ends: [Int32: Ends]) {
        batch = SinkBatch(from: offsets)
        action = lifecycle.connected(offsets: offsets, ends: ends.mapValues(\.upperBound))
    }

    // MARK: Gathering

    /// Whether a batch of at most `limit` records takes more.
    package func takesMore(limit: Int) -> Bool { batch.records < limit && fault == nil }

    /// A record of the topic.
    // Called for each record from another module, where the compiler does not know the row's layout.
    @_specialize(where Row == LedgerRow)
    package mutating func read(
        _ value: UnsafeRawBufferPointer?, partition: Int32, offset: Int64
    ) {
        guard fault == nil else { return }
        do throws(DecodingFailure) {
            guard let value else { throw DecodingFailure(.emptyValue, "the record has no value") }
            if let row = try Row(value, partition: partition, offset: offset, &reader) {
                batch.add(row)
            } else {
                batch.passOver(partition, offset: offset)
            }
        } catch {
            fault = SinkFault(
                "\(topic), partition \(partition), offset \(offset) is no \(Row.noun) "
                    + "(\(error.reason.rawValue): \(error.detail)); nothing after it is stored. Was it "
                    + "written by something else, or by a newer version?")
        }
    }

    /// All before `next` was read.
    package mutating func reachedEnd(of partition: Int32, next: Int64) {
        guard fault == nil else { return }
        batch.passed(partition, next: next)
        if batch.isEmpty { lifecycle.passed(partition, next: next) }
    }

    /// The batch is full, or old enough.
    ///
    /// - Parameter keepsPlace: whether markers and aborted records that were passed are worth a transaction: retention
    ///   may take them away, and what PostgreSQL has not come to counts as never read.
    /// - Throws: what a person must look at; then nothing of the batch is stored.
    package mutating func gathered(keepsPlace: Bool = true) throws(SinkFault) {
        if let fault { throw fault }
        action = lifecycle.gathered(isFurther: !batch.isEmpty || keepsPlace && batch.isFurther)
    }

    // MARK: Storing

    /// PostgreSQL has the batch.
    package mutating func stored() {
        let next = batch.nextOffsets
        batch = SinkBatch(from: next)
        action = lifecycle.stored(next: next)
    }

    /// Whatever failed: what was gathered is read again, from where PostgreSQL says.
    package mutating func failed(_ consequence: SinkLifecycle.Consequence, _ reason: String) {
        action = lifecycle.failed(consequence, reason)
    }

    package mutating func waited() { action = lifecycle.waited() }

    /// The sink is to stop: what was gathered is stored first.
    package mutating func stop() { action = lifecycle.stop(insteadOf: action) }
}
