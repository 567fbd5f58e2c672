import Sizing
import Testing

/// The cores of the model, against what queueing theory knows.
@Suite struct CoresTests {
    struct Seen {
        var waiting: Double
        var sojourn: Double
        var inSystem: Double
        var perSecond: Double
        var busy: Double
    }

    /// Jobs that come at random (a Poisson process), at some cores.
    /// - Parameters:
    ///   - gap, work: mean times in nanoseconds.
    ///   - isFixed: whether each job is as long as another; else they are exponentially distributed.
    private func run(
        cores count: Int, gap: Double, work: Double, isFixed: Bool, slice: Int64 = .max, jobs: Int = 400_000
    ) -> Seen {
        enum Event {
            case come
            case slice(Cores<Int>.Slice)
        }
        var draws = Draws(seed: 7)
        var cores = Cores<Int>(count, slice: slice)
        var queue = EventQueue<Event>()
        var came: [Int64] = []
        var works: [Int64] = []
        var sojourn = 0.0
        var excess = 0.0
        var (area, last, done) = (0.0, Int64(0), 0)
        queue.add(.come, at: 0)
        while done < jobs, let (now, event) = queue.next() {
            area += Double(now - last) * Double(cores.jobs)
            last = now
            switch event {
            case .come:
                let length = Int64(isFixed ? work : draws.exponential(mean: work))
                cores.add(came.count, work: length)
                came.append(now)
                works.append(length)
                if came.count < jobs { queue.add(.come, at: now + Int64(draws.exponential(mean: gap))) }
            case .slice(let slice):
                if cores.ended(slice) {
                    let stay = Double(now - came[slice.job])
                    sojourn += stay
                    excess += stay - Double(works[slice.job])
                    done += 1
                }
            }
            while let slice = cores.next() { queue.add(.slice(slice), at: now + slice.length) }
        }
        let all = Double(jobs)
        return Seen(
            waiting: excess / all, sojourn: sojourn / all, inSystem: area / Double(last),
            perSecond: all / Double(last), busy: Double(cores.busy) / Double(last) / Double(count))
    }

    private func isNear(_ one: Double, _ other: Double, within share: Double = 0.03) -> Bool {
        abs(one - other) <= share * abs(other)
    }

    @Test("M/D/1: the mean wait is rho s / 2 (1 - rho)", arguments: [0.5, 0.7, 0.85])
    func fixedWork(_ rho: Double) {
        let seen = run(cores: 1, gap: 1_000 / rho, work: 1_000, isFixed: true)
        #expect(isNear(seen.waiting, rho * 1_000 / (2 * (1 - rho))), "\(seen)")
    }

    @Test("M/M/1: the mean wait is rho s / (1 - rho)", arguments: [0.5, 0.7, 0.85])
    func randomWork(_ rho: Double) {
        let seen = run(cores: 1, gap: 10_000 / rho, work: 10_000, isFixed: false)
        #expect(isNear(seen.waiting, rho * 10_000 / (1 - rho), within: 0.05), "\(seen)")
    }

    @Test("M/M/2: the mean wait is Erlang's C s / (2 - a)")
    func twoCores() {
        let offered = 1.4
        let erlang = (offered * offered / (2 - offered)) / (1 + offered + offered * offered / (2 - offered))
        let seen = run(cores: 2, gap: 10_000 / offered, work: 10_000, isFixed: false)
        #expect(isNear(seen.waiting, erlang * 10_000 / (2 - offered), within: 0.05), "\(seen)")
    }

    @Test("Short slices share a core: the mean stay is s / (1 - rho), however long the jobs are")
    func slices() {
        for isFixed in [true, false] {
            let seen = run(
                cores: 1, gap: 10_000 / 0.7, work: 10_000, isFixed: isFixed, slice: 100, jobs: 100_000)
            #expect(isNear(seen.sojourn, 10_000 / 0.3, within: 0.05), "\(seen)")
        }
    }

    @Test("The utilisation law: a core is at work for throughput times service time")
    func utilisation() {
        let seen = run(cores: 2, gap: 1_000, work: 1_500, isFixed: true)
        #expect(isNear(seen.busy, seen.perSecond * 1_500 / 2, within: 0.001), "\(seen)")
    }

    @Test("Little's law: jobs that are there are throughput times the mean stay")
    func little() {
        let seen = run(cores: 1, gap: 1_250, work: 1_000, isFixed: false)
        #expect(isNear(seen.inSystem, seen.perSecond * seen.sojourn, within: 0.001), "\(seen)")
    }
}
