import InventoryCore
import InventoryWire
import LedgerSink

/// `holdfast sink`: does what production's `SinkLoop` says, on the models.
final class SinkService: Host, Actor {
    private(set) var wakesAt: Int64
    private var isActing = false
    private(set) var isFinished = false
    private var loop = SinkLoop(topic: Topic.ledger.rawValue)
    /// Where its reader stands.
    private var next: [Int32: Int64] = [:]
    private var session = 0
    private var flaw: Mutant.SinkFlaw? { world.mutant?.sink }

    init(_ name: String, _ world: World, after milliseconds: Int = 0) {
        wakesAt = world.now + Int64(milliseconds)
        super.init(name, world)
    }

    var isReady: Bool { !isActing && !isDead && !isPaused && !isFinished }

    override func die() {
        guard !isDead else { return }
        super.die()
        world.restartSink()
    }

    func act() {
        isActing = true
        wakesAt = world.now + Int64(world.random.within(1...12))
        perform(loop.action)
        if case .finish(let fault) = loop.action, !isDead {
            world.trace("\(name) ends: \(fault ?? "as asked")")
            isFinished = true
            world.restartSink()
        }
        isActing = false
    }

    private func perform(_ action: SinkLifecycle.Action) {
        switch action {
        case .connect: connect()
        case .gather: gather()
        case .store: store()
        case .wait: loop.waited()
        case .finish: break
        }
    }

    private func connect() {
        let database = world.database
        do throws(RequestFailure) {
            session = try world.request(.connect, by: self) { () throws(BrokerError) in database.connect() }
        } catch {
            return failed("\(error)")
        }
        let offsets = database.offsets(of: 0..<world.partitionCount)
        var ends: [Int32: SinkLoop.Ends] = [:]
        for number in 0..<world.partitionCount {
            let partition = world.broker.partitions[world.index(.ledger, number)]
            ends[number] = partition.start...partition.lastStable
        }
        do throws(SinkFault) { try loop.check(offsets: offsets, ends: ends) } catch { return stop(error) }
        if flaw != .notPlaced || next.isEmpty { next = offsets }
        loop.connected(offsets: offsets, ends: ends)
    }

    private func gather() {
        let isolation: ModelIsolation = flaw == .readsUncommitted ? .uncommitted : .committed
        for partition in 0..<world.partitionCount {
            let place = world.index(.ledger, partition)
            let limit = world.broker.partitions[place].limit(isolation)
            let records = world.broker.partitions[place].records
            var position = world.broker.partitions[place].place(of: next[partition]!)
            let most = world.random.within(1...12)
            var count = 0
            while position < records.count, records[position].offset < limit, count < most {
                let record = records[position]
                position += 1
                next[partition] = record.offset + 1
                guard ModelPartition.isVisible(record.state, isolation) else { continue }
                count += 1
                withBytes(record.value) {
                    loop.read($0, partition: partition, offset: record.offset)
                }
            }
            if position == records.count || records[position].offset >= limit {
                loop.reachedEnd(of: partition, next: limit)
                next[partition] = max(next[partition]!, limit)
            }
        }
        do throws(SinkFault) { try loop.gathered() } catch { stop(error) }
    }

    private func store() {
        let (database, batch, session, flaw) = (world.database, loop.batch, session, flaw)
        if flaw == .offsetsFirst {
            database.storeOffsets(batch)
            world.interlude(2)
        }
        let outcome: ModelDatabase.Outcome
        do throws(RequestFailure) {
            outcome = try world.request(.store, by: self) { () throws(BrokerError) in
                if flaw == .offsetsFirst {
                    database.storeRows(batch)
                    return .stored
                }
                return database.store(batch, session: session, isGuarded: flaw != .noGuard)
            }
        } catch {
            // One that takes an answer that was lost for a yes.
            if flaw == .takesSilenceForYes, error == .unavailable { return loop.stored() }
            return failed("\(error)")
        }
        switch outcome {
        case .stored:
            world.trace("\(name) stores \(batch.rows.count) rows")
            loop.stored()
        case .noSession: failed("the session has ended")
        case .otherSink:
            world.figures[.conflicts] += 1
            loop.failed(.stop, "another sink has moved the offsets")
        case .differentRow(let sku, let sequence):
            stop(SinkFault("PostgreSQL has another row for \(sku), sequence \(sequence) than the ledger"))
        }
    }

    /// As the role does after an error of PostgreSQL.
    private func failed(_ reason: String) {
        world.trace("\(name): \(reason)")
        loop.failed(.reconnect, reason)
        if case .wait(let milliseconds) = loop.action { wakesAt = world.now + Int64(min(milliseconds, 400)) }
    }

    /// What only a person can mend; nothing of this may come to that.
    private func stop(_ fault: SinkFault) {
        world.violate("\(name): \(fault)")
        loop.failed(.stop, fault.description)
    }
}
