import InventoryCore
import Testing

/// The table of ids against a Dictionary.
@Suite("IDTable")
struct IDTableTests {
    private struct Thing: Identified {
        let id: String
        var number = 0
    }

    @Test("After random changes it holds what a Dictionary holds")
    func random() {
        var random = SeededGenerator(seed: 11)
        var table = IDTable<Thing>()
        var model: [String: Int] = [:]
        for number in 0..<50_000 {
            let id = "reservation-\(Int.random(in: 0..<1_500, using: &random))"
            switch Int.random(in: 0..<5, using: &random) {
            case 0...1:
                table[id] = Thing(id: id, number: number)
                model[id] = number
            case 2:
                table.change(id, orMake: { Thing(id: id) }, { $0.number += number })
                model[id, default: 0] += number
            default:
                table[id] = nil
                model[id] = nil
            }
            #expect(table[id]?.number == model[id] && table.contains(id) == (model[id] != nil))
            #expect(table.count == model.count)
        }
        for (id, number) in model { #expect(table[id]?.number == number) }
    }

    @Test("Places with one hash are told apart, also when one of them goes")
    func collisions() {
        var index = PlaceIndex()
        for place in 0..<100 { index.insert(7, place) }
        for place in stride(from: 0, to: 100, by: 3) { index.remove(7, place) }
        for place in 0..<100 {
            #expect((index.place(7) { $0 == place } != nil) == (place % 3 != 0))
        }
        #expect(index.place(8) { _ in true } == nil)
    }

    @Test(
        "Texts that are equal have one hash, however their characters are made",
        arguments: [
            ("\u{E9}", "e\u{301}"), ("K-1", "\u{212A}-1"), ("\u{C5}", "\u{212B}"), (";", "\u{37E}"),
            ("`", "\u{1FEF}"),
        ])
    func equivalents(left: String, right: String) {
        #expect(left == right && IDHash.of(left) == IDHash.of(right))
    }
}
