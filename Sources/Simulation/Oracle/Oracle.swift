import InventoryCore
import InventoryWire
import LedgerSink
import NaiveStock
import StreamRuntime

/// Looks at what a run left in the logs and in PostgreSQL, and says what is wrong.
final class Oracle {
    private let world: World
    private var reader = RecordReader()
    private var chain = LedgerChain()
    private(set) var problems: [String] = []
    /// Of all partitions, for the books of orders.
    private var entries: [LedgerEntry] = []
    private var replies: [Int32: [Reference.Reply]] = [:]

    private init(_ world: World) { self.world = world }

    /// - Returns: what is wrong, the first of each kind first; nothing for a run that is right.
    static func problems(of world: World) -> [String] {
        let oracle = Oracle(world)
        oracle.look()
        return oracle.problems
    }

    private func look() {
        problems += world.database.violations
        for partition in 0..<world.partitionCount {
            do throws(LogFailure) {
                try look(at: partition)
            } catch {
                problems.append("partition \(partition): \(error.operation): \(error.message)")
            }
        }
        checkLetters()
        if let orders = world.orders {
            problems += OrderOracle.problems(of: world, orders, entries, replies)
        }
    }

    private func records(_ topic: Topic, _ partition: Int32) -> [ModelRecord] {
        world.broker.partitions[world.index(topic, partition)].everything
    }

    private static func isCommitted(_ record: ModelRecord) -> Bool {
        record.state == .plain || record.state == .committed
    }

    private func look(at partition: Int32) throws(LogFailure) {
        let commands = records(.commands, partition).filter(Self.isCommitted)
        let restores = world.restores.filter { $0.partition == partition }
        let world = world
        let reference = try Reference(
            of: commands, partition: partition, partitions: world.partitionCount,
            statesAt: Set(restores.map(\.offset)),
            ownsKey: { world.partition(ofKey: $0) == partition })
        checkResults(partition, commands, reference)
        for topic in [Topic.ledger, .reservations, .transfers, .alerts, .deadLetters] {
            compare(topic, partition, reference)
        }
        checkActions(partition, commands)
        checkCarried(partition, commands)
        let entries = ledger(partition)
        self.entries += entries.map(\.entry)
        replies[partition] = reference.replies
        checkChain(partition, entries)
        checkDecisions(partition, commands, entries)
        checkBooks(partition, entries)
        checkDatabase(partition, entries)
        checkRestores(partition, restores, reference)
        try checkStates(partition, entries.map(\.entry), reference)
    }

    // MARK: Results

    /// Every command has exactly one committed result, or is a dead letter; and no two results of one command
    /// differ, aborted ones included.
    private func checkResults(
        _ partition: Int32, _ commands: [ModelRecord], _ reference: Reference
    ) {
        var committed: [Int64: Int] = [:]
        var wanted: [Int64: [[UInt8]]] = [:]
        for output in reference.outputs[.results] ?? [] {
            wanted[output.source, default: []].append(output.value!)
        }
        for record in records(.results, partition) where !record.state.isMarker {
            guard let source = source(ofResult: record) else {
                problems.append("stock.results at \(record.offset) cannot be read")
                continue
            }
            if source.isOutcome, Self.isCommitted(record) { committed[source.offset, default: 0] += 1 }
            if wanted[source.offset]?.contains(record.value!) != true {
                problems.append(
                    "partition \(partition): two results of the command at \(source.offset) differ; "
                        + "\(record.state) at \(record.offset): \(StateBytes.text(record.value!)), should be "
                        + StateBytes.text((wanted[source.offset] ?? []).joined(separator: [0x20])))
            }
        }
        let buried = Set((reference.outputs[.deadLetters] ?? []).map(\.source))
        for command in commands where command.unreadable == nil {
            let count = committed[command.offset] ?? 0
            if count != (buried.contains(command.offset) ? 0 : 1) {
                problems.append(
                    "partition \(partition): the command at \(command.offset) has \(count) committed results")
            }
        }
        compare(.results, partition, reference)
    }

    private func source(ofResult record: ModelRecord) -> (offset: Int64, isOutcome: Bool)? {
        guard let value = record.value else { return nil }
        return value.withUnsafeBytes { bytes in
            do throws(DecodingFailure) {
                if let notice = try reader.notice(bytes) { return (notice.source.offset, false) }
                return (try reader.outcome(bytes).source.offset, true)
            } catch {
                return nil
            }
        }
    }

    /// What was committed to a topic, against what the commands come to.
    private func compare(_ topic: Topic, _ partition: Int32, _ reference: Reference) {
        let found = records(topic, partition).filter { Self.isCommitted($0) && !isOthersLetter($0, topic) }
        let wanted = reference.outputs[topic] ?? []
        for (index, (have, want)) in zip(found, wanted).enumerated()
        where have.key != want.key || have.value != want.value {
            problems.append(
                "partition \(partition): record \(index) of \(topic.rawValue) is "
                    + "\(StateBytes.text(have.value ?? [])), should be \(StateBytes.text(want.value ?? []))")
            return
        }
        if found.count != wanted.count {
            problems.append(
                "partition \(partition): \(topic.rawValue) has \(found.count) committed records, should have "
                    + "\(wanted.count)")
        }
    }

    /// Whoever acts on a record names it in the command that follows: it must have been committed.
    private func checkActions(_ partition: Int32, _ commands: [ModelRecord]) {
        for command in commands {
            guard command.producer == -1 else { continue }
            let id = self.command(command)?.id
            guard let parts = id?.text.split(separator: "/"), parts.count == 4, let offset = Int64(parts[2])
            else { continue }
            let topic = parts[0] == "expire" ? Topic.reservations : .transfers
            let cause = records(topic, partition).first { $0.offset == offset }
            guard let cause, Self.isCommitted(cause) else {
                problems.append(
                    "partition \(partition): \(id!) acts on a record of \(topic.rawValue) that was never committed"
                )
                return
            }
        }
    }

    // MARK: What the relay carries

    /// Each change that people published has come into each partition that it is for, once and in order.
    private func checkCarried(_ partition: Int32, _ commands: [ModelRecord]) {
        let ids = commands.compactMap { command($0)?.id }
        for topic in Topic.published {
            let wanted = world.traffic.changes.filter {
                $0.topic == topic && $0.partitions.contains(partition)
            }.map(\.commandID)
            let found = ids.filter { $0.text.hasPrefix("relay/\(topic.rawValue)/") }
            guard found != wanted else { continue }
            problems.append(
                "partition \(partition): the changes of \(topic.rawValue) came as \(found), should be \(wanted)"
            )
        }
    }

    /// What the relay could not read is a dead letter, once.
    private func checkLetters() {
        let letters = records(.deadLetters, 0).filter(Self.isCommitted).compactMap(letter)
        for topic in Topic.published {
            let wanted = world.traffic.changes.filter { $0.topic == topic && !$0.isReadable }.map(\.offset)
            let found = letters.filter { $0.topic == topic.rawValue }.map(\.offset)
            guard found != wanted else { continue }
            problems.append(
                "the dead letters of \(topic.rawValue) are those of \(found), should be \(wanted)")
        }
    }

    private func letter(_ record: ModelRecord) -> DeadLetter? {
        record.value!.withUnsafeBytes { try? reader.deadLetter($0) }
    }

    /// Whether it is a letter of the relay or of a coordinator.
    private func isOthersLetter(_ record: ModelRecord, _ topic: Topic) -> Bool {
        guard topic == .deadLetters, let source = letter(record)?.topic else { return false }
        return source != Topic.commands.rawValue
    }

    // MARK: Ledger

    private func ledger(_ partition: Int32) -> [LedgerRow] {
        var rows: [LedgerRow] = []
        for record in records(.ledger, partition) where Self.isCommitted(record) {
            let entry = record.value!.withUnsafeBytes { try? reader.ledgerEntry($0) }
            guard let entry else {
                problems.append("stock.ledger at \(record.offset) cannot be read")
                continue
            }
            rows.append(LedgerRow(partition: partition, offset: record.offset, entry: entry))
        }
        return rows
    }

    /// The rules once more, by a model that shares no code with the core: each committed result and each entry of the
    /// ledger is what it would have answered and noted. It never forgets, so that it says nothing of partitions whose
    /// settings let them.
    private func checkDecisions(_ partition: Int32, _ records: [ModelRecord], _ rows: [LedgerRow]) {
        let commands = records.filter { $0.hasAppendTime && $0.unreadable == nil }.compactMap { record in
            command(record).map { (record, $0) }
        }
        let forgets = commands.contains {
            if case .setSettings(let settings) = $0.1.body { return settings.dedupeCount < 1_000 }
            return false
        }
        guard !forgets else { return }
        var answers: [Int64: Outcome] = [:]
        for record in self.records(.results, partition) where Self.isCommitted(record) {
            if let (outcome, source) = outcome(record) { answers[source.offset] = outcome }
        }
        let entries = Dictionary(
            grouping: rows.map(\.entry).filter { !$0.isNote }, by: \.source.offset)
        var naive = NaiveStock()
        for (record, command) in commands {
            let expected = naive.handle(command, at: record.timestamp)
            world.figures[.judged] += 1
            let facts = (entries[record.offset] ?? []).map(NaiveStock.Fact.init(of:))
            let answer = answers[record.offset].map(NaiveStock.Answer.init(of:))
            guard answer == expected.0, facts == expected.2.map(\.plain) else {
                problems.append(
                    "partition \(partition): the command at \(record.offset), \(command.id), was answered "
                        + "\(answer.map { "\($0)" } ?? "nothing") with \(facts.count) entries; by the rules it is "
                        + "\(expected.0) with \(expected.2.count)")
                return
            }
        }
    }

    /// The command of a record, if it is one for this partition.
    private func command(_ record: ModelRecord) -> Command? {
        guard let key = record.key, let value = record.value else { return nil }
        return key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in try? reader.command(key: key, value: value) }
        }
    }

    private func outcome(_ record: ModelRecord) -> (Outcome, Source)? {
        guard let value = record.value else { return nil }
        return value.withUnsafeBytes { bytes in
            do throws(DecodingFailure) {
                return try reader.notice(bytes) == nil ? try reader.outcome(bytes) : nil
            } catch {
                return nil
            }
        }
    }

    /// Each entry is chained to the one before it of its SKU.
    private func checkChain(_ partition: Int32, _ rows: [LedgerRow]) {
        var newest: [ID: ChainHash] = [:]
        for row in rows {
            let entry = row.entry
            guard chain.hash(of: entry, after: newest[entry.sku] ?? .origin) == entry.chainHash else {
                problems.append(
                    "partition \(partition): the chain of \(entry.sku) is broken at \(entry.sequence)")
                return
            }
            newest[entry.sku] = entry.chainHash
        }
    }

    private func checkBooks(_ partition: Int32, _ rows: [LedgerRow]) {
        var books = LedgerBooks()
        for row in rows { books.add(row.entry) }
        let levels = newest(.levels, partition).compactMap { record in
            record.value!.withUnsafeBytes { try? reader.levels($0) }
        }
        let reservations = newest(.reservations, partition).compactMap { record in
            record.value!.withUnsafeBytes { try? reader.reservation($0) }
        }
        books.compare(levels: levels, reservations: reservations)
        problems += books.problems.map { "partition \(partition): \($0)" }
    }

    /// The newest record of each key, tombstones apart.
    private func newest(_ topic: Topic, _ partition: Int32) -> [ModelRecord] {
        var found: [[UInt8]: ModelRecord] = [:]
        for record in world.broker.partitions[world.index(topic, partition)].records
        where Self.isCommitted(record) {
            found[record.key!] = record
        }
        return found.values.filter { $0.value != nil }.sorted { $0.offset < $1.offset }
    }

    /// PostgreSQL has each entry of the committed ledger once, and nothing else.
    private func checkDatabase(_ partition: Int32, _ rows: [LedgerRow]) {
        let found = world.database.rows.values.filter { $0.partition == partition }
            .sorted { $0.offset < $1.offset }
        if found != rows {
            problems.append(
                "partition \(partition): PostgreSQL has \(found.count) rows, the ledger \(rows.count) entries; "
                    + "or they differ")
        }
    }

    // MARK: States

    private func checkRestores(
        _ partition: Int32, _ restores: [RestoredState], _ reference: Reference
    ) {
        for restored in restores {
            guard let wanted = reference.states[restored.offset], wanted != restored.bytes else { continue }
            problems.append(
                "partition \(partition): the state restored at \(restored.offset) is another: "
                    + StateBytes.difference(restored.bytes, wanted))
            return
        }
    }

    /// Live, rebuilt from the topics before and after compaction, and folded from the ledger: byte for byte the
    /// same.
    private func checkStates(
        _ partition: Int32, _ entries: [LedgerEntry], _ reference: Reference
    ) throws(LogFailure) {
        if let live = world.owner(of: partition)?.worker.stock {
            compare("live", StateBytes.of(live), reference.final, partition)
        }
        let audit = AuditLog(partition: partition, host: world.processes[0])
        compare(
            "rebuilt", StateBytes.of(try Restorer(log: audit).restore().stock), reference.final, partition)
        world.compact(tombstonesBefore: .max)
        compare(
            "rebuilt after compaction", StateBytes.of(try Restorer(log: audit).restore().stock),
            reference.final, partition)
        // Folding what is wrong would end the process; that it is wrong has been told.
        guard problems.isEmpty else { return }
        var folded = Stock()
        for entry in entries { folded.fold(entry) }
        compare("folded", StateBytes.of(folded), reference.final, partition)
    }

    private func compare(
        _ which: String, _ found: [UInt8], _ wanted: [UInt8], _ partition: Int32
    ) {
        guard found != wanted else { return }
        problems.append(
            "partition \(partition): the \(which) state is another: "
                + StateBytes.difference(found, wanted))
    }
}

/// Reads the topics when all is over, undisturbed.
private final class AuditLog: ModelLog {
    override func read(
        _ topic: Topic, from offset: Int64, _ body: (LogRecord) throws(LogFailure) -> Void
    ) throws(LogFailure) {
        var next = offset
        while let record = visibleRecord(topic, from: next, .committed) {
            try give(record, to: body)
            next = record.offset + 1
        }
    }

    override func offsets(of topic: Topic) throws(LogFailure) -> Range<Int64> {
        let partition = broker.partitions[index(topic)]
        return partition.start..<partition.lastStable
    }
}
