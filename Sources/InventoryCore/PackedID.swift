/// An id as bytes in place: of a SKU, a command, a reservation or an order. It holds no reference, so that commands,
/// entries and outcomes are moved without counting any, and an id that comes out of a record needs no memory of its
/// own. What is asked of an id again and again is found out once, when it is made.
///
/// The packed form of an `ID`: two are equal when their bytes are equal.
package struct PackedID: Hashable, Sendable {
    /// `Limits.idBytes` bytes: the text, then zeros.
    package typealias Bytes = (
        SIMD2<UInt64>, SIMD2<UInt64>, SIMD2<UInt64>, SIMD2<UInt64>, SIMD2<UInt64>, SIMD2<UInt64>,
        SIMD2<UInt64>,
        SIMD2<UInt64>
    )

    package private(set) var bytes: Bytes
    /// By which it is found: the same as `IDHash.of` its id.
    package private(set) var hash: UInt32
    private var length: UInt8
    private var traits: Traits

    /// What kinds of characters there are, as bits.
    private struct Traits: OptionSet {
        let rawValue: UInt8

        /// Others than ASCII's.
        static let others = Traits(rawValue: 1)
        /// Such as JSON wants escaped.
        static let escaped = Traits(rawValue: 2)
        /// ASCII's control characters, DEL among them.
        static let controls = Traits(rawValue: 4)
    }

    /// How many bytes an id may write into where it is copied to.
    package static let room = Limits.idBytes

    package static var none: PackedID { PackedID(utf8: UnsafeRawBufferPointer(start: nil, count: 0)) }

    /// - Precondition: `utf8` is valid UTF-8 of at most `Limits.idBytes` bytes.
    package init(utf8: UnsafeRawBufferPointer) {
        precondition(utf8.count <= Limits.idBytes, "an id of \(utf8.count) bytes")
        let zero = SIMD2<UInt64>()
        bytes = (zero, zero, zero, zero, zero, zero, zero, zero)
        length = UInt8(truncatingIfNeeded: utf8.count)
        var scan = Scan()
        if let start = utf8.baseAddress {
            withUnsafeMutableBytes(of: &bytes) { place in
                guard let place = place.baseAddress else { return }
                scan.copy(start, utf8.count, to: place)
            }
        }
        traits = []
        hash = scan.hash(utf8.count)
        if scan.hasOthers {
            traits.insert(.others)
        }
        if scan.hasEscaped { traits.insert(.escaped) }
        if scan.hasControls { traits.insert(.controls) }
    }

    /// - Precondition: an id of at most `Limits.idBytes` bytes.
    package init(_ id: ID) {
        self = id.withBytes { PackedID(utf8: UnsafeRawBufferPointer($0)) }
    }

    package var count: Int { Int(length) }
    /// An id of no bytes stands for none.
    package var isNone: Bool { length == 0 }
    package var isASCII: Bool { !traits.contains(.others) }
    package var needsEscape: Bool { traits.contains(.escaped) }
    package var hasControls: Bool { traits.contains(.controls) }

    package var id: ID { ID(text) }

    package var text: String { withBytes { String(decoding: $0, as: UTF8.self) } }

    @inline(__always)
    package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeBytes(of: bytes) { body(UnsafeRawBufferPointer(start: $0.baseAddress, count: count)) }
    }

    /// Copies it by blocks: of the `room` bytes at `place`, those behind it may be written too.
    @inline(__always)
    package func write(to place: UnsafeMutablePointer<UInt8>) {
        let place = UnsafeMutableRawPointer(place)
        withUnsafeBytes(of: bytes) { bytes in
            var index = 0
            // Both end at a multiple of 16.
            while index < count {
                let block = bytes.load(fromByteOffset: index, as: SIMD2<UInt64>.self)
                place.storeBytes(of: block, toByteOffset: index, as: SIMD2<UInt64>.self)
                index += 16
            }
        }
    }

    package func begins(with prefix: StaticString) -> Bool {
        guard count >= prefix.utf8CodeUnitCount else { return false }
        return withUnsafeBytes(of: bytes) { bytes in
            for index in 0..<prefix.utf8CodeUnitCount where bytes[index] != prefix.utf8Start[index] {
                return false
            }
            return true
        }
    }

    package func hasSameBytes(as other: PackedID) -> Bool {
        if length != other.length || hash != other.hash { return false }
        return withUnsafeBytes(of: bytes) { one in
            withUnsafeBytes(of: other.bytes) { other in
                var index = 0
                // Zeros follow both.
                while index < count {
                    let word = one.load(fromByteOffset: index, as: UInt64.self)
                    if word != other.load(fromByteOffset: index, as: UInt64.self) { return false }
                    index += 8
                }
                return true
            }
        }
    }

    /// Whether it is equal to an id.
    package func isEqual(to id: ID) -> Bool {
        id.withBytes { utf8 in
            guard utf8.count == count, let start = UnsafeRawPointer(utf8.baseAddress) else {
                return utf8.count == count
            }
            return withUnsafeBytes(of: bytes) { RawBytes.areEqual($0.baseAddress!, start, count) }
        }
    }

    package static func == (left: PackedID, right: PackedID) -> Bool { left.hasSameBytes(as: right) }

    package func hash(into hasher: inout Hasher) { hasher.combine(hash) }
}

/// Copies a text, and sees what there is in it on the way, eight bytes at a time (Mycroft's tests).
private struct Scan {
    private var hasher = IDHasher()
    private var all: UInt64 = 0
    private var escapes: UInt64 = 0
    private var controls: UInt64 = 0
    private var rest: UInt64 = 0

    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let tops: UInt64 = 0x8080_8080_8080_8080

    var hasOthers: Bool { all & Self.tops != 0 }
    var hasEscaped: Bool { escapes & Self.tops != 0 }
    var hasControls: Bool { controls & Self.tops != 0 }

    /// As `IDHash` has it.
    func hash(_ count: Int) -> UInt32 { hasher.finish(rest, count: count) }

    @inline(__always)
    mutating func copy(_ from: UnsafeRawPointer, _ count: Int, to place: UnsafeMutableRawPointer) {
        var index = 0
        while index + 8 <= count {
            let word = from.loadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian
            place.storeBytes(of: word.littleEndian, toByteOffset: index, as: UInt64.self)
            look(at: word)
            hasher.add(word)
            index += 8
        }
        if index == count { return }
        let left = count - index
        if count >= 8 {
            // The rest, out of the last eight bytes.
            rest = from.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self).littleEndian
            rest >>= UInt64(8 * (8 - left))
        } else {
            for number in 0..<left {
                rest |=
                    UInt64(from.load(fromByteOffset: index + number, as: UInt8.self)) << UInt64(8 * number)
            }
        }
        place.storeBytes(of: rest.littleEndian, toByteOffset: index, as: UInt64.self)
        // Letters in place of what is not there.
        look(at: rest | (Self.ones &* 0x61) << UInt64(8 * left))
    }

    @inline(__always)
    private mutating func look(at word: UInt64) {
        all |= word
        let control = (word &- Self.ones &* 0x20) & ~word
        let quote = word ^ Self.ones &* 0x22
        let backslash = word ^ Self.ones &* 0x5C
        let delete = word ^ Self.ones &* 0x7F
        escapes |= control | (quote &- Self.ones) & ~quote | (backslash &- Self.ones) & ~backslash
        controls |= control | (delete &- Self.ones) & ~delete
    }
}
