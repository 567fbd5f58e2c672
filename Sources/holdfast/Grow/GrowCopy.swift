import Audit
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// Copies what is copied byte for byte: the ledger, and what people publish. Before the ledger's entries each partition
/// gets the first commands of its own book, and their decisions.
final class GrowCopy {
    /// The commands of a partition's own book, as they stand in `stock.commands`.
    struct Commands {
        var opening: [AuditRecord]
        var closing: AuditRecord
    }

    private(set) var commands: [Int32: Commands] = [:]
    private let grow: TopicsGrow
    private let producer: RebuildProducer
    private let partitions: [GrownPartition]
    private var writer = RecordWriter()

    /// What a row of records is known to hold from an earlier run.
    private struct There {
        var digest = RowDigest()
        /// The partition is done: the ledger tells the end of the earlier log.
        var isClosed = false
    }

    init(_ grow: TopicsGrow, _ book: LevelsSnapshot.Book) throws {
        self.grow = grow
        producer = try RebuildProducer(
            transactionalID: grow.target.growTransactionalID, settings: grow.target,
            events: grow.service.kafkaEvents(),
            isStopping: { [shutdown = grow.service.shutdown] in shutdown.isRequested })
        partitions = (0..<grow.count).map { GrownPartition($0, book: book, of: grow.count) }
    }

    // MARK: Commands

    /// Publishes the first commands of each partition, all at once, or finds that they are there.
    ///
    /// - Parameter areFurtherAllowed: whether an earlier run may have carried commands behind them.
    func placeCommands(areFurtherAllowed: Bool) throws {
        let scan = grow.scan(grow.target)
        if try scan.settledExtents([.commands])[.commands]!.values.allSatisfy({ $0.upperBound == 0 }) {
            try producer.beginWhole()
            for partition in partitions {
                for command in partition.opening + [partition.closing] {
                    writer.write(command: command)
                    try writer.withBytes { value in
                        try producer.write(
                            .commands, partition: partition.partition, key: command.sku.bytes,
                            value: value)
                    }
                }
            }
            try producer.finish()
        }
        let extents = try scan.settledExtents([.commands])[.commands]!
        let cursor = try TopicCursor(scan, .commands)
        for partition in partitions {
            try cursor.move(to: partition.partition, extents[partition.partition] ?? 0..<0)
            var records: [AuditRecord] = []
            for command in partition.opening + [partition.closing] {
                writer.write(command: command)
                guard let record = try cursor.next(), record.value == writer.withBytes({ Array($0) }) else {
                    throw grow.stranger(
                        .commands, partition.partition, "holds other commands than it would begin with")
                }
                records.append(record)
            }
            if !areFurtherAllowed, try cursor.next() != nil {
                throw grow.stranger(.commands, partition.partition, "holds further commands")
            }
            let closing = records.removeLast()
            commands[partition.partition] = Commands(opening: records, closing: closing)
        }
    }

    // MARK: Ledger

    func copyLedger(_ extents: [Int32: Range<Int64>]) throws {
        let there = try thereInLedger()
        var rows = Array(repeating: RowDigest(), count: partitions.count)
        var copied = Array(repeating: Int64(0), count: partitions.count)
        for partition in 0..<grow.count {
            try open(partition, &rows[Int(partition)], isThere: there[Int(partition)].digest.count > 0)
        }
        var merge = try grow.merged(extents)
        var entries = 0
        while let record = try merge.next() {
            let partition = grow.place(record.key)
            entries += 1
            if rows[Int(partition)].count < there[Int(partition)].digest.count {
                rows[Int(partition)].add(key: record.key, value: record.value)
                try compare(partition, rows, there)
            } else {
                if there[Int(partition)].isClosed {
                    throw grow.stranger(.ledger, partition, "holds fewer entries than would be copied")
                }
                try record.value.withUnsafeBytes {
                    try producer.write(.ledger, partition: partition, key: record.key, value: $0)
                }
                copied[Int(partition)] += 1
            }
            grow.progress("copying the ledger", ["entries": entries, "new": copied.reduce(0, +)])
            if grow.service.shutdown.isRequested {
                throw RoleFailure(.interrupted, "interrupted; run this again")
            }
        }
        try producer.finish()
        for partition in 0..<grow.count {
            guard rows[Int(partition)].count >= there[Int(partition)].digest.count else {
                throw grow.stranger(.ledger, partition, "holds more entries than would be copied")
            }
        }
    }

    private func compare(_ partition: Int32, _ rows: [RowDigest], _ there: [There]) throws {
        let (row, known) = (rows[Int(partition)], there[Int(partition)].digest)
        guard row.count == known.count, row != known else { return }
        throw grow.stranger(.ledger, partition, "holds other entries than would be copied")
    }

    /// What an earlier run has copied.
    private func thereInLedger() throws -> [There] {
        let scan = grow.scan(grow.target)
        let extents = try scan.settledExtents([.ledger])[.ledger]!
        var all: [There] = []
        var reader = RecordReader()
        let cursor = try TopicCursor(scan, .ledger)
        for partition in 0..<grow.count {
            var there = There()
            try cursor.move(to: partition, extents[partition] ?? 0..<0)
            while let record = try cursor.next() {
                if there.isClosed {
                    throw grow.stranger(.ledger, partition, "goes on after what would be copied")
                }
                let key = record.key ?? []
                let entry =
                    TopicsGrow.isBook(key)
                    ? record.value?.withUnsafeBytes { try? reader.ledgerEntry($0) } : nil
                there.isClosed = entry?.endsEarlierLog ?? false
                if !there.isClosed { there.digest.add(key: key, value: record.value) }
                grow.progress(
                    "looking at what was copied", ["partition": partition, "offset": record.offset])
            }
            all.append(there)
        }
        return all
    }

    /// Decides the commands that come before the earlier log's entries, as a processor would.
    private func open(_ partition: Int32, _ row: inout RowDigest, isThere: Bool) throws {
        var processor = CommandProcessor(stock: Stock(), partition: partition, ownsKey: { _ in true })
        var outputs: [(topic: Topic, key: [UInt8], value: [UInt8])] = []
        func take(_ topic: Topic, _ key: UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?) {
            outputs.append((topic, key.map { Array($0) } ?? [], value.map { Array($0) } ?? []))
        }
        for record in commands[partition]!.opening {
            try process(record, &processor, take)
        }
        try processor.writeChangedLevels { topic, key, value in take(topic, key, value) }
        if !isThere { try producer.beginWhole() }
        for output in outputs {
            if output.topic == .ledger { row.add(key: output.key, value: output.value) }
            if isThere { continue }
            try output.value.withUnsafeBytes {
                try producer.write(output.topic, partition: partition, key: output.key, value: $0)
            }
        }
        if !isThere { try producer.finish() }
    }

    // MARK: What was not decided

    /// Publishes records again that nobody has taken, where their keys belong now. The partitions come in order: a key that
    /// the added partitions took stood in a lower one before. A record that was carried by an earlier run comes twice,
    /// and is known as a repeat.
    /// - Returns: how many.
    func carry(_ unread: [GrowDrain.Unread]) throws -> Int {
        var count = 0
        for place in unread {
            let cursor = try TopicCursor(grow.scan(grow.source), place.topic)
            try cursor.move(to: place.partition, place.offsets)
            while let record = try cursor.next() {
                let key = record.key ?? []
                let target =
                    place.topic != .commands || TopicsGrow.isBook(key) ? place.partition : grow.place(key)
                try withBytes(record.value) { value in
                    try producer.write(place.topic, partition: target, key: key, value: value)
                }
                count += 1
            }
        }
        try producer.finish()
        return count
    }

    // MARK: What people publish

    /// Copies it, and says in the same breath that it was carried: its commands are in the ledger.
    func copyPublished(
        _ extents: [Topic: [Int32: Range<Int64>]], areFurtherAllowed: Bool
    ) throws {
        let (from, to) = (grow.scan(grow.source), grow.scan(grow.target))
        let there = try to.settledExtents(Topic.published)
        for topic in Topic.published {
            let (reading, known) = (try TopicCursor(from, topic), try TopicCursor(to, topic))
            for (partition, extent) in extents[topic]!.sorted(by: { $0.key < $1.key }) {
                try reading.move(to: partition, extent)
                try known.move(to: partition, there[topic]?[partition] ?? 0..<0)
                while let record = try reading.next() {
                    if let copy = try known.next() {
                        guard copy.key == record.key, copy.value == record.value else {
                            throw grow.stranger(topic, partition, "holds other records than would be copied")
                        }
                        continue
                    }
                    try withBytes(record.value) { value in
                        try producer.write(topic, partition: partition, key: record.key ?? [], value: value)
                    }
                }
                guard try areFurtherAllowed || known.next() == nil else {
                    throw grow.stranger(topic, partition, "holds more records than would be copied")
                }
            }
        }
        try producer.finish()
        let ends = try to.settledExtents(Topic.published)
        try producer.finish(
            ends.flatMap { topic, partitions in
                partitions.map {
                    TopicPartitionOffset(grow.target.name(topic), $0.key, offset: $0.value.upperBound)
                }
            }, role: "relay", events: grow.service.kafkaEvents())
    }

    private func withBytes<Result>(
        _ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) throws -> Result
    ) rethrows -> Result {
        guard let bytes else { return try body(nil) }
        return try bytes.withUnsafeBytes { try body($0) }
    }
}

/// Gives a command that stands in the topic to a processor.
func process(
    _ record: AuditRecord, _ processor: inout CommandProcessor,
    _ output: (Topic, UnsafeRawBufferPointer?, UnsafeRawBufferPointer?) -> Void
) throws {
    try (record.key ?? []).withUnsafeBytes { key in
        try (record.value ?? []).withUnsafeBytes { value in
            try processor.process(
                LogRecord(key: key, value: value, offset: record.offset, timestamp: record.timestamp)
            ) { topic, key, value in output(topic, key, value) }
        }
    }
}
