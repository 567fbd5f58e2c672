import InventoryCore
import InventoryWire
import StreamRuntime

/// `holdfast relay`: production's `Relay`, between the model's topics.
final class RelayService: Host, Actor {
    private static let transactionalID = "holdfast-relay"

    private(set) var wakesAt: Int64
    private var isActing = false
    private var identity: ModelBroker.Identity?
    private var next: [Int: Int64] = [:]
    private var relay: Relay
    private var writer = RecordWriter()

    init(_ world: World, after milliseconds: Int = 0) {
        wakesAt = world.now + Int64(milliseconds)
        relay = Relay(partitionCount: world.partitionCount) { [unowned world] in
            world.partition(ofKey: $0.utf8)
        }
        super.init("relay", world)
    }

    /// One that is fenced ends: another relay is at work, unless the broker itself has ended its transaction.
    private var isFinished: Bool = false {
        didSet { if isFinished, world.relay === self { world.startRelay(after: 100) } }
    }

    var isReady: Bool { !isActing && !isDead && !isPaused && !isFinished }

    /// All that was published is carried.
    var isDone: Bool {
        Topic.published.allSatisfy { topic in
            let place = world.index(topic, 0)
            return ((try? world.broker.committedOffset(place)) ?? 0)
                >= world.broker.partitions[place].endOfRecords
        }
    }

    override func die() {
        guard !isDead else { return }
        super.die()
        world.startRelay(after: world.random.within(5...400))
    }

    func act() {
        isActing = true
        wakesAt = world.now + Int64(world.random.within(3...20))
        do throws(BrokerError) { try carry() } catch {
            world.trace("relay: \(error)")
            if error == .fenced { isFinished = true }
            identity = nil
        }
        isActing = false
    }

    /// Finds its place, as a new session does.
    private func begin() throws(BrokerError) {
        world.broker.finishMarkers(of: Self.transactionalID)
        identity = try world.broker.initProducer(Self.transactionalID)
        for topic in Topic.published {
            let place = world.index(topic, 0)
            next[place] = try world.broker.committedOffset(place) ?? 0
        }
    }

    private func carry() throws(BrokerError) {
        if identity == nil { try begin() }
        let identity = identity!
        var found: [Int: Int64] = [:]
        world.broker.finishMarkers(identity)
        for topic in Topic.published {
            let place = world.index(topic, 0)
            let records = world.broker.partitions[place].records
            for record in records.dropFirst(world.broker.partitions[place].place(of: next[place]!)).prefix(3)
            {
                try carry(record, topic, identity)
                found[place] = record.offset + 1
            }
        }
        guard !found.isEmpty else { return }
        if world.random.oneIn(3) { world.interlude(world.random.within(1...20)) }
        let broker = world.broker
        do throws(RequestFailure) {
            try world.request(.relayCommit, by: self) { () throws(BrokerError) in
                try broker.sendOffsets(identity, found, member: nil)
                try broker.endTransaction(identity, commit: true)
            }
            next.merge(found) { $1 }
            world.trace("relay: carried \(found.count) changes")
        } catch {
            world.trace("relay: the commit failed: \(error)")
            if error == .broker(.fenced) { isFinished = true }
            self.identity = nil
        }
    }

    private func carry(
        _ record: ModelRecord, _ topic: Topic, _ identity: ModelBroker.Identity
    ) throws(BrokerError) {
        var deliveries: [Relay.Delivery] = []
        withBytes(record.key) { key in
            withBytes(record.value) { value in
                let read = LogRecord(
                    key: key, value: value, offset: record.offset, timestamp: record.timestamp)
                do throws(DecodingFailure) {
                    deliveries = try relay.deliveries(of: read, from: topic, partition: 0)
                } catch {
                    world.violate("\(topic.rawValue) at \(record.offset) cannot be read: \(error)")
                }
            }
        }
        for delivery in deliveries {
            writer.write(command: delivery.command)
            try world.broker.produce(
                identity, world.index(.commands, delivery.partition), key: Array(delivery.command.sku.utf8),
                value: writer.withBytes { Array($0) })
        }
    }
}
