import InventoryWire

/// What a coordinator needs of the log: two input partitions of the same number, `orders` and `order.replies`, a state
/// to restore from, and a transaction over all that it writes. As with `PartitionLog`, the calls block, each for a
/// limited time, and come from one thread.
package protocol OrderLog: OwnedPartition {
    /// Opens the producer and fences the owner before us.
    func open() throws(LogFailure)

    /// The next offsets to read, as the group committed them; nil where it never did.
    func committedOffsets() throws(LogFailure) -> (orders: Int64?, replies: Int64?)

    func startReading(at place: OrderPlace) throws(LogFailure)

    /// Gives at most `limit` records of both inputs to `body`, having waited at most so long for the first.
    func poll(
        limit: Int, timeoutMilliseconds: Int,
        _ body: (_ topic: Topic, _ record: LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) -> Int

    /// The offsets that `poll` goes on at, behind markers and aborted records (`PartitionLog.readOffset`).
    func readOffsets() throws(LogFailure) -> OrderPlace

    func begin() throws(LogFailure)

    /// Appends to a partition of `topic` in the open transaction. The bytes are copied.
    func produce(
        _ topic: Topic, _ partition: Int32, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure)

    /// Commits the transaction, together with the next offsets of both inputs.
    func commit(next place: OrderPlace) throws(LogFailure)

    func close()
}
