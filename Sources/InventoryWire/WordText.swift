import InventoryCore

/// The words of an enumeration as bytes, of which the last is kept: most records of a time say the same ones.
struct WordText<Word: RawRepresentable & Equatable & Sendable>: Sendable where Word.RawValue == String {
    private var word: Word?
    private var text = PackedID.none

    mutating func text(of word: Word) -> PackedID {
        if let last = self.word, last == word { return text }
        self.word = word
        text = PackedID(ID(word.rawValue))
        return text
    }
}
