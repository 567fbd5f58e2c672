import Operations
import Testing

@Suite("Separated values")
struct CSVReaderTests {
    private static let rowBytes = 1 << 20

    private func rows(_ text: String, by separator: CSVReader.Separator = .comma) throws -> [[String]] {
        try rows(Array(text.utf8), by: separator).map(\.fields)
    }

    private func rows(
        _ bytes: [UInt8], by separator: CSVReader.Separator = .comma
    ) throws -> [CSVReader.Row] {
        var reader = try CSVReader(bytes, rowBytes: Self.rowBytes)
        if reader.namedSeparator == nil { reader.separator = separator }
        var rows: [CSVReader.Row] = []
        while let row = try reader.next() { rows.append(row) }
        return rows
    }

    /// The rows that can be read, and the mistakes of the others.
    private func all(_ bytes: [UInt8]) throws -> (rows: [[String]], mistakes: [CSVReader.Mistake]) {
        var reader = try CSVReader(bytes, rowBytes: Self.rowBytes)
        var rows: [[String]] = []
        var mistakes: [CSVReader.Mistake] = []
        while true {
            do {
                guard let row = try reader.next() else { return (rows, mistakes) }
                rows.append(row.fields)
            } catch let mistake as CSVReader.Mistake {
                mistakes.append(mistake)
                if mistake.isLast { return (rows, mistakes) }
            }
        }
    }

    @Test("Rows end with LF, CR LF or CR, the last one with the file too, and empty lines are passed over")
    func lines() throws {
        #expect(try rows("a,b\r\nc,d\n\ne,f") == [["a", "b"], ["c", "d"], ["e", "f"]])
        #expect(try rows("a,b\rc,d\r\re,f\r") == [["a", "b"], ["c", "d"], ["e", "f"]])
        #expect(try rows("a\r\r\nb") == [["a"], ["b"]])
        #expect(try rows("a,b\n") == [["a", "b"]])
        #expect(try rows("") == [])
        #expect(try rows("\n\r\n\r") == [])
        #expect(try rows(",\n") == [["", ""]])
        #expect(try rows("\u{FEFF}a") == [["a"]])
        #expect(try rows("a\n\u{1A}") == [["a"]])
    }

    @Test("Quotes keep separators, line breaks and doubled quotes, and spaces mean themselves")
    func quotes() throws {
        #expect(try rows(#""a,""b""","c"# + "\r\nd\",\"\"\n") == [[#"a,"b""#, "c\r\nd", ""]])
        #expect(try rows("\"a\rb\"\rc") == [["a\rb"], ["c"]])
        #expect(try rows(" a , b") == [[" a ", " b"]])
        #expect(try rows("\"a;b\";c\n\"d\n\";e", by: .semicolon) == [["a;b", "c"], ["d\n", "e"]])
        #expect(try rows("\"a\tb\"\tc", by: .tab) == [["a\tb", "c"]])
    }

    @Test("Blanks around quotes are passed over, and a text guard stays as it is, in quotes or not")
    func blanksAroundQuotes() throws {
        #expect(try rows("\"a\", \"b\" ,\"c\"\t") == [["a", "b", "c"]])
        #expect(
            try rows("=\"00123\",x\n\"=\"\"00123\"\"\",x") == [["=\"00123\"", "x"], ["=\"00123\"", "x"]])
        #expect(try rows("=\"a,b\",x") == [["=\"a,b\"", "x"]])
        #expect(try rows("=\"a\"\"b\"") == [["=\"a\"\"b\""]])
    }

    @Test("Each row tells the line that it begins on, by every end of a line, and whether it is cut off")
    func places() throws {
        #expect(try rows(Array("a\n\n\"b\nb\"\nc".utf8)).map(\.line) == [1, 3, 5])
        #expect(try rows(Array("a\r\r\"b\rb\"\rc".utf8)).map(\.line) == [1, 3, 5])
        #expect(try rows(Array("a\r\n\r\n\"b\r\nb\"\r\nc".utf8)).map(\.line) == [1, 3, 5])
        #expect(try rows(Array("a\nb".utf8)).map(\.isCutOff) == [false, true])
        #expect(try rows(Array("a\nb\n".utf8)).map(\.isCutOff) == [false, false])
    }

    @Test("The first line may name the separator")
    func separatorLine() throws {
        for (line, separator) in [
            ("sep=;", ";"), ("SEP=,", ","), ("\"sep=;\"", ";"), ("sep=\t", "\t"), ("sep=\\t", "\t"),
            ("sep=|", "|"),
            ("sep=; ", ";"), ("\u{FEFF}sep=;", ";"), ("\"sep=,\",,", ","), ("sep=;;;", ";"),
        ] {
            let read = try rows(Array("\(line)\r\na\(separator)b\n".utf8))
            #expect(read.map(\.fields) == [["a", "b"]] && read.map(\.line) == [2], "\(line)")
        }
        #expect(try rows("sep,b\n") == [["sep", "b"]])
        #expect(try rows("sep=\n") == [["sep="]])
        for text in ["sep=x\na", "sep=;,\na"] {
            #expect(throws: CSVReader.Mistake.self) {
                try CSVReader(Array(text.utf8), rowBytes: Self.rowBytes)
            }
        }
    }

    // MARK: Encodings

    private func utf16(_ text: String, isBig: Bool, mark: Bool) -> [UInt8] {
        Array((mark ? "\u{FEFF}" + text : text).utf16).flatMap {
            isBig ? [UInt8($0 >> 8), UInt8($0 & 0xFF)] : [UInt8($0 & 0xFF), UInt8($0 >> 8)]
        }
    }

    @Test("UTF-16 is read in both orders of bytes, with a byte order mark and without")
    func utf16() throws {
        let text = "sku,b\r\nM\u{FC}sli \u{1F375},\"x\ny\"\r\n"
        for (isBig, mark) in [(false, true), (true, true), (false, false), (true, false)] {
            let bytes = utf16(text, isBig: isBig, mark: mark)
            #expect(
                try rows(bytes).map(\.fields) == [["sku", "b"], ["M\u{FC}sli \u{1F375}", "x\ny"]],
                "\(isBig) \(mark)")
            let encoding = try CSVReader(bytes, rowBytes: Self.rowBytes).encoding
            #expect(encoding == (isBig ? .bigEndianUTF16 : .littleEndianUTF16))
        }
        #expect(try CSVReader(Array("\u{FEFF}a".utf8), rowBytes: Self.rowBytes).encoding == .markedUTF8)
        #expect(try CSVReader(Array("a".utf8), rowBytes: Self.rowBytes).encoding == .utf8)
        #expect(try rows(utf16("sep=;\na;b", isBig: false, mark: true)).map(\.fields) == [["a", "b"]])
    }

    @Test("Half a character of UTF-16 is a mistake of its line")
    func halfCharacters() throws {
        for wrong: [UInt8] in [[0x00, 0xD8], [0x00, 0xDC], [0x00, 0xD8, 0x41, 0x00], [0x41]] {
            let read = try all([0xFF, 0xFE] + Array(utf16("a\n", isBig: false, mark: false)) + wrong)
            #expect(read.rows == [["a"]] && read.mistakes.map(\.line) == [2], "\(wrong)")
            #expect(read.mistakes.first?.problem.contains("half a character of UTF-16") == true)
        }
    }

    @Test(
        "What is no text is named",
        arguments: [
            ([0x50, 0x4B, 0x03, 0x04, 0x14], "workbook (.xlsx"), ([0xD0, 0xCF, 0x11, 0xE0, 0xA1], ".xls"),
            ([0x1F, 0x8B, 8], "gzip"), (Array("%PDF-1.4".utf8), "PDF"), ([0xFF, 0xFE, 0, 0, 0x61], "UTF-32"),
            ([0, 0, 0xFE, 0xFF], "UTF-32"),
        ] as [([UInt8], String)])
    func otherFormats(_ bytes: [UInt8], _ name: String) {
        #expect {
            _ = try CSVReader(bytes, rowBytes: Self.rowBytes)
        } throws: { error in
            "\(error)".hasPrefix("line 1: ") && "\(error)".contains(name)
                && "\(error)".contains("save it as CSV")
        }
    }

    // MARK: Mistakes

    @Test("A mistake names its line, and the rows behind it are read all the same")
    func mistakes() throws {
        let text = "a\n\"b\"c,\"x\"\nd\ne\"f\"\ng\n".utf8
        let read = try all(Array(text))
        #expect(read.rows == [["a"], ["d"], ["g"]] && read.mistakes.map(\.line) == [2, 4])
        #expect(read.mistakes[0].problem.hasPrefix("text stands behind a closing quote"))
        #expect(read.mistakes[1].problem.hasPrefix("a quote stands inside"))
        let latin = try all([0x61, 0x0A, 0x4D, 0xFC, 0x73, 0x6C, 0x69, 0x2C, 0x31, 0x0D, 0x0A, 0x62])
        #expect(latin.rows == [["a"], ["b"]] && latin.mistakes.map(\.line) == [2])
        #expect(latin.mistakes[0].problem.hasPrefix(#""M\xfcsli" is no UTF-8; save the file as "CSV UTF-8""#))
    }

    @Test("Behind a quote that is not closed nothing can be read")
    func openQuote() throws {
        let read = try all(Array("a\n\"b\nc\nd".utf8))
        #expect(read.rows == [["a"]] && read.mistakes.map(\.line) == [2] && read.mistakes[0].isLast)
        #expect(read.mistakes[0].problem == "a quote is not closed; nothing behind it was read")
        let long = try all(Array("a\n\"b\n".utf8) + [UInt8](repeating: 0x0A, count: Self.rowBytes + 1))
        #expect(long.mistakes.map(\.line) == [2] && long.mistakes[0].isLast)
    }

    @Test("A line that is too long is a mistake, and the next one is read")
    func longLine() throws {
        let long = [UInt8](repeating: 0x61, count: 10 << 20)
        let read = try all(Array("a\n".utf8) + long + Array("\nb\n".utf8))
        #expect(read.rows == [["a"], ["b"]] && read.mistakes.map(\.line) == [2])
        #expect(read.mistakes[0].problem == "the line has more than \(Self.rowBytes) bytes")
    }

    @Test("Wherever a file is cut into pieces, its rows are the same")
    func pieces() throws {
        let text = "sku,b\r\n\"x\"\"y\r\nz\", =\"1\" \r\r\n\u{E9}\u{1F375},\r\nq"
        for bytes in [
            Array(text.utf8), utf16(text, isBig: true, mark: true), utf16(text, isBig: false, mark: true),
        ] {
            let whole = try rows(bytes)
            for size in 1...bytes.count {
                var rest = bytes[...]
                var reader = try CSVReader(rowBytes: Self.rowBytes) {
                    let piece = Array(rest.prefix(size))
                    rest = rest.dropFirst(size)
                    return piece
                }
                var read: [CSVReader.Row] = []
                while let row = try reader.next() { read.append(row) }
                #expect(read == whole, "pieces of \(size)")
            }
        }
    }

    @Test("A large file is read piece by piece, also where a piece ends within a row")
    func large() throws {
        var sent = 0
        var reader = try CSVReader(rowBytes: Self.rowBytes) {
            guard sent < 40_000 else { return [] }
            defer { sent += 1 }
            // 7 bytes each, so that no piece of the reader's ends with a row.
            return sent % 2 == 0 ? Array("\"a\"\"b\"".utf8) : Array(",c\r\n".utf8)
        }
        var count = 0
        while let row = try reader.next() {
            count += 1
            if row.fields != ["a\"b", "c"] { Issue.record("row \(count) is \(row.fields)") }
        }
        #expect(count == 20_000)
    }
}
