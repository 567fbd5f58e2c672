import InventoryCore

/// A buffer that JSON is written into, field by field, and that keeps its memory from record to record.
@usableFromInline
struct JSONBuffer: Sendable {
    @usableFromInline private(set) var bytes = ByteBuffer()
    /// 1 where a comma stands before the next field; 0 after an opening bracket.
    private var comma = 0
    private var times = TimeTexts()
    private var movements = WordText<Movement>()
    private var commands = WordText<CommandKind>()
    private var outcomes = WordText<Outcome.Kind>()

    var count: Int { bytes.count }

    @inlinable @inline(__always)
    func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try bytes.withBytes(body)
    }

    mutating func begin() {
        bytes.removeAll()
        open(0x7B)
    }

    mutating func end() { close(0x7D) }

    /// Nothing but an array of two texts.
    mutating func pair(_ first: PackedID, _ second: PackedID) {
        bytes.removeAll()
        open(0x5B)
        appendQuoted(first)
        bytes.append(0x2C)
        appendQuoted(second)
        close(0x5D)
    }

    @inline(__always)
    mutating func beginObject(_ name: StaticString) {
        field(name)
        open(0x7B)
    }

    @inline(__always)
    mutating func beginArray(_ name: StaticString) {
        field(name)
        open(0x5B)
    }

    mutating func endArray() { close(0x5D) }

    /// An object as an element of an array.
    mutating func beginElement() {
        if comma == 1 { bytes.append(0x2C) }
        open(0x7B)
    }

    mutating func endElement() { close(0x7D) }

    @inline(__always)
    private mutating func open(_ bracket: UInt8) {
        bytes.append(bracket)
        comma = 0
    }

    @inline(__always)
    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        comma = 1
    }

    /// Left out where there is no value.
    @inline(__always)
    mutating func string(_ name: StaticString, _ value: String?) {
        if let value { string(name, value) }
    }

    @inline(__always)
    mutating func string(_ name: StaticString, _ value: String) {
        field(name)
        appendQuoted(value)
    }

    /// Left out where there is none.
    @inline(__always)
    mutating func string(_ name: StaticString, _ id: ID?) { string(name, id?.text) }

    mutating func string(_ name: StaticString, _ id: ID) { string(name, id.text) }

    mutating func string(_ name: StaticString, _ id: PackedID) {
        if id.isNone { return }
        field(name)
        appendQuoted(id)
    }

    mutating func word(_ name: StaticString, _ movement: Movement) {
        field(name)
        appendQuoted(movements.text(of: movement))
    }

    mutating func word(_ name: StaticString, _ command: CommandKind) {
        field(name)
        appendQuoted(commands.text(of: command))
    }

    mutating func word(_ name: StaticString, _ outcome: Outcome.Kind) {
        field(name)
        appendQuoted(outcomes.text(of: outcome))
    }

    private mutating func appendQuoted(_ id: PackedID) {
        if id.needsEscape { return appendQuoted(id.text) }
        bytes.extend(atMost: PackedID.room + 2) { place in
            place[0] = 0x22
            id.write(to: place + 1)
            place[1 + id.count] = 0x22
            return id.count + 2
        }
    }

    @inline(__always)
    mutating func integer(_ name: StaticString, _ value: Int64?) {
        if let value { integer(name, value) }
    }

    @inline(__always)
    mutating func integer(_ name: StaticString, _ value: Int64) {
        field(name)
        bytes.append(decimal: value)
    }

    @inline(__always)
    mutating func boolean(_ name: StaticString, _ value: Bool) {
        field(name)
        bytes.append(value ? "true" as StaticString : "false")
    }

    @inline(__always)
    mutating func time(_ name: StaticString, _ value: Timestamp?) {
        if let value { time(name, value) }
    }

    @inline(__always)
    mutating func time(_ name: StaticString, _ value: Timestamp) {
        field(name)
        append(value)
    }

    private mutating func append(_ time: Timestamp) {
        times.withText(of: time) { first, second, third in
            bytes.extend(by: 26) { place in
                let raw = UnsafeMutableRawPointer(place)
                place[0] = 0x22
                raw.storeBytes(of: first, toByteOffset: 1, as: UInt64.self)
                raw.storeBytes(of: second, toByteOffset: 9, as: UInt64.self)
                raw.storeBytes(of: third, toByteOffset: 17, as: UInt64.self)
                place[25] = 0x22
            }
        }
    }

    /// Millionths of a degree, as degrees without trailing zeros.
    mutating func degrees(_ name: StaticString, _ millionths: Int64) {
        field(name)
        if millionths < 0 { bytes.append(0x2D) }
        bytes.append(decimal: Int64(millionths.magnitude / 1_000_000))
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
        bytes.append(hexadecimal: value)
        bytes.append(0x22)
    }

    /// 256 bits as 64 hexadecimal digits.
    mutating func hexadecimal(_ name: StaticString, _ value: ChainHash) {
        field(name)
        bytes.append(0x22)
        bytes.append(hexadecimal: value)
        bytes.append(0x22)
    }

    /// Left out where it is 0.
    @inline(__always)
    mutating func units(_ name: StaticString, _ value: Int64) {
        if value != 0 { integer(name, value) }
    }

    /// Left out where it is false.
    @inline(__always)
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
    @inline(__always)
    private mutating func field(_ name: StaticString) {
        let count = name.utf8CodeUnitCount
        let comma = comma
        self.comma = 1
        bytes.extend(atMost: count + 4) { place in
            place[0] = 0x2C
            let place = place + comma
            place[0] = 0x22
            (place + 1).update(from: name.utf8Start, count: count)
            place[count + 1] = 0x22
            place[count + 2] = 0x3A
            return comma + count + 3
        }
    }

    private mutating func appendQuoted(_ text: String) {
        text.withBytes { appendQuoted($0) }
    }

    private mutating func appendQuoted(_ text: UnsafeBufferPointer<UInt8>) {
        if appendPlain(text) { return }
        bytes.append(0x22)
        var start = 0
        for index in text.indices where Self.needsEscape(text[index]) {
            let byte = text[index]
            bytes.append(UnsafeBufferPointer(rebasing: text[start..<index]))
            start = index + 1
            bytes.append(0x5C)
            if byte < 0x20 {
                bytes.append("u00")
                bytes.append(0x30 + byte >> 4)
                bytes.append(Hexadecimal.digit(byte & 15))
            } else {
                bytes.append(byte)
            }
        }
        bytes.append(UnsafeBufferPointer(rebasing: text[start...]))
        bytes.append(0x22)
    }

    private static func needsEscape(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x22 || byte == 0x5C }

    /// A text in quotes, eight bytes at a time.
    ///
    /// - Returns: false for one that needs escapes; then nothing was written.
    private mutating func appendPlain(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var found: UInt64 = 0
        bytes.extend(by: text.count + 2) { found = Self.quote(text, to: $0) }
        if found != 0 { bytes.shorten(by: text.count + 2) }
        return found == 0
    }

    /// Writes a text and its quotes.
    ///
    /// - Returns: not 0 where it needs escapes.
    private static func quote(
        _ text: UnsafeBufferPointer<UInt8>, to place: UnsafeMutablePointer<UInt8>
    ) -> UInt64 {
        place[0] = 0x22
        let (from, to) = (UnsafeRawPointer(text.baseAddress), UnsafeMutableRawPointer(place + 1))
        var found: UInt64 = 0
        let count = text.count
        if count >= 8, let from {
            var index = 0
            while index <= count - 8 {
                let word = from.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                found |= escapes(word)
                to.storeBytes(of: word, toByteOffset: index, as: UInt64.self)
                index += 8
            }
            if index < count {
                // The rest, with some of what was copied.
                let word = from.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
                found |= escapes(word)
                to.storeBytes(of: word, toByteOffset: count - 8, as: UInt64.self)
            }
        } else {
            for index in 0..<count {
                found |= needsEscape(text[index]) ? 1 : 0
                place[1 + index] = text[index]
            }
        }
        place[1 + text.count] = 0x22
        return found
    }

    /// Not 0 where one of eight bytes needs an escape (Mycroft's test for a zero byte, and for less than n).
    @inline(__always)
    private static func escapes(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let (quote, backslash) = (word ^ ones &* 0x22, word ^ ones &* 0x5C)
        let control = (word &- ones &* 0x20) & ~word
        return (control | (quote &- ones) & ~quote | (backslash &- ones) & ~backslash) & (ones &* 0x80)
    }
}
