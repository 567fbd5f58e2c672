import Foundation
import InventoryCore
import Testing

/// What decisions cost. The figures are printed, so that docs can tell them with this command:
/// `deploy/local test --only 'InventoryCoreTests.CostTests'`.
@Suite("Cost", .serialized)
struct CostTests {
    private static func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) }

    /// The time that this thread has worked, in nanoseconds: what runs beside it does not count.
    private static func worked() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
    }

    /// A SKU in so many warehouses, each with a place, a priority and 1 to 9 units.
    private static func stock(warehouses: Int, _ random: inout SeededGenerator) -> Stock {
        var stock = Stock()
        var effects = Effects()
        for number in 0..<warehouses {
            let bodies: [(String, Command.Body)] = [
                (
                    PartitionBook.sku(0).text,
                    .setWarehouse(
                        Warehouse(
                            id: "W\(number)",
                            location: Point(
                                latitude: .random(in: 35_000_000...60_000_000, using: &random),
                                longitude: .random(in: -9_000_000...30_000_000, using: &random)),
                            priority: .random(in: 1...20, using: &random)))
                ),
                (
                    "A",
                    .receive(
                        warehouse: "W\(number)", quantity: .random(in: 1...9, using: &random), reference: nil)
                ),
            ]
            for (place, (sku, body)) in bodies.enumerated() {
                effects.removeAll()
                _ = stock.handle(
                    Command(id: "s\(number)-\(place)", sku: ID(sku), body: body),
                    at: Timestamp(milliseconds: 0),
                    source: Source(partition: 0, offset: Int64(2 * number + place)), into: &effects)
            }
        }
        return stock
    }

    /// What an allocation may cost at most, in sorts of 200 random numbers: on a machine too slow for the
    /// microseconds, the ratio still tells whether it has become dearer.
    private static let mostSorts = 15.0

    @Test(
        "A SKU in 200 warehouses is allocated in under 20 µs in the mean, or on a slower machine in as many sorts of 200 numbers",
        arguments: Strategy.allCases)
    func allocation(strategy: Strategy) {
        var random = SeededGenerator(seed: 7)
        var stock = Self.stock(warehouses: 200, &random)
        var effects = Effects()
        let rounds = 4_000
        // Other tests run beside this one: the least of five means is the nearest to the truth.
        var means = [Double](repeating: 0, count: 5)
        var sorts = means
        let unsorted = (0..<200).map { _ in Int64.random(in: 0...1_000_000, using: &random) }
        var splits = 0
        for number in 0..<rounds {
            // Every fourth is more than any warehouse has, so that it is split.
            let quantity = number % 4 == 0 ? Int64.random(in: 10...60, using: &random) : 3
            let reserve = Command.Reserve(
                reservationID: "r\(number)", orderID: "o", quantity: quantity,
                expiry: .after(milliseconds: 1000), strategy: strategy,
                shipTo: Point(
                    latitude: .random(in: 35_000_000...60_000_000, using: &random),
                    longitude: .random(in: -9_000_000...30_000_000, using: &random)))
            let command = Command(id: "c\(number)", sku: "A", body: .reserve(reserve))
            let at = Timestamp(milliseconds: Int64(number))
            effects.removeAll()
            let start = Self.worked()
            let outcome = stock.handle(
                command, at: at, source: Source(partition: 0, offset: Int64(1000 + 2 * number)),
                into: &effects)
            let middle = Self.worked()
            let sorted = unsorted.sorted()
            let end = Self.worked()
            precondition(sorted[0] <= sorted[199])
            means[number * means.count / rounds] += (middle - start) * 5 / Double(rounds) / 1000
            sorts[number * means.count / rounds] += (end - middle) * 5 / Double(rounds) / 1000
            if outcome.allocations.count > 1 { splits += 1 }
            effects.removeAll()
            _ = stock.handle(
                Command(
                    id: "x\(number)", sku: "A", body: .release(reservationID: "r\(number)", quantity: nil)),
                at: at, source: Source(partition: 0, offset: Int64(1001 + 2 * number)), into: &effects)
        }
        let mean = means.min()!
        print(
            "allocation over 200 warehouses, \(strategy.rawValue): \(mean) µs in the mean, \(splits) of \(rounds) split; "
                + "a sort of 200 numbers: \(sorts.min()!) µs"
        )
        #expect(splits > rounds / 5)
        #expect(mean < max(20, Self.mostSorts * sorts.min()!))
    }

    /// Resident memory of the process, in bytes, without what was freed: malloc keeps pages of earlier tests, and
    /// what they hold would hide what comes (malloc_trim(3)).
    private static func residentBytes() -> Int {
        typealias Trim = @convention(c) (Int) -> Int32
        if let trim = dlsym(nil, "malloc_trim") { _ = unsafeBitCast(trim, to: Trim.self)(0) }
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Sales as they are: two reservations for each confirm and each receipt, and some that are refused; ids of 36 bytes
    /// for commands and reservations.
    private struct Sales {
        var stock: Stock
        private var effects = Effects()
        private var offset: Int64 = 0
        private var reserved = 0
        private var confirmed = 0

        init(remembering count: Int) { stock = Stock(settings: Settings(dedupeCount: count)) }

        private static func uuid(_ kind: Int, _ number: Int) -> ID {
            let digits = String(number)
            let zeros = String(repeating: "0", count: 12 - digits.count)
            return "\(kind)07b1c64-3f5e-4a0d-9b2e-\(zeros)\(digits)"
        }

        private mutating func handle(_ body: Command.Body) {
            offset += 1
            effects.removeAll()
            _ = stock.handle(
                Command(id: Self.uuid(1, Int(offset)), sku: "SKU-OF-A-USUAL-LENGTH", body: body),
                at: Timestamp(milliseconds: 1_790_000_000_000 + offset),
                source: Source(partition: 0, offset: offset), into: &effects)
        }

        private mutating func reserve(_ quantity: Int64) {
            reserved += 1
            handle(
                .reserve(
                    Command.Reserve(
                        reservationID: Self.uuid(2, reserved), orderID: "order-of-a-usual-length-\(reserved)",
                        quantity: quantity, expiry: .after(milliseconds: 3_600_000))))
        }

        mutating func run(_ count: Int) {
            for number in 0..<count {
                switch number % 5 {
                case 0: handle(.receive(warehouse: "WAREHOUSE-BERLIN-1", quantity: 2, reference: nil))
                case 1, 2: reserve(1)
                case 3:
                    confirmed += 1
                    while stock.reservation(Self.uuid(2, confirmed), of: "SKU-OF-A-USUAL-LENGTH") == nil {
                        confirmed += 1
                    }
                    let id = Self.uuid(2, confirmed)
                    handle(.confirm(reservationID: id, quantity: nil))
                default:
                    confirmed += 1
                    while stock.reservation(Self.uuid(2, confirmed), of: "SKU-OF-A-USUAL-LENGTH") == nil {
                        confirmed += 1
                    }
                    handle(.release(reservationID: Self.uuid(2, confirmed), quantity: nil))
                }
            }
        }
    }

    @Test(
        "A remembered command takes at most 100 bytes, a window that has few takes little, and a full one grows no further"
    )
    func window() {
        let count = 131_072
        var sales = Sales(remembering: count)
        let none = Self.residentBytes()
        sales.run(1_000)
        let few = Self.residentBytes()
        sales.run(count - 1_000)
        let full = Self.residentBytes()
        #expect(sales.stock.dedupeWindowCount == count && !sales.stock.hasForgotten)
        sales.run(2 * count)
        let later = Self.residentBytes()
        #expect(sales.stock.dedupeWindowCount == count && sales.stock.hasForgotten)
        let each = (full - few) / (count - 1_000)
        print(
            "dedupe window: \(count) commands in \((full - none) >> 10) KiB, \(each) bytes each, the first 1,000 in "
                + "\((few - none) >> 10) KiB; after two windows more \((later - full) >> 10) KiB more")
        #expect(each <= 100)
        #expect(few - none < 2 << 20)
        // Hash tables may grow once more; what is remembered may not.
        #expect(later - full < (full - none) / 4)
    }

    @Test(
        "What one command does to 100,000 reservations takes no more than some seconds",
        arguments: ["expiry", "loss", "fill", "extension"])
    func masses(what: String) {
        let count: Int64 = 100_000
        var stock = Stock()
        var effects = Effects()
        var offset: Int64 = 0
        func run(_ body: Command.Body, at: Int64 = 0) {
            offset += 1
            effects.removeAll()
            _ = stock.handle(
                Command(id: "c\(offset)", sku: "A", body: body), at: Timestamp(milliseconds: at),
                source: Source(partition: 0, offset: offset), into: &effects)
        }
        if what == "fill" {
            run(.setPolicy(warehouse: nil, Policy(backorderLimit: count)))
        } else {
            run(.receive(warehouse: "BER", quantity: count, reference: nil))
        }
        for number in 0..<count {
            run(
                .reserve(
                    Command.Reserve(
                        reservationID: "r\(number)", orderID: "o", quantity: 1,
                        expiry: .after(milliseconds: 1000))))
        }
        let start = Self.now()
        switch what {
        case "expiry":
            run(.receive(warehouse: "BER", quantity: 1, reference: nil), at: 1000)
            #expect(effects.entries.count == Int(count) + 1)
            for number in 0..<count { run(.expire(reservationID: "r\(number)"), at: 1000) }
        case "loss":
            run(
                .adjust(
                    Command.Adjust(
                        warehouse: "BER", change: .count(0, expected: nil), reasonCode: .stolen)))
            #expect(effects.entries.count == Int(count) + 1)
        case "fill":
            run(.receive(warehouse: "BER", quantity: count, reference: nil))
            #expect(effects.entries.count == Int(count) + 1)
        default:
            for number in 0..<count {
                run(.extend(reservationID: "r\(number)", expiry: .after(milliseconds: 2000)))
            }
        }
        let seconds = (Self.now() - start) / 1e9
        print("\(what) of \(count) reservations: \(seconds) s")
        #expect(seconds < 10)
    }

    @Test("What has shipped for one order in 30,000 parts is asked for at no more than the cost of one")
    func partsOfAnOrder() {
        let count: Int64 = 30_000
        var stock = Stock()
        var effects = Effects()
        var offset: Int64 = 0
        func run(_ body: Command.Body) -> Outcome {
            offset += 1
            effects.removeAll()
            return stock.handle(
                Command(id: "c\(offset)", sku: "A", body: body), at: Timestamp(milliseconds: 0),
                source: Source(partition: 0, offset: offset), into: &effects)
        }
        _ = run(.receive(warehouse: "BER", quantity: 2 * count, reference: nil))
        _ = run(.setPolicy(warehouse: nil, Policy(unitsPerOrder: count)))
        let start = Self.now()
        for number in 0..<count {
            let reserve = Command.Reserve(reservationID: "r\(number)", orderID: "till", quantity: 1)
            #expect(run(.reserve(reserve)).kind == .reserved)
            #expect(run(.confirm(reservationID: "r\(number)", quantity: nil)).kind == .confirmed)
        }
        let seconds = (Self.now() - start) / 1e9
        print("an order in \(count) parts: \(seconds) s")
        let more = Command.Reserve(reservationID: "more", orderID: "till", quantity: 1)
        #expect(run(.reserve(more)).rejection == .orderLimitExceeded)
        #expect(seconds < 10)
    }

    @Test(
        "Policies in 200 warehouses are laid down over 50,000 reservations of a channel within a second or two"
    )
    func channelPolicies() {
        let (reservations, warehouses) = (50_000, Limits.warehousesPerSKU)
        var stock = Stock()
        var effects = Effects()
        var offset: Int64 = 0
        func run(_ body: Command.Body) -> Outcome {
            offset += 1
            effects.removeAll()
            return stock.handle(
                Command(id: "c\(offset)", sku: "A", body: body), at: Timestamp(milliseconds: 0),
                source: Source(partition: 0, offset: offset), into: &effects)
        }
        for number in 0..<warehouses {
            _ = run(.receive(warehouse: "W\(number)", quantity: Int64(reservations), reference: nil))
        }
        for number in 0..<reservations {
            _ = run(
                .reserve(
                    Command.Reserve(
                        reservationID: "r\(number)", orderID: "o", quantity: 1,
                        warehouse: "W\(number % warehouses)", channel: "web")))
        }
        let start = Self.now()
        let outcome = run(
            .setPolicies(
                PublishedPolicies(
                    policy: nil,
                    warehouses: (0..<warehouses).map {
                        WarehousePolicy(
                            warehouse: "W\($0)",
                            policy: Policy(channels: [ChannelShare(channel: "web", quantity: 1_000)]))
                    })))
        let seconds = (Self.now() - start) / 1e9
        print("channels of \(reservations) reservations in \(warehouses) warehouses: \(seconds) s")
        #expect(outcome.kind == .policySet && effects.entries.count == warehouses)
        let claimed = Int64(reservations / warehouses)
        #expect(effects.entries.allSatisfy { $0.setApart == 1_000 - claimed })
        #expect(
            stock.levels(of: "A")?.levels.allSatisfy { $0.channels.map(\.reserved) == [claimed] } == true)
        #expect(seconds < 5)
    }

    @Test("The sine of every angle is that of the mathematical library, and exact at the poles")
    func sine() {
        var worst = 0.0
        for angle in stride(from: Int64(-720_000_000), through: 720_000_000, by: 1_234_567) {
            let found = AngleProbe.sine(angle)
            worst = max(worst, abs(found - sin(Double(angle) / 1e6 * .pi / 180)))
        }
        #expect(worst < 1e-14)
        #expect(AngleProbe.sine(0) == 0 && AngleProbe.sine(90_000_000) == 1)
    }
}
