import Counts
import InventoryCore
import Operations
import Testing

/// Files of spreadsheets and scanners: what is read of each, and what is refused.
@Suite("The file of a warehouse's count")
struct CountFileTests {
    private func file(_ text: String) throws -> CountFile { try CountFile(Array(text.utf8)) }

    private func mistake(_ bytes: [UInt8]) -> String? {
        do {
            _ = try CountFile(bytes)
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func mistake(_ text: String) -> String? { mistake(Array(text.utf8)) }

    /// Each row as LINE:SKU|WAREHOUSE|COUNTED, as it is written.
    private func rows(_ file: CountFile) -> [String] {
        file.counts.map {
            "\($0.line):\($0.sku)|\($0.warehouse)|\($0.counted)" + ($0.expected.map { "|\($0)" } ?? "")
        }
    }

    private func rows(_ text: String) throws -> [String] {
        let file = try file(text)
        #expect(file.refusals == [], "\(text)")
        return rows(file)
    }

    private func refusals(_ text: String) throws -> [String] { try file(text).refusals.map(\.description) }

    private static let header = "sku,warehouse,counted\n"

    // MARK: What is read

    @Test(
        "The same two rows are read from each way to write them",
        arguments: [
            "sku,warehouse,counted\n00123,BER,40\nTEA-250,BER,118\n",
            "sku,warehouse,counted\n00123,BER,40\nTEA-250,BER,118",
            "sku,warehouse,counted\r\n00123,BER,40\r\nTEA-250,BER,118\r\n",
            "\u{FEFF}sku,warehouse,counted\r\n00123,BER,40\r\nTEA-250,BER,118\r\n",
            "sku,warehouse,counted\r00123,BER,40\rTEA-250,BER,118\r",
            "sku;warehouse;counted\n00123;BER;40\nTEA-250;BER;118\n",
            "\u{FEFF}sku;warehouse;counted\n00123;BER;40\nTEA-250;BER;118\n",
            "sku\twarehouse\tcounted\n00123\tBER\t40\nTEA-250\tBER\t118\n",
            "sku|warehouse|counted\n00123|BER|40\nTEA-250|BER|118\n",
            "SKU,Warehouse,Counted,Name\n00123,BER,40,x\nTEA-250,BER,118,\"x, y\"\n",
            "Name,counted,SKU,warehouse\nx,40,00123,BER\n,118,TEA-250,BER\n",
            "\"sku\",\"warehouse\",\"counted\"\n\"00123\",\"BER\",\"40\"\n\"TEA-250\",\"BER\",\"118\"\n",
            "sku,warehouse,counted,\n00123,BER,40,\nTEA-250,BER,118,\n",
            "sku,warehouse,counted\n00123,BER,40,,\nTEA-250,BER,118,,\n",
            "\u{A0}sku ,\twarehouse,\u{200B}COUNTED\n00123,BER,40\nTEA-250,BER,118\n",
            "sku,warehouse,counted,expected\n00123,BER,40\nTEA-250,BER,118\n\n",
        ])
    func ways(_ text: String) throws {
        #expect(try rows(text) == ["2:00123|BER|40", "3:TEA-250|BER|118"])
    }

    @Test("The first line may name the separator")
    func separatorLine() throws {
        for (line, separator) in [("sep=;", ";"), ("sep=\t", "\t"), ("sep=,", ","), ("\"sep=|\"", "|")] {
            let text = "\(line)\nsku;warehouse;counted\n00123;BER;40\n".replacing(";", with: separator)
                .replacing("sep=\(separator)", with: "sep=\(separator)")
            let read = try file(text)
            #expect(rows(read) == ["3:00123|BER|40"] && read.reading.hasSeparatorLine, "\(line)")
        }
        #expect(mistake("sep=;\nsku,warehouse,counted\nA,BER,1\n")?.contains("there is no header") == true)
    }

    @Test("Quotes keep separators, quotes and blanks")
    func quotes() throws {
        #expect(try rows(Self.header + "\"Shirt, \"\"red\"\"\",BER,3\n") == ["2:Shirt, \"red\"|BER|3"])
        #expect(try rows("sku;warehouse;counted\n\"a;b\";\"BER\";\"3\"\n") == ["2:a;b|BER|3"])
        #expect(try rows("sku;warehouse;counted\na,b;BER;3\n") == ["2:a,b|BER|3"])
        #expect(try rows("\"sku\", \"warehouse\", \"counted\"\n\"A\", \"BER\", \"3\"\n") == ["2:A|BER|3"])
    }

    @Test("Expected may be missing, or empty; the last fields too, if they need not be there")
    func expected() throws {
        #expect(
            try rows("counted,expected,warehouse,sku\n5,7,BER,A\n0,,HAM,A\n") == ["2:A|BER|5|7", "3:A|HAM|0"])
        #expect(
            try rows("sku,warehouse,counted,expected,name\nA,BER,5\nB,BER,6,7\n")
                == ["2:A|BER|5", "3:B|BER|6|7"])
        #expect(try rows("sku,warehouse,counted,expected\nA,BER,5, 0 \n") == ["2:A|BER|5|0"])
    }

    @Test(
        "Blank rows, rows above the header, headers that stand again and other columns are passed over, and counted"
    )
    func passedOver() throws {
        let read = try file(
            "Count of 30 November;;;\n;;;\n\nSKU;Warehouse;Counted;Name\nA;BER;1;x\n;;;\n \u{A0};\u{200B};;\n\n"
                + "sku ;warehouse;counted;name\nB;BER;2;y\n;;;;;;;\n")
        #expect(rows(read) == ["5:A|BER|1", "10:B|BER|2"] && read.refusals == [])
        #expect(
            read.reading
                == CountFile.Reading(
                    encoding: .utf8, separator: .semicolon, hasSeparatorLine: false, rows: 2, blankRows: 4,
                    rowsAboveHeader: 1, repeatedHeaders: [9], columns: ["Name"]))
        #expect(try file("sku,warehouse,counted\n").reading.rows == 0)
        #expect(try file("it is 15\" wide\nsku,warehouse,counted\nA,BER,1\n").reading.rowsAboveHeader == 1)
    }

    @Test("The encoding is seen, and told")
    func encodings() throws {
        let text = "sku,warehouse,counted\r\nM\u{FC}sli,BER,3\r\n"
        let bytes = Array(text.utf16).flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        for (bytes, encoding) in [
            (Array(text.utf8), TextPieces.Encoding.utf8), (Array("\u{FEFF}\(text)".utf8), .markedUTF8),
            (bytes, .littleEndianUTF16), ([0xFF, 0xFE] + bytes, .littleEndianUTF16),
        ] {
            let read = try CountFile(bytes)
            #expect(rows(read) == ["2:M\u{FC}sli|BER|3"] && read.reading.encoding == encoding)
        }
    }

    // MARK: What is refused whole

    @Test("A file without a header is refused with what it has instead")
    func headers() {
        #expect(mistake("")?.hasPrefix("line 1: the file is empty; name the columns sku, warehouse") == true)
        #expect(mistake("\n\n")?.hasPrefix("line 1: the file is empty") == true)
        #expect(mistake("\u{FEFF}")?.hasPrefix("line 1: the file is empty") == true)
        #expect(
            mistake("sku,counted\nA,1\n") == "line 1: the header lacks warehouse; it has \"sku\", \"counted\""
        )
        #expect(
            mistake("sku;lager;bestand\nA;BER;1\n")
                == "line 1: the header lacks warehouse and counted; it has \"sku\", \"lager\", \"bestand\"")
        #expect(
            mistake("A,BER,5\nB,BER,6\n")?.hasPrefix("line 1: there is no header; name the columns") == true)
        #expect(mistake("sku warehouse counted\nA BER 5\n")?.contains("there is no header") == true)
        #expect(mistake("sku,warehouse;counted\n")?.contains("the header lacks") == true)
        #expect(mistake([0x50, 0x4B, 0x03, 0x04])?.contains("workbook") == true)
        #expect(
            mistake(Array("sku,warehouse,counted,Gr".utf8) + [0xF6, 0xDF, 0x65, 0x0A])?.contains("no UTF-8")
                == true)
    }

    @Test("A column that stands twice, or that is nearly called expected, is refused")
    func columns() {
        #expect(mistake("sku,warehouse,counted,SKU\n")?.contains("the column sku stands twice") == true)
        #expect(mistake("sku,warehouse,counted, Counted\n")?.contains("stands twice") == true)
        for name in ["expcted", "expect", "Expected Qty", "expeced", "EXPECTED_UNITS"] {
            #expect(
                mistake("sku,warehouse,counted,\(name)\n")?.contains("the column \"\(name)\" is not read")
                    == true, "\(name)")
        }
        for name in ["name", "inspected", "date", "counted by", "rejected", "x", "Bin", "EAN", "", "ex"] {
            #expect(mistake("sku,warehouse,counted,\(name)\n") == nil, "\(name)")
        }
        #expect(mistake("sku,warehouse,counted,expected,expected by\n") == nil)
    }

    @Test("More rows than a file may have are refused")
    func tooMany() {
        var sent = 0
        let source: TextPieces.Source = {
            defer { sent += 1 }
            guard sent > 0 else { return Array(Self.header.utf8) }
            return sent > 1_002 ? [] : Array(String(repeating: "A,BER,1\n", count: 1_000).utf8)
        }
        #expect {
            _ = try CountFile(source)
        } throws: { error in
            "\(error)" == "line 1000002: the file has more than 1000000 rows; split it"
        }
    }

    // MARK: Rows that are refused

    @Test("A row with fields too few or too many is refused with its line, and the others are read")
    func widths() throws {
        #expect(
            try refusals(Self.header + "A,BER\nB,BER,1\nC\n")
                == ["line 2: it has 2 fields, and the header 3", "line 4: it has 1 field, and the header 3"])
        #expect(
            try refusals(Self.header + "A,BER,1\nB,BER,1,118\n").first?.hasPrefix(
                "line 3: it has 4 fields, and the header 3; a field with the separator in it") == true)
        // One row alone with more fields: a number such as 1,118 in front of an empty one.
        #expect(
            try refusals("sku,warehouse,counted,name\nA,BER,5,\nB,BER,1,118,\n").first?.hasPrefix(
                "line 3: it has 5 fields") == true)
        // Cut off in the middle of a number.
        #expect(
            try refusals("sku,warehouse,counted,name\nA,BER,5,x\nB,BER,1").first
                == "line 3: it has 3 fields, and the header 4; the file ends within the line, so it may be cut off"
        )
    }

    @Test("A row without a SKU, a warehouse or a count is refused, as a total is")
    func missing() throws {
        #expect(
            try refusals(Self.header + ",BER,1\nA,,1\nTotal,,158\n\u{A0},BER,1\n=\"\",BER,1\n") == [
                "line 2: sku is empty; if the row is a total, delete it",
                "line 3: warehouse is empty; if the row is a total, delete it",
                "line 4: warehouse is empty; if the row is a total, delete it",
                "line 5: sku is empty; if the row is a total, delete it",
                "line 6: sku is empty; if the row is a total, delete it",
            ])
        #expect(
            try refusals(Self.header + "A,BER,\n") == [
                "line 2: counted is empty; write 0 if nothing is there, and delete the row if it was not counted"
            ])
    }

    @Test("A number that is none, or may be two, is refused with line, value and what to write")
    func numbers() throws {
        #expect(
            try refusals(Self.header + "A,BER,118.0\n")
                == ["line 2: counted is \"118.0\"; write 118, without decimals"])
        #expect(
            try refusals(Self.header + "A,BER,\"1,118\"\n") == [
                "line 2: counted is \"1,118\"; write it without separators (1118, if they are between thousands)"
            ])
        #expect(
            try refusals(Self.header + "A,BER,-2\n").first?.hasPrefix("line 2: counted is \"-2\"") == true)
        #expect(
            try refusals("sku,warehouse,counted,expected\nA,BER,1,many\n").first?.hasPrefix(
                "line 2: expected is \"many\"") == true)
        #expect(try rows(Self.header + "A,BER, 118 \nA,HAM,+118\n") == ["2:A|BER|118", "3:A|HAM|118"])
    }

    @Test("A name that is too long is refused, and shown cut")
    func longNames() throws {
        let long = String(repeating: "x", count: 100_000)
        for text in [
            "\(long),BER,1\n", "A,\(long),1\n", "A\(String(repeating: " ", count: 100_000)),BER,1\n",
        ] {
            let refusal = try #require(try refusals(Self.header + text).first)
            #expect(refusal.contains("bytes; 1 to 128 are allowed") && refusal.utf8.count < 400)
        }
        #expect(try rows(Self.header + String(repeating: "x", count: 128) + ",BER,1\n").count == 1)
    }

    @Test("A bin is counted once; rows without one may be several bins")
    func bins() throws {
        let header = "sku,warehouse,counted,bin\n"
        #expect(
            try refusals(
                header + "A,BER,1,X1\nA,BER,1,X2\nA,HAM,1,X1\nB,BER,1,X1\n A ,BER,1, X1\nA,BER,1,\nA,BER,1,\n"
            )
                == ["line 6: bin \"X1\" of \"A\" was counted on line 2 before; delete one of the rows"])
    }

    @Test("What is no UTF-8 is refused by its line, and other rows are read")
    func latin1() throws {
        let read = try CountFile(
            Array(Self.header.utf8) + Array("A,BER,1\n".utf8) + [0x4D, 0xFC, 0x73, 0x6C, 0x69]
                + Array(",BER,3\nB,BER,2\n".utf8))
        #expect(rows(read) == ["2:A|BER|1", "4:B|BER|2"] && read.reading.rows == 3)
        #expect(read.refusals.map(\.line) == [3])
        #expect(read.refusals[0].problem.hasPrefix(#""M\xfcsli" is no UTF-8"#))
    }

    @Test("Behind a quote that is not closed nothing is read, and that is said")
    func openQuote() throws {
        let read = try file(Self.header + "A,BER,1\n\"B,BER,2\nC,BER,3\n")
        #expect(rows(read) == ["2:A|BER|1"])
        #expect(
            read.refusals.map(\.description) == ["line 3: a quote is not closed; nothing behind it was read"])
    }

    @Test("A line of 10 MB is refused, and the next one is read")
    func longLine() throws {
        let read = try file(Self.header + String(repeating: "x", count: 10 << 20) + ",BER,1\nA,BER,1\n")
        #expect(rows(read) == ["3:A|BER|1"] && read.refusals.map(\.line) == [2])
    }
}
