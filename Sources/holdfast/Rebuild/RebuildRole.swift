import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// `holdfast rebuild --from-ledger`: makes `stock.levels`, `stock.reservations` and `stock.transfers` anew from
/// `stock.ledger` alone, in place or into the topics of another prefix, one partition after another.
///
/// Only what differs is written: where a topic's newest record of a key is already what the ledger says, byte for
/// byte, it stays.
struct RebuildRole {
    private let service: Service
    /// Of the ledger that is read, and of the topics that are written.
    private let source: KafkaSettings
    private let target: KafkaSettings
    private let isTrial: Bool

    init(service: Service) throws {
        self.service = service
        let configuration = service.configuration
        source = KafkaSettings(configuration)
        let into = configuration.optionalString("into")
        guard configuration.boolean("from_ledger") else {
            throw RoleFailure(.usage, "from what? Write holdfast rebuild --from-ledger")
        }
        guard (into != nil) != configuration.boolean("in_place") else {
            throw RoleFailure(
                .usage, "where to? Give --in-place, with all processors stopped, or --into PREFIX, not both")
        }
        guard into != source.prefix else {
            throw RoleFailure(
                .usage, "--into \(into ?? "") is the system's own topic_prefix; write --in-place")
        }
        target = KafkaSettings(configuration, prefix: into)
        isTrial = configuration.boolean("dry_run")
        guard !isTrial || into == nil else {
            throw RoleFailure(
                .usage, "--dry-run goes with --in-place: of new topics there is nothing to tell")
        }
    }

    func run() throws -> ExitCode {
        try KafkaFailures.translated {
            let ledger = scan(source)
            let count = try ledger.partitions(of: .ledger).upperBound
            guard count > 0 else {
                throw RoleFailure(
                    .usage, "there is no topic \(source.name(.ledger)); give the right --topic-prefix")
            }
            try refuseMembers()
            if target.prefix != source.prefix { try prepareTopics(count) }
            let producers = try takeOver(count)
            // Who joined meanwhile would be fenced by us, or fence us; so nobody may have.
            try refuseMembers()
            let extents = try settledExtents(count)
            var total = RebuildCounts()
            for partition in 0..<count {
                let counts = try rebuild(partition, extents, producers[partition])
                RebuildReport(service.configuration).tell(counts, of: partition, isTrial: isTrial)
                total.add(counts)
            }
            RebuildReport(service.configuration).tell(total, of: nil, isTrial: isTrial)
            return isTrial && total.written > 0 ? .differenceFound : .success
        }
    }

    private func scan(_ settings: KafkaSettings) -> TopicScan {
        let shutdown = service.shutdown
        return TopicScan(
            settings: settings, events: service.kafkaEvents(), isCancelled: { shutdown.isRequested })
    }

    /// A processor that works on the topics holds another state than they would then have.
    private func refuseMembers() throws {
        let admin = try Admin(configuration: target.common(), events: service.kafkaEvents())
        let group = try admin.describeConsumerGroup(target.group(nil), timeoutMilliseconds: 20_000)
        guard let member = group.members.first else { return }
        throw RoleFailure(
            .differenceFound,
            "the group \(target.group(nil)) has \(group.members.count) members, such as \(member.clientID) at "
                + "\(member.host): stop all processors first (one that was killed leaves the group after "
                + "session_timeout_ms)")
    }

    /// The topics of the other prefix: made like the contract says, or there and empty.
    private func prepareTopics(_ count: Int32) throws {
        let admin = try Admin(configuration: target.common(), events: service.kafkaEvents())
        let names = LedgerRebuild.topics.map { target.name($0) }
        let found = try admin.describeTopics(names, timeoutMilliseconds: 20_000)
        for topic in LedgerRebuild.topics {
            if let there = found[target.name(topic)], there.partitionCount != count {
                throw RoleFailure(
                    .usage,
                    "\(there.name) has \(there.partitionCount) partitions, but the ledger has \(count)")
            }
        }
        let contracts = try TopicContract.load(service.configuration)
        let missing = contracts.filter { contract in
            let name = target.prefix + contract.name
            return names.contains(name) && found[name] == nil
        }
        let created = try admin.createTopics(
            missing.map {
                NewTopic(
                    name: target.prefix + $0.name, partitionCount: count,
                    replicationFactor: Int32(
                        service.configuration.optionalInteger("replication_factor") ?? -1),
                    settings: $0.settings)
            }, timeoutMilliseconds: 20_000)
        for case .failed(let error) in created.values { throw error }
        for topic in LedgerRebuild.topics {
            let extents = try scan(target).extents(of: topic)
            guard let full = extents.first(where: { $0.value.upperBound > 0 }) else { continue }
            throw RoleFailure(
                .usage,
                "\(target.name(topic)) is not empty (partition \(full.key) ends at \(full.value.upperBound)): "
                    + "delete it, or give another --into")
        }
    }

    /// Takes over the transactional ids of the partitions: whoever had them can commit nothing any more.
    private func takeOver(_ count: Int32) throws -> [Int32: RebuildProducer] {
        if isTrial { return [:] }
        var producers: [Int32: RebuildProducer] = [:]
        for partition in 0..<count {
            producers[partition] = try RebuildProducer(
                partition, settings: target, events: service.kafkaEvents(),
                isStopping: { [service] in service.shutdown.isRequested })
        }
        return producers
    }

    private func settledExtents(_ count: Int32) throws -> [Topic: [Int32: Range<Int64>]] {
        var extents = [Topic.ledger: try scan(source).settledExtents(of: .ledger)]
        for topic in LedgerRebuild.topics {
            extents[topic] = try scan(target).settledExtents(of: topic)
            guard extents[topic]!.count == count else {
                throw RoleFailure(
                    .usage,
                    "\(target.name(topic)) has \(extents[topic]!.count) partitions, but the ledger has \(count)"
                )
            }
        }
        return extents
    }

    private func rebuild(
        _ partition: Int32, _ extents: [Topic: [Int32: Range<Int64>]], _ producer: RebuildProducer?
    ) throws -> RebuildCounts {
        var rebuild = try fold(partition, extents[.ledger]![partition]!)
        var counts = RebuildCounts()
        counts.entries = rebuild.entryCount
        for topic in LedgerRebuild.topics {
            var view = CompactedView()
            let begin = extents[topic]![partition]!.lowerBound
            try scan(target).read(topic, from: [partition: begin]) { view.add($0.logRecord) }
            try rebuild.forEachRecord(of: topic) { key, value in
                counts.live[topic, default: 0] += 1
                if view.take(key, value) { return }
                counts.put[topic, default: 0] += 1
                try producer?.write(topic, key: key, value: value)
            }
            for key in view.rest {
                counts.removed[topic, default: 0] += 1
                try producer?.write(topic, key: key, value: nil)
            }
        }
        try producer?.finish()
        return counts
    }

    private func fold(_ partition: Int32, _ extent: Range<Int64>) throws -> LedgerRebuild {
        var rebuild = LedgerRebuild()
        var fault: Inconsistency?
        var due = Deadline(milliseconds: 2_000)
        try scan(source).read(.ledger, from: [partition: extent.lowerBound]) { message in
            guard fault == nil else { return }
            do throws(Inconsistency) { try rebuild.add(message.logRecord) } catch { fault = error }
            guard due.isPast else { return }
            due = Deadline(milliseconds: 2_000)
            service.logger.info(
                "folding the ledger",
                [
                    "partition": partition, "entries": rebuild.entryCount, "offset": message.offset,
                    "of": extent.upperBound,
                ])
        }
        if let fault {
            throw RoleFailure(
                .differenceFound,
                "partition \(partition), SKU \(fault.sku): \(fault.description); nothing of this partition was "
                    + "written")
        }
        return rebuild
    }
}
