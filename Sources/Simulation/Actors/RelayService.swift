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
            carried(topic) >= world.broker.partitions[world.index(topic, 0)].endOfRecords
        }
    }

    /// How far a topic was carried, as the state says; the group may have lost its offset.
    private func carried(_ topic: Topic) -> Int64 {
        let key = RelayPlace(topic: topic, partition: 0, next: 0).key
        let newest = states.last { $0.key == key }
        var reader = RecordReader()
        guard let value = newest?.value, let place = value.withUnsafeBytes({ try? reader.relayPlace($0) })
        else { return 0 }
        return place.next
    }

    /// The committed records of its state.
    private var states: [ModelRecord] {
        world.broker.partitions[world.index(.relayState, 0)].records.filter {
            ModelPartition.isVisible($0.state, .committed)
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
        case .place: loop.placed(committed: try place())
        case .read:
            try read()
            loop.gathered()
        case .commit: try commit()
        case .wait: loop.waited()
        case .finish: break
        }
    }

    /// - Returns: what the group has committed.
    private func place() throws(RequestFailure) -> [RelayLoop.Source: Int64] {
        let state = world.broker.partitions[world.index(.relayState, 0)]
        guard flaw == .restoresUnsettled || state.lastStable == state.end else { throw .unavailable }
        for record in states where record.offset < state.lastStable { try restore(record) }
        var committed: [RelayLoop.Source: Int64] = [:]
        for topic in Topic.published {
            let place = world.index(topic, 0)
            let source = RelayLoop.Source(topic, 0)
            do throws(BrokerError) {
                committed[source] = try world.broker.committedOffset(place)
            } catch {
                throw .broker(error)
            }
            let start =
                flaw == .trustsGroup
                ? committed[source] : loop.start(of: source, committed: committed[source])
            next[place] = flaw == .notPlaced ? max(next[place] ?? 0, start ?? 0) : start ?? 0
        }
        return committed
    }

    private func restore(_ record: ModelRecord) throws(RequestFailure) {
        withBytes(record.value) { value in
            do throws(LogFailure) {
                try loop.restore(
                    LogRecord(key: nil, value: value, offset: record.offset, timestamp: record.timestamp))
            } catch {
                world.violate("relay: \(error.message)")
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
        if flaw == .placeFirst { try writePlaces() }
        do throws(RequestFailure) {
            if flaw != .placeFirst, flaw != .placeAfter { for place in loop.places() { try send(place) } }
            try world.request(.relayCommit, by: self) { () throws(BrokerError) in
                broker.finishMarkers(identity)
                try broker.sendOffsets(identity, offsets, member: nil)
                try broker.endTransaction(identity, commit: true)
            }
        } catch {
            guard flaw == .takesSilenceForYes, error == .unavailable else { throw error }
        }
        if flaw == .placeAfter { try writePlaces() }
        let counts = loop.committed()
        world.trace("relay: carried \(counts.records) changes")
    }

    /// What some mutants do: outside of the transaction.
    private func writePlaces() throws(RequestFailure) {
        let (broker, place) = (world.broker, world.index(.relayState, 0))
        for sending in loop.places() {
            try world.request(.relaySend, by: self) { () throws(BrokerError) in
                _ = broker.append(place, key: sending.key, value: sending.value)
            }
        }
    }
}
