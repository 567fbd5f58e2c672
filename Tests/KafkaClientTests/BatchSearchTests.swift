import KafkaClient
import Testing

@Suite("Where a batch ends that nobody can read")
struct BatchSearchTests {
    /// A partition with batches, of which some cannot be read.
    private struct Log {
        var batches: [(offsets: Range<Int64>, fault: BatchFault?)]
        /// The broker itself does not find what stands in these offsets.
        var lost: Range<Int64> = 0..<0
        var end: Int64 { batches.last?.offsets.upperBound ?? 0 }

        func sight(from offset: Int64) -> BatchSearch.Sight {
            if lost.contains(offset) { return .unreadable(.damaged, at: offset, isBrokers: true) }
            guard let batch = batches.first(where: { $0.offsets.upperBound > offset }) else {
                return .readable
            }
            guard let fault = batch.fault else { return .readable }
            return .unreadable(fault, at: batch.offsets.lowerBound, isBrokers: false)
        }

        /// What a search comes to, and how many questions it asked.
        func search(from start: Int64) -> (step: BatchSearch.Step, questions: Int) {
            var search = BatchSearch(from: start, end: end)
            var questions = 0
            while case .ask(let offset) = search.step {
                questions += 1
                search.saw(sight(from: offset))
            }
            return (search.step, questions)
        }
    }

    @Test(
        "The end is found exactly, whatever its length and whatever comes behind it",
        arguments: [1, 2, 3, 4, 5, 7, 8, 9, 100, 1_000, 99_999] as [Int64])
    func ends(_ length: Int64) {
        let bad = 5..<(5 + length)
        let behind: [(offsets: Range<Int64>, fault: BatchFault?)] = [
            (bad.upperBound..<(bad.upperBound + 3), nil),
            (bad.upperBound..<(bad.upperBound + 9), .compression),
            (bad.upperBound..<(bad.upperBound + 1), .damaged),
        ]
        for fault in BatchFault.allCases {
            for next in behind.map({ [$0] }) + [[]] {
                let log = Log(batches: [(0..<5, nil), (bad, fault)] + next)
                let found = log.search(from: 5)
                #expect(found.step == .found(offsets: bad, fault))
                #expect(found.questions <= 40, "\(found.questions)")
            }
        }
    }

    @Test("Reading that begins within the batch steps over the rest of it")
    func within() {
        let log = Log(batches: [(0..<5, nil), (5..<25, .damaged), (25..<30, nil)])
        #expect(log.search(from: 11).step == .found(offsets: 11..<25, .damaged))
    }

    @Test("Markers and aborted records before the batch are no part of it")
    func before() {
        let log = Log(batches: [(8..<10, .compression), (10..<12, nil)])
        #expect(log.search(from: 5).step == .found(offsets: 8..<10, .compression))
    }

    @Test("What the broker itself does not find is stepped over up to where it finds records again")
    func lost() {
        var log = Log(batches: [(0..<5, nil), (5..<9, nil), (9..<400, nil)])
        log.lost = 5..<130
        #expect(log.search(from: 5).step == .found(offsets: 5..<130, .damaged))
    }

    @Test("What can be read when it is asked for again is not stepped over")
    func passing() {
        var search = BatchSearch(from: 3, end: 9)
        search.saw(.unreadable(.damaged, at: 3, isBrokers: false))
        search.saw(.unreadable(.damaged, at: 3, isBrokers: false))
        search.saw(.readable)
        #expect(search.step == .passed)
    }

    @Test("No answer steps over nothing, at any question", arguments: 0..<12)
    func silence(_ answered: Int) {
        let log = Log(batches: [(0..<5, nil), (5..<25, .damaged), (25..<30, nil)])
        var search = BatchSearch(from: 5, end: log.end)
        for _ in 0..<answered {
            if case .ask(let offset) = search.step { search.saw(log.sight(from: offset)) }
        }
        guard case .ask = search.step else {
            #expect(search.step == .found(offsets: 5..<25, .damaged))
            return
        }
        search.saw(.nothing)
        #expect(search.step == .unknown)
    }

    @Test("Errors of a batch are told from those of a partition and of the client")
    func scopes() {
        func scope(_ number: Int32) -> FetchScope {
            KafkaError(code: KafkaError.Code(number: number), message: "", operation: "consume").scope
        }
        // _BAD_MSG, _BAD_COMPRESSION, _NOT_IMPLEMENTED, INVALID_MSG, MSG_SIZE_TOO_LARGE
        for code: Int32 in [-199, -198, -170, 2, 10] { #expect(scope(code) == .batch, "\(code)") }
        // _AUTO_OFFSET_RESET, OFFSET_OUT_OF_RANGE, UNKNOWN, UNKNOWN_TOPIC_OR_PART
        for code: Int32 in [-140, 1, -1, 3] { #expect(scope(code) == .partition, "\(code)") }
        // _FATAL, FENCED_INSTANCE_ID, _AUTHENTICATION
        for code: Int32 in [-150, 82, -169] { #expect(scope(code) == .client, "\(code)") }
    }
}
