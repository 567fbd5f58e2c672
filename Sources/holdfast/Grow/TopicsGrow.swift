import Audit
import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// `holdfast topics grow`: copies a system that stands still into topics with more partitions, under another prefix.
/// The old topics stay as they are.
///
/// What it writes follows from what it reads, in an order that is always the same. So after a crash it compares what
/// is there already, and goes on behind it.
final class TopicsGrow {
    let service: Service
    let source: KafkaSettings
    let target: KafkaSettings
    /// How many partitions there will be.
    let count: Int32
    private let isTrial: Bool
    private var report: GrowReport
    private var due = Deadline(milliseconds: 2_000)

    init(service: Service) throws {
        self.service = service
        let configuration = service.configuration
        source = KafkaSettings(configuration)
        guard let prefix = configuration.optionalString("to_prefix"),
            let partitions = configuration.optionalInteger("partitions")
        else {
            throw RoleFailure(
                .usage, "where to, and how many? Write holdfast topics grow --to-prefix PREFIX --partitions N"
            )
        }
        guard prefix != source.prefix else {
            throw RoleFailure(.usage, "--to-prefix \(prefix) is the topic_prefix that is to be grown")
        }
        target = KafkaSettings(configuration, prefix: prefix)
        count = Int32(partitions)
        isTrial = configuration.boolean("dry_run")
        report = GrowReport(configuration)
    }

    func run() throws -> ExitCode {
        try KafkaFailures.translated {
            let drain = GrowDrain(service: service, settings: source, scan: scan(source))
            let placement = try drain.placement()
            let before = placement.count
            guard count > before else {
                throw RoleFailure(
                    .usage,
                    "--partitions \(count): there are \(before) already. With fewer, or as many, a partition would "
                        + "remember fewer of its commands than before, and take repeats for new ones")
            }
            try drain.refuseMembers()
            if !isTrial { try drain.fence(before) }
            // Who joined meanwhile would be fenced by us, or fence us; so nobody may have.
            try drain.refuseMembers()
            let extents = try drain.extents(placement)
            let book = try drain.book(before)
            return isTrial ? try tellTrial(extents) : try grow(drain, placement, extents, book)
        }
    }

    private func grow(
        _ drain: GrowDrain, _ placement: GrowDrain.Placement, _ extents: [Topic: [Int32: Range<Int64>]],
        _ book: LevelsSnapshot.Book
    ) throws -> ExitCode {
        try prepareTopics(extents)
        try GrowDrain(service: service, settings: target, scan: scan(target)).refuseMembers()
        let copier = try GrowCopy(self, book)
        try copier.placeCommands(areFurtherAllowed: placement.isAltered)
        try copier.copyLedger(extents[.ledger]!)
        try copier.copyPublished(extents, areFurtherAllowed: placement.isAltered)
        for partition in 0..<count {
            report.tell(try GrowState(self, extents, copier.commands[partition]!).make(partition))
        }
        if placement.isAltered {
            let carried = try copier.carry(
                drain.unread(Topic.published, role: "relay", extents)
                    + drain.unread([.commands], role: nil, extents))
            report.say(
                "Keys were placed by \(placement.count) partitions. \(carried) records that nobody had decided or "
                    + "carried were published again, to the new topics.", service.logger)
        }
        try drain.checkUnchanged(extents)
        report.tellTotal()
        report.say(
            "Every SKU has the ledger, the levels, the reservations and the transfers that it had. Next: holdfast "
                + "verify --without-database --topic-prefix \(target.prefix), then give all roles and publishers "
                + "topic_prefix \(target.prefix), then holdfast sink --rebuild (docs/operations.md). Nothing may "
                + "be started with topic_prefix \"\(source.prefix)\" again; its topics stay as they are.",
            service.logger)
        return .success
    }

    // MARK: For all steps

    func scan(_ settings: KafkaSettings) -> TopicScan {
        let shutdown = service.shutdown
        return TopicScan(
            settings: settings, events: service.kafkaEvents(), isCancelled: { shutdown.isRequested })
    }

    /// Where a key belongs among the new partitions.
    func place(_ key: [UInt8]) -> Int32 {
        key.withUnsafeBytes { murmur2Partition(key: $0, partitionCount: count) }
    }

    func place(_ sku: ID) -> Int32 { place(sku.bytes) }

    static func isBook(_ key: [UInt8]) -> Bool { key.starts(with: PartitionBook.prefix.utf8) }

    /// Tells how far it is, every two seconds.
    func progress(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> LogFields) {
        guard due.isPast else { return }
        due = Deadline(milliseconds: 2_000)
        service.logger.info(message(), fields())
    }

    /// The topics are there, but not as they would be if this command had made them.
    func stranger(_ topic: Topic, _ partition: Int32, _ what: String) -> RoleFailure {
        RoleFailure(
            .differenceFound,
            "\(target.name(topic))[\(partition)] \(what). If the grown system is at work already, nothing is left to "
                + "do; else delete the topics of \(target.prefix), or give another --to-prefix")
    }

    // MARK: Ledger

    /// The ledgers that are, as one row without the partitions' own books.
    func merged(_ extents: [Int32: Range<Int64>]) throws -> LedgerMerge {
        let scan = scan(source)
        let reader = ReaderBox()
        return try LedgerMerge(
            extents.sorted { $0.key < $1.key }.map { partition, extent in
                let cursor = try TopicCursor(
                    scan, .ledger, kilobytes: max(1_024, 131_072 / extents.count))
                try cursor.move(to: partition, extent)
                let next: () throws -> LedgerMerge.Record? = { [source] in
                    while let record = try cursor.next() {
                        let key = record.key ?? []
                        if Self.isBook(key) { continue }
                        guard let value = record.value, let entry = reader.entry(value) else {
                            throw RoleFailure(
                                .differenceFound,
                                "\(source.name(.ledger)) \(partition)/\(record.offset) cannot be read: holdfast "
                                    + "verify tells why")
                        }
                        return LedgerMerge.Record(key: key, value: value, entry: entry)
                    }
                    return nil
                }
                return next
            })
    }

    /// A reader that closures can share.
    private final class ReaderBox {
        private var reader = RecordReader()

        func entry(_ value: [UInt8]) -> LedgerEntry? {
            value.withUnsafeBytes { try? reader.ledgerEntry($0) }
        }
    }

    private func tellTrial(_ extents: [Topic: [Int32: Range<Int64>]]) throws -> ExitCode {
        var lines = (0..<count).map { GrowReport.Line(partition: $0, isTrial: true) }
        var merge = try merged(extents[.ledger]!)
        var entries = 0
        while let record = try merge.next() {
            lines[Int(place(record.key))].entries += 1
            entries += 1
            progress("counting", ["entries": entries])
        }
        for line in lines { report.tell(line) }
        report.tellTotal()
        report.say(
            "All is drained. This would go into topics of \(target.prefix); nothing was written.",
            service.logger)
        return .success
    }

    // MARK: Topics

    /// The topics of the other prefix: made like the contract says, or there with as many partitions.
    private func prepareTopics(_ extents: [Topic: [Int32: Range<Int64>]]) throws {
        let admin = try Admin(configuration: target.common(), events: service.kafkaEvents())
        let contracts = try TopicContract.load(service.configuration)
        let names = contracts.map { target.prefix + $0.name }
        let found = try admin.describeTopics(names, timeoutMilliseconds: 20_000)
        var missing: [NewTopic] = []
        for contract in contracts {
            let name = target.prefix + contract.name
            var wanted = count
            if let topic = Topic(rawValue: contract.name), Topic.published.contains(topic) {
                wanted = extents[topic]!.isEmpty ? Int32(contract.partitions) : Int32(extents[topic]!.count)
            }
            if let there = found[name] {
                guard there.partitionCount == wanted else {
                    throw RoleFailure(
                        .usage, "\(name) has \(there.partitionCount) partitions, and would have \(wanted)")
                }
                continue
            }
            missing.append(
                NewTopic(
                    name: name, partitionCount: wanted,
                    replicationFactor: Int32(
                        service.configuration.optionalInteger("replication_factor") ?? -1),
                    settings: contract.settings))
        }
        let created = try admin.createTopics(missing, timeoutMilliseconds: 20_000)
        for case .failed(let error) in created.values { throw error }
        let deadline = Deadline(milliseconds: 20_000)
        while try admin.describeTopics(names, timeoutMilliseconds: 20_000).count < names.count,
            !deadline.isPast
        {
            usleep(20_000)
        }
    }
}
