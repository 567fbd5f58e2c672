import Foundation
import InventoryCore
import InventoryWire
import KafkaClient
import Operations
import Synchronization

/// Follows results and reservations while the sale runs, as fulfilment would, and answers granted reservations
/// with a confirm, a release, or nothing.
final class DemoWatcher: Sendable {
    private struct State {
        var live: Set<String> = []
        var unpaid: [Int] = []
        var failure: String?
    }

    private let plan: DemoPlan
    private let settings: KafkaSettings
    private let recorder: DemoRecorder
    private let state = Mutex(State())
    private let isStopping = Atomic<Bool>(false)
    private let hasStopped = Atomic<Bool>(false)

    init(plan: DemoPlan, settings: KafkaSettings, recorder: DemoRecorder) {
        self.plan = plan
        self.settings = settings
        self.recorder = recorder
    }

    var liveCount: Int { state.withLock { $0.live.count } }
    /// The numbers of the granted reservations of the hot SKU that nobody will pay.
    var unpaid: [Int] { state.withLock { $0.unpaid } }
    var failure: String? { state.withLock { $0.failure } }

    func start(from starts: [Topic: [Int32: Int64]], events: ClientEvents) {
        Service.startThread("watcher") { [self] in
            do throws(KafkaError) {
                try follow(starts, events)
            } catch {
                state.withLock { $0.failure = error.description }
            }
            hasStopped.store(true, ordering: .releasing)
        }
    }

    /// Stops following, and waits for that.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        let deadline = Deadline(milliseconds: 5_000)
        while !hasStopped.load(ordering: .acquiring), !deadline.isPast { usleep(5_000) }
    }

    private func follow(_ starts: [Topic: [Int32: Int64]], _ events: ClientEvents) throws(KafkaError) {
        let publisher = try DemoPublisher(settings: settings, events: events)
        let consumer = try Consumer(configuration: settings.reader(isolation: .committed), events: events)
        let results = try consumer.topic(settings.name(.results))
        try consumer.assign(
            starts.flatMap { topic, offsets in
                offsets.map { TopicPartitionOffset(settings.name(topic), $0.key, offset: $0.value) }
            })
        var reader = RecordReader()
        var failure: KafkaError?
        while !isStopping.load(ordering: .acquiring), failure == nil {
            consumer.consumeBatch(maxMessages: 5_000, timeoutMilliseconds: 20) { message in
                guard message.isRecord, failure == nil else { return }
                do throws(KafkaError) {
                    if message.isFrom(results) {
                        try saw(result: message, &reader, publisher)
                    } else {
                        saw(reservation: message)
                    }
                } catch {
                    failure = error
                }
            }
            publisher.poll()
        }
        if let failure { throw failure }
        try publisher.finish()
    }

    private func saw(
        result message: borrowing Message, _ reader: inout RecordReader, _ publisher: DemoPublisher
    ) throws(KafkaError) {
        guard let value = message.value, let outcome = try? reader.outcome(value).outcome,
            outcome.sku.hasPrefix(plan.run)
        else { return }
        let number = number(of: outcome)
        let isGranted = outcome.kind == .reserved && !outcome.isDuplicate && number != nil
        let followUp = isGranted ? plan.followUp(of: number!, sku: outcome.sku) : nil
        // Before the answer counts: who waits for all answers wants to know all that were not paid.
        if isGranted, followUp == nil, outcome.sku == plan.hotSKU {
            state.withLock { $0.unpaid.append(number!) }
        }
        if let followUp {
            recorder.sentUntimed()
            try publisher.publish(followUp)
        }
        recorder.saw(outcome, number: number, partition: message.partition)
    }

    /// The number in a reservation's id.
    private func number(of outcome: Outcome) -> Int? {
        guard outcome.command == .reserve, let id = outcome.reservationID else { return nil }
        return Int(id.dropFirst(plan.run.count + 2))
    }

    private func saw(reservation message: borrowing Message) {
        guard let key = message.key else { return }
        let id = String(decoding: key, as: UTF8.self)
        guard id.hasPrefix(plan.run) else { return }
        let isLive = message.value != nil
        state.withLock { state in
            if isLive { state.live.insert(id) } else { state.live.remove(id) }
        }
    }
}
