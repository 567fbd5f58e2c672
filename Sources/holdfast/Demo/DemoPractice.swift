import InventoryCore
import KafkaClient
import Operations
import Sizing

/// What is practised before the sale: reservations over SKUs of their own, and nothing of it is left to expire.
struct PracticeScript: DemoScript {
    /// Of each SKU, in each of two warehouses: more than any practice asks for.
    private static let units: Int64 = 1_000_000

    let run: String
    let dice: DemoDice
    let skus: Int

    /// - Parameter run: of the sale. What it consists of begins with that too, so that it is in the books.
    init(sale run: String, dice: DemoDice, skus: Int) {
        self.run = "\(run)-w"
        self.dice = dice
        self.skus = skus
    }

    private func sku(_ number: Int) -> ID { "\(run)-\(number)" }
    func isHot(_ sku: ID) -> Bool { false }

    var receipts: [Command] {
        (0..<2 * skus).map { number in
            Command(
                id: "\(run)-i\(number)", sku: sku(number / 2),
                body: .receive(
                    warehouse: DemoPlan.warehouses[(number / 2 + number % 2) % DemoPlan.warehouses.count],
                    quantity: Self.units, reference: "opening-stock"))
        }
    }

    func reserve(_ number: Int) -> Command {
        Command(
            id: "\(run)-c\(number)", sku: sku(Int(dice.hash(number, 2) % UInt64(max(1, skus)))),
            body: .reserve(
                Command.Reserve(
                    reservationID: reservationID(number), orderID: "\(run)-o\(number)",
                    quantity: Int64(1 + dice.hash(number, 3) % 2), expiry: .after(milliseconds: 600_000))))
    }

    func followUp(of number: Int, sku: ID) -> Command? {
        dice.hash(number, 5) % 100 < DemoPlan.confirmedOfHundred
            ? confirm(number, sku: sku) : release(number, sku: sku)
    }
}

/// Warms the servers and the processes up, and finds the rate that the machine carries.
final class DemoPractice {
    /// How long a rate is tried, in seconds.
    private static let trialSeconds = 3
    /// What is practised before a rate is judged, and for how long: a broker that has just started is slow.
    private static let runInRate = 1_000
    private static let runInSeconds = 3
    /// So few ledger entries are not in PostgreSQL while nothing comes: it counts markers of transactions, too.
    private static let restingLag = 1_000

    private let script: PracticeScript
    private let settings: KafkaSettings
    private let events: ClientEvents
    private let cast: DemoCast
    private let waiting: DemoWaiting
    private let recorder = DemoRecorder()
    private let watcher: DemoWatcher
    /// The number of the next reservation.
    private var next = 0

    init(
        _ script: PracticeScript, settings: KafkaSettings, events: ClientEvents, cast: DemoCast,
        waiting: DemoWaiting
    ) {
        self.script = script
        self.settings = settings
        self.events = events
        self.cast = cast
        self.waiting = waiting
        watcher = DemoWatcher(script: script, settings: settings, recorder: recorder, events: events)
    }

    /// Commands that were sent.
    var sent: Int { recorder.counts.sent }

    /// - Parameter starts: where the topics end now.
    func begin(from starts: [Topic: [Int32: Int64]]) throws {
        watcher.start(from: starts)
        waiting.watch("the watcher") { [watcher] in watcher.failure }
        let publisher = try DemoPublisher(settings: settings, events: events)
        for receipt in script.receipts {
            recorder.sentUntimed()
            try publisher.publish(receipt)
        }
        try publisher.finish()
        try awaitAnswers()
    }

    func end() { watcher.stop() }

    /// Practises at one rate, and judges nothing.
    func warmUp(rate: Int, seconds: Int) throws { _ = try tried(rate, seconds: seconds, isBounded: false) }

    /// Tries one rate after another, and tells what came of each.
    func search() throws -> RateSearch {
        let start = MonotonicTime.now()
        _ = try tried(Self.runInRate, seconds: Self.runInSeconds, isBounded: true)
        var search = RateSearch()
        while let rate = search.next(after: MonotonicTime.seconds(since: start)) {
            let (trial, latencies) = try tried(rate, seconds: Self.trialSeconds, isBounded: true)
            search.tried(trial)
            waiting.progress.note(
                "\(rate) a second: p50 \(latencies.text(50)) ms, p99 \(latencies.text(99)) ms, "
                    + "\(trial.unanswered) unanswered, \(trial.unstored) not in PostgreSQL: "
                    + (trial.isCarried ? "carried" : "too much"))
        }
        return search
    }

    /// Makes reservations at a rate, and waits until all is answered and in PostgreSQL.
    /// - Parameter isBounded: ends early when the backlog is the work of a second.
    private func tried(
        _ rate: Int, seconds: Int, isBounded: Bool
    ) throws -> (trial: RateSearch.Trial, latencies: Percentiles) {
        let numbers = next..<(next + rate * seconds)
        next = numbers.upperBound
        recorder.time(numbers)
        let sellers = DemoSeller.sell(
            numbers, rate: Double(rate), of: script, recorder: recorder, at: MonotonicTime.now(),
            settings: settings, events: events)
        while !sellers.areDone {
            try waiting.look()
            if isBounded, recorder.counts.unanswered > 2 * rate { sellers.stop() }
        }
        try sellers.check()
        let (unanswered, unstored) = (recorder.counts.unanswered, self.unstored)
        try awaitAnswers()
        let latencies = recorder.latencies().all
        return (
            RateSearch.Trial(
                rate: rate, p50: latencies.value(50), p99: latencies.value(99), unanswered: unanswered,
                unstored: unstored),
            latencies
        )
    }

    /// As the sink says.
    private var unstored: Int { cast.metric("holdfast_sink_lag_records", of: "sink") ?? .max }

    private func awaitAnswers() throws {
        try waiting.wait("the answers of the practice") { self.recorder.counts.unanswered <= 0 }
        try waiting.wait("the sink to write what was practised") { self.unstored <= Self.restingLag }
    }
}
