import Counts
import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations

/// `holdfast reconcile --count FILE`: what a warehouse has counted, against the levels; with `--apply` the levels are
/// put right, by commands.
final class ReconcileCount {
    /// How long outcomes are waited for, in milliseconds, since the last one came.
    private static let patience = 60_000

    private let service: Service
    private let settings: KafkaSettings
    private let scan: TopicScan
    private let report: ReconcileReport
    private var writer = RecordWriter()

    init(service: Service) {
        self.service = service
        settings = KafkaSettings(service.configuration)
        let shutdown = service.shutdown
        scan = TopicScan(
            settings: settings, events: service.kafkaEvents(), isCancelled: { shutdown.isRequested })
        report = ReconcileReport(isJSON: service.configuration.boolean("json"))
    }

    func run(_ path: String) throws -> ExitCode {
        let file = try CountSource(path: path, shutdown: service.shutdown).read()
        return try KafkaFailures.translated {
            let count = StockCount(
                file, known: try known(for: file), allowsNew: service.configuration.boolean("allow_new"))
            let differing = count.counts.indices.filter { count.counts[$0].difference != 0 }
            let isApplying = service.configuration.boolean("apply")
            for index in differing { report.tell(count.counts[index]) }
            for refusal in count.refusals { report.tell(refusal) }
            report.tellSums(file.reading, count)
            guard count.refusals.isEmpty else { throw refused(count, isApplying: isApplying) }
            guard isApplying, !differing.isEmpty else {
                return differing.isEmpty ? .success : .differenceFound
            }
            return try apply(differing, of: count)
        }
    }

    /// All or nothing: what is left of a file would be counted against levels that have moved since.
    private func refused(_ count: StockCount, isApplying: Bool) -> RoleFailure {
        let rows = count.refusals.count
        return RoleFailure(
            .usage,
            "\(rows == 1 ? "a row is" : "\(rows) rows are") refused, so "
                + (isApplying ? "nothing was sent" : "--apply would send nothing")
                + "; correct the file, and where a SKU or a place is new on purpose, write 0 in the row's column expected "
                + "or give --allow-new")
    }

    // MARK: What is known

    private func known(for file: CountFile) throws -> KnownStock {
        var known = KnownStock(for: file)
        try readLevels(into: &known)
        try readKeys(of: .warehouses) { warehouse, isPublished in
            known.set(warehouse: warehouse, isPublished: isPublished)
        }
        if known.lacksLevels {
            try readKeys(of: .products) { sku, isPublished in
                known.set(product: sku, isPublished: isPublished)
            }
        }
        return known
    }

    private func readLevels(into known: inout KnownStock) throws {
        let extents = try scan.settledExtents(of: .levels)
        guard !extents.isEmpty else {
            throw RoleFailure(
                .usage, "there is no topic \(settings.name(.levels)); give the right --topic-prefix")
        }
        var reader = RecordReader()
        var fault: DecodingFailure?
        try scan.read(.levels, from: extents.mapValues(\.lowerBound)) { message in
            guard let sku = message.key.map({ ID(decoding: $0) }) else { return }
            guard let value = message.value else { return known.set(sku, nil) }
            do throws(DecodingFailure) {
                known.set(
                    sku,
                    try reader.levels(value).levels.map {
                        KnownStock.Held(warehouse: $0.warehouse, onHand: $0.onHand, reserved: $0.reserved)
                    })
            } catch {
                if known.needsLevels(of: sku) { fault = error }
            }
        }
        if let fault {
            throw RoleFailure(
                .internalFault,
                "\(settings.name(.levels)) cannot be read: \(fault.detail); see holdfast rebuild")
        }
    }

    /// The keys of a topic that people publish, whatever their records hold.
    private func readKeys(of topic: InventoryWire.Topic, _ body: (ID, Bool) -> Void) throws {
        let extents = try scan.settledExtents(of: topic)
        try scan.read(topic, from: extents.mapValues(\.lowerBound)) { message in
            guard let key = message.key else { return }
            body(ID(decoding: key), message.value != nil)
        }
    }

    // MARK: Commands

    /// Writes a command for each difference, and waits for their outcomes.
    private func apply(_ differing: [Int], of count: StockCount) throws -> ExitCode {
        let name = count.name
        // The results come behind these.
        var next = try scan.ends(of: .results)
        var waiting = AwaitedOutcomes()
        try send(
            differing.map { index in
                let command = count.command(for: index, of: name)
                waiting.add(command, for: count.counts[index])
                return command
            })
        var failed = 0
        var deadline = Deadline(milliseconds: Self.patience)
        var due = Deadline(milliseconds: 2_000)
        while !waiting.isEmpty {
            for outcome in try outcomes(from: &next, waiting) {
                guard let counted = waiting.take(outcome) else { continue }
                if outcome.kind != .adjusted { failed += 1 }
                report.tell(outcome, of: counted)
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
        from next: inout [Int32: Int64], _ waiting: AwaitedOutcomes
    ) throws -> [Outcome] {
        var reader = RecordReader()
        var found: [Outcome] = []
        var seen = next
        try scan.read(.results, from: next) { message in
            seen[message.partition] = message.offset + 1
            guard let value = message.value, let isNotice = try? reader.notice(value) != nil, !isNotice,
                let outcome = try? reader.outcome(value).outcome, waiting.isAwaited(outcome)
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
        let issuedAt = Timestamp.issued(at: Int64(Date().timeIntervalSince1970 * 1000))
        for var command in commands {
            command.issuedAt = issuedAt
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
}
