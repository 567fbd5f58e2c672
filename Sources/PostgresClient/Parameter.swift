/// A value for `$1`, `$2`... of a statement; sent in PostgreSQL's binary form, so that nothing is quoted.
package enum Parameter: Equatable, Sendable {
    case bool(Bool)
    case int32(Int32)
    case int64(Int64)
    /// Without U+0000, which PostgreSQL's text cannot hold (it refuses it with SQLSTATE 22021).
    case text(String)
    /// A `timestamptz`, in milliseconds since 1970.
    case timestamp(milliseconds: Int64)
    case int32Array([Int32])
    case int64Array([Int64])
    case textArray([String])
}

/// The type numbers of `pg_type` that this client reads and writes.
enum TypeNumber {
    static let bool: UInt32 = 16
    static let name: UInt32 = 19
    static let int64: UInt32 = 20
    static let int16: UInt32 = 21
    static let int32: UInt32 = 23
    static let text: UInt32 = 25
    static let unknown: UInt32 = 705
    static let varchar: UInt32 = 1043
    static let int32Array: UInt32 = 1007
    static let textArray: UInt32 = 1009
    static let int64Array: UInt32 = 1016
    static let timestamp: UInt32 = 1184
}

extension Parameter {
    var type: UInt32 {
        switch self {
        case .bool: TypeNumber.bool
        case .int32: TypeNumber.int32
        case .int64: TypeNumber.int64
        case .text: TypeNumber.text
        case .timestamp: TypeNumber.timestamp
        case .int32Array: TypeNumber.int32Array
        case .int64Array: TypeNumber.int64Array
        case .textArray: TypeNumber.textArray
        }
    }

    /// Appends the value's binary form.
    func encode(into bytes: inout [UInt8]) {
        switch self {
        case .bool(let value): bytes.append(value ? 1 : 0)
        case .int32(let value): bytes.append(bigEndian: value)
        case .int64(let value): bytes.append(bigEndian: value)
        case .text(let value): bytes.append(contentsOf: value.utf8)
        case .timestamp(let milliseconds):
            bytes.append(bigEndian: PostgresTime.microseconds(since1970: milliseconds))
        case .int32Array(let values):
            bytes.appendArray(of: TypeNumber.int32, values) { $0.append(bigEndian: $1) }
        case .int64Array(let values):
            bytes.appendArray(of: TypeNumber.int64, values) { $0.append(bigEndian: $1) }
        case .textArray(let values):
            bytes.appendArray(of: TypeNumber.text, values) { $0.append(contentsOf: $1.utf8) }
        }
    }
}

/// PostgreSQL's count of time: microseconds since 2000-01-01T00:00:00Z.
package enum PostgresTime {
    /// 1970 to 2000, in milliseconds.
    static let epoch: Int64 = 946_684_800_000

    /// The nearest moment that fits: a time outside PostgreSQL's own range is refused by the server.
    package static func microseconds(since1970 milliseconds: Int64) -> Int64 {
        let (shifted, isBelow) = milliseconds.subtractingReportingOverflow(epoch)
        let (scaled, isBeyond) = shifted.multipliedReportingOverflow(by: 1000)
        guard isBelow || isBeyond else { return scaled }
        // The largest and smallest numbers mean infinity; next to them lies what the server refuses.
        return milliseconds < 0 ? Int64.min + 1 : Int64.max - 1
    }

    /// Milliseconds since 1970, rounded down.
    static func milliseconds(since2000 microseconds: Int64) -> Int64 {
        let (quotient, remainder) = microseconds.quotientAndRemainder(dividingBy: 1000)
        return quotient + epoch - (remainder < 0 ? 1 : 0)
    }
}

extension [UInt8] {
    fileprivate mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    /// One dimension, from index 1, without NULLs.
    fileprivate mutating func appendArray<Value>(
        of type: UInt32, _ values: [Value], _ encode: (inout [UInt8], Value) -> Void
    ) {
        append(bigEndian: Int32(values.isEmpty ? 0 : 1))
        append(bigEndian: Int32(0))
        append(bigEndian: type)
        guard !values.isEmpty else { return }
        append(bigEndian: Int32(values.count))
        append(bigEndian: Int32(1))
        for value in values {
            let start = count
            append(bigEndian: Int32(0))
            encode(&self, value)
            let length = Int32(count - start - 4)
            Swift.withUnsafeBytes(of: length.bigEndian) { replaceSubrange(start..<start + 4, with: $0) }
        }
    }
}
