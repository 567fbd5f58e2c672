/// Writes ids short and reads them again, byte for byte. A UUID takes 17 bytes in place of 36, and what ends in a number
/// after a name that was seen before takes the number's.
struct IDCode: Sendable {
    /// What an id may take, with its tag.
    static let room = Limits.idBytes + 12

    private static let uuid: UInt8 = 129
    private static let number: UInt8 = 130
    private static let prefixedUUID: UInt8 = 131

    /// What stands before numbers and UUIDs, each in the slot of its hash. A slot is filled once and never changes, so
    /// that what was written can be read for ever.
    private var prefixes: [PackedID?] = []
    private static let slots = 256
    private static let uuidLength = 36

    // MARK: Writing

    /// - Parameter place: of at least `room` bytes.
    /// - Returns: how many were written.
    @inline(__always)
    mutating func write(_ id: PackedID, to place: UnsafeMutableRawPointer) -> Int {
        id.withBytes { bytes in
            guard let start = bytes.baseAddress, !bytes.isEmpty else {
                place.storeBytes(of: 0, as: UInt8.self)
                return 1
            }
            return write(start, bytes.count, to: place)
        }
    }

    mutating func write(
        _ start: UnsafeRawPointer, _ count: Int, to place: UnsafeMutableRawPointer
    ) -> Int {
        if count >= Self.uuidLength,
            Self.packUUID(start + (count - Self.uuidLength), to: place + (count == Self.uuidLength ? 1 : 2))
        {
            if count == Self.uuidLength {
                place.storeBytes(of: Self.uuid, as: UInt8.self)
                return 17
            }
            if let slot = slot(of: start, count - Self.uuidLength) {
                place.storeBytes(of: Self.prefixedUUID, as: UInt8.self)
                place.storeBytes(of: slot, toByteOffset: 1, as: UInt8.self)
                return 18
            }
        } else if let (digits, value) = Self.number(start, count), let slot = slot(of: start, count - digits)
        {
            place.storeBytes(of: Self.number, as: UInt8.self)
            place.storeBytes(of: slot, toByteOffset: 1, as: UInt8.self)
            return 2 + Varint.write(value, to: place + 2)
        }
        place.storeBytes(of: UInt8(count), as: UInt8.self)
        (place + 1).copyMemory(from: start, byteCount: count)
        return 1 + count
    }

    /// The number that the bytes end in, of at most 18 digits and without a zero before it.
    private static func number(_ start: UnsafeRawPointer, _ count: Int) -> (digits: Int, value: UInt64)? {
        var (digits, value, unit): (Int, UInt64, UInt64) = (0, 0, 1)
        while digits < count, digits < 18 {
            let byte = start.load(fromByteOffset: count - digits - 1, as: UInt8.self)
            guard byte >= 0x30, byte <= 0x39 else { break }
            value += UInt64(byte - 0x30) * unit
            unit *= 10
            digits += 1
        }
        // Zeros before it belong to what comes before.
        while digits > 1, start.load(fromByteOffset: count - digits, as: UInt8.self) == 0x30 { digits -= 1 }
        return digits < 3 ? nil : (digits, value)
    }

    /// The slot of what stands before; nil where it has none. Only what ends in a sign such as - or / may have one:
    /// others are as many as there are ids.
    private mutating func slot(of start: UnsafeRawPointer, _ count: Int) -> UInt8? {
        guard count > 0, count <= 64 else { return nil }
        var last = count - 1
        // Zeros that fill a number up.
        while last > 0, start.load(fromByteOffset: last, as: UInt8.self) == 0x30 { last -= 1 }
        let sign = start.load(fromByteOffset: last, as: UInt8.self)
        guard sign < 0x30 || (0x3A...0x40).contains(sign) || (0x5B...0x60).contains(sign) else { return nil }
        var hash: UInt32 = 2_166_136_261
        for index in 0..<count {
            hash = (hash ^ UInt32(start.load(fromByteOffset: index, as: UInt8.self))) &* 16_777_619
        }
        let slot = Int((hash ^ hash >> 16) & 0xFF)
        if prefixes.isEmpty { prefixes = Array(repeating: nil, count: Self.slots) }
        guard let known = prefixes[slot] else {
            prefixes[slot] = PackedID(utf8: UnsafeRawBufferPointer(start: start, count: count))
            return UInt8(slot)
        }
        let isSame =
            known.count == count && known.withBytes { RawBytes.areEqual($0.baseAddress!, start, count) }
        return isSame ? UInt8(slot) : nil
    }

    /// Whether 36 bytes are a UUID in small letters; then its 16 bytes are written.
    private static func packUUID(_ start: UnsafeRawPointer, to place: UnsafeMutableRawPointer) -> Bool {
        guard isDash(start, 8), isDash(start, 13), isDash(start, 18), isDash(start, 23) else { return false }
        var from = 0
        for index in 0..<16 {
            if from == 8 || from == 13 || from == 18 || from == 23 { from += 1 }
            guard let high = nibble(start.load(fromByteOffset: from, as: UInt8.self)),
                let low = nibble(start.load(fromByteOffset: from + 1, as: UInt8.self))
            else { return false }
            place.storeBytes(of: high << 4 | low, toByteOffset: index, as: UInt8.self)
            from += 2
        }
        return true
    }

    @inline(__always)
    private static func nibble(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    private static func isDash(_ start: UnsafeRawPointer, _ place: Int) -> Bool {
        start.load(fromByteOffset: place, as: UInt8.self) == 0x2D
    }

    // MARK: Reading

    /// Moves `place` behind the id.
    func read(_ place: inout UnsafeRawPointer) -> PackedID {
        let tag = place.load(as: UInt8.self)
        place += 1
        guard tag > Limits.idBytes else {
            defer { place += Int(tag) }
            return PackedID(utf8: UnsafeRawBufferPointer(start: place, count: Int(tag)))
        }
        var before: PackedID?
        if tag != Self.uuid {
            before = prefixes[Int(place.load(as: UInt8.self))]
            place += 1
        }
        let start = place
        var value: UInt64 = 0
        if tag == Self.number { value = Varint.read(&place) } else { place += 16 }
        return withUnsafeTemporaryAllocation(byteCount: Self.room, alignment: 8) { text in
            let text = text.baseAddress!
            let count = before?.count ?? 0
            before?.withBytes { text.copyMemory(from: $0.baseAddress!, byteCount: count) }
            let rest =
                tag == Self.number
                ? Self.writeDecimal(value, to: text + count) : Self.unpackUUID(start, to: text + count)
            return PackedID(utf8: UnsafeRawBufferPointer(start: text, count: count + rest))
        }
    }

    private static func writeDecimal(_ value: UInt64, to place: UnsafeMutableRawPointer) -> Int {
        var (count, rest) = (1, value / 10)
        while rest > 0 { (count, rest) = (count + 1, rest / 10) }
        rest = value
        for index in (0..<count).reversed() {
            place.storeBytes(of: UInt8(0x30 + rest % 10), toByteOffset: index, as: UInt8.self)
            rest /= 10
        }
        return count
    }

    private static func unpackUUID(_ start: UnsafeRawPointer, to place: UnsafeMutableRawPointer) -> Int {
        var to = 0
        for index in 0..<16 {
            if index == 4 || index == 6 || index == 8 || index == 10 {
                place.storeBytes(of: 0x2D, toByteOffset: to, as: UInt8.self)
                to += 1
            }
            let byte = start.load(fromByteOffset: index, as: UInt8.self)
            place.storeBytes(of: digit(byte >> 4), toByteOffset: to, as: UInt8.self)
            place.storeBytes(of: digit(byte & 0xF), toByteOffset: to + 1, as: UInt8.self)
            to += 2
        }
        return to
    }

    private static func digit(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x61 + nibble - 10 }
}

/// Numbers in as few bytes as they need, seven bits in each (LEB128).
enum Varint {
    static let room = 10

    @inline(__always)
    static func write(_ value: UInt64, to place: UnsafeMutableRawPointer) -> Int {
        var (rest, count) = (value, 0)
        while rest >= 0x80 {
            place.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: count, as: UInt8.self)
            rest >>= 7
            count += 1
        }
        place.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: count, as: UInt8.self)
        return count + 1
    }

    /// A number with its sign, which stands in the lowest bit.
    @inline(__always)
    static func write(_ value: Int64, to place: UnsafeMutableRawPointer) -> Int {
        write(UInt64(bitPattern: value << 1 ^ value >> 63), to: place)
    }

    /// Moves `place` behind the number; likewise below.
    @inline(__always)
    static func read(_ place: inout UnsafeRawPointer) -> UInt64 {
        var (value, shift): (UInt64, UInt64) = (0, 0)
        while true {
            let byte = place.load(as: UInt8.self)
            place += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }

    @inline(__always)
    static func readSigned(_ place: inout UnsafeRawPointer) -> Int64 {
        let value: UInt64 = read(&place)
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }
}
