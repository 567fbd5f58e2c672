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

    /// - Returns: how many partitions there are.
    func partitionCount() throws -> Int32 {
        var count: Int32?
        for topic in Topic.stock {
            let found = try scan.partitions(of: topic).upperBound
            guard found > 0 else {
                throw RoleFailure(
                    .usage, "there is no topic \(settings.name(topic)); give the right --topic-prefix")
            }
            guard found == count ?? found else {
                throw RoleFailure(
                    .usage, "\(settings.name(topic)) has \(found) partitions, but others have \(count ?? 0)")
            }
            count = found
        }
        return count ?? 0
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

    /// Where the topics end, and that they are drained.
    func extents() throws -> [Topic: [Int32: Range<Int64>]] {
        let extents = try scan.settledExtents(Self.frozen + Topic.published)
        try refuse(
            "commands are not decided yet: stop all publishers, and let holdfast process go on until it has",
            undone([.commands], role: nil, extents))
        try refuse(
            "records are not carried yet: let holdfast relay go on until it has",
            undone(Topic.published, role: "relay", extents))
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
        let holder = try Consumer(
            configuration: settings.offsetHolder(role: role), events: service.kafkaEvents())
        let carried = role == "relay" ? try carried() : [:]
        var words: [String] = []
        for topic in topics where !extents[topic]!.isEmpty {
            let partitions = extents[topic]!.keys.sorted()
            let committed = try holder.committed(
                partitions.map { TopicPartition(settings.name(topic), $0) }, timeoutMilliseconds: Self.timeout
            )
            let cursor = try TopicCursor(scan, topic)
            for place in committed {
                let extent = extents[topic]![place.partition.partition]!
                // The broker may have forgotten what the relay's group has committed.
                let next =
                    carried[RelayLoop.Source(topic, place.partition.partition)]
                    ?? (place.isSet ? place.offset : extent.lowerBound)
                // Transaction markers are no records.
                try cursor.move(
                    to: place.partition.partition,
                    min(max(next, extent.lowerBound), extent.upperBound)..<extent.upperBound)
                guard let record = try cursor.next() else { continue }
                words.append("\(place.partition) from offset \(record.offset) to \(extent.upperBound)")
            }
        }
        return words
    }

    /// How far the relay has carried what people publish, as its state says.
    private func carried() throws -> [RelayLoop.Source: Int64] {
        var places: [RelayLoop.Source: Int64] = [:]
        var reader = RecordReader()
        try scan.read(.relayState, from: try scan.settledExtents(of: .relayState).mapValues(\.lowerBound)) {
            guard let place = $0.value.flatMap({ try? reader.relayPlace($0) }) else { return }
            places[RelayLoop.Source(place.topic, place.partition)] = place.next
        }
        return places
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
