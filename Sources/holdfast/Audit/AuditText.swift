import Audit
import Foundation
import InventoryCore
import Operations

/// What audits print.
enum AuditText {
    /// Columns as wide as their longest cell.
    /// - Parameter left: the columns that stand at the left; others, such as numbers, at the right.
    static func table(_ rows: [[String]], left: Set<Int> = [0]) -> [String] {
        let cells = rows.map { $0.map(printable) }
        let columns = cells.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            cells.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        return cells.map { row in
            let line = row.enumerated().map { column, cell in
                let blank = String(repeating: " ", count: widths[column] - cell.count)
                return left.contains(column) ? cell + blank : blank + cell
            }.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }

    /// A difference in a few lines: where, what was found, what was expected, what to run next.
    static func lines(_ difference: Difference) -> [String] {
        var place = "\(difference.place) \(difference.partition)/"
        place += difference.offset.map { "\($0)" } ?? "-"
        if let sku = difference.sku { place += ", SKU \(printable(sku))" }
        if let sequence = difference.sequence { place += ", sequence \(sequence)" }
        if let command = difference.command {
            place += ", command at \(difference.partition)/\(command)"
        }
        return [
            "\(difference.kind.rawValue): \(place)", "    found     \(printable(difference.found))",
            "    expected  \(printable(difference.expected))", "    next      \(printable(difference.next))",
        ]
    }

    static func lines(_ differences: Differences) -> [String] {
        var lines = differences.first.flatMap(Self.lines)
        let left = differences.count - differences.first.count
        if left > 0 { lines.append("and \(left) more; --differences N tells more of them") }
        return lines
    }

    static func printable(_ text: String) -> String { Printable.text(Array(text.utf8)) }
    static func printable(_ id: ID) -> String { printable(id.text) }

    static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
