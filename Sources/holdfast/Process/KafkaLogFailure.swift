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
    init(_ error: KafkaError, _ operation: String? = nil) {
        let consequence: LogFailure.Consequence =
            switch error.recovery {
            // They were there when the process started.
            case _ where error.isForgottenTopic: .restart
            case .retry, .abortTransaction: .restart
            case .fenced: error.isTakenOver ? .fenced : .restart
            case .fatal: .halt
            }
        self.init(
            consequence, operation: operation ?? error.operation, message: error.description,
            isRefusal: error.isRefusal)
    }
}

extension Message {
    /// The record as the runtime reads it.
    var logRecord: LogRecord {
        let timestamp = timestampMilliseconds
        return LogRecord(key: key, value: value, offset: offset, timestamp: timestamp < 0 ? nil : timestamp)
    }
}
