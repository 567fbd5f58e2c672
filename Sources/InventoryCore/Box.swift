/// A value that lies apart from what has it: for what is large and that most have nothing of.
package final class Box<Value: Equatable & Sendable>: Equatable, Sendable {
    package let value: Value

    init(_ value: Value) { self.value = value }

    package static func == (left: Box, right: Box) -> Bool { left.value == right.value }
}
