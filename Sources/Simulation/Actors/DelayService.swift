import InventoryCore
import InventoryWire
import StreamRuntime

/// `holdfast delay`: does what production's `DelayLoop` says, between the model's topics.
final class DelayService: Host, Actor {
    private struct Follower {
        let topic: Topic
        let partition: Int32
        var next: Int64 = 0
    }

    private struct Acknowledgement {
        let tag: UInt64
        /// Nil when the delivery is reported as failed.
        let appendedAt: Int64?
        let comesAt: Int64
    }

    /// Its clock less the true time, in milliseconds: what its host's clock showed when it started. Later steps of
    /// that clock do not reach it (`SteadyClock`).
    private let clockOffset: Int64
    private(set) var wakesAt: Int64
    private var isActing = false
    private var loop = DelayLoop(sendLimit: 8)
    private var followers: [Follower] = []
    private var acknowledgements: [Acknowledgement] = []
    private var writer = RecordWriter()
    private var flaw: Mutant.DelayFlaw? { world.mutant?.delay }

    init(_ world: World, after milliseconds: Int = 0) {
        clockOffset = world.delayHostClock
        wakesAt = world.now + Int64(milliseconds)
        super.init("delay", world)
        for partition in 0..<world.partitionCount {
            for topic in [Topic.reservations, .transfers] {
                loop.assigned(topic, partition)
                followers.append(Follower(topic: topic, partition: partition))
            }
        }
    }

    var isReady: Bool { !isActing && !isDead && !isPaused }

    var isIdle: Bool {
        loop.isComplete && loop.liveReservations == 0 && loop.liveTransfers == 0 && acknowledgements.isEmpty
    }

    private var clock: Int64 {
        world.now + (flaw == .clockJumps ? world.delayHostClock : clockOffset)
    }

    override func die() {
        guard !isDead else { return }
        super.die()
        world.startDelay(after: world.random.within(5...400))
    }

    /// One turn of the loop: it reads, sends, takes acknowledgements.
    func act() {
        isActing = true
        wakesAt = world.now + Int64(world.random.within(1...8))
        for _ in 0..<3 where !isDead {
            switch loop.next(at: clock) {
            // How long it waits is what `wakesAt` says.
            case .read: for index in followers.indices { follow(index) }
            case .send(let requests): for request in requests { send(request) }
            case .acknowledge: takeAcknowledgements()
            }
        }
        isActing = false
    }

    private func follow(_ index: Int) {
        let (topic, partition) = (followers[index].topic, followers[index].partition)
        let place = world.index(topic, partition)
        let isolation: ModelIsolation = flaw == .readsUncommitted ? .uncommitted : .committed
        let limit = world.broker.partitions[place].limit(isolation)
        var count = 0
        var position = world.broker.partitions[place].place(of: followers[index].next)
        let records = world.broker.partitions[place].records
        while position < records.count, records[position].offset < limit, count < 20 {
            let record = records[position]
            followers[index].next = record.offset + 1
            position += 1
            guard ModelPartition.isVisible(record.state, isolation) else { continue }
            count += 1
            take(record, topic, partition)
        }
        if count < 20 { loop.reachedEnd(of: topic, partition) }
    }

    private func take(_ record: ModelRecord, _ topic: Topic, _ partition: Int32) {
        if record.value == nil, flaw == .ignoresTombstones { return }
        withBytes(record.key) { key in
            withBytes(record.value) { value in
                do throws(DecodingFailure) {
                    try loop.read(
                        LogRecord(
                            key: key, value: value, offset: record.offset,
                            timestamp: flaw == .isDeaf ? nil : record.timestamp),
                        from: topic, partition: partition, at: clock)
                } catch {
                    world.violate("\(topic.rawValue) at \(record.offset) cannot be read: \(error)")
                }
            }
        }
    }

    private func send(_ request: DelayQueue.Request) {
        writer.write(command: request.command)
        let key = request.command.sku.bytes
        let value = writer.withBytes { Array($0) }
        let place = world.index(.commands, request.partition)
        let broker = world.broker
        var appendedAt: Int64?
        do throws(RequestFailure) {
            appendedAt = try world.request(.expire, by: self) { () throws(BrokerError) in
                broker.append(place, key: key, value: value)
                return broker.now
            }
        } catch {
            if error == .dead { return }
        }
        world.trace(
            "delay: \(request.command.id) for \(request.command.sku): "
                + (appendedAt == nil ? "not acknowledged" : "sent"))
        acknowledgements.append(
            Acknowledgement(
                tag: request.tag, appendedAt: appendedAt,
                comesAt: world.now + Int64(world.random.within(0...12))))
    }

    private func takeAcknowledgements() {
        let due = acknowledgements.filter { $0.comesAt <= world.now }
        acknowledgements.removeAll { $0.comesAt <= world.now }
        for acknowledgement in due { take(acknowledgement) }
    }

    private func take(_ acknowledgement: Acknowledgement) {
        guard flaw != .sendsOnce else { return }
        guard let appendedAt = acknowledgement.appendedAt else {
            return loop.failed(acknowledgement.tag, at: clock)
        }
        let lateness = loop.delivered(
            acknowledgement.tag, appendedAt: flaw == .trustsItsClock ? clock : appendedAt, at: clock)
        if let lateness, lateness < 0 { world.figures[.early] += 1 }
    }
}
