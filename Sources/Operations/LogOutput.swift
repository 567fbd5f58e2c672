import Foundation
import Synchronization

/// How lines look: for people, or for programs.
package enum LogFormat: String, CaseIterable, Sendable {
    case text, json

    /// The format for the configuration's `log_format`: `auto` is text on a terminal and JSON otherwise.
    package init(setting: String, descriptor: Int32 = STDERR_FILENO) {
        self = LogFormat(rawValue: setting) ?? (isatty(descriptor) == 1 ? .text : .json)
    }
}

/// Takes finished lines. `line` ends with a newline and holds no other.
package protocol LogSink: Sendable {
    func write(_ line: [UInt8])
}

/// Where all loggers of a process write: level, format, clock and sink in one place.
package struct LogOutput: Sendable {
    package let minimum: LogLevel
    package let format: LogFormat
    private let sink: any LogSink
    private let now: WallClockMilliseconds

    package init(
        minimum: LogLevel, format: LogFormat, sink: any LogSink = FileDescriptorSink(),
        now: @escaping WallClockMilliseconds = WallClock.milliseconds
    ) {
        self.minimum = minimum
        self.format = format
        self.sink = sink
        self.now = now
    }

    func write(level: LogLevel, component: String, message: String, fields: [LogField]) {
        let event = LogEvent(
            milliseconds: now(), level: level, component: component, message: message, fields: fields)
        sink.write(format == .json ? event.jsonLine() : event.textLine())
    }
}

/// Writes each line to a file descriptor with one `write(2)`, one thread at a time.
package final class FileDescriptorSink: LogSink {
    private let descriptor: Mutex<Int32>

    /// A sink that writes to `descriptor`, standard error by default, and does not close it.
    package init(_ descriptor: Int32 = STDERR_FILENO) {
        self.descriptor = Mutex(descriptor)
    }

    /// Writes the line whole. A reader that has gone away must not stop the work, so errors are dropped.
    package func write(_ line: [UInt8]) {
        descriptor.withLock { descriptor in
            var written = 0
            while written < line.count {
                let result = line.withUnsafeBytes { bytes in
                    Foundation.write(descriptor, bytes.baseAddress! + written, bytes.count - written)
                }
                if result > 0 {
                    written += result
                } else if errno == EAGAIN {
                    // A terminal or pipe that someone has made non-blocking and that is full for the moment.
                    var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    guard poll(&wait, 1, 1000) > 0 else { return }
                } else if errno != EINTR {
                    return
                }
            }
        }
    }
}
