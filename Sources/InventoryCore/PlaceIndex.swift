/// Finds the places of things in an array by the hashes of their ids. The ids stand in the array alone, and hashing
/// is made for ids: in place of a Dictionary, because its hashing and its copies of keys cost more than a decision.
///
/// Open addressing with linear probing (Knuth, The Art of Computer Programming, 6.4, algorithms L and R).
package struct PlaceIndex: Sendable {
    /// A hash in the upper half, and a place and 1 in the lower; 0 for a free slot. As many as a power of two.
    private var slots: [UInt64] = Array(repeating: 0, count: 16)
    package private(set) var count = 0

    package init() {}

    private var mask: Int { slots.count - 1 }

    private static func home(of slot: UInt64) -> Int { Int(truncatingIfNeeded: slot >> 32) }

    /// The first of the places with that hash that is the right one.
    package func place(_ hash: UInt32, where isIt: (Int) -> Bool) -> Int? {
        var probe = probe(hash)
        while let place = next(&probe) {
            if isIt(place) { return place }
        }
        return nil
    }

    /// Begins to go through the places with a hash. By a loop and not by a closure, which would count all references
    /// of what it looks at.
    func probe(_ hash: UInt32) -> Probe { Probe(hash: hash, number: Int(hash) & mask) }

    struct Probe {
        let hash: UInt32
        fileprivate var number: Int
    }

    /// The next of the places; nil after the last.
    @inline(__always)
    func next(_ probe: inout Probe) -> Int? {
        while slots[probe.number] != 0 {
            let slot = slots[probe.number]
            probe.number = (probe.number + 1) & mask
            if UInt32(truncatingIfNeeded: slot >> 32) == probe.hash { return Int(slot & 0xFFFF_FFFF) - 1 }
        }
        return nil
    }

    /// Gives each place with its hash, in no order that means anything.
    var all: [(hash: UInt32, place: Int)] {
        slots.lazy.filter { $0 != 0 }.map {
            (UInt32(truncatingIfNeeded: $0 >> 32), Int($0 & 0xFFFF_FFFF) - 1)
        }
    }

    /// Adds a place that is not there yet.
    package mutating func insert(_ hash: UInt32, _ place: Int) {
        if 4 * (count + 1) > 3 * slots.count { grow() }
        put(Self.slot(hash, place))
        count += 1
    }

    private static func slot(_ hash: UInt32, _ place: Int) -> UInt64 {
        precondition(place >= 0 && place < 0xFFFF_FFFF)
        return UInt64(hash) << 32 | UInt64(place + 1)
    }

    private mutating func put(_ slot: UInt64) {
        var number = Self.home(of: slot) & mask
        while slots[number] != 0 { number = (number + 1) & mask }
        slots[number] = slot
    }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: 0, count: 2 * old.count)
        for slot in old where slot != 0 { put(slot) }
    }

    /// Removes a place; nothing happens where it is not there.
    package mutating func remove(_ hash: UInt32, _ place: Int) {
        let slot = Self.slot(hash, place)
        var hole = Int(hash) & mask
        while slots[hole] != slot {
            if slots[hole] == 0 { return }
            hole = (hole + 1) & mask
        }
        // Those after it move up, as far as their own way begins before the hole.
        var next = (hole + 1) & mask
        while slots[next] != 0 {
            if (next - Self.home(of: slots[next])) & mask >= (next - hole) & mask {
                slots[hole] = slots[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        slots[hole] = 0
        count -= 1
    }
}

/// Hashes of ids, by their bytes.
package enum IDHash {
    /// Not safe against who makes ids on purpose that collide: these cost time, and nothing else.
    package static func of(_ id: ID) -> UInt32 { id.withBytes(of) }

    /// Of an id that is unique within a SKU, which stands at a place.
    static func of(_ id: PackedID, item: Int) -> UInt32 { of(hash: id.hash, item: item) }

    /// The same, for who has the hash of the id alone.
    static func of(hash: UInt32, item: Int) -> UInt32 {
        hash ^ UInt32(truncatingIfNeeded: item &+ 1) &* 0x9E37_79B1
    }

    private static func of(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt32 {
        of(UnsafeRawBufferPointer(bytes))
    }

    static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var print = Fingerprint()
        var index = 0
        while index + 8 <= bytes.count {
            print.add(bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            index += 8
        }
        var rest = UInt64(bytes.count)
        while index < bytes.count {
            rest = rest << 8 | UInt64(bytes[index])
            index += 1
        }
        print.add(rest)
        return UInt32(truncatingIfNeeded: print.value >> 32)
    }
}
