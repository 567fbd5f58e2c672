import InventoryWire
import KafkaClient
import StreamRuntime

/// Runs calls of the client, and says what follows from their errors for a partition's worker: whatever is not a
/// plain yes drops the producer and the state (DESIGN.md, section 5.3).
///
/// - Parameter operation: what is attempted; made only where it fails, for a record is produced in less time than it.
@inline(__always)
func attempt<Result>(
    _ operation: @autoclosure () -> String, _ body: () throws(KafkaError) -> Result
) throws(LogFailure) -> Result {
    do throws(KafkaError) {
        return try body()
    } catch {
        throw LogFailure(error, operation())
    }
}

extension TransactionalProducer {
    /// How often room in the local queue is waited for, and how long each time.
    private static let roomTries = 1_000
    private static let roomWait = 10

    /// Produces a record. The local queue empties as the broker acknowledges, and is waited for; ten seconds without
    /// room are a dead broker.
    func produceWaiting(
        _ name: InventoryWire.Topic, _ topic: KafkaClient.Topic, _ partition: Int32,
        key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?
    ) throws(LogFailure) {
        for _ in 0..<Self.roomTries {
            let outcome = try attempt("produce to \(name.rawValue)") { () throws(KafkaError) in
                try produce(topic, partition: .number(partition), key: key, value: value)
            }
            if outcome == .queued { return }
            poll(timeoutMilliseconds: Self.roomWait)
        }
        throw LogFailure(
            .restart, operation: "produce to \(name.rawValue)",
            message: "the local queue had no room for 10 s; is the broker there?")
    }
}

extension LogFailure {
    /// Errors that say that another producer has the transactional id; the others of their kind only say that this
    /// one cannot be trusted any more.
    private static let ownerCodes: Set<String> = ["_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH"]

    /// A client that has not heard of a broker for a while forgets its topics: that they are unknown is no reason to
    /// stop for good. They were there when the process started.
    private static let forgottenCodes: Set<String> = [
        "_UNKNOWN_PARTITION", "_UNKNOWN_TOPIC", "UNKNOWN_TOPIC_OR_PART",
    ]

    init(_ error: KafkaError, _ operation: String? = nil) {
        let consequence: LogFailure.Consequence =
            switch error.recovery {
            case _ where Self.forgottenCodes.contains(error.code.name): .restart
            case .retry, .abortTransaction: .restart
            case .fenced: Self.ownerCodes.contains(error.code.name) ? .fenced : .restart
            case .fatal: .halt
            }
        self.init(
            consequence, operation: operation ?? error.operation, message: error.description,
            isRefusal: error.isRefusal)
    }
}

extension LogFailure {
    /// A topic that the processors or coordinators write holds a batch that nobody can read.
    static func unreadable(
        _ topic: InventoryWire.Topic, _ partition: Int32, at offset: Int64, _ error: KafkaError
    ) -> LogFailure {
        let remedy =
            switch topic {
            case .levels, .reservations, .transfers:
                "delete the topic, then `holdfast topics apply` and `holdfast rebuild --from-ledger --in-place`"
            default: "a replica whose bytes are whole must lead the partition"
            }
        return LogFailure(
            .halt, operation: "read \(topic.rawValue)",
            message: "\(topic.rawValue)[\(partition)] holds a batch at offset \(offset) that cannot be read "
                + "(\(error.description)); \(remedy): docs/operations.md#a-batch-cannot-be-read")
    }
}

extension Message {
    /// The record as the runtime reads it.
    var logRecord: LogRecord {
        let timestamp = timestampMilliseconds
        return LogRecord(key: key, value: value, offset: offset, timestamp: timestamp < 0 ? nil : timestamp)
    }

    /// The same of an input, whose time is the broker's or none.
    var inputRecord: LogRecord {
        let timestamp = appendMilliseconds
        return LogRecord(key: key, value: value, offset: offset, timestamp: timestamp < 0 ? nil : timestamp)
    }
}
