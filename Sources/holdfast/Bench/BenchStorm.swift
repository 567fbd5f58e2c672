import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations

/// Many reservations that come due within a minute, while other commands come at a fixed rate: how late their ends are
/// told, and how late the answers to the others.
struct BenchStorm {
    /// Of so many reservations one SKU has them.
    private static let perSKU = 10
    private static let liveSKUs = 1_000
    /// So long before the first is due the live load begins, in milliseconds.
    private static let calm: Int64 = 5_000
    /// So long the live load goes on at most after the last is due, in seconds.
    private static let longest = 1_200

    private let stage: BenchStage
    private let count: Int
    private let seconds: Int
    private let rate: Int

    init(_ stage: BenchStage) {
        self.stage = stage
        let configuration = stage.service.configuration
        count = configuration.integer("expiry_reservations")
        seconds = configuration.integer("expiry_seconds")
        rate = configuration.integer("expiry_rate")
    }

    func run(round: Int) throws -> BenchFigure {
        let live = BenchLoad(.even, skus: Self.liveSKUs, partitions: stage.partitions)
        let feeder = BenchFeeder(live, settings: stage.settings, partitions: stage.partitions)
        let reader = BenchStormReader(stage.settings, partitions: stage.partitions, reservations: count)
        reader.start()
        defer { _ = reader.stop() }
        try feeder.publish(0..<0)
        let due = try begin(reader, live.skuCount)
        try wait(for: "reservations", reader) { reader.granted >= count }
        let start = clock(of: due.first - Self.calm)
        guard start > MonotonicTime.now() else {
            throw RoleFailure(
                .temporaryFailure,
                "the \(count) reservations were granted too late for the time at which they are due; try fewer "
                    + "(--expiry-reservations)")
        }
        try stage.wait(until: start)
        let pace = BenchFeeder.Pace(
            rate: rate, count: rate * (Int(Self.calm) / 1000 + seconds + Self.longest),
            start: MonotonicTime.now())
        feeder.begin(pace)
        defer { feeder.stop() }
        try stage.wait(until: clock(of: due.first))
        try wait(for: "ends of reservations", reader) {
            if let fault = feeder.fault { throw RoleFailure(.internalFault, "the feeder failed: \(fault)") }
            return reader.ended >= count
        }
        feeder.stop()
        try wait(for: "answers to the live load", reader) { feeder.isDone && reader.live >= feeder.sent }
        return figure(reader.stop(), due, pace, round, lateness: feeder.lateness)
    }

    // MARK: Before

    /// When reservations are due, in milliseconds since 1970: evenly from the first on.
    private struct Due {
        let first: Int64
        let count: Int
        let seconds: Int

        func time(_ number: Int) -> Int64 { first + Int64(number * seconds * 1000 / count) }
    }

    /// Gives all SKUs their stock, and publishes the reservations, due when they will surely have been granted.
    private func begin(_ reader: BenchStormReader, _ receipts: Int) throws -> Due {
        let skus = max(1, count / Self.perSKU)
        let publisher = try DemoPublisher(settings: stage.settings, events: .ignored)
        for sku in 0..<skus { try publisher.publish(Self.receipt(sku)) }
        try publisher.finish()
        try stage.waitUntilReady(try stage.startProcessor())
        try stage.waitUntilReady(try stage.start("delay"))
        let began = MonotonicTime.now()
        try wait(for: "receipts", reader) { reader.other >= receipts + skus }
        // By how fast the receipts went, and three times as long as that, for a reservation is more work.
        let rate = min(15_000, max(2_000, Double(skus) / max(0.001, MonotonicTime.seconds(since: began))))
        let lead = Self.calm * 2 + Int64(3_000 * Double(count) / rate)
        let due = Due(first: WallClock.milliseconds() + lead, count: count, seconds: seconds)
        for number in 0..<count {
            try publisher.publish(Self.reserve(number, sku: number % skus, due: due.time(number)))
        }
        try publisher.finish()
        return due
    }

    private static func receipt(_ sku: Int) -> Command {
        Command(
            id: "stock-\(sku)", sku: "DUE-\(sku)",
            body: .receive(warehouse: ID(BenchLoad.warehouse), quantity: 1_000_000_000, reference: nil))
    }

    private static func reserve(_ number: Int, sku: Int, due: Int64) -> Command {
        Command(
            id: "due-\(number)", sku: "DUE-\(sku)",
            body: .reserve(
                Command.Reserve(
                    reservationID: "due-\(number)", orderID: "order-\(number)", quantity: 1,
                    warehouse: ID(BenchLoad.warehouse), expiry: .at(Timestamp(milliseconds: due)))))
    }

    private func wait(
        for what: String, _ reader: BenchStormReader, _ isDone: () throws -> Bool
    ) throws {
        try stage.wait(for: what, moving: reader.granted + reader.ended + reader.live + reader.other) {
            if let fault = reader.fault { throw RoleFailure(.internalFault, "the reader failed: \(fault)") }
            return try isDone()
        }
    }

    /// A time of the wall clock on the monotonic one.
    private func clock(of milliseconds: Int64) -> UInt64 {
        let left = milliseconds - WallClock.milliseconds()
        return MonotonicTime.now() + UInt64(max(0, left)) * MonotonicTime.nanosecondsPerMillisecond
    }

    // MARK: After

    private func figure(
        _ seen: BenchStormReader.Seen, _ due: Due, _ pace: BenchFeeder.Pace, _ round: Int, lateness: UInt64
    ) -> BenchFigure {
        let late = Percentiles(
            seen.ends.enumerated().map { Double($0.element - due.time($0.offset)) })
        let last = seen.ends.max() ?? due.first
        // What is due from the first reservation's time to when the last one's end was read is meanwhile.
        let first = pace.start + UInt64(Self.calm) * MonotonicTime.nanosecondsPerMillisecond
        let end = first + UInt64(max(0, last - due.first)) * MonotonicTime.nanosecondsPerMillisecond
        var (before, meanwhile): ([Double], [Double]) = ([], [])
        for (number, arrival) in seen.live.enumerated() where arrival > 0 {
            let sent = pace.due(number)
            let latency = (Double(arrival) - Double(sent)) / 1e6
            if sent < first { before.append(latency) } else if sent <= end { meanwhile.append(latency) }
        }
        let (calm, live) = (Percentiles(before), Percentiles(meanwhile))
        let took = Double(last - due.first) / 1000
        return BenchFigure(
            kind: .expiry, contestant: BenchContestant.holdfast.rawValue,
            load: BenchLoad.Kind.even.rawValue, round: round, commands: count, seconds: took,
            perSecond: Double(count) / max(0.001, took), rate: rate,
            isolation: KafkaSettings.Isolation.committed.rawValue, partitions: Int(stage.partitions),
            p50: live.value(50), p90: live.value(90), p99: live.value(99), p999: live.value(99.9),
            most: live.largest, sentLate: Double(lateness) / 1e6,
            storm: BenchFigure.Storm(
                within: Double(seconds), late50: late.value(50) ?? 0, late99: late.value(99) ?? 0,
                lateMost: late.largest ?? 0, lastAfter: Double(last - due.time(count - 1)),
                calm50: calm.value(50), calm99: calm.value(99)))
    }
}
