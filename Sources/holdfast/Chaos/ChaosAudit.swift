import Foundation
import Operations

/// What an operator would run to know whether the books are right, on the topics and the database of a fault.
extension ChaosStage {
    /// How long an audit may take, in milliseconds.
    private static let auditLimit = 180_000

    func audits() throws -> [Check] {
        // Side by side: they mostly wait for the broker.
        let (verify, replay) = (try cast.run(["verify"]), try cast.run(["replay"]))
        return [
            try verdict("holdfast verify, whole, PostgreSQL too, finds nothing wrong", verify),
            try verdict("holdfast replay decides every command the same way again", replay),
        ]
    }

    private func verdict(_ title: String, _ process: ChildProcess) throws -> Check {
        let deadline = Deadline(milliseconds: Self.auditLimit)
        while process.isRunning, !deadline.isPast {
            if service.shutdown.wait(timeoutMilliseconds: 20) {
                process.stop(milliseconds: 1_000)
                throw RoleFailure(.interrupted, "interrupted")
            }
        }
        guard let code = process.exitCode else {
            process.stop(milliseconds: 1_000)
            return Check(title, false, "no end after \(Self.auditLimit / 1000) s; \(process.logPath)")
        }
        // Its last line is its verdict; what it found stands before.
        let verdict = process.logTail(lines: 1)
        guard code != 0 else { return Check(title, true, verdict) }
        print(process.logTail(lines: 30))
        return Check(title, false, "it ended with \(code): \(verdict); \(process.logPath)")
    }
}

extension DemoOrderBooks {
    /// How many orders have told their end.
    var ended: Int { outcomes.values.filter { $0.contains(where: \.isFinal) }.count }
}
