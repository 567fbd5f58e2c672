import Foundation
import Operations

/// Waits for what a demo waits for, and looks around meanwhile: for a process that died, for a reader that failed, for
/// the wish to end.
final class DemoWaiting {
    /// How long the demo waits for what must come by itself, in milliseconds.
    private static let limit = 120_000
    private static let step = 20

    let progress = DemoProgress()
    private let service: Service
    private let cast: DemoCast
    private var watched: [(name: String, failure: () -> String?)] = []
    /// What the line of progress tells; nil for none.
    var recorder: DemoRecorder?

    init(service: Service, cast: DemoCast) {
        self.service = service
        self.cast = cast
    }

    /// Looks after a part of the demo too.
    /// - Parameter failure: why it had to end.
    func watch(_ name: String, _ failure: @escaping () -> String?) { watched.append((name, failure)) }

    /// One look around, and a short rest.
    func look() throws {
        if service.shutdown.wait(timeoutMilliseconds: Self.step) {
            throw RoleFailure(.interrupted, "interrupted")
        }
        try cast.check()
        for part in watched {
            if let failure = part.failure() {
                throw RoleFailure(.internalFault, "\(part.name) failed: \(failure)")
            }
        }
        if let recorder { progress.line(recorder, restarts: cast.kills) }
    }

    func wait(_ what: String, until isTrue: () throws -> Bool) throws {
        let deadline = Deadline(milliseconds: Self.limit)
        while try !isTrue() {
            guard !deadline.isPast else {
                throw RoleFailure(
                    .differenceFound,
                    "waited \(Self.limit / 1000) s for \(what), in vain; logs: \(cast.logDirectory)")
            }
            try look()
        }
    }
}
