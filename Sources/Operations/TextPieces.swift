/// The bytes of a text file as UTF-8, a piece at a time, so that a file of any size takes little memory. It reads UTF-8
/// and UTF-16; what is neither comes out as bytes that are no UTF-8.
package struct TextPieces {
    package enum Encoding: String, Sendable {
        case utf8 = "UTF-8"
        case markedUTF8 = "UTF-8 with a byte order mark"
        case littleEndianUTF16 = "UTF-16 LE"
        case bigEndianUTF16 = "UTF-16 BE"
    }

    /// Gives the bytes, in pieces of any size; an empty one is the end.
    package typealias Source = () throws -> [UInt8]

    /// A byte that stands in no UTF-8, for what is no text.
    private static let noText: UInt8 = 0xFF

    package let encoding: Encoding
    private let source: Source
    private var first: [UInt8]
    /// Of UTF-16: the byte that waits for its other half.
    private var halfUnit: UInt8?
    /// Of UTF-16: the surrogate that waits for its other half.
    private var highSurrogate: UInt16?

    /// - Throws: `CSVReader.Mistake` for a file that is no text, and what `source` throws.
    package init(_ source: @escaping Source) throws {
        self.source = source
        var first: [UInt8] = []
        while first.count < 4 {
            let piece = try source()
            if piece.isEmpty { break }
            first += piece
        }
        if let format = Self.otherFormat(first) {
            throw CSVReader.Mistake(
                line: 1, "this is \(format) and no text; save it as CSV in UTF-8", isLast: true)
        }
        let (encoding, markBytes) = Self.encoding(of: first)
        self.encoding = encoding
        first.removeFirst(markBytes)
        self.first = first
    }

    private static func otherFormat(_ bytes: [UInt8]) -> String? {
        let formats: [([UInt8], String)] = [
            ([0x50, 0x4B, 0x03, 0x04], "a workbook (.xlsx or .ods) or another archive"),
            ([0xD0, 0xCF, 0x11, 0xE0], "a workbook (.xls)"),
            ([0x1F, 0x8B], "a file that gzip has made"),
            ([0x25, 0x50, 0x44, 0x46], "a PDF"),
            ([0xFF, 0xFE, 0x00, 0x00], "UTF-32"),
            ([0x00, 0x00, 0xFE, 0xFF], "UTF-32"),
        ]
        return formats.first { bytes.starts(with: $0.0) }?.1
    }

    /// - Returns: the encoding, and how long the byte order mark is.
    private static func encoding(of bytes: [UInt8]) -> (Encoding, Int) {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return (.markedUTF8, 3) }
        if bytes.starts(with: [0xFF, 0xFE]) { return (.littleEndianUTF16, 2) }
        if bytes.starts(with: [0xFE, 0xFF]) { return (.bigEndianUTF16, 2) }
        // Without a mark: a header begins with two characters of ASCII, and no text has a zero.
        guard bytes.count >= 4 else { return (.utf8, 0) }
        switch (bytes[0], bytes[1], bytes[2], bytes[3]) {
        case (1..., 0, 1..., 0): return (.littleEndianUTF16, 0)
        case (0, 1..., 0, 1...): return (.bigEndianUTF16, 0)
        default: return (.utf8, 0)
        }
    }

    /// The next piece; empty at the end.
    package mutating func next() throws -> [UInt8] {
        while true {
            let bytes = try nextBytes()
            guard encoding == .littleEndianUTF16 || encoding == .bigEndianUTF16 else { return bytes }
            let text = bytes.isEmpty ? rest() : transcoded(bytes)
            if bytes.isEmpty || !text.isEmpty { return text }
        }
    }

    private mutating func nextBytes() throws -> [UInt8] {
        guard first.isEmpty else {
            defer { first = [] }
            return first
        }
        return try source()
    }

    private mutating func transcoded(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count)
        for byte in bytes {
            guard let before = halfUnit else {
                halfUnit = byte
                continue
            }
            halfUnit = nil
            let (low, high) = encoding == .littleEndianUTF16 ? (before, byte) : (byte, before)
            add(UInt16(high) << 8 | UInt16(low), to: &text)
        }
        return text
    }

    private mutating func add(_ unit: UInt16, to text: inout [UInt8]) {
        if let high = highSurrogate {
            highSurrogate = nil
            if UTF16.isTrailSurrogate(unit) {
                let value = 0x10000 + (UInt32(high) - 0xD800) << 10 + (UInt32(unit) - 0xDC00)
                text.append(contentsOf: UTF8.encode(Unicode.Scalar(value)!)!)
                return
            }
            text.append(Self.noText)
        }
        if UTF16.isLeadSurrogate(unit) {
            highSurrogate = unit
        } else if let scalar = Unicode.Scalar(unit) {
            text.append(contentsOf: UTF8.encode(scalar)!)
        } else {
            text.append(Self.noText)
        }
    }

    /// What is left at the end: half a character.
    private mutating func rest() -> [UInt8] {
        guard halfUnit != nil || highSurrogate != nil else { return [] }
        (halfUnit, highSurrogate) = (nil, nil)
        return [Self.noText]
    }
}
