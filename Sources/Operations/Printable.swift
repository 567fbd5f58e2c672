/// Bytes from outside as a person may safely see them: on a terminal, control characters are commands.
package enum Printable {
    /// - Parameter limit: how many bytes are shown at most; a cut is told by `...`.
    package static func text(_ bytes: [UInt8], limit: Int = .max) -> String {
        var shown = bytes.prefix(limit)
        var end = ""
        if shown.count < bytes.count {
            // Not in the middle of a character.
            while let last = shown.last, last & 0xC0 == 0x80 { shown.removeLast() }
            if let last = shown.last, last >= 0xC0 { shown.removeLast() }
            end = "..."
        }
        guard let text = String(validating: shown, as: UTF8.self) else {
            return shown.map { (0x20..<0x7F).contains($0) ? String(Unicode.Scalar($0)) : hexadecimal($0) }
                .joined() + end
        }
        return escaped(text) + end
    }

    private static func escaped(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            // Format characters can turn the direction of what follows.
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
                result.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
            default: result.append(scalar)
            }
        }
        return String(result)
    }

    private static func hexadecimal(_ byte: UInt8) -> String {
        "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}
