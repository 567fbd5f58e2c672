import Counts
import Foundation
import InventoryCore
import Operations

/// What `reconcile --count` prints: lines for people, or objects of JSON.
struct ReconcileReport {
    /// How many places, lines or columns are named; all are counted.
    private static let named = 10

    let isJSON: Bool

    private struct Line: Encodable {
        var sku: String
        var warehouse: String
        var counted: Int64
        var expected: Int64?
        var onHand: Int64
        var reserved: Int64
        var line: Int
        /// Of all its bins, if there are several.
        var lines: [Int]?
        var new: Bool?
        var note: String?
        var outcome: String?
        var reason: String?

        init(_ count: StockCount.Count) {
            sku = count.sku.text
            warehouse = count.warehouse.text
            counted = count.counted
            expected = count.expected
            onHand = count.onHand
            reserved = count.reserved
            line = count.line
            lines = count.otherLines.isEmpty ? nil : count.lines
            new = count.isNew ? true : nil
            note = count.note
        }
    }

    private struct RefusedLine: Encodable {
        var line: Int
        var refused: String
    }

    private struct Sums: Encodable {
        var encoding: String
        var separator: String
        var rows: Int
        var blankRows: Int
        var rowsAboveHeader: Int
        var repeatedHeaders: [Int]
        var columnsNotRead: [String]
        var cleanedNames: Int
        var summed: Int
        var refused: Int
        var counts: Int
        var new: Int
        var differ: Int
        var more: Int64
        var fewer: Int64
    }

    // MARK: Counts

    func tell(_ count: StockCount.Count) {
        guard !isJSON else { return json(Line(count)) }
        var parts = ["counted \(count.counted)"]
        if !count.otherLines.isEmpty { parts[0] += " (\(lines(count.lines)))" }
        parts.append("on hand \(count.onHand)")
        parts.append("difference \(count.difference)")
        if count.counted < count.reserved { parts.append("\(count.reserved) of them reserved") }
        if count.isNew { parts.append("new" + (count.note.map { ", though \($0)" } ?? "")) }
        if let expected = count.expected, expected != count.onHand {
            parts.append("expected \(expected), so it is rejected unless \(expected) are on hand by then")
        }
        print(place(count) + parts.joined(separator: ", "))
    }

    func tell(_ refusal: CountFile.Refusal) {
        guard !isJSON else { return json(RefusedLine(line: refusal.line, refused: refusal.problem)) }
        print("refused, \(refusal)")
    }

    func tell(_ outcome: Outcome, of count: StockCount.Count) {
        if isJSON {
            var line = Line(count)
            line.outcome = outcome.kind.rawValue
            line.reason = outcome.rejection?.rawValue
            return json(line)
        }
        switch outcome.rejection {
        case nil: print(place(count) + outcome.kind.rawValue + (outcome.isDuplicate ? " before" : ""))
        case .commandIDConflict:
            print(place(count) + "rejected: this count was applied before, and units have moved since")
        case let reason?: print(place(count) + "rejected: \(reason.rawValue)")
        }
    }

    private func place(_ count: StockCount.Count) -> String {
        "\(Printable.text(Array(count.sku.text.utf8))) in \(Printable.text(Array(count.warehouse.text.utf8))): "
    }

    // MARK: Sums

    func tellSums(_ reading: CountFile.Reading, _ count: StockCount) {
        let summed = count.counts.filter { !$0.otherLines.isEmpty }
        let sums = Sums(
            encoding: reading.encoding.rawValue, separator: reading.separator.name, rows: reading.rows,
            blankRows: reading.blankRows, rowsAboveHeader: reading.rowsAboveHeader,
            repeatedHeaders: reading.repeatedHeaders, columnsNotRead: reading.columns,
            cleanedNames: count.cleanedNames, summed: summed.count, refused: count.refusals.count,
            counts: count.counts.count, new: count.counts.count { $0.isNew },
            differ: count.counts.count { $0.difference != 0 },
            more: count.counts.reduce(0) { $0 + max(0, $1.difference) },
            fewer: count.counts.reduce(0) { $0 + max(0, -$1.difference) })
        guard !isJSON else { return json(sums) }
        print(
            "\(some(sums.rows, "row")) read (\(sums.encoding), fields divided by \(sums.separator)"
                + (reading.hasSeparatorLine ? " as its first line says)" : ")"))
        let passed = passedOver(sums)
        if !passed.isEmpty { print("passed over: " + passed.joined(separator: "; ")) }
        if sums.cleanedNames > 0 {
            print("\(some(sums.cleanedNames, "name")) read without blanks or a text guard around them")
        }
        if !summed.isEmpty {
            print("summed: " + list(summed.map { place($0) + lines($0.lines) }, "places", separator: "; "))
        }
        if sums.refused > 0 { print("\(some(sums.refused, "row")) refused; the sums are without them") }
        print(
            "\(some(sums.counts, "count")), \(sums.differ) \(sums.differ == 1 ? "differs" : "differ"): "
                + "\(sums.more) units more than on hand, \(sums.fewer) fewer")
    }

    private func passedOver(_ sums: Sums) -> [String] {
        var parts: [String] = []
        if sums.blankRows > 0 { parts.append(some(sums.blankRows, "blank row")) }
        if sums.rowsAboveHeader > 0 { parts.append(some(sums.rowsAboveHeader, "row") + " above the header") }
        if !sums.repeatedHeaders.isEmpty {
            parts.append("the header that stands again on " + lines(sums.repeatedHeaders))
        }
        if !sums.columnsNotRead.isEmpty {
            let names = sums.columnsNotRead.map { "\"\(Printable.text(Array($0.utf8), limit: 64))\"" }
            parts.append(
                (names.count == 1 ? "the column " : "the columns ") + list(names, "columns", separator: ", "))
        }
        return parts
    }

    private func some(_ number: Int, _ name: String) -> String {
        "\(number) \(name)\(number == 1 ? "" : "s")"
    }

    private func lines(_ numbers: [Int]) -> String {
        (numbers.count == 1 ? "line " : "lines ") + list(numbers.map(String.init), "lines", separator: ", ")
    }

    private func list(_ items: [String], _ name: String, separator: String) -> String {
        let rest = items.count - Self.named
        return items.prefix(Self.named).joined(separator: separator)
            + (rest > 0 ? " and \(rest) \(name) more" : "")
    }

    private func json(_ value: some Encodable) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        if let data = try? encoder.encode(value) { print(String(decoding: data, as: UTF8.self)) }
    }
}
