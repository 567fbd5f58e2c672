import Foundation
import InventoryWire
import KafkaClient
import Operations

/// `holdfast dead-letters list` and `show`: what could not be decoded, for a person to look at. They read and change
/// nothing.
struct DeadLettersRole {
    private let service: Service
    private let settings: KafkaSettings
    private let scan: TopicScan

    init(service: Service) {
        self.service = service
        settings = KafkaSettings(service.configuration)
        let shutdown = service.shutdown
        scan = TopicScan(
            settings: settings, events: service.kafkaEvents(), isCancelled: { shutdown.isRequested })
    }

    private var topic: String { settings.name(.deadLetters) }

    /// `list`: counts by reason, with samples.
    func list() throws -> ExitCode {
        let reason = try service.configuration.optionalString("reason").map(Self.reason)
        let extents = try extents()
        let total = extents.values.map { $0.upperBound - $0.lowerBound }.reduce(0, +)
        var tally = DeadLetterTally(
            samplesOfEach: service.configuration.integer("samples"), onlyReason: reason,
            begins: extents.mapValues(\.lowerBound))
        var seen = 0
        var due = Deadline(milliseconds: 2_000)
        try KafkaFailures.translated {
            try scan.read(.deadLetters, from: extents.mapValues(\.lowerBound)) { message in
                tally.add(
                    message.value,
                    at: LetterPlace(partition: message.partition, offset: message.offset),
                    written: message.timestampMilliseconds)
                seen += 1
                if due.isPast {
                    due = Deadline(milliseconds: 2_000)
                    service.logger.info("reading \(topic)", ["records": seen, "offsets": Int(total)])
                }
            }
        }
        let isJSON = service.configuration.boolean("json")
        print(isJSON ? try tally.json(topic: topic) : tally.text(topic: topic))
        return .success
    }

    static func reason(_ text: String) throws -> DecodingFailure.Reason {
        if let reason = DecodingFailure.Reason(rawValue: text) { return reason }
        let allowed = DecodingFailure.Reason.allCases.map(\.rawValue).joined(separator: ", ")
        throw RoleFailure(.usage, "--reason \(text): no such reason; allowed are \(allowed)")
    }

    /// `show`: one letter, for a person, as it stands in the topic, or the original value alone.
    func show() throws -> ExitCode {
        let place = try place()
        let isForPerson =
            !service.configuration.boolean("raw") && !service.configuration.boolean("json")
        var reader = RecordReader()
        var found: (record: [UInt8], written: Int64)?
        var mark: RedriveMark?
        try KafkaFailures.translated {
            // A person is told whether it was redriven: the mark stands somewhere behind it.
            try scan.read(
                .deadLetters, from: [place.partition: place.offset],
                through: isForPerson ? .max : place.offset
            ) { message in
                guard let value = message.value else { return }
                if message.offset == place.offset {
                    found = (Array(value), message.timestampMilliseconds)
                } else if let other = try? reader.redriveMark(value),
                    other.letterPartition == place.partition,
                    other.letterOffset == place.offset
                {
                    mark = other
                }
            }
        }
        // An offset may be a transaction's marker, or one that was cut.
        guard let found, let letter = found.record.withUnsafeBytes(RecordReaderBox().deadLetter) else {
            throw RoleFailure(
                .differenceFound,
                "there is no letter at \(place) in \(topic); holdfast dead-letters list shows where some are")
        }
        if service.configuration.boolean("raw") { return try raw(letter) }
        if service.configuration.boolean("json") {
            print(String(decoding: found.record, as: UTF8.self))
        } else {
            print(text(letter, at: place, written: found.written, mark))
        }
        return .success
    }

    private func place() throws -> LetterPlace {
        guard let text = service.configuration.optionalString("letter") else {
            throw RoleFailure(
                .usage, "which letter? Write holdfast dead-letters show PARTITION/OFFSET, as list tells them")
        }
        guard let place = LetterPlace(text) else {
            throw RoleFailure(.usage, "--letter \(text): it must be PARTITION/OFFSET, such as 0/17")
        }
        guard let extent = try extents()[place.partition] else {
            throw RoleFailure(.differenceFound, "\(topic) has no partition \(place.partition)")
        }
        guard extent.contains(place.offset) else {
            throw RoleFailure(
                .differenceFound,
                "there is no letter at \(place): partition \(place.partition) of \(topic) "
                    + (extent.isEmpty
                        ? "is empty" : "has the offsets \(extent.lowerBound) to \(extent.upperBound - 1)"))
        }
        return place
    }

    private func raw(_ letter: DeadLetter) throws -> ExitCode {
        try FileHandle.standardOutput.write(contentsOf: Data(letter.value ?? []))
        guard letter.value?.count ?? 0 == letter.valueBytes else {
            throw RoleFailure(
                .differenceFound,
                "the letter holds the first \(letter.value?.count ?? 0) of \(letter.valueBytes) bytes; the whole "
                    + "is at \(letter.topic) partition \(letter.partition) offset \(letter.offset), for as long as "
                    + "that topic keeps it")
        }
        return .success
    }

    private func text(
        _ letter: DeadLetter, at place: LetterPlace, written: Int64, _ mark: RedriveMark?
    ) -> String {
        var rows = [
            ("letter", "\(place) in \(topic), written \(DeadLetterTally.time(written))"),
            ("reason", letter.reason.rawValue), ("detail", Printable.text(Array(letter.detail.utf8))),
            (
                "record",
                "\(letter.topic) partition \(letter.partition) offset \(letter.offset), "
                    + (letter.timestamp.map { "of " + DeadLetterTally.time($0.milliseconds) }
                        ?? "without a time")
            ),
            ("key", letter.key.map { Printable.text($0) } ?? "(none)"),
            ("bytes", "\(letter.valueBytes)"),
        ]
        if let mark {
            rows.append(
                (
                    "redriven",
                    "to \(mark.topic) partition \(mark.partition) offset \(mark.offset)"
                        + (mark.isMended ? ", mended" : "")
                ))
        }
        if letter.isTruncated {
            rows.append(
                ("cut", "yes: the whole is at the record's place, for as long as its topic keeps it"))
        }
        if let digest = letter.valueSHA256 { rows.append(("sha256", digest)) }
        if let digest = letter.keySHA256 { rows.append(("key sha256", digest)) }
        rows.append(("value", letter.value.map { Printable.text($0) } ?? "(none)"))
        return rows.map { "\($0.0.padding(toLength: 12, withPad: " ", startingAt: 0))\($0.1)" }
            .joined(separator: "\n")
    }

    private func extents() throws -> [Int32: Range<Int64>] {
        let extents = try KafkaFailures.translated { try scan.extents(of: .deadLetters) }
        guard !extents.isEmpty else {
            throw RoleFailure(
                .usage,
                "there is no topic \(topic); create it with holdfast topics apply, or give --topic-prefix"
            )
        }
        return extents
    }
}
