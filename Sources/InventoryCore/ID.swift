/// An id: of a SKU, a warehouse, a channel, an order, a reservation, a transfer or a command, or a sender's reference.
///
/// Two ids are equal when their UTF-8 bytes are equal, and they are ordered by these bytes, as Kafka's keys and
/// PostgreSQL's deterministic collations compare them. A `String` compares by canonical equivalence (Unicode, UAX 15):
/// to it, "é" in one code point and in two is one text. To Kafka and PostgreSQL it is two.
package struct ID: Sendable {
    package let text: String

    package init(_ text: String) { self.text = text }

    /// Of bytes that are UTF-8; what is not becomes U+FFFD.
    package init(decoding bytes: some Collection<UInt8>) { text = String(decoding: bytes, as: UTF8.self) }

    package var isEmpty: Bool { text.utf8.isEmpty }

    /// Its length in bytes of UTF-8.
    package var count: Int { text.utf8.count }

    package var bytes: [UInt8] { Array(text.utf8) }

    @inline(__always)
    package func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        text.withBytes(body)
    }

    /// Whether its bytes begin with those of `prefix`.
    package func begins(with prefix: StaticString) -> Bool {
        withBytes { bytes in
            bytes.count >= prefix.utf8CodeUnitCount
                && RawBytes.areEqual(bytes.baseAddress!, prefix.utf8Start, prefix.utf8CodeUnitCount)
        }
    }
}

extension ID: Hashable, Comparable {
    @inline(__always)
    package static func == (left: ID, right: ID) -> Bool {
        // Two texts that are the same in memory, as most that are equal: a short one is its own bytes, and of a long one
        // there is often one copy.
        unsafeBitCast(left.text, to: SIMD2<UInt64>.self) == unsafeBitCast(right.text, to: SIMD2<UInt64>.self)
            || hasSameBytes(left, right)
    }

    @inline(never)
    private static func hasSameBytes(_ left: ID, _ right: ID) -> Bool {
        left.withBytes { left in
            right.withBytes { right in
                guard left.count == right.count, let one = UnsafeRawPointer(left.baseAddress),
                    let other = UnsafeRawPointer(right.baseAddress)
                else { return left.count == right.count }
                return one == other || RawBytes.areEqual(one, other, left.count)
            }
        }
    }

    package func hash(into hasher: inout Hasher) {
        withBytes { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        hasher.combine(0xFF as UInt8)
    }

    package static func < (left: ID, right: ID) -> Bool {
        left.withBytes { left in right.withBytes { right in left.lexicographicallyPrecedes(right) } }
    }
}

extension ID: Codable {
    package init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

extension ID: ExpressibleByStringInterpolation, CustomStringConvertible, LosslessStringConvertible {
    package init(stringLiteral text: String) { self.init(text) }

    package var description: String { text }
}
