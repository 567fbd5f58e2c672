/// An id as its bytes, so that two Unicode forms of a word are two; shown with what is not ASCII escaped.
struct FieldName: Decodable, Hashable, Comparable, ExpressibleByStringLiteral, CustomStringConvertible {
    let bytes: [UInt8]

    init(_ text: String) { bytes = Array(text.utf8) }

    init(stringLiteral text: String) { self.init(text) }

    init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    static func < (one: FieldName, other: FieldName) -> Bool {
        one.bytes.lexicographicallyPrecedes(other.bytes)
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    var description: String { Self.shown(text) }

    /// A text with all that is not printable ASCII escaped.
    static func shown(_ text: String) -> String {
        text.unicodeScalars.map { scalar in
            (0x20..<0x7F).contains(scalar.value)
                ? String(scalar) : "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
        }.joined()
    }
}
