import InventoryCore
import Operations

/// The file of a warehouse's count, as a spreadsheet or a scanner writes it: its rows, those that are refused, and what
/// was passed over. It knows nothing of what stock there is.
package struct CountFile: Sendable {
    /// Why a row is no count, with its line.
    package struct Refusal: Error, Equatable, Sendable, CustomStringConvertible {
        package let line: Int
        package let problem: String

        package var description: String { "line \(line): \(problem)" }
    }

    package struct Row: Equatable, Sendable {
        package let line: Int
        /// As they are written, blanks and text guards included.
        package let sku: ID
        package let warehouse: ID
        package let counted: Int64
        /// What the warehouse believes that was on hand when it counted.
        package let expected: Int64?
    }

    /// What was seen of the file, and passed over.
    package struct Reading: Equatable, Sendable {
        package var encoding = TextPieces.Encoding.utf8
        package var separator = CSVReader.Separator.comma
        /// Whether the file's first line names the separator.
        package var hasSeparatorLine = false
        /// Those with something in them, behind the header.
        package var rows = 0
        package var blankRows = 0
        package var rowsAboveHeader = 0
        /// The lines of headers that stand once more, as in files that were put together.
        package var repeatedHeaders: [Int] = []
        /// The names of columns that are not read.
        package var columns: [String] = []

        package init(
            encoding: TextPieces.Encoding = .utf8, separator: CSVReader.Separator = .comma,
            hasSeparatorLine: Bool = false, rows: Int = 0, blankRows: Int = 0, rowsAboveHeader: Int = 0,
            repeatedHeaders: [Int] = [], columns: [String] = []
        ) {
            self.encoding = encoding
            self.separator = separator
            self.hasSeparatorLine = hasSeparatorLine
            self.rows = rows
            self.blankRows = blankRows
            self.rowsAboveHeader = rowsAboveHeader
            self.repeatedHeaders = repeatedHeaders
            self.columns = columns
        }
    }

    package private(set) var reading = Reading()
    package private(set) var counts: [Row] = []
    package private(set) var refusals: [Refusal] = []

    private struct Bin: Hashable {
        let sku: ID
        let warehouse: ID
        let bin: ID
    }

    private var bins: [Bin: Int] = [:]
    private let header: CountHeader
    /// How many fields the first row has behind those of the header.
    private var surplus: Int?

    /// Reads a file whole.
    /// - Throws: `CSVReader.Mistake` where nothing can be read, and what `source` throws.
    package init(_ source: @escaping TextPieces.Source) throws {
        var reader = try CSVReader(rowBytes: CountLimits.rowBytes, from: source)
        let separators = reader.namedSeparator.map { [$0] } ?? CSVReader.Separator.allCases
        let candidates = separators.map { ($0, reader.glance(by: $0, rows: CountLimits.rowsAboveHeader + 1)) }
        guard let found = candidates.first(where: { $0.1.contains(where: CountHeader.isOne) }) else {
            _ = try reader.next()
            throw CountHeader.missing(in: candidates.map(\.1))
        }
        reader.separator = found.0
        reading.rowsAboveHeader = try Self.skipToHeader(&reader)
        header = try CountHeader(found.1.first(where: CountHeader.isOne)!)
        reading.encoding = reader.encoding
        reading.separator = reader.separator
        reading.hasSeparatorLine = reader.namedSeparator != nil
        reading.columns = header.others
        let linesBefore = reader.emptyLines
        try readRows(&reader)
        reading.blankRows += reader.emptyLines - linesBefore
    }

    package init(_ bytes: [UInt8]) throws {
        var piece = bytes
        try self.init {
            defer { piece = [] }
            return piece
        }
    }

    /// - Returns: how many rows with something in them stand above it.
    private static func skipToHeader(_ reader: inout CSVReader) throws -> Int {
        var above = 0
        while true {
            do {
                guard let row = try reader.next(), !CountHeader.isOne(row) else { return above }
                if !isBlank(row) { above += 1 }
            } catch let mistake as CSVReader.Mistake where !mistake.isLast {
                above += 1
            }
        }
    }

    private mutating func readRows(_ reader: inout CSVReader) throws {
        while true {
            do {
                guard let row = try reader.next() else { return }
                try add(row)
            } catch let mistake as CSVReader.Mistake {
                reading.rows += 1
                refusals.append(Refusal(line: mistake.line, problem: mistake.problem))
                if mistake.isLast { return }
            }
            guard counts.count + refusals.count <= CountLimits.rows else {
                throw CSVReader.Mistake(
                    line: max(refusals.last?.line ?? 0, counts.last?.line ?? 0),
                    "the file has more than \(CountLimits.rows) rows; split it", isLast: true)
            }
        }
    }

    private static func isBlank(_ row: CSVReader.Row) -> Bool {
        row.fields.allSatisfy { CountText.cleanNumber($0).isEmpty }
    }

    private mutating func add(_ row: CSVReader.Row) throws {
        if Self.isBlank(row) {
            reading.blankRows += 1
        } else if header.isRepeated(by: row) {
            reading.repeatedHeaders.append(row.line)
        } else {
            reading.rows += 1
            do throws(Refusal) {
                counts.append(try count(row))
            } catch {
                refusals.append(error)
            }
        }
    }

    // MARK: A row

    private mutating func count(_ row: CSVReader.Row) throws(Refusal) -> Row {
        try checkWidth(row)
        let sku = try name(.sku, row)
        let warehouse = try name(.warehouse, row)
        guard let counted = try units(.counted, row) else {
            throw Refusal(
                line: row.line,
                problem:
                    "counted is empty; write 0 if nothing is there, and delete the row if it was not counted")
        }
        try checkBin(row, sku, warehouse)
        return Row(
            line: row.line, sku: sku, warehouse: warehouse, counted: counted,
            expected: try units(.expected, row))
    }

    /// A field too many is often a number such as 1,118; one too few, a file that was cut off.
    private mutating func checkWidth(_ row: CSVReader.Row) throws(Refusal) {
        let (count, width) = (row.fields.count, header.width)
        let fields = count == 1 ? "1 field" : "\(count) fields"
        let more = row.fields.dropFirst(width)
        let allowed = surplus ?? more.count
        if more.isEmpty || more.allSatisfy({ CountText.cleanNumber($0).isEmpty }) && more.count == allowed {
            if surplus == nil { surplus = more.count }
        } else {
            throw Refusal(
                line: row.line,
                problem:
                    "it has \(fields), and the header \(width); a field with the separator in it stands in "
                    + "quotes, and a number is written without separators")
        }
        let required = header.lastRequired + 1
        guard count >= (row.isCutOff ? width : required) else {
            throw Refusal(
                line: row.line,
                problem: "it has \(fields), and the header \(width)"
                    + (row.isCutOff ? "; the file ends within the line, so it may be cut off" : ""))
        }
    }

    private func name(_ column: CountHeader.Column, _ row: CSVReader.Row) throws(Refusal) -> ID {
        let text = header.field(column, row)
        let clean = CountText.clean(text)
        guard !clean.isEmpty else {
            throw Refusal(
                line: row.line,
                problem: "\(column.rawValue) is empty; if the row is a total, delete it")
        }
        // What stands around a name counts too: a row is kept as it is written.
        guard clean.utf8.count <= Limits.idBytes, text.utf8.count <= CountLimits.writtenNameBytes else {
            throw Refusal(
                line: row.line,
                problem: "\(column.rawValue) \(CountText.quoted(clean)) has \(text.utf8.count) bytes; 1 to "
                    + "\(Limits.idBytes) are allowed")
        }
        return ID(text)
    }

    private func units(_ column: CountHeader.Column, _ row: CSVReader.Row) throws(Refusal) -> Int64? {
        let text = header.field(column, row)
        switch CountNumber(text) {
        case .blank: return nil
        case .units(let units): return units
        case .refused(let advice):
            throw Refusal(
                line: row.line, problem: "\(column.rawValue) is \(CountText.quoted(text)); \(advice)")
        }
    }

    /// A bin is counted once. Two rows without a bin may be two bins.
    private mutating func checkBin(_ row: CSVReader.Row, _ sku: ID, _ warehouse: ID) throws(Refusal) {
        let bin = CountText.clean(header.field(.bin, row))
        guard !bin.isEmpty else { return }
        let place = Bin(
            sku: ID(CountText.clean(sku.text)), warehouse: ID(CountText.clean(warehouse.text)), bin: ID(bin))
        if let before = bins.updateValue(row.line, forKey: place) {
            throw Refusal(
                line: row.line,
                problem:
                    "bin \(CountText.quoted(bin)) of \(CountText.quoted(place.sku.text)) was counted on line "
                    + "\(before) before; delete one of the rows")
        }
    }
}
