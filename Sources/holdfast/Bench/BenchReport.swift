import Foundation

/// The figures of a benchmark, a line of JSON each.
final class BenchReport {
    let path: String
    private let file: FileHandle

    init(path: String) throws {
        self.path = path
        if !FileManager.default.fileExists(atPath: path) {
            guard FileManager.default.createFile(atPath: path, contents: nil) else {
                throw RoleFailure(.usage, "--report: \(path) cannot be written")
            }
        }
        file = try FileHandle(forWritingTo: URL(filePath: path))
        try file.seekToEnd()
    }

    func add(_ machine: BenchMachine) throws { try file.write(contentsOf: machine.line()) }

    func add(_ figure: BenchFigure) throws { try file.write(contentsOf: figure.line()) }

    /// For who watches.
    static func text(_ figure: BenchFigure) -> String {
        let name = figure.contestant.padding(toLength: 10, withPad: " ", startingAt: 0)
        let load = figure.load.padding(toLength: 9, withPad: " ", startingAt: 0)
        switch figure.kind {
        case .throughput:
            let cpu = figure.cpuMicroseconds.map { String(format: ", %.1f us of CPU each", $0) } ?? ""
            return "\(name) \(load) round \(figure.round): \(Int(figure.perSecond)) a second\(cpu)"
        case .latency:
            let times = [figure.p50, figure.p99, figure.p999, figure.most].map {
                $0.map { String(format: "%.1f", $0) } ?? "-"
            }
            return "\(name) \(load) round \(figure.round): at \(figure.rate ?? 0) a second, "
                + "\(figure.isolation ?? ""): p50 \(times[0]) ms, p99 \(times[1]) ms, p99.9 \(times[2]) ms, "
                + "at most \(times[3]) ms"
        case .sink, .restore:
            let what = figure.kind == .sink ? "rows" : "records"
            let name = figure.contestant.padding(toLength: 13, withPad: " ", startingAt: 0)
            return "\(figure.kind.rawValue): \(name) round \(figure.round): \(figure.commands) \(what) in "
                + String(format: "%.2f s, ", figure.seconds) + "\(Int(figure.perSecond)) a second"
                + (figure.cpuMicroseconds.map { String(format: ", %.1f us of CPU each", $0) } ?? "")
        case .orders:
            return "orders: \(figure.load), round \(figure.round): \(Int(figure.perSecond)) a second, "
                + String(format: "%.1f us of CPU each", figure.cpuMicroseconds ?? 0)
        case .expiry:
            guard let storm = figure.storm else { return "" }
            return
                "expiry: round \(figure.round): \(figure.commands) due within \(Int(storm.within)) s, late "
                + String(format: "p50 %.0f ms, p99 %.0f ms, ", storm.late50, storm.late99)
                + String(
                    format: "at most %.0f ms; all %.0f ms after the last was due; ", storm.lateMost,
                    storm.lastAfter)
                + "\(figure.rate ?? 0) live commands a second meanwhile: "
                + String(
                    format: "p50 %.1f ms, p99 %.1f ms, at most %.1f ms", figure.p50 ?? 0, figure.p99 ?? 0,
                    figure.most ?? 0)
        }
    }
}
