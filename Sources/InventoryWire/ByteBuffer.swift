/// Bytes that are written one after another into memory that is used again and again.
///
/// An array checks with each byte whether others share it, which here costs more than the writing; this asks once a
/// record. Unchecked, because who writes has the memory alone: `removeAll` takes other memory where a copy shares
/// it, and nothing writes before it has called that.
@usableFromInline
struct ByteBuffer: @unchecked Sendable {
    @usableFromInline
    final class Memory {
        let start: UnsafeMutablePointer<UInt8>

        init(_ count: Int) { start = .allocate(capacity: count) }

        deinit { start.deallocate() }
    }

    @usableFromInline var memory: Memory
    @usableFromInline var start: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    @usableFromInline private(set) var count = 0

    init(capacity: Int = 1024) {
        memory = Memory(capacity)
        start = memory.start
        self.capacity = capacity
    }

    /// Gives what was written to `body`.
    @inlinable @inline(__always)
    func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(memory) {} }
        return try body(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// Swift lets an object go after its last use, and knows of no use by a pointer. This is one.
    private func keep() { withExtendedLifetime(memory) {} }

    var last: UInt8? {
        defer { keep() }
        return count == 0 ? nil : start[count - 1]
    }

    mutating func removeAll() {
        count = 0
        if !isKnownUniquelyReferenced(&memory) { take(Memory(capacity)) }
    }

    private mutating func take(_ other: Memory) {
        memory = other
        start = other.start
    }

    /// Makes room for `more` bytes, which `body` writes, all of them.
    @inline(__always)
    mutating func extend(by more: Int, _ body: (UnsafeMutablePointer<UInt8>) -> Void) {
        let end = count + more
        if end > capacity { grow(to: end) }
        body(start + count)
        count = end
        keep()
    }

    /// Makes room for `most` bytes, of which `body` writes the first, and says how many they are.
    @inline(__always)
    mutating func extend(atMost most: Int, _ body: (UnsafeMutablePointer<UInt8>) -> Int) {
        if count + most > capacity { grow(to: count + most) }
        count += body(start + count)
        keep()
    }

    /// Takes the last `less` bytes back.
    mutating func shorten(by less: Int) { count -= less }

    @inline(never)
    private mutating func grow(to least: Int) {
        capacity = max(least, 2 * capacity)
        let other = Memory(capacity)
        other.start.update(from: start, count: count)
        keep()
        take(other)
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) { extend(by: 1) { $0.pointee = byte } }

    mutating func append(_ text: UnsafeBufferPointer<UInt8>) {
        guard let from = text.baseAddress else { return }
        extend(by: text.count) { Self.copy(from, text.count, to: $0) }
    }

    @inline(__always)
    mutating func append(_ text: StaticString) {
        let count = text.utf8CodeUnitCount
        extend(by: count) { $0.update(from: text.utf8Start, count: count) }
    }

    mutating func append(utf8 text: String) {
        text.withBytes { append($0) }
    }

    /// A number in decimal.
    mutating func append(decimal number: Int64) {
        extend(atMost: Self.decimalRoom) { Self.write(decimal: number, to: $0) }
    }

    /// 64 bits as 16 hexadecimal digits in lower case.
    mutating func append(hexadecimal value: UInt64) {
        extend(by: 16) { place in
            let place = UnsafeMutableRawPointer(place)
            place.storeBytes(of: Hexadecimal.digits(UInt32(value >> 32)), as: UInt64.self)
            place.storeBytes(
                of: Hexadecimal.digits(UInt32(truncatingIfNeeded: value)), toByteOffset: 8, as: UInt64.self)
        }
    }

    /// Copies by words: what is written here is short, and a call of memcpy takes longer.
    static func copy(_ from: UnsafePointer<UInt8>, _ count: Int, to place: UnsafeMutablePointer<UInt8>) {
        let (from, place) = (UnsafeRawPointer(from), UnsafeMutableRawPointer(place))
        var index = 0
        if count >= 8 {
            while index <= count - 8 {
                let word = from.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                place.storeBytes(of: word, toByteOffset: index, as: UInt64.self)
                index += 8
            }
            if index == count { return }
            // The rest, with some of what was copied.
            let word = from.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
            return place.storeBytes(of: word, toByteOffset: count - 8, as: UInt64.self)
        }
        while index < count {
            let byte = from.load(fromByteOffset: index, as: UInt8.self)
            place.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
            index += 1
        }
    }

    /// So many bytes `write(decimal:to:)` may write, those included that it writes behind the number.
    static let decimalRoom = 32

    /// Writes a number in decimal. Of the `decimalRoom` bytes at its place, those behind it may be written too.
    ///
    /// - Returns: the number of its characters.
    static func write(decimal number: Int64, to place: UnsafeMutablePointer<UInt8>) -> Int {
        if 0...9 ~= number {
            place[0] = 0x30 + UInt8(truncatingIfNeeded: number)
            return 1
        }
        if 10...99 ~= number {
            let small = UInt32(truncatingIfNeeded: number)
            place[0] = 0x30 + UInt8(truncatingIfNeeded: small / 10)
            place[1] = 0x30 + UInt8(truncatingIfNeeded: small % 10)
            return 2
        }
        if number >= 0 { return write(number.magnitude, to: place) }
        place[0] = 0x2D
        return 1 + write(number.magnitude, to: place + 1)
    }

    private static func write(_ number: UInt64, to place: UnsafeMutablePointer<UInt8>) -> Int {
        let raw = UnsafeMutableRawPointer(place)
        if number < 100_000_000 {
            // The first digit lies in the lowest byte; zeros before the number are shifted out.
            let digits = eightDigits(UInt32(truncatingIfNeeded: number))
            let zeros = min(digits.trailingZeroBitCount >> 3, 7)
            let text = (digits | 0x3030_3030_3030_3030) >> UInt64(8 * zeros)
            raw.storeBytes(of: text.littleEndian, as: UInt64.self)
            return 8 - zeros
        }
        let count = write(number / 100_000_000, to: place)
        let digits = eightDigits(UInt32(truncatingIfNeeded: number % 100_000_000)) | 0x3030_3030_3030_3030
        raw.storeBytes(of: digits.littleEndian, toByteOffset: count, as: UInt64.self)
        return count + 8
    }

    /// The 8 digits of a number below 100,000,000, the first in the lowest byte: halves, quarters and eighths of it
    /// are divided at once, each in its own bits.
    private static func eightDigits(_ number: UInt32) -> UInt64 {
        let halves = UInt64(number / 10_000) | UInt64(number % 10_000) << 32
        let hundreds = (halves &* 10_486) >> 20 & 0x0000_007F_0000_007F
        let quarters = hundreds | (halves &- hundreds &* 100) << 16
        let tens = (quarters &* 103) >> 10 & 0x000F_000F_000F_000F
        return tens | (quarters &- tens &* 10) << 8
    }
}
