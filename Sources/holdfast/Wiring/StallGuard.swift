import Foundation
import KafkaClient
import Operations
import StreamRuntime
import Synchronization

/// Watches over the partitions that this process reads, on a thread and with a client of its own, and finds those that
/// are read no more (`StallWatch`).
final class StallGuard: Sendable {
    private struct Watched {
        let mark: ReadingMark
        var watch: StallWatch
    }

    private struct State {
        var partitions: [TopicPartition: Watched] = [:]
        var finding: String?
    }

    /// How long a question may take, in milliseconds.
    private static let limit = 5_000

    private let timeout: Int
    private let settings: KafkaSettings
    private let events: ClientEvents
    /// Counts what the broker was asked of a partition.
    private let questions: Counter
    private let state = Mutex(State())
    private let ending = DispatchSemaphore(value: 0)

    /// - Returns: nil where `stall_timeout_ms` is 0: nobody is to watch.
    init?(_ service: Service) {
        timeout = service.configuration.integer("stall_timeout_ms")
        guard timeout > 0 else { return nil }
        settings = KafkaSettings(service.configuration)
        events = service.kafkaEvents()
        questions = service.metrics.counter(
            "holdfast_stall_questions_total",
            help: "How often the broker was asked for records that this process does not get.")
    }

    /// Which partition is read no more, in a sentence; nil for as long as all are.
    var finding: String? { state.withLock { $0.finding } }

    /// - Throws: `RoleFailure` for a partition that is read no more.
    func check() throws {
        if let finding { throw RoleFailure(.internalFault, finding) }
    }

    func watch(_ place: TopicPartition, _ mark: ReadingMark) {
        state.withLock {
            $0.partitions[place] = Watched(mark: mark, watch: StallWatch(timeout: Int64(timeout)))
        }
    }

    func forget(_ place: TopicPartition) { state.withLock { $0.partitions[place] = nil } }

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
                let ends = try consumer.ends(of: asking, timeoutMilliseconds: Self.limit)
                for end in ends { try settle(end, consumer) }
            } catch {
                // Whatever it was, the next question has a client that knows nothing of it.
                client = nil
                for place in asking { _ = ended(place, nil) }
            }
        }
    }

    private func makeClient() throws(KafkaError) -> Consumer {
        try Consumer(configuration: settings.probe(), events: events)
    }

    /// Tells a partition's watch its end, and looks if that is to be done.
    private func settle(_ end: TopicPartitionOffset, _ consumer: Consumer) throws(KafkaError) {
        guard case .look(let offset) = ended(end.partition, end.offset) else { return }
        let sight = try consumer.firstRecord(
            from: TopicPartitionOffset(end.partition, offset: offset), timeoutMilliseconds: Self.limit)
        let answer: StallWatch.Answer =
            switch sight {
            case .record(let offset): .record(at: offset)
            case .nothing: .nothing
            case .unknown: .unknown
            }
        state.withLock { $0.partitions[end.partition]?.watch.looked(answer) }
    }

    /// Looks at all partitions.
    /// - Returns: those of which the broker is to be asked.
    private func due() -> [TopicPartition] {
        let now = Int64(MonotonicTime.now() / 1_000_000)
        return state.withLock { state in
            var due: [TopicPartition] = []
            for place in state.partitions.keys.sorted() {
                let reading = state.partitions[place]!.mark.reading
                switch state.partitions[place]!.watch.look(at: reading, now: now) {
                case .askEnd: due.append(place)
                case .tell(let finding): state.finding = state.finding ?? text(finding, place)
                case .rest, .look: break
                }
            }
            return due
        }
    }

    private func ended(_ place: TopicPartition, _ end: Int64?) -> StallWatch.Action {
        state.withLock { $0.partitions[place]?.watch.ended(at: end) ?? .rest }
    }

    private func text(_ finding: StallWatch.Finding, _ place: TopicPartition) -> String {
        "\(place.topic) [\(place.partition)] is read no more: nothing came from offset \(finding.place) on for "
            + "\(finding.silence) ms (stall_timeout_ms), and another client reads a record at offset "
            + "\(finding.record); a new process reads on (docs/faults.md)"
    }
}
