import KafkaClient
import Operations

/// Transactions of subcommands that run once: they wait where a service would begin again.
extension TransactionalProducer {
    /// Fences every earlier producer of the id, and ends what it had open, for which the broker may take a while.
    func takeOver(withinMilliseconds limit: Int, isStopping: () -> Bool) throws(KafkaError) {
        let deadline = Deadline(milliseconds: limit)
        while true {
            do throws(KafkaError) {
                return try initTransactions(timeoutMilliseconds: min(2_000, limit))
            } catch {
                guard error.recovery == .retry, !deadline.isPast, !isStopping() else { throw error }
            }
        }
    }

    /// Commits, and asks again while the outcome is unknown.
    func commitSurely(withinMilliseconds limit: Int) throws(KafkaError) {
        let deadline = Deadline(milliseconds: limit)
        while true {
            do throws(KafkaError) {
                return try commit(timeoutMilliseconds: limit)
            } catch {
                guard error.recovery == .retry, !deadline.isPast else { throw error }
            }
        }
    }
}
