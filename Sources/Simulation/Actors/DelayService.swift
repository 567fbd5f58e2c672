import InventoryCore
import InventoryWire
import StreamRuntime

/// `holdfast delay`: production's `DelayQueue`s, between the model's topics.
final class DelayService: Host, Actor {
    private struct Follower {
        let topic: Topic
        let partition: Int32
        var next: Int64 = 0
    }

    private struct Acknowledgement {
        let tag: UInt64
        let isTransfer: Bool
        /// Nil when the delivery is reported as failed.
        let appendedAt: Int64?
        let comesAt: Int64
    }

    /// The clock of its host less the true time, in milliseconds.
    var clockOffset: Int64
    private(set) var wakesAt: Int64
    private var isActing = false
    private var reservations = DelayQueue(.reservations)
    private var transfers = DelayQueue(.transfers)
    private var followers: [Follower] = []
    private var acknowledgements: [Acknowledgement] = []
    private var reader = RecordReader()
    private var writer = RecordWriter()
    private var flaw: Mutant.DelayFlaw? { world.mutant?.delay }

    init(_ world: World, after milliseconds: Int = 0, clockOffset: Int64 = 0) {
        self.clockOffset = clockOffset
        wakesAt = world.now + Int64(milliseconds)
        super.init("delay", world)
        for partition in 0..<world.partitionCount {
            reservations.assigned(partition)
            transfers.assigned(partition)
            followers.append(Follower(topic: .reservations, partition: partition))
            followers.append(Follower(topic: .transfers, partition: partition))
        }
    }

    var isReady: Bool { !isActing && !isDead && !isPaused }

    var isIdle: Bool {
        reservations.isComplete && reservations.count == 0 && transfers.count == 0 && acknowledgements.isEmpty
    }

    private var clock: Int64 { world.now + clockOffset }

    override func die() {
        guard !isDead else { return }
        super.die()
        world.startDelay(after: world.random.within(5...400), clockOffset: clockOffset)
    }

    func act() {
        isActing = true
        wakesAt = world.now + Int64(world.random.within(1...8))
        for index in followers.indices { follow(index) }
        takeAcknowledgements()
        for request in reservations.takeDue(at: clock, limit: 8) { send(request, isTransfer: false) }
        for request in transfers.takeDue(at: clock, limit: 8) { send(request, isTransfer: true) }
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
        guard count < 20 else { return }
        if topic == .transfers {
            transfers.reachedEnd(of: partition)
        } else {
            reservations.reachedEnd(of: partition)
        }
    }

    private func take(_ record: ModelRecord, _ topic: Topic, _ partition: Int32) {
        guard let value = record.value else {
            if flaw == .ignoresTombstones { return }
            let id = String(decoding: record.key ?? [], as: UTF8.self)
            if topic == .transfers {
                transfers.sawEnd(of: id, partition: partition)
            } else {
                reservations.sawEnd(of: id, partition: partition)
            }
            return
        }
        value.withUnsafeBytes { value in
            do throws(DecodingFailure) {
                if topic == .transfers {
                    transfers.saw(try reader.transfer(value), partition: partition, offset: record.offset)
                } else {
                    reservations.saw(
                        try reader.reservation(value), partition: partition, offset: record.offset)
                }
            } catch {
                world.violate("\(topic.rawValue) at \(record.offset) cannot be read: \(error)")
            }
        }
    }

    private func send(_ request: DelayQueue.Request, isTransfer: Bool) {
        writer.write(command: request.command)
        let key = Array(request.command.sku.utf8)
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
                tag: request.tag, isTransfer: isTransfer, appendedAt: appendedAt,
                comesAt: world.now + Int64(world.random.within(0...12))))
    }

    private func takeAcknowledgements() {
        let due = acknowledgements.filter { $0.comesAt <= world.now }
        acknowledgements.removeAll { $0.comesAt <= world.now }
        for acknowledgement in due {
            if acknowledgement.isTransfer {
                take(acknowledgement, &transfers)
            } else {
                take(acknowledgement, &reservations)
            }
        }
    }

    private func take(_ acknowledgement: Acknowledgement, _ queue: inout DelayQueue) {
        guard flaw != .sendsOnce else { return }
        if let appendedAt = acknowledgement.appendedAt {
            let lateness = queue.delivered(acknowledgement.tag, appendedAt: appendedAt, at: clock)
            if let lateness, lateness < 0 { world.figures[.early] += 1 }
        } else {
            queue.failed(acknowledgement.tag, at: clock)
        }
    }
}
