/// A `PlaceIndex` in segments once there is much in it, each of which grows for itself: a large one would copy for tens
/// of milliseconds, in the midst of a command.
struct SegmentedIndex: Sendable {
    private var segments = [PlaceIndex()]
    private var count = 0
    private static let most = 64
    /// From so many on it has segments.
    private static let threshold = 1 << 15

    /// The upper bits tell the segment; the lower ones, the slot in it.
    @inline(__always)
    private func segment(of hash: UInt32) -> Int {
        segments.count == 1 ? 0 : Int(hash >> 26)
    }

    func probe(_ hash: UInt32) -> PlaceIndex.Probe { segments[segment(of: hash)].probe(hash) }

    /// The next of the places with that hash; nil after the last.
    @inline(__always)
    func next(_ probe: inout PlaceIndex.Probe) -> Int? { segments[segment(of: probe.hash)].next(&probe) }

    mutating func insert(_ hash: UInt32, _ place: Int) {
        if count == Self.threshold, segments.count == 1 { split() }
        segments[segment(of: hash)].insert(hash, place)
        count += 1
    }

    /// Removes a place; nothing happens where it is not there.
    ///
    /// - Returns: whether it was there.
    @discardableResult
    mutating func remove(_ hash: UInt32, _ place: Int) -> Bool {
        let number = segment(of: hash)
        let before = segments[number].count
        segments[number].remove(hash, place)
        if segments[number].count == before { return false }
        count -= 1
        return true
    }

    private mutating func split() {
        let whole = segments[0]
        segments = Array(repeating: PlaceIndex(), count: Self.most)
        for (hash, place) in whole.all { segments[segment(of: hash)].insert(hash, place) }
    }
}
