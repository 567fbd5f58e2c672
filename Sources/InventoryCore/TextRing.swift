/// Texts one after another in memory that is used again: what was added first goes first.
struct TextRing: Sendable {
    /// As many as a power of two.
    private var bytes: [UInt8] = Array(repeating: 0, count: 4096)
    /// Places count on for ever; their lower bits tell where they are in `bytes`.
    private var begin = 0
    private var end = 0

    /// Adds `count` bytes that `write` writes, all of them, and that stand in one piece.
    ///
    /// - Returns: their place.
    @inline(__always)
    mutating func add(_ count: Int, _ write: (UnsafeMutableRawPointer) -> Void) -> Int {
        while start(of: count) + count - begin > bytes.count { grow() }
        let place = start(of: count)
        let mask = bytes.count - 1
        bytes.withUnsafeMutableBytes { memory in
            if let start = memory.baseAddress { write(start + place & mask) }
        }
        end = place + count
        return place
    }

    /// What does not fit in before the end of the memory begins at its start.
    private func start(of count: Int) -> Int {
        let mask = bytes.count - 1
        return end & mask + count <= bytes.count ? end : (end | mask) + 1
    }

    private mutating func grow() {
        let size = bytes.count
        var larger: [UInt8] = Array(repeating: 0, count: 2 * size)
        // What stands in one piece stays so, because it crosses no multiple of the smaller size.
        let crossing = (begin | (size - 1)) + 1
        for part in [begin..<min(crossing, end), min(crossing, end)..<end] where !part.isEmpty {
            let from = part.lowerBound & (size - 1)
            let to = part.lowerBound & (2 * size - 1)
            larger.replaceSubrange(to..<to + part.count, with: bytes[from..<from + part.count])
        }
        bytes = larger
    }

    /// Forgets what stands before `place`.
    mutating func removeFirst(upTo place: Int) { begin = place }

    /// Forgets all.
    mutating func removeAll() { begin = end }

    func has(_ place: Int, equalTo other: Int, _ count: Int) -> Bool {
        withBytes(place, count) { one in
            withBytes(other, count) { Self.areEqual(one, $0, count) }
        }
    }

    /// Whether `count` bytes at `place` are those of `id`.
    func has(_ place: Int, _ count: Int, bytesOf id: PackedID) -> Bool {
        guard id.count == count else { return false }
        return id.withBytes { bytes in
            withBytes(place, count) { Self.areEqual($0, bytes.baseAddress!, count) }
        }
    }

    func id(_ place: Int, _ count: Int) -> PackedID {
        withBytes(place, count) { PackedID(utf8: UnsafeRawBufferPointer(start: $0, count: count)) }
    }

    func name(_ place: Int, _ count: Int) -> ID {
        withBytes(place, count) {
            ID(decoding: UnsafeRawBufferPointer(start: $0, count: count))
        }
    }

    @inline(__always)
    private func withBytes<Result>(
        _ place: Int, _ count: Int, _ body: (UnsafeRawPointer) -> Result
    ) -> Result {
        precondition(place >= begin && place + count <= end, "a text was forgotten")
        let mask = bytes.count - 1
        return bytes.withUnsafeBytes { body($0.baseAddress! + place & mask) }
    }

    static func areEqual(_ one: UnsafeRawPointer, _ other: UnsafeRawPointer, _ count: Int) -> Bool {
        var index = 0
        while index + 8 <= count {
            let word = one.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if word != other.loadUnaligned(fromByteOffset: index, as: UInt64.self) { return false }
            index += 8
        }
        while index < count {
            let byte = one.load(fromByteOffset: index, as: UInt8.self)
            if byte != other.load(fromByteOffset: index, as: UInt8.self) { return false }
            index += 1
        }
        return true
    }
}
