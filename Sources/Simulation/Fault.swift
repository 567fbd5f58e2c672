/// One thing that goes wrong, and where.
package struct Fault: Hashable, Sendable, CustomStringConvertible {
    /// The calls of Kafka and PostgreSQL at which something can go wrong.
    package enum Point: String, CaseIterable, Sendable {
        // The processor's.
        case open, committedOffset, read, poll, produce, flush, sendOffsets, commit
        // The delay service's, the relay's, the sink's.
        case expire, relayOpen, relaySend, relayCommit, connect, store
        // The coordinator's.
        case orderOpen = "order open"
        case orderOffsets = "order offsets"
        case orderRead = "order read"
        case orderPoll = "order poll"
        case orderProduce = "order produce"
        case orderFlush = "order flush"
        case orderSendOffsets = "order sendOffsets"
        case orderCommit = "order commit"
    }

    /// What becomes of a call.
    package enum Effect: String, CaseIterable, Sendable {
        /// The request is not carried out, and the caller learns that it failed.
        case refused
        /// It is carried out, but the answer is lost.
        case answerLost = "its answer lost"
        /// The caller gives up; the request is carried out later, if it still can be.
        case late
        case crashBefore = "a crash before it"
        case crashAfter = "a crash after it"
        /// The caller stands still in the midst of it, for longer than a session, and goes on.
        case stall
    }

    /// What happens by itself.
    package enum Event: String, CaseIterable, Sendable {
        case processCrash = "a process crashes"
        case processPause = "a process stands still"
        case delayCrash = "the delay service crashes"
        case delayClock = "the clock of the delay service's host steps"
        case relayCrash = "the relay crashes"
        case sinkCrash = "the sink crashes"
        case secondSink = "a second sink starts"
        case databaseKill = "PostgreSQL ends all sessions"
        case brokerClock = "the broker's clock steps"
        case compaction = "compaction"
        case retention = "retention of the commands"
        case lateMarker = "the marker of a fenced producer comes late"
        case offsetExpiry = "the offsets of coordinators and relay expire"
        case coordinatorCrash = "a coordinator crashes"
        case coordinatorPause = "a coordinator stands still"

        /// Those of runs without orders.
        static let ofStock: [Event] = allCases.filter { $0 != .coordinatorCrash && $0 != .coordinatorPause }
    }

    package enum Place: Hashable, Sendable {
        /// The `occurrence`th call of that kind.
        case call(Point, occurrence: Int, Effect)
        case event(Event, step: Int)
    }

    package var place: Place
    /// How much: milliseconds of a clock's step or a pause; which process.
    package var amount: Int

    /// How far a host's clock is off, or steps: a little, as NTP corrects, or an hour, as a wrong zone does.
    static func clockStep(_ random: inout SeededGenerator) -> Int {
        random.oneIn(2) ? random.within(-400...400) : random.oneIn(2) ? 3_600_000 : -3_600_000
    }

    package var description: String {
        switch place {
        case .call(let point, let occurrence, let effect):
            effect == .stall
                ? "\(point.rawValue) number \(occurrence): a stall of \(amount) ms"
                : "\(point.rawValue) number \(occurrence): \(effect.rawValue)"
        case .event(let event, let step):
            switch event {
            case .delayClock, .brokerClock: "step \(step): \(event.rawValue) by \(amount) ms"
            case .processCrash: "step \(step): process \(amount % 2) crashes"
            case .processPause:
                "step \(step): process \(amount % 2) stands still for \(amount / 2) ms"
            case .coordinatorCrash: "step \(step): coordinator \(amount % 2) crashes"
            case .coordinatorPause:
                "step \(step): coordinator \(amount % 2) stands still for \(amount / 2) ms"
            default: "step \(step): \(event.rawValue)"
            }
        }
    }
}

/// All that a run follows from.
package struct Plan: Sendable {
    package var seed: UInt64
    package var faults: [Fault]

    package init(seed: UInt64, faults: [Fault]) {
        self.seed = seed
        self.faults = faults
    }

    /// The plan of a seed. One seed in sixteen has no faults at all, so that the others can be told from the
    /// traffic.
    package init(seed: UInt64) {
        var random = SeededGenerator(seed: seed, purpose: 1)
        let count = random.oneIn(16) ? 0 : random.within(1...9)
        let hasOrders = Self.hasOrders(seed)
        self.init(
            seed: seed,
            faults: (0..<count).map { _ in
                hasOrders && random.oneIn(2) ? Self.orderFault(&random) : Self.fault(&random)
            })
    }

    /// Whether orders of several lines are part of a seed's run: of one in eleven, of which any number of processes that
    /// share the seeds has as many as the others.
    package static func hasOrders(_ seed: UInt64) -> Bool { seed % 11 == 7 }
    var hasOrders: Bool { Self.hasOrders(seed) }

    private static func orderFault(_ random: inout SeededGenerator) -> Fault {
        if random.below(5) < 2 {
            return Fault(
                place: .event(
                    random.one(of: [.coordinatorCrash, .coordinatorPause]), step: random.within(20...1500)),
                amount: random.within(100...3000))
        }
        return call(of: Self.orderCalls, &random)
    }

    private static func fault(_ random: inout SeededGenerator) -> Fault {
        if random.below(5) < 2 { return event(&random) }
        return call(of: Self.calls, &random)
    }

    private static func call(of kinds: [(Fault.Point, Int)], _ random: inout SeededGenerator) -> Fault {
        let (point, calls) = random.one(of: kinds)
        var effect = random.one(of: Fault.Effect.allCases)
        if effect == .late, !canBeLate.contains(point) { effect = .refused }
        // A restore that is overtaken is rare otherwise: it is short.
        if point == .read || point == .orderRead, random.oneIn(2) { effect = .stall }
        return Fault(
            place: .call(point, occurrence: random.within(1...calls), effect),
            amount: random.within(50...1500))
    }

    /// With about how many calls of it a run has; those on which most depends come more than once.
    private static let calls: [(Fault.Point, Int)] = [
        (.open, 5), (.committedOffset, 5), (.read, 18), (.read, 18), (.poll, 120), (.produce, 400),
        (.flush, 40),
        (.sendOffsets, 40), (.commit, 40), (.commit, 40), (.commit, 40), (.expire, 20), (.relayOpen, 3),
        (.relaySend, 8), (.relayCommit, 4), (.connect, 4), (.store, 30), (.store, 30),
    ]

    private static let orderCalls: [(Fault.Point, Int)] = [
        (.orderOpen, 4), (.orderOffsets, 4), (.orderRead, 4), (.orderPoll, 150), (.orderProduce, 250),
        (.orderFlush, 50), (.orderSendOffsets, 50), (.orderCommit, 50), (.orderCommit, 50),
        (.orderCommit, 50),
    ]

    private static let canBeLate: Set<Fault.Point> = [
        .orderOpen, .orderFlush, .orderSendOffsets, .orderCommit,
        .open, .flush, .sendOffsets, .commit, .expire, .relayOpen, .relaySend, .relayCommit, .store,
    ]

    private static func event(_ random: inout SeededGenerator) -> Fault {
        let event = random.one(of: Fault.Event.ofStock)
        let amount =
            switch event {
            case .delayClock: Fault.clockStep(&random)
            case .brokerClock: random.within(-20...20)
            default: random.within(100...3000)
            }
        return Fault(place: .event(event, step: random.within(20...1500)), amount: amount)
    }
}
