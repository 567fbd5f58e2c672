/// Finds out whether a partition is read no more: whether there are records for its reader that it does not get.
/// librdkafka can lose a partition for good (docs/faults.md).
///
/// A state machine for one partition: it is shown now and then what the reader has come to, says what to ask the
/// broker, with another client, and is told the answer. It says that a reader is stalled only if another client has
/// read a record at the reader's place or after it, twice and the time-out apart, while the reader went on polling and
/// got nothing. Whatever else there may be (no answer, transaction markers, records that were aborted or deleted, a
/// reader that restores or is at work on what it has) begins the time anew or asks again later.
package struct StallWatch: Sendable {
    /// What a reader has come to.
    package struct Reading: Equatable, Sendable {
        /// How often it was placed.
        package var start: Int
        /// The next offset that it waits for.
        package var place: Int64
        /// How many polls gave nothing since it was placed.
        package var emptyPolls: Int

        package init(start: Int, place: Int64, emptyPolls: Int) {
            self.start = start
            self.place = place
            self.emptyPolls = emptyPolls
        }
    }

    package enum Action: Equatable, Sendable {
        case rest
        /// Ask for the last stable offset.
        case askEnd
        /// Look for the first record from there on that a reader of committed records sees.
        case look(from: Int64)
        case tell(Finding)
    }

    /// The answer of a look.
    package enum Answer: Equatable, Sendable {
        case record(at: Int64)
        /// The end was reached, and there was none.
        case nothing
        case unknown
    }

    package struct Finding: Equatable, Sendable {
        /// Where the reader stands.
        package let place: Int64
        /// The first record there or after it.
        package let record: Int64
        /// How long the reader got nothing, in milliseconds.
        package let silence: Int64

        package init(place: Int64, record: Int64, silence: Int64) {
            self.place = place
            self.record = record
            self.silence = silence
        }
    }

    /// Between two looks the reader must have polled so often at least.
    private static let leastPolls = 5

    private let timeout: Int64
    private var last: Reading?
    /// Since when the reader has got nothing, and how many polls it had made by then.
    private var since: Int64 = 0
    private var pollsBefore = 0
    private var nextAsk: Int64 = 0
    private var end: Int64 = 0
    /// Up to here there is no record from the reader's place on.
    private var emptyEnd: Int64?
    private var suspicion: Int64?
    private var isConfirmed = false

    /// - Parameter timeout: how long a reader gets nothing before the broker is asked, and between two questions, in
    ///   milliseconds.
    package init(timeout: Int64) {
        precondition(timeout > 0)
        self.timeout = timeout
    }

    /// - Parameters:
    ///   - reading: nil for who is not reading now.
    ///   - now: a monotonic clock, in milliseconds.
    package mutating func look(at reading: Reading?, now: Int64) -> Action {
        defer { last = reading }
        guard let reading, let last, last.start == reading.start, last.place == reading.place else {
            begin(now, reading?.emptyPolls ?? 0)
            return .rest
        }
        // Who does not poll cannot get anything.
        guard reading.emptyPolls > last.emptyPolls else { return .rest }
        if isConfirmed, let record = suspicion {
            return .tell(Finding(place: reading.place, record: record, silence: now - since))
        }
        guard now >= nextAsk, reading.emptyPolls - pollsBefore >= Self.leastPolls else { return .rest }
        pollsBefore = reading.emptyPolls
        nextAsk = now + timeout
        return .askEnd
    }

    /// - Parameter end: the last stable offset; nil if nobody answered.
    package mutating func ended(at end: Int64?) -> Action {
        guard let end, let place = last?.place, end > place, end != emptyEnd else {
            suspicion = nil
            return .rest
        }
        self.end = end
        return .look(from: place)
    }

    /// What the look has found.
    package mutating func looked(_ answer: Answer) {
        switch answer {
        case .record(let offset):
            isConfirmed = suspicion != nil
            suspicion = suspicion ?? offset
        case .nothing:
            emptyEnd = end
            suspicion = nil
        case .unknown:
            suspicion = nil
        }
    }

    private mutating func begin(_ now: Int64, _ polls: Int) {
        since = now
        pollsBefore = polls
        nextAsk = now + timeout
        emptyEnd = nil
        suspicion = nil
        isConfirmed = false
    }
}
