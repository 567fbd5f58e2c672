import Audit
import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import PostgresClient

/// `holdfast verify`: whether all topics, and PostgreSQL, agree with the commands and the ledger. It reads and changes
/// nothing but its own state file.
final class VerifyRole {
    /// How long the sink may stand still before it is given up, in milliseconds.
    private static let sinkPatience = 30_000

    private struct PartitionReport: Encodable {
        var partition: Int32
        /// All commands before this offset were looked at.
        var to: Int64
        var commands: Int
        var entries: Int
        var results: Int
        var notices: Int
        var alerts: Int
        var letters: Int
        var levels: Int
        var reservations: Int
        var transfers: Int
        var rows: Int
        var projections: Int
        var differences: Int
        /// SKUs that were given up at their first difference in the ledger.
        var givenUp: [ID]

        enum CodingKeys: String, CodingKey {
            case partition, to, commands, entries, results, notices, alerts, letters, levels, reservations
            case transfers, rows, projections, differences
            case givenUp = "given_up"
        }
    }

    private struct Report: Encodable {
        var isRight: Bool
        var partitions: [PartitionReport]
        var orders: [OrderAudit.Report]
        var differences: Int
        var counts: [String: Int]
        var first: [Difference]

        enum CodingKeys: String, CodingKey {
            case isRight = "right"
            case partitions, orders, differences, counts, first
        }
    }

    private let service: Service
    private let settings: KafkaSettings
    private let limit: Int
    private var database: DatabaseAudit?
    private var before: AuditStateReader?
    private var state: AuditStateWriter?
    private var differences: Differences
    private var reports: [PartitionReport] = []
    /// Whether both the topic `order.outcomes` and tables for it are there.
    private var hasOrders = false
    private var orderReports: [OrderAudit.Report] = []

    init(service: Service) {
        self.service = service
        settings = KafkaSettings(service.configuration)
        limit = service.configuration.integer("differences")
        differences = Differences(limit: limit)
    }

    func run() throws -> ExitCode {
        do {
            return try KafkaFailures.translated { try verify() }
        } catch let error as PostgresError {
            state?.abandon()
            throw RoleFailure(error.exitCode, error.description)
        } catch {
            state?.abandon()
            throw error
        }
    }

    private func verify() throws -> ExitCode {
        let path = service.configuration.optionalString("state")
        let isWhole = service.configuration.optionalInteger("partition") == nil
        guard path == nil || isWhole else {
            throw RoleFailure(.usage, "--state holds all partitions: leave out --partition")
        }
        before = try path.flatMap { try AuditStateReader(path: $0) }
        // First where to go on everywhere; each state is read again when its partition is looked at.
        let positions = try before == nil ? nil : path.flatMap { try AuditStateReader(path: $0)?.positions() }
        if !service.configuration.boolean("without_database") {
            let database = try DatabaseAudit(service: service)
            try waitForSink(database, .ledger)
            hasOrders = try isWhole && database.hasOrders && isThere(.orderOutcomes)
            if hasOrders { try waitForSink(database, .orderOutcomes) }
            let count = try AuditReading.partitionCount(service)
            var starts: [Int32: Int64] = [:]
            for partition in try AuditReading.chosen(service.configuration, count) {
                starts[partition] = positions?[partition]?.ledger ?? 0
            }
            try database.open(starts)
            self.database = database
        }
        // The ledger last: what the others hold is in it.
        let reading = try AuditReading(
            service: service,
            topics: [.levels, .reservations, .transfers, .results, .alerts, .deadLetters, .ledger])
        if let before {
            let header = AuditState.Header(prefix: settings.name(.ledger), partitions: reading.partitionCount)
            guard before.header == header else {
                throw AuditStateReader.damaged(path!, "it is of other topics, or of other partitions")
            }
        }
        if let path {
            state = try AuditStateWriter(
                path: path,
                header: AuditState.Header(
                    prefix: settings.name(.ledger), partitions: reading.partitionCount))
        }
        for partition in reading.partitions {
            try audit(partition, reading, try before?.section())
        }
        if isWhole, let database {
            differences.add(try database.strangers(partitions: reading.partitionCount))
            try database.orphans(&differences)
            if hasOrders { try auditOrders(database, reading) }
        }
        for difference in reading.unreadable { differences.add(difference) }
        if differences.isEmpty { try state?.finish() } else { state?.abandon() }
        try tell()
        return differences.isEmpty ? .success : .differenceFound
    }

    private func isThere(_ topic: Topic) throws -> Bool {
        try !TopicScan(settings: settings, events: service.kafkaEvents()).partitions(of: topic).isEmpty
    }

    /// Waits until PostgreSQL has the topic to where it ends now.
    private func waitForSink(_ database: DatabaseAudit, _ topic: Topic) throws {
        let scan = TopicScan(
            settings: settings, events: service.kafkaEvents(),
            isCancelled: { [shutdown = service.shutdown] in shutdown.isRequested })
        let extents = try scan.settledExtents([topic])[topic]!
        let cursor = try TopicCursor(scan, topic)
        var deadline = Deadline(milliseconds: Self.sinkPatience)
        var stored: Int64 = -1
        for (partition, extent) in extents.sorted(by: { $0.key < $1.key }) {
            while true {
                try database.readEnds()
                let ends = topic == .ledger ? database.ends : database.orderEnds
                let next = max(ends[partition] ?? 0, extent.lowerBound)
                // Transaction markers are no records.
                try cursor.move(to: partition, min(next, extent.upperBound)..<extent.upperBound)
                if try cursor.next() == nil { break }
                let sum = ends.values.reduce(0, +)
                if sum > stored { deadline = Deadline(milliseconds: Self.sinkPatience) }
                stored = sum
                guard !deadline.isPast else {
                    throw RoleFailure(
                        .temporaryFailure,
                        "PostgreSQL has \(settings.name(topic))[\(partition)] up to offset \(next) of "
                            + "\(extent.upperBound), and nothing new came for \(Self.sinkPatience / 1000) s: start "
                            + "holdfast sink, or give --without-database")
                }
                service.logger.info(
                    "waiting for the sink",
                    [
                        "topic": topic.rawValue, "partition": partition, "stored": next,
                        "of": extent.upperBound,
                    ])
                if service.shutdown.wait(timeoutMilliseconds: 1_000) {
                    throw RoleFailure(.interrupted, "interrupted")
                }
            }
        }
    }

    // MARK: Orders

    /// The tables of orders, as far as the database has the topic.
    private func auditOrders(_ database: DatabaseAudit, _ reading: AuditReading) throws {
        let positions = try before?.orders() ?? [:]
        let audit = try OrderAudit(database.connection, reading.scan, limit: limit)
        var ends: [Int32: Int64] = [:]
        let extents = try reading.scan.extents(of: .orderOutcomes, isolation: .committed)
        for (partition, extent) in extents.sorted(by: { $0.key < $1.key }) {
            let end = min(max(database.orderEnds[partition] ?? 0, extent.lowerBound), extent.upperBound)
            let start = min(max(positions[partition] ?? 0, extent.lowerBound), end)
            try audit.audit(
                partition, start..<end,
                first: {
                    try reading.scan.extent(of: .orderOutcomes, partition, isolation: .committed).lowerBound
                },
                progress: { report in
                    reading.progress(
                        "verifying orders",
                        [
                            "partition": partition, "outcomes": report.outcomes, "rows": report.rows,
                            "of": end,
                        ])
                })
            ends[partition] = end
        }
        try audit.orphans()
        differences.add(audit.differences)
        orderReports = audit.reports
        if differences.isEmpty { try state?.write(try AuditState.lines(orders: ends)) }
    }

    // MARK: One partition

    private func audit(
        _ partition: Int32, _ reading: AuditReading, _ section: AuditState.Section?
    ) throws {
        let position = section?.position ?? PartitionStreams.Position()
        guard section != nil || reading.lowest(.ledger, partition) == 0 else {
            let first = reading.lowest(.ledger, partition)
            differences.add(
                Difference(
                    .ledger, place: Topic.ledger.rawValue, partition: partition, offset: first,
                    found: "the topic begins at offset \(first)", expected: "0: the ledger is kept for ever",
                    next: "holdfast topics apply"))
            return
        }
        let stock = try section.map { try restored($0, partition, reading) } ?? Stock(decides: false)
        let moving = try limitCut(partition, reading)
        let cut = reading.cuts[partition] ?? 0
        let audit = try partitionAudit(partition, reading, position, stock)
        try audit.follow(before: cut) { counts in
            reading.progress(
                "verifying",
                [
                    "partition": partition, "commands": counts.commands, "entries": counts.entries,
                    "offset": audit.lastCommand, "of": cut, "differences": audit.differences.count,
                ])
        }
        var projections = 0
        if let database {
            var found = Differences(limit: limit)
            projections = try database.projections(
                audit.stock, partition,
                isSkipped: { audit.givenUp.contains($0) || moving.contains($0) }, &found)
            audit.add(found)
        }
        try remember(audit, partition, reading)
        try settle(audit, partition, reading)
        report(audit, partition, cut, projections)
    }

    private func partitionAudit(
        _ partition: Int32, _ reading: AuditReading, _ position: PartitionStreams.Position, _ stock: Stock
    ) throws -> PartitionAudit {
        func isWhole(_ topic: Topic, from offset: Int64) -> Bool {
            reading.lowest(topic, partition) <= offset
        }
        let first = position.last + 1
        let streams = PartitionStreams(
            partition: partition,
            floors: PartitionStreams.Floors(
                commands: reading.lowest(.commands, partition),
                results: isWhole(.results, from: position.results) ? first : nil,
                letters: isWhole(.deadLetters, from: position.letters) ? first : nil),
            after: position.last,
            commands: try reading.cursor(.commands, partition, from: position.commands),
            ledger: try reading.cursor(.ledger, partition, from: position.ledger),
            results: try reading.cursor(.results, partition, from: position.results),
            letters: try reading.cursor(.deadLetters, partition, from: position.letters))
        return try PartitionAudit(
            streams: streams, alerts: try reading.cursor(.alerts, partition, from: position.alerts),
            areAlertsWhole: isWhole(.alerts, from: position.alerts), stock: stock,
            rows: try database?.rows(of: partition), rowEnd: database?.ends[partition] ?? 0,
            differences: Differences(limit: limit))
    }

    private func restored(
        _ section: AuditState.Section, _ partition: Int32, _ reading: AuditReading
    ) throws -> Stock {
        try before!.stock(section) { length, restore in
            let end = section.position.ledger
            var reader = RecordReader()
            var span = Int64(length) + Int64(length) / 8
            while true {
                let start = max(reading.lowest(.ledger, partition), end - span)
                restore.dropTail(isWhole: start <= reading.lowest(.ledger, partition))
                let cursor = try reading.cursor(.ledger, partition, from: start, to: end)
                while let record = try cursor.next() {
                    if let entry = record.value?.withUnsafeBytes({ try? reader.ledgerEntry($0) }) {
                        restore.add(entry)
                    }
                }
                if restore.tailCount >= length || start <= reading.lowest(.ledger, partition) { return }
                span *= 2
            }
        }
    }

    /// Looks no further than the database has the ledger.
    /// - Returns: the SKU whose entries the database may have in part.
    private func limitCut(_ partition: Int32, _ reading: AuditReading) throws -> Set<ID> {
        guard let end = database?.ends[partition] else { return [] }
        var reader = RecordReader()
        let cursor = try reading.cursor(.ledger, partition, from: end)
        while let record = try cursor.next() {
            guard let value = record.value,
                let entry = value.withUnsafeBytes({ try? reader.ledgerEntry($0) })
            else { continue }
            reading.limitCut(partition, to: entry.source.offset)
            return [entry.sku]
        }
        return []
    }

    private func remember(_ audit: PartitionAudit, _ partition: Int32, _ reading: AuditReading) throws {
        guard let state, audit.differences.isEmpty, differences.isEmpty else { return }
        func end(_ topic: Topic) -> Int64 { reading.extents[topic]?[partition]?.upperBound ?? 0 }
        let position = try audit.position(
            ends: PartitionStreams.Position(
                commands: end(.commands), ledger: end(.ledger), results: end(.results),
                letters: end(.deadLetters), alerts: end(.alerts)))
        try state.write(try AuditState.lines(audit.stock, position))
    }

    /// The compacted topics as they are now: compaction takes away what was there earlier.
    private func settle(_ audit: PartitionAudit, _ partition: Int32, _ reading: AuditReading) throws {
        func end(_ topic: Topic) -> Int64 { reading.extents[topic]?[partition]?.upperBound ?? 0 }
        let ledger = try audit.position(ends: PartitionStreams.Position(ledger: end(.ledger))).ledger
        for topic in [Topic.levels, .reservations, .transfers] {
            var start: Int64?
            // Twice: what was compacted away while it was read has a newer record behind.
            for _ in 0..<2 {
                let extent = try reading.refresh(topic, partition)
                let cursor = try reading.cursor(topic, partition, from: start)
                while let record = try cursor.next() {
                    audit.add(record, of: topic)
                    reading.progress(
                        "verifying \(topic.rawValue)",
                        ["partition": partition, "offset": record.offset, "of": extent.upperBound])
                }
                start = extent.upperBound
            }
        }
        guard audit.needsMoreLedger() else { return try audit.settle(nil) }
        try reading.refresh(.ledger, partition)
        try audit.settle(try reading.cursor(.ledger, partition, from: ledger))
    }

    // MARK: Telling

    private func report(_ audit: PartitionAudit, _ partition: Int32, _ cut: Int64, _ projections: Int) {
        let counts = audit.counts
        differences.add(audit.differences)
        reports.append(
            PartitionReport(
                partition: partition, to: cut, commands: counts.commands, entries: counts.entries,
                results: counts.results, notices: counts.notices, alerts: counts.alerts,
                letters: counts.letters, levels: counts.levels, reservations: counts.reservations,
                transfers: counts.transfers, rows: counts.rows, projections: projections,
                differences: audit.differences.count, givenUp: audit.givenUp.sorted()))
    }

    private func tell() throws {
        if service.configuration.boolean("json") {
            let counts = differences.counts.map { ($0.key.rawValue, $0.value) }
            print(
                try AuditText.json(
                    Report(
                        isRight: differences.isEmpty, partitions: reports, orders: orderReports,
                        differences: differences.count,
                        counts: Dictionary(uniqueKeysWithValues: counts), first: differences.first)))
            return
        }
        var rows = [
            [
                "partition", "commands to", "commands", "entries", "results", "notices", "alerts", "letters",
                "levels", "reservations", "transfers",
            ]
        ]
        if database != nil { rows[0] += ["rows", "projections"] }
        rows[0].append("differences")
        for report in reports {
            var row = [
                "\(report.partition)", "\(report.to)", "\(report.commands)", "\(report.entries)",
                "\(report.results)", "\(report.notices)", "\(report.alerts)", "\(report.letters)",
                "\(report.levels)", "\(report.reservations)", "\(report.transfers)",
            ]
            if database != nil { row += ["\(report.rows)", "\(report.projections)"] }
            rows.append(row + ["\(report.differences)"])
        }
        var lines = AuditText.table(rows) + [""]
        if !orderReports.isEmpty {
            lines += AuditText.table(
                [["orders", "outcomes to", "outcomes", "rows", "repeated", "differences"]]
                    + orderReports.map {
                        [
                            "\($0.partition)", "\($0.to)", "\($0.outcomes)", "\($0.rows)", "\($0.repeated)",
                            "\($0.differences)",
                        ]
                    })
            lines.append("")
        }
        let givenUp = reports.flatMap(\.givenUp)
        if differences.isEmpty {
            lines.append(
                "All is right: commands, ledger and its chain, results, notices, alerts, levels, reservations, "
                    + "transfers"
                    + (database == nil
                        ? "." : ", and PostgreSQL\(orderReports.isEmpty ? "" : " with its orders")."))
        } else {
            lines += AuditText.lines(differences)
            if !givenUp.isEmpty {
                let some = givenUp.prefix(10).map { AuditText.printable($0) }.joined(separator: ", ")
                lines.append(
                    "Not followed beyond their first difference in the ledger: \(givenUp.count) SKUs, \(some)"
                )
            }
            let kinds = differences.counts.sorted { $0.key.rawValue < $1.key.rawValue }
                .map { "\($0.value) \($0.key.rawValue)" }
            lines += ["", "\(differences.count) differences: \(kinds.joined(separator: ", "))."]
        }
        print(lines.joined(separator: "\n"))
    }
}
