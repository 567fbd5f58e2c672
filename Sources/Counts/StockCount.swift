import InventoryCore
import InventoryWire

/// What a warehouse has counted, held against the stock that is known: what differs, which rows are refused, and the
/// commands that put the levels right.
package struct StockCount: Sendable {
    /// What was counted of a SKU in a warehouse, all its bins together.
    package struct Count: Equatable, Sendable {
        package let line: Int
        package let sku: ID
        package let warehouse: ID
        package fileprivate(set) var counted: Int64
        /// What the warehouse believes that was on hand when it counted.
        package fileprivate(set) var expected: Int64?
        package let onHand: Int64
        package let reserved: Int64
        /// Whether the SKU has not been in the warehouse before.
        package fileprivate(set) var isNew: Bool
        /// The lines of its other bins.
        package fileprivate(set) var otherLines: [Int] = []
        /// What else a new name may have been meant to be.
        package fileprivate(set) var note: String?

        package var lines: [Int] { [line] + otherLines }
        package var difference: Int64 { counted - onHand }
    }

    package private(set) var counts: [Count] = []
    /// By their lines.
    package private(set) var refusals: [CountFile.Refusal] = []
    /// How many names were taken without what a spreadsheet put around them.
    package private(set) var cleanedNames = 0

    private struct Place: Hashable {
        let sku: ID
        let warehouse: ID
    }

    /// - Parameter allowsNew: whether SKUs and warehouses may be new in every row.
    package init(_ file: CountFile, known: KnownStock, allowsNew: Bool) {
        var doubts = CountDoubts()
        var places: [Place: Int] = [:]
        refusals = file.refusals
        for row in file.counts {
            do throws(CountFile.Refusal) {
                let sku = try resolve(row.sku, row.line) { known.isKnown(sku: $0) }
                let warehouse = try resolve(row.warehouse, row.line) { known.isKnown(warehouse: $0) }
                let isAllowed = allowsNew || row.expected == 0
                let held = known.held(sku, in: warehouse)
                let isKnown = known.isKnown(sku: sku) && known.isKnown(warehouse: warehouse)
                // Nothing was found where nothing is: no unit comes of it.
                let isNew = held == nil && !(isKnown && row.counted == 0)
                if isNew, !doubts.takesAsNew(sku, warehouse, row.line, known, isAllowed: isAllowed) {
                    continue
                }
                try add(row, sku, warehouse, held, isNew: isNew, &places)
            } catch {
                refusals.append(error)
            }
        }
        doubts.propose(known)
        refusals += doubts.refusals(known)
        refusals.sort { $0.line < $1.line }
        for index in counts.indices where counts[index].isNew {
            counts[index].note = doubts.note(counts[index].sku, counts[index].warehouse)
        }
    }

    /// The name as it is written, if that is known; otherwise without a text guard and without blanks around it.
    private mutating func resolve(
        _ written: ID, _ line: Int, _ isKnown: (ID) -> Bool
    ) throws(CountFile.Refusal) -> ID {
        let clean = ID(CountText.clean(written.text))
        guard clean != written else { return written }
        if isKnown(written) {
            guard !isKnown(clean) else {
                throw CountFile.Refusal(
                    line: line,
                    problem:
                        "both \(CountText.quoted(written.text)) and \(CountText.quoted(clean.text)) are known, "
                        + "so it may be either; count the first by a command of its own (adjust)")
            }
            return written
        }
        cleanedNames += 1
        return clean
    }

    private mutating func add(
        _ row: CountFile.Row, _ sku: ID, _ warehouse: ID, _ held: KnownStock.Held?, isNew: Bool,
        _ places: inout [Place: Int]
    ) throws(CountFile.Refusal) {
        let place = Place(sku: sku, warehouse: warehouse)
        guard let index = places[place] else {
            places[place] = counts.count
            counts.append(
                Count(
                    line: row.line, sku: sku, warehouse: warehouse, counted: row.counted,
                    expected: row.expected, onHand: held?.onHand ?? 0, reserved: held?.reserved ?? 0,
                    isNew: isNew))
            return
        }
        // Not the count itself: its lines would be copied for each further row, and a scanner may write a row a unit.
        let (line, expected) = (counts[index].line, counts[index].expected)
        guard (expected == nil) == (row.expected == nil) else {
            throw CountFile.Refusal(
                line: row.line,
                problem: "\(CountText.quoted(sku.text)) in \(CountText.quoted(warehouse.text)) has expected "
                    + "\(row.expected == nil ? "on line \(line) and not" : "here and not on line \(line)")"
                    + "\(row.expected == nil ? " here" : ""); write it for each of its bins, or for none")
        }
        let counted = counts[index].counted + row.counted
        let expectedSum = expected.map { $0 + row.expected! }
        for (units, verb) in [(counted, "counted"), (expectedSum ?? 0, "expected")]
        where units > Limits.onHand {
            throw CountFile.Refusal(
                line: row.line,
                problem: "with the rows before, \(units) units of \(CountText.quoted(sku.text)) in "
                    + "\(CountText.quoted(warehouse.text)) were \(verb); at most \(Limits.onHand) are allowed"
            )
        }
        counts[index].counted = counted
        counts[index].expected = expectedSum
        counts[index].otherLines.append(row.line)
        if isNew { counts[index].isNew = true }
    }

    // MARK: Commands

    /// What the count is known by: the same counts in the same order have the same, however they are written.
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
    /// more, is not applied once more. Where the file says nothing, what is on hand now is expected, so that a movement
    /// in between is seen.
    ///
    /// - Parameter index: of the count in `counts`.
    package func command(for index: Int, of name: String) -> Command {
        let count = counts[index]
        return Command(
            id: "count-\(name)-\(index + 1)", sku: count.sku,
            body: .adjust(
                Command.Adjust(
                    warehouse: count.warehouse,
                    change: .count(count.counted, expected: count.expected ?? count.onHand),
                    reasonCode: .cycleCount)))
    }
}
