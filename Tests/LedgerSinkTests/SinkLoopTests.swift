import InventoryWire
import LedgerSink
import Testing

/// Dialogues: what was read and stored in, what to do next out.
@Suite("The loop of the sink")
struct SinkLoopTests {
    private func loop(_ offsets: [Int32: Int64] = [0: 5], ends: [Int32: SinkLoop.Ends] = [0: 0...9])
        -> SinkLoop
    {
        var loop = SinkLoop(topic: "stock.ledger")
        loop.connected(offsets: offsets, ends: ends)
        return loop
    }

    /// The bytes of some ledger entry.
    private func entry() -> [UInt8] {
        var writer = RecordWriter()
        writer.write(entry: Ledger.story[0])
        return writer.withBytes { Array($0) }
    }

    private func read(_ loop: inout SinkLoop, _ value: [UInt8], offset: Int64) {
        value.withUnsafeBytes { loop.read($0, partition: 0, offset: offset) }
    }

    @Test("It stores what it has read, with how far that takes it, and goes on from there")
    func stores() throws {
        var loop = loop()
        #expect(loop.action == .gather)
        read(&loop, entry(), offset: 6)
        loop.reachedEnd(of: 0, next: 9)
        try loop.gathered()
        #expect(loop.action == .store)
        #expect(loop.batch.rows.map(\.offset) == [6])
        #expect(loop.batch.spans[0]?.expected == 5 && loop.batch.spans[0]?.next == 9)
        #expect(loop.isCaughtUp == false)
        loop.stored()
        #expect(loop.action == .gather && loop.isCaughtUp == true)
        #expect(loop.batch.isEmpty && loop.batch.nextOffsets == [0: 9])
    }

    @Test("Markers at the end count as read, also when there is nothing to store")
    func markers() throws {
        var loop = loop()
        loop.reachedEnd(of: 0, next: 9)
        #expect(loop.isCaughtUp == true)
        try loop.gathered(keepsPlace: false)
        #expect(loop.action == .gather)
        #expect(loop.batch.spans[0]?.expected == 5 && loop.batch.spans[0]?.next == 9)
        // Retention may take them: how far they take the topic is stored when nothing else comes.
        try loop.gathered()
        #expect(loop.action == .store && loop.batch.isEmpty)
        loop.stored()
        try loop.gathered()
        #expect(loop.action == .gather)
    }

    @Test(
        "A record that is not kept counts as read: how far it takes the topic is stored, though there is no row"
    )
    func passesOver() throws {
        var loop = TopicLoop<OutcomeRow>(topic: "order.outcomes")
        loop.connected(offsets: [0: 5], ends: [0: 0...6])
        let refused = Array(
            #"{"order_id":"o-1","outcome":"refused","event_id":"e-2","event":"order.paid","reason":"nothing_to_pay","at":"2026-11-24T09:00:00.000Z"}"#
                .utf8)
        refused.withUnsafeBytes { loop.read($0, partition: 0, offset: 5) }
        try loop.gathered()
        #expect(loop.action == .store && loop.batch.rows.isEmpty)
        #expect(loop.batch.spans[0]?.expected == 5 && loop.batch.spans[0]?.next == 6)
        loop.stored()
        #expect(loop.action == .gather && loop.isCaughtUp == true && loop.batch.isEmpty)
    }

    @Test("Whatever fails, the batch is dropped, and the next begins where PostgreSQL says")
    func failures() throws {
        var loop = loop()
        read(&loop, entry(), offset: 6)
        try loop.gathered()
        loop.failed(.reconnect, "gone")
        #expect(loop.action == .wait(milliseconds: 100) && loop.failuresInARow == 1)
        loop.waited()
        #expect(loop.action == .connect)
        // The COMMIT whose answer was lost had been carried out.
        loop.connected(offsets: [0: 7], ends: [0: 0...9])
        #expect(loop.batch == LedgerBatch(from: [0: 7]))
        #expect(loop.failuresInARow == 0)
    }

    @Test("A record that is no ledger entry is named, and nothing of its batch is stored")
    func faults() throws {
        var loop = loop()
        read(&loop, entry(), offset: 6)
        read(&loop, Array("{broken".utf8), offset: 7)
        #expect(loop.takesMore(limit: 100) == false)
        read(&loop, entry(), offset: 8)
        loop.reachedEnd(of: 0, next: 9)
        #expect(loop.batch.nextOffsets == [0: 7])
        #expect(throws: SinkFault.self) { try loop.gathered() }
        #expect(loop.action == .gather)
        loop.failed(.stop, "a fault")
        #expect(loop.action == .finish(fault: "a fault"))
        var tombstone = self.loop()
        tombstone.read(nil, partition: 0, offset: 6)
        #expect(throws: SinkFault.self) { try tombstone.gathered() }
    }

    @Test("Offsets that the topic does not have are refused before anything is read")
    func places() throws {
        let loop = SinkLoop(topic: "stock.ledger")
        try loop.check(offsets: [0: 3, 1: 9], ends: [0: 3...9, 1: 3...9])
        #expect(throws: SinkFault.self) { try loop.check(offsets: [0: 2], ends: [0: 3...9]) }
        do throws(SinkFault) {
            try loop.check(offsets: [0: 3, 1: 10], ends: [0: 3...9, 1: 3...9])
            Issue.record("an offset beyond the end was taken")
        } catch {
            #expect(
                error.description.contains("partition 1, up to offset 10")
                    && error.description.contains("3 to 9"))
        }
    }

    @Test("A batch takes as many rows as it may, and asked to stop it is stored before the end")
    func stop() throws {
        var loop = loop()
        #expect(loop.takesMore(limit: 1) == true)
        read(&loop, entry(), offset: 6)
        #expect(loop.takesMore(limit: 1) == false)
        try loop.gathered()
        loop.stop()
        #expect(loop.action == .store)
        loop.stored()
        #expect(loop.action == .finish(fault: nil))
    }
}
