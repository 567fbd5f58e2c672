import StreamRuntime
import Synchronization

/// What a partition's reader has come to, for who watches it on another thread.
final class ReadingMark: Sendable {
    private struct State {
        var starts = 0
        var reading: StallWatch.Reading?
    }

    private let state = Mutex(State())

    var reading: StallWatch.Reading? { state.withLock { $0.reading } }

    /// The reader waits for that offset.
    func start(at place: Int64) {
        state.withLock { state in
            state.starts += 1
            state.reading = StallWatch.Reading(start: state.starts, place: place, emptyPolls: 0)
        }
    }

    /// A poll has ended, and that offset is waited for now.
    func polled(next place: Int64) {
        state.withLock { state in
            if state.reading?.place == place {
                state.reading?.emptyPolls += 1
            } else {
                state.reading?.place = place
            }
        }
    }

    /// The reader does not read for now.
    func rest() { state.withLock { $0.reading = nil } }
}
