import InventoryCore
import KafkaClient
import Operations
import Synchronization

/// What is seen of results and reservations while harm is done, and when every partition works again.
final class ChaosWatcher: Sendable {
    private struct State {
        /// By number of the command.
        var answered: [Bool] = []
        var answeredCount = 0
        var policies: Set<String> = []
        /// The reservation whose end is waited for.
        var awaited: ID?
        /// The least number of a command whose result counts as a sign of life, and who has not given one.
        var mark = 0
        var silent: Set<Int32> = []
        var recoveredAt: UInt64?
    }

    private let run: String
    private let reader: FulfilmentReader
    private let state = Mutex(State())

    init(run: String, settings: KafkaSettings) {
        self.run = run
        reader = FulfilmentReader(run: run, settings: settings, events: .ignored)
    }

    /// How many of the plan's commands have a result.
    var answered: Int { state.withLock { $0.answeredCount } }
    /// How many products' policies were decided.
    var policies: Int { state.withLock { $0.policies.count } }
    var live: Int { reader.liveCount }
    var failure: String? { reader.failure }

    /// From now on waits for the end of a reservation, which is yet to come.
    func expectEnd(of reservation: ID) { state.withLock { $0.awaited = reservation } }
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
        reader.start(from: starts) { [self] in
            FulfilmentReader.Steps(
                result: { outcome, partition in self.saw(outcome, partition) },
                reservation: { name, isLive in self.saw(name, isLive) })
        }
    }

    /// Stops following, and waits for that.
    func stop() { reader.stop() }

    private func saw(_ outcome: Outcome, _ partition: Int32) {
        let now = MonotonicTime.now()
        let number = ChaosPlan.number(of: outcome.commandID, run: run)
        state.withLock { state in
            if outcome.kind == .policySet { state.policies.insert(outcome.sku.text) }
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

    private func saw(_ reservation: OwnedID, _ isLive: Bool) {
        guard !isLive else { return }
        state.withLock { if $0.awaited == reservation.id { $0.awaited = nil } }
    }
}
