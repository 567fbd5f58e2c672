import InventoryWire

/// One record as it is read. The bytes are valid only while the closure that got them runs.
package struct LogRecord {
    package var key: UnsafeRawBufferPointer?
    /// Nil for a tombstone.
    package var value: UnsafeRawBufferPointer?
    package var offset: Int64
    /// Milliseconds since 1970; nil where the record has none.
    package var timestamp: Int64?

    package init(
        key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, offset: Int64, timestamp: Int64?
    ) {
        self.key = key
        self.value = value
        self.offset = offset
        self.timestamp = timestamp
    }
}

/// What is read of one partition's topics: by a restore, and by a standby that follows what others write.
package protocol PartitionReader: AnyObject {
    /// The number of the partition.
    var partition: Int32 { get }

    /// The first offset that is there and the one after the last, of this partition of `topic`.
    func offsets(of topic: Topic) throws(LogFailure) -> Range<Int64>

    /// Reads the committed records of this partition of `topic` from `offset` to its end, which the log tells
    /// by an event of its own (transaction markers make offsets useless for that).
    func read(
        _ topic: Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure)
}

/// What the owner of a partition reads of it after it has fenced the owner before.
package protocol OwnedPartition: PartitionReader {
    /// The offset after the last record of this partition of each of `topics`, in their order, whether or not the
    /// record's transaction has ended.
    func writtenEnds(of topics: [Topic]) throws(LogFailure) -> [Int64]
}

extension OwnedPartition {
    /// Requires that readers see all that was ever written to this partition of `topics`, which only its owners write.
    /// Fencing ends what the owner before had open; where the end of such a transaction is late, or was lost, what it
    /// has written is hidden still: a state without it would lack what was committed, and the next transaction that
    /// ends there would commit what was aborted.
    ///
    /// - Throws: a failure that begins again, so that whoever ends the transaction need do nothing more.
    package func requireSettled(_ topics: [Topic]) throws(LogFailure) {
        let written = try writtenEnds(of: topics)
        for (topic, end) in zip(topics, written) {
            let readable = try offsets(of: topic).upperBound
            guard readable < end else { continue }
            throw LogFailure(
                .restart, operation: "restore of partition \(partition)",
                message: "\(topic.rawValue) can be read up to offset \(readable) of \(end): a transaction of an earlier "
                    + "owner has not ended there (if this goes on, it hangs: docs/faults.md)")
        }
    }
}

/// What a partition processor needs of the log: one input partition to consume, the partition of the same
/// number of each output topic to write and to restore from, all in transactions of one stable id.
///
/// The calls block, each for a limited time, and come from one thread. Between `startCommit` and the word of
/// `isCommitted`, `poll` and `isCommitted` are the only ones. StreamRuntime knows nothing else of Kafka; a simulation
/// of the log can stand behind the same protocol.
package protocol PartitionLog: OwnedPartition {
    /// How many partitions there are.
    var partitionCount: Int32 { get }

    /// Opens the producer and fences the owner before us: its open transaction is ended when this returns.
    func open() throws(LogFailure)

    /// The next offset of `stock.commands` to process, as the group committed it; nil if it never did.
    func committedOffset() throws(LogFailure) -> Int64?

    /// Places the reader of `stock.commands` before `offset`; what it had fetched is dropped.
    func startReading(at offset: Int64) throws(LogFailure)

    /// Gives at most `limit` commands to `body`, having waited at most `timeoutMilliseconds` for the first, and no
    /// longer than until a commit that is under way has ended.
    func poll(
        limit: Int, timeoutMilliseconds: Int, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) -> Int

    /// The offset that `poll` goes on at. Between the record that it gave last and there stand only markers of
    /// transactions and records that were aborted.
    func readOffset() throws(LogFailure) -> Int64

    func begin() throws(LogFailure)

    /// Appends to this partition of `topic` in the open transaction. The bytes are copied.
    func produce(
        _ topic: Topic, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure)

    /// Appends to a partition of `order.replies` in the open transaction, or does nothing where there is no such
    /// partition: whoever waits for the reply asks again.
    func reply(
        _ partition: Int32, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(LogFailure)

    /// Begins to commit the transaction, together with the next input offset, and does not wait for the outcome.
    func startCommit(nextOffset: Int64) throws(LogFailure)

    /// Waits for the outcome of the commit, at most so long. Throws if it is not yes; then, too, the commit is over.
    /// - Returns: true when the commit said yes, false while it is under way.
    func isCommitted(timeoutMilliseconds: Int) throws(LogFailure) -> Bool

    /// Drops the producer with whatever transaction it has open. Never fails, never waits for long.
    func close()
}

extension PartitionLog {
    /// For logs without orders.
    package func reply(
        _ partition: Int32, key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(LogFailure) {}
}

/// What follows from a failure of the log.
package struct LogFailure: Error, Equatable, Sendable {
    package enum Consequence: Equatable, Sendable {
        /// The outcome is a definite no, or unknown: drop the producer and the state, and start again.
        case restart
        /// Another producer took our transactional id: the partition is another's, until we are told again.
        case fenced
        /// What was read of several topics does not agree. A broker that has just come back may show the end of a
        /// transaction in one topic earlier than in another, so start again some times; then it is a halt.
        case doubt
        /// A person must look at it: this partition stops, others go on.
        case halt
        /// The worker was asked to stop while it waited.
        case stopped
    }

    package var consequence: Consequence
    package var operation: String
    package var message: String
    /// Whether the log does not allow it to whom we are: then it allows it to no worker of this process.
    package var isRefusal: Bool

    package init(
        _ consequence: Consequence, operation: String, message: String, isRefusal: Bool = false
    ) {
        self.consequence = consequence
        self.isRefusal = isRefusal
        self.operation = operation
        self.message = message
    }
}
