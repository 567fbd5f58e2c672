import Foundation

/// Writes lines of a table, or of JSON.
struct Report {
    let isJSON: Bool

    func title(_ text: String) {
        if !isJSON { print("\n" + text) }
        fflush(nil)
    }

    func rounds(_ part: String, _ name: String, _ rounds: Rounds, recordBytes: Int? = nil) {
        if isJSON {
            let bytes = recordBytes.map { ",\"record_bytes\":\($0)" } ?? ""
            print(
                "{\"part\":\"\(part)\",\"name\":\"\(name)\",\"ns_min\":\(Self.one(rounds.least)),"
                    + "\"ns_median\":\(Self.one(rounds.median)),\"ns_max\":\(Self.one(rounds.most)),"
                    + "\"mallocs\":\(Self.three(rounds.mallocs))\(bytes)}")
            return
        }
        print(
            Self.left(name, 16) + Self.right(Self.zero(rounds.least), 9)
                + Self.right(Self.zero(rounds.median), 9) + Self.right(Self.zero(rounds.most), 9)
                + Self.right(Self.three(rounds.mallocs), 11))
        fflush(nil)
    }

    func value(_ part: String, _ name: String, _ value: Double, _ unit: String) {
        if isJSON {
            print("{\"part\":\"\(part)\",\"name\":\"\(name)\",\"\(unit)\":\(Self.one(value))}")
        } else {
            print(Self.left(name, 32) + Self.right(Self.zero(value), 8) + " " + unit)
        }
    }

    private static func zero(_ value: Double) -> String { String(format: "%.0f", value) }
    private static func one(_ value: Double) -> String { String(format: "%.1f", value) }
    private static func three(_ value: Double) -> String { String(format: "%.3f", value) }

    private static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
