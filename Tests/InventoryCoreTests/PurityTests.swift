import Foundation
import Testing

@Suite("Purity")
struct PurityTests {
    @Test("The core imports nothing, Foundation included")
    func importsNothing() throws {
        let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/InventoryCore")
        let files = try FileManager.default.contentsOfDirectory(at: sources, includingPropertiesForKeys: nil)
        #expect(!files.isEmpty)
        for file in files {
            let text = try String(contentsOf: file, encoding: .utf8)
            let imports = text.split(separator: "\n").filter { $0.contains("import ") && !$0.contains("//") }
            #expect(imports.isEmpty, "\(file.lastPathComponent): \(imports)")
        }
    }

    /// A `String` compares by canonical equivalence, an `ID` by bytes. Messages for people and the notes of adjustments
    /// are texts, and nothing is looked up by them.
    @Test(
        "Ids are never compared as text: no String in a key, no prefix and no equality of Strings",
        arguments: ["InventoryCore", "OrderCore"])
    func comparesBytes(module: String) throws {
        let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/\(module)")
        let files = try FileManager.default.contentsOfDirectory(at: sources, includingPropertiesForKeys: nil)
        #expect(!files.isEmpty)
        let ids =
            "(sku|warehouse|channel|order|reservation|transfer|command|event|counterpart|formerly|named|from|to|id|reference)"
        let forbidden = [
            #"\[String ?:"#, #"(Set|Dictionary)<String\b"#, #"\bhas(Prefix|Suffix)\("#,
            #"\.text\b\)? *[!=<>]=?[ =]"#, #"[!=]= .*\.text\b"#,
            #"\b(?i:"# + ids + #"(ID)?)\??: \[?String\b"#,
        ]
        for file in files where file.lastPathComponent != "ID.swift" {
            let text = try String(contentsOf: file, encoding: .utf8)
            for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                let code = line.replacing(/\/\/.*/, with: "")
                for pattern in forbidden where code.contains(try Regex(pattern)) {
                    Issue.record("\(file.lastPathComponent):\(number + 1): \(line)")
                }
            }
        }
    }
}
