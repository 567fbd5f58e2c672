/// Writes the rows of a `COPY ... FROM STDIN (FORMAT binary)`.
///
/// Lives only inside `Connection.copyIn`. Its buffer belongs to the connection and is used again.
package struct BinaryCopyWriter: ~Copyable {
    /// How many bytes are gathered before they are sent.
    static let capacity = 64 * 1024

    private let buffer: UnsafeMutablePointer<UInt8>
    private var count = 0
    private var missingFields: Int16 = 0
    /// How many rows were begun.
    package private(set) var rows = 0
    private let wire: Wire
    private let sql: String

    init(buffer: UnsafeMutablePointer<UInt8>, wire: Wire, sql: String) {
        self.buffer = buffer
        self.wire = wire
        self.sql = sql
    }

    /// The signature, no flags, no header extension.
    mutating func writeHeader() throws(PostgresError) {
        for byte in "PGCOPY\n".utf8 { put(byte) }
        for byte: UInt8 in [0xFF, 0x0D, 0x0A, 0x00] { put(byte) }
        put(bigEndian: Int64(0))
    }

    mutating func writeTrailer() throws(PostgresError) {
        precondition(missingFields == 0, "the last row lacks \(missingFields) fields")
        try makeRoom(for: 2)
        put(bigEndian: Int16(-1))
        try flush()
    }

    /// Begins a row of `fields` fields, each of which is then appended.
    package mutating func beginRow(fields: Int16) throws(PostgresError) {
        precondition(missingFields == 0, "row \(rows) lacks \(missingFields) fields")
        missingFields = fields
        rows += 1
        try makeRoom(for: 2)
        put(bigEndian: fields)
    }

    /// Appends NULL.
    package mutating func appendNull() throws(PostgresError) { try beginField(-1, room: 4) }

    /// Appends a `bool`.
    package mutating func append(_ value: Bool) throws(PostgresError) {
        try beginField(1, room: 5)
        put(value ? 1 : 0)
    }

    /// Appends an `int4`.
    package mutating func append(_ value: Int32) throws(PostgresError) {
        try beginField(4, room: 8)
        put(bigEndian: value)
    }

    /// Appends an `int8`.
    package mutating func append(_ value: Int64) throws(PostgresError) {
        try beginField(8, room: 12)
        put(bigEndian: value)
    }

    /// Appends a `timestamptz`, in microseconds since 2000 (`PostgresTime.microseconds(since1970:)`).
    package mutating func append(microsecondsSince2000 value: Int64) throws(PostgresError) {
        try append(value)
    }

    /// Appends a `text`. The server refuses one that holds U+0000.
    package mutating func append(_ value: String) throws(PostgresError) {
        var value = value
        value.makeContiguousUTF8()
        let length = value.utf8.count
        try beginField(Int32(length), room: 4 + min(length, Self.capacity - 4))
        // A typed error cannot leave the standard library's closure, which rethrows untyped ones only.
        var failure: PostgresError?
        value.withUTF8 { bytes in
            do throws(PostgresError) { try put(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Appends a `text` or NULL.
    package mutating func append(_ value: String?) throws(PostgresError) {
        guard let value else { return try appendNull() }
        try append(value)
    }

    /// Appends an `int8` or NULL.
    package mutating func append(_ value: Int64?) throws(PostgresError) {
        guard let value else { return try appendNull() }
        try append(value)
    }
}

extension BinaryCopyWriter {
    private mutating func beginField(_ length: Int32, room: Int) throws(PostgresError) {
        precondition(missingFields > 0, "row \(rows) has more fields than it was begun with")
        missingFields -= 1
        try makeRoom(for: room)
        put(bigEndian: length)
    }

    private mutating func makeRoom(for bytes: Int) throws(PostgresError) {
        if count + bytes > Self.capacity { try flush() }
    }

    private mutating func flush() throws(PostgresError) {
        guard count > 0 else { return }
        try wire.put(buffer, count, sql)
        count = 0
    }

    private mutating func put(_ byte: UInt8) {
        buffer[count] = byte
        count += 1
    }

    private mutating func put<Value: FixedWidthInteger>(bigEndian value: Value) {
        UnsafeMutableRawPointer(buffer + count).storeBytes(of: value.bigEndian, as: Value.self)
        count += MemoryLayout<Value>.size
    }

    /// Bytes of any number, in pieces where they are more than the buffer holds.
    private mutating func put(_ bytes: UnsafeBufferPointer<UInt8>) throws(PostgresError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            if count == Self.capacity { try flush() }
            let piece = rest.prefix(Self.capacity - count)
            (buffer + count).update(from: bytes.baseAddress! + piece.startIndex, count: piece.count)
            count += piece.count
            rest = rest.dropFirst(piece.count)
        }
    }
}

extension Connection {
    /// Runs a `COPY ... FROM STDIN (FORMAT binary)` whose rows `body` writes; wraps `PQputCopyData` and
    /// `PQputCopyEnd`. When `body` throws, the server drops all rows of the COPY.
    ///
    /// - Returns: How many rows the server took.
    /// - Throws: `PostgresError`.
    @discardableResult
    package func copyIn(
        _ sql: String, _ body: (inout BinaryCopyWriter) throws(PostgresError) -> Void
    ) throws(PostgresError) -> Int {
        try wire.beginCopy(sql)
        do throws(PostgresError) {
            var writer = BinaryCopyWriter(buffer: copyBuffer, wire: wire, sql: sql)
            try writer.writeHeader()
            try body(&writer)
            try writer.writeTrailer()
        } catch {
            if isUsable { try wire.endCopy(sql, complaint: "the sender gave up") }
            throw error
        }
        return try wire.endCopy(sql, complaint: nil)
    }
}
