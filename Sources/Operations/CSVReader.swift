/// A reader of comma-separated values (RFC 4180): fields may stand in double quotes, in which commas, line breaks and
/// doubled quotes mean themselves. Lines end with CR LF or LF; empty lines are passed over, a byte order mark at the
/// beginning too.
package struct CSVReader {
    /// Why the text cannot be read, with the line, from 1, on which that is.
    package struct Mistake: Error, Equatable, CustomStringConvertible {
        package let line: Int
        package let problem: String

        package init(line: Int, _ problem: String) {
            self.line = line
            self.problem = problem
        }

        package var description: String { "line \(line): \(problem)" }
    }

    package struct Row: Equatable, Sendable {
        /// The line that it begins on.
        package let line: Int
        package let fields: [String]
    }

    private let bytes: [UInt8]
    private var place = 0
    private var line = 1

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { place = 3 }
    }

    /// The next row; nil at the end.
    package mutating func next() throws(Mistake) -> Row? {
        while place < bytes.count {
            let start = line
            if takeLineEnd() { continue }
            var fields = [try field()]
            while place < bytes.count, bytes[place] == 0x2C {
                place += 1
                fields.append(try field())
            }
            guard place == bytes.count || takeLineEnd() else {
                throw Mistake(line: line, "text stands behind a closing quote")
            }
            return Row(line: start, fields: fields)
        }
        return nil
    }

    private mutating func takeLineEnd() -> Bool {
        guard place < bytes.count else { return false }
        var next = place
        if bytes[next] == 0x0D { next += 1 }
        guard next < bytes.count, bytes[next] == 0x0A else { return false }
        place = next + 1
        line += 1
        return true
    }

    private mutating func field() throws(Mistake) -> String {
        let start = line
        var field: [UInt8] = []
        if place < bytes.count, bytes[place] == 0x22 {
            try readQuoted(into: &field)
        } else {
            while place < bytes.count, bytes[place] != 0x2C, !isAtLineEnd {
                guard bytes[place] != 0x22 else {
                    throw Mistake(line: line, "a quote stands inside of a field that does not begin with one")
                }
                field.append(bytes[place])
                place += 1
            }
        }
        guard let text = String(validating: field, as: UTF8.self) else {
            throw Mistake(line: start, "it is no UTF-8")
        }
        return text
    }

    private var isAtLineEnd: Bool {
        bytes[place] == 0x0A
            || bytes[place] == 0x0D && place + 1 < bytes.count && bytes[place + 1] == 0x0A
    }

    private mutating func readQuoted(into field: inout [UInt8]) throws(Mistake) {
        let start = line
        place += 1
        while place < bytes.count {
            let byte = bytes[place]
            place += 1
            if byte == 0x22 {
                guard place < bytes.count, bytes[place] == 0x22 else { return }
                place += 1
            }
            if byte == 0x0A { line += 1 }
            field.append(byte)
        }
        throw Mistake(line: start, "a quote is not closed")
    }
}
