import Audit
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// Makes the state of one new partition from its ledger, holds it against what there was, and lets the partition begin:
/// the last of its first commands is decided, and the group's offset stands behind it.
struct GrowState {
    private let grow: TopicsGrow
    private let extents: [Topic: [Int32: Range<Int64>]]
    private let commands: GrowCopy.Commands

    /// - Parameter extents: of the topics that are copied.
    init(_ grow: TopicsGrow, _ extents: [Topic: [Int32: Range<Int64>]], _ commands: GrowCopy.Commands) {
        self.grow = grow
        self.extents = extents
        self.commands = commands
    }

    func make(_ partition: Int32) throws -> GrowReport.Line {
        let producer = try RebuildProducer(
            partition, settings: grow.target, events: grow.service.kafkaEvents(),
            isStopping: { [shutdown = grow.service.shutdown] in shutdown.isRequested })
        var rebuild = try folded(partition)
        var line = GrowReport.Line(partition: partition)
        // What stands before the earlier log, and what ends it.
        let isClosed = rebuild.newestOfBook?.endsEarlierLog ?? false
        line.entries = rebuild.entryCount - commands.opening.count - (isClosed ? 1 : 0)
        try compare(partition, &rebuild, &line)
        guard !isClosed else {
            try producer.finish(offsets(partition), role: nil, events: grow.service.kafkaEvents())
            return line
        }
        var last: [(topic: Topic, key: [UInt8], value: [UInt8])] = []
        var processor = CommandProcessor(
            stock: rebuild.takeStock(), partition: partition, ownsKey: { _ in true })
        try process(commands.closing, &processor) { topic, key, value in
            last.append((topic, key.map { Array($0) } ?? [], value.map { Array($0) } ?? []))
        }
        try write(partition, processor.takeStock(), producer)
        try producer.beginWhole()
        for record in last {
            try record.value.withUnsafeBytes { try producer.write(record.topic, key: record.key, value: $0) }
        }
        try producer.finish(offsets(partition), role: nil, events: grow.service.kafkaEvents())
        return line
    }

    /// Where the processors go on.
    private func offsets(_ partition: Int32) -> [TopicPartitionOffset] {
        [TopicPartitionOffset(grow.target.name(.commands), partition, offset: commands.closing.offset + 1)]
    }

    private func folded(_ partition: Int32) throws -> LedgerRebuild {
        var rebuild = LedgerRebuild()
        var fault: Inconsistency?
        let scan = grow.scan(grow.target)
        let extent = try scan.settledExtent(.ledger, partition)
        try scan.read(.ledger, from: [partition: extent.lowerBound]) { message in
            guard fault == nil else { return }
            do throws(Inconsistency) { try rebuild.add(message.logRecord) } catch { fault = error }
            grow.progress(
                "folding the ledger",
                ["partition": partition, "offset": message.offset, "of": extent.upperBound])
        }
        guard let fault else { return rebuild }
        throw RoleFailure(
            .differenceFound,
            "partition \(partition), SKU \(fault.sku): \(fault.description); holdfast verify on the old topics tells "
                + "more. What was copied must not be used")
    }

    // MARK: Comparing

    /// Each record that there was must follow from the new ledger, byte for byte.
    private func compare(
        _ partition: Int32, _ rebuild: inout LedgerRebuild, _ line: inout GrowReport.Line
    ) throws {
        for topic in LedgerRebuild.topics {
            var view = try view(of: topic, partition)
            var live = 0
            var others: [[UInt8]: [UInt8]] = [:]
            rebuild.forEachRecord(of: topic) { key, value in
                if topic == .levels, TopicsGrow.isBook(key) { return }
                live += 1
                if view.take(key, value) { return }
                others[key] = Array(value)
            }
            if let key = view.rest.first {
                throw different(topic, key, "does not follow from the new ledger")
            }
            switch topic {
            case .levels:
                (line.skus, line.alerts) = (live, others.count)
                try compareWithoutAlerts(others)
            case .reservations: line.reservations = live
            default: line.transfers = live
            }
            if topic != .levels, let key = others.keys.min(by: { $0.lexicographicallyPrecedes($1) }) {
                throw different(topic, key, "is not what the new ledger makes of it")
            }
        }
    }

    /// The keys of a topic that are the partition's, with the hashes of their records. Each names its SKU, so no two of
    /// the earlier partitions have the same.
    private func view(of topic: Topic, _ partition: Int32) throws -> CompactedView {
        var view = CompactedView()
        var strangers: [Int32: StrangeKeys] = [:]
        var reader = RecordReader()
        try grow.scan(grow.source).read(topic, from: extents[topic]!.mapValues(\.lowerBound)) { message in
            grow.progress(
                "comparing \(topic.rawValue)", ["partition": partition, "offset": message.offset])
            let key = message.key.map { Array($0) } ?? []
            let (isEnd, place, offset) = (message.value == nil, message.partition, message.offset)
            var sku: [UInt8]? = key
            if topic != .levels {
                let name = key.withUnsafeBytes { reader.ownedID(key: $0) }
                sku = name.map { $0.sku.bytes }
            }
            if let sku {
                if topic == .levels, TopicsGrow.isBook(sku) { return }
                if grow.place(sku) == partition { view.add(message.logRecord) }
                return
            }
            key.withUnsafeBytes {
                if isEnd {
                    strangers[place]?.end($0)
                } else {
                    strangers[place, default: StrangeKeys()].add($0, offset: offset)
                }
            }
        }
        if let (partition, found) = strangers.first(where: { !$0.value.isEmpty }) {
            throw RoleFailure(
                .differenceFound,
                "partition \(partition): \(found.told(of: topic)), drain them, and run this again")
        }
        return view
    }

    /// What was told last of a SKU's levels depends on which warehouses were active then; all else does not.
    private func compareWithoutAlerts(_ others: [[UInt8]: [UInt8]]) throws {
        if others.isEmpty { return }
        var reader = RecordReader()
        var before: [[UInt8]: [UInt8]] = [:]
        try grow.scan(grow.source).read(.levels, from: extents[.levels]!.mapValues(\.lowerBound)) { message in
            guard let key = message.key.map({ Array($0) }), others[key] != nil else { return }
            before[key] = message.value.map { Array($0) }
        }
        func calm(_ bytes: [UInt8]?) -> LevelsSnapshot? {
            guard var levels = bytes?.withUnsafeBytes({ try? reader.levels($0) }) else { return nil }
            levels.alert = .calm
            for index in levels.levels.indices {
                levels.levels[index].alert = .calm
                // Earlier versions did not write it.
                levels.levels[index].isClosed = false
            }
            return levels
        }
        for (sku, bytes) in others.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            guard let now = calm(bytes), calm(before[sku]) == now else {
                throw different(.levels, sku, "is not what the new ledger makes of it")
            }
        }
    }

    private func different(_ topic: Topic, _ key: [UInt8], _ what: String) -> RoleFailure {
        RoleFailure(
            .differenceFound,
            "\(grow.source.name(topic)): \(Printable.text(key)) \(what); holdfast verify on the old topics tells "
                + "more. What was copied must not be used")
    }

    // MARK: Writing

    private func write(_ partition: Int32, _ stock: consuming Stock, _ producer: RebuildProducer) throws {
        var rebuild = LedgerRebuild(continuing: stock)
        let scan = grow.scan(grow.target)
        for topic in LedgerRebuild.topics {
            var view = CompactedView()
            let extent = try scan.settledExtent(topic, partition)
            try scan.read(topic, from: [partition: extent.lowerBound]) { view.add($0.logRecord) }
            try rebuild.forEachRecord(of: topic) { key, value in
                if view.take(key, value) { return }
                try producer.write(topic, key: key, value: value)
                grow.progress("writing \(topic.rawValue)", ["partition": partition])
            }
            if let key = view.rest.first {
                throw grow.stranger(
                    topic, partition, "holds \(Printable.text(key))")
            }
        }
        try producer.finish()
    }
}
