import Audit
import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// Whether the topics that are to be grown stand still, and all that was published is decided. Says so, or names what
/// is not.
struct GrowDrain {
    private static let timeout = 20_000
    /// What nobody may write while it is copied.
    private static let frozen: [Topic] = [.commands, .ledger, .levels, .reservations, .transfers]

    let service: Service
    let settings: KafkaSettings
    private let scan: TopicScan

    init(service: Service, settings: KafkaSettings, scan: TopicScan) {
        self.service = service
        self.settings = settings
        self.scan = scan
    }

    /// How many partitions the stock has, and whether someone has added others to its topics since.
    struct Placement {
        /// By how many partitions keys were placed.
        let count: Int32
        let isAltered: Bool
    }

    /// - Throws: `RoleFailure` where topics are missing, or partitions that were added were worked on.
    func placement() throws -> Placement {
        var counts: [Topic: Int32] = [:]
        for topic in Topic.stock {
            let found = try scan.partitions(of: topic).upperBound
            guard found > 0 else {
                throw RoleFailure(
                    .usage, "there is no topic \(settings.name(topic)); give the right --topic-prefix")
            }
            counts[topic] = found
        }
        let placed = try notedPartitions() ?? counts.values.min()!
        if let topic = Topic.stock.first(where: { counts[$0]! < placed }) {
            throw RoleFailure(
                .usage,
                "\(settings.name(topic)) has \(counts[topic]!) partitions, but keys were placed by \(placed): "
                    + "partitions are missing")
        }
        for topic in [Topic.ledger, .levels, .reservations, .transfers] {
            for (partition, extent) in try scan.extents(of: topic)
            where partition >= placed && extent.upperBound > 0 {
                throw RoleFailure(
                    .differenceFound,
                    "\(settings.name(topic))[\(partition)] was written to, but keys were placed by \(placed) "
                        + "partitions: an earlier version went to work there, and a SKU has two ledgers")
            }
        }
        return Placement(count: placed, isAltered: counts.values.contains { $0 > placed })
    }

    /// By how many partitions keys were placed, as the partitions' own books say; nil where none does.
    private func notedPartitions() throws -> Int32? {
        var noted: Int64?
        var reader = RecordReader()
        try scan.read(.levels, from: try scan.extents(of: .levels).mapValues(\.lowerBound)) { message in
            guard let key = message.key, let value = message.value,
                key.starts(with: PartitionBook.prefix.utf8)
            else { return }
            noted = (try? reader.levels(value))?.book?.settings.partitions ?? noted
        }
        return noted.map { Int32(clamping: $0) }
    }

    /// A member of a group works on the topics, or may at any moment.
    func refuseMembers() throws {
        let admin = try Admin(configuration: settings.common(), events: service.kafkaEvents())
        for role in [nil, "delay"] as [String?] {
            let name = settings.group(role)
            let group = try admin.describeConsumerGroup(name, timeoutMilliseconds: Self.timeout)
            guard let member = group.members.first else { continue }
            throw RoleFailure(
                .differenceFound,
                "the group \(name) has \(group.members.count) members, such as \(member.clientID) at "
                    + "\(member.host): stop all processes, delay services and relays first (one that was killed "
                    + "leaves the group after session_timeout_ms)")
        }
    }

    /// Ends what killed owners had open, and fences those that are cut off: they can commit nothing any more.
    func fence(_ count: Int32) throws {
        let ids = (0..<count).map { settings.transactionalID($0) } + [settings.relayTransactionalID]
        for id in ids {
            _ = try RebuildProducer(
                transactionalID: id, settings: settings, events: service.kafkaEvents(),
                isStopping: { [service] in service.shutdown.isRequested })
        }
    }

    /// Where the topics end, and that they are drained. Those that were altered cannot be: no role works on them.
    func extents(_ placement: Placement) throws -> [Topic: [Int32: Range<Int64>]] {
        let extents = try scan.settledExtents(Self.frozen + Topic.published)
        if !placement.isAltered {
            try refuse(
                "commands are not decided yet: stop all publishers, and let holdfast process go on until it has",
                undone([.commands], role: nil, extents))
            try refuse(
                "records are not carried yet: let holdfast relay go on until it has",
                undone(Topic.published, role: "relay", extents))
        }
        for (partition, ledger) in extents[.ledger]! where ledger.lowerBound > 0 {
            throw RoleFailure(
                .differenceFound,
                "\(settings.name(.ledger))[\(partition)] begins at offset \(ledger.lowerBound): the ledger must be "
                    + "whole to be copied")
        }
        return extents
    }

    /// What stands in the topics and the group has not come to, in words.
    private func undone(
        _ topics: [Topic], role: String?, _ extents: [Topic: [Int32: Range<Int64>]]
    ) throws -> [String] {
        try unread(topics, role: role, extents).map {
            "\($0.partition) from offset \($0.offsets.lowerBound) to \($0.offsets.upperBound)"
        }
    }

    /// What stands in a partition of a topic and the group has not come to.
    struct Unread {
        let topic: Topic
        let partition: Int32
        /// From the first record.
        let offsets: Range<Int64>
    }

    /// What stands in the topics and the group of the role has not come to, by topic and partition.
    func unread(
        _ topics: [Topic], role: String?, _ extents: [Topic: [Int32: Range<Int64>]]
    ) throws -> [Unread] {
        let holder = try Consumer(
            configuration: settings.offsetHolder(role: role), events: service.kafkaEvents())
        var unread: [Unread] = []
        for topic in topics where !extents[topic]!.isEmpty {
            let partitions = extents[topic]!.keys.sorted()
            let committed = try holder.committed(
                partitions.map { TopicPartition(settings.name(topic), $0) }, timeoutMilliseconds: Self.timeout
            )
            let cursor = try TopicCursor(scan, topic)
            for place in committed {
                let extent = extents[topic]![place.partition.partition]!
                let next = place.isSet ? place.offset : extent.lowerBound
                // Transaction markers are no records.
                try cursor.move(
                    to: place.partition.partition,
                    min(max(next, extent.lowerBound), extent.upperBound)..<extent.upperBound)
                guard let record = try cursor.next() else { continue }
                unread.append(
                    Unread(
                        topic: topic, partition: place.partition.partition,
                        offsets: record.offset..<extent.upperBound))
            }
        }
        return unread
    }

    private func refuse(_ reason: String, _ undone: [String]) throws {
        if undone.isEmpty { return }
        throw RoleFailure(.differenceFound, "\(reason): \(undone.joined(separator: ", "))")
    }

    /// Whether anything was written since the extents were taken.
    func checkUnchanged(_ before: [Topic: [Int32: Range<Int64>]]) throws {
        let after = try scan.settledExtents(Self.frozen + Topic.published)
        for topic in Self.frozen + Topic.published {
            for (partition, extent) in before[topic]! {
                guard after[topic]?[partition]?.upperBound != extent.upperBound else { continue }
                throw RoleFailure(
                    .differenceFound,
                    "\(settings.name(topic))[\(partition)] was written to while it was copied: what was copied is "
                        + "not whole. Stop all publishers and roles, and begin again with another --to-prefix"
                )
            }
        }
    }

    /// What the partitions' own books hold, which must be the same in each.
    func book(_ count: Int32) throws -> LevelsSnapshot.Book {
        var books = Array(repeating: LevelsSnapshot.Book?.none, count: Int(count))
        var reader = RecordReader()
        var failure: DecodingFailure?
        let starts = try scan.extents(of: .levels).mapValues(\.lowerBound)
        try scan.read(.levels, from: starts) { message in
            guard let key = message.key, let value = message.value,
                key.starts(with: PartitionBook.prefix.utf8)
            else { return }
            do throws(DecodingFailure) {
                guard message.partition < count else { return }
                books[Int(message.partition)] = try reader.levels(value).book.map(GrownPartition.common)
            } catch {
                failure = error
            }
        }
        if let failure {
            throw RoleFailure(
                .differenceFound,
                "\(settings.name(.levels)) cannot be read: \(failure.detail); holdfast verify")
        }
        let none = LevelsSnapshot.Book(settings: Settings(), rememberedFrom: 0, warehouses: [])
        let all = books.map { $0 ?? none }
        if let other = all.firstIndex(where: { $0 != all[0] }) {
            throw RoleFailure(
                .differenceFound,
                "the partitions 0 and \(other) have other settings or warehouses: publish all warehouses and the "
                    + "settings once more, and let holdfast relay carry them (holdfast show sku "
                    + "\(PartitionBook.sku(0)) and \(PartitionBook.sku(Int32(other))))")
        }
        return all[0]
    }
}
