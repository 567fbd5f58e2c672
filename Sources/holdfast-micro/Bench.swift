import CCallgrind
import CMallocCount
import InventoryCore
import InventoryWire
import StreamRuntime

#if canImport(Glibc)
    import Glibc
#endif

/// The time that this thread has worked, in nanoseconds: what runs beside it does not count.
func worked() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// The cost of one command, or of one SKU.
struct Cost {
    var nanoseconds: Double
    var mallocs: Double

    /// What `count` calls cost, each.
    static func of(_ count: Int, _ body: () -> Void) -> Cost {
        let mallocs = malloc_count_calls()
        let began = worked()
        body()
        let took = worked() - began
        return Cost(
            nanoseconds: Double(took) / Double(max(count, 1)),
            mallocs: Double(malloc_count_calls() - mallocs) / Double(max(count, 1)))
    }
}

/// Several rounds' costs.
struct Rounds {
    private var costs: [Cost] = []

    mutating func add(_ cost: Cost) { costs.append(cost) }

    private var times: [Double] { costs.map(\.nanoseconds).sorted() }
    var least: Double { times.first ?? 0 }
    var median: Double { times.isEmpty ? 0 : times[times.count / 2] }
    var most: Double { times.last ?? 0 }
    /// Of the last round: the mean.
    var mallocs: Double { costs.last?.mallocs ?? 0 }
}

/// A processor with the state that a load needs, and the records to give it.
struct Bench: ~Copyable {
    private var processor: CommandProcessor
    private var source: CommandSource
    private var records = Records()
    private var offset: Int64
    /// The bytes that came out.
    private(set) var written = 0

    /// As many commands as a transaction has under load.
    private static let batch = 500

    init(_ load: Load, skuCount: Int, warehouses: [ID] = ["BER"]) {
        source = CommandSource(load, skuCount: skuCount)
        var stock = Stock(settings: Records.settings)
        var effects = Effects()
        var offset: Int64 = 0
        source.setUp(warehouses: warehouses) { command in
            effects.removeAll()
            _ = stock.handle(
                command, at: Records.time(of: offset), source: Source(partition: 0, offset: offset),
                into: &effects)
            offset += 1
        }
        self.offset = offset
        processor = CommandProcessor(stock: stock, partition: 0, ownsKey: { _ in true })
    }

    /// The bytes of a record, in the mean of the last round.
    var recordBytes: Int { records.meanBytes }

    /// `count` further commands, by batches: from their bytes to those of their outputs, and the levels of the SKUs
    /// that changed.
    /// - Parameter counted: whether callgrind counts the instructions of what is timed.
    mutating func run(_ count: Int, counted: Bool = false) -> Cost {
        var total = Cost(nanoseconds: 0, mallocs: 0)
        var done = 0
        while done < count {
            let now = min(Self.batch, count - done)
            records.removeAll()
            for _ in 0..<now { records.append(source.next()) }
            if counted { callgrind_collect() }
            let cost = Cost.of(now) { process() }
            if counted { callgrind_collect() }
            total.nanoseconds += cost.nanoseconds * Double(now) / Double(count)
            total.mallocs += cost.mallocs * Double(now) / Double(count)
            offset += Int64(now)
            done += now
            writeLevels()
        }
        check(count)
        return total
    }

    /// What is measured must be what the load is said to be.
    private mutating func check(_ count: Int) {
        let counts = processor.takeCounts()
        precondition(counts.deadLetters == 0, "a record of ours is no command")
        let refused = counts.count(.reserve, .rejected)
        let granted = counts.count(.reserve, .reserved)
        let ended = counts.count(.confirm, .confirmed) + counts.count(.release, .released)
        precondition(source.load == .soldOut ? refused == count : granted + ended == count, "other outcomes")
        precondition(counts.duplicates == (source.load == .duplicate ? count : 0), "other duplicates")
    }

    private mutating func process() {
        var written = 0
        records.forEach(from: offset) { record in
            do throws(LogFailure) {
                try processor.process(record) { (_, key, value) throws(LogFailure) in
                    written += (key?.count ?? 0) + (value?.count ?? 0)
                }
            } catch {
                preconditionFailure("an output that cannot fail failed: \(error)")
            }
        }
        self.written += written
    }

    private mutating func writeLevels() {
        var written = 0
        do throws(LogFailure) {
            try processor.writeChangedLevels { (_, key, value) throws(LogFailure) in
                written += (key?.count ?? 0) + (value?.count ?? 0)
            }
        } catch {
            preconditionFailure("an output that cannot fail failed: \(error)")
        }
        self.written += written
    }
}
