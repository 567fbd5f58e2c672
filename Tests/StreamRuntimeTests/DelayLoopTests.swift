import InventoryCore
import InventoryWire
import StreamRuntime
import Testing

/// Dialogues: what was read and acknowledged in, what to do next out.
@Suite("The loop of the delay service")
struct DelayLoopTests {
    private func reservation(_ id: ID, of sku: ID = "A", due: Int64) -> [UInt8] {
        var writer = RecordWriter()
        writer.write(
            reservation: ReservationSnapshot(
                id: id, orderID: "o", sku: "\(sku)", allocations: [Allocation(warehouse: "BER", quantity: 1)],
                reservedAt: Timestamp(milliseconds: 0), expiresAt: Timestamp(milliseconds: due),
                reservedSequence: 1, sequence: 1))
        return writer.withBytes { Array($0) }
    }

    private func transfer(_ id: ID, due: Int64) -> [UInt8] {
        var writer = RecordWriter()
        writer.write(
            transfer: TransferSnapshot(
                id: id, sku: "A", from: "BER", to: "HAM", quantity: 3, remaining: 2,
                dispatchedAt: Timestamp(milliseconds: 0), expectedAt: Timestamp(milliseconds: due),
                dispatchedSequence: 1, sequence: 2))
        return writer.withBytes { Array($0) }
    }

    /// A loop that has both topics of partition 3, read to their ends.
    private func loop(limit: Int = 10) -> DelayLoop {
        var loop = DelayLoop(sendLimit: limit)
        for topic in [Topic.reservations, .transfers] {
            loop.assigned(topic, 3)
            loop.reachedEnd(of: topic, 3)
        }
        return loop
    }

    /// - Parameter key: another than that of the id and of the SKU A.
    private func read(
        _ loop: inout DelayLoop, _ id: ID, _ value: [UInt8]?, key: String? = nil,
        from topic: Topic = .reservations,
        offset: Int64 = 0, appendedAt: Int64? = nil, at now: Int64 = 0
    ) throws {
        var failure: DecodingFailure?
        Array((key ?? #"["A","\#(id)"]"#).utf8).withUnsafeBytes { key in
            (value ?? []).withUnsafeBytes { bytes in
                do throws(DecodingFailure) {
                    try loop.read(
                        LogRecord(
                            key: key, value: value == nil ? nil : bytes, offset: offset,
                            timestamp: appendedAt),
                        from: topic, partition: 3, at: now)
                } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
    }

    /// Goes on until something is to be sent.
    private func sent(_ loop: inout DelayLoop, at now: Int64) -> [DelayQueue.Request] {
        while true {
            if case .send(let requests) = loop.next(at: now) { return requests }
        }
    }

    @Test("It reads, sends and takes acknowledgements, in turn")
    func turns() throws {
        var loop = loop()
        try read(&loop, "r1", reservation("r1", due: 100))
        for _ in 0..<2 {
            #expect(loop.next(at: 0) == .read(timeoutMilliseconds: 50))
            #expect(loop.next(at: 0) == .send([]))
            #expect(loop.next(at: 0) == .acknowledge)
        }
    }

    @Test("A read waits no longer than until the next is due, of either topic, and never long")
    func waits() throws {
        func wait(_ loop: inout DelayLoop, at now: Int64) -> Int? {
            while true {
                if case .read(let timeout) = loop.next(at: now) { return timeout }
            }
        }
        var loop = loop()
        #expect(wait(&loop, at: 0) == 50)
        try read(&loop, "t1", transfer("t1", due: 130), from: .transfers)
        #expect(wait(&loop, at: 0) == 50)
        #expect(wait(&loop, at: 100) == 30)
        try read(&loop, "r1", reservation("r1", due: 110))
        #expect(wait(&loop, at: 100) == 10)
        var late = self.loop()
        try read(&late, "r1", reservation("r1", due: 110))
        #expect(wait(&late, at: 400) == 0)
    }

    @Test("What is due of both topics is sent, of each no more than the limit")
    func sends() throws {
        var loop = loop(limit: 2)
        for number in 0..<3 {
            try read(&loop, "r\(number)", reservation("r\(number)", due: 100), offset: Int64(number))
        }
        try read(&loop, "t1", transfer("t1", due: 100), from: .transfers)
        #expect(sent(&loop, at: 99).isEmpty)
        let first = sent(&loop, at: 100)
        #expect(first.map(\.command.id) == ["expire/3/0/1", "expire/3/1/1", "transfer_due/3/0/1"])
        #expect(first.map(\.partition) == [3, 3, 3])
        #expect(sent(&loop, at: 100).map(\.command.id) == ["expire/3/2/1"])
        #expect(loop.liveReservations == 3 && loop.liveTransfers == 1)
    }

    @Test("An acknowledgement goes to the topic that its request was of")
    func acknowledgements() throws {
        var loop = loop()
        try read(&loop, "r1", reservation("r1", due: 100))
        try read(&loop, "t1", transfer("t1", due: 100), from: .transfers)
        let requests = sent(&loop, at: 100)
        // Both slots are the first of their queue: only the mark tells whose they are.
        #expect(Set(requests.map(\.tag)).count == 2)
        #expect(loop.delivered(requests[0].tag, appendedAt: 103, at: 100) == 3)
        #expect(loop.delivered(requests[1].tag, appendedAt: 90, at: 100) == -10)
        #expect(sent(&loop, at: 110).isEmpty)
        #expect(sent(&loop, at: 111).map(\.command.id) == ["transfer_due/3/0/2"])
        loop.failed(requests[0].tag, at: 111)
        #expect(sent(&loop, at: 9_000).map(\.command.id) == ["expire/3/0/2"])
    }

    @Test("The append time of a record of either topic tells how far the broker's clock is ahead")
    func clock() throws {
        var loop = loop()
        try read(&loop, "r1", reservation("r1", due: 3_600_500))
        #expect(sent(&loop, at: 600).isEmpty)
        // The end of a transfer that nobody knows is news of the clock all the same.
        try read(&loop, "t9", nil, from: .transfers, appendedAt: 3_600_000, at: 0)
        #expect(loop.clockOffset == 3_599_999)
        #expect(sent(&loop, at: 500).isEmpty)
        #expect(sent(&loop, at: 501).map(\.command.id) == ["expire/3/0/1"])
    }

    @Test("A record that cannot be read is named; its append time counts, and all others are waited for")
    func unreadable() throws {
        var loop = loop()
        #expect(throws: DecodingFailure.self) {
            try read(&loop, "r1", Array("{broken".utf8), appendedAt: 70, at: 0)
        }
        #expect(loop.clockOffset == 69)
        try read(&loop, "r2", reservation("r2", due: 100), offset: 1)
        #expect(sent(&loop, at: 31).map(\.command.reservationID) == ["r2"])
    }

    @Test("One id is that of a reservation of each of two SKUs; the tombstone of one leaves the other")
    func sharedIDs() throws {
        var loop = loop()
        try read(&loop, "r1", reservation("r1", due: 100))
        try read(&loop, "r1", reservation("r1", of: "B", due: 100), key: #"["B","r1"]"#, offset: 1)
        #expect(loop.liveReservations == 2)
        try read(&loop, "r1", nil)
        #expect(sent(&loop, at: 100).map(\.command.sku) == ["B"])
    }

    @Test("A record under a key of an earlier version is not waited for, and is told at the end, once")
    func strangeKeys() throws {
        var loop = loop()
        try read(&loop, "r1", reservation("r1", due: 100), key: "r1", offset: 7)
        try read(&loop, "r2", reservation("r2", due: 100), offset: 8)
        #expect(sent(&loop, at: 100).map(\.command.reservationID) == ["r2"])
        let told = loop.reachedEnd(of: .reservations, 3)?.told(of: .reservations)
        #expect(told?.contains("such as r1 at offset 7") == true, "\(told ?? "nothing")")
        #expect(told?.contains("holdfast rebuild --from-ledger --in-place") == true)
        let again = loop.reachedEnd(of: .reservations, 3)
        #expect(again == nil)

        // After the rebuild that it names, whose tombstone of the old key compaction has yet to take away.
        var rebuilt = self.loop()
        try read(&rebuilt, "r1", reservation("r1", due: 100), key: "r1", offset: 7)
        try read(&rebuilt, "r1", reservation("r1", due: 100), offset: 9)
        try read(&rebuilt, "r1", nil, key: "r1", offset: 10)
        let left = rebuilt.reachedEnd(of: .reservations, 3)
        #expect(left == nil)
        #expect(sent(&rebuilt, at: 100).map(\.command.id) == ["expire/3/9/1"])

        // The id that was its key looked like a key of today, and that one names another reservation.
        var alike = self.loop()
        try read(&alike, "r2", reservation("r2", due: 100), key: #"["A","r1"]"#, offset: 7)
        try read(&alike, "r1", reservation("r1", due: 100), offset: 8)
        let none = alike.reachedEnd(of: .reservations, 3)
        #expect(none == nil)
    }

    @Test("Nothing is sent before the ends were reached, and nothing of a partition that is another's")
    func assignments() throws {
        var loop = DelayLoop(sendLimit: 10)
        loop.assigned(.reservations, 3)
        loop.assigned(.transfers, 3)
        try read(&loop, "r1", reservation("r1", due: 100))
        #expect(sent(&loop, at: 200).isEmpty)
        #expect(loop.isComplete == false)
        loop.reachedEnd(of: .reservations, 3)
        #expect(loop.isComplete == false)
        loop.reachedEnd(of: .transfers, 3)
        #expect(loop.isComplete == true)
        loop.revoked(.reservations, 3)
        #expect(sent(&loop, at: 200).isEmpty)
        #expect(loop.liveReservations == 0)
    }
}
