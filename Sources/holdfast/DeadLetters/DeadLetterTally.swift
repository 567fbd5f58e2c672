import Foundation
import InventoryCore
import InventoryWire
import Operations

/// Counts letters by where they came from and why, and keeps the newest few of each. Its memory depends on how
/// many reasons there are and on the samples, never on how many letters.
struct DeadLetterTally {
    /// Bytes of a sample's value that are kept.
    private static let sampleBytes = 200

    struct Sample {
        var place: LetterPlace
        var letter: DeadLetter
        var written: Int64
        var isRedriven = false
    }

    struct Group {
        let reason: DecodingFailure.Reason
        /// The topic that the records stand in, without the cluster's prefix.
        let origin: String
        var count = 0
        /// How many of them were sent again.
        var redriven = 0
        /// When the first and the last letter was written, in milliseconds since 1970.
        var oldest = Int64.max
        var newest = Int64.min
        /// The newest first.
        var samples: [Sample] = []
    }

    private struct Key: Hashable {
        let reason: DecodingFailure.Reason
        let origin: String
    }

    let samplesOfEach: Int
    /// Nil counts all reasons.
    let onlyReason: DecodingFailure.Reason?
    /// The first offset of each partition: marks of letters that are gone count for nothing.
    private let begins: [Int32: Int64]
    private var groups: [Key: Group] = [:]
    private(set) var letters = 0
    /// Records of the topic that are no letters.
    private(set) var unreadable = 0
    private var reader = RecordReaderBox()

    init(samplesOfEach: Int, onlyReason: DecodingFailure.Reason?, begins: [Int32: Int64]) {
        self.begins = begins
        self.samplesOfEach = samplesOfEach
        self.onlyReason = onlyReason
    }

    /// The most frequent first.
    var sorted: [Group] {
        groups.values.sorted {
            ($1.count, $0.reason.rawValue, $0.origin) < ($0.count, $1.reason.rawValue, $1.origin)
        }
    }

    /// - Parameter written: when, in milliseconds since 1970.
    mutating func add(_ value: UnsafeRawBufferPointer?, at place: LetterPlace, written: Int64) {
        if let mark = value.flatMap(reader.redriveMark) { return add(mark) }
        guard let value, var letter = reader.deadLetter(value) else {
            unreadable += 1
            return
        }
        guard onlyReason == nil || letter.reason == onlyReason else { return }
        letters += 1
        let key = Key(reason: letter.reason, origin: letter.topic)
        var group = groups.removeValue(forKey: key) ?? Group(reason: letter.reason, origin: letter.topic)
        group.count += 1
        group.oldest = min(group.oldest, written)
        group.newest = max(group.newest, written)
        if samplesOfEach > 0 {
            letter.key = letter.key.map { Array($0.prefix(Self.sampleBytes + 1)) }
            letter.value = letter.value.map { Array($0.prefix(Self.sampleBytes + 1)) }
            let sample = Sample(place: place, letter: letter, written: written)
            let index = group.samples.firstIndex { $0.written <= written } ?? group.samples.count
            group.samples.insert(sample, at: index)
            if group.samples.count > samplesOfEach { group.samples.removeLast() }
        }
        groups[key] = group
    }

    /// A mark stands behind its letter, which was counted before.
    private mutating func add(_ mark: RedriveMark) {
        let key = Key(reason: mark.reason, origin: mark.topic)
        guard mark.letterOffset >= begins[mark.letterPartition] ?? .max, groups[key] != nil else { return }
        groups[key]!.redriven += 1
        let place = LetterPlace(partition: mark.letterPartition, offset: mark.letterOffset)
        if let index = groups[key]!.samples.firstIndex(where: { $0.place == place }) {
            groups[key]!.samples[index].isRedriven = true
        }
    }

    /// For a person.
    func text(topic: String) -> String {
        var lines = ["\(letters) \(letters == 1 ? "letter" : "letters") in \(topic)"]
        if let onlyReason { lines[0] += " with the reason \(onlyReason.rawValue)" }
        let width = groups.values.map(\.reason.rawValue.count).max() ?? 0
        for group in sorted {
            let reason = group.reason.rawValue.padding(toLength: width, withPad: " ", startingAt: 0)
            lines += [
                "",
                "\(reason)  \(group.count) from \(group.origin), the newest of \(Self.time(group.newest))"
                    + (group.redriven > 0 ? "; \(group.redriven) redriven" : ""),
            ]
            for sample in group.samples {
                let letter = sample.letter
                let key = letter.key.map { "key " + Printable.text($0, limit: 64) } ?? "no key"
                lines.append(
                    "  \(sample.place)  \(sample.isRedriven ? "redriven, " : "")from partition \(letter.partition) offset \(letter.offset), \(key): "
                        + Printable.text(Array(letter.detail.utf8), limit: Self.sampleBytes))
                let value = letter.value.map { Printable.text($0, limit: Self.sampleBytes) }
                lines.append("      \(value ?? "(no value)")")
            }
        }
        if unreadable > 0 {
            lines += ["", "\(unreadable) records of \(topic) are no dead letters and were left out"]
        }
        if letters > 0, samplesOfEach > 0 {
            lines += ["", "One whole: holdfast dead-letters show PARTITION/OFFSET"]
        }
        return lines.joined(separator: "\n")
    }

    private struct Listing: Encodable {
        struct Entry: Encodable {
            var reason: String
            var origin: String
            var count: Int
            var redriven: Int
            var oldest: String
            var newest: String
            var samples: [Letter]
        }

        struct Letter: Encodable {
            var letter: String
            var partition: Int32
            var offset: Int64
            var key: String?
            var detail: String
            var value: String?
            var valueBytes: Int
            var redriven: Bool

            enum CodingKeys: String, CodingKey {
                case letter, partition, offset, key, detail, value, redriven
                case valueBytes = "value_bytes"
            }
        }

        var topic: String
        var letters: Int
        var unreadable: Int
        var reasons: [Entry]
    }

    /// One JSON object.
    func json(topic: String) throws -> String {
        let listing = Listing(
            topic: topic, letters: letters, unreadable: unreadable,
            reasons: sorted.map { group in
                Listing.Entry(
                    reason: group.reason.rawValue, origin: group.origin, count: group.count,
                    redriven: group.redriven,
                    oldest: Self.time(group.oldest), newest: Self.time(group.newest),
                    samples: group.samples.map { sample in
                        Listing.Letter(
                            letter: sample.place.description, partition: sample.letter.partition,
                            offset: sample.letter.offset,
                            key: sample.letter.key.map { Printable.text($0, limit: Self.sampleBytes) },
                            detail: sample.letter.detail,
                            value: sample.letter.value.map { Printable.text($0, limit: Self.sampleBytes) },
                            valueBytes: sample.letter.valueBytes, redriven: sample.isRedriven)
                    })
            })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(listing), as: UTF8.self)
    }

    static func time(_ milliseconds: Int64) -> String {
        guard (0...Limits.latestTime).contains(milliseconds) else { return "an unknown time" }
        let date = Date(timeIntervalSince1970: Double(milliseconds) / 1000)
        return date.formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true))
    }
}

/// A reader that a copyable value can hold.
final class RecordReaderBox {
    private var reader = RecordReader()

    /// Nil for what is no letter.
    func deadLetter(_ value: UnsafeRawBufferPointer) -> DeadLetter? { try? reader.deadLetter(value) }

    /// Nil for what is no mark.
    func redriveMark(_ value: UnsafeRawBufferPointer) -> RedriveMark? { try? reader.redriveMark(value) }
}
