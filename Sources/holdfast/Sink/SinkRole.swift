import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import LedgerSink
import Operations
import PostgresClient

/// `holdfast sink`: writes `stock.ledger` into PostgreSQL. One thread: reads a batch, stores it, in turn.
///
/// PostgreSQL says where to read on; whatever fails, the batch is dropped and read again from there.
final class SinkRole {
    private static let shortestBackoff = 100
    private static let longestBackoff = 5_000

    private let service: Service
    private let settings: KafkaSettings
    private let logger: Logger
    private let readiness = Readiness(notYet: "not connected yet")
    private let patience: Patience
    private let metrics: SinkMetrics
    private let limit: Int
    private let interval: Int
    private var reader = RecordReader()
    private var fault: SinkFault?
    private var consumer: Consumer!

    init(service: Service) {
        self.service = service
        settings = KafkaSettings(service.configuration)
        logger = service.logger
        patience = Patience(service.shutdown)
        metrics = SinkMetrics(service.metrics)
        limit = service.configuration.integer("sink_batch_rows")
        interval = service.configuration.integer("sink_interval_ms")
    }

    func run() throws -> ExitCode {
        service.announce()
        let health = try service.serveHealth { [readiness] in readiness.health }
        defer { health?.stop() }
        guard let partitions = try service.waitForTopics(settings) else { return .success }
        consumer = try Consumer(
            configuration: settings.reader(isolation: .committed), events: service.kafkaEvents())
        var outage = 0
        while !service.shutdown.isRequested {
            do {
                try follow(0..<partitions) {
                    if outage > 0 { logger.info("PostgreSQL is back", ["attempts": outage]) }
                    outage = 0
                }
            } catch let error as PostgresError where error.recovery != .stop {
                guard !service.shutdown.isRequested else { break }
                readiness.notReady("PostgreSQL is away")
                if outage == 0 { logger.warning("waiting for PostgreSQL", ["reason": error.description]) }
                let backoff = min(Self.shortestBackoff << min(outage, 10), Self.longestBackoff)
                outage += 1
                _ = service.shutdown.wait(timeoutMilliseconds: backoff)
            } catch let error as PostgresError {
                throw RoleFailure(.internalFault, error.description)
            } catch let error as SinkFault {
                throw RoleFailure(.internalFault, error.description)
            }
        }
        logger.info("stopped")
        return .success
    }

    /// Stores batch after batch over one connection.
    private func follow(_ partitions: Range<Int32>, isConnected: () -> Void) throws {
        let store = try open()
        let offsets = try store.offsets(of: partitions)
        try place(offsets)
        isConnected()
        readiness.ready()
        var batch = LedgerBatch(from: offsets)
        while !service.shutdown.isRequested {
            gather(&batch)
            if let fault { throw fault }
            guard !batch.isEmpty else { continue }
            let start = MonotonicTime.now()
            let new = try store.store(batch)
            metrics.stored(rows: new, seconds: MonotonicTime.seconds(since: start))
            batch = LedgerBatch(from: batch.nextOffsets)
            for (partition, next) in batch.nextOffsets {
                let place = TopicPartition(settings.name(.ledger), partition)
                metrics.lag(partition, max(0, (consumer.knownEnd(place) ?? next) - next))
            }
        }
    }

    private func open() throws -> LedgerStore {
        let configuration = service.configuration
        let connection = try Connection(
            url: configuration.string("database_url"), applicationName: "holdfast sink",
            giveUp: { [patience] in patience.isOver },
            onNotice: { [logger] notice in
                logger.debug("PostgreSQL: \(notice.message)", ["severity": notice.severity])
            })
        if configuration.boolean("migrate") {
            let folder = try ShareDirectory.locate(
                configured: configuration.optionalString("share_directory"),
                executable: ShareDirectory.executable,
                workingDirectory: FileManager.default.currentDirectoryPath)
            let files = try SchemaMigrator(files: Self.files(in: folder + "/deploy/sql")).run(on: connection)
            logger.info("the schema is up to date", ["files": files.joined(separator: ", ")])
        }
        return try LedgerStore(
            connection: connection, role: configuration.string("database_role"),
            topic: settings.name(.ledger), sourceTopic: settings.name(.commands))
    }

    private static func files(in folder: String) throws -> [SchemaMigrator.File] {
        try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".sql") }
            .map { ($0, try String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8)) }
    }

    /// Goes to the offsets that PostgreSQL stores, if the topic has them.
    private func place(_ offsets: [Int32: Int64]) throws {
        let name = settings.name(.ledger)
        for (partition, offset) in offsets.sorted(by: { $0.key < $1.key }) {
            let ends = try watermarks(TopicPartition(name, partition))
            guard let ends else { return }
            guard (ends.low...ends.high).contains(offset) else {
                throw SinkFault(
                    "PostgreSQL holds \(name), partition \(partition), up to offset \(offset), but the topic "
                        + "has \(ends.low) to \(ends.high): was the topic made anew, or is this another's "
                        + "database? Give the sink the database that belongs to the topic")
            }
        }
        try consumer.assign(
            offsets.sorted { $0.key < $1.key }.map { TopicPartitionOffset(name, $0.key, offset: $0.value) })
        logger.info(
            "reading",
            [
                "offsets": offsets.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }.joined(
                    separator: " ")
            ])
    }

    /// Nil when the process is to end first.
    private func watermarks(_ place: TopicPartition) throws -> (low: Int64, high: Int64)? {
        while !service.shutdown.isRequested {
            do throws(KafkaError) {
                let found = try consumer.watermarks(place, timeoutMilliseconds: 2_000)
                return (found.low, found.high)
            } catch {
                guard error.recovery == .retry else { throw RoleFailure(.internalFault, error.description) }
                _ = service.shutdown.wait(timeoutMilliseconds: 200)
            }
        }
        return nil
    }

    /// Reads until the batch is full, or its first row is as old as the interval.
    private func gather(_ batch: inout LedgerBatch) {
        var deadline: Deadline?
        while batch.rows.count < limit, fault == nil, !service.shutdown.isRequested {
            if let deadline, deadline.isPast { return }
            consumer.consumeBatch(
                maxMessages: limit - batch.rows.count, timeoutMilliseconds: min(interval, 50)
            ) {
                take($0, into: &batch)
            }
            if deadline == nil {
                guard !batch.isEmpty else { return }
                deadline = Deadline(milliseconds: interval)
            }
        }
    }

    private func take(_ message: borrowing Message, into batch: inout LedgerBatch) {
        guard fault == nil else { return }
        switch message.kind {
        case .endOfPartition:
            batch.passed(message.partition, next: message.offset)
        case .failure(let error):
            if error.recovery != .retry { fault = SinkFault(error.description) }
        case .record:
            let (partition, offset) = (message.partition, message.offset)
            do throws(DecodingFailure) {
                guard let value = message.value else {
                    throw DecodingFailure(.emptyValue, "the record has no value")
                }
                batch.add(
                    LedgerRow(partition: partition, offset: offset, entry: try reader.ledgerEntry(value)))
            } catch {
                fault = SinkFault(
                    "\(settings.name(.ledger)), partition \(partition), offset \(offset) is no ledger entry "
                        + "(\(error.reason.rawValue): \(error.detail)); nothing after it is stored. Was it "
                        + "written by something else, or by a newer version?")
            }
        }
    }
}
