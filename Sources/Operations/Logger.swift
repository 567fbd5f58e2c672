/// How much an event matters. A fault that ends the process is an `error`, too: its line says so.
package enum LogLevel: String, CaseIterable, Comparable, Sendable {
    case debug, info, warning, error

    private var rank: Int {
        switch self {
        case .debug: 0
        case .info: 1
        case .warning: 2
        case .error: 3
        }
    }

    package static func < (left: LogLevel, right: LogLevel) -> Bool {
        left.rank < right.rank
    }
}

/// Writes events of one component, one line each.
///
/// A value: hand it on, make children of it. Message and fields are evaluated only when the level is on, so a
/// `debug` that is off costs a comparison and allocates nothing.
package struct Logger: Sendable {
    /// The part of the program that speaks, such as `worker` or `sink`.
    package let component: String
    private let output: LogOutput
    private let minimum: LogLevel
    private let context: [LogField]

    /// A logger for `component` whose lines go to `output`.
    package init(component: String, output: LogOutput) {
        self.init(component: component, output: output, context: [])
    }

    private init(component: String, output: LogOutput, context: [LogField]) {
        self.component = component
        self.output = output
        self.minimum = output.minimum
        self.context = context
    }

    /// A logger of the same output; its lines carry `fields` after this logger's own and before the event's.
    package func child(_ component: String? = nil, _ fields: LogFields = [:]) -> Logger {
        Logger(
            component: component ?? self.component, output: output,
            context: LogField.merge(context, fields))
    }

    /// Whether an event of `level` would be written; ask before work that only a line needs.
    package func writes(_ level: LogLevel) -> Bool {
        level >= minimum
    }

    /// Writes one event, if its level is on.
    @inline(__always)
    package func log(
        _ level: LogLevel, _ message: @autoclosure () -> String, _ fields: @autoclosure () -> LogFields = [:]
    ) {
        guard level >= minimum else { return }
        write(level, message(), fields())
    }

    package func debug(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> LogFields = [:]) {
        log(.debug, message(), fields())
    }

    package func info(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> LogFields = [:]) {
        log(.info, message(), fields())
    }

    package func warning(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> LogFields = [:]) {
        log(.warning, message(), fields())
    }

    package func error(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> LogFields = [:]) {
        log(.error, message(), fields())
    }

    private func write(_ level: LogLevel, _ message: String, _ fields: LogFields) {
        output.write(
            level: level, component: component, message: message,
            fields: fields.isEmpty ? context : LogField.merge(context, fields))
    }
}

/// One named value of a line.
package struct LogField: Sendable, Equatable {
    package let name: String
    package let value: LogValue

    /// `first`, then `second`; where a name stands in both, the later value takes the earlier's place.
    static func merge(_ first: [LogField], _ second: LogFields) -> [LogField] {
        var merged = first
        merged.reserveCapacity(first.count + second.count)
        for (name, value) in second {
            let field = LogField(name: name, value: value.logValue)
            if let index = merged.firstIndex(where: { $0.name == name }) {
                merged[index] = field
            } else {
                merged.append(field)
            }
        }
        return merged
    }
}
