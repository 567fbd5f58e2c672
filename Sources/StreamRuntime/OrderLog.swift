import InventoryWire

/// What a coordinator needs of the log: two input partitions of the same number, `orders` and `order.replies`, a state
/// to restore from, and a transaction over all that it writes. As with `PartitionLog`, the calls block, each for a
/// limited time, and come from one thread.
package protocol OrderLog: PartitionReader {
    /// How many partitions `orders` has.
    var partitionCount: Int32 { get }

    /// By how many partitions keys of `orders` were placed, as the first other partition says that says it; nil where none
    /// does.
    func partitionsOfOthers() throws(LogFailure) -> Int32?

    /// Opens the producer and fences the owner before us.
    func open() throws(LogFailure)

    /// The next offsets to read, as the group committed them; nil where it never did.
    func committedOffsets() throws(LogFailure) -> (orders: Int64?, replies: Int64?)

    func startReading(orders: Int64, replies: Int64) throws(LogFailure)

    /// Gives at most `limit` records of both inputs to `body`, having waited at most so long for the first.
    func poll(
        limit: Int, timeoutMilliseconds: Int,
        _ body: (_ topic: Topic, _ record: LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) -> Int

    func begin() throws(LogFailure)

    /// Appends to a partition of `topic` in the open transaction. The bytes are copied.
    func produce(
        _ topic: Topic, _ partition: Int32, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure)

    /// Commits the transaction, together with the next offsets of both inputs.
    func commit(nextOrder: Int64, nextReply: Int64) throws(LogFailure)

    func close()
}

extension OrderLog {
    /// For logs whose topics nobody alters.
    package func partitionsOfOthers() throws(LogFailure) -> Int32? { nil }
}
