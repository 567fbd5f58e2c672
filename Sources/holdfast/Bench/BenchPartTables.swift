import Foundation

/// The tables of the parts in which Holdfast is measured against a bare client or by itself.
extension BenchTables {
    private func medians(_ kind: BenchFigure.Kind, _ contestant: String) -> [BenchFigure] {
        figures.filter { $0.kind == kind && $0.contestant == contestant }
    }

    private static func median(_ values: [Double?]) -> Double? {
        Percentiles(values.compactMap { $0 }).value(50)
    }

    /// The median, and of several rounds the least and the most.
    private static func rounds(_ values: [Double]) -> String {
        let rounds = Percentiles(values)
        guard let median = rounds.value(50) else { return "" }
        return count(median)
            + (rounds.count > 1 ? " (\(count(rounds.value(0)!)) to \(count(rounds.largest!)))" : "")
    }

    private static func milliseconds(_ values: [Double?]...) -> String {
        values.map { median($0).map { String(format: "%.1f", $0) } ?? "-" }.joined(separator: ", ")
    }

    private static func table(_ head: [String], _ rows: [[String]]) -> String {
        ([head, head.map { _ in "---" }] + rows).map { row in
            row.first == "---"
                ? "|" + row.joined(separator: "|") + "|" : "| " + row.joined(separator: " | ") + " |"
        }.joined(separator: "\n")
    }

    // MARK: The parts

    func sink() -> String {
        pair(.sink, "rows", also: [BenchSink.rebuild], bare: BenchSink.bare).table
    }

    func restore() -> String {
        let (found, table) = pair(.restore, "records", bare: BenchRestore.bare)
        guard let one = found.compactMap(\.restore).first else { return table }
        func median(_ path: KeyPath<BenchFigure.Restore, Double?>) -> String {
            Self.median(found.map { $0.restore?[keyPath: path] }).map { String(format: "%.0f", $0) } ?? "-"
        }
        return table
            + "\n\n\(one.skus) SKUs and \(one.reservations) live reservations; before the reading, "
            + "\(median(\.fencing)) ms for fencing and \(median(\.locating)) ms for locating; from the start of the "
            + "process to ready \(median(\.ready)) ms; \(median(\.memory)) MiB of resident memory then."
    }

    /// Holdfast, what else of it does the same, and what does it without thinking.
    private func pair(
        _ kind: BenchFigure.Kind, _ what: String, also others: [String] = [], bare: String
    ) -> (ours: [BenchFigure], table: String) {
        let ours = medians(kind, BenchContestant.holdfast.rawValue)
        guard !ours.isEmpty else { return ([], "") }
        var rows: [[String]] = []
        for name in [BenchContestant.holdfast.rawValue] + others + [bare] {
            let rounds = medians(kind, name)
            guard let seconds = Self.median(rounds.map(\.seconds)), let first = rounds.first else { continue }
            let (mean, own) = (Self.median(rounds.map(\.perSecond))!, Self.median(ours.map(\.perSecond))!)
            rows.append([
                name, String(first.commands), String(format: "%.2f", seconds),
                Self.rounds(rounds.map(\.perSecond))
                    + (name == bare ? String(format: "; holdfast %.2f", own / mean) : ""),
            ])
        }
        return (ours, Self.table([kind.rawValue, what, "seconds", "\(what) a second"], rows))
    }

    func expiry() -> String {
        let all = figures.filter { $0.kind == .expiry }
        let storms = all.compactMap(\.storm)
        guard let first = all.first, let storm = storms.first else { return "" }
        let rows = [
            [
                "from due to its end read: p50, p99, max",
                Self.milliseconds(storms.map(\.late50), storms.map(\.late99), storms.map(\.lateMost)),
            ],
            ["from the last due to the last end read", Self.milliseconds(storms.map(\.lastAfter))],
            [
                "live commands meanwhile: p50, p99, max",
                Self.milliseconds(all.map(\.p50), all.map(\.p99), all.map(\.most)),
            ],
            [
                "live commands before: p50, p99",
                Self.milliseconds(storms.map(\.calm50), storms.map(\.calm99)),
            ],
        ]
        return Self.table(
            [
                "\(first.commands) reservations due within \(Int(storm.within)) s, \(first.rate ?? 0) live commands a "
                    + "second", "ms",
            ], rows)
    }

    func orders() -> String {
        let all = figures.filter { $0.kind == .orders }
        guard !all.isEmpty else { return "" }
        let rows = BenchOrders.Way.allCases.compactMap { way -> [String]? in
            let rounds = all.filter { $0.load == way.rawValue }
            guard let first = rounds.first else { return nil }
            let cpu = Self.median(rounds.map(\.cpuMicroseconds)).map { String(format: "%.1f", $0) } ?? "-"
            return [way.rawValue, String(first.commands), Self.rounds(rounds.map(\.perSecond)), cpu]
        }
        return Self.table(["orders", "timed", "orders a second", "us of CPU each"], rows)
    }
}
