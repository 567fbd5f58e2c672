import Counts
import Testing

@Suite("Numbers of a count")
struct CountNumberTests {
    @Test(
        "A whole number is read with blanks, hidden characters, a plus, zeros before it or a text guard",
        arguments: [
            ("118", 118), (" 118 ", 118), ("\u{A0}118\u{202F}", 118), ("118\u{200B}", 118),
            ("\u{200E}118", 118),
            ("+118", 118), ("00118", 118), ("0", 0), ("=\"118\"", 118), ("'118", 118), ("118\t", 118),
            ("1000000000000", 1_000_000_000_000),
        ] as [(String, Int64)])
    func read(_ text: String, _ units: Int64) { #expect(CountNumber(text) == .units(units)) }

    @Test("What has nothing in it is blank", arguments: ["", "  ", "\u{A0}", "\u{200B}", "=\"\"", "\t"])
    func blank(_ text: String) { #expect(CountNumber(text) == .blank) }

    @Test(
        "What is no whole number, or may be two, is refused with what to write",
        arguments: [
            ("118.0", "write 118, without decimals"), ("118,00", "write 118, without decimals"),
            ("5.0000", "write 5, without decimals"), ("2.5", "units are whole"), ("0,5", "units are whole"),
            ("1,118", "without separators (1118"), ("1.118", "without separators (1118"),
            ("118.000", "without separators (118000"), ("1 118", "without separators (1118"),
            ("1\u{A0}118", "without separators (1118"), ("1\u{202F}118", "without separators (1118"),
            ("1'118", "without separators (1118"), ("1\u{2019}118", "without separators (1118"),
            ("12,345,678", "without separators (12345678"), ("1,18,000", "digits alone"),
            ("1,118.00", "digits alone"), ("1E+05", "a spreadsheet has shortened it"),
            ("1.18E2", "a spreadsheet has shortened it"), ("1,18e+02", "a spreadsheet has shortened it"),
            ("-2", "no fewer than 0"), ("\u{2212}2", "no fewer than 0"), ("(2)", "no fewer than 0"),
            ("2-", "no fewer than 0"), ("-0", "no fewer than 0"), ("-", "write 0 if nothing is there"),
            ("\u{2013}", "write 0 if nothing is there"),
            ("\u{664}\u{660}", "write 40, in the digits 0 to 9"),
            ("\u{FF11}\u{FF11}\u{FF18}", "write 118, in the digits 0 to 9"),
            ("many", "digits alone"), ("118 pcs", "digits alone"), ("0x76", "digits alone"),
            ("#N/A", "digits alone"),
            ("+", "digits alone"), ("++1", "digits alone"), ("+-1", "digits alone"), ("1 1", "digits alone"),
            ("=A1", "digits alone"), ("1/2", "digits alone"), ("\u{BD}", "digits alone"),
            ("NaN", "digits alone"),
            ("1000000000001", "at most 1000000000000"),
            (String(repeating: "9", count: 400), "at most 1000000000000"), ("1e", "digits alone"),
        ])
    func refused(_ text: String, _ advice: String) {
        guard case .refused(let told) = CountNumber(text) else {
            Issue.record("\(text) is read as \(CountNumber(text))")
            return
        }
        #expect(told.contains(advice), "\(text): \(told)")
    }
}
