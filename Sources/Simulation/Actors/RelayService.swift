import InventoryCore
import InventoryWire
import StreamRuntime

/// `holdfast relay`: does what production's `RelayLoop` says, between the model's topics.
final class RelayService: Host, Actor {
    private(set) var wakesAt: Int64
    private var isActing = false
    private var loop: RelayLoop
    private var identity: ModelBroker.Identity?
    private var transactionalID = "holdfast-relay"
    /// Where its reader stands, by place.
    private var next: [Int: Int64] = [:]
    private var flaw: Mutant.RelayFlaw? { world.mutant?.relay }

    init(_ world: World, after milliseconds: Int = 0) {
        wakesAt = world.now + Int64(milliseconds)
        loop = RelayLoop(partitionCount: world.partitionCount) { [unowned world] in
            world.partition(ofKey: $0.bytes)
        }
        super.init("relay", world)
        if flaw == .randomID { transactionalID += "-\(world.random.next())" }
    }

    /// One that is fenced ends: another relay is at work, unless the broker itself has ended its transaction.
    private(set) var isFinished = false

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
        wakesAt = world.now + Int64(world.random.within(1...7))
        do throws(RequestFailure) { try perform() } catch { failed(error) }
        if case .finish(let fault) = loop.action, !isDead {
            world.trace("relay ends: \(fault ?? "as asked")")
            isFinished = true
            if world.relay === self { world.startRelay(after: 100) }
        }
        isActing = false
    }

    /// As the role does after an error of Kafka.
    private func failed(_ failure: RequestFailure) {
        guard failure != .dead else { return }
        world.trace("relay: \(failure) while it was to \(loop.action)")
        identity = nil
        loop.failed(failure == .broker(.fenced) ? .fenced : .restart, "\(failure)")
        if case .wait(let milliseconds) = loop.action { wakesAt = world.now + Int64(min(milliseconds, 400)) }
    }

    private func perform() throws(RequestFailure) {
        switch loop.action {
        case .open:
            identity = try world.request(.relayOpen, by: self) {
                [broker = world.broker, transactionalID] () throws(BrokerError) in
                broker.finishMarkers(of: transactionalID)
                return try broker.initProducer(transactionalID)
            }
            loop.opened()
        case .place:
            try place()
            loop.placed()
        case .read:
            try read()
            loop.gathered()
        case .commit: try commit()
        case .wait: loop.waited()
        case .finish: break
        }
    }

    private func place() throws(RequestFailure) {
        for topic in Topic.published {
            let place = world.index(topic, 0)
            do throws(BrokerError) {
                let committed = try world.broker.committedOffset(place) ?? 0
                next[place] = flaw == .notPlaced ? max(next[place] ?? 0, committed) : committed
            } catch {
                throw .broker(error)
            }
        }
    }

    private func read() throws(RequestFailure) {
        for topic in Topic.published {
            let place = world.index(topic, 0)
            let records = world.broker.partitions[place].records
            let position = world.broker.partitions[place].place(of: next[place]!)
            for record in records.dropFirst(position).prefix(3) {
                next[place] = record.offset + 1
                for sending in take(record, topic) { try send(sending) }
            }
        }
    }

    private func take(_ record: ModelRecord, _ topic: Topic) -> [RelayLoop.Sending] {
        var sendings: [RelayLoop.Sending] = []
        withBytes(record.key) { key in
            withBytes(record.value) { value in
                sendings = loop.read(
                    LogRecord(key: key, value: value, offset: record.offset, timestamp: record.timestamp),
                    from: RelayLoop.Source(topic, 0), at: world.now)
            }
        }
        return sendings
    }

    private func send(_ sending: RelayLoop.Sending) throws(RequestFailure) {
        let (broker, identity) = (world.broker, identity!)
        let place = world.index(sending.topic, sending.partition)
        try world.request(.relaySend, by: self) { () throws(BrokerError) in
            broker.finishMarkers(identity)
            try broker.produce(identity, place, key: sending.key, value: sending.value)
        }
    }

    private func commit() throws(RequestFailure) {
        let (broker, identity, flaw) = (world.broker, identity!, flaw)
        let offsets = Dictionary(
            uniqueKeysWithValues: loop.offsets.map { (world.index($0.key.topic, $0.key.partition), $0.value) }
        )
        if world.random.oneIn(3) { world.interlude(world.random.within(1...20)) }
        if flaw == .offsetsFirst { try commitAlone(offsets) }
        do throws(RequestFailure) {
            try world.request(.relayCommit, by: self) { () throws(BrokerError) in
                broker.finishMarkers(identity)
                if flaw != .offsetsFirst, flaw != .offsetsAfter {
                    try broker.sendOffsets(identity, offsets, member: nil)
                }
                try broker.endTransaction(identity, commit: true)
            }
        } catch {
            guard flaw == .takesSilenceForYes, error == .unavailable else { throw error }
        }
        if flaw == .offsetsAfter { try commitAlone(offsets) }
        let counts = loop.committed()
        world.trace("relay: carried \(counts.records) changes")
    }

    /// What some mutants do: outside of the transaction.
    private func commitAlone(_ offsets: [Int: Int64]) throws(RequestFailure) {
        let broker = world.broker
        try world.request(.relayCommit, by: self) { () throws(BrokerError) in
            try broker.commitOffsets(offsets, member: nil)
        }
    }
}
