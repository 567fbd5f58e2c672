import Operations

/// Where the columns of a count's file stand. Their names may be in any case, with blanks around them, in any order,
/// among others.
struct CountHeader: Sendable {
    enum Column: String, CaseIterable {
        case sku, warehouse, counted, expected
        /// Where in the warehouse; so that none is counted twice.
        case bin
    }

    private static let required: [Column] = [.sku, .warehouse, .counted]

    private let columns: [Column: Int]
    private let names: [String]
    /// The names of the columns that are not read, as they are written.
    let others: [String]

    var width: Int { names.count }

    /// Where the last of the columns stands that every row needs.
    let lastRequired: Int

    /// - Throws: `CSVReader.Mistake` for a header that may mean two things.
    init(_ row: CSVReader.Row) throws(CSVReader.Mistake) {
        names = row.fields.map(Self.name)
        var columns: [Column: Int] = [:]
        var others: [String] = []
        for (place, name) in names.enumerated() {
            guard let column = Column(rawValue: name) else {
                if !name.isEmpty { others.append(CountText.clean(row.fields[place])) }
                continue
            }
            guard columns.updateValue(place, forKey: column) == nil else {
                throw CSVReader.Mistake(
                    line: row.line, "the column \(name) stands twice; delete one, or give it another name",
                    isLast: true)
            }
        }
        if columns[.expected] == nil, let meant = others.first(where: Self.isLikeExpected) {
            throw CSVReader.Mistake(
                line: row.line,
                "the column \(CountText.quoted(meant)) is not read; if it is what was believed to be on hand, name it "
                    + "expected, otherwise delete it",
                isLast: true)
        }
        self.columns = columns
        self.others = others
        lastRequired = Self.required.map { columns[$0]! }.max()!
    }

    /// Without it a count would go on unprotected, and nobody would know.
    private static func isLikeExpected(_ name: String) -> Bool {
        let name = Self.name(name)
        if name.utf8.starts(with: "expect".utf8) { return true }
        var nearest = NearestName<String>(to: name)
        nearest.consider(.init(Column.expected.rawValue, text: Column.expected.rawValue))
        return nearest.distance.map { $0 <= 2 } ?? false
    }

    private static func name(_ field: String) -> String { CountText.cleanNumber(field).lowercased() }

    /// Whether a row names all columns that there must be.
    static func isOne(_ row: CSVReader.Row) -> Bool {
        let names = row.fields.map(name)
        return required.allSatisfy { names.contains($0.rawValue) }
    }

    func isRepeated(by row: CSVReader.Row) -> Bool {
        // Most rows are none, and are known by their length.
        row.fields.count == width && row.fields[columns[.counted]!].utf8.count >= 7
            && row.fields.map(Self.name) == names
    }

    /// Empty where the row or the file has none.
    func field(_ column: Column, _ row: CSVReader.Row) -> String {
        guard let place = columns[column], place < row.fields.count else { return "" }
        return row.fields[place]
    }

    /// What to say of a file without a header.
    /// - Parameter readings: its first rows by each separator.
    static func missing(in readings: [[CSVReader.Row]]) -> CSVReader.Mistake {
        let wanted = "name the columns sku, warehouse and counted in its first row"
        func known(_ row: CSVReader.Row) -> Int {
            let names = row.fields.map(name)
            return required.count { names.contains($0.rawValue) }
        }
        let rows = readings.flatMap { $0 }
        guard let best = rows.max(by: { (known($0), -$0.line) < (known($1), -$1.line) }) else {
            return CSVReader.Mistake(line: 1, "the file is empty; \(wanted)", isLast: true)
        }
        guard known(best) > 0 else {
            return CSVReader.Mistake(
                line: best.line,
                "there is no header; \(wanted), with commas, semicolons or tabs between them; there is "
                    + CountText.quoted(best.fields.joined(separator: ", ")),
                isLast: true)
        }
        let names = best.fields.map(name)
        let lacks = required.filter { !names.contains($0.rawValue) }.map(\.rawValue)
        return CSVReader.Mistake(
            line: best.line,
            "the header lacks \(lacks.joined(separator: " and ")); it has "
                + best.fields.map { CountText.quoted(CountText.clean($0)) }.joined(separator: ", "),
            isLast: true)
    }
}
