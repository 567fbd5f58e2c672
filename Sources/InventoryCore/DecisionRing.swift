/// Pieces of bytes one after another: what was added first goes first. Memory comes and goes in chunks, so that it is
/// never copied as a whole while it grows, and no piece of its own is asked for.
///
/// A place counts on for ever, in bytes; each piece begins at a multiple of `alignment` and lies in one chunk. The first
/// two bytes of a piece are its length.
struct DecisionRing: Sendable {
    static let alignment = 4
    static let chunkBytes = 1 << 16
    /// The longest piece: its length is told in two bytes. The longest decision, a late confirm that takes units in all
    /// warehouses of a SKU (`Limits.warehousesPerSKU`) and ships them, of names as long as they may be, is shorter.
    static let pieceBytes = chunkBytes - alignment
    /// Places are told in so many bits, in units of `alignment`: as far apart may pieces be.
    private static let tellingMask: Int64 = 0x7FFF_FFFF

    /// What the pieces of a chunk count their times and offsets from.
    struct Base: Sendable {
        var at: Int64
        var offset: Int64
    }

    private struct Chunk: Sendable {
        var bytes: [UInt8]
        var used = 0
        var base: Base
    }

    private var chunks: [Chunk] = []
    /// Chunks before it are given back.
    private var firstChunk = 0
    /// How many chunks were given back, so that places count on.
    private var given: Int64 = 0
    /// Memory that is used again.
    private var spare: [UInt8]?
    /// Where the oldest piece stands, or the next one would.
    private(set) var begin: Int64 = 0
    /// Where the newest piece stands; nil where there is none.
    private(set) var newest: Int64?

    var isEmpty: Bool { newest == nil }

    private func index(of place: Int64) -> Int {
        Int(place / Int64(Self.chunkBytes) - given) + firstChunk
    }

    private func offset(of place: Int64) -> Int { Int(place % Int64(Self.chunkBytes)) }

    func base(of place: Int64) -> Base { chunks[index(of: place)].base }

    // MARK: Places as an index holds them

    static func told(_ place: Int64) -> Int {
        Int(place / Int64(alignment) & tellingMask)
    }

    func place(told: Int) -> Int64 {
        let units = begin / Int64(Self.alignment)
        return (units + (Int64(told) - units) & Self.tellingMask) * Int64(Self.alignment)
    }

    // MARK: Adding

    /// Makes room for a piece of at most `most` bytes.
    ///
    /// - Parameter base: what its times and offsets count from, where it begins a chunk.
    /// - Returns: what they count from.
    @inline(__always)
    mutating func makeRoom(for most: Int, _ base: Base) -> Base {
        precondition(most <= Self.pieceBytes, "a piece of \(most) bytes")
        let last = chunks.count - 1
        if last >= firstChunk, chunks[last].used + most <= chunks[last].bytes.count {
            return chunks[last].base
        }
        return makeRoomAnew(for: most, base)
    }

    @inline(never)
    private mutating func makeRoomAnew(for most: Int, _ base: Base) -> Base {
        let number = lastChunk(withRoomFor: most, base)
        return chunks[number].base
    }

    /// Adds a piece that there is room for. Its first two bytes are left for its length.
    ///
    /// - Returns: where it stands.
    @inline(__always)
    mutating func add(_ piece: UnsafeRawPointer, _ count: Int) -> Int64 {
        let number = chunks.count - 1
        let start = chunks[number].used
        chunks[number].bytes.withUnsafeMutableBytes { bytes in
            let to = bytes.baseAddress! + start
            to.copyMemory(from: piece, byteCount: count)
            to.storeBytes(of: UInt16(truncatingIfNeeded: count).littleEndian, as: UInt16.self)
        }
        chunks[number].used = start + Self.aligned(count)
        let place = (given + Int64(number - firstChunk)) * Int64(Self.chunkBytes) + Int64(start)
        if newest == nil { begin = place }
        precondition((place - begin) / Int64(Self.alignment) < Self.tellingMask, "too much is remembered")
        newest = place
        return place
    }

    /// Adds bytes to the newest piece. Where its chunk has no room for them, it moves into the next.
    ///
    /// - Returns: where it stands now.
    mutating func extendNewest(_ more: UnsafeRawPointer, _ count: Int) -> Int64 {
        guard let place = newest else { preconditionFailure("there is nothing to extend") }
        let number = index(of: place)
        let start = offset(of: place)
        let had = length(at: place)
        precondition(had + count <= Self.pieceBytes, "a piece of \(had + count) bytes")
        if start + had + count > Self.chunkBytes {
            var piece = Array(chunks[number].bytes[start..<start + had])
            piece.append(contentsOf: UnsafeRawBufferPointer(start: more, count: count))
            // Its times and offsets go on counting from the same base.
            let base = chunks[number].base
            chunks[number].used = start
            if begin == place { newest = nil }
            _ = lastChunk(withRoomFor: piece.count, base, anew: true)
            let moved = piece.withUnsafeBytes { add($0.baseAddress!, $0.count) }
            giveBackChunks()
            return moved
        }
        grow(number, to: start + had + count)
        chunks[number].bytes.withUnsafeMutableBytes { bytes in
            (bytes.baseAddress! + start + had).copyMemory(from: more, byteCount: count)
            bytes.storeBytes(
                of: UInt16(truncatingIfNeeded: had + count).littleEndian, toByteOffset: start, as: UInt16.self
            )
        }
        chunks[number].used = start + Self.aligned(had + count)
        return place
    }

    private static func aligned(_ count: Int) -> Int { (count + alignment - 1) & ~(alignment - 1) }

    private mutating func lastChunk(withRoomFor most: Int, _ base: Base, anew: Bool = false) -> Int {
        let last = chunks.count - 1
        if !anew, last >= firstChunk, chunks[last].used + most <= Self.chunkBytes {
            grow(last, to: chunks[last].used + most)
            return last
        }
        // The first grows as it is needed: many partitions remember little.
        let size = chunks.isEmpty ? min(1024, Self.chunkBytes) : Self.chunkBytes
        chunks.append(Chunk(bytes: spare ?? Array(repeating: 0, count: size), base: base))
        spare = nil
        grow(chunks.count - 1, to: most)
        return chunks.count - 1
    }

    private mutating func grow(_ number: Int, to size: Int) {
        let count = chunks[number].bytes.count
        if count >= size { return }
        var larger = max(count, 1024)
        while larger < size { larger *= 2 }
        larger = min(larger, Self.chunkBytes)
        chunks[number].bytes += Array(repeating: 0, count: larger - count)
    }

    // MARK: Going through

    /// The piece after another; nil after the newest.
    func next(after place: Int64) -> Int64? {
        if place == newest { return nil }
        let number = index(of: place)
        let after = offset(of: place) + Self.aligned(length(at: place))
        if after < chunks[number].used { return place - Int64(offset(of: place)) + Int64(after) }
        return place - Int64(offset(of: place)) + Int64(Self.chunkBytes)
    }

    func length(at place: Int64) -> Int {
        read(place) { Int(UInt16(littleEndian: $0.loadUnaligned(as: UInt16.self))) }
    }

    @inline(__always)
    func read<Result>(_ place: Int64, _ body: (UnsafeRawPointer) -> Result) -> Result {
        chunks[index(of: place)].bytes.withUnsafeBytes { body($0.baseAddress! + offset(of: place)) }
    }

    /// Changes a piece without changing its length.
    mutating func change(_ place: Int64, _ body: (UnsafeMutableRawPointer) -> Void) {
        let start = offset(of: place)
        chunks[index(of: place)].bytes.withUnsafeMutableBytes { body($0.baseAddress! + start) }
    }

    /// Forgets the oldest piece.
    mutating func removeOldest() {
        if let next = next(after: begin) {
            begin = next
        } else {
            newest = nil
            begin = (given + Int64(chunks.count - firstChunk)) * Int64(Self.chunkBytes)
        }
        giveBackChunks()
    }

    private mutating func giveBackChunks() {
        while firstChunk < chunks.count, given < begin / Int64(Self.chunkBytes) {
            var bytes: [UInt8] = []
            swap(&bytes, &chunks[firstChunk].bytes)
            if bytes.count == Self.chunkBytes { spare = bytes }
            firstChunk += 1
            given += 1
        }
        // By halves, so that each costs a constant.
        if firstChunk > 16, 2 * firstChunk > chunks.count {
            chunks.removeFirst(firstChunk)
            firstChunk = 0
        }
    }
}
