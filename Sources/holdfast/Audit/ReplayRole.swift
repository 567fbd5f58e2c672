import Audit
import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations

/// `holdfast replay`: decides the commands again, and compares; or tells what another policy would have done. It
/// reads and changes nothing.
struct ReplayRole {
    private let service: Service
    private var isJSON: Bool { service.configuration.boolean("json") }

    init(service: Service) { self.service = service }

    func run() throws -> ExitCode {
        let point = try from()
        if let path = service.configuration.optionalString("policy") {
            let supposition = try supposition(path)
            return try KafkaFailures.translated { try suppose(supposition, path, point) }
        }
        return try KafkaFailures.translated { try compare(point) }
    }

    private func from() throws -> LogPoint? {
        guard let text = service.configuration.optionalString("from") else { return nil }
        guard let point = LogPoint(text) else {
            throw RoleFailure(
                .usage,
                "--from \(text): it must be PARTITION/OFFSET such as 0/1200, several with commas between, or an "
                    + "RFC 3339 time")
        }
        return point
    }

    /// Where each partition begins.
    private func starts(_ reading: AuditReading, _ point: LogPoint?) throws -> [Int32: Int64] {
        var starts: [Int32: Int64] = [:]
        for partition in reading.partitions { starts[partition] = reading.lowest(.commands, partition) }
        switch point {
        case nil: break
        case .places(let places):
            for (partition, offset) in places.sorted(by: { $0.key < $1.key }) {
                guard let first = starts[partition] else {
                    throw RoleFailure(.usage, "--from \(partition)/\(offset): there is no such partition")
                }
                guard offset >= first else {
                    throw RoleFailure(
                        .usage,
                        "--from \(partition)/\(offset): stock.commands begins at \(partition)/\(first); what was "
                            + "before is gone")
                }
                starts[partition] = offset
            }
        case .time(let time):
            let found = try reading.scan.offsets(of: .commands, reading.partitions, at: time.milliseconds)
            for partition in reading.partitions {
                starts[partition] = max(
                    starts[partition]!, found[partition] ?? reading.cuts[partition] ?? 0)
            }
        }
        return starts
    }

    private func supposition(_ path: String) throws -> Supposition {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw RoleFailure(.usage, "--policy \(path): the file cannot be read")
        }
        var reader = RecordReader()
        do throws(DecodingFailure) {
            return try reader.supposition([UInt8](data))
        } catch {
            throw RoleFailure(.usage, "--policy \(path): \(error.detail)")
        }
    }

    /// The ledger must be whole where a state is made of it.
    private func checkLedger(_ reading: AuditReading, _ partition: Int32) throws {
        let first = reading.lowest(.ledger, partition)
        guard first == 0 else {
            throw RoleFailure(
                .usage,
                "stock.ledger of partition \(partition) begins at offset \(first): it must be kept for ever, and "
                    + "without its beginning no state can be made of it")
        }
    }

    // MARK: Comparing

    private struct PartitionReport: Encodable {
        var partition: Int32
        var from: Int64
        var to: Int64
        var folded: Int
        var commands: Int
        var letters: Int
        var entries: Int
        var results: Int
        var notices: Int
        var alerts: Int
        var skipped: Int
        var differences: Int
    }

    private struct Report: Encodable {
        var partitions: [PartitionReport]
        var commands: Int
        var entries: Int
        var differences: Int
        var first: [Difference]
    }

    private func compare(_ point: LogPoint?) throws -> ExitCode {
        let reading = try AuditReading(
            service: service, topics: [.ledger, .results, .alerts, .deadLetters])
        let starts = try starts(reading, point)
        var differences = Differences(limit: service.configuration.integer("differences"))
        var reports: [PartitionReport] = []
        let began = MonotonicTime.now()
        for partition in reading.partitions {
            try checkLedger(reading, partition)
            let (start, cut) = (starts[partition]!, reading.cuts[partition] ?? 0)
            let replay = try replay(reading, partition, start, Differences(limit: differences.limit))
            do {
                try replay.run(from: start, before: cut) { counts in
                    reading.progress(
                        "replaying",
                        [
                            "partition": partition, "folded": counts.folded, "commands": counts.commands,
                            "of": cut - start, "differences": replay.differences.count,
                        ])
                }
            } catch let fault as UnfoldableLedger {
                throw RoleFailure(
                    .differenceFound,
                    "the state before \(partition)/\(start) cannot be made: \(fault); next: holdfast verify")
            }
            differences.add(replay.differences)
            let counts = replay.counts
            reports.append(
                PartitionReport(
                    partition: partition, from: start, to: max(start, cut), folded: counts.folded,
                    commands: counts.commands, letters: counts.letters, entries: counts.entries,
                    results: counts.results, notices: counts.notices, alerts: counts.alerts,
                    skipped: counts.skipped, differences: replay.differences.count))
        }
        for difference in reading.unreadable { differences.add(difference) }
        try tell(reports, differences, seconds: MonotonicTime.seconds(since: began))
        return differences.isEmpty ? .success : .differenceFound
    }

    private func replay(
        _ reading: AuditReading, _ partition: Int32, _ start: Int64, _ differences: Differences
    ) throws -> PartitionReplay {
        let known = { (topic: Topic) -> Int64? in reading.lowest(topic, partition) == 0 ? 0 : nil }
        let streams = PartitionStreams(
            partition: partition,
            floors: PartitionStreams.Floors(
                commands: reading.lowest(.commands, partition), results: known(.results),
                letters: known(.deadLetters)),
            commands: try reading.cursor(.commands, partition, from: start),
            ledger: try reading.cursor(.ledger, partition),
            results: try reading.cursor(.results, partition),
            letters: try reading.cursor(.deadLetters, partition))
        return PartitionReplay(
            streams: streams, alerts: try reading.cursor(.alerts, partition),
            areAlertsWhole: start == 0 && reading.lowest(.alerts, partition) == 0, differences: differences,
            ownsKey: reading.ownsKey(partition))
    }

    private func tell(_ reports: [PartitionReport], _ differences: Differences, seconds: Double) throws {
        let commands = reports.map(\.commands).reduce(0, +)
        let entries = reports.map(\.entries).reduce(0, +)
        if isJSON {
            print(
                try AuditText.json(
                    Report(
                        partitions: reports, commands: commands, entries: entries,
                        differences: differences.count, first: differences.first)))
            return
        }
        var rows = [
            [
                "partition", "from", "to", "commands", "entries", "results", "notices", "alerts", "letters",
                "differences",
            ]
        ]
        for report in reports {
            rows.append(
                [Int64(report.partition), report.from, report.to].map(String.init)
                    + [
                        report.commands, report.entries, report.results, report.notices, report.alerts,
                        report.letters, report.differences,
                    ].map(String.init))
        }
        var lines = AuditText.table(rows)
        if !differences.isEmpty { lines += [""] + AuditText.lines(differences) }
        let skipped = reports.map(\.skipped).reduce(0, +)
        if skipped > 0 {
            lines.append("\(skipped) commands of SKUs that differed before were decided and not compared")
        }
        let rate = seconds > 0 ? Int(Double(commands) / seconds) : 0
        lines += [
            "",
            "\(commands) commands decided again in \(String(format: "%.1f", seconds)) s, \(rate) a second: "
                + (differences.isEmpty
                    ? "each decision follows from the log."
                    : "\(differences.count) differences."),
        ]
        print(lines.joined(separator: "\n"))
    }

    // MARK: Another policy

    private struct SupposedReport: Encodable {
        var policy: String
        var commands: Int
        var was: DecisionTally
        var supposed: DecisionTally
    }

    private func suppose(
        _ supposition: Supposition, _ path: String, _ point: LogPoint?
    ) throws -> ExitCode {
        let reading = try AuditReading(service: service, topics: [.ledger])
        let starts = try starts(reading, point)
        var (was, supposed, commands) = (DecisionTally(), DecisionTally(), 0)
        for partition in reading.partitions {
            try checkLedger(reading, partition)
            let (start, cut) = (starts[partition]!, reading.cuts[partition] ?? 0)
            let streams = PartitionStreams(
                partition: partition,
                floors: PartitionStreams.Floors(commands: start, results: nil, letters: nil),
                commands: try reading.cursor(.commands, partition, from: start),
                ledger: try reading.cursor(.ledger, partition), results: EmptyCursor(), letters: EmptyCursor()
            )
            let replay = PolicyReplay(
                streams: streams, supposition: supposition, ownsKey: reading.ownsKey(partition))
            do {
                try replay.run(from: start, before: cut) { decided in
                    reading.progress(
                        "replaying", ["partition": partition, "commands": decided, "of": cut - start])
                }
            } catch let fault as UnfoldableLedger {
                throw RoleFailure(
                    .differenceFound,
                    "the state before \(partition)/\(start) cannot be made: \(fault); next: holdfast verify")
            }
            was.add(replay.was)
            supposed.add(replay.supposed)
            commands += replay.commands
        }
        if isJSON {
            print(
                try AuditText.json(
                    SupposedReport(policy: path, commands: commands, was: was, supposed: supposed)))
        } else {
            print(Self.text(path, commands, was, supposed))
        }
        return .success
    }

    private static func text(
        _ path: String, _ commands: Int, _ was: DecisionTally, _ supposed: DecisionTally
    ) -> String {
        func row(_ name: String, _ one: Int64, _ other: Int64) -> [String] {
            let change = other - one
            return [name, "\(one)", "\(other)", change == 0 ? "" : (change > 0 ? "+" : "") + "\(change)"]
        }
        func row(_ name: String, _ path: KeyPath<DecisionTally, Int>) -> [String] {
            row(name, Int64(was[keyPath: path]), Int64(supposed[keyPath: path]))
        }
        func units(_ name: String, _ path: KeyPath<DecisionTally, Int64>) -> [String] {
            row(name, was[keyPath: path], supposed[keyPath: path])
        }
        var rows = [
            ["", "as it was", "with the policy", "change"], row("reserve commands", \.reserves),
            row("  reserved", \.reserved), row("  partially_reserved", \.partiallyReserved),
            row("  backordered", \.backordered), row("  rejected", \.rejected),
        ]
        for reason in Set(was.rejections.keys).union(supposed.rejections.keys).sorted() {
            rows.append(
                row(
                    "    \(reason)", Int64(was.rejections[reason] ?? 0),
                    Int64(supposed.rejections[reason] ?? 0)))
        }
        rows += [
            units("units asked for", \.unitsAsked), units("units granted", \.unitsGranted),
            units("  of them backordered", \.unitsBackordered), row("reservations split", \.splits),
            row("confirmed", \.confirmed), row("refunds required", \.refundsRequired),
            row("shipments", \.shipments), units("units shipped", \.unitsShipped),
            units("units expired", \.unitsExpired), units("units lost", \.unitsLost), row("alerts", \.alerts),
        ]
        return (["\(commands) commands, as they were decided and with \(path):", ""] + AuditText.table(rows))
            .joined(separator: "\n")
    }
}
