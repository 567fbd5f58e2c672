import Foundation

/// What came of the faults, as a table.
struct ChaosReport {
    struct Line {
        let fault: ChaosFault
        /// Of each round, in seconds.
        var recoveries: [Double] = []
        var checks: [Check] = []
        /// Processes that ended by themselves, and that a supervisor started again.
        var restarts = 0
        /// Why it was not tried.
        var skipped: String?
        /// What ended it early.
        var failure: String?

        init(fault: ChaosFault) { self.fault = fault }

        var isFailed: Bool { failure != nil || checks.contains { !$0.isTrue } }
    }

    private var lines: [Line] = []

    mutating func add(_ line: Line) { lines.append(line) }

    func isFailed(skippingFails: Bool) -> Bool {
        lines.contains { $0.isFailed || (skippingFails && $0.skipped != nil) }
    }

    /// A row a fault; times to recover in seconds.
    var table: String {
        let width = (lines.map(\.fault.name.count).max() ?? 0) + 2
        let head =
            "Fault".padded(width) + "rounds".padded(8) + "recovery: median".padded(18) + "max".padded(9)
            + "restarts".padded(10)
        return ([head + "checks"] + lines.map { row($0, width) } + [conclusion]).joined(separator: "\n")
    }

    private func row(_ line: Line, _ width: Int) -> String {
        let name = line.fault.name.padded(width)
        if let reason = line.skipped { return name + "skipped: " + reason }
        let times = Percentiles(line.recoveries)
        let passed = line.checks.filter(\.isTrue).count
        let checks =
            line.failure.map { "FAILED: \($0.split(separator: "\n").first ?? "")" }
            ?? "\(passed) of \(line.checks.count)\(line.isFailed ? " FAILED" : "")"
        return name + "\(times.count)".padded(8) + seconds(times.value(50)).padded(18)
            + seconds(times.largest).padded(9) + "\(line.restarts)".padded(10) + checks
    }

    private func seconds(_ value: Double?) -> String { value.map { String(format: "%.2f s", $0) } ?? "-" }

    private var conclusion: String {
        let failed = lines.filter(\.isFailed).count
        let skipped = lines.filter { $0.skipped != nil }.count
        let passed = lines.count - failed - skipped
        return "\n\(passed) faults recovered from, \(failed) failed, \(skipped) skipped"
    }
}

extension ChaosFault {
    /// For `--list`.
    var description: String {
        """
        \(name)
            \(summary)
            Rounds: \(rounds), with --short \(shortRounds). Measured \(measured).
        """
    }
}

extension String {
    /// Filled with spaces to a width.
    fileprivate func padded(_ width: Int) -> String {
        self + String(repeating: " ", count: max(1, width - count))
    }
}
