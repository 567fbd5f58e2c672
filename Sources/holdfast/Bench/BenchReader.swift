import Foundation
import KafkaClient
import Operations
import Synchronization

/// Follows the results of a run on a thread of its own, and keeps when each came.
final class BenchReader: Sendable {
    private let topic: String
    private let settings: KafkaSettings
    private let isolation: KafkaSettings.Isolation
    private let partitions: Int32
    private let total = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)
    private let hasStopped = Atomic<Bool>(false)
    private let failure = Mutex<String?>(nil)
    /// By partition, in the order of the log; complete when the reader has stopped.
    private let taken = Mutex<[[UInt64]]>([])

    init(_ topic: String, settings: KafkaSettings, isolation: KafkaSettings.Isolation, partitions: Int32) {
        self.topic = topic
        self.settings = settings
        self.isolation = isolation
        self.partitions = partitions
    }

    /// Results that have come.
    var count: Int { total.load(ordering: .acquiring) }
    var fault: String? { failure.withLock { $0 } }

    func start() {
        Service.startThread("results") { [self] in
            do throws(KafkaError) {
                try follow()
            } catch {
                failure.withLock { $0 = error.description }
            }
            hasStopped.store(true, ordering: .releasing)
        }
    }

    /// Stops, and gives when each result came, on the monotonic clock: by partition, in the order of the log.
    func stop() -> [[UInt64]] {
        isStopping.store(true, ordering: .releasing)
        let deadline = Deadline(milliseconds: 10_000)
        while !hasStopped.load(ordering: .acquiring), !deadline.isPast { usleep(2_000) }
        return taken.withLock { $0 }
    }

    private func follow() throws(KafkaError) {
        let consumer = try Consumer(configuration: settings.reader(isolation: isolation), events: .ignored)
        try consumer.assign((0..<partitions).map { TopicPartitionOffset(topic, $0, offset: 0) })
        var times = Array(repeating: [UInt64](), count: Int(partitions))
        var failure: KafkaError?
        while !isStopping.load(ordering: .acquiring), failure == nil {
            var now: UInt64 = 0
            var seen = 0
            consumer.consumeBatch(maxMessages: 5_000, timeoutMilliseconds: 20) { message in
                if case .failure(let error) = message.kind, error.recovery != .retry { failure = error }
                guard message.isRecord else { return }
                // A batch is there at once.
                if now == 0 { now = MonotonicTime.now() }
                times[Int(message.partition)].append(now)
                seen += 1
            }
            if seen > 0 { total.add(seen, ordering: .releasing) }
        }
        taken.withLock { $0 = times }
        if let failure { throw failure }
    }
}
