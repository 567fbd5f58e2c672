import Foundation
import Testing

@Suite("Purity of orders")
struct PurityTests {
    @Test("The life of orders imports nothing but the core's words")
    func importsNothing() throws {
        let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/OrderCore")
        let files = try FileManager.default.contentsOfDirectory(at: sources, includingPropertiesForKeys: nil)
        #expect(!files.isEmpty)
        for file in files {
            let text = try String(contentsOf: file, encoding: .utf8)
            let imports = text.split(separator: "\n").filter { $0.contains("import ") && !$0.contains("//") }
            #expect(
                imports.allSatisfy { $0 == "import InventoryCore" }, "\(file.lastPathComponent): \(imports)")
        }
    }
}
