/// A value in a log line, after it has been made ready to print.
package enum LogValue: Sendable, Equatable {
    case string(String)
    case integer(Int64)
    case unsigned(UInt64)
    case double(Double)
    case boolean(Bool)
}

/// What may stand as a field's value: `logger.info("assigned", ["partition": 3, "topic": name])`.
package protocol LogFieldValue: Sendable {
    var logValue: LogValue { get }
}

extension LogValue: LogFieldValue {
    package var logValue: LogValue { self }
}

extension String: LogFieldValue {
    package var logValue: LogValue { .string(self) }
}

extension Substring: LogFieldValue {
    package var logValue: LogValue { .string(String(self)) }
}

extension Bool: LogFieldValue {
    package var logValue: LogValue { .boolean(self) }
}

extension Double: LogFieldValue {
    package var logValue: LogValue { .double(self) }
}

extension LogFieldValue where Self: SignedInteger & FixedWidthInteger {
    package var logValue: LogValue { .integer(Int64(self)) }
}

extension LogFieldValue where Self: UnsignedInteger & FixedWidthInteger {
    package var logValue: LogValue { .unsigned(UInt64(self)) }
}

extension Int: LogFieldValue {}
extension Int64: LogFieldValue {}
extension Int32: LogFieldValue {}
extension Int16: LogFieldValue {}
extension UInt: LogFieldValue {}
extension UInt64: LogFieldValue {}
extension UInt32: LogFieldValue {}
extension UInt16: LogFieldValue {}
extension UInt8: LogFieldValue {}

/// An absent value is written as the word `none`, so that a line has the same fields every time.
extension Optional: LogFieldValue where Wrapped: LogFieldValue {
    package var logValue: LogValue { self?.logValue ?? .string("none") }
}

/// Fields in the order in which they were written down.
package typealias LogFields = KeyValuePairs<String, any LogFieldValue>
