import Operations
import Testing

@Suite("The nearest name")
struct NearestNameTests {
    private func nearest(_ name: String, _ known: [String], atMost most: Int = 1) -> [String] {
        var search = NearestName<String>(to: name, atMost: most)
        for name in known { search.consider(.init(name, text: name)) }
        return search.names
    }

    @Test("It is the one with the fewest changes, whatever the order in which they are looked at")
    func fewest() {
        let known = ["TEA-250", "TEA-255", "TEE-250", "COFFEE"]
        for known in [known, known.reversed()] {
            #expect(nearest("TEA-25O", known, atMost: 3) == ["TEA-250", "TEA-255"])
            #expect(nearest("TEA-250", known, atMost: 3) == ["TEA-250"])
            #expect(nearest("TAE-250", known, atMost: 3) == ["TEA-250", "TEE-250"])
            #expect(nearest("COFEE", known) == ["COFFEE"])
            #expect(nearest("TEA-2", known, atMost: 3) == [])
        }
    }

    @Test("Of those that are as near as one another, the first in their order are kept")
    func ties() {
        let known = ["S-9", "S-7", "S-8", "S-5", "S-6"]
        #expect(nearest("S-1", known, atMost: 3) == ["S-5", "S-6", "S-7"])
        #expect(nearest("S-1", known) == ["S-5"])
    }

    @Test("A short name is near to those that differ in one character, or in two that changed places")
    func short() {
        #expect(nearest("BRE", ["BER"]) == ["BER"])
        #expect(nearest("BR", ["BER"]) == ["BER"])
        #expect(nearest("XYR", ["BER"]) == [])
        #expect(nearest("", ["BER"]) == [])
    }

    @Test("Two swaps in a row are found, as is one at the end")
    func swaps() {
        #expect(nearest("ABCDEFGHIJ", ["BADCEFGHIJ"]) == ["BADCEFGHIJ"])
        #expect(nearest("ABCDEFGHIJ", ["ABCDEFGHJI"]) == ["ABCDEFGHJI"])
    }
}
