import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Synchronization

/// Follows results and reservations as fulfilment would, and knows when every partition works again.
final class ChaosWatcher: Sendable {
    private struct State {
        /// By number of the command.
        var answered: [Bool] = []
        var answeredCount = 0
        var policies: Set<String> = []
        var live: Set<String> = []
        /// The reservation whose end is waited for.
        var awaited: String?
        /// The least number of a command whose result counts as a sign of life, and who has not given one.
        var mark = 0
        var silent: Set<Int32> = []
        var recoveredAt: UInt64?
        var failure: String?
    }

    private let run: String
    private let settings: KafkaSettings
    private let state = Mutex(State())
    private let isStopping = Atomic<Bool>(false)
    private let hasStopped = Atomic<Bool>(false)

    init(run: String, settings: KafkaSettings) {
        self.run = run
        self.settings = settings
    }

    /// How many of the plan's commands have a result.
    var answered: Int { state.withLock { $0.answeredCount } }
    /// How many products' policies were decided.
    var policies: Int { state.withLock { $0.policies.count } }
    var live: Int { state.withLock { $0.live.count } }
    var failure: String? { state.withLock { $0.failure } }

    /// From now on waits for the end of a reservation, which is yet to come.
    func expectEnd(of reservation: String) { state.withLock { $0.awaited = reservation } }
    var hasExpectedEnded: Bool { state.withLock { $0.awaited == nil } }

    /// From now on waits for a result of a command of that number or a later one, from every partition.
    func mark(number: Int, partitions: Range<Int32>) {
        state.withLock {
            $0.mark = number
            $0.silent = Set(partitions)
            $0.recoveredAt = nil
        }
    }

    /// When the last partition gave a result since the mark, on the monotonic clock; nil before that.
    var recoveredAt: UInt64? { state.withLock { $0.recoveredAt } }
    /// The partitions that have not given one.
    var silent: [Int32] { state.withLock { $0.silent.sorted() } }

    func start(from starts: [Topic: [Int32: Int64]]) {
        Service.startThread("watcher") { [self] in
            do throws(KafkaError) {
                try follow(starts)
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

    private func follow(_ starts: [Topic: [Int32: Int64]]) throws(KafkaError) {
        let consumer = try Consumer(configuration: settings.reader(isolation: .committed), events: .ignored)
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
                guard message.isRecord else { return }
                if message.isFrom(results) {
                    saw(result: message, &reader)
                } else {
                    saw(reservation: message)
                }
            }
        }
        if let failure { throw failure }
    }

    private func saw(result message: borrowing Message, _ reader: inout RecordReader) {
        guard let value = message.value, let outcome = try? reader.outcome(value).outcome,
            outcome.sku.hasPrefix(run)
        else { return }
        let now = MonotonicTime.now()
        let partition = message.partition
        let number = ChaosPlan.number(of: outcome.commandID, run: run)
        state.withLock { state in
            if outcome.kind == .policySet { state.policies.insert(outcome.sku) }
            guard let number else { return }
            if number >= state.answered.count {
                state.answered += Array(repeating: false, count: number + 1_000 - state.answered.count)
            }
            if !state.answered[number] {
                state.answered[number] = true
                state.answeredCount += 1
            }
            if number >= state.mark, state.silent.remove(partition) != nil, state.silent.isEmpty {
                state.recoveredAt = now
            }
        }
    }

    private func saw(reservation message: borrowing Message) {
        guard let key = message.key else { return }
        let id = String(decoding: key, as: UTF8.self)
        guard id.hasPrefix(run) else { return }
        let isLive = message.value != nil
        state.withLock { state in
            if isLive {
                state.live.insert(id)
            } else {
                state.live.remove(id)
                if state.awaited == id { state.awaited = nil }
            }
        }
    }
}
