import InventoryCore
import StreamRuntime
import Testing

@Suite("The delay queue")
struct DelayQueueTests {
    func reservation(_ id: ID, of sku: ID = "A", due: Int64) -> ReservationSnapshot {
        ReservationSnapshot(
            id: id, orderID: "o", sku: "\(sku)", allocations: [Allocation(warehouse: "BER", quantity: 1)],
            reservedAt: Timestamp(milliseconds: 0), expiresAt: Timestamp(milliseconds: due),
            reservedSequence: 1, sequence: 1)
    }

    /// A queue whose partition 3 was read to its end, and then `reservations`.
    func queue(_ reservations: [ReservationSnapshot]) -> DelayQueue {
        var queue = DelayQueue()
        queue.assigned(3)
        queue.reachedEnd(of: 3)
        for (offset, reservation) in reservations.enumerated() {
            queue.saw(reservation, partition: 3, offset: Int64(offset))
        }
        return queue
    }

    @Test("An expire is sent when its reservation is due, never before, soonest first")
    func due() {
        var queue = queue([reservation("late", due: 300), reservation("soon", due: 100)])
        #expect(queue.nextDue() == 100)
        #expect(queue.takeDue(at: 99, limit: 10).isEmpty)
        #expect(queue.takeDue(at: 100, limit: 10).map(\.command.reservationID) == ["soon"])
        #expect(queue.nextDue() == 300)
        let late = queue.takeDue(at: 500, limit: 10)
        #expect(late.map(\.command.reservationID) == ["late"])
        #expect(late.map(\.partition) == [3])
        #expect(late.map(\.command.id) == ["expire/3/0/1"])
        #expect(queue.nextDue() == nil)
    }

    @Test("A reservation that ended is not expired")
    func ended() {
        var queue = queue([reservation("r1", due: 100), reservation("r2", due: 100)])
        queue.sawEnd(of: OwnedID(sku: "A", id: "r1"), partition: 3)
        #expect(queue.takeDue(at: 100, limit: 10).map(\.command.reservationID) == ["r2"])
        #expect(queue.count == 1)
    }

    @Test("Two SKUs have reservations of one id, and the end of one is not that of the other")
    func sharedIDs() {
        var queue = queue([
            reservation("r1", of: "A", due: 100), reservation("r1", of: "B", due: 100),
            reservation("r1", of: "C", due: 100),
        ])
        #expect(queue.count == 3)
        queue.sawEnd(of: OwnedID(sku: "B", id: "r1"), partition: 3)
        #expect(queue.takeDue(at: 100, limit: 10).map(\.command.sku) == ["A", "C"])
    }

    @Test(
        "Nothing is sent before the topic was read to its end; what came due meanwhile is sent at once then")
    func reading() {
        var queue = DelayQueue()
        queue.assigned(3)
        queue.saw(reservation("r1", due: 100), partition: 3, offset: 0)
        queue.saw(reservation("r2", due: 100), partition: 3, offset: 1)
        #expect(!queue.isComplete)
        #expect(queue.takeDue(at: 900, limit: 10).isEmpty)
        queue.sawEnd(of: OwnedID(sku: "A", id: "r1"), partition: 3)
        queue.reachedEnd(of: 3)
        #expect(queue.isComplete)
        #expect(queue.takeDue(at: 900, limit: 10).map(\.command.reservationID) == ["r2"])
    }

    @Test(
        "An expire that the broker appended before it was due is sent again when the broker's clock is there")
    func early() {
        var queue = queue([reservation("r1", due: 1000)])
        let request = queue.takeDue(at: 1000, limit: 10)[0]
        // The broker's clock is 40 ms behind ours.
        queue.delivered(request.tag, appendedAt: 960, at: 1000)
        #expect(queue.clockOffset == -41)
        #expect(queue.nextDue() == 1041)
        #expect(queue.takeDue(at: 1040, limit: 10).isEmpty)
        let again = queue.takeDue(at: 1041, limit: 10)
        #expect(again.map(\.command.id) == ["expire/3/0/2"])
        queue.delivered(again[0].tag, appendedAt: 1000, at: 1041)
        #expect(queue.nextDue() == nil)
    }

    @Test("Whole milliseconds of two clocks, told the instant before and after a tick, make no expire early")
    func rounding() {
        // In tenths of a millisecond: how far each clock is in its millisecond when the other ticks.
        for ours in Int64(0)..<10 {
            for broker in Int64(0)..<10 {
                func our(_ time: Int64) -> Int64 { (time + ours) / 10 }
                func theirs(_ time: Int64) -> Int64 { (time + broker) / 10 }
                for acknowledged in Int64(1_000)..<1_010 {
                    var queue = queue([reservation("r1", due: 50), reservation("r2", due: 200)])
                    let request = queue.takeDue(at: 100, limit: 10)[0]
                    queue.delivered(
                        request.tag, appendedAt: theirs(acknowledged), at: our(acknowledged))
                    let due = (Int64(1_000)...).first { !queue.takeDue(at: our($0), limit: 1).isEmpty }!
                    #expect((200...202).contains(theirs(due)), "sent at \(theirs(due))")
                }
            }
        }
    }

    @Test(
        "An expire is issued by the broker's clock, never later than that; before that is known, it does not say"
    )
    func issuedAt() {
        var queue = queue([reservation("r1", due: 1000), reservation("r2", due: 9000)])
        let first = queue.takeDue(at: 8000, limit: 10)[0]
        #expect(first.command.issuedAt == nil)
        // The broker's clock is five seconds behind ours.
        queue.delivered(first.tag, appendedAt: 3000, at: 8000)
        let second = queue.takeDue(at: 15_000, limit: 10)[0]
        #expect(second.command.issuedAt == Timestamp(milliseconds: 9_999))
    }

    @Test("When the broker's clock is ahead, an expire is sent when it is due there")
    func ahead() {
        var queue = queue([reservation("r1", due: 1000), reservation("r2", due: 2000)])
        let request = queue.takeDue(at: 1000, limit: 10)[0]
        queue.delivered(request.tag, appendedAt: 1300, at: 1000)
        #expect(queue.nextDue() == 1701)
        #expect(queue.takeDue(at: 1701, limit: 10).map(\.command.reservationID) == ["r2"])
    }

    @Test(
        "A clock that is an hour behind the broker's is found out by a record's append time, before anything is sent"
    )
    func behind() {
        var queue = queue([reservation("r1", due: 3_601_000)])
        queue.heard(appendedAt: 3_600_000, at: 0)
        #expect(queue.clockOffset == 3_599_999)
        #expect(queue.takeDue(at: 1_000, limit: 10).isEmpty)
        #expect(queue.takeDue(at: 1_001, limit: 10).map(\.command.reservationID) == ["r1"])
    }

    @Test("The age of a record that was appended long ago is not taken for a clock that is ahead")
    func old() {
        var queue = queue([reservation("r1", due: 1_000)])
        queue.heard(appendedAt: 100, at: 900)
        #expect(queue.nextDue() == 1_000)
        // Once the broker's clock is known to be behind ours, an old record does not change that either.
        let request = queue.takeDue(at: 1_000, limit: 10)[0]
        queue.delivered(request.tag, appendedAt: 950, at: 1_000)
        queue.heard(appendedAt: 100, at: 1_001)
        #expect(queue.nextDue() == 1_051)
    }

    @Test("An expire that could not be sent is sent again")
    func failed() {
        var queue = queue([reservation("r1", due: 100)])
        let request = queue.takeDue(at: 100, limit: 10)[0]
        queue.failed(request.tag, at: 200)
        #expect(queue.nextDue() == 200 + DelayQueue.retryDelay)
        #expect(queue.takeDue(at: 200 + DelayQueue.retryDelay, limit: 10).count == 1)
    }

    @Test("What could not be sent waits by our own clock, whatever is learnt of the broker's meanwhile")
    func failedBeforeTheClockIsKnown() {
        // Our clock is an hour ahead; that is not known before the first acknowledgement.
        let hour: Int64 = 3_600_000
        var queue = queue([reservation("r1", due: 100), reservation("r2", due: 110)])
        let requests = queue.takeDue(at: hour + 110, limit: 10)
        queue.failed(requests[0].tag, at: hour + 120)
        queue.delivered(requests[1].tag, appendedAt: 110, at: hour + 120)
        #expect(queue.clockOffset < 0)
        let again = hour + 120 + DelayQueue.retryDelay
        #expect(queue.nextDue() == again)
        #expect(queue.takeDue(at: again - 1, limit: 10).isEmpty)
        #expect(queue.takeDue(at: again, limit: 10).map(\.command.reservationID) == ["r1"])
    }

    @Test("A request that failed is not sent again before its time if the reservation is extended meanwhile")
    func failedThenExtended() {
        var queue = queue([reservation("r1", due: 100)])
        queue.failed(queue.takeDue(at: 100, limit: 10)[0].tag, at: 100)
        queue.saw(reservation("r1", due: 5_000), partition: 3, offset: 9)
        #expect(queue.nextDue() == 5_000)
        #expect(queue.takeDue(at: 4_999, limit: 10).isEmpty)
    }

    @Test("An acknowledgement for a reservation that ended meanwhile changes nothing")
    func lateAcknowledgement() {
        var queue = queue([reservation("r1", due: 100)])
        let request = queue.takeDue(at: 100, limit: 10)[0]
        queue.sawEnd(of: OwnedID(sku: "A", id: "r1"), partition: 3)
        queue.saw(reservation("r2", due: 900), partition: 3, offset: 5)
        queue.failed(request.tag, at: 200)
        queue.delivered(request.tag, appendedAt: 51, at: 50)
        #expect(queue.nextDue() == 900)
        #expect(queue.count == 1)
    }

    @Test("A reservation with a new due time has only that one")
    func moved() {
        var queue = queue([reservation("r1", due: 100), reservation("r1", due: 700)])
        #expect(queue.count == 1)
        #expect(queue.takeDue(at: 699, limit: 10).isEmpty)
        #expect(queue.takeDue(at: 700, limit: 10).map(\.command.id) == ["expire/3/1/1"])
    }

    @Test("A partition that was revoked is another's business")
    func revoked() {
        var queue = queue([reservation("r1", due: 100)])
        queue.revoked(3)
        #expect(queue.count == 0)
        #expect(queue.nextDue() == nil)
        queue.saw(reservation("r2", due: 100), partition: 3, offset: 9)
        #expect(queue.count == 0)
    }

    @Test("No more are taken at once than are asked for")
    func limited() {
        var queue = queue((0..<25).map { reservation("r\($0)", due: 100) })
        #expect(queue.takeDue(at: 100, limit: 10).count == 10)
        #expect(queue.takeDue(at: 100, limit: 10).count == 10)
        #expect(queue.takeDue(at: 100, limit: 10).count == 5)
    }

    @Test("Its memory is bounded by what lives, though most reservations end early")
    func memory() {
        var queue = queue([])
        for number in 0..<100_000 {
            queue.saw(reservation("r\(number)", due: 1_000_000), partition: 3, offset: Int64(number))
            queue.sawEnd(of: OwnedID(sku: "A", id: "r\(number)"), partition: 3)
            _ = queue.nextDue()
        }
        #expect(queue.count == 0)
        #expect(queue.nextDue() == nil)
        #expect(queue.slotCount == 1)
    }

    @Test("A transfer is told of when it is overdue, and never one without a time or one that was told of")
    func transfers() {
        func transfer(_ id: ID, due: Int64?, isOverdue: Bool = false) -> TransferSnapshot {
            TransferSnapshot(
                id: id, sku: "A", from: "BER", to: "HAM", quantity: 3, remaining: 2,
                dispatchedAt: Timestamp(milliseconds: 0),
                expectedAt: due.map { Timestamp(milliseconds: $0) }, isOverdue: isOverdue,
                dispatchedSequence: 1, sequence: 2)
        }
        var queue = DelayQueue(.transfers)
        queue.assigned(3)
        queue.reachedEnd(of: 3)
        queue.saw(transfer("never", due: nil), partition: 3, offset: 0)
        queue.saw(transfer("late", due: 500), partition: 3, offset: 1)
        queue.saw(transfer("arrives", due: 500), partition: 3, offset: 2)
        #expect(queue.takeDue(at: 499, limit: 10).isEmpty)
        queue.sawEnd(of: OwnedID(sku: "A", id: "arrives"), partition: 3)
        #expect(
            queue.takeDue(at: 500, limit: 10).map(\.command) == [
                Command(
                    id: "transfer_due/3/1/1", sku: "A",
                    body: .transferDue(transferID: "late"))
            ])
        queue.saw(transfer("late", due: 500, isOverdue: true), partition: 3, offset: 3)
        #expect(queue.count == 0)
    }
}
