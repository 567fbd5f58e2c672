import CRdKafka
import Synchronization

/// Which partitions of a consumer were taken off its queue, and how many `PartitionQueue`s each has now.
///
/// librdkafka never forwards a partition to the consumer queue again once the program has changed where it goes,
/// and it clears what the program says as soon as it stops fetching, some time after the call that unassigns. So
/// a partition without a queue is given back anew with each poll; else its records would come to nobody.
final class DetachedPartitions: Sendable {
    private let queueCounts = Mutex<[TopicPartition: Int]>([:])

    /// Takes a partition off the consumer queue (`rd_kafka_queue_forward` to NULL).
    func detach(_ partition: TopicPartition, queue: borrowing QueueHandle) {
        queueCounts.withLock { counts in
            counts[partition, default: 0] += 1
            rd_kafka_queue_forward(queue.pointer, nil)
        }
    }

    /// One queue of the partition is gone.
    func release(_ partition: TopicPartition) {
        queueCounts.withLock { $0[partition, default: 1] -= 1 }
    }

    /// Gives the partitions without a queue back to the consumer queue.
    func giveBack(to consumerQueue: borrowing QueueHandle, client: OpaquePointer) {
        queueCounts.withLock { counts in
            for (partition, count) in counts where count == 0 {
                guard
                    let pointer = rd_kafka_queue_get_partition(client, partition.topic, partition.partition)
                else { continue }
                let queue = QueueHandle(taking: pointer)
                rd_kafka_queue_forward(queue.pointer, consumerQueue.pointer)
            }
        }
    }
}
