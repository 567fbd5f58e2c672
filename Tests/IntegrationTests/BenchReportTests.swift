import Foundation
import Testing

@Suite(
    "The report of the benchmark",
    .enabled(if: FileManager.default.isExecutableFile(atPath: RealServers.binary), "there is no program"))
struct BenchReportTests {
    private static let lines = [
        #"{"kind":"sink","contestant":"holdfast","load":"mix","round":1,"commands":1000,"seconds":2,"per_second":500}"#,
        #"{"kind":"sink","contestant":"bare COPY","load":"mix","round":1,"commands":1000,"seconds":0.5,"per_second":2000}"#,
        #"{"kind":"restore","contestant":"bare consumer","load":"even","round":1,"commands":3000,"seconds":1,"per_second":3000,"restore":{"skus":1000,"reservations":1000,"read_mib":2}}"#,
        #"{"kind":"restore","contestant":"holdfast","load":"even","round":1,"commands":3000,"seconds":2,"per_second":1500,"restore":{"skus":1000,"reservations":1000,"fencing_ms":7,"locating_ms":8,"ready_ms":4000,"memory_mib":90}}"#,
        #"{"kind":"expiry","contestant":"holdfast","load":"even","round":1,"commands":600,"seconds":60.5,"per_second":9.9,"rate":1000,"isolation":"read_committed","p50_ms":20,"p99_ms":40,"max_ms":41.5,"storm":{"within_s":60,"late_p50_ms":30,"late_p99_ms":70,"late_max_ms":80,"last_after_ms":500,"before_p50_ms":19,"before_p99_ms":33}}"#,
        #"{"kind":"orders","contestant":"holdfast","load":"three lines, by the coordinator","round":1,"commands":800,"seconds":0.4,"per_second":2000,"cpu_us_per_command":88.5}"#,
    ]

    /// - Returns: what it prints, and its exit code.
    private func report(_ lines: [String]) throws -> (text: String, code: Int32) {
        let file = NSTemporaryDirectory() + "holdfast-figures-\(UInt32.random(in: 0...UInt32.max)).jsonl"
        defer { try? FileManager.default.removeItem(atPath: file) }
        try (lines.joined(separator: "\n") + "\n").write(toFile: file, atomically: true, encoding: .utf8)
        let process = Process()
        process.executableURL = URL(filePath: RealServers.binary)
        process.arguments = ["bench", "report", "--report", file]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (text, process.terminationStatus)
    }

    @Test("The sink and the restore stand beside their bare clients, with the ratio")
    func pairs() throws {
        let (text, code) = try report(Self.lines)
        #expect(code == 0)
        #expect(text.contains("| holdfast | 1000 | 2.00 | 500 |"))
        #expect(text.contains("| bare COPY | 1000 | 0.50 | 2000; holdfast 0.25 |"))
        #expect(text.contains("| holdfast | 3000 | 2.00 | 1500 |"))
        #expect(text.contains("| bare consumer | 3000 | 1.00 | 3000; holdfast 0.50 |"))
        #expect(text.contains("1000 SKUs and 1000 live reservations; before the reading, 7 ms for fencing"))
        #expect(text.contains("to ready 4000 ms; 90 MiB"))
    }

    @Test("A storm has how late its ends were told, and the live commands beside it")
    func storm() throws {
        let (text, _) = try report(Self.lines)
        #expect(text.contains("| 600 reservations due within 60 s, 1000 live commands a second | ms |"))
        #expect(text.contains("p99, max | 30.0, 70.0, 80.0 |"))
        #expect(text.contains("| from the last due to the last end read | 500.0 |"))
        #expect(text.contains("p99, max | 20.0, 40.0, 41.5 |"))
        #expect(text.contains("before: p50, p99 | 19.0, 33.0 |"))
    }

    @Test("Orders have how many there are a second, and what one costs")
    func orders() throws {
        let text = try report(Self.lines).text
        #expect(text.contains("| three lines, by the coordinator | 800 | 2000 | 88.5 |"))
    }

    @Test("Of several rounds there are the median, the least and the most")
    func rounds() throws {
        let more = Self.lines.prefix(1).flatMap { line in
            ["300", "900"].map { line.replacing("\"per_second\":500", with: "\"per_second\":\($0)") }
        }
        #expect(try report(Self.lines + more).text.contains("| holdfast | 1000 | 2.00 | 500 (300 to 900) |"))
    }

    @Test("Of several rounds' latency there is the median, and of p99 the least and the most")
    func latencies() throws {
        let lines = [(20, 40), (21, 116), (19, 62)].map { p50, p99 in
            #"{"kind":"latency","contestant":"holdfast","load":"hot","round":1,"commands":10,"seconds":1,"per_second":10,"rate":10,"isolation":"read_committed","p50_ms":\#(p50),"p99_ms":\#(p99),"p99_9_ms":130}"#
        }
        #expect(
            try report(lines).text.contains(
                "| 10 a second, read_committed | 20.0, 62.0 (40.0 to 116.0), 130.0 |"))
    }

    @Test("The machine and the versions stand above the tables, once")
    func machine() throws {
        let line =
            #"{"kind":"machine","cpu":"A processor","cores":2,"memory_mib":24576,"kernel":"6.12","versions":{"kafka":"4.3.0","holdfast":"0.1.0"}}"#
        let text = try report([line, line] + Self.lines).text
        #expect(
            text.hasPrefix(
                "Measured on A processor, 2 cores, 24.0 GiB, Linux 6.12; Holdfast 0.1.0, Kafka 4.3.0.\n\n| "))
        #expect(text.components(separatedBy: "Measured on").count == 2)
    }

    @Test("What is no figure is named by its line")
    func mistake() throws {
        let (text, code) = try report(Self.lines + ["{}"])
        #expect(code != 0)
        #expect(text.contains("line \(Self.lines.count + 1) of"))
    }
}
