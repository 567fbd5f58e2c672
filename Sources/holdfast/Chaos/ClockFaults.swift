import Foundation
import Operations

/// Faults of clocks.
extension ChaosFault {
    private static let shifts = [3600, -3600]
    private static let clockRoles = ["delay", "processor-1", "sink", "relay", "coordinator"]

    static let clocks = [
        ChaosFault(
            name: "clock", summary: "a role's clock is one hour ahead, or one hour behind",
            measured:
                "from the role's start with the wrong clock until every partition has a result of a command published after it, and it is ready",
            rounds: 10, shortRounds: 2, needs: .clock,
            play: { stage, round in
                // In turn, so that ten rounds have each: the delay service, which has most to do with time, first.
                let role = clockRoles[round / shifts.count % clockRoles.count]
                let shift = shifts[round % shifts.count]
                stage.detail = "\(role) is \(shift > 0 ? "ahead" : "behind"), "
                let seconds = try stage.restart(role, clockShift: shift)
                try stage.awaitLonelyExpiry()
                try stage.pass(milliseconds: 3_000)
                _ = try stage.restart(role, clockShift: 0)
                return seconds
            })
    ]
}

extension ChaosStage {
    /// Stops a role in order, and starts it with a clock that is so many seconds ahead.
    func restart(_ name: String, clockShift shift: Int) throws -> Double {
        guard let part = cast.parts.first(where: { $0.name == name }) else { return 0 }
        var surroundings = DemoCast.Surroundings()
        if shift != 0 {
            surroundings.environment = [
                "LD_PRELOAD": ProcessInfo.processInfo.environment["HOLDFAST_CHAOS_CLOCK"] ?? "",
                "CLOCK_SHIFT_SECONDS": String(shift),
            ]
        }
        stopInOrder(name)
        let start = moment()
        try cast.start(name, part.words, in: surroundings)
        let seconds = try recovery(since: start, ready: [name])
        try checkClock(of: name, shift: shift)
        return seconds
    }

    /// A clock that was not turned would be no fault.
    private func checkClock(of name: String, shift: Int) throws {
        let line = cast.logTail(name, lines: 1)
        guard let found = line.firstRange(of: "\"time\":\""),
            let time = try? Date(String(line[found.upperBound...].prefix(24)), strategy: Self.logTime)
        else { throw RoleFailure(.internalFault, "\(name) logs no time: \(line)") }
        let seen = time.timeIntervalSinceNow
        guard abs(seen - Double(shift)) < 120 else {
            throw RoleFailure(.internalFault, "the clock of \(name) is \(Int(seen)) s ahead, not \(shift) s")
        }
    }

    private static let logTime = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
}
