/// One event, and its two looks as a line.
struct LogEvent {
    /// Bytes of a message or of a string value that are written; what is longer is cut with a mark.
    static let maximumTextBytes = 8192

    let milliseconds: Int64
    let level: LogLevel
    let component: String
    let message: String
    let fields: [LogField]

    /// `2026-01-31T09:15:00.250Z INFO  sink: message key=value key="two words"`
    func textLine() -> [UInt8] {
        var line = Bytes(reserving: 160)
        line.append(LogTime.rfc3339(milliseconds))
        line.append(" ")
        let name = level.rawValue.uppercased()
        line.append(name)
        line.append(String(repeating: " ", count: max(1, 8 - name.utf8.count)))
        line.append(component)
        line.append(": ")
        line.appendEscaped(message, escapesQuotes: false)
        for field in fields {
            line.append(" ")
            line.append(field.name)
            line.append("=")
            line.appendTextValue(field.value)
        }
        line.append("\n")
        return line.storage
    }

    /// `{"time":"...","level":"info","component":"sink","message":"...","key":"value"}`
    func jsonLine() -> [UInt8] {
        var line = Bytes(reserving: 200)
        line.append("{\"time\":\"")
        line.append(LogTime.rfc3339(milliseconds))
        line.append("\",\"level\":\"")
        line.append(level.rawValue)
        line.append("\",\"component\":")
        line.appendQuoted(component)
        line.append(",\"message\":")
        line.appendQuoted(message)
        for field in fields {
            line.append(",")
            line.appendQuoted(Self.reservedNames.contains(field.name) ? field.name + "_" : field.name)
            line.append(":")
            line.appendJSONValue(field.value)
        }
        line.append("}\n")
        return line.storage
    }

    /// A field of such a name gets a `_` at its end, since a JSON object with a name twice has no one meaning.
    private static let reservedNames: Set<String> = ["time", "level", "component", "message"]
}

/// Bytes of a line in the making.
private struct Bytes {
    private(set) var storage: [UInt8] = []

    init(reserving count: Int) {
        storage.reserveCapacity(count)
    }

    mutating func append(_ text: String) {
        storage.append(contentsOf: text.utf8)
    }

    mutating func appendJSONValue(_ value: LogValue) {
        switch value {
        case .string(let text): appendQuoted(text)
        case .integer(let number): append(String(number))
        case .unsigned(let number): append(String(number))
        // JSON has no word for infinity or not-a-number, so these are written as strings.
        case .double(let number): number.isFinite ? append(String(number)) : appendQuoted(String(number))
        case .boolean(let flag): append(flag ? "true" : "false")
        }
    }

    mutating func appendTextValue(_ value: LogValue) {
        switch value {
        case .string(let text):
            let plain =
                !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"\\=".utf8.contains($0) }
            plain && text.utf8.count <= LogEvent.maximumTextBytes ? append(text) : appendQuoted(text)
        case .integer(let number): append(String(number))
        case .unsigned(let number): append(String(number))
        case .double(let number): append(String(number))
        case .boolean(let flag): append(flag ? "true" : "false")
        }
    }

    mutating func appendQuoted(_ text: String) {
        append("\"")
        appendEscaped(text, escapesQuotes: true)
        append("\"")
    }

    /// Escapes as JSON does, and also the controls from U+007F to U+009F, with which text in a log could
    /// steer the terminal that shows it.
    mutating func appendEscaped(_ text: String, escapesQuotes: Bool) {
        let end = storage.count + LogEvent.maximumTextBytes
        for scalar in text.unicodeScalars {
            if storage.count >= end {
                append("... (cut)")
                return
            }
            switch scalar.value {
            case 0x0A: append("\\n")
            case 0x0D: append("\\r")
            case 0x09: append("\\t")
            case 0x22 where escapesQuotes: append("\\\"")
            case 0x5C where escapesQuotes: append("\\\\")
            case 0..<0x20, 0x7F...0x9F, 0x2028, 0x2029:
                let digits = String(scalar.value, radix: 16)
                append("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits)
            default: storage.append(contentsOf: UTF8.encode(scalar)!)
            }
        }
    }
}

/// The times of log lines; small, so that no formatter of dates is needed for a line.
enum LogTime {
    /// Milliseconds since 1970 as `2026-01-31T09:15:00.250Z`.
    static func rfc3339(_ milliseconds: Int64) -> String {
        let day = milliseconds.flooredQuotient(86_400_000)
        let inDay = Int(milliseconds - day * 86_400_000)
        let date = civilDate(daysSince1970: day)
        let clock = [inDay / 3_600_000, inDay / 60_000 % 60, inDay / 1000 % 60].map { padded($0, 2) }
        return "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.day, 2))T"
            + clock.joined(separator: ":") + ".\(padded(inDay % 1000, 3))Z"
    }

    /// The Gregorian date of a day, counted from 0000-03-01 so that the leap day is the last of its year.
    private static func civilDate(daysSince1970: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = daysSince1970 + 719_468
        let era = shifted.flooredQuotient(146_097)
        let dayOfEra = Int(shifted - era * 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + Int(era) * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}

extension Int64 {
    /// Division that rounds down, so that times before 1970 fall into the right day.
    fileprivate func flooredQuotient(_ divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
