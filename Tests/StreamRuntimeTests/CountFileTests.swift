import InventoryCore
import StreamRuntime
import Testing

@Suite("The file of a warehouse's count")
struct CountFileTests {
    private func file(_ header: [String], _ rows: [[String]]) throws -> CountFile {
        var file = try CountFile(header: header, line: 1)
        for (index, row) in rows.enumerated() { try file.add(row, line: index + 2) }
        return file
    }

    private func mistake(_ header: [String], _ rows: [[String]] = []) -> String? {
        do {
            _ = try file(header, rows)
            return nil
        } catch {
            return "\(error)"
        }
    }

    private static let header = ["sku", "warehouse", "counted"]

    @Test("Columns stand in any order, and expected may be missing or empty")
    func columns() throws {
        let full = try file(
            ["counted", "expected", "warehouse", "sku"], [["5", "7", "BER", "A"], ["0", "", "HAM", "A"]])
        #expect(full.counts.map(\.sku) == ["A", "A"] && full.counts.map(\.warehouse) == ["BER", "HAM"])
        #expect(full.counts.map(\.counted) == [5, 0] && full.counts.map(\.expected) == [7, nil])
        #expect(try file(Self.header, [["A", "BER", "5"]]).counts.first?.expected == nil)
    }

    @Test("What is no count is refused with its line")
    func mistakes() {
        #expect(mistake(["sku", "counted"]) == "line 1: the header lacks warehouse")
        #expect(mistake(Self.header + ["expcted"])?.contains("there is no column \"expcted\"") == true)
        #expect(mistake(Self.header + ["sku"])?.contains("stands twice") == true)
        #expect(mistake(Self.header, [["A", "BER"]])?.hasPrefix("line 2: it has 2 fields") == true)
        #expect(mistake(Self.header, [["A", "BER", "-1"]])?.hasPrefix("line 2: counted is \"-1\"") == true)
        #expect(mistake(Self.header, [["A", "BER", "1.0"]])?.hasPrefix("line 2") == true)
        #expect(mistake(Self.header, [["A", "BER", ""]]) == "line 2: counted is empty")
        #expect(mistake(Self.header, [["", "BER", "1"]])?.hasPrefix("line 2: sku has 0 bytes") == true)
        #expect(mistake(Self.header, [["A\t", "BER", "1"]])?.contains("control character") == true)
        #expect(mistake(Self.header, [["@holdfast/partition/0", "BER", "1"]])?.hasPrefix("line 2") == true)
        #expect(
            mistake(Self.header, [["A", "BER", "1"], ["B", "BER", "1"], ["A", "BER", "2"]])
                == "line 4: A in BER was counted on line 2 before")
    }

    @Test("The ids of its commands follow from its rows alone, and differ from row to row and file to file")
    func ids() throws {
        let rows = [["A", "BER", "5"], ["B", "BER", "5"]]
        let one = try file(Self.header, rows)
        let same = try file(["warehouse", "sku", "counted"], rows.map { [$0[1], $0[0], $0[2]] })
        let other = try file(Self.header, [["A", "BER", "5"], ["B", "BER", "6"]])
        #expect(one.name == same.name && one.name != other.name)
        let command = one.command(for: 1, of: one.name, onHand: 9)
        #expect(command.id == "count-\(one.name)-2" && command.sku == "B")
        #expect(
            command.body
                == .adjust(
                    Command.Adjust(
                        warehouse: "BER", change: .count(5, expected: 9), reasonCode: .cycleCount)))
        let expecting = try file(Self.header + ["expected"], [["A", "BER", "5", "7"]])
        #expect(
            expecting.command(for: 0, of: "x", onHand: 9).body
                == .adjust(
                    Command.Adjust(
                        warehouse: "BER", change: .count(5, expected: 7), reasonCode: .cycleCount)))
    }
}
