import InventoryCore

/// A buffer that JSON is written into, field by field, and that keeps its memory from record to record.
struct JSONBuffer: Sendable {
    private var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(1024) }

    var count: Int { bytes.count }

    func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var result: Swift.Result<Result, Failure>?
        bytes.withUnsafeBytes { buffer in
            do throws(Failure) { result = .success(try body(buffer)) } catch { result = .failure(error) }
        }
        return try result!.get()
    }

    mutating func begin() {
        bytes.removeAll(keepingCapacity: true)
        bytes.append(0x7B)
    }

    mutating func end() { bytes.append(0x7D) }

    mutating func beginObject(_ name: StaticString) {
        field(name)
        bytes.append(0x7B)
    }

    mutating func beginArray(_ name: StaticString) {
        field(name)
        bytes.append(0x5B)
    }

    mutating func endArray() { bytes.append(0x5D) }

    /// An object as an element of an array.
    mutating func beginElement() {
        separate()
        bytes.append(0x7B)
    }

    mutating func endElement() { bytes.append(0x7D) }

    /// Left out where there is no value.
    mutating func string(_ name: StaticString, _ value: String?) {
        guard var value else { return }
        field(name)
        bytes.append(0x22)
        value.withUTF8 { appendEscaped($0) }
        bytes.append(0x22)
    }

    mutating func integer(_ name: StaticString, _ value: Int64?) {
        guard let value else { return }
        field(name)
        if value < 0 { bytes.append(0x2D) }
        appendDigits(value.magnitude)
    }

    mutating func boolean(_ name: StaticString, _ value: Bool) {
        field(name)
        append(value ? "true" : "false")
    }

    mutating func time(_ name: StaticString, _ value: Timestamp?) {
        guard let value else { return }
        field(name)
        bytes.append(0x22)
        RFC3339.write(value) { bytes.append($0) }
        bytes.append(0x22)
    }

    /// Millionths of a degree, as degrees without trailing zeros.
    mutating func degrees(_ name: StaticString, _ millionths: Int64) {
        field(name)
        if millionths < 0 { bytes.append(0x2D) }
        appendDigits(millionths.magnitude / 1_000_000)
        var rest = millionths.magnitude % 1_000_000
        if rest == 0 { return }
        bytes.append(0x2E)
        var unit: UInt64 = 100_000
        while rest > 0 {
            bytes.append(UInt8(0x30 + rest / unit))
            rest %= unit
            unit /= 10
        }
    }

    /// 64 bits as 16 hexadecimal digits.
    mutating func hexadecimal(_ name: StaticString, _ value: UInt64) {
        field(name)
        bytes.append(0x22)
        Hexadecimal.write(value) { bytes.append($0) }
        bytes.append(0x22)
    }

    /// 256 bits as 64 hexadecimal digits.
    mutating func hexadecimal(_ name: StaticString, _ value: ChainHash) {
        field(name)
        bytes.append(0x22)
        Hexadecimal.write(value) { bytes.append($0) }
        bytes.append(0x22)
    }

    /// Left out where it is 0.
    mutating func units(_ name: StaticString, _ value: Int64) {
        if value != 0 { integer(name, value) }
    }

    /// Left out where it is false.
    mutating func flag(_ name: StaticString, _ value: Bool) {
        if value { boolean(name, true) }
    }

    mutating func base64(_ name: StaticString, _ value: UnsafeRawBufferPointer?) {
        guard let value else { return }
        field(name)
        bytes.append(0x22)
        Base64.encode(value) { bytes.append($0) }
        bytes.append(0x22)
    }

    /// The name of a field, which needs no escapes, with the comma before it.
    private mutating func field(_ name: StaticString) {
        separate()
        bytes.append(0x22)
        append(name)
        bytes.append(0x22)
        bytes.append(0x3A)
    }

    private mutating func separate() {
        // After an opening bracket nothing stands yet.
        if bytes.last != 0x7B && bytes.last != 0x5B { bytes.append(0x2C) }
    }

    private mutating func append(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>) {
        var start = 0
        for index in text.indices {
            let byte = text[index]
            guard byte < 0x20 || byte == 0x22 || byte == 0x5C else { continue }
            bytes.append(contentsOf: text[start..<index])
            start = index + 1
            bytes.append(0x5C)
            if byte < 0x20 {
                append("u00")
                bytes.append(0x30 + byte >> 4)
                bytes.append(Hexadecimal.digit(byte & 15))
            } else {
                bytes.append(byte)
            }
        }
        bytes.append(contentsOf: text[start...])
    }

    private mutating func appendDigits(_ magnitude: UInt64) {
        let start = bytes.count
        var rest = magnitude
        repeat {
            bytes.append(UInt8(0x30 + rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }
}
