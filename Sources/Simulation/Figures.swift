/// What happened in a run, counted: a fault that never happens has not been tried.
package struct Figures: Sendable {
    package enum Count: String, CaseIterable, Sendable {
        case steps
        case commands = "commands published"
        case faults
        case restores
        case warm = "restores from what a standby had read"
        case overtaken = "restores overtaken by another owner"
        case ahead = "commands decided while a commit was under way"
        case aheadDropped = "of them dropped, for the commit did not say yes"
        case aheadLost = "of them lost in a crash"
        case aborted = "transactions aborted"
        case timedOut = "transactions aborted by the broker's time-out"
        case unknown = "commits of unknown outcome"
        case unknownCommitted = "of them committed"
        case lateArrivals = "requests carried out after their sender gave up"
        case lateMarkers = "markers that came late, after the next owner had begun"
        case weeks = "weeks without a command, with retention of all that was decided"
        case forgotten = "calls of producers whose ids were forgotten"
        case fenced = "calls of fenced producers"
        case staleMembers = "offsets refused for a member of an older generation"
        case unstable = "committed offsets not told while a transaction holds them"
        case lost = "partitions lost by a process that stood still"
        case crashes
        case compacted = "records compacted away"
        case deleted = "commands deleted by retention"
        case early = "expires that came before their time"
        case conflicts = "batches of a second sink refused"
        case judged = "commands decided once more by the naive model"
        case orders = "orders placed"
        case ordersConfirmed = "of them confirmed"
        case orderOutcomes = "outcomes of orders"
        case orderRestores = "restores of orders"
        case strays = "replies about orders that are not known"
    }

    private var counts = Array(repeating: 0, count: Count.allCases.count)
    /// The steps from the last fault to the end; of several runs, the most.
    package var recovery = 0

    package init() {}

    /// From the numbers of `line`.
    package init?(line: [Int]) {
        guard line.count == Count.allCases.count + 1 else { return nil }
        counts = Array(line.dropLast())
        recovery = line.last!
    }

    package var line: [Int] { counts + [recovery] }

    package subscript(_ count: Count) -> Int {
        get { counts[Count.allCases.firstIndex(of: count)!] }
        set { counts[Count.allCases.firstIndex(of: count)!] = newValue }
    }

    package mutating func add(_ other: Figures) {
        for index in counts.indices { counts[index] += other.counts[index] }
        recovery = max(recovery, other.recovery)
    }
}
