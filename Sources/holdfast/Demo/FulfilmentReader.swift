import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Synchronization

/// Follows `stock.results` and `stock.reservations` of a run as fulfilment would, on a thread of its own, and gives
/// what it reads to whoever watches the run.
final class FulfilmentReader: Sendable {
    /// What is done with what is read; made, called and dropped on the reader's thread.
    struct Steps {
        /// A result of a command about a SKU of the run, and its partition.
        var result: (Outcome, Int32) throws(KafkaError) -> Void
        /// The message of a reservation of the run.
        var reservation: (_ name: OwnedID, _ isLive: Bool) -> Void = { _, _ in }
        /// After each batch.
        var between: () -> Void = {}
        /// After the last one.
        var end: () throws(KafkaError) -> Void = { () throws(KafkaError) in }
    }

    private struct State {
        var live: Set<OwnedID> = []
        var failure: String?
    }

    private let run: String
    private let settings: KafkaSettings
    private let events: ClientEvents
    private let state = Mutex(State())
    private let isStopping = Atomic<Bool>(false)
    private let hasStopped = Atomic<Bool>(false)

    /// - Parameter run: what SKUs and reservations of the run begin with.
    init(run: String, settings: KafkaSettings, events: ClientEvents) {
        self.run = run
        self.settings = settings
        self.events = events
    }

    /// How many reservations of the run live.
    var liveCount: Int { state.withLock { $0.live.count } }
    /// Why it had to end.
    var failure: String? { state.withLock { $0.failure } }

    /// - Parameter starts: where each partition of the two topics is begun.
    func start(
        from starts: [Topic: [Int32: Int64]], _ steps: @escaping @Sendable () throws(KafkaError) -> Steps
    ) {
        Service.startThread("watcher") { [self] in
            do throws(KafkaError) {
                try follow(starts, steps())
            } catch {
                state.withLock { $0.failure = error.description }
            }
            hasStopped.store(true, ordering: .releasing)
        }
    }

    /// Stops following, and waits for that.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        let deadline = Deadline(milliseconds: 5_000)
        while !hasStopped.load(ordering: .acquiring), !deadline.isPast { usleep(5_000) }
    }

    private func follow(_ starts: [Topic: [Int32: Int64]], _ steps: Steps) throws(KafkaError) {
        let consumer = try Consumer(configuration: settings.reader(isolation: .committed), events: events)
        let results = try consumer.topic(settings.name(.results))
        try consumer.assign(
            starts.flatMap { topic, offsets in
                offsets.map { TopicPartitionOffset(settings.name(topic), $0.key, offset: $0.value) }
            })
        var reader = RecordReader()
        var failure: KafkaError?
        while !isStopping.load(ordering: .acquiring), failure == nil {
            consumer.consumeBatch(maxMessages: 5_000, timeoutMilliseconds: 20) { message in
                if case .failure(let error) = message.kind, error.recovery != .retry { failure = error }
                guard message.isRecord, failure == nil else { return }
                do throws(KafkaError) {
                    if message.isFrom(results) {
                        try saw(result: message, &reader, steps)
                    } else {
                        saw(reservation: message, &reader, steps)
                    }
                } catch {
                    failure = error
                }
            }
            steps.between()
        }
        if let failure { throw failure }
        try steps.end()
    }

    private func saw(
        result message: borrowing Message, _ reader: inout RecordReader, _ steps: Steps
    ) throws(KafkaError) {
        guard let value = message.value, let outcome = try? reader.outcome(value).outcome,
            outcome.sku.text.hasPrefix(run)
        else { return }
        try steps.result(outcome, message.partition)
    }

    private func saw(reservation message: borrowing Message, _ reader: inout RecordReader, _ steps: Steps) {
        guard let key = message.key else { return }
        let name = reader.ownedID(key: key)
        let isLive = message.value != nil
        guard let name, name.id.text.hasPrefix(run) else { return }
        state.withLock { state in
            if isLive { state.live.insert(name) } else { state.live.remove(name) }
        }
        steps.reservation(name, isLive)
    }
}
