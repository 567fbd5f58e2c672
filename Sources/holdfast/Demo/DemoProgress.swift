import Foundation
import Operations

/// Tells how the demo goes: one line that moves on a terminal, a line every few seconds elsewhere.
final class DemoProgress {
    private let isTerminal = isatty(STDOUT_FILENO) == 1
    private let start = MonotonicTime.now()
    private var due = Deadline(milliseconds: 0)
    private var hasOpenLine = false
    private var last = (answered: 0, time: MonotonicTime.now())

    func phase(_ text: String) { say("[\(elapsed)] \(text)") }

    func note(_ text: String) { say("[\(elapsed)]   \(text)") }

    private func say(_ text: String) {
        if hasOpenLine { print("") }
        hasOpenLine = false
        print(text)
        fflush(nil)
    }

    private var elapsed: String { String(format: "%5.1f s", MonotonicTime.seconds(since: start)) }

    func line(_ recorder: DemoRecorder, restarts: Int) {
        guard due.isPast else { return }
        due = Deadline(milliseconds: isTerminal ? 500 : 2_000)
        let counts = recorder.counts
        let rate =
            Double(counts.answered - last.answered) / max(0.001, MonotonicTime.seconds(since: last.time))
        last = (counts.answered, MonotonicTime.now())
        let recent = recorder.takeRecent()
        let text =
            "[\(elapsed)]   sent \(counts.sent)  answered \(counts.answered) (\(Int(rate))/s)  "
            + "p50 \(recent.text(50)) ms  p99 \(recent.text(99)) ms  reserved \(counts.reserved)  "
            + "rejected \(counts.rejected)  expired \(counts.expired)  restarts \(restarts)"
        if isTerminal {
            print("\r\u{1B}[K\(text)", terminator: "")
            hasOpenLine = true
            fflush(nil)
        } else {
            say(text)
        }
    }
}
