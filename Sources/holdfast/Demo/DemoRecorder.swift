import InventoryCore
import Operations
import Synchronization

/// What is known of the sale while it runs: when each command was meant to be sent, when its result was read,
/// and what the results were. Filled by several threads.
final class DemoRecorder: Sendable {
    struct Counts: Sendable {
        var sent = 0
        var answered = 0
        /// Answers to commands that the demo itself has sent.
        var answeredOwn = 0
        /// Those of them that have no answer yet.
        var unanswered: Int { sent - answeredOwn }
        var reserved = 0
        var rejected = 0
        var confirmed = 0
        var released = 0
        var expired = 0
    }

    private struct State {
        var counts = Counts()
        /// The numbers of the reservations that are timed.
        var timed = 0..<0
        /// By place among them: the intended send time in nanoseconds, 0 before that.
        var intended: [UInt64] = []
        /// The same: from intended send to result read, in milliseconds; negative before that.
        var latencies: [Double] = []
        var recent: [Double] = []
        var lastSeen: [Int32: UInt64] = [:]
        /// By partition: the longest time without a result that began at or after the kill, and its end.
        var silences: [Int32: Double] = [:]
        var kill: UInt64 = 0
        /// When the sale ended: a silence after that is no sign of anything.
        var end: UInt64 = .max
    }

    private let state = Mutex(State())

    /// Times these reservations, and forgets those that were timed before.
    func time(_ numbers: Range<Int>) {
        state.withLock {
            $0.timed = numbers
            $0.intended = Array(repeating: 0, count: numbers.count)
            $0.latencies = Array(repeating: -1, count: numbers.count)
            $0.recent = []
        }
    }

    var counts: Counts { state.withLock { $0.counts } }

    /// A reservation that is timed.
    func sent(_ number: Int, intended: UInt64) {
        state.withLock {
            $0.intended[number - $0.timed.lowerBound] = intended
            $0.counts.sent += 1
        }
    }

    /// A command whose answer is not timed.
    func sentUntimed() { state.withLock { $0.counts.sent += 1 } }

    /// Marks the moment of the kill, from which silences count.
    func markKill() { state.withLock { $0.kill = MonotonicTime.now() } }

    /// Marks the end of the sale, until which silences count.
    func markEnd() { state.withLock { $0.end = MonotonicTime.now() } }

    /// - Parameters:
    ///   - number: of the reservation that the result answers; nil for other commands.
    ///   - isOwn: whether the demo itself has sent the command.
    func saw(_ outcome: Outcome, number: Int?, isOwn: Bool, partition: Int32) {
        let now = MonotonicTime.now()
        state.withLock { state in
            state.counts.answered += 1
            if isOwn { state.counts.answeredOwn += 1 }
            switch outcome.kind {
            case .reserved: state.counts.reserved += 1
            case .rejected: state.counts.rejected += 1
            case .confirmed: state.counts.confirmed += 1
            case .released: state.counts.released += 1
            case .expired: state.counts.expired += 1
            default: break
            }
            if state.kill > 0, now < state.end {
                let before = max(state.lastSeen[partition] ?? 0, state.kill)
                let silence = Double(now - min(before, now)) / 1e9
                state.silences[partition] = max(state.silences[partition] ?? 0, silence)
            }
            state.lastSeen[partition] = now
            guard let number, outcome.command == .reserve, !outcome.isDuplicate,
                state.timed.contains(number)
            else { return }
            let place = number - state.timed.lowerBound
            guard state.intended[place] > 0, state.latencies[place] < 0 else { return }
            let latency = Double(now - min(now, state.intended[place])) / 1e6
            state.latencies[place] = latency
            state.recent.append(latency)
        }
    }

    /// The latencies since the last call, for the progress line.
    func takeRecent() -> Percentiles {
        let recent = state.withLock { state in
            let recent = state.recent
            state.recent = []
            return recent
        }
        return Percentiles(recent)
    }

    /// Latencies of reservations in milliseconds: of all, and of those meant to be sent before the kill.
    func latencies() -> (all: Percentiles, beforeKill: Percentiles) {
        let (all, early) = state.withLock { state in
            let seen = state.latencies.indices.filter { state.latencies[$0] >= 0 }
            // A result that the kill held back is none of the time before it.
            let limit = state.kill > 200_000_000 ? state.kill - 200_000_000 : 0
            return (
                seen.map { state.latencies[$0] },
                seen.filter { state.kill == 0 || state.intended[$0] < limit }.map { state.latencies[$0] }
            )
        }
        return (Percentiles(all), Percentiles(early))
    }

    /// The longest silence of any partition since the kill, in seconds.
    func longestSilence() -> Double { state.withLock { $0.silences.values.max() ?? 0 } }

    /// Forgets what the start of the sale looked like, so that the silence before it does not count.
    func forgetSilences() { state.withLock { $0.silences = [:] } }
}
