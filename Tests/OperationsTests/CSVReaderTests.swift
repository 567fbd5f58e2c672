import Operations
import Testing

@Suite("Comma-separated values")
struct CSVReaderTests {
    private func rows(_ text: String) throws -> [[String]] { try rows(Array(text.utf8)).map(\.fields) }

    private func rows(_ bytes: [UInt8]) throws -> [CSVReader.Row] {
        var reader = CSVReader(bytes)
        var rows: [CSVReader.Row] = []
        while let row = try reader.next() { rows.append(row) }
        return rows
    }

    private func mistake(_ bytes: [UInt8]) -> String? {
        do {
            _ = try rows(bytes)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test("Rows end with LF or CR LF, the last one with the file too, and empty lines are passed over")
    func lines() throws {
        #expect(try rows("a,b\r\nc,d\n\ne,f") == [["a", "b"], ["c", "d"], ["e", "f"]])
        #expect(try rows("a,b\n") == [["a", "b"]])
        #expect(try rows("") == [])
        #expect(try rows(",\n") == [["", ""]])
        #expect(try rows("\u{FEFF}a") == [["a"]])
    }

    @Test("Quotes keep commas, line breaks and doubled quotes, and spaces mean themselves")
    func quotes() throws {
        #expect(try rows(#""a,""b""","c"# + "\r\nd\",\"\"\n") == [[#"a,"b""#, "c\r\nd", ""]])
        #expect(try rows(" a , b") == [[" a ", " b"]])
    }

    @Test("Each row tells the line that it begins on")
    func places() throws {
        #expect(try rows(Array("a\n\n\"b\nb\"\nc".utf8)).map(\.line) == [1, 3, 5])
    }

    @Test("A mistake names its line")
    func mistakes() {
        #expect(mistake(Array("a\n\"b".utf8)) == "line 2: a quote is not closed")
        #expect(mistake(Array("a\n\"b\"c".utf8)) == "line 2: text stands behind a closing quote")
        #expect(mistake(Array("a\nb\"c\"".utf8))?.hasPrefix("line 2: a quote stands inside") == true)
        #expect(mistake([0x61, 0x0A, 0xFF]) == "line 2: it is no UTF-8")
    }
}
