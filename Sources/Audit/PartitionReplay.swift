import InventoryCore
import InventoryWire
import StreamRuntime

/// Decides the commands of one partition again, with the processor of live processing, and compares what comes of
/// each with what the topics hold.
///
/// What follows a difference in the same SKU is not compared: its state is not the ledger's any more.
package final class PartitionReplay {
    /// What was compared.
    package struct Counts: Equatable, Sendable {
        package var commands = 0
        package var letters = 0
        package var entries = 0
        package var results = 0
        package var notices = 0
        package var alerts = 0
        /// Commands of SKUs that differed before.
        package var skipped = 0
        /// Ledger entries that were folded, not decided.
        package var folded = 0
    }

    package private(set) var counts = Counts()
    package private(set) var differences: Differences
    private let partition: Int32
    private let ownsKey: (UnsafeRawBufferPointer) -> Bool
    private var streams: PartitionStreams
    private var alerts: AlertMatch
    private var diverged: Set<ID> = []
    private var outputs: [Topic: [[UInt8]]] = [:]
    private var reader = RecordReader()
    private var writer = RecordWriter()

    package init(
        streams: PartitionStreams, alerts: any RecordCursor, areAlertsWhole: Bool,
        differences: Differences, ownsKey: @escaping (UnsafeRawBufferPointer) -> Bool
    ) {
        partition = streams.partition
        self.streams = streams
        self.alerts = AlertMatch(partition: partition, alerts: alerts, isWhole: areAlertsWhole)
        self.differences = differences
        self.ownsKey = ownsKey
    }

    /// Replays the commands from `start` up to `cut`.
    ///
    /// - Parameter progress: called after each command.
    /// - Throws: `LedgerFault` when the ledger before `start` cannot be followed, and what the cursors throw.
    package func run(from start: Int64, before cut: Int64, progress: (Counts) throws -> Void) throws {
        var processor = CommandProcessor(
            stock: try folded(before: start), partition: partition, ownsKey: ownsKey)
        while let step = try streams.next(before: cut) {
            for stray in step.strays { differences.add(stray) }
            diverged.formUnion(step.strays.compactMap(\.sku))
            if step.isEarlier {
                for entry in step.entries {
                    try Self.following(entry, partition) { () throws(LedgerFault) in
                        try processor.fold(entry.value)
                    }
                    counts.folded += 1
                }
            } else if let skip = step.skip {
                try decide(skip: skip, &processor)
                try compare(step, processor.stock)
            } else if let command = step.command {
                try decide(command, step, &processor)
                try compare(step, processor.stock)
            } else if !step.entries.isEmpty || !step.outcomes.isEmpty {
                addMissingCommand(step)
            }
            try progress(counts)
        }
        let stock = processor.stock
        try alerts.finish(
            sequence: { stock.sequence(of: $0) }, isSkipped: diverged.contains, &differences)
        counts.alerts = alerts.compared
    }

    private func folded(before start: Int64) throws -> Stock {
        var stock = Stock()
        try streams.ledger(before: start) { entry in
            try Self.following(entry, partition) { () throws(LedgerFault) in
                _ = try stock.foldChecked(entry.value)
            }
            counts.folded += 1
        }
        return stock
    }

    /// Tells where the ledger cannot be followed.
    static func following(
        _ entry: Recorded<LedgerEntry>, _ partition: Int32, _ body: () throws(LedgerFault) -> Void
    ) throws {
        do throws(LedgerFault) {
            try body()
        } catch {
            throw UnfoldableLedger(
                partition: partition, offset: entry.offset, sku: entry.value.sku,
                sequence: entry.value.sequence, fault: error)
        }
    }

    private func decide(
        _ record: AuditRecord, _ step: CommandStep, _ processor: inout CommandProcessor
    ) throws {
        outputs.removeAll(keepingCapacity: true)
        counts.commands += 1
        try withBytes(record.key) { key in
            try withBytes(record.value) { value in
                let log = LogRecord(
                    key: key, value: value, offset: record.offset, timestamp: record.timestamp)
                func take(
                    _ topic: Topic, _ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?
                ) {
                    if let value { outputs[topic, default: []].append(Array(value)) }
                }
                // What the processor noted by itself is taken from the ledger.
                for entry in step.entries where entry.value.isNote {
                    guard case .settings(let settings) = entry.value.details,
                        let partitions = settings.partitions
                    else { continue }
                    try processor.note(partitions: partitions, at: log, take)
                }
                try processor.process(log, take)
            }
        }
    }

    /// What could not be read then is not read now: what the ledger says of it was decided.
    private func decide(skip entry: LedgerEntry, _ processor: inout CommandProcessor) throws {
        outputs.removeAll(keepingCapacity: true)
        counts.commands += 1
        guard let skipped = entry.skipped, let reason = entry.note.flatMap(SkipReason.init) else { return }
        try processor.skip(
            UnreadableBatch(offsets: Int64(skipped.count), reason: reason), from: skipped.lowerBound
        ) { topic, _, value in
            if let value { outputs[topic, default: []].append(Array(value)) }
        }
    }

    // MARK: Comparing

    private func compare(_ step: CommandStep, _ stock: Stock) throws {
        let letters = outputs[.deadLetters] ?? []
        let answers = outputs[.results] ?? []
        let sku: ID = step.command?.key.map { ID(decoding: $0) } ?? ""
        guard !diverged.contains(sku) else {
            counts.skipped += 1
            return
        }
        let before = differences.count
        counts.letters += letters.count
        compareEntries(step, outputs[.ledger] ?? [], sku)
        let floors = streams.floors
        let isKnown = step.offset >= floors.results ?? .max
        if letters.isEmpty, isKnown || !step.outcomes.isEmpty {
            compareAnswers(step, answers, sku)
        }
        if !letters.isEmpty, step.offset >= floors.letters ?? .max || !step.letters.isEmpty {
            if step.letters.count != letters.count {
                add(
                    step, sku, nil, .deadLetters, nil, "\(step.letters.count) letters",
                    "\(letters.count) letter")
            }
        }
        for bytes in outputs[.alerts] ?? [] {
            let alert = try decode(bytes) { bytes throws(DecodingFailure) in try reader.alert(bytes) }
            // A warehouse that is opened or closed raises alerts of other SKUs than the command's.
            if diverged.contains(alert.sku) { continue }
            try alerts.expect(
                alert, command: step.offset, sequence: { stock.sequence(of: $0) },
                isSkipped: diverged.contains, &differences)
        }
        if differences.count > before { diverged.insert(sku) }
    }

    private func compareEntries(_ step: CommandStep, _ decided: [[UInt8]], _ sku: ID) {
        for (index, found) in step.entries.enumerated() where index < decided.count {
            counts.entries += 1
            if found.bytes == decided[index] { continue }
            writer.write(entry: found.value)
            add(
                step, sku, found.value.sequence, .ledger, found.offset,
                writer.withBytes { Array($0) }, decided[index])
        }
        for surplus in step.entries.dropFirst(decided.count) {
            add(
                step, sku, surplus.value.sequence, .ledger, surplus.offset, Self.text(surplus.value),
                "no further entry of this command")
        }
        for missing in decided.dropFirst(step.entries.count) {
            let entry = try? decode(missing) { bytes throws(DecodingFailure) in
                try reader.ledgerEntry(bytes)
            }
            add(
                step, sku, entry?.sequence, .ledger, nil, "no entry", entry.map(Self.text) ?? "an entry")
        }
    }

    private func compareAnswers(_ step: CommandStep, _ decided: [[UInt8]], _ sku: ID) {
        let (outcome, notices) = (decided.first, decided.dropFirst())
        if let outcome, let found = step.outcomes.first {
            counts.results += 1
            if found.bytes != outcome {
                writer.write(
                    outcome: found.value, source: Source(partition: partition, offset: step.offset))
                add(
                    step, sku, found.value.sequence, .results, found.offset, writer.withBytes { Array($0) },
                    outcome)
            }
        } else if outcome != nil {
            add(step, sku, nil, .results, nil, "no result", "the result of the command")
        }
        for second in step.outcomes.dropFirst() {
            add(
                step, sku, second.value.sequence, .results, second.offset,
                "another result, \(second.value.kind.rawValue)", "one result")
        }
        for (index, expected) in notices.enumerated() {
            guard index < step.notices.count else {
                add(step, sku, nil, .results, nil, "no notice", String(decoding: expected, as: UTF8.self))
                continue
            }
            counts.notices += 1
            let found = step.notices[index]
            if found.bytes == expected { continue }
            writer.write(notice: found.value)
            add(
                step, sku, found.value.sequence, .results, found.offset, writer.withBytes { Array($0) },
                expected)
        }
        for surplus in step.notices.dropFirst(notices.count) {
            add(
                step, sku, surplus.value.sequence, .results, surplus.offset,
                "notice \(surplus.value.kind.rawValue)", "no further notice")
        }
    }

    private func addMissingCommand(_ step: CommandStep) {
        let sku = step.entries.first?.value.sku ?? step.outcomes.first?.value.sku ?? ""
        guard diverged.insert(sku).inserted else { return }
        let id = step.entries.first?.value.commandID ?? step.outcomes.first?.value.commandID ?? ""
        differences.add(
            Difference(
                .command, place: Topic.commands.rawValue, partition: partition, command: step.offset,
                sku: sku, sequence: step.entries.first?.value.sequence, found: "no command at \(step.offset)",
                expected: "command \(id), which the ledger or a result names",
                next: "holdfast show command \(id) --sku \(sku)"))
    }

    private static func text(_ entry: LedgerEntry) -> String {
        "\(entry.movement.rawValue) of \(entry.quantity)"
            + (entry.reason.map { " (\($0.rawValue))" } ?? "")
            + (entry.reservationID.map { " for \($0)" } ?? "")
    }

    /// Two records that differ in bytes: no difference if they are written otherwise and say the same.
    private func add(
        _ step: CommandStep, _ sku: ID, _ sequence: Int64?, _ topic: Topic, _ offset: Int64?,
        _ found: [UInt8], _ expected: [UInt8]
    ) {
        guard found != expected else { return }
        let fields = FieldDifference.between(found, expected)
        add(step, sku, sequence, topic, offset, fields.found, fields.expected)
    }

    private func add(
        _ step: CommandStep, _ sku: ID, _ sequence: Int64?, _ topic: Topic, _ offset: Int64?,
        _ found: String, _ expected: String
    ) {
        let id = step.own.first?.value.commandID ?? step.outcomes.first?.value.commandID
        differences.add(
            Difference(
                .decision, place: topic.rawValue, partition: partition, offset: offset, command: step.offset,
                sku: sku, sequence: sequence, found: found, expected: expected,
                next: id.map { "holdfast show command \($0) --sku \(sku)" } ?? "holdfast show sku \(sku)"))
    }

    private func withBytes(
        _ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) throws -> Void
    ) rethrows {
        guard let bytes else { return try body(nil) }
        try bytes.withUnsafeBytes { try body($0) }
    }
}

/// The ledger cannot be followed to where a replay begins.
package struct UnfoldableLedger: Error, CustomStringConvertible {
    package let partition: Int32
    package let offset: Int64
    package let sku: ID
    package let sequence: Int64
    package let fault: LedgerFault

    package var description: String {
        "stock.ledger \(partition)/\(offset), SKU \(sku), sequence \(sequence): found \(fault.found), expected "
            + "\(fault.expected)"
    }
}
