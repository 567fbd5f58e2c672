import StreamRuntime
import Testing

/// Dialogues: what the reader has come to and what the broker says in, what to do out.
@Suite("The watch over a partition that is read no more")
struct StallWatchTests {
    /// A reader that polls ten times a second, and a watch that looks once a second.
    struct Dialogue {
        var watch = StallWatch(timeout: 10_000)
        var reading: StallWatch.Reading? = StallWatch.Reading(start: 1, place: 100, emptyPolls: 0)
        var now: Int64 = 0

        mutating func second(polls: Int = 10) -> StallWatch.Action {
            now += 1_000
            reading?.emptyPolls += polls
            return watch.look(at: reading, now: now)
        }

        /// - Returns: the first second that wants something, and what.
        mutating func seconds(_ limit: Int, polls: Int = 10) -> (second: Int, action: StallWatch.Action)? {
            for second in 1...limit {
                let action = self.second(polls: polls)
                if action != .rest { return (second, action) }
            }
            return nil
        }
    }

    @Test("A reader that got nothing for the time-out has the broker asked, and once a time-out after that")
    func asks() throws {
        var dialogue = Dialogue()
        for _ in 0..<3 {
            let first = dialogue.seconds(11)
            let asked = try #require(first)
            #expect(asked.second >= 10 && asked.action == .askEnd)
            #expect(dialogue.watch.ended(at: 100) == .rest, "the end is the place: nothing is read")
        }
    }

    @Test("A record that another client has read twice, while the reader polled in vain, is a stall")
    func stall() throws {
        var dialogue = Dialogue()
        #expect(dialogue.seconds(11)?.action == .askEnd)
        #expect(dialogue.watch.ended(at: 103) == .look(from: 100))
        dialogue.watch.looked(.record(at: 101))
        let second = dialogue.seconds(10)
        let again = try #require(second)
        #expect(again.second == 10 && again.action == .askEnd)
        #expect(dialogue.watch.ended(at: 103) == .look(from: 100))
        dialogue.watch.looked(.record(at: 101))
        #expect(dialogue.second() == .tell(.init(place: 100, record: 101, silence: 21_000)))
    }

    @Test("A reader that gets something meanwhile is not stalled, however late", arguments: [0, 1, 2])
    func delivered(step: Int) {
        var dialogue = Dialogue()
        for round in 0...min(step, 1) {
            #expect(dialogue.seconds(11)?.action == .askEnd, "\(round)")
            #expect(dialogue.watch.ended(at: 103) == .look(from: 100))
            dialogue.watch.looked(.record(at: 101))
        }
        // Also between the second look and the word.
        dialogue.reading?.place = 102
        #expect(dialogue.second() == .rest)
        #expect(dialogue.seconds(9) == nil)
    }

    @Test("Markers beyond the place are no records, and are read over once")
    func markers() {
        var dialogue = Dialogue()
        #expect(dialogue.seconds(11)?.action == .askEnd)
        #expect(dialogue.watch.ended(at: 102) == .look(from: 100))
        dialogue.watch.looked(.nothing)
        for _ in 0..<3 {
            #expect(dialogue.seconds(10)?.action == .askEnd)
            #expect(dialogue.watch.ended(at: 102) == .rest, "that end is known to be empty")
        }
        #expect(dialogue.seconds(10)?.action == .askEnd)
        #expect(dialogue.watch.ended(at: 104) == .look(from: 100))
    }

    @Test("Without an answer nothing is concluded, and what was found before counts no more")
    func outage() {
        for isEndKnown in [true, false] {
            var dialogue = Dialogue()
            #expect(dialogue.seconds(11)?.action == .askEnd)
            #expect(dialogue.watch.ended(at: 103) == .look(from: 100))
            dialogue.watch.looked(.record(at: 101))
            #expect(dialogue.seconds(10)?.action == .askEnd)
            if isEndKnown {
                #expect(dialogue.watch.ended(at: 103) == .look(from: 100))
                dialogue.watch.looked(.unknown)
            } else {
                #expect(dialogue.watch.ended(at: nil) == .rest)
            }
            #expect(dialogue.seconds(10)?.action == .askEnd)
            #expect(dialogue.watch.ended(at: 103) == .look(from: 100))
            dialogue.watch.looked(.record(at: 101))
            #expect(dialogue.second() == .rest, "it is the first finding again")
        }
    }

    @Test("Who does not poll, for it decides, restores or stands still, is not stalled")
    func notPolling() {
        var dialogue = Dialogue()
        #expect(dialogue.seconds(60, polls: 0) == nil)
        // A process that stood still: the time is over at once, but its reader must have polled again and again.
        #expect(dialogue.second(polls: 1) == .rest)
        #expect(dialogue.second(polls: 1) == .rest)
        dialogue.reading = nil
        #expect(dialogue.seconds(60) == nil)
        dialogue.reading = StallWatch.Reading(start: 2, place: 100, emptyPolls: 0)
        #expect(dialogue.seconds(10) == nil, "it was placed anew, and has the whole time")
        #expect(dialogue.second() == .askEnd)
    }

    @Test("A reader that was placed anew at the same offset has the whole time again")
    func placedAnew() {
        var dialogue = Dialogue()
        #expect(dialogue.seconds(11)?.action == .askEnd)
        #expect(dialogue.watch.ended(at: 103) == .look(from: 100))
        dialogue.watch.looked(.record(at: 101))
        dialogue.reading = StallWatch.Reading(start: 2, place: 100, emptyPolls: 500)
        #expect(dialogue.seconds(10) == nil)
        #expect(dialogue.second() == .askEnd)
    }
}
