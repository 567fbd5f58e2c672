import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// `holdfast reconcile --count FILE`: what a warehouse has counted, against the levels; with `--apply` the levels are
/// put right, by commands.
final class ReconcileCount {
    private static let fileBytes = 256 << 20
    /// How long outcomes are waited for, in milliseconds, since the last one came.
    private static let patience = 60_000

    private let service: Service
    private let settings: KafkaSettings
    private let scan: TopicScan
    private let isJSON: Bool
    private var writer = RecordWriter()

    init(service: Service) {
        self.service = service
        settings = KafkaSettings(service.configuration)
        let shutdown = service.shutdown
        scan = TopicScan(
            settings: settings, events: service.kafkaEvents(), isCancelled: { shutdown.isRequested })
        isJSON = service.configuration.boolean("json")
    }

    /// A count that differs from what is on hand.
    private struct Difference {
        let index: Int
        let count: CountFile.Count
        let onHand: Int64
        let reserved: Int64
    }

    func run(_ path: String) throws -> ExitCode {
        let file = try Self.read(path)
        return try KafkaFailures.translated {
            let differences = try differences(of: file)
            let isApplying = service.configuration.boolean("apply")
            for difference in differences { tell(difference) }
            tellSums(file, differences)
            guard isApplying, !differences.isEmpty else {
                return differences.isEmpty ? .success : .differenceFound
            }
            return try apply(differences, of: file)
        }
    }

    private static func read(_ path: String) throws -> CountFile {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw RoleFailure(.usage, "--count \(path): \(String(cString: strerror(errno)))")
        }
        defer { try? handle.close() }
        let bytes = Array(try handle.read(upToCount: fileBytes + 1) ?? Data())
        guard bytes.count <= fileBytes else {
            throw RoleFailure(.usage, "--count \(path): it has more than \(fileBytes) bytes; split it")
        }
        do {
            var reader = CSVReader(bytes)
            guard let header = try reader.next() else {
                throw CSVReader.Mistake(line: 1, "the file is empty; it begins with sku,warehouse,counted")
            }
            var file = try CountFile(header: header.fields, line: header.line)
            while let row = try reader.next() { try file.add(row.fields, line: row.line) }
            return file
        } catch {
            throw RoleFailure(.usage, "--count \(path), \(error)")
        }
    }

    private func differences(of file: CountFile) throws -> [Difference] {
        let skus = Set(file.counts.map(\.sku))
        var levels: [ID: LevelsSnapshot] = [:]
        var reader = RecordReader()
        var fault: DecodingFailure?
        let extents = try scan.settledExtents(of: .levels)
        guard !extents.isEmpty else {
            throw RoleFailure(
                .usage, "there is no topic \(settings.name(.levels)); give the right --topic-prefix")
        }
        try scan.read(.levels, from: extents.mapValues(\.lowerBound)) { message in
            guard let key = message.key.map({ ID(decoding: $0) }), skus.contains(key)
            else {
                return
            }
            guard let value = message.value else {
                levels[key] = nil
                return
            }
            do throws(DecodingFailure) { levels[key] = try reader.levels(value) } catch { fault = error }
        }
        if let fault {
            throw RoleFailure(
                .internalFault,
                "\(settings.name(.levels)) cannot be read: \(fault.detail); see holdfast rebuild")
        }
        return file.counts.enumerated().compactMap { index, count in
            let level = levels[count.sku]?.levels.first { $0.warehouse == count.warehouse }
            guard count.counted != level?.onHand ?? 0 else { return nil }
            return Difference(
                index: index, count: count, onHand: level?.onHand ?? 0, reserved: level?.reserved ?? 0)
        }
    }

    /// Writes a command for each difference, and waits for their outcomes.
    private func apply(_ differences: [Difference], of file: CountFile) throws -> ExitCode {
        let name = file.name
        // The results come behind these.
        var next = try scan.ends(of: .results)
        var waiting: [ID: Difference] = [:]
        try send(
            differences.map { difference in
                let command = file.command(for: difference.index, of: name, onHand: difference.onHand)
                waiting[command.id] = difference
                return command
            })
        var failed = 0
        var deadline = Deadline(milliseconds: Self.patience)
        var due = Deadline(milliseconds: 2_000)
        while !waiting.isEmpty {
            for outcome in try outcomes(from: &next, waiting) {
                guard let difference = waiting.removeValue(forKey: outcome.commandID) else { continue }
                if outcome.kind != .adjusted { failed += 1 }
                tell(outcome, of: difference)
                deadline = Deadline(milliseconds: Self.patience)
            }
            if service.shutdown.isRequested || deadline.isPast {
                throw RoleFailure(
                    service.shutdown.isRequested ? .interrupted : .temporaryFailure,
                    "\(waiting.count) commands have no outcome yet; they stand in \(settings.name(.commands)) and "
                        + "will be decided: is a processor running?")
            }
            if due.isPast {
                due = Deadline(milliseconds: 2_000)
                service.logger.info("waiting for outcomes", ["commands": waiting.count])
            }
            if !waiting.isEmpty { _ = service.shutdown.wait(timeoutMilliseconds: 100) }
        }
        return failed == 0 ? .success : .differenceFound
    }

    private func outcomes(
        from next: inout [Int32: Int64], _ waiting: [ID: Difference]
    ) throws -> [Outcome] {
        var reader = RecordReader()
        var found: [Outcome] = []
        var seen = next
        try scan.read(.results, from: next) { message in
            seen[message.partition] = message.offset + 1
            guard let value = message.value, let isNotice = try? reader.notice(value) != nil, !isNotice,
                let outcome = try? reader.outcome(value).outcome, waiting[outcome.commandID] != nil
            else { return }
            found.append(outcome)
        }
        next = seen
        return found
    }

    private func send(_ commands: [Command]) throws {
        let failure = FirstFailure()
        let producer = try Producer(configuration: settings.producer(), events: service.kafkaEvents()) {
            report in
            if let error = report.error { failure.note(error) }
        }
        let topic = try producer.topic(settings.name(.commands))
        for command in commands {
            writer.write(command: command)
            let value = writer.withBytes { Array($0) }
            while try produce(producer, topic, command.sku.bytes, value) == .queueFull {
                producer.poll(timeoutMilliseconds: 100)
            }
        }
        try producer.flush(timeoutMilliseconds: Self.patience)
        if let error = failure.error { throw error }
    }

    private func produce(
        _ producer: Producer, _ topic: KafkaClient.Topic, _ key: [UInt8], _ value: [UInt8]
    ) throws -> ProduceOutcome {
        try key.withUnsafeBytes { key in
            try value.withUnsafeBytes { value in try producer.produce(topic, key: key, value: value) }
        }
    }

    private final class FirstFailure {
        private(set) var error: KafkaError?

        func note(_ error: KafkaError) { self.error = self.error ?? error }
    }

    // MARK: Telling

    private struct Line: Encodable {
        var sku: ID
        var warehouse: ID
        var counted: Int64
        var onHand: Int64
        var reserved: Int64
        var line: Int
        var outcome: String?
        var reason: String?

        enum CodingKeys: String, CodingKey {
            case sku, warehouse, counted, reserved, line, outcome, reason
            case onHand = "on_hand"
        }
    }

    private func tell(_ difference: Difference) {
        let count = difference.count
        guard !isJSON else { return Self.json(line(difference)) }
        print(
            "\(Printable.text(count.sku.bytes)) in \(Printable.text(count.warehouse.bytes)): counted "
                + "\(count.counted), on hand \(difference.onHand), difference "
                + "\(count.counted - difference.onHand)"
                + (count.counted < difference.reserved ? ", \(difference.reserved) of them reserved" : ""))
    }

    private func tell(_ outcome: Outcome, of difference: Difference) {
        if isJSON {
            var line = line(difference)
            line.outcome = outcome.kind.rawValue
            line.reason = outcome.rejection?.rawValue
            return Self.json(line)
        }
        let count = difference.count
        let place =
            "\(Printable.text(count.sku.bytes)) in \(Printable.text(count.warehouse.bytes)): "
        switch outcome.rejection {
        case nil: print(place + outcome.kind.rawValue + (outcome.isDuplicate ? " before" : ""))
        case .commandIDConflict:
            print(place + "rejected: this count was applied before, and units have moved since")
        case let reason?: print(place + "rejected: \(reason.rawValue)")
        }
    }

    private func line(_ difference: Difference) -> Line {
        Line(
            sku: difference.count.sku, warehouse: difference.count.warehouse,
            counted: difference.count.counted, onHand: difference.onHand, reserved: difference.reserved,
            line: difference.count.line)
    }

    private func tellSums(_ file: CountFile, _ differences: [Difference]) {
        let more = differences.reduce(Int64(0)) { $0 + max(0, $1.count.counted - $1.onHand) }
        let fewer = differences.reduce(Int64(0)) { $0 + max(0, $1.onHand - $1.count.counted) }
        if isJSON {
            return Self.json(
                [
                    "counts": Int64(file.counts.count), "differ": Int64(differences.count), "more": more,
                    "fewer": fewer,
                ])
        }
        print(
            "\(file.counts.count) counts, \(differences.count) differ: \(more) units more than on hand, \(fewer) fewer"
        )
    }

    private static func json(_ value: some Encodable) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if let data = try? encoder.encode(value) { print(String(decoding: data, as: UTF8.self)) }
    }
}
