import InventoryCore
import Testing

/// An id as bytes is what its text is.
@Suite("Packed ids")
struct PackedIDTests {
    /// Of letters, of what JSON escapes, of control characters and of others than ASCII's.
    private static let pieces = [
        "a", "Z", "0", "-", "\"", "\\", "/", "\u{1}", "\u{1F}", "\u{7F}", " ", "é", "e\u{301}", "\u{212A}",
        "K", "漢",
    ]

    private static func text(_ random: inout SeededGenerator) -> String {
        let length = Int.random(in: 0...Limits.idBytes, using: &random)
        let isPlain = Bool.random(using: &random)
        var text = ""
        while true {
            let piece =
                isPlain
                ? "abcdefgh".randomElement(using: &random)!.description
                : pieces.randomElement(using: &random)!
            if text.utf8.count + piece.utf8.count > length { return text }
            text += piece
        }
    }

    @Test("An id has the bytes, the hash and the kinds of characters of its text, at every length")
    func kinds() {
        var random = SeededGenerator(seed: 17)
        for _ in 0..<20_000 {
            let text = Self.text(&random)
            let id = PackedID(ID(text))
            #expect(Array(id.text.utf8) == Array(text.utf8) && id.count == text.utf8.count)
            #expect(id.hash == IDHash.of(ID(text)))
            #expect(id.isASCII == text.utf8.allSatisfy { $0 < 0x80 })
            #expect(id.needsEscape == text.utf8.contains { $0 < 0x20 || $0 == 0x22 || $0 == 0x5C })
            #expect(id.hasControls == text.utf8.contains { $0 < 0x20 || $0 == 0x7F })
            #expect(id.isEqual(to: ID(text)) && !id.isEqual(to: ID(text + "a")))
        }
    }

    @Test("Ids are equal where their bytes are, packed or not, also where their texts are equivalent")
    func equality() {
        var random = SeededGenerator(seed: 18)
        let texts =
            ["K", "\u{212A}", "é", "e\u{301}", "", "a", "aé", "ae\u{301}"]
            + (0..<300).map { _ in Self.text(&random) }
        for left in texts {
            for right in texts {
                let (one, other) = (PackedID(ID(left)), PackedID(ID(right)))
                let isSame = Array(left.utf8) == Array(right.utf8)
                #expect((one == other) == isSame && (ID(left) == ID(right)) == isSame)
                #expect(one.isEqual(to: ID(right)) == isSame)
                #expect(!isSame || one.hash == other.hash && ID(left).hashValue == ID(right).hashValue)
                #expect((ID(left) < ID(right)) == left.utf8.lexicographicallyPrecedes(right.utf8))
            }
        }
    }

    @Test(
        "Ids that were made to have one hash have as many as they are, and zeros do not hide what was before them"
    )
    func collisions() {
        let ids = CollidingIDs.make(4_000)
        #expect(Set(ids.map(CollidingIDs.earlierHash)).count == 1, "the hash of earlier versions")
        #expect(Set(ids.map { PackedID($0).hash }).count > 3_990)
        #expect(Set(ids.map { PackedID($0).hash & 0xFFF }).count > 2_000)
    }

    @Test("What is written of an id is its bytes, and no byte beyond the room that it asks for")
    func writing() {
        var random = SeededGenerator(seed: 19)
        for _ in 0..<2_000 {
            let text = Self.text(&random)
            var place = [UInt8](repeating: 0xFF, count: PackedID.room + 1)
            place.withUnsafeMutableBufferPointer { PackedID(ID(text)).write(to: $0.baseAddress!) }
            #expect(Array(place.prefix(text.utf8.count)) == Array(text.utf8) && place.last == 0xFF)
        }
    }

    @Test("An id begins with what its text begins with")
    func beginnings() {
        #expect(PackedID("@holdfast/partition/7").begins(with: "@holdfast/partition/"))
        #expect(
            PartitionBook.isBook(PackedID(PartitionBook.sku(7)))
                && !PartitionBook.isBook(PackedID("@holdfast")))
        #expect(!PackedID("").begins(with: "@") && PackedID("@").begins(with: "@"))
    }
}

/// Ids whose hash was the same before each process drew a number of its own: the second word undoes what the first has
/// done, and zeros leave it so.
enum CollidingIDs {
    private static func mix(_ value: UInt64, _ word: UInt64) -> UInt64 {
        let product = (value ^ word).multipliedFullWidth(by: 0xA076_1D64_78BD_642F)
        return (product.high ^ product.low) &+ 0xE703_7ED1_A0B4_28DB
    }

    private static let start: UInt64 = 0x9E37_79B9_7F4A_7C15

    static func earlierHash(_ id: ID) -> UInt32 {
        var value = start
        let bytes = id.bytes
        for index in stride(from: 0, to: bytes.count, by: 8) {
            value = mix(value, word(bytes[index..<index + 8]))
        }
        return UInt32(truncatingIfNeeded: mix(value, UInt64(bytes.count)) >> 32)
    }

    private static func word(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// - Returns: so many of 16 bytes.
    static func make(_ count: Int) -> [ID] {
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_".utf8)
        var random = SeededGenerator(seed: 43)
        var ids: [ID] = []
        while ids.count < count {
            let bits = random.next()
            let first = (0..<8).map { letters[Int(bits >> UInt64(8 * $0) & 63)] }
            let second = mix(start, word(first[...]))
            let last = (0..<8).map { UInt8(truncatingIfNeeded: second >> UInt64(8 * $0)) }
            guard last.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C }) else {
                continue
            }
            ids.append(ID(decoding: first + last))
        }
        return ids
    }
}
