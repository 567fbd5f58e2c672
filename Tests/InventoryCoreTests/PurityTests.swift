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
}
