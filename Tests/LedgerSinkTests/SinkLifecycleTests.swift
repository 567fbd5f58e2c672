import LedgerSink
import Testing

/// Dialogues: event in, expected action out.
@Suite("The life of the sink")
struct SinkLifecycleTests {
    private func connected(_ offsets: [Int32: Int64] = [0: 0], ends: [Int32: Int64] = [0: 0]) -> SinkLifecycle
    {
        var sink = SinkLifecycle()
        _ = sink.start()
        _ = sink.connected(offsets: offsets, ends: ends)
        return sink
    }

    @Test("It connects, then gathers and stores in turn; nothing gathered is nothing stored")
    func turns() {
        var sink = SinkLifecycle()
        #expect(sink.start() == .connect)
        #expect(!sink.isCaughtUp)
        #expect(sink.connected(offsets: [0: 7], ends: [0: 7]) == .gather)
        #expect(sink.gathered(isFurther: false) == .gather)
        #expect(sink.gathered(isFurther: true) == .store)
        #expect(sink.stored(next: [0: 10]) == .gather)
    }

    @Test("It has caught up when it has stored, or passed, what the ledger held when it connected")
    func catchingUp() {
        var sink = connected([0: 5, 1: 0, 2: 4], ends: [0: 9, 1: 3, 2: 4])
        #expect(!sink.isCaughtUp)
        _ = sink.gathered(isFurther: true)
        _ = sink.stored(next: [0: 8, 1: 3, 2: 4])
        #expect(!sink.isCaughtUp)
        // The last offset was a marker.
        sink.passed(0, next: 9)
        #expect(sink.isCaughtUp)
        _ = sink.failed(.reconnect, "gone")
        #expect(!sink.isCaughtUp)
    }

    @Test("While PostgreSQL is away it waits longer each time, up to a limit, and from the start after that")
    func away() {
        var sink = connected()
        var waits: [Int] = []
        for _ in 0..<8 {
            guard case .wait(let milliseconds) = sink.failed(.reconnect, "gone") else { break }
            waits.append(milliseconds)
            #expect(sink.waited() == .connect)
        }
        #expect(waits == [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000])
        #expect(sink.failuresInARow == 8)
        _ = sink.connected(offsets: [0: 0], ends: [0: 0])
        #expect(sink.failuresInARow == 0)
        #expect(sink.failed(.reconnect, "gone") == .wait(milliseconds: 100))
    }

    @Test("What only a person can mend stops it, with the reason")
    func fault() {
        var sink = connected()
        _ = sink.gathered(isFurther: true)
        #expect(sink.failed(.stop, "another sink") == .finish(fault: "another sink"))
    }

    @Test("Asked to stop, it stores what it has gathered, and then ends")
    func stop() {
        var sink = connected()
        let store = sink.gathered(isFurther: true)
        #expect(sink.stop(insteadOf: store) == .store)
        #expect(sink.stored(next: [0: 1]) == .finish(fault: nil))

        var idle = connected()
        #expect(idle.stop(insteadOf: .gather) == .finish(fault: nil))

        var away = connected()
        let wait = away.failed(.reconnect, "gone")
        #expect(away.stop(insteadOf: wait) == .finish(fault: nil))
    }

    @Test("Asked to stop while PostgreSQL is away in the middle of a batch, it does not wait for it")
    func stopWhileStoring() {
        var sink = connected()
        let store = sink.gathered(isFurther: true)
        _ = sink.stop(insteadOf: store)
        #expect(sink.failed(.reconnect, "gone") == .finish(fault: nil))
    }
}
