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

/// What a partition processor needs of the log: one input partition to consume, the partition of the same
/// number of each output topic to write and to restore from, all in transactions of one stable id.
///
/// The calls block, each for a limited time, and come from one thread. Between `startCommit` and the word of
/// `isCommitted`, `poll` and `isCommitted` are the only ones. StreamRuntime knows nothing else of Kafka; a simulation
/// of the log can stand behind the same protocol.
package protocol PartitionLog: PartitionReader {
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
