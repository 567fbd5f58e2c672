import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations

/// The restore of a partition with many SKUs and a live reservation of each, beside a bare consumer that reads the same
/// records of the same topics.
struct BenchRestore {
    static let bare = "bare consumer"

    private let stage: BenchStage
    private let skus: Int

    /// - Parameter stage: with one partition.
    init(_ stage: BenchStage) {
        self.stage = stage
        skus = stage.service.configuration.integer("restore_skus")
    }

    func run(rounds: Int, tell: (BenchFigure) throws -> Void) throws {
        try stage.decide(BenchLoad(.even, skus: skus, partitions: stage.partitions), commands: skus)
        for round in 1...rounds {
            let bare = try bareRead(round)
            try tell(bare)
            try tell(try restore(bare.commands, round))
        }
    }

    private func figure(
        _ contestant: String, _ records: Int, _ seconds: Double, _ round: Int, _ restore: BenchFigure.Restore
    ) -> BenchFigure {
        BenchFigure(
            kind: .restore, contestant: contestant, load: BenchLoad.Kind.even.rawValue, round: round,
            commands: records, seconds: seconds, perSecond: Double(records) / seconds, partitions: 1,
            restore: restore)
    }

    /// A processor that starts with nothing.
    /// - Parameter records: how many it reads.
    private func restore(_ records: Int, _ round: Int) throws -> BenchFigure {
        let processor = try stage.startProcessor()
        defer { stage.end(processor) }
        try stage.waitUntilReady(processor)
        let ready = MonotonicTime.seconds(since: processor.began) * 1000
        guard let line = processor.told("restored"), let found = line["skus"] as? Int,
            let reservations = line["reservations"] as? Int, let fencing = line["fencing_ms"] as? Int,
            let locating = line["locating_ms"] as? Int, let restoring = line["restoring_ms"] as? Int
        else { throw RoleFailure(.internalFault, "process did not say what it restored") }
        guard found == skus, reservations == skus else {
            throw RoleFailure(
                .differenceFound, "\(found) SKUs and \(reservations) reservations restored, not \(skus)")
        }
        return figure(
            BenchContestant.holdfast.rawValue, records, Double(max(restoring, 1)) / 1000, round,
            BenchFigure.Restore(
                skus: found, reservations: reservations, fencing: Double(fencing), locating: Double(locating),
                ready: ready,
                memory: processor.metric("process_resident_memory_bytes") / Double(1 << 20)))
    }

    /// Reads as a restore reads, with one consumer one topic after another, and does nothing with what it reads.
    private func bareRead(_ round: Int) throws -> BenchFigure {
        // So much of the ledger is read at first; there are more entries than that, or all are read.
        let tail = Int64(Limits.dedupeWindow) + Int64(Limits.dedupeWindow) / 8
        var (records, bytes) = (0, 0)
        let consumer = try Consumer(
            configuration: stage.settings.readerToEnd(isolation: .committed), events: .ignored)
        // Connected before the time begins, as a processor is before it restores.
        _ = try consumer.watermarks(
            TopicPartition(stage.settings.name(.levels), 0), timeoutMilliseconds: 20_000)
        let start = MonotonicTime.now()
        for topic in [InventoryWire.Topic.levels, .reservations, .transfers, .ledger] {
            let place = TopicPartition(stage.settings.name(topic), 0)
            let ends = try consumer.watermarks(place, timeoutMilliseconds: 20_000)
            let first = topic == .ledger ? max(ends.low, ends.high - tail) : ends.low
            try consumer.assign([TopicPartitionOffset(place.topic, 0, offset: first)])
            var isAtEnd = false
            var failure: KafkaError?
            while !isAtEnd, failure == nil {
                consumer.consumeBatch(maxMessages: 10_000, timeoutMilliseconds: 100) { message in
                    switch message.kind {
                    case .record:
                        records += 1
                        bytes += (message.key?.count ?? 0) + (message.value?.count ?? 0)
                    case .endOfPartition: isAtEnd = true
                    case .failure(let error): if error.recovery != .retry { failure = error }
                    }
                }
                if stage.service.shutdown.isRequested { throw RoleFailure(.interrupted, "interrupted") }
            }
            if let failure { throw failure }
        }
        return figure(
            Self.bare, records, MonotonicTime.seconds(since: start), round,
            BenchFigure.Restore(skus: skus, reservations: skus, megabytes: Double(bytes) / Double(1 << 20)))
    }
}
