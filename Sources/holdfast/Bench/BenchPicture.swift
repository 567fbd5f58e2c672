import Foundation

/// One load as a picture: a bar for each contestant, with what it does in a second and how late its answers are in the
/// worst round.
struct BenchPicture {
    private struct Bar {
        let name: String
        let perSecond: Double
        let note: String
    }

    private static let rowHeight = 34
    private static let left = 190
    private static let width = 860

    private let load: String
    private let bars: [Bar]

    /// - Parameter rate: the rate at which the time to an answer is told, commands a second.
    init(_ figures: [BenchFigure], load: String, rate: Int) {
        self.load = load
        let tables = BenchTables(figures)
        var names: [String] = []
        for figure in figures
        where figure.kind == .throughput && figure.load == load && !names.contains(figure.name) {
            names.append(figure.name)
        }
        bars = names.map { name in
            let late = Percentiles(
                figures.filter {
                    $0.name == name
                        && ($0.kind == .throughput
                            ? $0.load == load
                            : $0.kind == .latency && $0.rate == rate && $0.isolation == "read_committed")
                }.compactMap(\.p99)
            ).largest
            return Bar(
                name: name, perSecond: tables.perSecond(name, load: load).value(50) ?? 0,
                note: late.map { String(format: ", p99 %.0f ms", $0) } ?? "")
        }
    }

    /// SVG, without scripts or fonts of its own.
    func svg() -> String {
        let height = Self.rowHeight * bars.count + 50
        let most = bars.map(\.perSecond).max() ?? 1
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Self.width) \(height)\" "
                + "font-family=\"sans-serif\" font-size=\"14\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
            "<text x=\"10\" y=\"24\" font-weight=\"bold\">Commands a second, load \(load)</text>",
        ]
        for (row, bar) in bars.enumerated() {
            let y = 40 + row * Self.rowHeight
            let length = max(2, Int(bar.perSecond / most * 380))
            let color = bar.name == BenchContestant.holdfast.rawValue ? "#c2410c" : "#94a3b8"
            lines.append(
                "<text x=\"\(Self.left - 8)\" y=\"\(y + 19)\" text-anchor=\"end\">\(bar.name)</text>"
                    + "<rect x=\"\(Self.left)\" y=\"\(y + 3)\" width=\"\(length)\" height=\"22\" fill=\"\(color)\"/>"
                    + "<text x=\"\(Self.left + length + 8)\" y=\"\(y + 19)\">\(BenchTables.count(bar.perSecond))\(bar.note)"
                    + "</text>")
        }
        return (lines + ["</svg>", ""]).joined(separator: "\n")
    }
}
