import InventoryCore
import InventoryWire
import Testing

@Suite("The key of what belongs to a SKU")
struct OwnedKeyTests {
    private func key(_ sku: String, _ id: String) -> [UInt8] {
        var key = OwnedKey()
        key.set(OwnedID(sku: "\(sku)", id: "\(id)"))
        return key.withBytes { Array($0) }
    }

    private func name(_ key: [UInt8]) -> OwnedID? {
        var reader = RecordReader()
        return key.withUnsafeBytes { reader.ownedID(key: $0) }
    }

    @Test(
        "It is a compact JSON array of the SKU and the id",
        arguments: [
            ("TEA-250", "r-1", #"["TEA-250","r-1"]"#), ("A", "r\",1", #"["A","r\",1"]"#),
            (#"A\B"#, "r", #"["A\\B","r"]"#), ("CAF\u{E9}", "r/1", #"["CAF\#u{E9}","r/1"]"#),
            ("A", "[\"A\",\"r\"]", #"["A","[\"A\",\"r\"]"]"#),
        ])
    func bytes(_ sku: String, _ id: String, _ text: String) throws {
        #expect(key(sku, id) == Array(text.utf8))
        #expect(name(Array(text.utf8)) == OwnedID(sku: "\(sku)", id: "\(id)"))
    }

    @Test(
        "What is written otherwise names nothing: a name has one key",
        arguments: [
            "r-1", "", "[", "[]", #"["A"]"#, #"["A","r-1","x"]"#, #"["A", "r-1"]"#, #" ["A","r-1"]"#,
            #"["A","r\u002d1"]"#, #"["A","r\/1"]"#, #"["A",1]"#, #"["","r-1"]"#, #"["A",""]"#,
            #"{"sku":"A"}"#, #"["A","r\u0001"]"#, "[\"A\",\"" + String(repeating: "r", count: 129) + "\"]",
        ])
    func others(_ text: String) { #expect(name(Array(text.utf8)) == nil) }

    @Test("Bytes that are no UTF-8 name nothing")
    func noUTF8() { #expect(name(Array("[\"A\",\"".utf8) + [0xC3, 0x22, 0x5D]) == nil) }

    @Test("Ids of any length and characters come back, each under its own key")
    func roundTrip() {
        let texts = [
            "A", "AB", "B", #"""#, #"\"#, #"\""#, #"",""#, "\u{E9}", "e\u{301}", "\u{1F600}", "'", "[", "]",
            ",",
            String(repeating: "x", count: 128), String(repeating: #"""#, count: 128),
        ]
        var keys: Set<[UInt8]> = []
        for sku in texts {
            for id in texts {
                let bytes = key(sku, id)
                #expect(keys.insert(bytes).inserted, "\(sku) \(id)")
                let found = name(bytes)
                #expect(found.map { key("\($0.sku)", "\($0.id)") } == bytes, "\(sku) \(id)")
            }
        }
    }
}
