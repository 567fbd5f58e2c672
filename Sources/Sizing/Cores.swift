/// Cores that share out their time among jobs in turn, a slice each (round robin), as an operating system does. With
/// slices that never end: first come, first served.
package struct Cores<Job> {
    /// A part of a job on a core, until its end is told by `ended`.
    package struct Slice {
        package let job: Job
        /// Nanoseconds of it, and of the job after it.
        package let length: Int64
        let left: Int64
    }

    package let count: Int
    private let slice: Int64
    private var waiting: [(job: Job, left: Int64)] = []
    private var head = 0
    private var running = 0
    /// Nanoseconds that cores were at work, over all of them, of slices that have ended.
    package private(set) var busy: Int64 = 0

    /// - Parameter slice: in nanoseconds.
    package init(_ count: Int, slice: Int64 = .max) {
        precondition(count > 0 && slice > 0)
        self.count = count
        self.slice = slice
    }

    /// Jobs that wait for a core or have one.
    package var jobs: Int { waiting.count - head + running }

    /// - Parameter work: nanoseconds of one core.
    package mutating func add(_ job: Job, work: Int64) { waiting.append((job, max(0, work))) }

    /// What a core that is free does next; nil when none is, or nothing waits.
    package mutating func next() -> Slice? {
        guard running < count, head < waiting.count else { return nil }
        let (job, left) = waiting[head]
        head += 1
        if head > 1_024, head * 2 > waiting.count {
            waiting.removeFirst(head)
            head = 0
        }
        running += 1
        let length = min(slice, left)
        return Slice(job: job, length: length, left: left - length)
    }

    /// - Returns: whether the job is done; else it waits for its next slice.
    package mutating func ended(_ slice: Slice) -> Bool {
        running -= 1
        busy += slice.length
        guard slice.left > 0 else { return true }
        waiting.append((slice.job, slice.left))
        return false
    }
}
