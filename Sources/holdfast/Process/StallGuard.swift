import Foundation
import KafkaClient
import Operations
import StreamRuntime
import Synchronization

/// Watches over the partitions of a topic that this process reads, on a thread and with a client of its own, and finds
/// those that are read no more (`StallWatch`).
final class StallGuard: Sendable {
    private struct Watched {
        let mark: ReadingMark
        var watch: StallWatch
    }

    private struct State {
        var partitions: [Int32: Watched] = [:]
        var finding: String?
    }

    /// How long a question may take, in milliseconds.
    private static let limit = 5_000

    private let topic: String
    private let timeout: Int
    private let settings: KafkaSettings
    private let events: ClientEvents
    /// Counts what the broker was asked of a partition.
    private let questions: Counter
    private let state = Mutex(State())
    private let ending = DispatchSemaphore(value: 0)

    /// - Parameter timeout: `stall_timeout_ms`, more than 0.
    init(topic: String, timeout: Int, settings: KafkaSettings, events: ClientEvents, questions: Counter) {
        self.topic = topic
        self.timeout = timeout
        self.settings = settings
        self.events = events
        self.questions = questions
    }

    /// Which partition is read no more, in a sentence; nil for as long as all are.
    var finding: String? { state.withLock { $0.finding } }

    func watch(_ partition: Int32, _ mark: ReadingMark) {
        state.withLock {
            $0.partitions[partition] = Watched(mark: mark, watch: StallWatch(timeout: Int64(timeout)))
        }
    }

    func forget(_ partition: Int32) { state.withLock { $0.partitions[partition] = nil } }

    func start() { Service.startThread("stall-guard") { [self] in run() } }

    /// Ends the thread, when what it asks is answered.
    func end() { ending.signal() }

    private func run() {
        var client: Consumer?
        while ending.wait(timeout: .now() + .milliseconds(max(100, min(timeout / 5, 1_000)))) == .timedOut {
            let asking = due()
            guard !asking.isEmpty else { continue }
            questions.add(asking.count)
            do throws(KafkaError) {
                if client == nil { client = try makeClient() }
                let consumer = client!
                // What it has to tell of its connections is told now.
                consumer.consumeBatch(maxMessages: 1, timeoutMilliseconds: 0) { _ in }
                let ends = try consumer.ends(
                    of: asking.map { TopicPartition(topic, $0) }, timeoutMilliseconds: Self.limit)
                for end in ends { try settle(end, consumer) }
            } catch {
                // Whatever it was, the next question has a client that knows nothing of it.
                client = nil
                for partition in asking { _ = ended(partition, nil) }
            }
        }
    }

    private func makeClient() throws(KafkaError) -> Consumer {
        try Consumer(configuration: settings.probe(), events: events)
    }

    /// Tells a partition's watch its end, and looks if that is to be done.
    private func settle(_ end: TopicPartitionOffset, _ consumer: Consumer) throws(KafkaError) {
        let partition = end.partition.partition
        guard case .look(let place) = ended(partition, end.offset) else { return }
        let sight = try consumer.firstRecord(
            from: TopicPartitionOffset(topic, partition, offset: place), timeoutMilliseconds: Self.limit)
        let answer: StallWatch.Answer =
            switch sight {
            case .record(let offset): .record(at: offset)
            case .nothing: .nothing
            case .unknown: .unknown
            }
        state.withLock { $0.partitions[partition]?.watch.looked(answer) }
    }

    /// Looks at all partitions.
    /// - Returns: those of which the broker is to be asked.
    private func due() -> [Int32] {
        let now = Int64(MonotonicTime.now() / 1_000_000)
        return state.withLock { state in
            var due: [Int32] = []
            for partition in state.partitions.keys.sorted() {
                let reading = state.partitions[partition]!.mark.reading
                switch state.partitions[partition]!.watch.look(at: reading, now: now) {
                case .askEnd: due.append(partition)
                case .tell(let finding): state.finding = state.finding ?? text(finding, partition)
                case .rest, .look: break
                }
            }
            return due
        }
    }

    private func ended(_ partition: Int32, _ end: Int64?) -> StallWatch.Action {
        state.withLock { $0.partitions[partition]?.watch.ended(at: end) ?? .rest }
    }

    private func text(_ finding: StallWatch.Finding, _ partition: Int32) -> String {
        "\(topic) [\(partition)] is read no more: nothing came from offset \(finding.place) on for "
            + "\(finding.silence) ms (stall_timeout_ms), and another client reads a record at offset "
            + "\(finding.record); a new process reads on (docs/faults.md)"
    }
}
