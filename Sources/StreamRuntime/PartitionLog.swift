import InventoryCore
import InventoryWire

/// One record as it is read. The bytes are valid only while the closure that got them runs.
package struct LogRecord {
    package var key: UnsafeRawBufferPointer?
    /// Nil for a tombstone.
    package var value: UnsafeRawBufferPointer?
    package var offset: Int64
    /// Milliseconds since 1970; nil where the record has none.
    package var timestamp: Int64?
    /// This is no record: so many offsets from `offset` on cannot be read, and why.
    package var unreadable: UnreadableBatch?

    /// The offset of the next record.
    package var next: Int64 { offset + (unreadable?.offsets ?? 1) }

    package init(
        key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, offset: Int64, timestamp: Int64?
    ) {
        self.key = key
        self.value = value
        self.offset = offset
        self.timestamp = timestamp
    }
}

/// Records of an input that nobody can read.
package struct UnreadableBatch: Equatable, Sendable {
    /// How many offsets: 1 or more.
    package var offsets: Int64
    package var reason: SkipReason

    package init(offsets: Int64, reason: SkipReason) {
        precondition(offsets > 0)
        self.offsets = offsets
        self.reason = reason
    }
}

extension LogRecord {
    /// In the place of records that cannot be read.
    package init(unreadable: UnreadableBatch, from offset: Int64) {
        self.init(key: nil, value: nil, offset: offset, timestamp: nil)
        self.unreadable = unreadable
    }
}

extension DecodingFailure {
    package init(unreadable: UnreadableBatch, from offset: Int64) {
        self.init(
            .unreadable,
            "the offsets \(offset) to \(offset + unreadable.offsets - 1) cannot be read "
                + "(\(unreadable.reason.rawValue)), and were stepped over")
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

    /// By how many partitions keys were placed, as the first other partition says that says it; nil where none does.
    func partitionsOfOthers() throws(LogFailure) -> Int32?

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
    /// For logs whose topics nobody alters.
    package func partitionsOfOthers() throws(LogFailure) -> Int32? { nil }

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

extension LogFailure {
    /// A topic has another number of partitions than that by which its keys were placed.
    /// - Parameter topic: `stock.commands` or `orders`.
    package static func placedOtherwise(_ topic: Topic, by placed: Int64, now: Int32) -> LogFailure {
        let key = topic == .orders ? "order" : "SKU"
        return LogFailure(
            .halt, operation: "check the number of partitions",
            message: "\(topic.rawValue) has \(now) partitions, but its keys were placed by \(placed) "
                + "(docs/operations.md#a-topic-was-altered): a \(key) would be looked for where its state is not. "
                + "Nothing was decided. Publish nothing more, and run `holdfast topics grow --to-prefix PREFIX "
                + "--partitions \(max(Int64(now), placed + 1))`",
            isRefusal: true)
    }
}
