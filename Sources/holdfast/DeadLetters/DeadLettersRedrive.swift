import Foundation
import InventoryWire
import KafkaClient
import Operations
import StreamRuntime

/// `holdfast dead-letters redrive`: sends chosen letters again, once each.
///
/// What makes it once: a letter is sent in one transaction with a mark behind it, and before the marks are read
/// the stable transactional id is taken over, which ends what an earlier run had begun, and fences it.
final class DeadLettersRedrive {
    /// The most letters, and about the most bytes, of one transaction.
    private static let transactionLetters = 500
    private static let transactionBytes = 8 << 20

    private let service: Service
    private let settings: KafkaSettings
    private let scan: TopicScan
    private let isTrial: Bool
    private var report: RedriveReport

    init(service: Service) {
        self.service = service
        settings = KafkaSettings(service.configuration)
        let shutdown = service.shutdown
        scan = TopicScan(
            settings: settings, events: service.kafkaEvents(), isCancelled: { shutdown.isRequested })
        isTrial = service.configuration.boolean("dry_run")
        report = RedriveReport(isJSON: service.configuration.boolean("json"))
    }

    func run() throws -> ExitCode {
        let choice = try LetterChoice(service.configuration)
        let mending = try Redrive.Mending(service.configuration, choice)
        return try KafkaFailures.translated {
            let counts = try partitionCounts()
            let producer = isTrial ? nil : try open(Redrive.topics.filter { counts[$0] != nil })
            let extents = try scan.settledExtents(of: .deadLetters)
            let (redriven, marks) = try readMarks(choice, extents)
            var starts = extents.mapValues(\.lowerBound)
            if case .places(let places) = choice { starts = Self.firsts(of: places, extents) }

            let first = try gather(choice, from: starts, redriven, mending, counts)
            try refuse(first)
            for (place, mark) in marks.sorted(by: { $0.key < $1.key }) {
                report.tell(place, redriven: mark)
            }
            try send(first.lettersToSend, producer)
            var rest = first.rest
            while !rest.isEmpty {
                let next = try gather(choice, from: rest, redriven, mending, counts)
                try send(next.lettersToSend, producer)
                rest = next.rest
            }
            report.tellSums(of: first, isTrial: isTrial)
            return first.refusedCount == 0 && first.missing.isEmpty ? .success : .differenceFound
        }
    }

    private func partitionCounts() throws -> [Topic: Int32] {
        var counts: [Topic: Int32] = [:]
        // A system without orders has no topics of theirs.
        let ofOrders = Redrive.topics.filter(Topic.ofOrders.contains)
        let found = try Admin(configuration: settings.common(), events: scan.events)
            .describeTopics(ofOrders.map { settings.name($0) }, timeoutMilliseconds: 20_000)
        for topic in ofOrders {
            counts[topic] = found[settings.name(topic)].map { Int32($0.partitionCount) }
        }
        for topic in Redrive.topics + [.deadLetters] where !Topic.ofOrders.contains(topic) {
            counts[topic] = try scan.partitions(of: topic).upperBound
            guard counts[topic] == 0 else { continue }
            throw RoleFailure(
                .usage,
                "there is no topic \(settings.name(topic)); create it with holdfast topics apply, or give "
                    + "--topic-prefix")
        }
        return counts
    }

    private func open(_ topics: [Topic]) throws -> RedriveProducer {
        let producer = try RedriveProducer(
            settings: settings, topics: topics, events: service.kafkaEvents())
        try producer.open { [service] in service.shutdown.isRequested }
        return producer
    }

    private func readMarks(
        _ choice: LetterChoice, _ extents: [Int32: Range<Int64>]
    ) throws -> (RedrivenLetters, [LetterPlace: RedriveMark]) {
        var redriven = RedrivenLetters(extents: extents)
        var marks: [LetterPlace: RedriveMark] = [:]
        var reader = RecordReader()
        var starts = extents.mapValues(\.lowerBound)
        // A mark stands behind its letter.
        if case .places(let places) = choice { starts = Self.firsts(of: places, extents) }
        try read(from: starts, "looking for what was redriven before") { value, _ in
            guard let value, let mark = try? reader.redriveMark(value) else { return }
            let place = LetterPlace(partition: mark.letterPartition, offset: mark.letterOffset)
            guard choice.contains(place) else { return }
            redriven.insert(place)
            if case .places = choice { marks[place] = mark }
        }
        return (redriven, marks)
    }

    /// Where the first of the places stands in each of their partitions.
    private static func firsts(
        of places: Set<LetterPlace>, _ extents: [Int32: Range<Int64>]
    ) -> [Int32: Int64] {
        var firsts: [Int32: Int64] = [:]
        for place in places where extents[place.partition]?.contains(place.offset) ?? false {
            firsts[place.partition] = min(firsts[place.partition] ?? .max, place.offset)
        }
        return firsts
    }

    private func gather(
        _ choice: LetterChoice, from starts: [Int32: Int64], _ redriven: RedrivenLetters,
        _ mending: Redrive.Mending, _ counts: [Topic: Int32]
    ) throws -> RedriveBatch {
        let redrive = Redrive(
            mending: mending, at: Int64(Date().timeIntervalSince1970 * 1000), partitionCounts: counts
        ) {
            murmur2Partition(key: $0, partitionCount: $1)
        }
        var batch = RedriveBatch(choice, from: starts, redriven: redriven, redrive: redrive)
        try read(from: starts, "reading \(settings.name(.deadLetters))") { batch.add($0, at: $1) }
        return batch
    }

    private func read(
        from starts: [Int32: Int64], _ what: String,
        _ body: (UnsafeRawBufferPointer?, LetterPlace) -> Void
    ) throws {
        guard !starts.isEmpty else { return }
        var records = 0
        var due = Deadline(milliseconds: 2_000)
        try scan.read(.deadLetters, from: starts) { message in
            body(message.value, LetterPlace(partition: message.partition, offset: message.offset))
            records += 1
            if due.isPast {
                due = Deadline(milliseconds: 2_000)
                service.logger.info(what, ["records": records])
            }
        }
    }

    /// Tells what cannot be sent; then nothing is, unless the person said to leave that out.
    private func refuse(_ batch: borrowing RedriveBatch) throws {
        for (place, failure) in batch.refusals { report.tell(place, refused: failure) }
        for place in batch.missing { report.tell(missing: place) }
        let count = batch.refusedCount + batch.missing.count
        guard count > 0, !service.configuration.boolean("skip_refused") else { return }
        throw RoleFailure(
            .differenceFound,
            "\(count) of the chosen letters cannot be sent, so nothing was sent: mend them, choose others, or leave "
                + "them out with --skip-refused")
    }

    private func send(_ letters: [RedriveBatch.Letter], _ producer: RedriveProducer?) throws {
        guard let producer else {
            for letter in letters { report.tell(letter, offset: nil) }
            return
        }
        var rest = letters[...]
        while !rest.isEmpty {
            if service.shutdown.isRequested {
                throw RoleFailure(
                    .interrupted, "interrupted; \(report.sent) letters were sent, and are marked")
            }
            let next = Self.transaction(of: rest)
            rest = rest.dropFirst(next.count)
            let offsets: [Int64]
            do throws(KafkaError) {
                offsets = try producer.send(next)
            } catch {
                throw failure(error)
            }
            for (letter, offset) in zip(next, offsets) { report.tell(letter, offset: offset) }
        }
    }

    /// The first letters that fit into a transaction; one at least.
    private static func transaction(
        of letters: ArraySlice<RedriveBatch.Letter>
    ) -> ArraySlice<RedriveBatch.Letter> {
        var bytes = 0
        let end = letters.prefix(transactionLetters).firstIndex { letter in
            bytes += letter.record.byteCount
            return bytes > transactionBytes
        }
        guard let end else { return letters.prefix(transactionLetters) }
        return letters[letters.startIndex..<max(end, letters.startIndex + 1)]
    }

    private func failure(_ error: KafkaError) -> RoleFailure {
        let reason =
            error.isTakenOver
            ? "another redrive has begun, which ended this one" : error.description
        return RoleFailure(
            error.recovery == .fatal ? error.exitCode : .temporaryFailure,
            "\(reason); \(report.sent) letters were surely sent; run it again for the rest: what was sent is marked, "
                + "and is not sent twice")
    }
}

extension LetterChoice {
    /// - Throws: `RoleFailure` for flags that choose nothing, or in two ways.
    init(_ configuration: Configuration) throws {
        let texts = configuration.strings("letter")
        let reason = configuration.optionalString("reason")
        switch (texts.isEmpty, reason) {
        case (true, nil):
            throw RoleFailure(
                .usage,
                "which letters? Write holdfast dead-letters redrive PARTITION/OFFSET ..., as list tells them, "
                    + "or --reason REASON")
        case (false, .some):
            throw RoleFailure(.usage, "give places or --reason, not both")
        case (true, let reason?):
            self = .reason(try DeadLettersRole.reason(reason))
        case (false, nil):
            self = .places(
                Set(
                    try texts.map { text in
                        guard let place = LetterPlace(text) else {
                            throw RoleFailure(
                                .usage, "--letter \(text): it must be PARTITION/OFFSET, such as 0/17")
                        }
                        return place
                    }))
        }
    }

    fileprivate var isOne: Bool { if case .places(let places) = self { places.count == 1 } else { false } }
}

extension Redrive.Mending {
    /// - Throws: `RoleFailure` for flags that do not fit together.
    fileprivate init(_ configuration: Configuration, _ choice: LetterChoice) throws {
        let edit: RecordEdit
        do {
            edit = try RecordEdit(
                renames: configuration.strings("rename"), removals: configuration.strings("remove"),
                settings: configuration.strings("set"))
        } catch {
            throw RoleFailure(.usage, error.description)
        }
        let file = configuration.optionalString("value")
        let key = configuration.optionalString("key")
        if file != nil, !edit.isEmpty {
            throw RoleFailure(.usage, "--value gives the whole value; leave out --set, --remove and --rename")
        }
        for (flag, isGiven) in [
            ("--value", file != nil), ("--key", key != nil), ("--set command_id", edit.sets("command_id")),
        ] where isGiven && !choice.isOne {
            throw RoleFailure(.usage, "\(flag) is for one letter: give its place alone")
        }
        self.init(
            edit: edit, key: key.map { Array($0.utf8) }, value: try file.map(Self.bytes),
            partition: configuration.optionalInteger("to_partition").map { Int32($0) })
    }

    /// More than this no record of ours has.
    private static let fileBytes = 2 << 20

    private static func bytes(ofFile path: String) throws -> [UInt8] {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw RoleFailure(.usage, "--value \(path): \(String(cString: strerror(errno)))")
        }
        defer { try? file.close() }
        let bytes = Array(try file.read(upToCount: fileBytes + 1) ?? Data())
        guard bytes.count <= fileBytes else {
            throw RoleFailure(.usage, "--value \(path): it has more than \(fileBytes) bytes")
        }
        return bytes
    }
}
