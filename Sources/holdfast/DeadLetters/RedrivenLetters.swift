import InventoryWire

/// Which letters were redriven before, as their marks in `dead.letters` say: a bit for each offset of a partition,
/// so that 100 million letters take 12 MiB.
struct RedrivenLetters {
    private struct Bits {
        let first: Int64
        var words: [UInt64] = []
    }

    private var partitions: [Int32: Bits]
    private(set) var count = 0

    /// - Parameter extents: the offsets that each partition has; marks of letters that are gone are passed over.
    init(extents: [Int32: Range<Int64>]) {
        partitions = extents.mapValues { Bits(first: $0.lowerBound) }
    }

    mutating func insert(_ place: LetterPlace) {
        guard let index = index(of: place) else { return }
        let missing = index / 64 + 1 - partitions[place.partition]!.words.count
        if missing > 0 {
            partitions[place.partition]!.words.append(contentsOf: repeatElement(0, count: missing))
        }
        partitions[place.partition]!.words[index / 64] |= 1 << UInt64(index % 64)
        count += 1
    }

    func contains(_ place: LetterPlace) -> Bool {
        guard let index = index(of: place), let words = partitions[place.partition]?.words,
            index / 64 < words.count
        else { return false }
        return words[index / 64] >> UInt64(index % 64) & 1 == 1
    }

    private func index(of place: LetterPlace) -> Int? {
        guard let bits = partitions[place.partition], place.offset >= bits.first else { return nil }
        return Int(place.offset - bits.first)
    }
}
