import Foundation
import InventoryCore
import KafkaClient
import Operations
import Synchronization

/// One producer of the sale, or of its warm-up: sends its share of the reservations when each is due, whether answers come or not
/// (an open loop), so that a slow system cannot slow its own measurement down.
final class DemoSeller: Sendable {
    private let number: Int
    /// The reservations that the producers share.
    private let reservations: Range<Int>
    private let seconds: Int
    private let plan: DemoPlan
    private let recorder: DemoRecorder
    /// When the first reservation is due, on the monotonic clock.
    private let start: UInt64
    private let done = Atomic<Bool>(false)
    private let fault = Mutex<String?>(nil)

    init(
        number: Int, reservations: Range<Int>, seconds: Int, plan: DemoPlan, recorder: DemoRecorder,
        start: UInt64
    ) {
        self.number = number
        self.reservations = reservations
        self.seconds = seconds
        self.plan = plan
        self.recorder = recorder
        self.start = start
    }

    var isDone: Bool { done.load(ordering: .acquiring) }
    var failure: String? { fault.withLock { $0 } }

    func begin(settings: KafkaSettings, events: ClientEvents) {
        Service.startThread("seller-\(number)") { [self] in
            do throws(KafkaError) {
                try sell(DemoPublisher(settings: settings, events: events))
            } catch {
                fault.withLock { $0 = error.description }
            }
            done.store(true, ordering: .releasing)
        }
    }

    private func sell(_ publisher: DemoPublisher) throws(KafkaError) {
        let hot = plan.hotNumbers()
        let interval = Double(seconds) * 1e9 / Double(reservations.count)
        for place in stride(from: number, to: reservations.count, by: plan.producers) {
            let reservation = reservations.lowerBound + place
            let due = start + UInt64(Double(place) * interval)
            while MonotonicTime.now() < due {
                publisher.poll()
                usleep(500)
            }
            if plan.sale.contains(reservation) {
                recorder.sent(reservation, intended: due)
            } else {
                recorder.sentUntimed()
            }
            try publisher.publish(plan.reserve(reservation, hotNumbers: hot))
        }
        try publisher.finish()
    }
}
