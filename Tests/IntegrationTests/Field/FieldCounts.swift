import Foundation
import Testing

/// Counts as spreadsheets and scanners write them.
extension FieldCase {
    /// What `reconcile --count` says of a file: what differs and, applied, became of it, or why it is refused.
    func count(_ path: String, applying: Bool, _ flags: [String] = []) throws -> (code: Int32, output: String)
    {
        try stage.run(
            ["reconcile", "--count", path, "--log-level", "warning"] + (applying ? ["--apply"] : []) + flags)
    }

    /// A file of a count.
    func write(_ text: String) throws -> String {
        let path = "\(stage.folder)/count-\(UInt32.random(in: 0...UInt32.max)).csv"
        try Data(text.utf8).write(to: URL(filePath: path))
        return path
    }

    /// The differences that are told, such as `00123 in BER -1`.
    static func differences(_ output: String) -> [String] {
        output.components(separatedBy: "\n").compactMap { line in
            let parts = line.components(separatedBy: ": counted ")
            guard parts.count == 2,
                let sign = parts[1].components(separatedBy: "difference ").dropFirst().first
            else { return nil }
            return parts[0] + " " + sign.components(separatedBy: ",")[0].replacing("+", with: "")
        }
    }

    /// - Parameter expected: differences with commas between, `nothing differs`, or `refused in line N, proposes NAME`
    ///   (without `, proposes`, where there is nothing to propose).
    func checkCount(
        _ what: String, _ file: String, applying: Bool = false, flags: [String] = [], expected: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let (code, output) = try count(path(file), applying: applying, flags)
        try checkCount(what, expected: expected, code, output, sourceLocation: sourceLocation)
    }

    func checkCount(
        _ what: String, expected: String, _ code: Int32, _ output: String, sourceLocation: SourceLocation
    ) throws {
        let words = expected.components(separatedBy: ", proposes ")
        let isRefused = code != 0 && output.contains("line ")
        let line = words[0].replacing("refused in ", with: "")
        var outcome: String
        if words[0].hasPrefix("refused") {
            let proposal = words.count == 1 || Array(output.utf8).holds(Array(words[1].utf8))
            outcome =
                isRefused && (line == "refused" || output.contains(line + ":") || output.contains(line + " "))
                    && proposal ? expected : "exit \(code): \(output)"
        } else {
            let differences = Self.differences(output)
            outcome = differences.isEmpty ? "nothing differs" : differences.joined(separator: ", ")
            if isRefused && differences.isEmpty { outcome = "exit \(code): \(output)" }
        }
        outcome = FieldName.shown(outcome.replacing("\n", with: " / "))
        try check(
            what, expected: FieldName.shown(expected), seconds: 0, sourceLocation: sourceLocation
        ) { outcome }
    }
}

extension FieldTests {
    @Test(
        "Case 09: a count of a SKU or warehouse that is not known is refused with the nearest names, unless it says that it is new",
        .timeLimit(.minutes(2)))
    func countOfUnknownSKU() throws {
        let field = try FieldCase("09-count-unknown-sku")
        defer { field.end() }
        try field.send("1")
        try field.settle()
        for (file, what, expected) in [
            ("count-case.csv", "another case", "refused in line 2, proposes TEA-250"),
            ("count-leading-zeros.csv", "leading zeros lost", "refused in line 2, proposes 00123"),
            ("count-scientific.csv", "1E5 as a number", "refused in line 2, proposes 1E5"),
            ("count-warehouse-typo.csv", "a warehouse mistyped", "refused in line 2, proposes BER"),
            ("count-zero-width.csv", "a zero-width space", "refused in line 2, proposes TEA-250"),
            ("count-trailing-space.csv", "a space behind it", "nothing differs"),
            ("count-new-on-purpose.csv", "new on purpose", "B09-NEW in BER 1"),
        ] { try field.checkCount(what, file, applying: true, expected: expected) }
        try field.send("2")
        try field.settle()
        try field.check(
            "phantom units are not sold", expected: "rejected insufficient_stock; rejected insufficient_stock"
        ) { try field.answers(["b09-4", "b09-5"]) }
        try field.check("on hand", expected: "00123 40, 1E5 7, B09-NEW 1, TEA-250 118") {
            try field.sql(
                """
                SELECT sku, quantity_on_hand FROM holdfast.inventory WHERE quantity_on_hand > 0
                ORDER BY sku COLLATE "C", warehouse_id
                """
            ).map { $0.joined(separator: " ") }.joined(separator: ", ")
        }
        try field.checkAudits()
    }

    @Test(
        "Case 27: counts of spreadsheets and scanners are read as they are meant, or refused with the line",
        .timeLimit(.minutes(3)))
    func countFiles() throws {
        let field = try FieldCase("27-count-files")
        defer { field.end() }
        try field.send("1")
        try field.settle()
        let both = "00123 in BER -1, TEA-250 in BER -2"
        for (file, expected) in [
            ("blank-rows-at-end.csv", both), ("crlf-bom.csv", both), ("no-final-newline.csv", both),
            ("header-case-and-extra.csv", both), ("semicolons.csv", both), ("sep-line.csv", both),
            ("tabs.csv", both),
            ("header-spaces.csv", "TEA-250 in BER -2"), ("padded-number.csv", "TEA-250 in BER -2"),
            ("same-sku-two-bins.csv", "TEA-250 in BER -2"), ("excel-text-guard.csv", "00123 in BER -1"),
            ("quoted-sku.csv", "Shirt, \"red\" in BER -1"), ("negative.csv", "refused in line 2"),
            ("quoted-newline.csv", "refused in line 2"), ("total-row.csv", "refused in line 4"),
            ("windows-1252.csv", "refused in line 2"), ("empty.csv", "refused in line 1"),
        ] { try field.checkCount(String(file.dropLast(4)), file, expected: expected) }
        // Either is right, and said: what must not be is another number.
        for (file, expected, alternative) in [
            ("cr-only.csv", both, "refused"), ("utf16.csv", both, "refused"),
            ("decimals.csv", "TEA-250 in BER -2", "refused"),
            ("plus.csv", "TEA-250 in BER -2", "refused"), ("thousands.csv", "TEA-250 in BER 998", "refused"),
            ("only-header.csv", "nothing differs", "refused"),
        ] {
            let (code, output) = try field.count(field.path(file), applying: false)
            try field.checkCount(
                String(file.dropLast(4)), expected: code == 2 ? alternative : expected, code, output,
                sourceLocation: #_sourceLocation)
        }
        for (file, said) in [
            ("semicolons.csv", "2 rows read (UTF-8, fields divided by semicolons)"),
            ("blank-rows-at-end.csv", "passed over: 3 blank rows"),
            ("same-sku-two-bins.csv", "summed: TEA-250 in BER: lines 2, 3"),
            ("total-row.csv", "1 row refused; the sums are without them"),
        ] {
            let (_, output) = try field.count(field.path(file), applying: false)
            try field.check("\(file.dropLast(4)) says", expected: said, seconds: 0) {
                output.contains(said) ? said : output.replacing("\n", with: " / ")
            }
        }
        try field.check("commands sent by looking", expected: "3") { "\(try field.read(.commands).count)" }
        try field.checkAudits()
    }
}
