/// A reader of separated values (RFC 4180, and what spreadsheets make of it): fields may stand in double quotes, in which
/// separators, line breaks and doubled quotes mean themselves. Lines end with CR LF, LF or CR; empty lines are passed over.
///
/// It keeps no more than a row and a piece of the file.
package struct CSVReader {
    /// Why a row cannot be read, with the line, from 1, on which that is.
    package struct Mistake: Error, Equatable, CustomStringConvertible {
        package let line: Int
        package let problem: String
        /// Whether nothing behind it can be read. Otherwise `next()` goes on with the next line.
        package let isLast: Bool

        package init(line: Int, _ problem: String, isLast: Bool = false) {
            self.line = line
            self.problem = problem
            self.isLast = isLast
        }

        package var description: String { "line \(line): \(problem)" }
    }

    package enum Separator: UInt8, CaseIterable, Sendable {
        case comma = 0x2C
        case semicolon = 0x3B
        case tab = 0x09
        case bar = 0x7C

        package var name: String {
            switch self {
            case .comma: "commas"
            case .semicolon: "semicolons"
            case .tab: "tabs"
            case .bar: "vertical bars"
            }
        }
    }

    package struct Row: Equatable, Sendable {
        /// The line that it begins on.
        package let line: Int
        package let fields: [String]
        /// Whether the file ends with it, without the end of a line: it may be cut off.
        package let isCutOff: Bool
    }

    /// How much is read at the start, for `glance`.
    private static let headBytes = 1 << 16

    private static let (lineFeed, carriageReturn, quote): (UInt8, UInt8, UInt8) = (0x0A, 0x0D, 0x22)
    private static let (blank, equals): (UInt8, UInt8) = (0x20, 0x3D)
    /// What old systems write behind the end of a text.
    private static let endOfText: UInt8 = 0x1A

    package var separator = Separator.comma
    /// The separator that the file's first line names, as spreadsheets write it: `sep=;`.
    package private(set) var namedSeparator: Separator?
    /// How many lines that were passed over have nothing in them.
    package private(set) var emptyLines = 0

    private let rowBytes: Int
    private var pieces: TextPieces
    private var buffer: [UInt8] = []
    private var place = 0
    private var isAtEnd = false
    private var line = 1
    private var rowLength = 0
    private var field: [UInt8] = []

    package var encoding: TextPieces.Encoding { pieces.encoding }

    /// - Parameter rowBytes: of the longest row; a longer one is a mistake.
    /// - Throws: `Mistake` for a file that is no text, and what `source` throws.
    package init(rowBytes: Int, from source: @escaping TextPieces.Source) throws {
        self.rowBytes = rowBytes
        pieces = try TextPieces(source)
        while buffer.count < Self.headBytes {
            let piece = try pieces.next()
            if piece.isEmpty { break }
            buffer += piece
        }
        try takeSeparatorLine()
    }

    package init(_ bytes: [UInt8], rowBytes: Int) throws {
        var piece = bytes
        try self.init(rowBytes: rowBytes) {
            defer { piece = [] }
            return piece
        }
    }

    /// The first rows, as `separator` would part them; those that cannot be read are left out. Takes nothing.
    package func glance(by separator: Separator, rows limit: Int) -> [Row] {
        var reader = self
        reader.separator = separator
        reader.isAtEnd = true
        var rows: [Row] = []
        while rows.count < limit {
            do {
                guard let row = try reader.next() else { break }
                rows.append(row)
            } catch {
                if (error as? Mistake)?.isLast ?? true { break }
            }
        }
        return rows
    }

    /// The next row; nil at the end.
    /// - Throws: `Mistake`, and what the source throws.
    package mutating func next() throws -> Row? {
        while let byte = try peek() {
            rowLength = 0
            if try takeLineEnd() {
                emptyLines += 1
            } else if byte == Self.endOfText, try peekSecond() == nil {
                place += 1
            } else {
                return try row()
            }
        }
        return nil
    }

    // MARK: Rows

    private mutating func row() throws -> Row {
        let start = line
        var fields: [String] = []
        var wrong: Mistake?
        do {
            while true {
                let fieldLine = line
                try readField()
                if let text = String(validating: field, as: UTF8.self) {
                    fields.append(text)
                } else {
                    wrong = wrong ?? noText(on: fieldLine)
                }
                guard try peek() == separator.rawValue else { break }
                try take()
            }
            guard try peek() == nil || isAtLineEnd else {
                throw Mistake(
                    line: line,
                    "text stands behind a closing quote; put the whole field in quotes, and double "
                        + "the quotes that belong to it")
            }
        } catch let mistake as Mistake {
            if !mistake.isLast { try skipLine() }
            throw mistake
        }
        let isCutOff = try !takeLineEnd()
        if let wrong { throw wrong }
        return Row(line: start, fields: fields, isCutOff: isCutOff)
    }

    private func noText(on line: Int) -> Mistake {
        switch encoding {
        case .utf8, .markedUTF8:
            Mistake(
                line: line,
                "\"\(Printable.text(field, limit: 64))\" is no UTF-8; save the file as \"CSV UTF-8\", or convert it "
                    + "(from Windows-1252: iconv -f WINDOWS-1252 -t UTF-8)")
        case .littleEndianUTF16, .bigEndianUTF16:
            Mistake(line: line, "it has half a character of UTF-16; save the file anew, as \"CSV UTF-8\"")
        }
    }

    private mutating func readField() throws {
        field.removeAll(keepingCapacity: true)
        while let byte = try peek(), byte != separator.rawValue, !isAtLineEnd {
            if byte == Self.quote { return try readQuote() }
            try take()
            field.append(byte)
        }
    }

    /// A quote at the beginning of a field, perhaps behind blanks; or of a text guard: `="00123"`.
    private mutating func readQuote() throws {
        let isBlank = field.allSatisfy { $0 == Self.blank || $0 == 0x09 }
        let isGuard = field.last == Self.equals && field.dropLast().allSatisfy { $0 == Self.blank }
        guard isBlank || isGuard else {
            throw Mistake(
                line: line,
                "a quote stands inside of a field that does not begin with one; put the field in quotes, and double "
                    + "the quotes that belong to it")
        }
        field.removeAll(keepingCapacity: true)
        if isGuard { field = [Self.equals, Self.quote] }
        try readQuoted(keepsQuotes: isGuard)
        while let byte = try peek(), byte == Self.blank || byte == 0x09, byte != separator.rawValue {
            try take()
        }
    }

    private mutating func readQuoted(keepsQuotes: Bool) throws {
        let start = line
        do {
            try take()
            while let byte = try peek() {
                if byte == Self.lineFeed || byte == Self.carriageReturn {
                    try takeLineBreakIntoField()
                    continue
                }
                try take()
                if byte == Self.quote {
                    let isDoubled = try peek() == Self.quote
                    if keepsQuotes { field.append(byte) }
                    guard isDoubled else { return }
                    try take()
                }
                field.append(byte)
            }
        } catch is Mistake {
            throw Mistake(
                line: start,
                "a quote is not closed within \(rowBytes) bytes; nothing behind it was read",
                isLast: true)
        }
        throw Mistake(line: start, "a quote is not closed; nothing behind it was read", isLast: true)
    }

    private mutating func takeLineBreakIntoField() throws {
        let isPair = try peek() == Self.carriageReturn && peekSecond() == Self.lineFeed
        for _ in 0..<(isPair ? 2 : 1) {
            field.append(buffer[place])
            try take()
        }
        line += 1
    }

    // MARK: Bytes

    private mutating func peek() throws -> UInt8? {
        if place < buffer.count { return buffer[place] }
        guard !isAtEnd else { return nil }
        buffer = try pieces.next()
        place = 0
        isAtEnd = buffer.isEmpty
        return buffer.first
    }

    private mutating func peekSecond() throws -> UInt8? {
        guard try peek() != nil else { return nil }
        if place + 1 == buffer.count, !isAtEnd {
            let more = try pieces.next()
            isAtEnd = more.isEmpty
            buffer = [buffer[place]] + more
            place = 0
        }
        return place + 1 < buffer.count ? buffer[place + 1] : nil
    }

    /// Takes the byte that `peek` has shown.
    private mutating func take() throws {
        rowLength += 1
        guard rowLength <= rowBytes else {
            throw Mistake(line: line, "the line has more than \(rowBytes) bytes")
        }
        place += 1
    }

    /// Whether the byte that `peek` has shown ends a line.
    private var isAtLineEnd: Bool {
        place < buffer.count && (buffer[place] == Self.lineFeed || buffer[place] == Self.carriageReturn)
    }

    private mutating func takeLineEnd() throws -> Bool {
        guard try peek() != nil, isAtLineEnd else { return false }
        let isPair = try peek() == Self.carriageReturn && peekSecond() == Self.lineFeed
        place += isPair ? 2 : 1
        line += 1
        return true
    }

    private mutating func skipLine() throws {
        while try peek() != nil, !isAtLineEnd { place += 1 }
        _ = try takeLineEnd()
    }

    // MARK: The separator's line

    private mutating func takeSeparatorLine() throws {
        let first = buffer.prefix(64).prefix { $0 != Self.lineFeed && $0 != Self.carriageReturn }
        guard first.count < 64 else { return }
        var words = first.filter { $0 != Self.quote }
        while words.count > 5, words.last == Self.blank { words.removeLast() }
        guard words.count >= 5, String(decoding: words.prefix(4), as: UTF8.self).lowercased() == "sep=" else {
            return
        }
        let name = words.dropFirst(4)
        let isTab = name.elementsEqual("\\t".utf8)
        // A spreadsheet that has opened and saved the file puts more of them behind it.
        guard let found = isTab ? .tab : name.first.flatMap(Separator.init(rawValue:)),
            isTab || name.allSatisfy({ $0 == found.rawValue })
        else {
            throw Mistake(
                line: 1,
                "it names \"\(Printable.text(Array(name)))\" as the separator; comma, semicolon, tab and | are read",
                isLast: true)
        }
        namedSeparator = found
        separator = found
        place = first.count
        _ = try takeLineEnd()
    }
}
