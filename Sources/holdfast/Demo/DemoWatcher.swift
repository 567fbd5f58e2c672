import InventoryCore
import KafkaClient
import OrderCore
import Synchronization

/// What fulfilment and the order pipeline do while the sale runs: each granted reservation is answered with a confirm, a
/// release, or nothing.
final class DemoWatcher: Sendable {
    private let script: any DemoScript
    private let settings: KafkaSettings
    private let recorder: DemoRecorder
    private let events: ClientEvents
    private let reader: FulfilmentReader
    private let unpaidNumbers = Mutex<[Int]>([])

    init(
        script: any DemoScript, settings: KafkaSettings, recorder: DemoRecorder, events: ClientEvents
    ) {
        self.script = script
        self.settings = settings
        self.recorder = recorder
        self.events = events
        reader = FulfilmentReader(run: script.run, settings: settings, events: events)
    }

    var liveCount: Int { reader.liveCount }
    /// The numbers of the granted reservations of the hot SKU that nobody will pay.
    var unpaid: [Int] { unpaidNumbers.withLock { $0 } }
    var failure: String? { reader.failure }

    func start(from starts: [Topic: [Int32: Int64]]) {
        reader.start(from: starts) { [self] () throws(KafkaError) in
            let publisher = try DemoPublisher(settings: settings, events: events)
            return FulfilmentReader.Steps(
                result: { outcome, partition throws(KafkaError) in
                    try self.saw(outcome, partition, publisher)
                },
                between: { publisher.poll() },
                end: { () throws(KafkaError) in try publisher.finish() })
        }
    }

    /// Stops following, and waits for that.
    func stop() { reader.stop() }

    private func saw(
        _ outcome: Outcome, _ partition: Int32, _ publisher: DemoPublisher
    ) throws(KafkaError) {
        let number = number(of: outcome)
        let isGranted = outcome.kind == .reserved && !outcome.isDuplicate && number != nil
        let followUp = isGranted ? script.followUp(of: number!, sku: outcome.sku) : nil
        // Before the answer counts: who waits for all answers wants to know all that were not paid.
        if isGranted, followUp == nil, script.isHot(outcome.sku) {
            unpaidNumbers.withLock { $0.append(number!) }
        }
        if let followUp {
            recorder.sentUntimed()
            try publisher.publish(followUp)
        }
        // The delay service and the coordinator send commands as well.
        let isOwn =
            outcome.command != .expire && outcome.reservationID.flatMap(OrderAddress.init) == nil
        recorder.saw(outcome, number: number, isOwn: isOwn, partition: partition)
    }

    /// The number in a reservation's id.
    private func number(of outcome: Outcome) -> Int? {
        guard outcome.command == .reserve, let id = outcome.reservationID else { return nil }
        return Int(id.text.dropFirst(script.run.count + 2))
    }
}
