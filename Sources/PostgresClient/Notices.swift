import CLibpq

/// A notice or warning of the server.
package struct Notice: Equatable, Sendable {
    /// `NOTICE`, `WARNING`, `INFO`..., never translated.
    package var severity: String
    package var sqlState: String
    package var message: String
}

/// Holds the closure that libpq's notice receiver calls, for as long as the connection lives.
final class NoticeRouter: Sendable {
    private let receive: @Sendable (Notice) -> Void

    init(_ receive: @escaping @Sendable (Notice) -> Void) { self.receive = receive }

    /// Routes the notices of `connection` here; wraps `PQsetNoticeReceiver`.
    /// The caller keeps this object for longer than the connection.
    func install(on connection: OpaquePointer) {
        _ = PQsetNoticeReceiver(
            connection,
            { context, result in
                guard let context, let result else { return }
                let router = Unmanaged<NoticeRouter>.fromOpaque(context).takeUnretainedValue()
                router.receive(
                    Notice(
                        severity: errorField(result, .severity) ?? "NOTICE",
                        sqlState: errorField(result, .sqlState) ?? "00000",
                        message: errorField(result, .message) ?? ""))
            }, Unmanaged.passUnretained(self).toOpaque())
    }
}

/// The fields of an error or notice that are read here: libpq's `PG_DIAG_...` (character macros, which
/// don't reach Swift).
enum ErrorField: UInt8 {
    case severity = 0x56  // V: never translated
    case sqlState = 0x43  // C
    case message = 0x4D  // M
    case detail = 0x44  // D
    case hint = 0x48  // H
}

/// One field of an error or notice; wraps `PQresultErrorField`.
func errorField(_ result: OpaquePointer, _ field: ErrorField) -> String? {
    PQresultErrorField(result, Int32(field.rawValue)).map { String(cString: $0) }
}
