import InventoryCore

/// Moments as text: RFC 3339, written in UTC with milliseconds.
package enum RFC3339 {
    /// - Returns: nil for what is no date-time of the years 1970 to 9999.
    package static func parse(_ text: UnsafeRawBufferPointer) -> Timestamp? {
        guard text.count >= 20, text[4] == dash, text[7] == dash, isSeparator(text[10]),
            text[13] == colon, text[16] == colon,
            let year = number(text, 0, 4), let month = number(text, 5, 2), let day = number(text, 8, 2),
            let hour = number(text, 11, 2), let minute = number(text, 14, 2),
            let second = number(text, 17, 2),
            1...12 ~= month, 1...daysInMonth(year, month) ~= day, hour < 24, minute < 60, second <= 60
        else { return nil }
        var position = 19
        guard let milliseconds = fraction(text, &position), let offset = zone(text, position) else {
            return nil
        }
        let seconds =
            daysFromCivil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset * 60
        // A leap second is the last of a UTC day, and counts as the moment that follows it.
        guard second < 60 || seconds % 86_400 == 0 else { return nil }
        let total = seconds * 1_000 + milliseconds
        return 0...Limits.latestTime ~= total ? Timestamp(milliseconds: total) : nil
    }

    package static func text(_ timestamp: Timestamp) -> String {
        var bytes = ByteBuffer(capacity: 24)
        write(timestamp, to: &bytes)
        return bytes.withBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// `2026-11-24T09:00:00.000Z`
    static func write(_ timestamp: Timestamp, to bytes: inout ByteBuffer) {
        bytes.extend(by: 24) { write(timestamp, to: $0) }
    }

    /// 24 bytes.
    static func write(_ timestamp: Timestamp, to text: UnsafeMutablePointer<UInt8>) {
        let total = timestamp.milliseconds
        let (year, month, day) = civilFromDays(total / 86_400_000)
        let inDay = total % 86_400_000
        func pair(_ number: UInt32, at place: Int, _ next: UInt8) {
            text[place] = UInt8(truncatingIfNeeded: 0x30 + number / 10)
            text[place + 1] = UInt8(truncatingIfNeeded: 0x30 + number % 10)
            text[place + 2] = next
        }
        let (date, time) = (UInt32(year), UInt32(inDay))
        pair(date / 100, at: 0, 0)
        pair(date % 100, at: 2, dash)
        pair(UInt32(month), at: 5, dash)
        pair(UInt32(day), at: 8, 0x54)
        pair(time / 3_600_000, at: 11, colon)
        pair(time / 60_000 % 60, at: 14, colon)
        pair(time / 1_000 % 60, at: 17, 0x2E)
        pair(time % 1_000 / 10, at: 20, UInt8(truncatingIfNeeded: 0x30 + time % 10))
        text[23] = 0x5A
    }

    /// T or t; or a space, which section 5.6 allows.
    private static func isSeparator(_ byte: UInt8) -> Bool { byte | 0x20 == 0x74 || byte == 0x20 }

    private static let dash: UInt8 = 0x2D
    private static let colon: UInt8 = 0x3A

    private static func number(_ text: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> Int64? {
        var value: Int64 = 0
        for index in start..<(start + count) {
            guard 0x30...0x39 ~= text[index] else { return nil }
            value = value * 10 + Int64(text[index] - 0x30)
        }
        return value
    }

    /// Milliseconds; further digits are cut off.
    private static func fraction(_ text: UnsafeRawBufferPointer, _ position: inout Int) -> Int64? {
        guard position < text.count, text[position] == 0x2E else { return 0 }
        position += 1
        var value: Int64 = 0
        var count = 0
        while position < text.count, 0x30...0x39 ~= text[position] {
            if count < 3 { value = value * 10 + Int64(text[position] - 0x30) }
            count += 1
            position += 1
        }
        guard count > 0 else { return nil }
        for _ in min(count, 3)..<3 { value *= 10 }
        return value
    }

    /// Minutes east of UTC.
    private static func zone(_ text: UnsafeRawBufferPointer, _ start: Int) -> Int64? {
        guard start < text.count else { return nil }
        if text[start] | 0x20 == 0x7A { return start + 1 == text.count ? 0 : nil }
        guard start + 6 == text.count, text[start] == 0x2B || text[start] == dash, text[start + 3] == colon,
            let hours = number(text, start + 1, 2), let minutes = number(text, start + 4, 2), hours < 24,
            minutes < 60
        else { return nil }
        let offset = hours * 60 + minutes
        return text[start] == dash ? -offset : offset
    }

    private static func daysInMonth(_ year: Int64, _ month: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    private static func daysFromCivil(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// The other way round, by the same source.
    private static func civilFromDays(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}

/// Moments as text, of which the last two are kept: the records of a command say the same ones again and again.
struct TimeTexts: Sendable {
    /// 24 bytes of text, as they lie in memory.
    private struct Text {
        var milliseconds: Int64
        var first: UInt64 = 0
        var second: UInt64 = 0
        var third: UInt64 = 0
    }

    private var last = Text(milliseconds: .min)
    private var other = Text(milliseconds: .min)

    /// Gives the three words of the text to `body`.
    @inline(__always)
    mutating func withText(of time: Timestamp, _ body: (UInt64, UInt64, UInt64) -> Void) {
        if last.milliseconds != time.milliseconds { look(for: time) }
        body(last.first, last.second, last.third)
    }

    private mutating func look(for time: Timestamp) {
        swap(&last, &other)
        if last.milliseconds == time.milliseconds { return }
        last.milliseconds = time.milliseconds
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 24) { text in
            guard let start = text.baseAddress else { preconditionFailure("24 bytes have a place") }
            RFC3339.write(time, to: start)
            let raw = UnsafeRawPointer(start)
            last.first = raw.loadUnaligned(as: UInt64.self)
            last.second = raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            last.third = raw.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
        }
    }
}

extension Timestamp {
    /// Nil for what is no date-time of the years 1970 to 9999.
    package init?(rfc3339 text: String) {
        var text = text
        guard let parsed = text.withUTF8({ RFC3339.parse(UnsafeRawBufferPointer($0)) }) else { return nil }
        self = parsed
    }
}
