import InventoryCore
import InventoryWire
import LedgerSink

/// `holdfast sink`: does what production's `SinkLifecycle` says, with production's batches, on the models.
final class SinkService: Host, Actor {
    private(set) var wakesAt: Int64
    private var isActing = false
    private(set) var isFinished = false
    private var lifecycle = SinkLifecycle()
    private var action: SinkLifecycle.Action
    private var batch = LedgerBatch(from: [:])
    private var next: [Int32: Int64] = [:]
    private var session = 0
    private var reader = RecordReader()
    private var flaw: Mutant.SinkFlaw? { world.mutant?.sink }

    init(_ name: String, _ world: World, after milliseconds: Int = 0) {
        wakesAt = world.now + Int64(milliseconds)
        action = lifecycle.start()
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
        action = perform(action)
        if case .finish(let fault) = action, !isDead {
            world.trace("\(name) ends: \(fault ?? "as asked")")
            isFinished = true
            world.restartSink()
        }
        isActing = false
    }

    private func perform(_ action: SinkLifecycle.Action) -> SinkLifecycle.Action {
        switch action {
        case .connect: return connect()
        case .gather:
            gather()
            return lifecycle.gathered(rows: batch.rows.count)
        case .store: return store()
        case .wait: return lifecycle.waited()
        case .finish: return action
        }
    }

    private func connect() -> SinkLifecycle.Action {
        let database = world.database
        do throws(RequestFailure) {
            session = try world.request(.connect, by: self) { () throws(BrokerError) in database.connect() }
        } catch {
            return failed("\(error)")
        }
        let offsets = database.offsets(of: 0..<world.partitionCount)
        var ends: [Int32: Int64] = [:]
        for partition in 0..<world.partitionCount {
            ends[partition] = world.broker.partitions[world.index(.ledger, partition)].lastStable
        }
        next = offsets
        batch = LedgerBatch(from: offsets)
        return lifecycle.connected(offsets: offsets, ends: ends)
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
                add(record, partition)
            }
            if position == records.count || records[position].offset >= limit {
                batch.passed(partition, next: limit)
                next[partition] = max(next[partition]!, limit)
            }
        }
    }

    private func add(_ record: ModelRecord, _ partition: Int32) {
        record.value!.withUnsafeBytes { value in
            do throws(DecodingFailure) {
                batch.add(
                    LedgerRow(
                        partition: partition, offset: record.offset, entry: try reader.ledgerEntry(value)))
            } catch {
                world.violate("the ledger at \(record.offset) cannot be read: \(error)")
            }
        }
    }

    private func store() -> SinkLifecycle.Action {
        let (database, batch, session, flaw) = (world.database, batch, session, flaw)
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
            return failed("\(error)")
        }
        switch outcome {
        case .stored:
            world.trace("\(name) stores \(batch.rows.count) rows")
            self.batch = LedgerBatch(from: batch.nextOffsets)
            return lifecycle.stored(next: batch.nextOffsets)
        case .noSession: return failed("the session has ended")
        case .otherSink:
            world.figures[.conflicts] += 1
            return lifecycle.failed(.stop, "another sink has moved the offsets")
        case .differentRow(let sku, let sequence):
            world.violate("PostgreSQL has another row for \(sku), sequence \(sequence) than the ledger")
            return lifecycle.failed(.stop, "another row")
        }
    }

    private func failed(_ reason: String) -> SinkLifecycle.Action {
        world.trace("\(name): \(reason)")
        let action = lifecycle.failed(.reconnect, reason)
        if case .wait(let milliseconds) = action { wakesAt = world.now + Int64(min(milliseconds, 400)) }
        return action
    }
}
