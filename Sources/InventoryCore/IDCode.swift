/// Writes ids short and reads them again, byte for byte. A UUID takes 17 bytes in place of 36, and what ends in a number
/// after a name that was seen before takes the number's.
struct IDCode: Sendable {
    /// What an id may take, with its tag.
    static let room = Limits.idBytes + 12

    private static let uuid: UInt8 = 129
    private static let number: UInt8 = 130
    private static let prefixedUUID: UInt8 = 131

    /// What stands before numbers and UUIDs, each in the slot of its hash: its length, 0 for none, and its bytes. A slot
    /// is filled once and never changes, so that what was written can be read for ever. Empty until there is one.
    private var prefixes: [UInt8] = []
    private static let slots = 256
    private static let prefixBytes = 64
    private static let slotBytes = 1 + prefixBytes
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
        guard count > 0, count <= Self.prefixBytes else { return nil }
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
        if prefixes.isEmpty { prefixes = Array(repeating: 0, count: Self.slots * Self.slotBytes) }
        return prefixes.withUnsafeMutableBytes { bytes in
            let place = bytes.baseAddress! + slot * Self.slotBytes
            let known = Int(place.load(as: UInt8.self))
            if known == 0 {
                place.storeBytes(of: UInt8(count), as: UInt8.self)
                (place + 1).copyMemory(from: start, byteCount: count)
                return UInt8(slot)
            }
            return known == count && RawBytes.areEqual(place + 1, start, count) ? UInt8(slot) : nil
        }
    }

    /// Whether 36 bytes are a UUID in small letters; then its 16 bytes are written.
    private static func packUUID(_ start: UnsafeRawPointer, to place: UnsafeMutableRawPointer) -> Bool {
        guard isDash(start, 8), isDash(start, 13), isDash(start, 18), isDash(start, 23),
            let first = HexDigits.pack(HexDigits.eight(start)),
            let second = HexDigits.pack(HexDigits.fours(start + 9, start + 14)),
            let third = HexDigits.pack(HexDigits.fours(start + 19, start + 24)),
            let fourth = HexDigits.pack(HexDigits.eight(start + 28))
        else { return false }
        place.storeBytes(of: first.bigEndian, as: UInt32.self)
        place.storeBytes(of: second.bigEndian, toByteOffset: 4, as: UInt32.self)
        place.storeBytes(of: third.bigEndian, toByteOffset: 8, as: UInt32.self)
        place.storeBytes(of: fourth.bigEndian, toByteOffset: 12, as: UInt32.self)
        return true
    }

    private static func isDash(_ start: UnsafeRawPointer, _ place: Int) -> Bool {
        start.load(fromByteOffset: place, as: UInt8.self) == dash
    }

    private static let dash: UInt8 = 0x2D

    // MARK: Reading

    /// Moves `place` behind the id.
    func read(_ place: inout UnsafeRawPointer) -> PackedID {
        readText(&place) { PackedID(utf8: $0) }
    }

    /// Moves `place` behind the id, of which only the hash is wanted.
    func readHash(_ place: inout UnsafeRawPointer) -> UInt32 {
        readText(&place) { IDHash.of($0) }
    }

    @inline(__always)
    private func readText<Result>(
        _ place: inout UnsafeRawPointer, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        let tag = place.load(as: UInt8.self)
        place += 1
        guard tag > Limits.idBytes else {
            let start = place
            place += Int(tag)
            return body(UnsafeRawBufferPointer(start: start, count: Int(tag)))
        }
        return withUnsafeTemporaryAllocation(byteCount: Self.room, alignment: 8) { text in
            let text = text.baseAddress!
            var count = 0
            if tag != Self.uuid {
                count = writePrefix(Int(place.load(as: UInt8.self)), to: text)
                place += 1
            }
            if tag == Self.number {
                count += Self.writeDecimal(Varint.read(&place), to: text + count)
            } else {
                Self.unpackUUID(place, to: text + count)
                place += 16
                count += Self.uuidLength
            }
            return body(UnsafeRawBufferPointer(start: text, count: count))
        }
    }

    /// - Returns: its length.
    private func writePrefix(_ slot: Int, to place: UnsafeMutableRawPointer) -> Int {
        prefixes.withUnsafeBytes { bytes in
            let start = bytes.baseAddress! + slot * Self.slotBytes
            let count = Int(start.load(as: UInt8.self))
            place.copyMemory(from: start + 1, byteCount: count)
            return count
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

    /// Writes 36 bytes.
    private static func unpackUUID(_ start: UnsafeRawPointer, to place: UnsafeMutableRawPointer) {
        func digits(_ offset: Int) -> UInt64 {
            HexDigits.unpack(UInt32(bigEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        }
        func store(_ four: UInt64, _ offset: Int) {
            place.storeBytes(
                of: UInt32(truncatingIfNeeded: four).bigEndian, toByteOffset: offset, as: UInt32.self)
        }
        let (second, third) = (digits(4), digits(8))
        place.storeBytes(of: digits(0).bigEndian, as: UInt64.self)
        store(second >> 32, 9)
        store(second, 14)
        store(third >> 32, 19)
        store(third, 24)
        place.storeBytes(of: digits(12).bigEndian, toByteOffset: 28, as: UInt64.self)
        for offset in [8, 13, 18, 23] { place.storeBytes(of: dash, toByteOffset: offset, as: UInt8.self) }
    }
}

/// Eight hexadecimal digits in small letters, and the 32 bits that they are; the first digit is the topmost.
private enum HexDigits {
    private static let ones: UInt64 = 0x0101_0101_0101_0101

    static func eight(_ start: UnsafeRawPointer) -> UInt64 {
        UInt64(bigEndian: start.loadUnaligned(as: UInt64.self))
    }

    static func fours(_ first: UnsafeRawPointer, _ second: UnsafeRawPointer) -> UInt64 {
        UInt64(UInt32(bigEndian: first.loadUnaligned(as: UInt32.self))) << 32
            | UInt64(UInt32(bigEndian: second.loadUnaligned(as: UInt32.self)))
    }

    /// Nil for what has another character among them.
    static func pack(_ text: UInt64) -> UInt32? {
        // Letters have the bit 0x40, and their lower four bits are 9 less than they stand for.
        let nibbles = (text & ones &* 0x0F) &+ ((text >> 6) & ones) &* 9
        guard nibbles & ones &* 0xF0 == 0, letters(nibbles) == text else { return nil }
        var bits = (nibbles | nibbles >> 4) & 0x00FF_00FF_00FF_00FF
        bits = (bits | bits >> 8) & 0x0000_FFFF_0000_FFFF
        return UInt32(truncatingIfNeeded: bits | bits >> 16)
    }

    static func unpack(_ bits: UInt32) -> UInt64 {
        var nibbles = UInt64(bits)
        nibbles = (nibbles | nibbles << 16) & 0x0000_FFFF_0000_FFFF
        nibbles = (nibbles | nibbles << 8) & 0x00FF_00FF_00FF_00FF
        nibbles = (nibbles | nibbles << 4) & ones &* 0x0F
        return letters(nibbles)
    }

    /// The characters of eight numbers of at most 15, one in each byte.
    private static func letters(_ nibbles: UInt64) -> UInt64 {
        let areLetters = (nibbles &+ ones &* 6) >> 4 & ones
        return nibbles &+ ones &* 0x30 &+ areLetters &* 0x27
    }
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
