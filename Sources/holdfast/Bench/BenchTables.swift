import Foundation

/// The figures of a benchmark as tables of Markdown: of the rounds the median, and of throughput
/// and p99 the least and the most.
struct BenchTables {
    let figures: [BenchFigure]

    init(_ figures: [BenchFigure]) { self.figures = figures }

    func markdown() -> String {
        [throughput(), latency(), sink(), restore(), expiry(), orders()].filter { !$0.isEmpty }.joined(
            separator: "\n\n")
    }

    /// What is compared with what: in the order in which they were first measured.
    private func names(_ kind: BenchFigure.Kind) -> [String] {
        var names: [String] = []
        for figure in figures where figure.kind == kind && !names.contains(figure.name) {
            names.append(figure.name)
        }
        return names
    }

    /// The median of all rounds' commands a second.
    func perSecond(_ name: String, load: String) -> Percentiles {
        Percentiles(
            figures.filter { $0.kind == .throughput && $0.name == name && $0.load == load }.map(\.perSecond))
    }

    private func throughput() -> String {
        let names = names(.throughput)
        let loads = unique(figures.filter { $0.kind == .throughput }.map(\.load))
        guard !names.isEmpty else { return "" }
        var lines = ["| commands a second | " + loads.joined(separator: " | ") + " |"]
        lines.append("|---|" + String(repeating: "---|", count: loads.count))
        for name in names {
            let cells = loads.map { load in
                let rounds = perSecond(name, load: load)
                guard let median = rounds.value(50) else { return "" }
                let range =
                    rounds.count > 1
                    ? " (\(Self.count(rounds.value(0)!)) to \(Self.count(rounds.largest!)))" : ""
                return Self.count(median) + range + ratio(to: name, median, load)
            }
            lines.append("| \(name) | " + cells.joined(separator: " | ") + " |")
        }
        return lines.joined(separator: "\n")
    }

    /// How much Holdfast does for one of another's.
    private func ratio(to name: String, _ median: Double, _ load: String) -> String {
        guard name != BenchContestant.holdfast.rawValue,
            let ours = perSecond(BenchContestant.holdfast.rawValue, load: load).value(50)
        else { return "" }
        return String(format: "; holdfast %.2f", ours / median)
    }

    private func latency() -> String {
        let all = figures.filter { $0.kind == .latency }
        guard !all.isEmpty else { return "" }
        let names = names(.latency)
        var lines = ["| ms from due to read: p50, p99, p99.9 | " + names.joined(separator: " | ") + " |"]
        lines.append("|---|" + String(repeating: "---|", count: names.count))
        for rate in unique(all.compactMap(\.rate)) {
            for isolation in unique(all.compactMap(\.isolation)) {
                let cells = names.map { name in
                    let rounds = all.filter {
                        $0.rate == rate && $0.isolation == isolation && $0.name == name
                    }
                    return [\BenchFigure.p50, \.p99, \.p999].map { path in
                        let values = Percentiles(rounds.compactMap { $0[keyPath: path] })
                        let range =
                            path == \.p99 && values.count > 1
                            ? " (\(values.text(0)) to \(values.text(100)))" : ""
                        return values.text(50) + range
                    }.joined(separator: ", ")
                }
                lines.append("| \(rate) a second, \(isolation) | " + cells.joined(separator: " | ") + " |")
            }
        }
        return lines.joined(separator: "\n")
    }

    /// Three digits that mean something.
    static func count(_ value: Double) -> String {
        let step = max(1, pow(10, floor(log10(max(value, 1))) - 2))
        return String(Int((value / step).rounded() * step))
    }

    private func unique<Item: Hashable>(_ items: [Item]) -> [Item] {
        var seen: Set<Item> = []
        return items.filter { seen.insert($0).inserted }
    }
}
