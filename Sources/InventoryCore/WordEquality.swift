// Two words of an enumeration are the same when their places in it are. Swift would compare their texts: an enumeration
// with raw values has the `==` of `RawRepresentable`, which costs some fifty instructions and a reference.

extension CommandKind {
    package static func == (left: CommandKind, right: CommandKind) -> Bool {
        unsafeBitCast(left, to: UInt8.self) == unsafeBitCast(right, to: UInt8.self)
    }

    package static func != (left: CommandKind, right: CommandKind) -> Bool { !(left == right) }
}

extension Movement {
    package static func == (left: Movement, right: Movement) -> Bool {
        unsafeBitCast(left, to: UInt8.self) == unsafeBitCast(right, to: UInt8.self)
    }

    package static func != (left: Movement, right: Movement) -> Bool { !(left == right) }
}

extension Rejection {
    package static func == (left: Rejection, right: Rejection) -> Bool {
        unsafeBitCast(left, to: UInt8.self) == unsafeBitCast(right, to: UInt8.self)
    }

    package static func != (left: Rejection, right: Rejection) -> Bool { !(left == right) }
}

extension Outcome.Kind {
    package static func == (left: Outcome.Kind, right: Outcome.Kind) -> Bool {
        unsafeBitCast(left, to: UInt8.self) == unsafeBitCast(right, to: UInt8.self)
    }

    package static func != (left: Outcome.Kind, right: Outcome.Kind) -> Bool { !(left == right) }
}

extension AlertState {
    package static func == (left: AlertState, right: AlertState) -> Bool {
        unsafeBitCast(left, to: UInt8.self) == unsafeBitCast(right, to: UInt8.self)
    }

    package static func != (left: AlertState, right: AlertState) -> Bool { !(left == right) }
}
