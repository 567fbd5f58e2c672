import CYyjson
import InventoryCore

/// An object of parsed JSON, valid while its document is.
///
/// Every read names the field and says what is wrong with it. A field whose value is null counts as missing.
struct JSONObject {
    private let object: UnsafeMutablePointer<yyjson_val>

    /// A bit for each field, by its name's length and first letter: without its bit a field is missing. All bits where
    /// nobody has gone through the names.
    private var names = UInt64.max

    init(_ object: UnsafeMutablePointer<yyjson_val>) { self.object = object }

    /// The same object, which finds quickly that most of the fields that may be missing are.
    func indexed() -> JSONObject {
        var indexed = self
        indexed.names = 0
        var iterator = yyjson_obj_iter()
        yyjson_obj_iter_init(object, &iterator)
        while let key = yyjson_obj_iter_next(&iterator) { indexed.names |= Self.bit(of: key) }
        return indexed
    }

    private static func bit(of key: UnsafeMutablePointer<yyjson_val>) -> UInt64 {
        guard let start = yyjson_get_str(key) else { return .max }
        // An empty name has a zero after it.
        return bit(UInt8(bitPattern: start[0]), yyjson_get_len(key))
    }

    /// By factors with which no two fields of a command have the same bit, so that none is looked for in vain.
    @inline(__always)
    private static func bit(_ first: UInt8, _ count: Int) -> UInt64 {
        1 << ((UInt64(first) &* 2 &+ UInt64(count) &* 29) & 63)
    }

    /// Refuses too many fields, and any that stands twice. The limit bounds the cost of comparing all with all.
    func checkFields(limit: Int) throws(DecodingFailure) {
        let count = yyjson_obj_size(object)
        guard count <= limit else {
            throw DecodingFailure(.tooManyFields, "\(count) fields; at most \(limit) are allowed")
        }
        var outer = yyjson_obj_iter()
        yyjson_obj_iter_init(object, &outer)
        if Self.areDistinct(&outer) { return }
        yyjson_obj_iter_init(object, &outer)
        while let key = yyjson_obj_iter_next(&outer) {
            var inner = outer
            while let other = yyjson_obj_iter_next(&inner) {
                if yyjson_equals_strn(other, yyjson_get_str(key), yyjson_get_len(key)) {
                    throw DecodingFailure(.duplicateField, "\(Self.quoted(key)) stands twice")
                }
            }
        }
    }

    /// Whether no two names have the same bit.
    private static func areDistinct(_ iterator: inout yyjson_obj_iter) -> Bool {
        var seen: UInt64 = 0
        while let key = yyjson_obj_iter_next(&iterator) {
            let bit = bit(of: key)
            if seen & bit != 0 { return false }
            seen |= bit
        }
        return true
    }

    /// Refuses a field of another name: a person who wrote it wrong must be told.
    func checkNames(_ names: [StaticString]) throws(DecodingFailure) {
        var iterator = yyjson_obj_iter()
        yyjson_obj_iter_init(object, &iterator)
        while let key = yyjson_obj_iter_next(&iterator) {
            let isKnown = names.contains { name in
                name.withUTF8Buffer { bytes in
                    bytes.withMemoryRebound(to: CChar.self) {
                        yyjson_equals_strn(key, $0.baseAddress, $0.count)
                    }
                }
            }
            if isKnown { continue }
            throw DecodingFailure(
                .unknownType,
                "there is no field \(Self.quoted(key)); allowed are "
                    + names.map(\.description).joined(separator: ", "))
        }
    }

    /// The field's value; nil where it is missing or null (`yyjson_obj_getn`).
    @inline(__always)
    private func value(_ name: StaticString) -> UnsafeMutablePointer<yyjson_val>? {
        names & Self.bit(name.utf8Start[0], name.utf8CodeUnitCount) == 0 ? nil : find(name)
    }

    private func find(_ name: StaticString) -> UnsafeMutablePointer<yyjson_val>? {
        let found = name.withUTF8Buffer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { yyjson_obj_getn(object, $0.baseAddress, $0.count) }
        }
        guard let found, !yyjson_is_null(found) else { return nil }
        return found
    }

    func has(_ name: StaticString) -> Bool { value(name) != nil }

    private func required(_ name: StaticString) throws(DecodingFailure) -> UnsafeMutablePointer<yyjson_val> {
        guard let found = value(name) else { throw DecodingFailure(.missingField, "\(name) is missing") }
        return found
    }

    /// The bytes of a text, without a copy.
    func text(_ name: StaticString) throws(DecodingFailure) -> UnsafeRawBufferPointer {
        try Self.text(try required(name), name)
    }

    private static func text(
        _ value: UnsafeMutablePointer<yyjson_val>, _ name: StaticString
    ) throws(DecodingFailure) -> UnsafeRawBufferPointer {
        guard yyjson_is_str(value), let start = yyjson_get_str(value) else {
            throw DecodingFailure(.wrongType, "\(name) is \(kind(value)); it must be a string")
        }
        return UnsafeRawBufferPointer(start: start, count: yyjson_get_len(value))
    }

    /// An id: 1 to `Limits.idBytes` bytes without control characters.
    func id(_ name: StaticString) throws(DecodingFailure) -> ID {
        ID(try Self.line(try text(name), name))
    }

    /// The same, packed.
    func packedID(_ name: StaticString) throws(DecodingFailure) -> PackedID {
        try Self.packedID(try text(name), name)
    }

    /// A text that is no field.
    static func packedID(
        _ value: UnsafeMutablePointer<yyjson_val>, _ name: StaticString
    ) throws(DecodingFailure) -> PackedID {
        try packedID(try text(value, name), name)
    }

    func optionalPackedID(_ name: StaticString) throws(DecodingFailure) -> PackedID? {
        guard let value = value(name) else { return nil }
        return try Self.packedID(try Self.text(value, name), name)
    }

    private static func packedID(
        _ bytes: UnsafeRawBufferPointer, _ name: StaticString
    ) throws(DecodingFailure) -> PackedID {
        try checkLength(bytes, name, limit: Limits.idBytes)
        let id = PackedID(utf8: bytes)
        if id.hasControls { throw DecodingFailure(.invalidID, "\(name) has a control character") }
        return id
    }

    func optionalID(_ name: StaticString) throws(DecodingFailure) -> ID? {
        guard let value = value(name) else { return nil }
        return ID(try Self.line(try Self.text(value, name), name))
    }

    /// A note: 1 to `Limits.noteBytes` bytes without control characters.
    func optionalNote(_ name: StaticString) throws(DecodingFailure) -> String? {
        guard let value = value(name) else { return nil }
        return try Self.line(try Self.text(value, name), name, limit: Limits.noteBytes)
    }

    /// A text for people, which may have line feeds and tabs.
    func optionalText(_ name: StaticString, limit: Int) throws(DecodingFailure) -> String? {
        guard let value = value(name) else { return nil }
        let bytes = try Self.text(value, name)
        guard (1...limit).contains(bytes.count) else {
            throw DecodingFailure(
                .outOfRange, "\(name) has \(bytes.count) bytes; 1 to \(limit) are allowed")
        }
        if bytes.contains(where: { $0 == 0 }) {
            throw DecodingFailure(.invalidID, "\(name) has a NUL character")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A text without control characters.
    private static func line(
        _ bytes: UnsafeRawBufferPointer, _ name: StaticString, limit: Int = Limits.idBytes
    ) throws(DecodingFailure) -> String {
        try checkLength(bytes, name, limit: limit)
        if hasControl(bytes) {
            throw DecodingFailure(.invalidID, "\(name) has a control character")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func checkLength(
        _ bytes: UnsafeRawBufferPointer, _ name: StaticString, limit: Int
    ) throws(DecodingFailure) {
        if bytes.isEmpty {
            throw DecodingFailure(.outOfRange, "\(name) is empty; 1 to \(limit) bytes are allowed")
        }
        if bytes.count > limit {
            throw DecodingFailure(
                .idTooLong, "\(name) has \(bytes.count) bytes; at most \(limit) are allowed")
        }
    }

    /// Whether there is a character of ASCII that is no sign, eight bytes at a time (Mycroft's tests).
    private static func hasControl(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        var index = 0
        var found: UInt64 = 0
        while index + 8 <= bytes.count {
            let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let delete = word ^ ones &* 0x7F
            found |= (word &- ones &* 0x20) & ~word | (delete &- ones) & ~delete
            index += 8
        }
        if found & (ones &* 0x80) != 0 { return true }
        while index < bytes.count {
            if bytes[index] < 0x20 || bytes[index] == 0x7F { return true }
            index += 1
        }
        return false
    }

    /// A whole number, written as one: 1.0 and 1e3 are none.
    func integer(
        _ name: StaticString, _ range: ClosedRange<Int64> = .min ... .max
    ) throws(DecodingFailure) -> Int64 {
        try Self.integer(try required(name), name, range)
    }

    private static func integer(
        _ value: UnsafeMutablePointer<yyjson_val>, _ name: StaticString, _ range: ClosedRange<Int64>
    ) throws(DecodingFailure) -> Int64 {
        if yyjson_is_uint(value) {
            let number = yyjson_get_uint(value)
            if number <= UInt64(Int64.max), range.contains(Int64(number)) { return Int64(number) }
        } else if yyjson_is_sint(value) {
            let number = yyjson_get_sint(value)
            if range.contains(number) { return number }
        } else if !yyjson_is_raw(value) || rawIsReal(value) {
            throw DecodingFailure(.wrongType, "\(name) is \(kind(value)); it must be a whole number")
        }
        throw DecodingFailure(
            .outOfRange, "\(name) must be between \(range.lowerBound) and \(range.upperBound)")
    }

    func optionalInteger(
        _ name: StaticString, _ range: ClosedRange<Int64> = .min ... .max
    ) throws(DecodingFailure) -> Int64? {
        guard let value = value(name) else { return nil }
        return try Self.integer(value, name, range)
    }

    /// yyjson keeps numbers as text that are too large for it, with `YYJSON_READ_BIGNUM_AS_RAW`.
    private static func rawIsReal(_ value: UnsafeMutablePointer<yyjson_val>) -> Bool {
        let bytes = UnsafeRawBufferPointer(start: yyjson_get_raw(value), count: yyjson_get_len(value))
        return bytes.contains { $0 == 0x2E || $0 | 0x20 == 0x65 }
    }

    func boolean(_ name: StaticString) throws(DecodingFailure) -> Bool {
        guard let value = value(name) else { return false }
        guard yyjson_is_bool(value) else {
            throw DecodingFailure(.wrongType, "\(name) is \(Self.kind(value)); it must be true or false")
        }
        return yyjson_get_bool(value)
    }

    func optionalBoolean(_ name: StaticString) throws(DecodingFailure) -> Bool? {
        has(name) ? try boolean(name) : nil
    }

    /// Degrees, as any JSON number, in millionths.
    func degrees(_ name: StaticString, limit: Double) throws(DecodingFailure) -> Int64 {
        let value = try required(name)
        guard yyjson_is_num(value) else {
            throw DecodingFailure(.wrongType, "\(name) is \(Self.kind(value)); it must be a number")
        }
        let degrees = yyjson_get_num(value)
        guard degrees >= -limit, degrees <= limit else {
            throw DecodingFailure(.outOfRange, "\(name) must be between -\(limit) and \(limit)")
        }
        return Int64((degrees * 1_000_000).rounded())
    }

    /// 64 bits as 16 hexadecimal digits.
    func hexadecimal(_ name: StaticString) throws(DecodingFailure) -> UInt64 {
        let bytes = try text(name)
        guard bytes.count == 16, let number = UInt64(String(decoding: bytes, as: UTF8.self), radix: 16)
        else { throw DecodingFailure(.wrongType, "\(name) must be 16 hexadecimal digits") }
        return number
    }

    /// 256 bits as 64 hexadecimal digits, in lower case.
    func chainHash(_ name: StaticString) throws(DecodingFailure) -> ChainHash {
        guard let hash = Hexadecimal.chainHash(try text(name)) else {
            throw DecodingFailure(.wrongType, "\(name) must be 64 hexadecimal digits, in lower case")
        }
        return hash
    }

    func time(_ name: StaticString) throws(DecodingFailure) -> Timestamp {
        guard let moment = RFC3339.parse(try text(name)) else {
            throw DecodingFailure(
                .invalidTime,
                "\(name) is no RFC 3339 time of the years 1970 to 9999, such as 2026-11-24T09:00:00Z")
        }
        return moment
    }

    func optionalTime(_ name: StaticString) throws(DecodingFailure) -> Timestamp? {
        has(name) ? try time(name) : nil
    }

    /// One of the words of an enumeration.
    /// - Parameter excluded: a word of it that may not stand here.
    func word<Word: RawRepresentable & CaseIterable>(
        _ name: StaticString, _ type: Word.Type, but excluded: Word? = nil
    ) throws(DecodingFailure) -> Word where Word.RawValue == String {
        let bytes = try text(name)
        if let word = Word(rawValue: String(decoding: bytes, as: UTF8.self)),
            word.rawValue != excluded?.rawValue
        {
            return word
        }
        let allowed = Word.allCases.map(\.rawValue).filter { $0 != excluded?.rawValue }.joined(
            separator: ", ")
        throw DecodingFailure(.unknownType, "\(name) is unknown; allowed are \(allowed)")
    }

    func optionalWord<Word: RawRepresentable & CaseIterable>(
        _ name: StaticString, _ type: Word.Type
    ) throws(DecodingFailure) -> Word? where Word.RawValue == String {
        has(name) ? try word(name, type) : nil
    }

    func optionalObject(_ name: StaticString) throws(DecodingFailure) -> JSONObject? {
        has(name) ? try object(name) : nil
    }

    /// None where the field is missing.
    func optionalObjects(_ name: StaticString) throws(DecodingFailure) -> [JSONObject] {
        has(name) ? try objects(name) : []
    }

    func object(_ name: StaticString) throws(DecodingFailure) -> JSONObject {
        let value = try required(name)
        guard yyjson_is_obj(value) else {
            throw DecodingFailure(.wrongType, "\(name) is \(Self.kind(value)); it must be an object")
        }
        return JSONObject(value)
    }

    /// The objects of an array.
    func objects(_ name: StaticString) throws(DecodingFailure) -> [JSONObject] {
        let value = try required(name)
        guard yyjson_is_arr(value) else {
            throw DecodingFailure(.wrongType, "\(name) is \(Self.kind(value)); it must be an array")
        }
        var objects: [JSONObject] = []
        var iterator = yyjson_arr_iter()
        yyjson_arr_iter_init(value, &iterator)
        while let element = yyjson_arr_iter_next(&iterator) {
            guard yyjson_is_obj(element) else {
                throw DecodingFailure(.wrongType, "\(name) holds \(Self.kind(element)); it must hold objects")
            }
            objects.append(JSONObject(element))
        }
        return objects
    }

    static func kind(_ value: UnsafeMutablePointer<yyjson_val>) -> String {
        if yyjson_is_str(value) { return "a string" }
        if yyjson_is_bool(value) { return "a boolean" }
        if yyjson_is_obj(value) { return "an object" }
        if yyjson_is_arr(value) { return "an array" }
        if yyjson_is_null(value) { return "null" }
        return yyjson_is_int(value) ? "a whole number" : "a number with a fraction or an exponent"
    }

    /// A key for people to read, cut to 64 bytes.
    private static func quoted(_ key: UnsafeMutablePointer<yyjson_val>) -> String {
        let bytes = UnsafeRawBufferPointer(start: yyjson_get_str(key), count: yyjson_get_len(key))
        return String(decoding: bytes.prefix(64), as: UTF8.self)
    }
}
