import Foundation
import InventoryCore
import InventoryWire
import Operations
import StreamRuntime

/// What `dead-letters redrive` tells: a line a letter, and the sums at the end; for a person, or as JSON.
struct RedriveReport {
    let isJSON: Bool
    private(set) var sent = 0

    private struct Line: Encodable {
        var letter: String
        var outcome: String
        var topic: String?
        var partition: Int32?
        var offset: Int64?
        var commandID: ID?
        var eventID: ID?
        var isMended: Bool?
        var reason: String?
        var detail: String?

        enum CodingKeys: String, CodingKey {
            case letter, outcome, topic, partition, offset, reason, detail
            case commandID = "command_id"
            case eventID = "event_id"
            case isMended = "mended"
        }
    }

    private struct Sums: Encodable {
        var chosen: Int
        var sent: Int
        var redrivenBefore: Int
        var refused: Int
        var missing: Int

        enum CodingKeys: String, CodingKey {
            case chosen, sent, refused, missing
            case redrivenBefore = "redriven_before"
        }
    }

    /// - Parameter offset: nil where nothing was sent, because it was only tried.
    mutating func tell(_ letter: RedriveBatch.Letter, offset: Int64?) {
        sent += 1
        let record = letter.record
        let place = "\(record.topic.rawValue) partition \(record.partition)"
        tell(
            Line(
                letter: "\(letter.place)", outcome: offset == nil ? "would_send" : "sent",
                topic: record.topic.rawValue, partition: record.partition, offset: offset,
                commandID: record.commandID, eventID: record.eventID, isMended: record.isMended),
            (offset.map { "sent to \(place) offset \($0)" } ?? "would be sent to \(place)")
                + ((record.commandID ?? record.eventID).map { " as \(Printable.text($0.bytes))" } ?? "")
                + (record.isMended ? ", mended" : ""))
    }

    func tell(_ place: LetterPlace, redriven mark: RedriveMark) {
        tell(
            Line(
                letter: "\(place)", outcome: "redriven_before", topic: mark.topic, partition: mark.partition,
                offset: mark.offset, commandID: mark.commandID, isMended: mark.isMended),
            "redriven before: \(mark.topic) partition \(mark.partition) offset \(mark.offset)")
    }

    func tell(_ place: LetterPlace, refused failure: DecodingFailure) {
        tell(
            Line(
                letter: "\(place)", outcome: "refused", reason: failure.reason.rawValue,
                detail: failure.detail),
            "refused: \(failure.reason.rawValue): \(Printable.text(Array(failure.detail.utf8)))")
    }

    func tell(missing place: LetterPlace) {
        tell(Line(letter: "\(place)", outcome: "missing"), "there is no letter")
    }

    private func tell(_ line: Line, _ text: String) {
        print(isJSON ? Self.json(line) : "\(line.letter)  \(text)")
    }

    func tellSums(of batch: borrowing RedriveBatch, isTrial: Bool) {
        let sums = Sums(
            chosen: batch.chosenCount, sent: isTrial ? 0 : sent, redrivenBefore: batch.redrivenCount,
            refused: batch.refusedCount, missing: batch.missing.count)
        if isJSON { return print(Self.json(sums)) }
        print(
            (isTrial ? "\(sent) would be sent" : "\(sent) sent")
                + ", \(batch.redrivenCount) redriven before, "
                + "\(batch.refusedCount) refused")
    }

    private static func json(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
