import InventoryCore

/// A number of units as it stands in a field. What has two readings is not read, but refused with what to write.
package enum CountNumber: Equatable, Sendable {
    case blank
    case units(Int64)
    /// Why it is no number of units, and what to write.
    case refused(String)

    package init(_ written: String) {
        let text = CountText.cleanNumber(written)
        guard !text.isEmpty else {
            self = .blank
            return
        }
        let digits = text.utf8.first == UInt8(ascii: "+") ? text.utf8.dropFirst() : text.utf8[...]
        guard !digits.isEmpty, digits.allSatisfy(Self.isDigit) else {
            self = .refused(Self.advice(text))
            return
        }
        var units: Int64 = 0
        for digit in digits where units <= Limits.onHand { units = units * 10 + Int64(digit - 0x30) }
        self = units <= Limits.onHand ? .units(units) : .refused("at most \(Limits.onHand) units are allowed")
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func advice(_ text: String) -> String {
        if let digits = ownDigits(text) { return "write \(digits), in the digits 0 to 9" }
        if ["-", "\u{2010}", "\u{2011}", "\u{2012}", "\u{2013}", "\u{2014}", "\u{2212}"].contains(text) {
            return "write 0 if nothing is there, and delete the row if it was not counted"
        }
        if isNegative(text) { return "no fewer than 0 units can be there; write what was counted" }
        let parts = text.split(omittingEmptySubsequences: false) { ".,".contains($0) }.map(Array.init)
        if parts.count == 2, isNumber(parts[0]), isNumber(parts[1]), parts[1].count != 3 {
            return parts[1].allSatisfy { $0 == "0" }
                ? "write \(String(parts[0])), without decimals" : "units are whole; write a whole number"
        }
        if let number = withoutThousands(text) {
            return "write it without separators (\(number), if they are between thousands)"
        }
        if isScientific(text) { return "a spreadsheet has shortened it; write all of its digits" }
        return "write a whole number from 0 to \(Limits.onHand), digits alone"
    }

    private static func isNumber(_ text: [Character]) -> Bool {
        !text.isEmpty && text.allSatisfy { $0.isASCII && $0.isWholeNumber }
    }

    /// A number in the digits of another script.
    private static func ownDigits(_ text: String) -> String? {
        var digits = ""
        for scalar in text.unicodeScalars {
            guard scalar.properties.numericType == .decimal, let value = scalar.properties.numericValue else {
                return nil
            }
            digits += String(Int(value))
        }
        return digits
    }

    private static func isNegative(_ text: String) -> Bool {
        guard text.contains(where: { $0.isWholeNumber }) else { return false }
        return "-\u{2212}\u{2013}".contains(text.first!) || text.last == "-"
            || text.first == "(" && text.last == ")"
    }

    /// The digits of a number in groups of three.
    private static func withoutThousands(_ text: String) -> String? {
        let separators = ",.'\u{2019} \u{A0}\u{202F}\u{2009}_"
        let groups = text.split(omittingEmptySubsequences: false) { separators.contains($0) }.map(Array.init)
        guard groups.count > 1, groups.allSatisfy(isNumber), groups[0].count <= 3,
            groups.dropFirst().allSatisfy({ $0.count == 3 })
        else { return nil }
        return String(groups.joined())
    }

    private static func isScientific(_ text: String) -> Bool {
        let parts = text.split(omittingEmptySubsequences: false) { "eE".contains($0) }
        guard parts.count == 2, let first = parts[0].first, first.isWholeNumber else { return false }
        let exponent = "+-".contains(parts[1].first ?? " ") ? parts[1].dropFirst() : parts[1]
        return isNumber(Array(exponent)) && parts[0].allSatisfy { $0.isWholeNumber || ".,".contains($0) }
    }
}
