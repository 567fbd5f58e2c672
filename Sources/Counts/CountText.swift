import Operations

/// The text of a field: what spreadsheets and scanners put around it, and what hides in it.
enum CountText {
    /// The text without blanks around it (no-break spaces, too) and without a text guard: `="00123"` or `'00123`.
    static func clean(_ written: String) -> String {
        let text = trimmed(written)
        return unguarded(text).map(trimmed) ?? text
    }

    /// What a text guard holds; nil if there is none.
    static func unguarded(_ text: String) -> String? {
        let bytes = text.utf8
        if bytes.first == UInt8(ascii: "'"), bytes.count > 1 {
            return String(text.unicodeScalars.dropFirst())
        }
        guard bytes.count >= 3, bytes.starts(with: #"=""#.utf8), bytes.last == UInt8(ascii: "\"") else {
            return nil
        }
        var inside = String.UnicodeScalarView()
        var isSecondQuote = false
        for scalar in text.unicodeScalars.dropFirst(2).dropLast() {
            isSecondQuote = scalar == "\"" && !isSecondQuote
            if !isSecondQuote { inside.append(scalar) }
        }
        return String(inside)
    }

    private static func trimmed(_ text: String) -> String {
        trimmed(text) { isHidden($0) && $0.properties.isWhitespace }
    }

    /// The text of a number: what cannot be seen around it goes, too.
    static func cleanNumber(_ written: String) -> String {
        let text = trimmed(written, where: isHidden)
        return unguarded(text).map { trimmed($0, where: isHidden) } ?? text
    }

    private static func trimmed(_ text: String, where isDropped: (Unicode.Scalar) -> Bool) -> String {
        let scalars = text.unicodeScalars
        guard let first = scalars.first, let last = scalars.last, isDropped(first) || isDropped(last) else {
            return text
        }
        var rest = scalars[...]
        while let scalar = rest.first, isDropped(scalar) { rest.removeFirst() }
        while let scalar = rest.last, isDropped(scalar) { rest.removeLast() }
        return String(String.UnicodeScalarView(rest))
    }

    /// Whether a character cannot be seen, or not be told from a blank.
    static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII
            ? scalar == " " || (0x09...0x0D).contains(scalar.value)
            : scalar.properties.isDefaultIgnorableCodePoint || scalar.properties.isWhitespace
    }

    /// Why a text cannot be a new name: the first character in it that nobody would write on purpose.
    static func hidden(in text: String) -> Unicode.Scalar? {
        text.unicodeScalars.first { $0 != " " && isHidden($0) }
    }

    static func hasControl(_ text: String) -> Bool {
        text.utf8.contains { $0 < 0x20 || $0 == 0x7F }
    }

    /// In quotes, as a person may safely see it, and no longer than a line takes.
    static func quoted(_ text: String) -> String { "\"\(Printable.text(Array(text.utf8), limit: 160))\"" }

    /// Such as `U+200B`.
    static func codePoint(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
