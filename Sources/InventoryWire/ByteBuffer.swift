/// Bytes that are written one after another into memory that is used again and again.
///
/// An array checks with each byte whether others share it, which here costs more than the writing; this asks once a
/// record. Unchecked, because who writes has the memory alone: `removeAll` takes other memory where a copy shares
/// it, and nothing writes before it has called that.
struct ByteBuffer: @unchecked Sendable {
    private final class Memory {
        let start: UnsafeMutablePointer<UInt8>

        init(_ count: Int) { start = .allocate(capacity: count) }

        deinit { start.deallocate() }
    }

    private var memory: Memory
    private var start: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private(set) var count = 0

    init(capacity: Int = 1024) {
        memory = Memory(capacity)
        start = memory.start
        self.capacity = capacity
    }

    /// Gives what was written to `body`.
    func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { keep() }
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

    /// Takes the last `less` bytes back.
    mutating func shorten(by less: Int) { count -= less }

    private mutating func grow(to least: Int) {
        capacity = max(least, 2 * capacity)
        let other = Memory(capacity)
        other.start.update(from: start, count: count)
        keep()
        take(other)
    }

    mutating func append(_ byte: UInt8) { extend(by: 1) { $0.pointee = byte } }

    mutating func append(_ text: UnsafeBufferPointer<UInt8>) {
        guard let from = text.baseAddress else { return }
        extend(by: text.count) { Self.copy(from, text.count, to: $0) }
    }

    mutating func append(_ text: StaticString) {
        let count = text.utf8CodeUnitCount
        extend(by: count) { Self.copy(text.utf8Start, count, to: $0) }
    }

    mutating func append(utf8 text: String) {
        var text = text
        text.withUTF8 { append($0) }
    }

    /// A number in decimal.
    mutating func append(decimal number: Int64) {
        let digits = Self.digitCount(number.magnitude)
        let sign = number < 0 ? 1 : 0
        extend(by: sign + digits) { place in
            if number < 0 { place.pointee = 0x2D }
            Self.write(number.magnitude, digits, to: place + sign)
        }
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
        func word(_ index: Int) {
            let word = from.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            place.storeBytes(of: word, toByteOffset: index, as: UInt64.self)
        }
        if count >= 8 {
            for index in stride(from: 0, through: count - 8, by: 8) { word(index) }
            // The rest, with some of what was copied.
            if count % 8 != 0 { word(count - 8) }
            return
        }
        for index in 0..<count {
            let byte = from.load(fromByteOffset: index, as: UInt8.self)
            place.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
        }
    }

    /// Writes a number that has at most so many digits, with zeros in front: two at a time, from the back.
    static func write(_ number: UInt64, _ digits: Int, to place: UnsafeMutablePointer<UInt8>) {
        var rest = number
        var end = digits
        while end >= 2 {
            let pair = UInt32(truncatingIfNeeded: rest % 100)
            rest /= 100
            let tens = (pair * 103) >> 10  // pair / 10, for less than 100
            place[end - 1] = UInt8(truncatingIfNeeded: 0x30 + pair - 10 * tens)
            place[end - 2] = UInt8(truncatingIfNeeded: 0x30 + tens)
            end -= 2
        }
        if end == 1 { place[0] = UInt8(truncatingIfNeeded: 0x30 + rest) }
    }

    /// How many digits a number has in decimal.
    static func digitCount(_ number: UInt64) -> Int {
        var count = 1
        var rest = number
        while rest >= 1000 {
            rest /= 1000
            count += 3
        }
        return rest < 10 ? count : rest < 100 ? count + 1 : count + 2
    }
}
