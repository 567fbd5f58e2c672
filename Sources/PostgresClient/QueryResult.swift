import CLibpq

/// The rows that a statement gave: the owner of a `PGresult`.
///
/// Rows and columns are counted from 0; nil is SQL's NULL.
package struct QueryResult: ~Copyable {
    let raw: OpaquePointer

    init(raw: OpaquePointer) { self.raw = raw }

    deinit { PQclear(raw) }

    /// How many rows came back; wraps `PQntuples`.
    package var rowCount: Int { Int(PQntuples(raw)) }

    /// How many columns each row has; wraps `PQnfields`.
    package var columnCount: Int { Int(PQnfields(raw)) }

    /// How many rows an INSERT, UPDATE, DELETE or COPY touched; wraps `PQcmdTuples`.
    package var affectedRows: Int { Int(String(cString: PQcmdTuples(raw))) ?? 0 }

    /// The command that was done, such as `COMMIT`; wraps `PQcmdStatus`.
    package var command: String { String(cString: PQcmdStatus(raw)) }

    /// Whether the value is NULL; wraps `PQgetisnull`.
    package func isNull(_ row: Int, _ column: Int) -> Bool {
        check(row, column)
        return PQgetisnull(raw, Int32(row), Int32(column)) == 1
    }

    /// An `int2`, `int4` or `int8`. Throws `PostgresError` (stop) for any other type.
    package func int64(_ row: Int, _ column: Int) throws(PostgresError) -> Int64? {
        guard let bytes = bytes(row, column) else { return nil }
        guard isBinary(column) else { return try parse(bytes, column) { Int64($0) } }
        switch type(column) {
        case TypeNumber.int16: return Int64(integer(bytes, as: Int16.self))
        case TypeNumber.int32: return Int64(integer(bytes, as: Int32.self))
        case TypeNumber.int64: return integer(bytes, as: Int64.self)
        default: throw mistyped(column, "an integer")
        }
    }

    /// An `int2` or `int4`, or an `int8` that fits. Throws `PostgresError` (stop) for anything else.
    package func int32(_ row: Int, _ column: Int) throws(PostgresError) -> Int32? {
        guard let value = try int64(row, column) else { return nil }
        guard let fitting = Int32(exactly: value) else { throw mistyped(column, "an integer of 32 bits") }
        return fitting
    }

    /// A `text`, `varchar` or `name`; in the text format, any type. Throws `PostgresError` (stop) else.
    package func text(_ row: Int, _ column: Int) throws(PostgresError) -> String? {
        guard let bytes = bytes(row, column) else { return nil }
        let readable = [TypeNumber.text, TypeNumber.varchar, TypeNumber.name, TypeNumber.unknown]
        guard !isBinary(column) || readable.contains(type(column)) else { throw mistyped(column, "text") }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A `bool`. Throws `PostgresError` (stop) for any other type.
    package func bool(_ row: Int, _ column: Int) throws(PostgresError) -> Bool? {
        guard let bytes = bytes(row, column) else { return nil }
        guard type(column) == TypeNumber.bool else { throw mistyped(column, "a bool") }
        return isBinary(column) ? bytes[0] != 0 : bytes[0] == UInt8(ascii: "t")
    }

    /// A `timestamptz` in milliseconds since 1970, rounded down; in the binary format only. Infinity is given
    /// as the largest or smallest number. Throws `PostgresError` (stop) for any other type.
    package func timestampMilliseconds(_ row: Int, _ column: Int) throws(PostgresError) -> Int64? {
        guard let bytes = bytes(row, column) else { return nil }
        guard type(column) == TypeNumber.timestamp, isBinary(column) else {
            throw mistyped(column, "a timestamptz in the binary format")
        }
        let microseconds = integer(bytes, as: Int64.self)
        guard microseconds != .max, microseconds != .min else { return microseconds }
        return PostgresTime.milliseconds(since2000: microseconds)
    }
}

extension QueryResult {
    private func check(_ row: Int, _ column: Int) {
        precondition(row >= 0 && row < rowCount, "row \(row) of a result of \(rowCount) rows")
        precondition(column >= 0 && column < Int(PQnfields(raw)), "no column \(column) in this result")
    }

    /// The bytes of a value, valid as long as the result; wraps `PQgetvalue` and `PQgetlength`.
    private func bytes(_ row: Int, _ column: Int) -> UnsafeRawBufferPointer? {
        guard !isNull(row, column) else { return nil }
        return UnsafeRawBufferPointer(
            start: PQgetvalue(raw, Int32(row), Int32(column)),
            count: Int(PQgetlength(raw, Int32(row), Int32(column))))
    }

    private func isBinary(_ column: Int) -> Bool { PQfformat(raw, Int32(column)) == 1 }

    private func type(_ column: Int) -> UInt32 { PQftype(raw, Int32(column)) }

    /// The server's type says how long the value is, so that a length that differs is corruption.
    private func integer<Value: FixedWidthInteger>(
        _ bytes: UnsafeRawBufferPointer, as: Value.Type
    ) -> Value {
        precondition(bytes.count == MemoryLayout<Value>.size, "an integer of \(bytes.count) bytes")
        return Value(bigEndian: bytes.loadUnaligned(as: Value.self))
    }

    private func parse<Value>(
        _ bytes: UnsafeRawBufferPointer, _ column: Int, _ convert: (String) -> Value?
    ) throws(PostgresError) -> Value {
        guard let value = convert(String(decoding: bytes, as: UTF8.self)) else {
            throw mistyped(column, "an integer")
        }
        return value
    }

    private func mistyped(_ column: Int, _ wanted: String) -> PostgresError {
        let name = PQfname(raw, Int32(column)).map { String(cString: $0) } ?? "\(column)"
        return .mistyped("column \(name) has type number \(type(column)) and is not \(wanted)")
    }
}
