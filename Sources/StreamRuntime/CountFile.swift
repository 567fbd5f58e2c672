import InventoryCore
import InventoryWire

/// What a warehouse has counted: the rows of its file, checked, and the commands that put the levels right.
package struct CountFile: Sendable {
    /// The most rows of a file.
    package static let rows = 1_000_000

    /// Why a row is no count, with its line.
    package struct Mistake: Error, Equatable, CustomStringConvertible {
        package let line: Int
        package let problem: String

        package var description: String { "line \(line): \(problem)" }
    }

    package struct Count: Equatable, Sendable {
        package let line: Int
        package let sku: ID
        package let warehouse: ID
        package let counted: Int64
        /// What the warehouse believes that was on hand when it counted.
        package let expected: Int64?
    }

    private struct Place: Hashable {
        let sku: ID
        let warehouse: ID
    }

    private enum Column: String, CaseIterable { case sku, warehouse, counted, expected }

    package private(set) var counts: [Count] = []
    private var lines: [Place: Int] = [:]
    /// Where each column stands.
    private let columns: [Column: Int]
    private let width: Int

    /// - Parameter header: the names of the columns: `sku`, `warehouse`, `counted` and, if it is there, `expected`,
    ///   in any order.
    package init(header: [String], line: Int) throws(Mistake) {
        var columns: [Column: Int] = [:]
        let known = Column.allCases.map(\.rawValue).joined(separator: ", ")
        for (place, name) in header.enumerated() {
            guard let column = Column(rawValue: name) else {
                throw Mistake(line: line, problem: "there is no column \"\(name)\"; the header has \(known)")
            }
            guard columns.updateValue(place, forKey: column) == nil else {
                throw Mistake(line: line, problem: "the column \(name) stands twice")
            }
        }
        for column in [Column.sku, .warehouse, .counted] where columns[column] == nil {
            throw Mistake(line: line, problem: "the header lacks \(column.rawValue)")
        }
        self.columns = columns
        width = header.count
    }

    package mutating func add(_ fields: [String], line: Int) throws(Mistake) {
        guard fields.count == width else {
            throw Mistake(line: line, problem: "it has \(fields.count) fields, and the header \(width)")
        }
        guard counts.count < Self.rows else {
            throw Mistake(line: line, problem: "the file has more than \(Self.rows) rows; split it")
        }
        let sku = try id(.sku, fields, line)
        if PartitionBook.isBook(sku) {
            throw Mistake(line: line, problem: "\(sku) is no SKU")
        }
        let warehouse = try id(.warehouse, fields, line)
        let place = Place(sku: sku, warehouse: warehouse)
        if let before = lines.updateValue(line, forKey: place) {
            throw Mistake(line: line, problem: "\(sku) in \(warehouse) was counted on line \(before) before")
        }
        guard let counted = try units(.counted, fields, line) else {
            throw Mistake(line: line, problem: "counted is empty")
        }
        counts.append(
            Count(
                line: line, sku: sku, warehouse: warehouse, counted: counted,
                expected: try units(.expected, fields, line)))
    }

    private func id(_ column: Column, _ fields: [String], _ line: Int) throws(Mistake) -> ID {
        let text = fields[columns[column]!]
        guard (1...Limits.idBytes).contains(text.utf8.count) else {
            throw Mistake(
                line: line,
                problem: "\(column.rawValue) has \(text.utf8.count) bytes; 1 to \(Limits.idBytes) are allowed"
            )
        }
        guard !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw Mistake(line: line, problem: "\(column.rawValue) has a control character")
        }
        return ID(text)
    }

    private func units(_ column: Column, _ fields: [String], _ line: Int) throws(Mistake) -> Int64? {
        guard let place = columns[column], !fields[place].isEmpty else { return nil }
        guard let units = Int64(fields[place]), (0...Limits.onHand).contains(units) else {
            throw Mistake(
                line: line,
                problem: "\(column.rawValue) is \"\(fields[place])\"; it must be a whole number from 0 to "
                    + "\(Limits.onHand)")
        }
        return units
    }

    /// What the file is known by: the same rows in the same order have the same, however they are written.
    package var name: String {
        var text = ""
        for count in counts {
            // A line feed is in no id.
            text += "\(count.sku)\n\(count.warehouse)\n\(count.counted)\n"
            text += count.expected.map { "\($0)\n" } ?? "-\n"
        }
        return String(text.withUTF8 { SHA256Digest.hash(UnsafeRawBufferPointer($0)) }.hexadecimal.prefix(32))
    }

    /// The command for a count: its id follows from the file and the place in it, so that the same file, given once
    /// more, is not applied once more.
    ///
    /// - Parameters:
    ///   - index: of the count in `counts`.
    ///   - onHand: what is on hand now; expected where the file says nothing, so that a movement in between is seen.
    package func command(for index: Int, of name: String, onHand: Int64) -> Command {
        let count = counts[index]
        return Command(
            id: "count-\(name)-\(index + 1)", sku: count.sku,
            body: .adjust(
                Command.Adjust(
                    warehouse: count.warehouse,
                    change: .count(count.counted, expected: count.expected ?? onHand),
                    reasonCode: .cycleCount)))
    }
}
