/// A sale of one SKU whose units are lent to several buckets, each of which is a SKU of its own on a partition of its
/// own. What it looks at is the end of the sale: who is refused while units are left elsewhere.
///
/// Reservations of one unit come at random, each to a bucket at random. A bucket decides in the order in which they
/// come; an answer is there `answer` milliseconds later. What goes from one partition to another is a command that
/// somebody sends when it has read the answer to the one before, so each such step takes `answer`, too.
package struct LeaseSale {
    package enum Rule: String, CaseIterable, Sendable {
        /// Each bucket has its share and refuses when that is gone.
        case split
        /// The home bucket lends so many at a time; one that asks in vain refuses.
        case lend
        /// As `lend`; but when the home bucket has nothing left to lend it calls back what is lent and decides alone.
        /// Reservations that come to others go on to it, which is one step more. Nobody is refused before all
        /// units are back.
        case recall
    }

    package struct Outcome: Equatable, Sendable {
        package var granted = 0
        package var refused = 0
        /// Units that were free somewhere when the first reservation was refused.
        package var strandedAtFirstRefusal = 0
        /// Reservations that were granted and came after one that was refused; and those refused that came before one
        /// that was granted.
        package var grantedAfterRefused = 0
        package var refusedBeforeGranted = 0
        /// From when the first one that was refused came to when the last one that was granted came, in milliseconds.
        package var unfairFor = 0.0
        /// Commands besides the reservations: loans, returns, and reservations that were sent on.
        package var extraCommands = 0
        /// From coming to the answer, in milliseconds: at most.
        package var longest = 0.0
    }

    let rule: Rule
    let buckets: Int
    let units: Int
    let answer: Double
    let meanGap: Double
    /// Units of a loan; the last ones are smaller.
    let loan: Int

    private enum Event {
        case come
        /// A bucket's wish for a loan has come to the home bucket.
        case asked(bucket: Int)
        case lent(bucket: Int, units: Int)
        /// Whatever was lent to the bucket before has come before.
        case calledBack(bucket: Int)
        case returned(units: Int)
        case sentOn(number: Int)
    }

    private var draws: Draws
    private var queue = EventQueue<Event>()
    private var now = 0.0
    private var free: [Int]
    private var isAsking: [Bool]
    private var waiting: [[Int]]
    private var home: Int
    private var isCallingBack = false
    /// Buckets that have given back.
    private var back = 0
    private var heldAtHome: [Int] = []
    private var isFinished: [Bool]
    private var came: [Double] = []
    private var isGranted: [Bool?] = []
    private var outcome = Outcome()

    /// - Parameters:
    ///   - rate: reservations a second, of which there are `demand` in all.
    ///   - answer: milliseconds from a command's coming to its committed answer.
    package init(
        _ rule: Rule, buckets: Int, units: Int, demand: Int, rate: Double, answer: Double, seed: UInt64
    ) {
        precondition(buckets > 0 && units >= 0 && demand > 0 && rate > 0)
        self.rule = rule
        self.buckets = buckets
        self.units = units
        self.answer = answer
        meanGap = 1_000 / rate
        draws = Draws(seed: seed)
        // What a bucket sells in four answers, so that the next loan is there before the last one is gone.
        loan = max(1, min(units / (2 * buckets), Int(4 * answer / meanGap) / buckets))
        free = (0..<buckets).map { rule == .split ? units / buckets + ($0 < units % buckets ? 1 : 0) : 0 }
        home = rule == .split ? 0 : units
        isAsking = Array(repeating: false, count: buckets)
        isFinished = Array(repeating: false, count: buckets)
        waiting = Array(repeating: [], count: buckets)
        came.reserveCapacity(demand)
        self.demand = demand
    }

    private let demand: Int

    package static func run(
        _ rule: Rule, buckets: Int, units: Int, demand: Int, rate: Double, answer: Double, seed: UInt64 = 1
    ) -> Outcome {
        var sale = LeaseSale(
            rule, buckets: buckets, units: units, demand: demand, rate: rate, answer: answer, seed: seed)
        return sale.run()
    }

    private mutating func run() -> Outcome {
        if rule != .split {
            for bucket in 0..<buckets where !isCallingBack { lend(to: bucket) }
        }
        // The first loans are there when the sale begins.
        add(.come, at: answer + draws.exponential(mean: meanGap))
        while let (time, event) = queue.next() {
            now = Double(time) / 1e6
            happen(event)
        }
        return tally()
    }

    private mutating func happen(_ event: Event) {
        switch event {
        case .come:
            let number = came.count
            came.append(now)
            isGranted.append(nil)
            if came.count < demand { add(.come, at: now + draws.exponential(mean: meanGap)) }
            decide(number, at: draws.below(buckets))
        case .asked(let bucket):
            if !isCallingBack { lend(to: bucket) }
        case .lent(let bucket, let count):
            isAsking[bucket] = false
            free[bucket] += count
            if count == 0 { isFinished[bucket] = true }
            let there = waiting[bucket]
            waiting[bucket] = []
            for number in there { decide(number, at: bucket) }
        case .calledBack(let bucket):
            giveBack(bucket)
        case .returned(let count):
            home += count
            back += 1
            let held = heldAtHome
            heldAtHome = []
            for number in held { decideAtHome(number) }
        case .sentOn(let number):
            decideAtHome(number)
        }
    }

    // MARK: A bucket

    private mutating func decide(_ number: Int, at bucket: Int) {
        if isFinished[bucket], rule == .recall { return sendOn(number) }
        if free[bucket] > 0 {
            free[bucket] -= 1
            end(number, granted: true)
            // The next loan is asked for when half of the last one is gone.
            if rule != .split, free[bucket] <= loan / 2 { ask(bucket) }
        } else if rule == .split || isFinished[bucket] {
            end(number, granted: false)
        } else {
            waiting[bucket].append(number)
            ask(bucket)
        }
    }

    private mutating func ask(_ bucket: Int) {
        guard !isAsking[bucket], !isFinished[bucket] else { return }
        isAsking[bucket] = true
        add(.asked(bucket: bucket), at: now + answer)
    }

    /// A bucket that is called back has nothing from then on, and sends on what comes.
    private mutating func giveBack(_ bucket: Int) {
        isFinished[bucket] = true
        outcome.extraCommands += 2
        add(.returned(units: free[bucket]), at: now + answer)
        free[bucket] = 0
        let there = waiting[bucket]
        waiting[bucket] = []
        for number in there { sendOn(number) }
    }

    private mutating func sendOn(_ number: Int) {
        outcome.extraCommands += 1
        add(.sentOn(number: number), at: now + answer)
    }

    // MARK: Home

    private mutating func lend(to bucket: Int) {
        // Smaller ones at the end, so that little is left over elsewhere.
        let count = min(home, loan, max(1, home / (2 * buckets)))
        home -= count
        if count > 0 { outcome.extraCommands += 2 }
        if count > 0 || rule == .lend {
            add(.lent(bucket: bucket, units: count), at: now + answer)
        }
        if home == 0, rule == .recall {
            isCallingBack = true
            for other in 0..<buckets { add(.calledBack(bucket: other), at: now + answer) }
        }
    }

    private mutating func decideAtHome(_ number: Int) {
        if home > 0 {
            home -= 1
            end(number, granted: true)
        } else if back == buckets {
            end(number, granted: false)
        } else {
            heldAtHome.append(number)
        }
    }

    // MARK: The end

    private mutating func end(_ number: Int, granted: Bool) {
        if !granted, outcome.refused == 0 {
            outcome.strandedAtFirstRefusal = units - outcome.granted
        }
        isGranted[number] = granted
        if granted { outcome.granted += 1 } else { outcome.refused += 1 }
        outcome.longest = max(outcome.longest, now + answer - came[number])
    }

    private mutating func tally() -> Outcome {
        let firstRefused = isGranted.firstIndex { $0 == false }
        let lastGranted = isGranted.lastIndex { $0 == true }
        if let firstRefused, let lastGranted, firstRefused < lastGranted {
            outcome.unfairFor = came[lastGranted] - came[firstRefused]
            for number in firstRefused...lastGranted {
                if isGranted[number] == true { outcome.grantedAfterRefused += 1 }
                if isGranted[number] == false { outcome.refusedBeforeGranted += 1 }
            }
        }
        return outcome
    }

    private mutating func add(_ event: Event, at time: Double) { queue.add(event, at: Int64(time * 1e6)) }
}
