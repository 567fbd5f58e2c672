import Foundation
import Operations
import Synchronization
import Testing

/// Keeps lines for a test to read.
private final class LinesInMemory: LogSink {
    private let stored = Mutex<[[UInt8]]>([])

    func write(_ line: [UInt8]) {
        stored.withLock { $0.append(line) }
    }

    var lines: [String] {
        stored.withLock { $0.map { String(decoding: $0, as: UTF8.self) } }
    }
}

/// 2026-01-31T09:15:00.250Z
private let someTime: Int64 = 1_769_850_900_250

private func logger(_ format: LogFormat, _ level: LogLevel = .debug, at time: Int64 = someTime)
    -> (Logger, LinesInMemory)
{
    let lines = LinesInMemory()
    let output = LogOutput(minimum: level, format: format, sink: lines, now: { time })
    return (Logger(component: "sink", output: output), lines)
}

@Suite("Log lines")
struct LoggerTests {
    @Test("A line of text has time, level, component, message and fields in their order")
    func textLine() {
        let (logger, lines) = logger(.text)
        logger.info("rows written", ["rows": 20_000, "table": "inventory", "seconds": 0.25, "last": true])
        logger.warning("slow", ["zebra": "two words", "ant": "", "why": "a=\"b\""])
        #expect(
            lines.lines == [
                "2026-01-31T09:15:00.250Z INFO    sink: rows written rows=20000 table=inventory seconds=0.25 last=true\n",
                "2026-01-31T09:15:00.250Z WARNING sink: slow zebra=\"two words\" ant=\"\" why=\"a=\\\"b\\\"\"\n",
            ])
    }

    @Test("A line of JSON has the same, in the same order")
    func jsonLine() {
        let (logger, lines) = logger(.json)
        logger.error(
            "gone", ["host": "db", "port": UInt16(5432), "seconds": 0.5, "ready": false, "none": Int?.none])
        #expect(
            lines.lines == [
                #"{"time":"2026-01-31T09:15:00.250Z","level":"error","component":"sink","message":"gone","#
                    + #""host":"db","port":5432,"seconds":0.5,"ready":false,"none":"none"}"# + "\n"
            ])
    }

    @Test(
        "A line of JSON parses and gives back what went in, whatever characters it has",
        arguments: [
            "", "line\nbreak\r\ttab", "quote \" and back\\slash", "\u{0}\u{1}\u{1F}\u{7F}\u{9F}",
            "\u{2028}\u{2029}",
            "ünï çödé 漢字 👩‍👩‍👧 \u{10FFFF}", "</script>", "\u{1B}[31mred", "{\"a\":1}",
        ])
    func strangeCharacters(text: String) throws {
        let (logger, lines) = logger(.json)
        logger.child(text).info(text, [text: text, "message": text])
        let line = try #require(lines.lines.first)
        #expect(line.utf8.filter { $0 == 0x0A }.count == 1)
        #expect(line.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x0A })
        let object = try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
        #expect(object["message"] == text)
        #expect(object["component"] == text)
        #expect(object[text] == text)
        #expect(object["message_"] == text)
    }

    @Test("A line of text stays one line and cannot steer a terminal")
    func textStaysOneLine() throws {
        let (logger, lines) = logger(.text)
        logger.info("a\nb\u{1B}[2J", ["k": "c\nd\u{9B}2J"])
        let line = try #require(lines.lines.first)
        #expect(line.hasSuffix("sink: a\\nb\\u001b[2J k=\"c\\nd\\u009b2J\"\n"))
    }

    @Test("Numbers that JSON has no word for are strings")
    func notANumber() throws {
        let (logger, lines) = logger(.json)
        logger.info("x", ["a": Double.infinity, "b": Double.nan])
        #expect(try #require(lines.lines.first).hasSuffix(#""a":"inf","b":"nan"}"# + "\n"))
    }

    @Test("What is very long is cut")
    func longValues() throws {
        let (logger, lines) = logger(.json)
        logger.info(String(repeating: "é", count: 100_000), ["a": String(repeating: "\n", count: 100_000)])
        let line = try #require(lines.lines.first)
        #expect(line.utf8.count < 17_000)
        #expect(
            try JSONDecoder().decode([String: String].self, from: Data(line.utf8))["a"]?.hasSuffix("(cut)")
                == true)
    }

    @Test("Below the level nothing is written and nothing evaluated")
    func levelFilter() {
        let (logger, lines) = logger(.text, .warning)
        var evaluated = 0
        func costly() -> String {
            evaluated += 1
            return "x"
        }
        logger.debug(costly(), ["a": costly()])
        logger.info(costly())
        #expect(evaluated == 0)
        logger.warning(costly())
        logger.error(costly())
        #expect(evaluated == 2)
        #expect(lines.lines.count == 2)
        #expect(!logger.writes(.info))
        #expect(logger.writes(.warning))
    }

    @Test("A child's lines carry its own fields first, and the event's value wins over the child's")
    func children() {
        let (logger, lines) = logger(.text)
        let child = logger.child("worker", ["partition": 3, "topic": "stock.commands"])
        child.info("restored", ["rows": 7, "topic": "stock.levels"])
        child.child(nil, ["offset": 9]).info("at work")
        #expect(lines.lines[0].hasSuffix("worker: restored partition=3 topic=stock.levels rows=7\n"))
        #expect(lines.lines[1].hasSuffix("worker: at work partition=3 topic=stock.commands offset=9\n"))
    }

    @Test(
        "Times are right around leap days and before 1970",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"), (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)])
    func times(milliseconds: Int64, text: String) {
        let (logger, lines) = logger(.text, at: milliseconds)
        logger.info("x")
        #expect(lines.lines.first?.hasPrefix(text) == true)
    }

    @Test("Threads that write at once do not mix their lines")
    func threads() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        let (readEnd, writeEnd) = (ends[0], ends[1])
        let output = LogOutput(minimum: .info, format: .json, sink: FileDescriptorSink(writeEnd))
        let reader = Mutex<[UInt8]>([])
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            var chunk = [UInt8](repeating: 0, count: 65_536)
            while case let count = read(readEnd, &chunk, chunk.count), count > 0 {
                reader.withLock { $0.append(contentsOf: chunk[..<count]) }
            }
            done.signal()
        }
        // Lines longer than a pipe takes in one piece.
        let filler = String(repeating: "x", count: 6000)
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            let logger = Logger(component: "t\(thread)", output: output)
            for number in 0..<50 { logger.info("line", ["number": number, "filler": filler]) }
        }
        close(writeEnd)
        #expect(done.wait(timeout: .now() + 20) == .success)
        close(readEnd)
        let lines = reader.withLock { $0 }.split(separator: 0x0A)
        #expect(lines.count == 400)
        for line in lines {
            #expect((try? JSONSerialization.jsonObject(with: Data(line))) != nil)
        }
    }

    @Test("The format auto is text on a terminal and JSON elsewhere")
    func formats() throws {
        let null = open("/dev/null", O_WRONLY)
        defer { close(null) }
        #expect(LogFormat(setting: "auto", descriptor: null) == .json)
        #expect(LogFormat(setting: "text", descriptor: null) == .text)
        #expect(LogFormat(setting: "json", descriptor: null) == .json)
    }
}
